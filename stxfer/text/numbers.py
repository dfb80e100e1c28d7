"""Numbers in text: what belongs to one stays with it, of every script's digits.

``-5``, ``1.5``, ``10:30``, ``1/2``, ``5%``, ``$5`` and ``20°`` are one word each; ``25,000`` is ``25000`` where the
comma groups thousands; ``1,2,3`` and ``10-15`` are several.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator

import regex

from stxfer.text.profiles import Profile

_CORE = r"\d+(?:[.,:/⁄٫٬'’\u00a0\u2009\u202f]\d+)*"
NUMBER = regex.compile(
    r"(?P<before>(?:(?<![\p{L}\p{M}\p{N}\p{Pd}−])[-−–﹣－+＋±](?=\p{Sc}?[.٫]?\d))?"
    r"(?:\p{Sc}\s?(?=[.٫]?\d)|(?<![\p{L}\p{M}\p{N}])[%٪](?=\d))?(?:(?<![\p{L}\p{M}\p{N}.٫])[.٫])?)"
    rf"(?P<core>{_CORE})"
    r"(?P<after>\s?(?:[%٪％﹪‰‱](?!\d)|°(?:[CFcf](?![\p{L}\p{M}]))?|[℃℉]|\p{Sc}(?![.٫]?\d)))?")
_MINUS = str.maketrans("−–﹣－＋٪％﹪", "----+%%%")
_SPACED = regex.compile(r"\d{1,3}(?:([\u00a0\u2009\u202f'’٬])\d{3})(?:\1\d{3})*")
_GROUPED = {".": regex.compile(r"\d{1,3}(?:,\d{2,3})*,\d{3}(?=\.|$)"),
            ",": regex.compile(r"\d{1,3}(?:\.\d{3})+(?=,|$)")}
_DIGIT, _ASCII_DIGIT = regex.compile(r"\d"), re.compile("[0-9]")
_BEFORE = 4  # characters of a number's group 'before', at most


def has_digit(text: str) -> bool:
    """Whether a text holds a decimal digit of any script."""
    return (_ASCII_DIGIT if text.isascii() else _DIGIT).search(text) is not None


def find(text: str) -> Iterator[regex.Match[str]]:
    """Yield what ``NUMBER.finditer`` does, in less time: few characters of a number stand before its first digit."""
    digit, last = _ASCII_DIGIT if text.isascii() else _DIGIT, 0
    while (first := digit.search(text, last)) is not None:
        match = NUMBER.search(text, max(last, first.start() - _BEFORE))
        assert match is not None
        yield match
        last = match.end()


def in_form(match: regex.Match[str], profile: Profile) -> str:
    """Return a number in the one form that a profile gives it, with spaces around what might join a neighbour."""
    if profile.digits == "remove":
        return " "
    before, core, after = match["before"].translate(_MINUS), match["core"], match["after"] or ""
    core = _core(core, profile)
    if profile.digits == "ascii":
        core, before = ascii_digits(core), before.replace("٫", ".")
    before = "".join(before.split())
    space = " " if before and not before[0].isalnum() and unicodedata.category(before[0]) != "Sc" else ""
    return f"{space}{before}{core}{''.join(after.split()).translate(_MINUS)}{' ' if after else ''}"


def ascii_digits(text: str) -> str:
    """Return a number with every script's decimal digits as 0 to 9, and Arabic's decimal mark as a stop."""
    return "".join(str(unicodedata.decimal(char)) if char.isdecimal() else char for char in text.replace("٫", "."))


def _core(core: str, profile: Profile) -> str:
    if core.isdecimal():
        return core
    whole = _SPACED.match(core)
    if whole and not core[whole.end():whole.end() + 1].isdecimal():
        core = "".join(filter(str.isdecimal, whole[0])) + core[whole.end():]
    core = regex.sub(r"[\u00a0\u2009\u202f]", " ", core.replace("٬", "").replace("’", "'"))
    return " ".join(_part(part, profile) for part in core.split(" "))


def _part(core: str, profile: Profile) -> str:
    if profile.decimal and (whole := _GROUPED[profile.decimal].match(core)):
        core = "".join(filter(str.isdecimal, whole[0])) + core[whole.end():]
    elif core.count(",") > 1 and not regex.fullmatch(r"\d{1,3}(?:,\d{2,3})*,\d{3}(?:\.\d+)?", core):
        core = core.replace(",", " ")  # a list
    return core.replace("/", " ").replace("⁄", " ") if core.count("/") + core.count("⁄") > 1 else core.replace("⁄", "/")
