"""Follow jobs in Slurm's queue to their ends.

Whether a job is done is what it says itself in a file; Slurm is asked, once for all jobs, whether it is still there.
"""

from __future__ import annotations

import logging
import re
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from stxfer.cluster import slurm
from stxfer.cluster.records import DONE, FAILED, Batch
from stxfer.cluster.table import Line, Screen, Tail, summary
from stxfer.core.errors import ConfigError, StxferError
from stxfer.core.jobs import Job, Queue

SHOWN = 20  # jobs whose epochs are told one by one; of more, now and then how many are at what
EVERY = 60.0  # seconds between two lines of that
QUICK, SLOW = 2.0, 30.0  # seconds between two calls of squeue: when something has just changed, and in a long quiet
PER_JOB = 0.02  # seconds that each job adds to the shorter of the two
PATIENCE = 60.0  # seconds until what a job wrote at its end is seen on another machine
LIVE = ("queued", "running")
WHY = {"TIMEOUT": "reached its time limit and was not requeued", "CANCELLED": "was cancelled",
       "OUT_OF_MEMORY": "ran out of memory: give it more in cmd.sh, or a smaller batch",
       "NODE_FAIL": "its machine failed", "PREEMPTED": "was preempted and not requeued",
       "": "is no longer in Slurm's queue and has left no result"}
OWN = ("srun:", "slurmstepd:")  # how what Slurm itself says begins: that something has failed, not what
log = logging.getLogger(__name__)


@dataclass
class Submitted:
    """A job in the queue, or that was there.

    Attributes:
        job: what it does.
        batch: what it was submitted with.
        index: its place in that.
        tail: of its log.
        state: ``queued``, ``running``, ``done``, ``failed``, or ``left`` where one that it needs has failed.
        row: what Slurm has last said of it.
        gone: when it was first seen to have ended without a word, 0 if it was not.
        again: how often it has begun again, as far as it was seen.
    """

    job: Job
    batch: Batch
    index: int
    tail: Tail
    state: str = "queued"
    row: slurm.Row | None = None
    gone: float = 0.0
    again: int = 0

    @classmethod
    def of(cls, job: Job, batch: Batch, index: int, *, back: int = 0) -> Submitted:
        """Return it, with the last ``back`` bytes of its log still to be read."""
        return cls(job, batch, index, Tail.of(job.path, job.show, back=back))

    @property
    def number(self) -> str:
        """Slurm's number."""
        return self.batch.number(self.index)

    @property
    def line(self) -> Line:
        """Its row in the table."""
        row = self.row
        why = f"({row.reason})" if row is not None and self.state == "queued" and row.reason != "None" else ""
        return Line(self.job.name, self.state, self.number, row.nodes if row else "", row.time if row else "",
                    self.tail.last or why, str(self.job.path))


class Watch:
    """The jobs of a run in Slurm's queue.

    Args:
        queue: what has to run; it is told what has ended.

    Attributes:
        jobs: those added, in the order of their needs.
        makers: the jobs by the directories that they make.
        screen: where the table is drawn.
    """

    def __init__(self, queue: Queue) -> None:
        self.queue = queue
        self.jobs: list[Submitted] = []
        self.makers: dict[Path, Submitted] = {}
        self.screen = Screen()
        self._told = time.monotonic()

    def add(self, entry: Submitted) -> None:
        """Add a job."""
        self.jobs.append(entry)
        self.makers[entry.job.stage.out] = entry

    def follow(self) -> None:
        """Wait until every job has ended.

        Raises:
            ConfigError: this machine has no Slurm.
        """
        pause = QUICK
        while left := self._left():
            wanted = {entry.number for entry in left}
            try:
                rows = {row.number: row for row in slurm.queue() if row.number in wanted}
            except ConfigError:
                raise
            except StxferError as error:  # its controller is away; the jobs may run all the same
                log.warning("%s; asked again in %.0f s", error, SLOW)
                time.sleep(SLOW)
                continue
            self.screen.clear()
            changed = self._look(left, rows)
            self._tell()
            pause = min(max(QUICK, len(left) * PER_JOB), SLOW) if changed else min(pause * 1.3, SLOW)
            if self._left():
                time.sleep(pause)

    def interrupted(self) -> None:
        """Ask whether the jobs are to go on; they do where nobody can be asked."""
        self.screen.clear()
        left = self._left()
        if not left:
            return
        numbers = list(dict.fromkeys(entry.batch.job for entry in left))
        if sys.stdin.isatty() and sys.stderr.isatty():
            sys.stderr.write(f"\n{len(left)} jobs are in Slurm's queue. Cancel them? [y/N] ")
            sys.stderr.flush()
            try:
                answer = sys.stdin.readline().strip().lower()
            except KeyboardInterrupt:
                answer = ""
            if answer in ("y", "yes"):
                slurm.cancel(numbers)
                log.info("%d jobs cancelled", len(left))
                return
        log.info("%d jobs stay in Slurm's queue; the same command finds them, and this cancels them: scancel %s",
                 len(left), " ".join(numbers))

    def _left(self) -> list[Submitted]:
        return [entry for entry in self.jobs if entry.state in LIVE]

    def _look(self, left: list[Submitted], rows: dict[str, slurm.Row]) -> bool:
        """Take in what Slurm says, and what the jobs have written; return whether something has changed."""
        changed = False
        for entry in left:
            before = entry.state
            entry.row = rows.get(entry.number, entry.row)
            _tell_starts(entry)
            if not any(job is entry.job for job in self.queue.waiting):  # what it needs has failed
                entry.state = "left"
            elif (row := rows.get(entry.number)) is not None and slurm.lives(row):
                entry.state, entry.gone = "running" if row.state in slurm.RUNS else "queued", 0.0
            else:
                self._ended(entry, row.state if row else "")
            if entry.state == "running" and before == "queued":
                log.info("%s: runs as job %s on %s, log in %s", entry.job.name, entry.number,
                         entry.row.nodes if entry.row else "?", entry.job.path)
            elif entry.state == "queued" and before == "running":
                log.info("%s: job %s is in the queue again", entry.job.name, entry.number)
            if entry.state != "queued":
                told = entry.tail.new()
                for message in told if len(self.jobs) <= SHOWN and not self.screen.live else ():
                    log.info("%s: %s", entry.job.name, message)
            changed |= entry.state != before
        return changed

    def _ended(self, entry: Submitted, state: str) -> None:
        """Decide what has become of a job that Slurm no longer runs."""
        status = entry.batch.status(entry.index)
        if status is not None and status["state"] == DONE:
            entry.state = "done"
            self.queue.finished(entry.job)
            if all(other.state == "done" for other in self.jobs if other.batch is entry.batch) and \
                    all((found := entry.batch.status(index)) is not None and found["state"] == DONE
                        for index in range(len(entry.batch.members))):
                entry.batch.remove()
            return
        if status is not None and status["state"] == FAILED:
            for line in status.get("context", []):
                log.error("%s | %s", entry.job.name, line)
            self._failed(entry, status.get("message", f"{entry.job.name}: failed"))
            return
        if state in ("", "COMPLETED"):
            entry.gone = entry.gone or time.monotonic()
            if time.monotonic() - entry.gone < PATIENCE:
                return
        self._failed(entry, self._unsaid(entry, state, begun=status is not None))

    def _failed(self, entry: Submitted, message: str) -> None:
        entry.state = "failed"
        entry.tail.last = message.removeprefix(f"{entry.job.name}: ")
        self.queue.failed(entry.job, StxferError(message))

    def _unsaid(self, entry: Submitted, state: str, *, begun: bool) -> str:
        """Return why a job has failed that could not say it itself."""
        name, number = entry.job.name, entry.number
        node = entry.row.nodes if entry.row and entry.row.nodes else "its machine"
        said = entry.batch.folder / f"{number}_0_log.err"
        if begun or state in ("CANCELLED", "NODE_FAIL", "OUT_OF_MEMORY"):
            return f"{name}: job {number} on {node} {WHY.get(state, f'ended as {state}')}; " \
                   f"its log is {entry.job.path}, Slurm's {said}"
        lines = said.read_text(encoding="utf-8", errors="replace").split("\n") if said.exists() else []
        told = [line.strip() for line in lines if line.strip() and not line.startswith(OWN)] or \
            [line for line in lines if re.search(r"task .*signal", line)]
        if told:
            return f"{name}: job {number} on {node} could not begin: {told[-1].removeprefix('error: ')}; see {said}"
        return f"{name}: job {number} on {node} ended before it could write anything: {node} does not see the work " \
               f"directory {Path.cwd()}, which must be on a file system that all machines of the cluster share"

    def _tell(self) -> None:
        """Draw the table, or say now and then how many jobs are at what."""
        lines = [entry.line for entry in self.jobs]
        if self.screen.live:
            self.screen.draw(lines)
        elif len(self.jobs) > SHOWN and time.monotonic() - self._told >= EVERY:
            self._told = time.monotonic()
            log.info("%s", summary(lines))


def _tell_starts(entry: Submitted) -> None:
    """Say that a job has begun again, which may be too quick for the queue to show it waiting in between."""
    status = entry.batch.status(entry.index)
    if status is not None and (again := status["again"]) > entry.again:
        entry.again = again
        log.info("%s: job %s has begun again, on %s", entry.job.name, entry.number, status["host"])
