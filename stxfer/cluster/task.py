"""What runs within a Slurm job: a command, its log, and what becomes of it. submitit pickles nothing but this class."""

from __future__ import annotations

import fcntl
import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from stxfer.cluster.records import BATCH, DONE, FAILED, RUNNING, write_status
from stxfer.cluster.settings import BACKEND
from stxfer.core.commands import MASTER, NODE
from stxfer.core.errors import StxferError
from stxfer.core.jobs import failure
from stxfer.core.parent import PARENT

PORTS = 20000  # from here on, one is taken for processes to meet


@dataclass
class Task:
    """A command that is run in the work directory.

    Attributes:
        root: the work directory.
        folder: of the batch, in it.
        index: of the job in its batch.
        name: what messages call it.
        command: the words.
        log: the file that the command's output is appended to; other machines of the same job write ``<log>.<node>``.
        out: the directory that the command makes; what a former start of the job still does there is waited for.
        env: variables that the command needs.
    """

    root: str
    folder: str
    index: int
    name: str
    command: tuple[str, ...]
    log: str
    out: str
    env: Mapping[str, str] = field(default_factory=dict)

    def __call__(self) -> None:
        """Run the command.

        Raises:
            StxferError: this machine does not see the work directory, or the command fails.
        """
        host = os.environ.get("SLURMD_NODENAME") or socket.gethostname()
        folder = Path(self.folder)
        try:
            os.chdir(self.root)
            seen = (folder / BATCH).exists()
        except OSError:
            seen = False
        if not seen:
            _end(f"{self.name}: {host} does not see the work directory {self.root}; it must be on a file system that "
                 "all machines of the cluster share")
        number = int(os.environ.get("SLURM_NODEID", "0"))
        log = Path(f"{self.log}.{number}" if number else self.log)
        log.parent.mkdir(parents=True, exist_ok=True)
        start = log.stat().st_size if log.exists() else 0
        again = int(os.environ.get("SLURM_RESTART_COUNT", "0"))
        if not number:
            write_status(folder, self.index, {"state": RUNNING, "host": host, "again": again})
            _await(Path(self.out), self.name)
        status = self._run(log, number)
        if status:
            message, context = failure(log, start, status)
            message = f"{self.name}: {message}; the whole log is {log}"
            if not number:
                write_status(folder, self.index, {"state": FAILED, "host": host, "again": again, "message": message,
                                                  "context": context})
            _end(message)
        if not number:
            write_status(folder, self.index, {"state": DONE, "host": host, "again": again})

    def checkpoint(self) -> Any:
        """Return what submitit requeues when the time is up: the same, as commands go on where they were ended."""
        from submitit.helpers import DelayedSubmission

        return DelayedSubmission(self)

    def _run(self, log: Path, number: int) -> int:
        words = [_filled(word, number) for word in self.command]
        env = {**os.environ, **self.env, BACKEND: "local", "PYTHONUNBUFFERED": "1", PARENT: str(os.getpid())}
        with log.open("ab") as handle:
            process = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=handle, stderr=subprocess.STDOUT,
                                       env=env)
            try:
                return process.wait()
            finally:
                if process.poll() is None:  # submitit leaves by an exception when it has requeued the job
                    process.kill()
                    process.wait()


def _end(message: str) -> None:
    print(f"error: {message}", file=sys.stderr, flush=True)
    raise StxferError(message)


def _filled(word: str, number: int) -> str:
    """Return a word of a command with what this machine knows of the others of its job."""
    if word == NODE:
        return str(number)
    if word == MASTER[0]:
        return _address()
    if word == MASTER[1]:
        return str(PORTS + int(os.environ["SLURM_JOB_ID"]) % 10000)
    return word


def _address() -> str:
    """Return the address of the first machine of this job, as Slurm reaches it."""
    first = _scontrol("hostnames").split()[0]  # of SLURM_JOB_NODELIST
    match = re.search(r"\bNodeAddr=(\S+)", _scontrol("node", first))
    return match[1] if match else first


def _scontrol(*words: str) -> str:
    return subprocess.run(["scontrol", "show", *words], capture_output=True, text=True, check=True).stdout


def _await(out: Path, name: str) -> None:
    """Wait for what a former start of this job does in a directory: on a machine that Slurm has lost it may go on."""
    said = False
    while (out / ".lock").exists() and _is_locked(out / ".lock"):
        if not said:
            print(f"{name}: another process is at work in {out}; waiting for it", file=sys.stderr, flush=True)
            said = True
        time.sleep(2)


def _is_locked(path: Path) -> bool:
    with path.open("a") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False
