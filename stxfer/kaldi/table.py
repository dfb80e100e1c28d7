"""Kaldi's text tables: a key, a space, a value on each line, sorted by the key's bytes."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from stxfer.core.errors import DataError
from stxfer.core.fileio import atomic_write

BOM = "\ufeff"


def is_id(key: str) -> bool:
    """Whether ``key`` can name an utterance, a recording or a speaker: no white space, no control character."""
    return bool(key) and (key.isprintable() and " " not in key or not any(c.isspace() or c < " " for c in key))


def iter_table(path: str | os.PathLike[str], *, empty_values: bool = True) -> Iterator[tuple[str, str]]:
    """Yield ``(key, value)`` of each line, in the file's order.

    Args:
        path: a UTF-8 table such as ``text`` or ``wav.scp``.
        empty_values: accept a key without a value (a hypothesis may be empty).

    Raises:
        DataError: file absent, not UTF-8, blank line, duplicate or missing key; names file and line.
    """
    seen: set[str] = set()
    try:
        with Path(path).open(encoding="utf-8", newline="\n") as handle:
            for number, line in enumerate(handle, 1):
                key, _, value = line.rstrip("\r\n").partition(" ")
                if number == 1 and key.startswith(BOM):
                    raise DataError(f"{path}:1: starts with a byte-order mark; save it as plain UTF-8")
                if "\t" in key:
                    key, _, value = line.rstrip("\r\n").partition("\t")
                if not key:
                    raise DataError(f"{path}:{number}: a blank line or a line without a key; remove it")
                if key in seen:
                    raise DataError(f"{path}:{number}: duplicate key {key!r}; keys must be unique")
                value = value.strip()
                if not value and not empty_values:
                    raise DataError(f"{path}:{number}: key {key!r} has no value; add it or remove the line")
                seen.add(key)
                yield key, value
    except FileNotFoundError:
        raise DataError(f"{path}: no such file") from None
    except UnicodeDecodeError as error:
        raise _not_utf8(path, error) from None


def _not_utf8(path: str | os.PathLike[str], error: UnicodeDecodeError) -> DataError:
    with Path(path).open("rb") as handle:
        for number, line in enumerate(handle, 1):
            try:
                line.decode()
            except UnicodeDecodeError as found:
                return DataError(f"{path}:{number}: not UTF-8 ({found.reason} at byte {found.start} of the line); "
                                 "convert it with iconv")
    return DataError(f"{path}: not UTF-8 ({error.reason}); convert it with iconv")


def read_table(path: str | os.PathLike[str], *, empty_values: bool = True) -> dict[str, str]:
    """Read a whole table; see :func:`iter_table`."""
    return dict(iter_table(path, empty_values=empty_values))


def write_table(path: str | os.PathLike[str], table: Mapping[str, str] | Iterable[tuple[str, str]]) -> None:
    """Write a table atomically, sorted as ``LC_ALL=C sort`` sorts (Kaldi's rule).

    Raises:
        DataError: a key is empty or holds white space, or a value holds a line break.
    """
    items = table.items() if isinstance(table, Mapping) else table
    with atomic_write(Path(path)) as handle:
        for key, value in sorted(items, key=lambda item: item[0].encode("utf-8")):
            if not is_id(key):
                raise DataError(f"{path}: key {key!r} is empty or holds white space")
            if "\n" in value or "\r" in value:
                raise DataError(f"{path}: the value of {key!r} holds a line break")
            handle.write(f"{key} {value}\n" if value else f"{key}\n")
