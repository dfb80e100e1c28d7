"""Stage markers: what was made, by which options, from which inputs.

A stage's output directory holds ``.stage.json``. A finished stage whose options and inputs have not
changed is not done again; one that a changed input or option would alter is done again, or, where
the work is expensive (training), refused by name until ``--force`` is given.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import stxfer
from stxfer.core.errors import DataError, StaleError
from stxfer.core.fileio import read_json, sha256, write_json
from stxfer.core.options import Options, Spread, differences, identity

MARKER = ".stage.json"
WATCHED = "watched"  # of a marker
log = logging.getLogger(__name__)


def digest(path: str | os.PathLike[str]) -> str:
    """Return a digest of a file's bytes, or of the outputs that a stage's directory recorded.

    Raises:
        DataError: the file is absent, or the directory holds no marker (its stage has not finished).
    """
    path = Path(path)
    if path.is_dir():
        if not (path / MARKER).exists():
            raise DataError(f"{path}: not finished (no {MARKER}); run the stage that makes it first")
        return str(_read_marker(path / MARKER)["digest"])
    if not path.exists():
        raise DataError(f"{path}: no such file or directory; run the stage that makes it first")
    return sha256(path)


def _read_marker(path: Path) -> dict[str, Any]:
    marker = read_json(path)
    if not isinstance(marker, dict) or not {"stage", "digest", "options", "inputs"} <= marker.keys():
        raise DataError(f"{path}: not a stage's marker; remove it and run its stage again")
    return marker


@dataclass
class Stage:
    """One stage's (or one trained system's) output directory and what it depends on.

    The digests of the inputs are taken before the work, by :meth:`needed` or :meth:`begin`, and compared after it:
    what changes in between would make an output that is neither of the old input nor of the new one.

    Args:
        name: how messages call it, e.g. ``features src_train``.
        out: the directory whose ``.stage.json`` marks completion.
        inputs: files, or directories that carry a marker of their own.
        options: what else decides the result (not ``nj``): values that JSON can hold, and options, of which the fields
            that have an effect count.
        watched: files that ``options`` stand for by their content, as :func:`watch` has seen them. What was made from
            the stage's output is out of date when one of them changes; to the stage itself it does not matter where
            they lie.
    """

    name: str
    out: Path
    inputs: Iterable[str | os.PathLike[str]] = ()
    options: Mapping[str, Any] | Options | Spread = field(default_factory=dict)
    watched: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    _begun: dict[str, str] | None = field(default=None, init=False, repr=False, compare=False)

    @property
    def marker(self) -> Path:
        """The file that says that the stage is finished."""
        return Path(self.out) / MARKER

    def _current(self, pending: Collection[Path] = ()) -> dict[str, str]:
        return {str(Path(path)): digest(path) for path in self.inputs if Path(path) not in pending}

    def changes(self, pending: Collection[Path] = ()) -> list[str] | None:
        """Return what differs from the finished run: ``[]`` nothing, ``None`` never finished.

        Args:
            pending: inputs that are being made and are not looked at.
        """
        return self._changes(self._current(pending), pending) if self.marker.exists() else None

    def _changes(self, now: Mapping[str, str], pending: Collection[Path]) -> list[str]:
        done = _read_marker(self.marker)
        changed = [f"input {path}" for path in sorted({*now, *done["inputs"]} - set(map(str, pending)))
                   if now.get(path) != done["inputs"].get(path)]
        return changed + [f"option {difference}" for difference in differences(done["options"], self.options)]

    def needed(self, *, force: bool = False, allow_stale: bool = False, expensive: bool = False,
               pending: Collection[Path] = ()) -> bool:
        """Decide whether the stage has to run; logs the reason.

        Args:
            force: it has to, in any case.
            allow_stale: inputs are used although what they were made from has changed since.
            expensive: finished work of other settings is refused, not done again.
            pending: inputs that are being made and are not looked at; ask again when they are there.

        Raises:
            DataError: an input is not there.
            StaleError: an input is itself out of date, or ``expensive`` work would be overwritten.
        """
        now = self._current(pending)  # raises where one is not there, before anything of this stage is written
        if not allow_stale:
            for path in now:
                check_fresh(path)
        changed = self._changes(now, pending) if self.marker.exists() else None
        if changed is not None and not force:
            if not changed and pending:
                return True
            if not changed:
                self._watch()
                log.info("%s: up to date (--force does it again)", self.name)
                return False
            if expensive and not allow_stale:
                raise StaleError(f"{self.out}: finished with other settings: {'; '.join(changed[:3])}. "
                                 "Give --force to do it again, or another --expdir to keep both")
            if expensive:
                return False
            log.info("%s: done again, changed: %s", self.name, "; ".join(changed[:3]))
        self._begun = now
        return True

    def _watch(self) -> None:
        """Bring what the marker says of the watched files up to date: they were moved, or it is an older version's."""
        marker = _read_marker(self.marker)
        if marker.get(WATCHED, {}) != self.watched:
            write_json(self.marker, {**marker, WATCHED: self.watched})

    def begin(self) -> None:
        """Take the digests of the inputs, where the work starts without asking :meth:`needed`."""
        self._begun = self._current()

    def finish(self, outputs: Iterable[str | os.PathLike[str]], **extra: Any) -> None:
        """Write the marker, last of all, with digests of ``outputs`` (files) and of the inputs as they were before.

        Raises:
            StaleError: an input changed during the work. No marker is left: the same command does the work again.
        """
        begun = {} if self._begun is None and not tuple(self.inputs) else self._begun
        assert begun is not None, f"{self.name}: finished without having begun"
        changed = [path for path, before in begun.items() if not Path(path).exists() or digest(path) != before]
        changed += [path for path, seen in self.watched.items() if _has_changed(Path(path), seen)]
        if changed:
            self.marker.unlink(missing_ok=True)
            raise StaleError(f"{self.out}: {changed[0]} changed while it was made; run the same command again")
        made = {str(Path(path).relative_to(self.out)): sha256(path) for path in sorted(map(Path, outputs))}
        total = hashlib.sha256(json.dumps(made, sort_keys=True).encode()).hexdigest()
        write_json(self.marker, {"stage": self.name, "stxfer": stxfer.__version__, "digest": total,
                                 "options": identity(self.options), "inputs": begun,
                                 "outputs": made, **({WATCHED: self.watched} if self.watched else {}), **extra})


def watch(files: Iterable[Path]) -> dict[str, dict[str, Any]]:
    """Return what markers say of watched files: with its size and time, a file is known without being read again."""
    found = {}
    for path in files:
        status = path.stat()
        found[os.path.abspath(path)] = {"bytes": status.st_size, "mtime_ns": status.st_mtime_ns,
                                        "sha256": sha256(path)}
    return found


def _has_changed(path: Path, seen: Mapping[str, Any]) -> bool:
    """Whether a watched file is there and holds something else."""
    if not path.exists():
        return False
    status = path.stat()
    if (status.st_size, status.st_mtime_ns) == (seen["bytes"], seen["mtime_ns"]):
        return False
    return bool(sha256(path) != seen["sha256"])


def check_fresh(path: str | os.PathLike[str], _seen: set[str] | None = None) -> None:
    """Raise StaleError if ``path`` was made from something that has changed since, however far back.

    A deleted source (a data directory removed to free the disk) is not a change.
    """
    seen = _seen if _seen is not None else set()
    directory = Path(path) if Path(path).is_dir() else Path(path).parent
    if str(directory) in seen or not (directory / MARKER).exists():
        return
    seen.add(str(directory))
    marker = _read_marker(directory / MARKER)
    for source, known in marker.get(WATCHED, {}).items():
        if _has_changed(Path(source), known):
            raise _stale(directory, source, marker)
    for source, recorded in marker["inputs"].items():
        if not Path(source).exists():
            continue
        if digest(source) != recorded:
            raise _stale(directory, source, marker)
        check_fresh(source, seen)


def _stale(directory: Path, source: str, marker: Mapping[str, Any]) -> StaleError:
    return StaleError(f"{directory}: out of date, {source} has changed since it was made. "
                      f"Run stage '{marker['stage']}' again, or give --allow-stale to use it as it is")
