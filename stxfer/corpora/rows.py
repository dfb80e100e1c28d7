"""Rows of a corpus's tables: tab-separated (quotation marks are text), CSV and JSON lines."""

from __future__ import annotations

import csv
import hashlib
import json
import math
import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from stxfer.core.errors import DataError

FORMS = {".tsv": "tsv", ".csv": "csv", ".jsonl": "jsonl", ".ndjson": "jsonl", ".json": "jsonl"}
_HALF = re.compile("[\ud800-\udfff]")  # of a pair of surrogates: JSON can hold one, UTF-8 cannot
_UNSAFE = re.compile(r"[^A-Za-z0-9._-]")


class Row(NamedTuple):
    """One row: the line it ends on, counted from 1, and the columns asked for."""

    line: int
    values: dict[str, str]


def read_rows(path: str | os.PathLike[str], columns: Sequence[str], *, optional: Sequence[str] = (),
              form: str | None = None, header: Sequence[str] | None = None) -> Iterator[Row]:
    r"""Yield the rows of a table; blank lines are passed over, columns not asked for are left out.

    A byte-order mark and ``\r\n`` line ends are accepted. In ``tsv`` nothing is quoted: a field holds neither a
    tab nor a line break. In ``csv`` (RFC 4180) a quoted field may hold both; fields are separated by commas, or by
    semicolons or tabs if the first line holds no comma but these, as spreadsheets write them where the comma is the
    decimal mark. In ``jsonl`` each line is an object whose values are strings, numbers or null (the same as absent).

    Args:
        path: a UTF-8 file.
        columns: those that must be there.
        optional: those that are taken where they are there, empty where not.
        form: ``tsv``, ``csv`` or ``jsonl``; None: by the file's suffix.
        header: the names of all columns of a ``tsv`` or ``csv`` file without a line of names.

    Raises:
        DataError: the file is absent, of an unknown form or not UTF-8, a column is missing or named twice, or a row
            has fewer or more fields than there are columns; names file and line.
    """
    form = _form(path, form)
    if form == "jsonl":
        yield from _picked(path, columns, optional)
        return
    records = _tab_separated(path) if form == "tsv" else _comma_separated(path)
    names, first = (header, 0) if header is not None else next(((n, k) for k, n in records), ([], 1))
    if doubled := sorted({name for name in names if names.count(name) > 1}):
        raise DataError(f"{path}:{first}: two columns are named {doubled[0]!r}; rename one")
    for name in columns:
        if name not in names:
            raise DataError(f"{path}:{first or 1}: no column {name!r}; its columns must include {' '.join(columns)}"
                            + other_separator(names, columns))
    places = [(name, names.index(name)) for name in (*columns, *optional) if name in names]
    absent = {name: "" for name in optional if name not in names}
    width = len(names)
    for line, fields in records:
        if len(fields) != width:
            raise DataError(f"{path}:{line}: has {len(fields)} fields, but there are {width} columns; "
                            + _advice(form, len(fields) < width))
        yield Row(line, {**{name: fields[k] for name, k in places}, **absent})


def column_names(path: str | os.PathLike[str], *, form: str | None = None) -> list[str]:
    """Return the names of a table's columns: its first line, in ``jsonl`` the keys of all its objects.

    Raises:
        DataError: see :func:`read_rows`.
    """
    form = _form(path, form)
    if form == "jsonl":
        return list(dict.fromkeys(key for _, found in _objects(path) for key in found))
    return next((names for _, names in (_tab_separated if form == "tsv" else _comma_separated)(path)), [])


def other_separator(names: Sequence[str], columns: Sequence[str]) -> str:
    """Return what to do about a table whose first line is one field to its form; empty: nothing."""
    for separator, called in ((",", "commas"), (";", "semicolons")):
        if len(names) == 1 and set(columns) <= {name.strip('"') for name in names[0].split(separator)}:
            return f". {called.capitalize()} separate them: let its name end in .csv"
    return ""


def _form(path: str | os.PathLike[str], form: str | None) -> str:
    form = form or FORMS.get(Path(path).suffix.lower(), "")
    if form not in FORMS.values():
        raise DataError(f"{path}: not a table by its name; it must end in .tsv, .csv or .jsonl")
    return form


def _advice(form: str, short: bool) -> str:
    if form == "csv":
        return "put a field that holds the separator or a quotation mark in quotation marks" if not short else \
            "complete the row or remove it"
    return "remove the line break within a field, or the row" if short else "remove the tab within a field"


def _lines(path: str | os.PathLike[str]) -> Iterator[tuple[int, str]]:
    try:
        with Path(path).open("rb") as handle:
            for number, raw in enumerate(handle, 1):  # bytes end at \n alone: U+2028 does not end a line
                if number == 1:
                    raw = raw.removeprefix(b"\xef\xbb\xbf")
                line = raw.decode("utf-8").rstrip("\r\n")
                if line:
                    yield number, line
    except (FileNotFoundError, IsADirectoryError):
        raise DataError(f"{path}: no such file") from None
    except UnicodeDecodeError as error:
        raise DataError(f"{path}:{number}: not UTF-8 ({error.reason} at byte {error.start} of the line); "
                        "convert the file with iconv") from None


def _tab_separated(path: str | os.PathLike[str]) -> Iterator[tuple[int, list[str]]]:
    for number, line in _lines(path):
        yield number, line.split("\t")


def _comma_separated(path: str | os.PathLike[str]) -> Iterator[tuple[int, list[str]]]:
    first = last = 0
    separator = _separator(next((line for _, line in _lines(path)), ""))

    def lines() -> Iterator[str]:
        nonlocal last
        for number, line in _lines(path):
            last = number
            yield f"{line}\n"

    try:
        for fields in csv.reader(lines(), delimiter=separator, strict=True):
            yield last, fields
            first = last
    except csv.Error as error:
        raise DataError(f"{path}:{last}: not CSV ({error}); look for a quotation mark that is not closed from line "
                        f"{first + 1} on, one within a field is written twice") from None


def _separator(head: str) -> str:
    return "," if "," in head else next((sign for sign in ";\t" if sign in head), ",")


def _objects(path: str | os.PathLike[str]) -> Iterator[tuple[int, dict[str, object]]]:
    for number, line in _lines(path):
        try:
            found = json.loads(line)
        except (ValueError, RecursionError) as error:  # ValueError: also a whole number of thousands of digits
            raise DataError(f"{path}:{number}: not JSON ({error}); each line must be one object") from None
        if not isinstance(found, dict):
            raise DataError(f"{path}:{number}: not a JSON object; each line must be one, as {{\"text\": \"...\"}}")
        yield number, found


def _picked(path: str | os.PathLike[str], columns: Sequence[str], optional: Sequence[str]) -> Iterator[Row]:
    for number, found in _objects(path):
        values = {}
        for name in (*columns, *optional):
            value = found.get(name)
            if value is None and name in columns:
                raise DataError(f"{path}:{number}: no column {name!r}; each row must have {' '.join(columns)}")
            if isinstance(value, (bool, dict, list)) or isinstance(value, float) and not math.isfinite(value):
                raise DataError(f"{path}:{number}: column {name!r} is neither text nor a number")
            values[name] = "" if value is None else str(value)
            if _HALF.search(values[name]):
                raise DataError(f"{path}:{number}: column {name!r} holds half of a character (\\ud800 to \\udfff)")
        yield Row(number, values)


def sanitise(name: str) -> str:
    """Return ``name`` fit for an id.

    Characters other than ASCII letters, digits and ``._-`` become ``_``; a digest is then appended, so that names
    that differ give ids that differ, in whatever script they are.
    """
    safe = _UNSAFE.sub("_", name)
    return safe if safe == name else f"{safe}-{hashlib.sha256(name.encode()).hexdigest()[:8]}"
