"""Characters that are not seen, or that are a form of another one."""

from __future__ import annotations

import re
import unicodedata

import regex

ZWSP, ZWNJ, ZWJ = "\u200b", "\u200c", "\u200d"
# Letters or marks to Unicode: Hangul's fillers, Khmer's inherent vowels, Mongolian's selectors, a joiner of marks.
_INVISIBLE = frozenset("\u115f\u1160\u3164\uffa0\u17b4\u17b5\u180b\u180c\u180d\u180e\u180f\u034f")
# Signs of tone and length that are symbols to Unicode.
TONES = "˂-˅˒-˗˥-˫˭˯-˿\ua700-\ua716\ua720\ua721\ua789\ua78a"
_TONE = regex.compile(f"[{TONES}]")
# What stands for an apostrophe, a glottal stop or an aspiration is no word by itself.
_LONE = regex.compile(r"(?<!\S)[\u02b0-\u02ff\ua717-\ua71f\ua788\ua78b\ua78c\p{M}]+(?!\S)")
_UNSPACED = r"\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}\p{Tibetan}\p{Han}\p{Hiragana}\p{Katakana}\p{Javanese}\p{Balinese}"
_PARTING = regex.compile(rf"(?<=[{_UNSPACED}])[{ZWSP}]+|[{ZWSP}]+(?=[{_UNSPACED}])")
_INDIC = (r"\p{Devanagari}\p{Bengali}\p{Gurmukhi}\p{Gujarati}\p{Oriya}\p{Tamil}\p{Telugu}\p{Kannada}\p{Malayalam}"
          r"\p{Sinhala}")
_JOINING = rf"\p{{Arabic}}\p{{Syriac}}\p{{Nko}}{_INDIC}"
_JOINERS = regex.compile(f"[{ZWNJ}{ZWJ}]+")
_BEFORE_ZWNJ = regex.compile(rf"[{_JOINING}\p{{Inherited}}]")
_AFTER_ZWNJ = regex.compile(rf"(?=\p{{L}})[{_JOINING}]")
_VIRAMA = frozenset("\u094d\u09cd\u0a4d\u0acd\u0b4d\u0bcd\u0c4d\u0ccd\u0d4d\u0dca")
_INDIC_LETTER = regex.compile(rf"(?=\p{{L}})[{_INDIC}]")
_FOLDED = ("<font>", "<wide>", "<narrow>", "<initial>", "<medial>", "<final>", "<isolated>")
_RAISED = ("<super>", "<sub>", "<fraction>")

_NOT_SIMPLE = re.compile("[^ -~À-ÖØ-öø-ıĴ-ľŁ-ňŊ-žƀ-ǃǍ-ǰǴ-ɏЀ-ҁҊ-ԯ‘’“”–—]")


def is_simple(text: str) -> bool:
    """Whether a text surely has no character that is unseen, a form of another, a mark, a sign of tone or a modifier.

    It is then in the form NFC, and :func:`seen`, :func:`folded` and :func:`without_lone_modifiers` change nothing.
    """
    return text.isascii() and text.isprintable() or _NOT_SIMPLE.search(text) is None


def is_tone(char: str) -> bool:
    """Whether a symbol is a sign of tone or length, which stands after a letter as a mark does."""
    return bool(_TONE.match(char))


def seen(char: str) -> str | None:
    """Return a character, None for one that is never seen nor parts words; the three joiners stay."""
    if char in _INVISIBLE or unicodedata.category(char) == "Me" or _is_selector(char):
        return None
    if unicodedata.category(char)[0] == "C" and not char.isspace() and char not in (ZWSP, ZWNJ, ZWJ):
        return None
    return char


def _is_selector(char: str) -> bool:
    return "\ufe00" <= char <= "\ufe0f" or "\U000e0100" <= char <= "\U000e01ef"


def without_zero_width_space(text: str) -> str:
    """Return text in which it is a space in scripts that are written without any, and gone elsewhere."""
    return str(_PARTING.sub(" ", text)).replace(ZWSP, "")


def without_needless_joiners(text: str) -> str:
    """Return text with joiners where they change how a word is written.

    The non-joiner stays between letters of Arabic or Indic scripts, the joiner after a virama before a letter.
    """
    def kept(match: regex.Match[str]) -> str:
        before, after = text[match.start() - 1:match.start()], text[match.end():match.end() + 1]
        for joiner in match[0]:
            if joiner == ZWNJ and _BEFORE_ZWNJ.match(before) and _AFTER_ZWNJ.match(after):
                return ZWNJ
            if joiner == ZWJ and before in _VIRAMA and _INDIC_LETTER.match(after):
                return ZWJ
        return ""

    return str(_JOINERS.sub(kept, text))


def without_lone_modifiers(text: str) -> str:
    """Return text without words that are modifier letters and nothing else."""
    return str(_LONE.sub("", text))


def folded(char: str, *, everything: bool) -> str:
    """Return what a character is a form of, itself if it is none.

    Raised and lowered characters and fractions are left alone: 5² is not 52. So is punctuation: an ellipsis is not
    three stops, nor a spacing accent a space and an accent.

    Args:
        char: a character.
        everything: fold as form NFKC does, not full-width, mathematical and contextual forms and ligatures alone.
    """
    tag = unicodedata.decomposition(char).partition(" ")[0]
    if not tag.startswith("<") or tag in _RAISED or unicodedata.category(char)[0] == "P" and tag != "<wide>":
        return char
    compatible = unicodedata.normalize("NFKC", char)
    if compatible[0] == " " != compatible:
        return char
    ligature = char.isalpha() and unicodedata.name(char, "").startswith(("LATIN", "ARMENIAN SMALL LIGATURE MEN",
                                                                         "ARMENIAN SMALL LIGATURE VEW"))
    return compatible if everything or tag in _FOLDED or ligature else char
