"""Sentences with a full verb: statements, passives, wishes, commands, questions and pairs of clauses."""

from __future__ import annotations

from stxfer.corpora.bitext.lines import Pair
from stxfer.corpora.synthetic import english, morphology
from stxfer.corpora.synthetic.lexicon import Verb, lexicon
from stxfer.corpora.synthetic.phrases import (
    HUMAN,
    Chooser,
    Phrase,
    human,
    join,
    modifier,
    noun_phrase,
    object_phrase,
    pronoun,
)


def _conjugate(choose: Chooser, verb: Verb, subject: Phrase, tense: str, *, negative: bool = False,
               whom: Phrase | None = None) -> str:
    return morphology.verb(choose.synonym(verb.stem), subject.who, tense, negative=negative,
                           whom=whom.object_person if whom else None)


def _tense(choose: Chooser, verb: Verb) -> str:
    stative = verb.base in lexicon().sets["stative"]
    return choose.one(["past", "habit" if stative else "present", "future", "perfect", "progressive", "habit"],
                      [5, 5, 3, 0 if stative else 1.5, 0 if stative else 1, 0 if stative else 1.5])


def _time(choose: Chooser, tense: str, chance: float) -> Pair:
    fitting = [(en, sw) for en, sw, tenses in lexicon().times
               if ("past" if tense == "progressive" else tense) in tenses]
    if not choose.chance(1.0 if tense == "habit" and chance else chance):  # who reads, reads every day
        return "", ""
    en, sw = choose.one(fitting)
    return en, choose.synonym(sw)


def _clause(choose: Chooser, subject: Phrase, verb: Verb, tense: str, rest: Pair, *, whom: Phrase | None = None,
            time: float = 0.4) -> Pair:
    """Put subject, verb, the rest (objects, manner, place) and perhaps a time together."""
    stative = verb.base in lexicon().sets["stative"]
    negative = choose.chance(0.1)
    en_time, sw_time = _time(choose, tense, 0 if stative and tense == "habit" else time)
    adverb = en_time if en_time in ("always", "often") else ""
    group = english.verb_group(verb, subject.english_person, tense, negative=negative, adverb=adverb)
    en = join(subject.english, group, rest[0])
    sw = join(subject.swahili, _conjugate(choose, verb, subject, tense, negative=negative, whom=whom), rest[1])
    # A time opens or closes the sentence; a translator keeps its place or not.
    first = bool(en_time) and not adverb and choose.chance(0.25)
    if en_time and not adverb:
        en = join(en_time, en) if first else join(en, en_time)
    moved = first != choose.chance(0.1)
    return en, join(sw_time, sw) if moved else join(sw, sw_time)


def _intransitive(choose: Chooser) -> tuple[Phrase, Verb]:
    verb = choose.one(lexicon().intransitive)
    if verb.subjects & HUMAN and choose.chance(0.3):
        return pronoun(choose), verb
    return noun_phrase(choose, verb.subjects), verb


def _where(choose: Chooser, verb: Verb) -> Pair:
    at, to, sw = choose.one(lexicon().places)
    return (to if verb.base in lexicon().sets["towards"] else at), sw


def intransitive(choose: Chooser) -> Pair:
    """The child is sleeping at home today."""
    subject, verb = _intransitive(choose)
    rest = ("", "")
    if verb.base in lexicon().sets["needs_place"] or (
            verb.base not in lexicon().sets["nowhere"] and choose.chance(0.4) and verb.subjects & HUMAN):
        rest = _where(choose, verb)
    elif verb.base in lexicon().manner and choose.chance(0.4) and (subject.noun is None or subject.noun.animate):
        en, sw = choose.one(lexicon().manner[verb.base])
        if en == "together" and not subject.plural:
            en, sw = "", ""
        rest = en, choose.synonym(sw)
    return _clause(choose, subject, verb, _tense(choose, verb), rest)


def transitive(choose: Chooser) -> Pair:
    """My sister bought two red shirts."""
    verb = choose.one(lexicon().transitive)
    subject = human(choose) if choose.chance(0.85) else noun_phrase(choose, verb.subjects)
    thing = object_phrase(choose, verb, subject)
    rest = thing.english, thing.swahili
    if choose.chance(0.12):
        at, _, sw = choose.one(lexicon().places)
        rest = f"{rest[0]} {at}", f"{rest[1]} {sw}".strip()
    return _clause(choose, subject, verb, _tense(choose, verb), rest, whom=thing, time=0.3)


def ditransitive(choose: Chooser) -> Pair:
    """The woman gave the child an orange: the receiver is the verb's object."""
    verb = choose.one(lexicon().ditransitive)
    subject = human(choose, simple=True)
    receiver = object_phrase(choose, Verb("", "", "", "", "", "", HUMAN, HUMAN), subject, simple=True)
    thing = noun_phrase(choose, verb.objects)
    if choose.chance(0.5) or receiver.noun is None:
        en = f"{receiver.english} {thing.english}"
    else:
        en = f"{thing.english} {'for' if verb.base == 'buy' else 'to'} {receiver.english}"
    return _clause(choose, subject, verb, choose.one(["past", "future", "perfect", "present"], [4, 2, 1, 2]),
                   (en, join(receiver.swahili, thing.swahili)), whom=receiver, time=0.2)


def passive(choose: Chooser) -> Pair:
    """This bridge was built by the farmers."""
    verb = choose.one([v for v in lexicon().transitive if v.passive])
    thing, agent = noun_phrase(choose, verb.objects), noun_phrase(choose, HUMAN, simple=True)
    tense = choose.one(["past", "future", "perfect"], [4, 1, 1])
    negative = choose.chance(0.1)
    group = {"past": english.be(thing.english_person, past=True), "future": "will",
             "perfect": "has" if thing.english_person == english.THIRD else "have"}[tense]
    middle = {"past": "", "future": "be", "perfect": "been"}[tense]
    en = join(thing.english, group, "not" if negative else "", middle, verb.participle, "by", agent.english)
    return en, join(thing.swahili, morphology.verb(verb.passive, thing.who, tense, negative=negative), "na",
                    agent.swahili)


def modal(choose: Chooser) -> Pair:
    """The girl wants to read this letter. The students must return to school."""
    subject = human(choose)
    kind = choose.one(["want", "can", "like", "must"], [3, 3, 2, 2])
    if choose.chance(0.7):
        verb = choose.one([v for v in lexicon().transitive if v.base not in lexicon().sets["stative"]])
        found = object_phrase(choose, verb, subject)
        thing: Phrase | None = found
        rest = (found.english, found.swahili)
    else:
        verb = choose.one([v for v in lexicon().intransitive if v.subjects & HUMAN and v.base not in ("fall", "live")])
        thing, rest = None, _where(choose, verb) if verb.base not in lexicon().sets["nowhere"] else ("", "")
    whom = thing.object_person if thing else None
    stem = choose.synonym(verb.stem)
    if kind == "must":
        return join(subject.english, "must", verb.base, rest[0]), \
            join("lazima", subject.swahili, morphology.verb(stem, subject.who, "subjunctive", whom=whom), rest[1])
    negative, past = choose.chance(0.15), kind != "can" and choose.chance(0.3)
    outer = Verb(kind, f"{kind}s", f"{kind}d" if kind == "like" else f"{kind}ed", "", "",
                 {"want": "taka", "like": "penda", "can": "weza"}[kind], HUMAN)
    tense = "past" if past else "habit"
    group = ("cannot" if negative else "can") if kind == "can" \
        else english.verb_group(outer, subject.english_person, tense, negative=negative) + " to"
    return join(subject.english, group, verb.base, rest[0]), \
        join(subject.swahili, morphology.verb(outer.stem, subject.who, tense, negative=negative),
             morphology.infinitive(stem, whom), rest[1])


def command(choose: Chooser) -> Pair:
    """Please open the window. Do not close the door. Let us cook the food."""
    verb = choose.one([v for v in lexicon().transitive if v.base not in lexicon().sets["stative"]])
    us = Phrase("us", "", "1p", "other")
    form = choose.one(["do", "please", "not", "let us"], [3, 3, 2, 2])
    thing = object_phrase(choose, verb, us if form == "let us" else None)
    whom = thing.object_person
    stem = choose.synonym(verb.stem)
    if form == "let us":
        return f"let us {verb.base} {thing.english}", join(
            morphology.verb(stem, "1p", "subjunctive", whom=whom), thing.swahili)
    if form == "not":
        negative = "usi" + morphology.verb(stem, "2s", "subjunctive", whom=whom)[1:]
        return f"do not {verb.base} {thing.english}", join(negative, thing.swahili)
    polite = form == "please"
    return join("please" if polite else "", verb.base, thing.english), \
        join("tafadhali" if polite else "", morphology.imperative(stem, whom), thing.swahili)


def question(choose: Chooser) -> Pair:
    """Where is my book? Who bought the car? What is he reading? Did you see the lion?"""
    kind = choose.one(["where", "who", "what", "whether"], [2, 2, 1, 3])
    if kind == "where":
        thing = noun_phrase(choose, frozenset("oahv"))
        return f"where {english.be(thing.english_person)} {thing.english}?", \
            f"{thing.swahili} {morphology.locative_copula(thing.who)} wapi?"
    verb = choose.one([v for v in lexicon().transitive if kind != "what" or not v.objects & {"h", "a"}])
    tense = _tense(choose, verb)
    if kind == "who":
        thing = object_phrase(choose, verb, Phrase("who", "", 1, english.THIRD))
        return f"who {english.verb_group(verb, english.THIRD, tense)} {thing.english}?", join(
            "nani", morphology.verb(verb.stem, 1, tense, whom=thing.object_person), thing.swahili) + "?"
    subject = human(choose, simple=True)
    finite, rest = english.auxiliary(verb, subject.english_person, tense)
    if kind == "what":
        return f"what {finite} {subject.english} {rest}?", \
            join(subject.swahili, _conjugate(choose, verb, subject, tense), "nini") + "?"
    thing = object_phrase(choose, verb, subject)
    return f"{finite} {subject.english} {rest} {thing.english}?", \
        join("je,", subject.swahili, _conjugate(choose, verb, subject, tense, whom=thing), thing.swahili) + "?"


def _pronoun_of(choose: Chooser, person: Phrase) -> str:
    assert person.noun is not None
    if person.plural:
        return "they"
    for name, words in (("he", "masculine"), ("she", "feminine")):
        if person.noun.english[0] in lexicon().sets[words]:
            return name
    return choose.one(["he", "she"])


def compound(choose: Chooser) -> Pair:
    """The boy cried because he was sick. When I returned, the dog was sleeping."""
    kind = choose.one(["but", "because", "when", "and"], [2, 2, 2, 1])
    verbs = [v for v in lexicon().intransitive if "h" in v.subjects and v.base not in lexicon().sets["needs_place"]]
    first = choose.one(verbs)
    second = choose.one([verb for verb in verbs if verb is not first])
    one = human(choose, simple=True)
    if kind == "because":
        adjective = choose.one([a for a in lexicon().adjectives if a.english in ("sick", "old", "poor", "lazy")
                                and "h" in a.kinds])
        she = one if one.noun is None else Phrase(
            _pronoun_of(choose, one), "", one.who, one.english_person, plural=one.plural)
        predicate_ = morphology.verb("wa", she.who, "past"), modifier(adjective, 2 if she.plural else 1)
        return join(one.english, first.past, "because", she.english, english.be(she.english_person, past=True),
                    adjective.english), \
            join(one.swahili, _conjugate(choose, first, one, "past"), choose.synonym("kwa sababu"), *predicate_)
    two = noun_phrase(choose, HUMAN, simple=True)
    if kind == "when":
        tense = choose.one(["past", "progressive"])
        return join("when", one.english, first.past + ",", two.english,
                    english.verb_group(second, two.english_person, tense)), \
            join(one.swahili, _conjugate(choose, first, one, "when") + ",", two.swahili,
                 _conjugate(choose, second, two, tense))
    tense = choose.one(["past", "present", "future"])
    return join(one.english, english.verb_group(first, one.english_person, tense), kind, two.english,
                english.verb_group(second, two.english_person, tense)), \
        join(one.swahili, _conjugate(choose, first, one, tense), choose.synonym("lakini") if kind == "but" else "na",
             two.swahili, _conjugate(choose, second, two, tense))
