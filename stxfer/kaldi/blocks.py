"""Sorted Kaldi tables a block of lines at a time, as bytes: a million utterances in seconds and little memory.

Whole blocks are checked by operations that run in C; one that fails is looked at line by line, for the message.
"""

from __future__ import annotations

import hashlib
import operator
import os
from bisect import bisect_right
from collections.abc import Collection, Iterable, Iterator, Sequence
from itertools import compress, islice
from pathlib import Path
from typing import NamedTuple

from stxfer.core.errors import DataError
from stxfer.core.fileio import atomic_write
from stxfer.core.workdir import WorkDir
from stxfer.kaldi.table import BOM, is_id

BLOCK_BYTES = 1 << 21


class Block(NamedTuple):
    """Consecutive lines of a table, without their line ends, and the key of each.

    Keys hold no byte up to the space, so the order of the lines is that of the keys.
    """

    keys: list[bytes]
    lines: list[bytes]

    @property
    def values(self) -> list[bytes]:
        """What follows the key on each line."""
        return [line[len(key) + 1:].strip() for key, line in zip(self.keys, self.lines, strict=True)]


def iter_blocks(path: str | os.PathLike[str], like: Sequence[bytes] = ()) -> Iterator[Block]:
    """Yield the lines of a table that is as Kaldi wants it.

    Args:
        path: the table.
        like: the checked keys of another table: if the same come, finding them again takes less time.

    Raises:
        DataError: file absent or empty, not UTF-8, byte-order mark, carriage return, no key, a key that holds
            white space or is followed by a tab, duplicate or unsorted keys; names the file and the line.
    """
    first, previous = 1, b""
    try:
        with Path(path).open("rb") as handle:
            while raw := handle.read(BLOCK_BYTES):
                raw += handle.readline()
                lines = raw.removesuffix(b"\n").split(b"\n")
                keys = list(like[first - 1:first - 1 + len(lines)])
                known = len(keys) == len(lines) and all(map(bytes.startswith, lines, [key + b" " for key in keys]))
                if not known:
                    keys = [line.partition(b" ")[0] for line in lines]
                if not (_is_clean(raw) and previous < keys[0] and (known or _are_clean(keys))):
                    _refuse(path, first, lines, previous)
                yield Block(keys, lines)
                first, previous = first + len(lines), keys[-1]
    except FileNotFoundError:
        raise DataError(f"{path}: no such file") from None
    if first == 1:
        raise DataError(f"{path}: is empty; remove it or make it again")


def _is_clean(raw: bytes) -> bool:
    try:
        if not raw.isascii():
            raw.decode()
    except UnicodeDecodeError:
        return False
    return b"\r" not in raw


def _are_clean(keys: Sequence[bytes]) -> bool:
    return b"".join(keys).decode().isprintable() and all(map(operator.lt, keys, islice(keys, 1, None)))


def _refuse(path: str | os.PathLike[str], first: int, lines: Sequence[bytes], previous: bytes) -> None:
    for number, line in enumerate(lines, first):
        key = line.partition(b" ")[0]
        if problem := line_problem(line, previous):
            raise DataError(f"{path}:{number}: {problem}")
        previous = key


def line_problem(line: bytes, previous: bytes = b"") -> str | None:
    """Return what is wrong with a line that follows one with key ``previous``, if anything is."""
    try:
        key = line.partition(b" ")[0].decode()
        line.decode()
    except UnicodeDecodeError as error:
        return f"not UTF-8 ({error.reason}); convert the file with iconv"
    if key.startswith(BOM):
        return "starts with a byte-order mark; save it as plain UTF-8"
    if "\t" in key:
        return f"key {key.partition(chr(9))[0]!r} is followed by a tab; Kaldi's tables want a space"
    if b"\r" in line:
        return "holds a carriage return (DOS line ends); convert the file with dos2unix"
    if not key:
        return "a blank line or a line without a key; remove it"
    if not is_id(key):
        return f"key {key!r} holds white space or a control character"
    if key.encode() == previous:
        return f"duplicate key {key!r}; keys must be unique"
    if key.encode() < previous:
        return f"key {key!r} follows {previous.decode()!r}; sort the file as LC_ALL=C sort does"
    return None


def merge(streams: Sequence[Iterator[Block]]) -> Iterator[Block]:
    """Yield the lines of several tables in one order; lines of one key stand in one block.

    Only a block of each table is held at a time.
    """
    waiting: list[Block | None] = [next(stream, None) for stream in streams]
    while live := [block for block in waiting if block]:
        bound = min(block.keys[-1] for block in live)
        keys: list[bytes] = []
        lines: list[bytes] = []
        for k, block in enumerate(waiting):
            if block is None:
                continue
            cut = bisect_right(block.keys, bound)
            keys += block.keys[:cut]
            lines += block.lines[:cut]
            rest = Block(block.keys[cut:], block.lines[cut:])
            waiting[k] = rest if rest.keys else next(streams[k], None)
        keys.sort()  # few ascending runs, which Timsort merges in linear time
        lines.sort()
        yield Block(keys, lines)


def keep(blocks: Iterable[Block], keys: Collection[bytes]) -> Iterator[Block]:
    """Yield the lines whose key is one of ``keys``, a set."""
    for block in blocks:
        chosen = list(map(keys.__contains__, block.keys))
        yield Block(list(compress(block.keys, chosen)), list(compress(block.lines, chosen)))


def relocated(blocks: Iterable[Block], source: Path, out: Path) -> Iterator[Block]:
    """Yield the lines of a table for another directory: where tables of paths (``*.scp``) name files from elsewhere.

    Args:
        blocks: the lines.
        source: the table that they are from.
        out: the table or directory that they are written to.
    """
    there, here = WorkDir.of(source), WorkDir.of(out)
    if source.suffix != ".scp" or there == here:
        yield from blocks
        return
    for block in blocks:
        values = (_relocated(value, there, here) for value in block.values)
        yield Block(block.keys, [key + b" " + value for key, value in zip(block.keys, values, strict=True)])


def _relocated(value: bytes, there: WorkDir, here: WorkDir) -> bytes:
    if value.startswith(b"|") or value.endswith(b"|"):
        return value
    return os.fsencode(here.stored(there.located(os.fsdecode(value))))


class Keys:
    """The number and the digest of a table's keys: two tables have the same keys if these are equal."""

    def __init__(self) -> None:
        self.number = 0
        self._digest = hashlib.sha256()

    def add(self, block: Block) -> None:
        """Count a block."""
        self.number += len(block.keys)
        self._digest.update(b"\n".join([*block.keys, b""]))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Keys) and self._digest.digest() == other._digest.digest()


def write_blocks(path: str | os.PathLike[str], blocks: Iterable[Block]) -> Keys:
    """Write a table atomically; returns its keys."""
    keys = Keys()
    with atomic_write(Path(path), "wb") as handle:
        for block in blocks:
            keys.add(block)
            handle.write(b"\n".join([*block.lines, b""]))
    return keys
