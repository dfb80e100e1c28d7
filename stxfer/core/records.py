"""JSON files that this package has written itself, read with a check of what they hold.

Digests tell whether a file is as its stage has left it (:mod:`stxfer.core.marker`). Where there are none, or another
version or a hand has written the file, a key that is missing or has another type is named in place of a traceback.
"""

from __future__ import annotations

import functools
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from stxfer.core.errors import DataError
from stxfer.core.fileio import read_json
from stxfer.core.mistakes import first_mistake


@functools.cache
def _adapter(shape: Any) -> TypeAdapter[Any]:
    return TypeAdapter(shape)


def mistake(value: Any, shape: Any, where: str, place: Sequence[str | int] = ()) -> str:
    """Return what a value of JSON has that a shape forbids: file, key and what is allowed; nothing if it fits.

    Args:
        value: the value.
        shape: a type, of ``TypedDict`` for objects; they may have further keys.
        where: the file.
        place: of the value in it.
    """
    try:
        _adapter(shape).validate_python(value, strict=True)
    except ValidationError as error:
        return first_mistake(error, where, place)
    return ""


def read_rows(path: str | os.PathLike[str], shape: Any, advice: str = "remove it and run its stage again") -> list[Any]:
    """Read JSON lines of a shape, see :func:`read_record`.

    Raises:
        DataError: the file is absent, or a line is not JSON or holds something else; names line and key.
    """
    try:
        lines = Path(path).read_text(encoding="utf-8").split("\n")
    except FileNotFoundError:
        raise DataError(f"{path}: no such file") from None
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: not UTF-8 ({error.reason} at byte {error.start}); {advice}") from None
    rows = []
    for number, line in enumerate(lines, 1):
        if not line:
            continue
        try:
            value = json.loads(line)
        except (ValueError, RecursionError):
            raise DataError(f"{path}:{number}: not JSON; {advice}") from None
        if wrong := mistake(value, shape, f"{path}:{number}"):
            raise DataError(f"{wrong}; {advice}")
        rows.append(value)
    return rows


def read_record(path: str | os.PathLike[str], shape: Any, advice: str = "remove it and run its stage again") -> Any:
    """Read JSON of a shape, see :func:`mistake`.

    Raises:
        DataError: the file is absent, is not JSON, or holds something else; names the key.
    """
    value = read_json(path)
    if wrong := mistake(value, shape, str(path)):
        raise DataError(f"{wrong}; {advice}")
    return value
