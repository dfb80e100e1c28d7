"""Work directories: files in one are named relative to its root, so that the whole can be moved, copied and linked to.

The root is the nearest directory, from a file upwards, that holds a file :data:`ROOT`, which the driver of the recipes
makes. Where there is none, relative paths are relative to the current directory and absolute ones stay absolute, as in
Kaldi. Stages run in the root, so Kaldi's own programs find the same files there.
"""

from __future__ import annotations

import functools
import os
from dataclasses import dataclass
from typing import Any

ROOT = ".stxfer"


@dataclass(frozen=True)
class WorkDir:
    """A work directory.

    Attributes:
        root: its absolute path; empty: there is none.
    """

    root: str

    @classmethod
    def of(cls, path: str | os.PathLike[str]) -> WorkDir:
        """Return the work directory that a file or a directory, there or not, lies in."""
        place = os.path.abspath(path)
        while not os.path.isfile(os.path.join(place, ROOT)):
            above = os.path.dirname(place)
            if above == place:
                return cls("")
            place = above
        return cls(place)

    def stored(self, path: str | os.PathLike[str]) -> str:
        """Return what files in the work directory call a path: relative to the root within it, else absolute."""
        name = os.fspath(path)
        if not self.root:
            return name
        place = os.path.abspath(name)
        for root, seen in ((self.root, place), (_real(self.root), place), (_real(self.root), _real_file(place))):
            if (inside := _below(seen, root)) is not None:
                return inside
        return name if os.path.isabs(name) else place

    def located(self, value: str) -> str:
        """Return the path that a value of a file in the work directory names."""
        if not self.root or os.path.isabs(value) or self.root == os.getcwd():
            return value
        return os.path.join(self.root, value)

    def portable(self, value: Any) -> Any:
        """Return a value as JSON and YAML have them, with each absolute path in the work directory made relative."""
        if not self.root:
            return value
        if isinstance(value, dict):
            return {self.portable(key): self.portable(item) for key, item in value.items()}
        if isinstance(value, (list, tuple)):
            return [self.portable(item) for item in value]
        if isinstance(value, str) and value.startswith("/"):
            for root in (self.root, _real(self.root)):
                if (inside := _below(value, root)) is not None:
                    return inside
        return value


def _below(path: str, root: str) -> str | None:
    if path == root:
        return os.curdir
    prefix = root.rstrip("/") + "/"
    return path[len(prefix):] if path.startswith(prefix) else None


def _real_file(path: str) -> str:
    folder, name = os.path.split(path)
    return os.path.join(_real(folder), name)


@functools.lru_cache(maxsize=4096)
def _real(folder: str) -> str:
    return os.path.realpath(folder)
