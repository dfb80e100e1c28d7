"""The jobs of a run as a table: what waits, what runs and how far it is, what failed and where its log is."""

from __future__ import annotations

import shutil
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

TAIL = 1 << 16  # bytes of a log that are read at a time
ORDER = ("failed", "running", "queued", "done", "left")


@dataclass
class Tail:
    """The new lines of a growing log, and the last of them that is worth telling.

    Attributes:
        path: the log.
        show: gives what to tell of a line, ``None`` for nothing.
        place: bytes that were read.
        last: what was told last.
    """

    path: Path
    show: Callable[[str], str | None]
    place: int = 0
    last: str = ""
    _rest: bytes = field(default=b"", repr=False)

    @classmethod
    def of(cls, path: Path, show: Callable[[str], str | None], *, back: int = 0) -> Tail:
        """Return a tail that begins at the log's end, ``back`` bytes before it."""
        size = path.stat().st_size if path.exists() else 0
        return cls(path, show, max(0, size - back))

    def new(self) -> list[str]:
        """Return what is to be told of the lines since the last call."""
        try:
            with self.path.open("rb") as handle:
                handle.seek(self.place)
                block = handle.read(TAIL)
        except OSError:
            return []
        self.place += len(block)
        *lines, self._rest = (self._rest + block).split(b"\n")
        told = [message for line in lines if (message := self.show(line.decode("utf-8", errors="replace"))) is not None]
        if told:
            self.last = told[-1]
        return told


@dataclass
class Line:
    """A row of the table."""

    name: str
    state: str
    number: str = ""
    where: str = ""
    time: str = ""
    told: str = ""
    log: str = ""


def summary(lines: Iterable[Line]) -> str:
    """Return ``3 running, 12 queued, 5 done``."""
    counts = Counter(line.state for line in lines)
    return ", ".join(f"{counts[state]} {state}" for state in ORDER if counts[state]) or "no jobs"


def rendered(lines: Sequence[Line], *, rows: int, columns: int) -> list[str]:
    """Return the table, at most so many rows of so many columns: first what failed, then what runs, then what waits."""
    shown = sorted(lines, key=lambda line: ORDER.index(line.state))
    shown = [line for line in shown if line.state not in ("done", "left")] if len(shown) > rows - 3 else shown
    cut = shown[:max(1, rows - 3)]
    name = max([len(line.name) for line in cut], default=4)
    number = max([len(line.number) for line in cut] + [3])
    where = max([len(line.where) for line in cut] + [4])
    head = f"{'name':<{name}}  {'state':<7}  {'job':<{number}}  {'node':<{where}}  {'time':>8}  what"
    text = [head] + [f"{line.name:<{name}}  {line.state:<7}  {line.number:<{number}}  {line.where:<{where}}  "
                     f"{line.time:>8}  {line.told}{'  ' + line.log if line.state in ('running', 'failed') else ''}"
                     for line in cut]
    rest = f" ({len(shown) - len(cut)} more)" if len(shown) > len(cut) else ""
    return [line[:columns - 1].rstrip() for line in [*text, summary(lines) + rest]]


class Screen:
    """Draws the table over the one before, on a terminal."""

    def __init__(self, stream: IO[str] = sys.stderr) -> None:
        self.stream, self.height = stream, 0
        self.live = stream.isatty()

    def draw(self, lines: Sequence[Line]) -> None:
        """Draw the table."""
        size = shutil.get_terminal_size()
        text = rendered(lines, rows=size.lines - 1, columns=size.columns)
        self.clear()
        self.stream.write("".join(f"{line}\n" for line in text))
        self.stream.flush()
        self.height = len(text)

    def clear(self) -> None:
        """Take the table away, so that messages stand above the next one."""
        if self.height:
            self.stream.write(f"\x1b[{self.height}A\x1b[J")
            self.height = 0
