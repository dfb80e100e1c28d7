"""Lines of text, from files of any size, and two sides that have to be aligned."""

from __future__ import annotations

import gzip
import os
from collections import Counter
from collections.abc import Iterator
from itertools import zip_longest
from pathlib import Path
from typing import IO

from stxfer.core.errors import DataError

MAX_BYTES = 1 << 20  # of a line; more is no sentence, and would take memory without bound
Pair = tuple[str, str]


class LeftOut:
    """Counts the sentence pairs that a reader leaves out, and lists them: place, reason, source, target.

    Args:
        handle: of the list; None: they are only counted.
    """

    def __init__(self, handle: IO[str] | None = None) -> None:
        self.counts: Counter[str] = Counter()
        self._handle = handle

    def add(self, place: str, reason: str, pair: Pair) -> None:
        """Count a pair that stands at ``place``, a file and its line."""
        self.counts[reason] += 1
        if self._handle is not None:
            self._handle.write("\t".join((place, reason, *pair)) + "\n")

    def __str__(self) -> str:
        return ", ".join(f"{reason} {n}" for reason, n in self.counts.most_common())


def open_binary(path: str | os.PathLike[str]) -> IO[bytes]:
    """Open a file for reading, unpacked if its name ends in ``.gz``.

    Raises:
        DataError: there is no such file.
    """
    try:
        return gzip.open(path, "rb") if Path(path).suffix == ".gz" else Path(path).open("rb")  # type: ignore[return-value]
    except FileNotFoundError:
        raise DataError(f"{path}: no such file") from None


def iter_lines(handle: IO[bytes], name: str, *, collapse: bool = True) -> Iterator[str]:
    r"""Yield a text's lines, white space collapsed unless that is not wanted.

    A line is what ends in a line feed: U+2028 and \r do not end it.

    Raises:
        DataError: not UTF-8, a line of more than 1 MiB, or a damaged ``.gz``; names the file and the line.
    """
    number = 0
    try:
        while raw := handle.readline(MAX_BYTES + 1):
            number += 1
            if len(raw) > MAX_BYTES:
                raise DataError(f"{name}:{number}: a line of more than {MAX_BYTES >> 20} MiB is no sentence")
            line = raw.decode("utf-8")
            if number == 1:
                line = line.removeprefix("\ufeff")
            yield " ".join(line.split()) if collapse else line
    except UnicodeDecodeError as error:
        raise DataError(f"{name}:{number}: not UTF-8 ({error.reason} at byte {error.start} of the line); convert it "
                        "with iconv") from None
    except (EOFError, gzip.BadGzipFile) as error:
        raise DataError(f"{name}: cut short or damaged after line {number} ({error}); fetch it again") from None


def align(source: Iterator[str], target: Iterator[str], names: tuple[str, str]) -> Iterator[Pair]:
    """Yield line n of both sides together.

    Raises:
        DataError: one side is longer; says how long both are, after the last pair.
    """
    pairs = zip_longest(source, target)
    for number, (a, b) in enumerate(pairs):
        if a is None or b is None:
            longer = number + 1 + sum(1 for _ in pairs)
            lengths = (number, longer) if a is None else (longer, number)
            raise DataError(f"{names[0]} has {lengths[0]} lines and {names[1]} has {lengths[1]}; "
                            "line n of one must translate line n of the other")
        yield a, b


def read_sides(paths: tuple[Path, Path]) -> Iterator[Pair]:
    """Yield the pairs of two files; either side may be empty. Raises as :func:`iter_lines` and :func:`align` do."""
    with open_binary(paths[0]) as source, open_binary(paths[1]) as target:
        yield from align(iter_lines(source, str(paths[0])), iter_lines(target, str(paths[1])),
                         (str(paths[0]), str(paths[1])))
