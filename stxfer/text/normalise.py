"""One normalisation for training and scoring text: what is compared is what was learnt.

Case and punctuation go; letters, combining marks (tones, vowel signs) and digits stay. What differs
between languages is data, a :class:`Profile`, not code.
"""

from __future__ import annotations

import functools
import hashlib
import re
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass

APOSTROPHE = "'"
_VERSION = 1  # of the algorithm below; part of every profile's identity
# "jela.Kuna": a space was forgotten; but not "U.S." or "25,000".
_FORGOTTEN_SPACE = re.compile(r"(?<=[^\W\d_]{2})[.,!?](?=[^\W\d_]{2})")
_JOINERS = "\u200c\u200d"  # ZWNJ, ZWJ: they distinguish words of Persian and of Indic scripts


@dataclass(frozen=True)
class Profile:
    """What normalising a language needs to know.

    Attributes:
        name: the language's code, ``default`` for a language without a profile of its own.
        apostrophes: characters that stand for an apostrophe; it is kept inside words, dropped elsewhere.
        separators: punctuation that parts words and becomes a space; all other punctuation is deleted.
        letters: characters of Unicode's punctuation or symbol classes that are letters in this language.
    """

    name: str
    apostrophes: str = "'\u2018\u2019\uff07"
    separators: str = "/\\|_\u2026:;=+~<>\u00b7"
    letters: str = ""

    @property
    def identity(self) -> str:
        """A signature to print beside a score, e.g. ``norm:sw.v1.3f2a9c01|case:lower|punct:no``."""
        digest = hashlib.sha256(repr((self.apostrophes, self.separators, self.letters)).encode()).hexdigest()
        return f"norm:{self.name}.v{_VERSION}.{digest[:8]}|case:lower|punct:no"


# Typed text has many stand-ins for the apostrophe of don't and ng'ombe. In a language we know nothing of,
# the modifier letter U+02BC may be a glottal stop or an ejective: it stays the letter it is.
_STAND_INS = "'\u2018\u2019\u201b\u02bc\u2032\u00b4`\uff07"
PROFILES = {
    "default": Profile("default"),
    "en": Profile("en", apostrophes=_STAND_INS),
    "sw": Profile("sw", apostrophes=_STAND_INS),
}


def profile(lang: str) -> Profile:
    """Return the profile of a language code (``sw``, ``sw-KE``), the default one if it has none."""
    return PROFILES.get(lang.replace("_", "-").partition("-")[0].lower(), PROFILES["default"])


def normalise(text: str, profile: Profile) -> str:
    """Return ``text`` in Unicode NFC, lower case, without punctuation and symbols, single-spaced.

    Dashes, the profile's separators, and stops and commas that join two words become spaces; other
    punctuation is deleted; apostrophes between letters, marks or digits are kept as ``'``. Applying it
    twice changes nothing.
    """
    text = unicodedata.normalize("NFC", text).lower()
    text = _FORGOTTEN_SPACE.sub(" ", unicodedata.normalize("NFC", text))
    text = "".join(map(_mapping(profile), text))
    if APOSTROPHE in text:
        text = "".join(char for i, char in enumerate(text) if char != APOSTROPHE or
                       (_in_word(text[i - 1:i], profile) and _in_word(text[i + 1:i + 2], profile)))
    return unicodedata.normalize("NFC", " ".join(text.split()))


@functools.cache
def _mapping(profile: Profile) -> Callable[[str], str]:
    @functools.cache  # a corpus has few distinct characters, and Unicode's tables are slow
    def mapped(char: str) -> str:
        if char in profile.apostrophes:
            return APOSTROPHE
        if char in profile.letters or char in _JOINERS:
            return char
        category = unicodedata.category(char)
        if category == "Pd" or char in profile.separators or char.isspace() or char == "\u200b":
            return " "  # U+200B parts the words of scripts written without spaces
        return "" if category[0] in "PSC" else char

    return mapped


def _in_word(char: str, profile: Profile) -> bool:
    return bool(char) and (unicodedata.category(char)[0] in "LMN" or char in profile.letters)
