"""Sentences without a full verb: what something is, where it is, what somebody has."""

from __future__ import annotations

from stxfer.corpora.bitext.lines import Pair
from stxfer.corpora.synthetic import english, morphology
from stxfer.corpora.synthetic.lexicon import lexicon
from stxfer.corpora.synthetic.phrases import HUMAN, PRONOUNS, Chooser, Phrase, human, join, modifier, noun_phrase


def _copula(choose: Chooser, subject: Phrase, independent: str = "") -> tuple[str, str]:
    """Return English "is" and Swahili ``ni``, in some tense."""
    tense = choose.one(["present", "past", "future"], [6, 3, 1])
    negative = choose.chance(0.12)
    if tense == "present":
        return join(english.be(subject.english_person), "not" if negative else ""), \
            join(independent, "si" if negative else "ni")
    en = join("will", "not" if negative else "", "be") if tense == "future" \
        else join(english.be(subject.english_person, past=True), "not" if negative else "")
    return en, morphology.verb("wa", subject.who, tense, negative=negative)


def _independent(subject: Phrase) -> str:
    if subject.who == "2p":
        return "nyinyi"
    return next((p[4] for p in PRONOUNS if p[0] == subject.english), "") if subject.noun is None else ""


def predicate(choose: Chooser) -> Pair:
    """These chairs were heavy. My father is a doctor."""
    people = choose.chance(0.4)  # no adjective in the subject: a white knife is not black
    subject = human(choose, simple=True) if people else noun_phrase(choose, frozenset("oaptvugdm"), simple=True)
    is_, ni = _copula(choose, subject, _independent(subject))
    if people and choose.chance(0.4):
        role = choose.one([n for n in lexicon().with_kinds(HUMAN)
                           if n.english[0] in lexicon().sets["roles"] and n is not subject.noun])
        en = role.english[1] if subject.plural else english.with_article(role.english[0])
        return join(subject.english, is_, en), join(subject.swahili, ni, role.swahili[subject.plural])
    kinds = subject.noun.kinds if subject.noun else HUMAN
    adjective = choose.one([a for a in lexicon().adjectives if a.kinds & kinds])
    agreement = subject.who if isinstance(subject.who, int) else 2 if subject.plural else 1
    intensity = ("very", "sana") if choose.chance(0.3) else ("", "")
    return join(subject.english, is_, intensity[0], adjective.english), \
        join(subject.swahili, ni, modifier(adjective, agreement), intensity[1])


def _place(choose: Chooser, subject: Phrase) -> Pair:
    if choose.chance(0.45):
        where = noun_phrase(choose, frozenset("tuvp"), simple=True)
        en, sw = choose.one(lexicon().prepositions)
        return f"{en} {where.english}", f"{sw} {where.swahili}"
    if subject.noun is not None and not subject.noun.animate:
        return choose.one(lexicon().surfaces)
    at, _, sw = choose.one(lexicon().places)
    return at, sw


def located(choose: Chooser) -> Pair:
    """The key is on the table. Our cows were near the river."""
    subject = human(choose) if choose.chance(0.35) else noun_phrase(choose, frozenset("oa"))
    en_place, sw_place = _place(choose, subject)
    negative = choose.chance(0.1)
    if choose.chance(0.65):
        en = join(english.be(subject.english_person), "not" if negative else "")
        sw = morphology.locative_copula(subject.who, negative=negative)
    else:
        en = join(english.be(subject.english_person, past=True), "not" if negative else "")
        sw = morphology.verb("wa", subject.who, "past", negative=negative)
    return join(subject.english, en, en_place), join(subject.swahili, sw, sw_place)


def possession(choose: Chooser) -> Pair:
    """The farmer has five goats."""
    subject, thing = human(choose), noun_phrase(choose, frozenset("oavgut"), indefinite=True)
    tense = choose.one(["present", "past", "future"], [4, 2, 1])
    third = subject.english_person == english.THIRD
    if tense == "present":
        return join(subject.english, "has" if third else "have", thing.english), \
            join(subject.swahili, morphology.have(subject.who), thing.swahili)
    return join(subject.english, "had" if tense == "past" else "will have", thing.english), \
        join(subject.swahili, morphology.verb("wa", subject.who, tense), "na", thing.swahili)


def existence(choose: Chooser) -> Pair:
    """There are many elephants in the forest."""
    thing = noun_phrase(choose, frozenset("hoavt"), indefinite=True)
    en_place, sw_place = _place(choose, thing)
    past = choose.chance(0.3)
    return join("there", english.be(thing.english_person, past=past), thing.english, en_place), \
        join("kulikuwa na" if past else "kuna", thing.swahili, sw_place)
