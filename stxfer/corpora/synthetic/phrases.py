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
PRONOUNS: list[tuple[str, str, morphology.Agreement, str, str]] = [
    ("I", "me", "1s", "first", "mimi"), ("you", "you", "2s", "other", "wewe"), ("he", "him", 1, english.THIRD, "yeye"),
    ("she", "her", 1, english.THIRD, "yeye"), ("we", "us", "1p", "other", "sisi"), ("they", "them", 2, "other", "wao")]
HUMAN = frozenset("h")
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
        """Return one of the options."""
        return self.random.choices(options, weights)[0] if weights else self.random.choice(options)

    def chance(self, probability: float) -> bool:
        """Return whether what has this probability happens."""
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


def pronoun(choose: Chooser) -> Phrase:
    """Return a subject pronoun; Swahili has only the verb's prefix."""
    subject, _, who, person, _ = choose.one(PRONOUNS)
    if subject == "you" and choose.chance(0.15):
        who = "2p"
    return Phrase(subject, "", who, person, plural=person == "other" and who != "2s")


@dataclass(frozen=True)
class NounSpec:
    """A noun phrase before it is put into words.

    ``determiner`` is the, a, this, that, all, every, a possessive (my, your, your.pl, ...) or "".
    ``number`` is an English numeral, many or "". ``owner`` and its own possessive ("" for the) stand
    for the determiner: my teacher's big book.
    """

    noun: Noun
    plural: bool = False
    determiner: str = "the"
    adjective: Adjective | None = None
    number: str = ""
    owner: Noun | None = None
    owners_owner: str = ""
    number_last: bool = False  # vitabu vikubwa viwili beside vitabu viwili vikubwa: both are heard


def realise(spec: NounSpec) -> Phrase:
    """Put a noun phrase into English and Swahili words.

    Swahili's order is noun, possessive, numeral, adjective, demonstrative, genitive.
    """
    noun, plural = spec.noun, spec.plural
    agreement = noun.agreement(plural)
    concord = morphology.CONCORD[agreement]
    words = join(spec.number, spec.adjective.english if spec.adjective else "", noun.english[plural])
    determiner = spec.determiner
    if spec.owner is not None:
        words = f"{spec.owners_owner or 'the'} {spec.owner.english[0]}'s {words}"
    elif determiner == "a":
        words = english.with_article(words)
    elif determiner == "all":
        words = f"all the {words}"
    elif determiner in ("this", "that") and plural:
        words = f"{'these' if determiner == 'this' else 'those'} {words}"
    else:
        words = join(determiner.removesuffix(".pl"), words)
    sw = ["kila"] if determiner == "every" else []
    sw.append(noun.swahili[plural])
    if determiner in morphology.POSSESSIVE and spec.owner is None:
        sw.append(morphology.possessive(determiner, noun.owned(plural)))
    count = [_count(spec.number, agreement)] if spec.number else []
    quality = [modifier(spec.adjective, agreement)] if spec.adjective else []
    sw += quality + count if spec.number_last else count + quality
    if determiner == "all":
        sw.append(morphology.every(agreement))
    elif determiner in ("this", "that"):
        sw.append(concord.this if determiner == "this" else concord.that)
    if spec.owner is not None:
        sw += [morphology.genitive(agreement), spec.owner.swahili[0]]
        sw += [morphology.possessive(spec.owners_owner, spec.owner.owned(False))] if spec.owners_owner else []
    return Phrase(words, " ".join(sw), agreement, "other" if plural else english.THIRD, noun, plural)


def _count(number: str, agreement: int) -> str:
    if number == "many":
        return morphology.adjective("ingi", agreement)
    return morphology.numeral(dict(lexicon().numerals)[number], agreement)


def noun_phrase(choose: Chooser, kinds: frozenset[str], *, simple: bool = False, indefinite: bool = False) -> Phrase:
    """Choose a noun with a determiner, and perhaps an adjective, a numeral and an owner.

    Args:
        choose: the source of choices.
        kinds: kinds of noun that fit.
        simple: no adjective and no owner that is a noun.
        indefinite: a, a number, many or nothing, as "there is" and "have" take.
    """
    noun = choose.one(lexicon().with_kinds(kinds))
    plural = not noun.mass and "s" not in noun.kinds and choose.chance(0.35)
    fitting = [adjective for adjective in lexicon().adjectives if adjective.kinds & noun.kinds]
    adjective = choose.one(fitting) if fitting and not simple and choose.chance(0.35) else None
    linked = adjective is not None and adjective.swahili.startswith("-")
    determiner = _determiner(choose, noun, plural, indefinite, linked=linked, simple=simple)
    number, owner, owners_owner = "", None, ""
    if determiner == "number":
        number = choose.one(lexicon().numerals)[0]
        determiner = "" if indefinite or choose.chance(0.6) else "the"
    elif determiner == "many":
        determiner, number = "", "many"
    elif determiner == "owner":
        determiner = choose.one(_OWNERS, _OWNER_WEIGHTS)
    elif determiner == "genitive":
        owner = choose.one([other for other in lexicon().with_kinds(HUMAN)
                            if other is not noun and "k" not in other.kinds])
        owners_owner = choose.one(["my", "our", ""], [1, 1, 6])
    return realise(NounSpec(noun, plural, determiner, adjective, number, owner, owners_owner,
                            number_last=choose.chance(0.2)))


def _determiner(choose: Chooser, noun: Noun, plural: bool, indefinite: bool, *, linked: bool, simple: bool) -> str:
    if indefinite:
        if noun.mass:
            return ""
        return choose.one(["number", "many", ""], [4, 2, 1]) if plural else "a"
    if "k" in noun.kinds:
        return choose.one(["owner", "the"], [10, 1])
    weights: dict[str, float] = {"the": 9, "owner": 4, "genitive": 0 if simple else 1.5}
    if not linked:  # an -a phrase between noun and demonstrative would be heavy
        weights |= {"this": 2, "that": 1}
    if noun.mass:
        weights[""] = 6
    elif plural:
        weights |= {"number": 4, "many": 1.5, "all": 0 if linked else 1}
    else:
        weights |= {"a": 4, "every": 0.4 if noun.animate else 0}
    return choose.one(list(weights), list(weights.values()))


def object_phrase(choose: Chooser, verb: Verb, subject: Phrase | None, *, simple: bool = False) -> Phrase:
    """Return an object that fits the verb: a pronoun or a noun phrase, other than the subject."""
    if "h" in verb.objects and choose.chance(0.35):
        if subject is None:
            taken: object = "2"  # a command's
        else:  # another "he" than the subject's would be ambiguous; "the teacher helped him" is not
            taken = _participant(subject.who) if subject.noun is None else None
        fitting = [entry for entry in PRONOUNS if _participant(entry[2]) != taken]
        _, name, who, person, _ = choose.one(fitting)
        return Phrase(name, "", who, person)
    while True:
        phrase = noun_phrase(choose, verb.objects, simple=simple)
        if subject is None or phrase.noun is not subject.noun:
            return phrase


def _participant(who: morphology.Agreement) -> object:
    """Return who speaks or hears, whatever their number: I see us and you see you are not said."""
    return who[0] if isinstance(who, str) else who


def human(choose: Chooser, *, simple: bool = False) -> Phrase:
    """Return a person or a pronoun as subject."""
    return pronoun(choose) if choose.chance(0.3) else noun_phrase(choose, HUMAN, simple=simple)


def join(*parts: str) -> str:
    """Join what is not empty by spaces."""
    return " ".join(part for part in parts if part)
