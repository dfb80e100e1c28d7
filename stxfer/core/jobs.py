"""Commands run side by side in processes of their own, each with a log, none outliving the one that started it."""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import IO, Literal

from stxfer.core.devices import VISIBLE, least_loaded
from stxfer.core.devices import devices as find_devices
from stxfer.core.errors import StxferError
from stxfer.core.parent import PARENT
from stxfer.core.stage import Stage
from stxfer.core.threads import environment

CONTEXT = 8  # lines of a log shown when a process ends by an error that is not the user's
TAIL = 1 << 16  # bytes of a log that are read for them
LISTED = 5  # errors that are told at once and that the last line of a run names
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Job:
    """A stage made by a command in a process of its own.

    Args:
        name: how messages call it.
        stage: what it makes; the log lies in the stage's directory.
        command: the command line.
        log: the log's file name.
        show: gives what to tell of a line of the log, ``None`` for nothing.
        needs: directories that other jobs make and that this one starts from.
        devices: how many devices it uses, where there are any; as many processes work together.
        threads: processor cores of each of its processes.
        nodes: machines that it runs on together, each with so many processes; more than one needs a cluster.
        expensive: see :meth:`stxfer.core.stage.Stage.needed`.
        resources: which options of the recipe's ``cmd.sh`` it has on a cluster.
        array: jobs with the same words here may be one array there.
    """

    name: str
    stage: Stage
    command: tuple[str, ...]
    log: str
    show: Callable[[str], str | None]
    needs: tuple[Path, ...] = ()
    devices: int = 1
    threads: int = 1
    nodes: int = 1
    expensive: bool = False
    resources: Literal["train", "cuda", "decode"] = "train"
    array: str = ""

    @property
    def path(self) -> Path:
        """The log."""
        return self.stage.out / self.log


def run_jobs(jobs: Sequence[Job], nj: int, *, force: bool = False, allow_stale: bool = False,
             devices: Sequence[str] | None = None) -> list[str]:
    """Run the jobs that are needed, ``nj`` at a time, each after those it needs; return the names of those run.

    Everything that can be checked is checked before the first job starts. A job that fails, or that is found out of
    date when those it needs are done, fails alone: the others are finished, but for those that need it.

    Each job has the devices that fewest others use: as long as there are enough, no two jobs share one.

    Args:
        jobs: in such an order that each comes after those it needs.
        nj: jobs side by side.
        force: see :meth:`stxfer.core.stage.Stage.needed`, as ``allow_stale``.
        devices: names of the devices to share out; none given: :func:`stxfer.core.devices.devices`.

    Raises:
        DataError: an input is missing.
        StaleError: finished work would be overwritten, or an input is out of date.
        StxferError: several jobs failed, or the process of one.
    """
    queue = Queue(jobs, partial(needed, force=force, allow_stale=allow_stale))
    names = find_devices() if devices is None else devices
    running: list[Process] = []
    try:
        while queue.waiting or running:
            while len(running) < nj and (job := queue.next()) is not None:
                used = (name for process in running for name in process.devices)
                running.append(Process(job, least_loaded(names, used, job.devices)))
            time.sleep(0.2)
            for process in running[:]:
                try:
                    ended = process.finished()
                except StxferError as error:
                    queue.failed(process.job, error)
                    ended = True
                else:
                    if ended:
                        queue.finished(process.job)
                if ended:
                    running.remove(process)
                    process.stop()
    finally:
        for process in running:
            process.stop()
    queue.check()
    return queue.done


def needed(job: Job, pending: Collection[Path], *, force: bool, allow_stale: bool) -> bool:
    """Return whether a job has to run, given the directories that are still being made."""
    return job.stage.needed(force=force, allow_stale=allow_stale, expensive=job.expensive, pending=pending)


class Queue:
    """Which jobs may start, and what has become of the others.

    Args:
        jobs: see :func:`run_jobs`.
        needed: whether a job has to run, given the directories that are still being made.

    Raises:
        StxferError: see :func:`run_jobs`; nothing has been started.
    """

    def __init__(self, jobs: Sequence[Job], needed: Callable[[Job, Collection[Path]], bool]) -> None:
        self.waiting: list[Job] = []
        self.done: list[str] = []
        self._needed = needed
        self._checked: set[str] = set()
        self._unfinished: set[Path] = set()
        self._errors: dict[str, StxferError] = {}
        self._running: set[str] = set()
        self._left: list[str] = []
        for job in jobs:
            pending = self._pending(job)
            if needed(job, pending):
                self.waiting.append(job)
                self._unfinished.add(job.stage.out)
                if not pending:
                    self._checked.add(job.name)

    def next(self) -> Job | None:
        """Return a job that has to run and can, None if there is none now."""
        for job in self.waiting[:]:
            if self._pending(job):
                continue
            self.waiting.remove(job)
            try:
                if job.name in self._checked or self._needed(job, ()):
                    self._running.add(job.name)
                    return job
            except StxferError as error:
                self.failed(job, error)
            else:
                self._unfinished.discard(job.stage.out)
        return None

    def finished(self, job: Job) -> None:
        """Record that a job has ended well."""
        self._take(job)
        self._unfinished.discard(job.stage.out)
        self._running.discard(job.name)
        self.done.append(job.name)

    def failed(self, job: Job, error: StxferError) -> None:
        """Record that a job has failed: those that need it will not run."""
        self._take(job)
        self._errors[job.name] = error
        self._running.discard(job.name)
        lost = {job.stage.out}
        for other in self.waiting[:]:
            if lost.intersection(other.needs):
                self.waiting.remove(other)
                lost.add(other.stage.out)
                self._left.append(other.name)
        if (self.waiting or self._running) and len(self._errors) <= LISTED:
            log.warning("%s; the other jobs are finished first", error)

    def check(self) -> None:
        """Raise what failed: the error itself, or one that names all."""
        if not self._errors:
            return
        left = f"; not run, as what they start from failed: {', '.join(self._left)}" if self._left else ""
        if len(self._errors) > 1:
            first = "; ".join(str(error) for error in list(self._errors.values())[:LISTED])
            more = f"; and {len(self._errors) - LISTED} more" if len(self._errors) > LISTED else ""
            raise StxferError(f"{len(self._errors)} jobs failed: {first}{more}{left}")
        (error,) = self._errors.values()
        raise type(error)(f"{error}{left}") from error.__cause__

    def _take(self, job: Job) -> None:
        self.waiting = [other for other in self.waiting if other is not job]

    def _pending(self, job: Job) -> set[Path]:
        return self._unfinished.intersection(job.needs)


class Process:
    """A job at work: its process, its log, and the lines of the log that a person wants to see."""

    def __init__(self, job: Job, devices: Sequence[str] = ()) -> None:
        self.job, self.path, self.devices = job, job.path, devices
        threads = job.threads
        self.path.parent.mkdir(parents=True, exist_ok=True)
        env = {**os.environ, "PYTHONUNBUFFERED": "1",  # lines in their order, the error last
               **environment(threads), PARENT: str(os.getpid()), **({VISIBLE: ",".join(devices)} if devices else {})}
        with self.path.open("ab") as handle:
            self.start = handle.tell()
            self.process = subprocess.Popen(job.command, stdout=handle, stderr=subprocess.STDOUT,
                                            stdin=subprocess.DEVNULL, env=env)
        self.tail: IO[str] = self.path.open(encoding="utf-8", errors="replace")  # noqa: SIM115 (see stop)
        self.tail.seek(self.start)
        self.rest = ""
        log.info("%s: started, %d thread%s%s, log in %s", job.name, threads, "s" * (threads > 1),
                 f", device {' '.join(devices)}" if devices else "", self.path)

    def finished(self) -> bool:
        """Show new lines; return whether the process has ended well.

        Raises:
            StxferError: it has ended badly.
        """
        status = self.process.poll()
        *lines, self.rest = (self.rest + self.tail.read()).split("\n")
        for line in lines:
            message = self.job.show(line)
            if message is not None:
                log.info("%s: %s", self.job.name, message)
        if status:
            self._fail(status)
        return status == 0

    def stop(self) -> None:
        """End the process, if it has not ended, and close the log."""
        if self.process.poll() is None:
            self.process.terminate()
            self.process.wait()
        self.tail.close()

    def _fail(self, status: int) -> None:
        message, context = failure(self.path, self.start, status)
        for line in context:
            log.error("%s | %s", self.job.name, line)
        raise StxferError(f"{self.job.name}: {message}; the whole log is {self.path}")


def failure(path: Path, start: int, status: int) -> tuple[str, list[str]]:
    """Return why a process has failed, and the lines before that, none where the error is the user's.

    Args:
        path: its log.
        start: where in it the process began.
        status: as :class:`subprocess.Popen` has it.
    """
    with path.open("rb") as handle:
        handle.seek(max(start, path.stat().st_size - TAIL))
        text = handle.read().decode("utf-8", errors="replace")
    lines = [line.rstrip() for line in text.splitlines() if line.strip()] or ["no output"]
    how = f"exit status {status}" if status > 0 else \
        f"killed by {signal.Signals(-status).name}{', most likely for memory' * (status == -signal.SIGKILL)}"
    context = [] if lines[-1].startswith("error: ") else lines[-CONTEXT:-1]
    return f"failed ({how}): {lines[-1].removeprefix('error: ')}", context
