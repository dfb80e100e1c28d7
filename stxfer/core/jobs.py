"""Commands run side by side in processes of their own, each with a log, none outliving the one that started it."""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from stxfer.core.errors import StxferError
from stxfer.core.stage import Stage

PARENT = "STXFER_PARENT"
CONTEXT = 8  # lines of a log shown when a process ends by an error that is not the user's
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
    """

    name: str
    stage: Stage
    command: tuple[str, ...]
    log: str
    show: Callable[[str], str | None]
    needs: tuple[Path, ...] = ()


def run_jobs(jobs: Sequence[Job], nj: int, *, threads: int = 1, force: bool = False, allow_stale: bool = False,
             dear: bool = False) -> list[str]:
    """Run the jobs that are needed, ``nj`` at a time, each after those it needs; return the names of those run.

    Args:
        jobs: in such an order that each comes after those it needs.
        nj: processes side by side.
        threads: processor cores of each.
        force: see :meth:`stxfer.core.stage.Stage.needed`, as ``allow_stale`` and ``dear``.

    Raises:
        DataError: an input is missing.
        StaleError: finished work would be overwritten, or an input is out of date.
        StxferError: a process failed; the others have been ended.
    """
    waiting: list[Job] = []
    unfinished: set[Path] = set()
    checked = set()
    for job in jobs:  # a refusal must come before anything starts, not in the middle of hours of work
        if not unfinished.intersection(job.needs):
            if not job.stage.needed(force=force, allow_stale=allow_stale, dear=dear):
                continue
            checked.add(job.name)
        waiting.append(job)
        unfinished.add(job.stage.out)
    running: list[Process] = []
    done = []
    try:
        while waiting or running:
            for job in [job for job in waiting if not unfinished.intersection(job.needs)][:nj - len(running)]:
                waiting.remove(job)
                if job.name in checked or job.stage.needed(force=force, allow_stale=allow_stale, dear=dear):
                    running.append(Process(job, threads))
                    log.info("%s: started, %d thread%s, log in %s", job.name, threads, "s" * (threads > 1),
                             running[-1].path)
                else:
                    unfinished.discard(job.stage.out)
            time.sleep(0.2)
            for process in [process for process in running if process.finished()]:
                running.remove(process)
                process.stop()
                unfinished.discard(process.job.stage.out)
                done.append(process.job.name)
    finally:
        for process in running:
            process.stop()
    return done


class Process:
    """A job at work: its process, its log, and the lines of the log that a person wants to see."""

    def __init__(self, job: Job, threads: int) -> None:
        self.job, self.path = job, job.stage.out / job.log
        self.path.parent.mkdir(parents=True, exist_ok=True)
        env = {**os.environ, "OMP_NUM_THREADS": str(threads), "MKL_NUM_THREADS": str(threads),
               PARENT: str(os.getpid())}
        with open(self.path, "ab") as handle:
            self.start = handle.tell()
            self.process = subprocess.Popen(job.command, stdout=handle, stderr=subprocess.STDOUT,
                                            stdin=subprocess.DEVNULL, env=env)
        self.tail: IO[str] = open(self.path, encoding="utf-8", errors="replace")  # noqa: SIM115 (see stop)
        self.tail.seek(self.start)
        self.rest = ""

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
        self.tail.seek(self.start)
        lines = [line.rstrip() for line in self.tail.read().splitlines() if line.strip()] or ["no output"]
        how = f"exit status {status}" if status > 0 else \
            f"killed by {signal.Signals(-status).name}{', most likely for memory' * (status == -signal.SIGKILL)}"
        if not lines[-1].startswith("error: "):
            for line in lines[-CONTEXT:-1]:
                log.error("%s | %s", self.job.name, line)
        raise StxferError(f"{self.job.name}: failed ({how}): {lines[-1].removeprefix('error: ')}; "
                          f"the whole log is {self.path}")


def follow_parent() -> None:
    """End this process soon after the one named by ``STXFER_PARENT``, or its own parent, has ended.

    Without it the children of a killed run go on, and the next run starts others on the same files.
    Does nothing where the variable is not set: a command started by hand may outlive its shell.
    """
    name = os.environ.pop(PARENT, "")
    if not name:
        return
    named, parent = int(name), os.getppid()

    def follow() -> None:
        while os.getppid() == parent and _alive(named):
            time.sleep(0.3)
        os.kill(os.getpid(), signal.SIGKILL)  # what it was doing may be killed at any time

    threading.Thread(target=follow, daemon=True).start()


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
