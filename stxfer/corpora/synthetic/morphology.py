"""Swahili agreement: what a noun's class does to adjectives, possessives, numerals and verbs.

Classes are numbered as in Bantu studies (Ashton, *Swahili Grammar*, 1944): 1/2 m-wa, 3/4 m-mi,
5/6 ji-ma, 7/8 ki-vi, 9/10 n, 11 u. Nouns of living beings agree as 1/2 whatever their own class.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Concord:
    """One class's agreement: subject prefix, consonant of possessives and ``-a``, pronouns."""

    subject: str
    link: str  # before the vowel of -angu, -a, -ote
    this: str
    that: str
    relative: str  # ambaye, ambacho


CONCORD: dict[int, Concord] = {
    1: Concord("a", "w", "huyu", "yule", "ambaye"), 2: Concord("wa", "w", "hawa", "wale", "ambao"),
    3: Concord("u", "w", "huu", "ule", "ambao"), 4: Concord("i", "y", "hii", "ile", "ambayo"),
    5: Concord("li", "l", "hili", "lile", "ambalo"), 6: Concord("ya", "y", "haya", "yale", "ambayo"),
    7: Concord("ki", "ch", "hiki", "kile", "ambacho"), 8: Concord("vi", "vy", "hivi", "vile", "ambavyo"),
    9: Concord("i", "y", "hii", "ile", "ambayo"), 10: Concord("zi", "z", "hizi", "zile", "ambazo"),
    11: Concord("u", "w", "huu", "ule", "ambao"),
}
PERSONS = {"1s": "ni", "2s": "u", "1p": "tu", "2p": "m"}  # the third persons are classes 1 and 2
OBJECTS = {"1s": "ni", "2s": "ku", "1p": "tu", "2p": "wa", 2: "wa"}
POSSESSIVE = {"my": "angu", "your": "ako", "his": "ake", "her": "ake", "our": "etu", "your.pl": "enu", "their": "ao"}
_VOWELS = "aeiou"
_TENSE = {"past": "li", "present": "na", "future": "ta", "perfect": "me", "when": "lipo", "habit": "na"}
Agreement = int | str  # a class, or a person of PERSONS


def adjective(stem: str, noun_class: int) -> str:
    """Return an adjective's form for a class: ``adjective("eupe", 7)`` is ``cheupe``."""
    first = stem[0]
    if noun_class in (1, 3, 11):
        return ("mw" if first in _VOWELS else "m") + stem
    if noun_class == 2:
        return "w" + stem if first == "e" else "we" + stem[1:] if first == "i" else "wa" + stem
    if noun_class == 4:
        return "my" + stem if first == "e" else "m" + stem if first == "i" else "mi" + stem
    if noun_class == 5:
        return "j" + stem if first in _VOWELS else "ji" + stem if stem == "pya" else stem
    if noun_class == 6:
        return "m" + stem if first == "e" else "me" + stem[1:] if first == "i" else "ma" + stem
    if noun_class in (7, 8):
        before_e, before_i = ("ch", "k") if noun_class == 7 else ("vy", "v")
        return before_e + stem if first == "e" else before_i + stem if first == "i" else before_i + "i" + stem
    if first in _VOWELS:
        return "ny" + stem
    if first == "r":
        return "nd" + stem[1:]
    return ("n" if first in "dgz" else "m" if first == "b" or stem == "pya" else "") + stem


def numeral(stem: str, noun_class: int) -> str:
    """Return a numeral's form: ``wili`` with class 8 is ``viwili``, with class 10 ``mbili``."""
    if stem == "moja":
        return {1: "mmoja", 3: "mmoja", 11: "mmoja", 7: "kimoja"}.get(noun_class, "moja")
    if stem not in ("wili", "tatu", "nne", "tano", "nane"):
        return stem  # sita, saba, tisa and kumi do not agree
    if noun_class == 10:
        return "mbili" if stem == "wili" else stem
    return {2: "wa", 4: "mi", 6: "ma", 8: "vi"}[noun_class] + stem


def possessive(owner: str, noun_class: int) -> str:
    """Return ``-angu`` and the rest: ``possessive("my", 7)`` is ``changu``."""
    return CONCORD[noun_class].link + POSSESSIVE[owner]


def genitive(noun_class: int) -> str:
    """Return the linking ``-a`` of "of": ``cha`` for class 7."""
    return CONCORD[noun_class].link + "a"


def every(noun_class: int) -> str:
    """Return ``-ote``, all: ``vyote`` for class 8."""
    return CONCORD[noun_class].link + "ote"


def subject(agreement: Agreement, *, negative: bool = False) -> str:
    """Return a verb's subject prefix, with ``ha-`` for the negative."""
    prefix = CONCORD[agreement].subject if isinstance(agreement, int) else PERSONS[agreement]
    if not negative:
        return prefix
    return {"1s": "si", "2s": "hu", 1: "ha"}.get(agreement, "ha" + prefix)


def object_marker(agreement: Agreement | None, stem: str) -> str:
    """Return the object prefix of a person or living being; ``m-`` is ``mw-`` before most vowels."""
    if agreement is None:
        return ""
    if agreement != 1:
        return OBJECTS[agreement]
    return "mu" if stem[0] == "u" else "mw" if stem[0] in _VOWELS else "m"


def verb(stem: str, who: Agreement, tense: str, *, negative: bool = False, whom: Agreement | None = None) -> str:
    """Conjugate a verb.

    Args:
        stem: without ``ku-``: ``soma``, ``la`` (eat), ``rudi``.
        who: the subject's class or person.
        tense: past, present, habit (as present), future, perfect, progressive (``alikuwa anasoma``),
            when (``-lipo-``), or subjunctive.
        negative: the negative form; not for when and subjunctive.
        whom: the object's class (1 or 2) or person, if it is marked.

    Returns:
        One word: ``verb("ona", 1, "past", whom=2)`` is ``aliwaona``.
    """
    stem, _, rest = stem.partition(" ")
    if rest:  # fanya kazi, work: the first word alone is conjugated
        return f"{verb(stem, who, tense, negative=negative, whom=whom)} {rest}"
    marker = object_marker(whom, stem)
    short = sum(c in _VOWELS for c in stem) == 1 and not marker  # keeps ku- where the stress needs it
    bantu = stem.endswith("a")
    if tense == "progressive":
        return f"{verb('wa', who, 'past', negative=negative)} {verb(stem, who, 'present', whom=whom)}"
    if tense == "subjunctive":
        if stem == "enda" and who == "1p":
            return "twende"
        return subject(who) + marker + (stem[:-1] + "e" if bantu else stem)
    if not negative:
        return subject(who) + _TENSE[tense] + ("ku" if short else "") + marker + stem
    prefix = subject(who, negative=True)
    if tense in ("present", "habit"):
        return prefix + marker + (stem[:-1] + "i" if bantu else stem)
    middle = {"past": "ku", "future": "ta" + ("ku" if short else ""), "perfect": "ja"}[tense]
    return prefix + middle + marker + stem


def infinitive(stem: str, whom: Agreement | None = None) -> str:
    """Return ``ku-`` and the stem: ``kusoma``, ``kumwona``; ``kwenda`` for ``enda``."""
    return "kwenda" if stem == "enda" else "ku" + object_marker(whom, stem) + stem


def imperative(stem: str, whom: Agreement | None = None, *, plural: bool = False) -> str:
    """Return the command: ``soma``, ``someni``, ``msaidie`` with a marked object."""
    marker = object_marker(whom, stem)
    if marker:
        base = stem[:-1] + "e" if stem.endswith("a") else stem
        return marker + base + ("ni" if plural and stem.endswith("a") else "")
    if stem == "leta":
        return "leteni" if plural else "lete"
    word = "ku" + stem if sum(c in _VOWELS for c in stem) == 1 else stem
    if not plural:
        return word
    return word[:-1] + "eni" if word.endswith("a") else word + "ni"


def locative_copula(agreement: Agreement, *, negative: bool = False) -> str:
    """Return "is (somewhere)": ``yuko``, ``kiko``, ``hawako``."""
    prefix = "yu" if agreement == 1 else subject(agreement)
    return ("si" if agreement == "1s" else "hu" if agreement == "2s" else "ha" + prefix) + "ko" if negative \
        else prefix + "ko"


def have(agreement: Agreement, *, negative: bool = False) -> str:
    """Return "has": ``ana``, ``nina``, ``hawana``."""
    return subject(agreement, negative=negative) + "na"
