"""Commands of a Kaldi ``wav.scp`` (``sph2pipe ... |``), run once each, their output kept as files."""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from stxfer.core.errors import DataError
from stxfer.core.fileio import atomic_write, locked
from stxfer.core.progress import Progress
from stxfer.corpora.rows import sanitise

_NOT_RUN = (126, 127)  # the shell's: not executable, not found


@dataclass(frozen=True)
class Pipe:
    """A recording that is the output of a command.

    Attributes:
        recording: its id.
        command: a line of bash.
        path: where the output is kept; another command has another path.
    """

    recording: str
    command: str
    path: str


def find_pipe(recording: str, value: str, folder: Path) -> Pipe | None:
    """Return the command that a value of ``wav.scp`` holds, None where it is a path.

    Args:
        recording: its key.
        value: ends in ``|`` if it is a command.
        folder: where outputs are kept.
    """
    if not value.endswith("|"):
        return None
    command = value[:-1].strip()
    digest = hashlib.sha256(command.encode()).hexdigest()[:8]
    return Pipe(recording, command, str(folder / f"{sanitise(recording)}.{digest}.wav"))


def run_pipes(pipes: Iterable[Pipe], folder: Path, root: Path, *, nj: int = 1, force: bool = False) -> dict[str, str]:
    """Run the commands whose output is not there yet; each output appears whole or not at all.

    Args:
        pipes: the commands. They are run by ``bash -o pipefail``, so that one that fails within a line counts.
        folder: where outputs are kept; other outputs that lie there are removed.
        root: the folder that commands are run in.
        nj: how many at a time.
        force: run all of them.

    Returns:
        Of each recording whose command failed, how: exit status, command and its last word.

    Raises:
        DataError: a program is not there; the others would fail alike.
        StxferError: another process is at work in ``folder``.
    """
    pipes = list(pipes)
    with locked(folder):
        kept = {os.path.basename(pipe.path) for pipe in pipes}
        for path in [*folder.glob("*.wav"), *folder.glob(".*.wav.tmp*")]:
            if path.name not in kept:
                path.unlink()
        todo = [pipe for pipe in pipes if force or not os.path.exists(pipe.path)]
        progress = Progress(f"output of {folder.name}", len(todo), "commands")
        failed = {}
        pool = ThreadPoolExecutor(nj)
        try:
            for pipe, failure in zip(todo, pool.map(lambda pipe: _run(pipe, root), todo), strict=True):
                if failure:
                    failed[pipe.recording] = failure
                progress.add()
        finally:
            pool.shutdown(cancel_futures=True)
    return failed


def _run(pipe: Pipe, root: Path) -> str:
    """Return how the command failed, nothing where it did not."""
    try:
        with atomic_write(pipe.path, "wb") as handle:
            done = subprocess.run(["bash", "-o", "pipefail", "-c", pipe.command], cwd=root, stdin=subprocess.DEVNULL,
                                  stdout=handle, stderr=subprocess.PIPE, check=False)
            lines = done.stderr.decode(errors="replace").strip().splitlines() or ["it says nothing"]
            said = " ".join(lines[-1].split())
            if done.returncode in _NOT_RUN:
                raise DataError(f"recording {pipe.recording}: command {pipe.command!r} cannot be run in {root} "
                                f"(exit status {done.returncode}: {said}); install its program")
            if done.returncode:
                raise _Failed(f"{_how(done.returncode)} {pipe.command!r}: {said}")
            if not os.fstat(handle.fileno()).st_size:
                raise _Failed(f"{pipe.command!r} wrote nothing: {said}")
    except _Failed as error:
        return f"command: {error}"
    return ""


def _how(status: int) -> str:
    return f"exit status {status} of" if status > 0 else f"{signal.Signals(-status).name} ended"


class _Failed(Exception):
    """A command did not write audio."""
