"""What the campaigns share: commands run in children of this process, which imports the package once for all of them.

A child costs some 20 ms where a new interpreter costs seconds. It cannot hurt the campaign, whatever it does: it is
ended when it takes too long, and its memory is bounded.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import re
import resource
import shutil
import signal
import subprocess
import sys
import time
import traceback
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import IO, Any

import torch

ROOT = Path(__file__).resolve().parents[2]
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))

from stxfer.core import jobs  # noqa: E402
from stxfer.core.digests import REMEMBERED  # noqa: E402

CONFIG = ROOT / "tools/campaign/tiny.yaml"
MODELS = ["--dump", "dump", "--exp", "exp"]
#: The stages of the recipe as they are run here, each a command of stxfer.bin.
STAGES = {
    "data": ["prepare_synthetic", "--out", "data", "--nj", "1"],
    "prepare": ["prepare", "--data", "data", "--out", "dump/data", "--nj", "1"],
    "features": ["dump_fbank", "--data", "dump/data", "--out", "dump/fbank", "--nj", "1"],
    "mt": ["train_mt", "--nj", "1", *MODELS],
    "labels": ["make_labels", "--nj", "1", *MODELS],
    "vocab": ["make_vocab", "--dump", "dump"],
    "lm": ["train_lm", "--nj", "1", *MODELS],
    "source_asr": ["train", "--kind", "source", "--nj", "1", *MODELS],
    "st": ["train", "--kind", "st", "--nj", "1", *MODELS],
    "target_asr": ["train", "--kind", "target", "--nj", "1", *MODELS],
    "decode": ["decode", "--nj", "1", *MODELS],
    "score": ["score", *MODELS],
    "report": ["report", *MODELS]}
#: Files that differ from run to run, or say nothing of the result: logs, locks, what is remembered of digests.
NOT_COMPARED = re.compile(r"(^|/)(\.stxfer\.lock|\.lock|\.digests\.json|[^/]*\.log)$")
MEMORY = 3 << 30  # bytes that a child may take beside what it has from its parent
SECONDS, BUSY = 600, 120  # a child's time by the clock, and of the processor


@dataclass(frozen=True)
class Ended:
    """How a child has ended.

    Attributes:
        status: its exit status; below 0 the signal that ended it, as of :mod:`subprocess`.
        said: what it has written to standard output and error.
        hung: it was ended, as it took too long.
        peak: bytes of memory at most.
    """

    status: int
    said: str
    hung: bool
    peak: int

    @property
    def error(self) -> str:
        """Its error line, the last one; without one the last line that it wrote."""
        lines = [line for line in self.said.splitlines() if line.strip()]
        found = [line for line in lines if line.startswith("error: ")]
        return (found or lines or ["error: no output"])[-1]


def in_child(function: Callable[[], None], log: Path, *, seconds: float = SECONDS) -> Ended:
    """Call a function in a child process, and wait for its end.

    Args:
        function: its ``SystemExit`` becomes the child's status, as it does of an interpreter.
        log: a file for what the child writes.
        seconds: after which it is ended, with all that it has started.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    child = os.fork()
    if not child:
        _be_child(function, log, seconds)
    deadline, hung = time.monotonic() + seconds, False
    while True:
        pid, status, used = os.wait4(child, os.WNOHANG)
        if pid:
            break
        if time.monotonic() > deadline:
            hung = True
            with contextlib.suppress(ProcessLookupError):
                os.killpg(child, signal.SIGKILL)
        time.sleep(0.005)
    code = os.waitstatus_to_exitcode(status)
    return Ended(code, log.read_text(encoding="utf-8", errors="replace"), hung or code == -signal.SIGXCPU,
                 used.ru_maxrss << 10)


def _be_child(function: Callable[[], None], log: Path, seconds: float) -> None:
    code = 1
    try:
        os.setpgid(0, 0)
        used = int(Path("/proc/self/statm").read_text().split()[5]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_DATA, (used + MEMORY, resource.RLIM_INFINITY))
        resource.setrlimit(resource.RLIMIT_CPU, (BUSY if seconds <= SECONDS else int(seconds), resource.RLIM_INFINITY))
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(descriptor, 1)
        os.dup2(descriptor, 2)
        jobs.subprocess = _Forking(subprocess)  # type: ignore[assignment]  # what a stage starts, likewise
        code = _status(function)
    finally:
        os._exit(code)


def restore(work: Path, kept: Path) -> None:
    """Make a directory what another one is, by links to its files; those that are linked already stay.

    So does what commands remember of digests, which holds for them.
    """
    if work.is_symlink() or not work.is_dir():
        remove(work)
        work.mkdir()
    there, wanted = ({entry.name: entry for entry in os.scandir(directory)} for directory in (work, kept))
    for name in there.keys() - wanted.keys():
        remove(work / name)
    for name, entry in wanted.items():
        if entry.is_dir(follow_symlinks=False):
            restore(work / name, kept / name)
        elif name not in there or there[name].inode() != entry.inode() and name != REMEMBERED:
            remove(work / name)
            os.link(entry.path, work / name, follow_symlinks=False)


def remove(path: Path) -> None:
    """Remove what is there, of whatever kind."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def tidy_when_ended() -> None:
    """Let a campaign that is ended put back what it has moved."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))


class _Forking:
    """The module ``subprocess`` with :class:`Forked` in place of ``Popen``, for one that imports it."""

    Popen: type

    def __init__(self, module: ModuleType) -> None:
        self._module, self.Popen = module, Forked

    def __getattr__(self, name: str) -> Any:
        return getattr(self._module, name)


class Forked:
    """What :class:`subprocess.Popen` gives for a command of this package, run in a child without a new interpreter."""

    def __init__(self, words: Sequence[str], *, stdout: IO[bytes], env: Mapping[str, str], **_: Any) -> None:
        _, _, module, *arguments = words
        self.returncode: int | None = None
        self.pid = os.fork()
        if self.pid:
            return
        code = 1
        try:
            os.environ.update(env)
            os.dup2(stdout.fileno(), 1)
            os.dup2(stdout.fileno(), 2)
            torch.set_num_threads(int(env.get("OMP_NUM_THREADS", 1)))
            code = _status(command(module.rpartition(".")[2], *arguments))
        finally:
            os._exit(code)

    def poll(self) -> int | None:
        """Return how it has ended, None if it has not."""
        if self.returncode is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            self.returncode = os.waitstatus_to_exitcode(status) if pid else None
        return self.returncode

    def terminate(self) -> None:
        """End it."""
        os.kill(self.pid, signal.SIGTERM)

    def wait(self) -> int:
        """Wait for its end."""
        while self.poll() is None:
            time.sleep(0.01)
        assert self.returncode is not None
        return self.returncode


def _status(function: Callable[[], None]) -> int:
    """Call a function and return the exit status that it would give an interpreter."""
    sys.stdout = open(1, "w", encoding="utf-8", errors="replace", buffering=1, closefd=False)  # noqa: SIM115
    sys.stderr = open(2, "w", encoding="utf-8", errors="replace", buffering=1, closefd=False)  # noqa: SIM115
    code = 0
    try:
        function()
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
        if isinstance(end.code, str):
            print(end.code, file=sys.stderr)
    except BaseException:  # a traceback is a finding
        traceback.print_exc()
        code = 70
    with contextlib.suppress(Exception):
        sys.stdout.flush()
        sys.stderr.flush()
    return code


def import_once(modules: Iterable[str]) -> None:
    """Import commands of ``stxfer.bin``, and read what they do when they are called, before children are made."""
    for module in set(modules):
        importlib.import_module(f"stxfer.bin.{module}")
    for module in ("audio.dump", "corpora.synthetic.grammar", "decoding.systems", "decoding.tune", "model.export",
                   "model.load", "mt.train", "mt.translators.trained", "report.report", "score.evaluate",
                   "training.fit_system", "training.language_models"):
        importlib.import_module(f"stxfer.{module}")
    from stxfer.corpora.synthetic.lexicon import lexicon

    lexicon()


def command(module: str, *arguments: str) -> Callable[[], None]:
    """Return what runs a command of ``stxfer.bin`` as a shell would."""
    from stxfer.bin._cli import run

    def call() -> None:
        sys.argv = [f"{module}.py", *arguments]
        run(importlib.import_module(f"stxfer.bin.{module}").main, list(arguments))

    return call
