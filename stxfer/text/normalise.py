"""One normalisation for training and scoring text: what is compared is what was learnt.

What is not speech goes first (:mod:`stxfer.text.annotation`). By default case and punctuation go; letters, combining
marks (tones, vowel signs) and digits stay. What differs between languages is data, see
:mod:`stxfer.text.profiles`, not code.
"""

from __future__ import annotations

import functools
import re
import unicodedata
from collections.abc import Callable

import regex

from stxfer.text import numbers
from stxfer.text.annotation import spoken
from stxfer.text.characters import (
    TONES,
    ZWJ,
    ZWNJ,
    ZWSP,
    folded,
    is_simple,
    is_tone,
    seen,
    without_lone_modifiers,
    without_needless_joiners,
    without_zero_width_space,
)
from stxfer.text.profiles import Profile

APOSTROPHE = "'"
_GAP = "\ufdd0"  # punctuation between what is written without spaces; a noncharacter, which no text has any more
_SPACED = r"[\p{Latin}\p{Cyrillic}\p{Greek}]"
_NEEDED_GAP = regex.compile(rf"(?<={_SPACED}){_GAP}+(?={_SPACED})|(?<=\d){_GAP}+(?=\d)")
_SIGMA = regex.compile(r"(?<=\p{Greek}\p{M}*)σ(?![\p{L}\p{M}'])")


def normalise(text: str, profile: Profile) -> str:
    """Return what is spoken of ``text`` in the profile's Unicode form and case, single-spaced, without punctuation.

    Where punctuation is removed, it becomes a space; stops within abbreviations, and what the profile says is written
    inside words, are deleted. Apostrophes and the profile's inner punctuation are kept between letters, marks or
    digits, and what belongs to a number stays with it. No word is without a letter or digit, marks stand after
    letters only, and nothing invisible is left but joiners of scripts that need them. Applying it twice changes
    nothing.
    """
    rules = _rules(profile)
    while True:
        text = _once(text, profile, rules)
        # Where punctuation stays, what was removed may leave brackets or entities side by side.
        if profile.punctuation == "remove" or _once(text, profile, rules) == text:
            return text


def written(text: str, profile: Profile) -> str:
    """Return what is spoken of ``text`` with its case and punctuation, single-spaced, without invisible characters."""
    if not is_simple(text):
        text = without_zero_width_space(unicodedata.normalize("NFC", text.translate(_SEEN)))
        text = unicodedata.normalize("NFC", without_needless_joiners(text))
    return " ".join(spoken(text, profile).split())


def _once(text: str, profile: Profile, rules: _Rules) -> str:
    if not is_simple(text):
        text = unicodedata.normalize("NFC", text.translate(_SEEN))
        if ZWSP in text:
            text = without_zero_width_space(text)
    text = spoken(text, profile)
    if not is_simple(text):
        text = unicodedata.normalize("NFC", text.translate(rules.forms))
    text = _cased(text, profile)
    if not (plain := text.isascii()):
        text = unicodedata.normalize("NFC", text)
    if profile.replace:
        text = text.translate(rules.replace)
    if profile.spellings:
        text = rules.respelt(text)
    if profile.strip:
        text = unicodedata.normalize("NFD", text).translate(rules.strip)
    if not plain:
        text = unicodedata.normalize("NFC", text)
    text = _without_punctuation(text, profile, rules)
    if not (plain := is_simple(text)):
        text = _well_formed(text, rules)
    if profile.punctuation == "remove" and rules.inside.search(text):
        text = rules.only_inside(text)
    if not plain:
        if profile.case != "keep" and "σ" in text:
            text = _SIGMA.sub("ς", text)
        text = unicodedata.normalize("NFC", without_lone_modifiers(text))
    text = " ".join(text.split())
    return text if text not in rules.placeholders else ""


def _cased(text: str, profile: Profile) -> str:
    if profile.case == "turkic":
        text = text.replace("İ", "i").replace("I", "ı")
    return text if profile.case == "keep" else text.lower()


def _without_punctuation(text: str, profile: Profile, rules: _Rules) -> str:
    if profile.punctuation == "remove" and rules.stops is not None:
        text = rules.stops.sub(" ", text)
    if profile.punctuation == "remove" and numbers.has_digit(text):
        pieces, last = [], 0
        for match in numbers.find(text):
            pieces += [text[last:match.start()].translate(rules.outcomes), numbers.in_form(match, profile)]
            last = match.end()
        text = "".join(pieces) + text[last:].translate(rules.outcomes)
    else:
        text = text.translate(rules.outcomes)
    if _GAP in text:
        text = str(_NEEDED_GAP.sub(" ", text)).replace(_GAP, "")
    return text


def _well_formed(text: str, rules: _Rules) -> str:
    """Take out joiners that join nothing, and marks without a letter."""
    if ZWNJ in text or ZWJ in text:
        text = without_needless_joiners(text)
    return str(rules.loose_mark.sub("", text))


class _Table(dict[int, str | None]):
    """A table for ``str.translate`` that remembers: a corpus has few characters, and Unicode's tables are slow."""

    def __init__(self, outcome: Callable[[str], str | None]) -> None:
        self.outcome = outcome

    def __missing__(self, code: int) -> str | None:
        self[code] = self.outcome(chr(code))
        return self[code]


_SEEN = _Table(seen)


class _Rules:
    """What a profile says, made ready for speed."""

    def __init__(self, profile: Profile) -> None:
        self.profile = profile
        self.placeholders = frozenset(profile.placeholders)
        self.forms = _Table(self._form)
        self.outcomes = _Table(self._outcome)
        self.replace = {ord(char): _cased(meant, profile) for char, meant in profile.replace}
        self.strip: dict[int, None] = dict.fromkeys(map(ord, profile.strip))
        self.spellings = sorted(profile.spellings, key=lambda pair: -len(pair[0]))
        stops, word = re.escape(profile.stops), r"[^\W\d_]"
        # As in "jela.Kuna", "J.R.Rowling" and "2020.Kuna", but not those of "U.S." and "25.000".
        self.stops = re.compile(rf"[{stops}](?:(?<={word}{word}.)(?={word}{word}|\d)|(?:(?<=\d.)|(?<=\.{word}.))"
                                rf"(?={word}{word}))") if stops else None
        base = rf"\p{{L}}\p{{M}}{TONES}{regex.escape(profile.letters)}"
        self.loose_mark = regex.compile(rf"(?<![{base}])[\p{{M}}{TONES}]+")
        own = regex.escape(APOSTROPHE + profile.inner)
        self.inside = re.compile(f"[{re.escape(APOSTROPHE + profile.inner)}]")
        self.number_or_inside = regex.compile(f"{numbers.NUMBER.pattern}|[{own}]")

    def _form(self, char: str) -> str:
        named = self.profile.apostrophes + self.profile.separators + self.profile.inner + self.profile.letters
        return char if char in named else folded(char, everything=self.profile.form == "NFKC")

    def respelt(self, text: str) -> str:
        """Replace sequences until none is left."""
        while True:
            before = text
            for sequence, meant in self.spellings:
                text = text.replace(sequence, meant)
            if text == before:
                return text

    def _outcome(self, char: str) -> str | None:
        if char in self.profile.apostrophes:
            return APOSTROPHE
        return char if char in self.profile.inner else self._outside(char) or None  # translate is slow with ""

    def _outside(self, char: str) -> str:
        """Return what becomes of a character that is no apostrophe and not between letters."""
        profile, category = self.profile, unicodedata.category(char)
        if char in profile.letters or char in (ZWJ, ZWNJ) or is_tone(char):
            return char
        if char.isspace():
            return " "
        if category in ("Nd", "No") and profile.digits == "remove":
            return ""
        if category == "Nd" and profile.digits == "ascii":
            return numbers.ascii_digits(char)
        if category[0] == "C":
            return ""
        if category[0] not in "PS" or profile.punctuation == "keep":
            return char
        if char in profile.deleted or char in profile.stops:
            return ""
        if profile.between == "part" or category == "Pd" or char in profile.separators:
            return " "
        return _GAP

    def only_inside(self, text: str) -> str:
        """Leave apostrophes and inner punctuation where they stand inside words."""
        profile = self.profile

        def in_word(char: str) -> bool:
            return bool(char) and (unicodedata.category(char)[0] in "LMN" or char in profile.letters or is_tone(char))

        def kept(match: regex.Match[str] | re.Match[str]) -> str:
            char: str = match[0]
            if match.lastgroup:  # a number
                return char
            before, after = text[match.start() - 1:match.start()], text[match.end():match.end() + 1]
            if in_word(before) and in_word(after):
                return char
            if char != APOSTROPHE:
                return self._outside(char)
            first = not in_word(before) and after in tuple(profile.apostrophe_before)
            last = not in_word(after) and before in tuple(profile.apostrophe_after)
            return char if first or last else ""

        return str((self.number_or_inside if numbers.has_digit(text) else self.inside).sub(kept, text))


@functools.cache
def _rules(profile: Profile) -> _Rules:
    return _Rules(profile)
