"""SHA-256 of files, remembered beside them: a file that has not changed is not read again.

What is remembered of a file is its size, inode and times of change. One that was changed within the file system's clock
tick before it was read is read again the next time, as Git does with its index.
"""

from __future__ import annotations

import atexit
import contextlib
import json
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

from stxfer.core.fileio import atomic_write, sha256

REMEMBERED = ".digests.json"
_TICK = 20_000_000  # ns; a kernel's clock stands still for 1 to 10 ms
_WHOLE = 6  # what is remembered of a file: size, inode, two times, when it was read, digest
_SAVE_EVERY = 1.0  # s, or more where there are so many files that saving takes more than a twentieth of the time


@dataclass
class _Directory:
    """What is remembered of the files of a directory, in memory and in :data:`REMEMBERED`."""

    known: dict[str, list[Any]] = field(default_factory=dict)
    unsaved: bool = False
    trust: ClassVar[bool] = True  # what an earlier process has remembered
    saved: float = field(default_factory=time.monotonic)
    rest: float = _SAVE_EVERY  # seconds to the next saving

    @classmethod
    def read(cls, directory: Path) -> _Directory:
        if not cls.trust:
            return cls()
        try:
            found = json.loads((directory / REMEMBERED).read_text(encoding="utf-8"))
        except (OSError, ValueError, RecursionError):
            return cls()
        return cls({name: entry for name, entry in found.items() if isinstance(entry, list) and len(entry) == _WHOLE}
                   if isinstance(found, dict) else {})

    def get(self, name: str, stat: list[int]) -> str | None:
        entry = self.known.get(name)
        if entry is None or entry[:4] != stat or entry[4] - max(stat[2:]) < _TICK:
            return None
        return str(entry[5])


_directories: dict[str, _Directory] = {}


def _stat(path: str | os.PathLike[str]) -> list[int]:
    found = os.stat(path)
    return [found.st_size, found.st_ino, found.st_mtime_ns, found.st_ctime_ns]


def _directory(path: str | os.PathLike[str]) -> _Directory:
    key = os.path.abspath(path)
    if key not in _directories:
        _directories[key] = _Directory.read(Path(key))
    return _directories[key]


def file_digest(path: str | os.PathLike[str], *, keep: bool = False) -> str:
    """Return the hexadecimal SHA-256 of a file's bytes.

    Args:
        path: the file.
        keep: remember it on the disk, beside the file, where that can be written; else in this process alone.
    """
    folder, name = os.path.split(path)
    remembered = _directory(folder)
    taken, stat = time.time_ns(), _stat(path)
    found = remembered.get(name, stat)
    if found is None:
        found = sha256(path)
        remembered.known[name] = [*stat, taken, found]
        remembered.unsaved |= keep
        if remembered.unsaved and time.monotonic() - remembered.saved > remembered.rest:
            save(folder or os.curdir)
    return found


def remember(directory: str | os.PathLike[str], digests: Mapping[str, str]) -> None:
    """Take down digests of a directory's files, by name, that were computed while they were written."""
    remembered = _directory(directory)
    for name, digest in digests.items():
        remembered.known[name] = [*_stat(Path(directory) / name), time.time_ns(), digest]


def forget() -> None:
    """Read all files again from now on, once each in this process."""
    _directories.clear()
    _Directory.trust = False


def save(directory: str | os.PathLike[str]) -> None:
    """Write what is remembered of a directory's files, where that can be done; at its end a process does so itself."""
    remembered = _directory(directory)
    remembered.unsaved, began = False, time.monotonic()
    with contextlib.suppress(OSError):  # a directory of somebody else's, or a full disk: they are read again
        if Path(directory).is_dir():
            for left in Path(directory).glob(f".{REMEMBERED}.tmp*"):  # by a process that was killed, as a rule
                left.unlink(missing_ok=True)
            with atomic_write(Path(directory) / REMEMBERED, durable=False) as handle:
                handle.write(json.dumps(remembered.known))  # at once: ten times as fast as in lines
    remembered.saved = time.monotonic()
    remembered.rest = max(_SAVE_EVERY, 20 * (remembered.saved - began))


@atexit.register
def _save_all() -> None:
    for directory, remembered in _directories.items():
        if remembered.unsaved:
            save(directory)
