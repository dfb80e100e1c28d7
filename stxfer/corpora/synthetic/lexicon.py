"""The word list of the synchronous grammar, read from ``lexicon.yaml``."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources
from typing import Any

import yaml

_SETS = ("towards", "nowhere", "needs_place", "stative", "roles", "masculine", "feminine")
PLURAL_CLASS = {1: 2, 3: 4, 5: 6, 7: 8, 9: 10, 11: 10}


@dataclass(frozen=True)
class Noun:
    """A noun in both languages; ``kinds`` is a set of letters that the YAML file explains."""

    english: tuple[str, str]  # singular, plural
    swahili: tuple[str, str]
    noun_class: int  # of the singular
    kinds: frozenset[str]
    mass: bool = False

    @property
    def animate(self) -> bool:
        """Whether it is a person or an animal."""
        return bool(self.kinds & {"h", "a"})

    def agreement(self, plural: bool) -> int:
        """Return the class that adjectives, numerals and verbs agree with."""
        if self.animate:
            return 2 if plural else 1
        return PLURAL_CLASS[self.noun_class] if plural else self.noun_class

    def owned(self, plural: bool) -> int:
        """Return the class that possessives agree with: kin keep their own (``mama yangu``)."""
        return (10 if plural else 9) if "k" in self.kinds else self.agreement(plural)


@dataclass(frozen=True)
class Adjective:
    """``swahili`` is a stem, ``=word`` (does not agree) or ``-a phrase`` (linked)."""

    english: str
    swahili: str
    kinds: frozenset[str]


@dataclass(frozen=True)
class Verb:
    """English principal parts and the Swahili stem; kinds of subject and object."""

    base: str
    third: str
    past: str
    participle: str
    ing: str
    stem: str
    subjects: frozenset[str]
    objects: frozenset[str] = frozenset()
    passive: str = ""


@dataclass(frozen=True)
class Lexicon:
    """All words, and which of them go together."""

    nouns: list[Noun]
    adjectives: list[Adjective]
    intransitive: list[Verb]
    transitive: list[Verb]
    ditransitive: list[Verb]
    places: list[tuple[str, str, str]]
    surfaces: list[tuple[str, str]]
    prepositions: list[tuple[str, str]]
    times: list[tuple[str, str, frozenset[str]]]
    manner: dict[str, list[tuple[str, str]]]  # by English verb
    numerals: list[tuple[str, str]]
    synonyms: dict[str, str]
    sets: dict[str, frozenset[str]]  # English words, by the names of _SETS

    def with_kinds(self, kinds: frozenset[str]) -> list[Noun]:
        """Return the nouns of any of these kinds."""
        return _with_kinds(kinds)


@functools.cache
def _with_kinds(kinds: frozenset[str]) -> list[Noun]:
    return [noun for noun in lexicon().nouns if noun.kinds & kinds]


@functools.lru_cache(maxsize=1)
def lexicon() -> Lexicon:
    """Read the packaged word list once."""
    raw: dict[str, Any] = yaml.safe_load(
        (resources.files(__package__) / "lexicon.yaml").read_text(encoding="utf-8"))
    nouns = [Noun((en, ens), (sw, sws), number, frozenset(kinds)) for en, ens, sw, sws, number, kinds in raw["nouns"]]
    nouns += [Noun((en, en), (sw, sw), number, frozenset(kinds), mass=True) for en, sw, number, kinds in raw["mass"]]
    manner_of = dict(raw["manner"])
    manner: dict[str, list[tuple[str, str]]] = {}
    for english, verbs in raw["manner_verbs"].items():
        for base in verbs.split():
            manner.setdefault(base, []).append((english, manner_of[english]))
    return Lexicon(
        nouns=nouns,
        adjectives=[Adjective(en, sw, frozenset(kinds)) for en, sw, kinds in raw["adjectives"]],
        intransitive=[_verb(row[:6], row[6]) for row in raw["intransitive"]],
        transitive=[_verb(row[:6], row[6], row[7], row[8]) for row in raw["transitive"]],
        ditransitive=[_verb(row[:6], "h", row[6]) for row in raw["ditransitive"]],
        places=[tuple(row) for row in raw["places"]],
        surfaces=[tuple(row) for row in raw["surfaces"]],
        prepositions=[tuple(row) for row in raw["prepositions"]],
        times=[(en, sw, frozenset(tenses.split())) for en, sw, tenses in raw["times"]],
        manner=manner,
        numerals=[tuple(row) for row in raw["numerals"]],
        synonyms=raw["synonyms"],
        sets={name: frozenset(raw[name].split())
              for name in _SETS},
    )


def _verb(forms: Sequence[str], subjects: str, objects: str = "", passive: str = "") -> Verb:
    base, third, past, participle, ing, stem = forms
    return Verb(base, third, past, participle, ing, stem, frozenset(subjects), frozenset(objects), passive)
