"""Noun phrases and verb phrases of the synchronous grammar: each has an English and a Swahili side."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

from stxfer.corpora.synthetic import english, morphology
from stxfer.corpora.synthetic.lexicon import Adjective, Noun, Verb, lexicon

T = TypeVar("T")
# English subject, object, Swahili person, English verb agreement, Swahili independent pronoun
PRONOUNS = [("I", "me", "1s", "first", "mimi"), ("you", "you", "2s", "other", "wewe"),
            ("he", "him", 1, english.THIRD, "yeye"), ("she", "her", 1, english.THIRD, "yeye"),
            ("we", "us", "1p", "other", "sisi"), ("they", "them", 2, "other", "wao")]
_OWNERS = ["my", "your", "his", "her", "our", "their", "your.pl"]
_OWNER_WEIGHTS = [5, 3, 3, 3, 3, 2, 1]


@dataclass(frozen=True)
class Phrase:
    """A noun phrase: English, Swahili, and what verbs agree with.

    ``who`` is a class or a person; ``english_person`` first, third or other; ``noun`` is None for a pronoun.
    """

    english: str
    swahili: str
    who: morphology.Agreement
    english_person: str
    noun: Noun | None = None
    plural: bool = False

    @property
    def object_person(self) -> morphology.Agreement | None:
        """What a verb's object prefix agrees with: persons and living beings have one."""
        return self.who if self.noun is None or self.noun.animate else None


class Chooser:
    """Seeded choices, with the readings that phrases need."""

    def __init__(self, seed: str) -> None:
        self.random = random.Random(seed)

    def one(self, options: Sequence[T], weights: Sequence[float] | None = None) -> T:
        return self.random.choices(options, weights)[0] if weights else self.random.choice(options)

    def chance(self, probability: float) -> bool:
        return self.random.random() < probability

    def synonym(self, swahili: str) -> str:
        """Now and then another word or stem, as human translators differ."""
        other = lexicon().synonyms.get(swahili)
        return other if other and self.chance(0.2) else swahili


def modifier(adjective: Adjective, noun_class: int) -> str:
    """Return an adjective's Swahili form after a noun of this class."""
    word = adjective.swahili
    if word.startswith("="):
        return word[1:]
    if word.startswith("-a "):
        return f"{morphology.genitive(noun_class)} {word[3:]}"
    return morphology.adjective(word, noun_class)


def pronoun(choose: Chooser, *, third_only: bool = False) -> Phrase:
    """Return a subject pronoun; Swahili has only the verb's prefix."""
    subject, _, who, person, _ = choose.one(PRONOUNS[2:4] + PRONOUNS[5:] if third_only else PRONOUNS)
    if subject == "you" and choose.chance(0.15):
        who = "2p"
    return Phrase(subject, "", who, person, plural=person == "other" and who != "2s")


def noun_phrase(choose: Chooser, kinds: frozenset[str], *, simple: bool = False, plural: bool | None = None,
                indefinite: bool = False) -> Phrase:
    """Return a noun with determiner, and perhaps adjective, numeral and owner.

    Args:
        choose: the source of choices.
        kinds: kinds of noun that fit.
        simple: no adjective and no owner that is a noun.
        plural: the number, or None for either.
        indefinite: a, a number, many or nothing, as "there is" and "have" take.
    """
    noun = choose.one(lexicon().with_kinds(kinds))
    many = not noun.mass and (choose.chance(0.35) if plural is None else plural)
    agreement = noun.agreement(many)
    adjective = None
    fitting = [a for a in lexicon().adjectives if a.kinds & noun.kinds]
    if fitting and not simple and choose.chance(0.35):
        adjective = choose.one(fitting)
    head = noun.english[many]
    words = f"{adjective.english} {head}" if adjective else head
    after = [modifier(adjective, agreement)] if adjective else []
    sw = [noun.swahili[many]]
    determiner = _determiner(choose, noun, many, indefinite, linked=bool(adjective) and adjective.swahili[0] == "-",
                             simple=simple)
    if determiner == "owner":
        owner = choose.one(_OWNERS, _OWNER_WEIGHTS)
        words = f"{owner.removesuffix('.pl')} {words}"
        sw.append(morphology.possessive(owner, noun.owned(many)))
    elif determiner in ("number", "many"):
        number, stem = choose.one(lexicon().numerals) if determiner == "number" else ("many", "")
        count = morphology.numeral(stem, agreement) if stem else morphology.adjective("ingi", agreement)
        words = f"{number} {words}" if indefinite or choose.chance(0.6) or not stem else f"the {number} {words}"
        # Both orders are heard; the numeral first is the commoner here.
        after = after + [count] if after and choose.chance(0.2) else [count, *after]
    elif determiner == "all":
        words = f"all the {words}"
        after.append(morphology.every(agreement))
    elif determiner == "every":
        words = f"every {words}"
        sw.insert(0, "kila")
    elif determiner in ("this", "that"):
        near = determiner == "this"
        words = f"{({'this': 'these', 'that': 'those'}[determiner]) if many else determiner} {words}"
        after.append(morphology.CONCORD[agreement].this if near else morphology.CONCORD[agreement].that)
    elif determiner == "genitive":
        human = [n for n in lexicon().with_kinds(frozenset("h")) if n is not noun and "k" not in n.kinds]
        owner_noun = choose.one(human)
        mine = choose.one(["my", "our", ""], [1, 1, 6])
        words = f"{mine or 'the'} {owner_noun.english[0]}'s {words}"
        after += [morphology.genitive(agreement), owner_noun.swahili[0]]
        after += [morphology.possessive(mine, 1)] if mine else []
    elif determiner == "a":
        words = english.with_article(words)
    elif determiner == "the":
        words = f"the {words}"
    return Phrase(words, " ".join([*sw, *after]), agreement, "other" if many else english.THIRD, noun, many)


def _determiner(choose: Chooser, noun: Noun, many: bool, indefinite: bool, *, linked: bool, simple: bool) -> str:
    if indefinite:
        if noun.mass:
            return ""
        return choose.one(["number", "many", ""], [4, 2, 1]) if many else "a"
    weights: dict[str, float] = {"the": 9, "owner": 4, "genitive": 0 if simple else 1.5}
    if not linked:
        weights |= {"this": 2, "that": 1}
    if noun.mass:
        weights[""] = 6
    elif many:
        weights |= {"number": 4, "many": 1.5, "all": 0 if linked else 1}
    else:
        weights |= {"a": 4, "every": 0.4 if noun.animate else 0}
    if "k" in noun.kinds:
        weights = {"owner": 10, "the": 1}
        if many:
            weights["number"] = 1
    return choose.one(list(weights), list(weights.values()))


def object_phrase(choose: Chooser, verb: Verb, subject: Phrase | None, *, simple: bool = False) -> Phrase:
    """Return an object that fits the verb: a noun phrase, or a pronoun other than the subject."""
    if verb.objects & {"h", "a"} and "h" in verb.objects and choose.chance(0.35):
        taken = subject.who if subject else "2s"
        for _ in range(20):
            _, name, who, person, _ = choose.one(PRONOUNS)
            if who != taken and not {who, taken} <= {"1s", "1p"} and not {who, taken} <= {"2s", "2p"}:
                return Phrase(name, "", who, person)
    for _ in range(20):
        phrase = noun_phrase(choose, verb.objects, simple=simple)
        if subject is None or phrase.noun is not subject.noun:
            break
    return phrase


def human(choose: Chooser, *, simple: bool = False) -> Phrase:
    """Return a person or a pronoun as subject."""
    return pronoun(choose) if choose.chance(0.3) else noun_phrase(choose, frozenset("h"), simple=simple)


def join(*parts: str) -> str:
    """Join what is not empty by spaces."""
    return " ".join(part for part in parts if part)
