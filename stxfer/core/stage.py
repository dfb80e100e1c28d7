"""Stage markers: what was made, by which options, from which inputs.

A stage's output directory holds ``.stage.json``. A finished stage whose options and inputs have not
changed is not done again; one that a changed input or option would alter is done again, or, where
the work is dear (training), refused by name until ``--force`` is given.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import stxfer
from stxfer.core.errors import DataError, StaleError
from stxfer.core.fileio import read_json, sha256, write_json

MARKER = ".stage.json"
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

    Args:
        name: how messages call it, e.g. ``features src_train``.
        out: the directory whose ``.stage.json`` marks completion.
        inputs: files, or directories that carry a marker of their own.
        options: JSON-able options that change the result (not ``nj``).
    """

    name: str
    out: Path
    inputs: Iterable[str | os.PathLike[str]] = ()
    options: Mapping[str, Any] = field(default_factory=dict)

    @property
    def marker(self) -> Path:
        return Path(self.out) / MARKER

    def _current(self) -> dict[str, str]:
        return {str(Path(path)): digest(path) for path in self.inputs}

    def changes(self) -> list[str] | None:
        """Return what differs from the finished run: ``[]`` nothing, ``None`` never finished."""
        if not self.marker.exists():
            return None
        done = _read_marker(self.marker)
        now, options = self._current(), json.loads(json.dumps(dict(self.options)))
        changed = [f"input {path}" for path in sorted({*now, *done["inputs"]})
                   if now.get(path) != done["inputs"].get(path)]
        changed += [f"option {key} ({done['options'].get(key)!r} -> {options.get(key)!r})"
                    for key in sorted({*options, *done["options"]})
                    if options.get(key) != done["options"].get(key)]
        return changed

    def needed(self, *, force: bool = False, allow_stale: bool = False, dear: bool = False) -> bool:
        """Decide whether the stage has to run; logs the reason.

        Raises:
            DataError: an input is not there.
            StaleError: an input is itself out of date, or ``dear`` work would be overwritten.
        """
        for path in self.inputs:
            if not (Path(path) / MARKER if Path(path).is_dir() else Path(path)).exists():
                digest(path)  # raises, before anything of this stage is written
        if not allow_stale:
            for path in self.inputs:
                check_fresh(path)
        changed = self.changes()
        if force or changed is None:
            return True
        if not changed:
            log.info("%s: up to date (--force does it again)", self.name)
            return False
        if dear and not allow_stale:
            raise StaleError(f"{self.out}: finished with other settings: {'; '.join(changed[:3])}. "
                             "Give --force to do it again, or another --expdir to keep both")
        if dear:
            return False
        log.info("%s: done again, changed: %s", self.name, "; ".join(changed[:3]))
        return True

    def finish(self, outputs: Iterable[str | os.PathLike[str]], **extra: Any) -> None:
        """Write the marker, last of all, with digests of ``outputs`` (files) and of the inputs."""
        made = {str(Path(path).relative_to(self.out)): sha256(path) for path in sorted(map(Path, outputs))}
        total = hashlib.sha256(json.dumps(made, sort_keys=True).encode()).hexdigest()
        write_json(self.marker, {"stage": self.name, "stxfer": stxfer.__version__, "digest": total,
                                 "options": dict(self.options), "inputs": self._current(),
                                 "outputs": made, **extra})


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
    for source, recorded in marker["inputs"].items():
        if not Path(source).exists():
            continue
        if digest(source) != recorded:
            raise StaleError(f"{directory}: out of date, {source} has changed since it was made. "
                             f"Run stage '{marker['stage']}' again, or give --allow-stale to use it as it is")
        check_fresh(source, seen)
