"""What stands for audio files in the markers of stages: hundreds of gigabytes are not read at every start."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable
from pathlib import Path

from stxfer.core.digests import file_digest
from stxfer.core.errors import DataError
from stxfer.core.marker import read_marker
from stxfer.core.workdir import WorkDir
from stxfer.kaldi.table import read_table


def recordings(datadir: Path) -> list[str]:
    """Return the audio files that a data directory names, each once.

    Raises:
        DataError: there is no such directory, or its ``wav.scp`` is absent or malformed.
    """
    if not datadir.is_dir():
        raise DataError(f"{datadir}: no such directory; run the stage that makes it first")
    named = read_table(datadir / "wav.scp", empty_values=False).values()
    return list(dict.fromkeys(map(WorkDir.of(datadir).located, named)))


def file_stamps(paths: Iterable[str | os.PathLike[str]], out: Path) -> dict[str, str]:
    """Return a line for each file.

    Of a file in the work directory it holds its path from there and its digest, which is remembered beside it: a copy
    of the work directory has other times. Of any other file it holds its path, size and modification time.

    Args:
        paths: the files.
        out: the directory of the stage whose marker the lines are for.
    """
    work = WorkDir.of(out)
    found: dict[str, str] = {}
    folders: dict[str, str] = {}  # there are few, of a million files
    for path in [os.fspath(path) for path in paths]:
        folder, base = os.path.split(path)
        if folder not in folders:
            folders[folder] = work.stored(folder or os.curdir)
        name = os.path.normpath(os.path.join(folders[folder], base))
        try:
            found[path] = _by_time(path) if os.path.isabs(name) or not work.root else \
                f"{name}\0{file_digest(path, keep=True)}\n"
        except (OSError, ValueError):  # ValueError: a NUL character in the path
            found[path] = f"{name}\0absent\n"
    return found


def files_digest(paths: Iterable[str | os.PathLike[str]], out: Path) -> str:
    """Return a digest of the files' :func:`file_stamps`, or what an earlier version has recorded, if it still holds."""
    names = [os.fspath(path) for path in paths]
    stamps = file_stamps(names, out)
    now = lines_digest(stamps[name] for name in names)
    try:
        recorded = read_marker(out)["options"].get("audio")
    except DataError:
        return now
    if recorded not in (None, now) and recorded == lines_digest(map(_by_time, names)):
        return str(recorded)
    return now


def _by_time(path: str) -> str:
    try:
        stat = os.stat(path)
    except (OSError, ValueError):
        return f"{path}\0absent\n"
    return f"{path}\0{stat.st_size}\0{stat.st_mtime_ns}\n"


def lines_digest(lines: Iterable[str]) -> str:
    """Return a digest of lines, one after the other."""
    total = hashlib.sha256()
    for line in lines:
        total.update(line.encode())
    return total.hexdigest()
