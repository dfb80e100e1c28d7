"""Text of unknown origin in Markdown: it shows as it is, and ends no line, table, code span or code block."""

from __future__ import annotations

import re
import unicodedata

_TICKS = re.compile("`+")
_UNSEEN = {"Cc", "Cf", "Cs", "Zl", "Zp"}
_JOINERS = "\u200c\u200d"
_CELL = str.maketrans({"|": "\\|", "<": "&lt;"})  # what would end a cell or begin HTML
_MARKUP = str.maketrans({char: f"\\{char}" for char in "\\`*_[]#|!~"} | {"<": "&lt;", ">": "&gt;", "&": "&amp;"})


def visible(text: str) -> str:
    """Return text of one line whose control characters, line separators and changes of direction are escaped.

    What joins letters or keeps them apart (U+200C, U+200D) stays: Persian and Sinhala are written with it.
    """
    return "".join(char.encode("unicode_escape").decode()
                   if unicodedata.category(char) in _UNSEEN and char not in _JOINERS else char for char in text)


def plain(text: str) -> str:
    """Return text for a heading or a sentence, in which nothing is markup; underscores within words stay."""
    escaped = visible(text).translate(_MARKUP)
    return re.sub(r"(?<=\w)\\_(?=\w)", "_", escaped)


def in_cell(text: str) -> str:
    """Return text for a cell of a table, which may hold markup but no HTML."""
    return visible(text).translate(_CELL)


def ticks(text: str, least: int) -> str:
    """Return a fence of backticks longer than any in a text, and no shorter than ``least``."""
    return "`" * max(least, 1 + max(map(len, _TICKS.findall(text)), default=0))


def code(text: str) -> str:
    """Return text as a code span."""
    shown = visible(text)
    fence = ticks(shown, 1)
    space = " " if shown.startswith("`") or shown.endswith("`") or not shown else ""
    return f"{fence}{space}{shown}{space}{fence}"
