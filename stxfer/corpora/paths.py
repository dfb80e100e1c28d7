"""Paths as a corpus's tables write them, and the files that they name."""

from __future__ import annotations

import os
import re
from collections.abc import Container
from typing import Literal
from unicodedata import normalize

from stxfer.core.errors import DataError

_DRIVE = re.compile(r"[A-Za-z]:/")
_FORMS: tuple[Literal["NFC", "NFD"], ...] = ("NFC", "NFD")


def inside(folder: str, path: str, where: str) -> str:
    """Return ``folder/path``, which must not lead out of the folder.

    Backslashes part a path's names as slashes do, unless there is a file with backslashes in its name.

    Args:
        folder: the folder.
        path: as a table names it.
        where: file and line, for the message.

    Raises:
        DataError: the path is empty or absolute, has a part ``..`` or holds a NUL character.
    """
    if not path or "\0" in path:
        raise DataError(f"{where}: path {path!r} names no file; mend the row or remove it")
    path = slashes(folder, path, where)
    if path.startswith("/") or ".." in path.split("/"):
        raise DataError(f"{where}: path {path!r} leaves {folder}; give a path within that folder")
    return f"{folder}/{path}"


def slashes(folder: str, path: str, where: str) -> str:
    """Return a path within a folder with slashes for backslashes, unless a file has these in its name.

    Raises:
        DataError: the path names a drive of Windows.
    """
    if "\\" in path and not os.path.lexists(f"{folder}/{path}"):
        path = path.replace("\\", "/")
    if _DRIVE.match(path):
        raise DataError(f"{where}: path {path!r} names a drive of Windows; give a path within {folder}")
    return path


def on_disk(path: str) -> str:
    """Return the path of a file, or of what has the same name in another Unicode form where there is no such file.

    File systems keep the form that a name was made in (macOS: NFD), tables of one corpus may have another (NFC).
    """
    if path.isascii() or os.path.lexists(path):
        return path
    folder, name = os.path.split(path)
    if folder not in ("", path):
        folder = on_disk(folder)
    return next((other for form in _FORMS if os.path.lexists(other := os.path.join(folder, normalize(form, name)))),
                path)


def listed(name: str, names: Container[str]) -> str | None:
    """Return a name as a listing has it, in whichever Unicode form; None: the listing lacks it."""
    if name in names or name.isascii():
        return name if name in names else None
    return next((other for form in _FORMS if (other := normalize(form, name)) in names), None)
