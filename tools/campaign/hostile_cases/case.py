"""What a hostile input is, and an attempt at it."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stxfer.core.errors import StxferError

MARK = "mark"
Read = Callable[[], object]


class Mark:
    """Whose unpickling makes a folder."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.mark),)


@dataclass(frozen=True)
class Hostile:
    """A case.

    Attributes:
        name: what it is.
        make: makes its files in a folder, which is there, and returns what reads them.
        message: a regular expression for the error; empty: it is read without one, and harmless.
    """

    name: str
    make: Callable[[Path], Read]
    message: str


def attempt(case: Hostile, root: Path) -> str:
    """Try a case in an empty folder; return what is wrong with what came of it, nothing if all is well."""
    folder, mark = root / "in", root / MARK
    folder.mkdir()
    (root / "out").mkdir()
    read = case.make(folder)
    said = None
    try:
        read()
    except StxferError as error:
        said = str(error)
    except Exception as error:  # no message was written for it
        said = f"{type(error).__name__}: {error}"
        return f"a traceback: {said[:200]}"
    if mark.exists():
        return "executed, or written outside"
    if others := sorted(path.name for path in root.iterdir() if path.name not in ("in", "out")):
        return f"written outside: {others}"
    if said is None:
        return "accepted" if case.message else ""
    if not case.message:
        return f"refused: {said[:200]}"
    if "\n" in said:
        return f"more than one line: {said[:200]!r}"
    return "" if re.search(case.message, said) else f"refused by another message: {said[:200]}"
