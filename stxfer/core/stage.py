"""Stages: what is made, by which options, from which inputs, and whether that has to be done again.

A stage's output directory holds a marker (:mod:`stxfer.core.marker`). A finished stage whose options, inputs and
outputs have not changed is not done again; one that a changed input or option would alter, or whose outputs are not
what it has left, is done again, or, where the work is expensive (training), refused by name: other settings until
``--force`` is given, a changed output until it is put back or removed.
"""

from __future__ import annotations

import contextlib
import logging
import os
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import stxfer
from stxfer.core.cost import Meter
from stxfer.core.digests import file_digest, remember, save
from stxfer.core.errors import StaleError
from stxfer.core.fileio import remove_temporaries
from stxfer.core.fresh import WATCHED, Declared, check_input, digest, has_changed
from stxfer.core.marker import CHANGED, MARKER, DamagedError, read_marker, total, write_marker, wrong_outputs
from stxfer.core.options import Options, Spread, differences, identity
from stxfer.core.workdir import WorkDir

log = logging.getLogger(__name__)


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
        step: the stage of the recipe that it is part of, as ``--stage`` takes it.
        reads: what is read beside the inputs, and follows from them: it has to be there, and as its stage wrote it.
        also: patterns of files in ``out`` that the stage leaves beside its outputs and that are kept an eye on; they
            may differ from run to run.
        declared: what the options of the stages before are compared with.
        watched: files that ``options`` stand for by their content, as :func:`stxfer.core.fresh.watch` has seen them.
            What was made from the stage's output is out of date when one of them changes; to the stage itself it does
            not matter where they lie.
    """

    name: str
    out: Path
    inputs: Iterable[str | os.PathLike[str]] = ()
    options: Mapping[str, Any] | Options | Spread = field(default_factory=dict)
    step: str = ""
    reads: Iterable[str | os.PathLike[str]] = ()
    also: tuple[str, ...] = ()
    declared: Declared | None = None
    watched: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    _begun: dict[str, str] | None = field(default=None, init=False, repr=False, compare=False)
    _meter: Meter = field(default_factory=Meter, init=False, repr=False, compare=False)

    @property
    def marker(self) -> Path:
        """The file that says that the stage is finished."""
        return Path(self.out) / MARKER

    def _current(self, pending: Collection[Path] = ()) -> dict[str, str]:
        work = WorkDir.of(self.out)
        return {work.stored(Path(path)): digest(path) for path in self.inputs if Path(path) not in pending}

    def changes(self, pending: Collection[Path] = ()) -> list[str] | None:
        """Return what differs from the finished run: ``[]`` nothing, ``None`` never finished.

        Args:
            pending: inputs that are being made and are not looked at.
        """
        return self._changes(self._current(pending), pending)

    def _changes(self, now: Mapping[str, str], pending: Collection[Path]) -> list[str] | None:
        if not self.marker.exists():
            return None
        try:
            done = read_marker(self.out)
        except DamagedError:
            return None
        work = WorkDir.of(self.out)
        changed = [f"input {path}" for path in _other_inputs(now, done["inputs"], pending, work)]
        return changed + [f"option {difference}" for difference in
                          differences(done["options"], self.options, written=work.portable)]

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
        self._meter = Meter()
        now = self._current(pending)  # raises where one is not there, before anything of this stage is written
        for path in self.reads:
            digest(path)
        if not allow_stale:
            checked: set[str] = set()
            for path in (*(path for path in self.inputs if Path(path) not in pending), *self.reads):
                check_input(path, self.declared, checked)
        self._begun = now
        if force or not self.marker.exists():
            return True
        changed = self._changes(now, pending)
        if changed is None:
            if expensive:
                read_marker(self.out)  # raises what is wrong with it
            log.info("%s: done again, %s is damaged", self.name, self.marker)
            return True
        if lost := self._lost(expensive=expensive and not allow_stale):
            log.info("%s: done again, %s", self.name, "; ".join(lost[:3]))
            return True
        if not changed and pending:
            return True
        if not changed:
            self._complete_marker(now)
            log.info("%s: up to date (--force does it again)", self.name)
            return False
        if expensive and not allow_stale:
            raise StaleError(f"{self.out}: finished with other settings: {'; '.join(changed[:3])}. "
                             "Give --force to do it again, or another --expdir to keep both")
        if expensive:
            return False
        log.info("%s: done again, changed: %s", self.name, "; ".join(changed[:3]))
        return True

    def _lost(self, *, expensive: bool) -> list[str]:
        """Return which outputs are missing or changed."""
        marker = read_marker(self.out)
        wrong = dict(wrong_outputs(self.out, marker))
        changed = [name for name, how in wrong.items() if how == CHANGED]
        if changed and expensive and marker["stage"] != self.name:
            raise StaleError(f"{self.marker}: is of {marker['stage']}, not of {self.name}; put that back, or remove it "
                             "and run the same command to have another made")
        if changed and expensive:
            raise StaleError(f"{Path(self.out) / changed[0]}: is not what {self.name} has left; put that back, or "
                             "remove this file and run the same command to have it made again")
        return [f"{name} is {how}" for name, how in wrong.items()]

    def _complete_marker(self, now: Mapping[str, str]) -> None:
        """Say in an older version's marker what those of this one say, and where watched files lie that were moved."""
        marker = read_marker(self.out)
        completed = {**marker, WATCHED: WorkDir.of(self.out).portable(dict(self.watched))}
        if self.step and "step" not in marker:
            completed |= {"step": self.step, "inputs": now, "also": self._also()}
        if marker != completed and (self.watched or "step" not in marker):
            with contextlib.suppress(OSError):  # a directory of somebody else's
                write_marker(self.out, completed)

    def _also(self) -> dict[str, str]:
        return self._digests(path for pattern in self.also for path in Path(self.out).glob(pattern))

    def _digests(self, paths: Iterable[str | os.PathLike[str]]) -> dict[str, str]:
        return {str(path.relative_to(self.out)): file_digest(path, keep=True) for path in sorted(map(Path, paths))}

    def accept(self) -> None:
        """Record the inputs as they are now: the finished work would become the same with them."""
        write_marker(self.out, {**read_marker(self.out), "inputs": self._current()})

    def begin(self) -> None:
        """Take the digests of the inputs, where the work starts without asking :meth:`needed`."""
        self._meter = Meter()
        self._begun = self._current()

    def finish(self, outputs: Iterable[str | os.PathLike[str]], *, known: Mapping[str, str] | None = None,
               **extra: Any) -> None:
        """Write the marker, last of all, with digests of ``outputs`` (files) and of the inputs as they were before.

        Args:
            outputs: the files that the stage has made, in its directory.
            known: digests by name of files in it that need not be read.
            extra: further entries of the marker.

        Raises:
            StaleError: an input changed during the work. No marker is left: the same command does the work again.
        """
        begun = {} if self._begun is None and not tuple(self.inputs) else self._begun
        assert begun is not None, f"{self.name}: finished without having begun"
        work = WorkDir.of(self.out)
        changed = [path for name, before in begun.items()
                   if not Path(path := work.located(name)).exists() or digest(path) != before]
        changed += [path for path, seen in self.watched.items() if has_changed(Path(path), seen)]
        if changed:
            self.marker.unlink(missing_ok=True)
            raise StaleError(f"{self.out}: {changed[0]} changed while it was made; run the same command again")
        remove_temporaries(self.out)
        remember(self.out, known or {})
        made = self._digests(outputs)
        write_marker(self.out, {"stage": self.name, "step": self.step, "stxfer": stxfer.__version__,
                                "digest": total(made), "options": identity(self.options), "inputs": begun,
                                "outputs": made, "also": self._also(), WATCHED: self.watched, **extra})
        self._meter.tell(self.out, total(made))
        save(self.out)


def _other_inputs(now: Mapping[str, str], done: Mapping[str, str], pending: Collection[Path],
                  work: WorkDir) -> list[str]:
    """Return the inputs that differ, sorted.

    A marker of an older version may name a directory in place of the files of it that are read.
    """
    parents = {name: str(Path(name).parent) for name in now.keys() - done.keys()}
    whole = {parent for parent in parents.values() if parent in done.keys() - now.keys()}
    same = {parent for parent in whole if Path(place := work.located(parent)).is_dir()
            and digest(place, removed=True) == done[parent]}
    left = {*now, *done} - {work.stored(path) for path in pending}
    left -= {*whole, *(name for name in parents if parents[name] in same)}
    return sorted(name for name in left if now.get(name) != done.get(name))
