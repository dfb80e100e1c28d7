"""Whether all that the stages of a work directory have left is there, and is what they have left."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from stxfer.core import digests
from stxfer.core.errors import DataError, StaleError
from stxfer.core.fresh import Declared, check_fresh
from stxfer.core.marker import MARKER, MISSING, read_marker, recorded_outputs, run_again, wrong_outputs


@dataclass
class Verified:
    """What was looked at, and what is wrong, a line each."""

    stages: int = 0
    files: int = 0
    bytes: int = 0
    problems: list[str] = field(default_factory=list)


def verify(root: Path, declared: Declared | None = None, *, again: bool = False) -> Verified:
    """Look at every stage's directory below a folder: its marker, its outputs, and what they were made from.

    Args:
        root: the folder.
        declared: what the options of the stages are compared with.
        again: read every file, also those that have not changed since they were read last, by date and size.
    """
    found = Verified()
    if again:
        digests.forget()
    for directory in sorted(path.parent for path in root.rglob(MARKER)):
        found.stages += 1
        found.problems += _problems(directory, declared, found)
    return found


def _problems(directory: Path, declared: Declared | None, found: Verified) -> Iterator[str]:
    try:
        marker = read_marker(directory)
    except DataError as error:
        yield str(error)
        return
    for name in recorded_outputs(directory, marker):
        path = directory / name
        found.files += 1
        found.bytes += path.stat().st_size if path.is_file() else 0
    wrong = list(wrong_outputs(directory, marker))
    for name, how in wrong:
        yield f"{directory / name}: {'missing' if how == MISSING else 'changed'}; {run_again(marker)}"
    if not wrong:
        try:
            check_fresh(directory, declared)
        except (DataError, StaleError) as error:
            yield str(error)
