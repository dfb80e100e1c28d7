"""Characters that look alike and are not the same: one in a language's transcripts, the other in its parallel text.

A model that learns from both takes them for two letters, and what it writes by the one is wrong by the other. The
families are those that keyboards and fonts of languages with few means confuse, not all of Unicode's confusables.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from stxfer.text.survey import TWINS

APOSTROPHES = "'‘’‛ʼʻʽ′´`＇ʹˈꞌʾʿ"
_OTHERS = ("εɛ", "ɔͻ", "γɣ", "ʋυ", "ιɩ", "əǝ", "ðđ", "βßꞵ", "ʃ∫", "ŋƞ", "ɗđ", "ɓƃ", "·•∙⋅")
SHARE = 0.9  # of a family's characters in a text, from which on one of them is the text's
LEAST = 3  # characters of a family in a text, fewer are a slip


@dataclass(frozen=True)
class Difference:
    """One text writes a character where the other writes another one that looks like it.

    Attributes:
        one: the first text's, ``n_one`` times.
        other: the second text's, ``n_other`` times.
    """

    one: str
    n_one: int
    other: str
    n_other: int

    @property
    def is_apostrophe(self) -> bool:
        """Whether both are written for an apostrophe."""
        return self.one in APOSTROPHES and self.other in APOSTROPHES


def differences(one: Counter[str], other: Counter[str]) -> list[Difference]:
    """Compare the characters of two texts of one language, by count.

    A family of characters that look alike is a difference if each text has one of it nearly always, not the same.
    """
    found = []
    for family in _families():
        counts = [Counter({char: count[char] for char in family if count[char]}) for count in (one, other)]
        if min(count.total() for count in counts) < LEAST:
            continue
        (first, n_first), (second, n_second) = (count.most_common(1)[0] for count in counts)
        if first != second and n_first >= SHARE * counts[0].total() and n_second >= SHARE * counts[1].total():
            found.append(Difference(first, n_first, second, n_second))
    return found


def _families() -> list[set[str]]:
    families: dict[str, set[str]] = {}
    for foreign, latin in TWINS.items():
        families.setdefault(latin, {latin}).add(foreign)
    return [set(APOSTROPHES), *families.values(), *map(set, _OTHERS)]
