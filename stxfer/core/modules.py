"""Commands of other packages, run as their users run them: modules in processes of their own, with nothing of ours."""

from __future__ import annotations

import ctypes
import os
import shlex
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from stxfer.core.errors import StxferError

_DEATH_SIGNAL = 1  # Linux's PR_SET_PDEATHSIG


def run_module(module: str, arguments: Sequence[str], directory: Path) -> None:
    """Run ``python -m module arguments`` with the interpreter that runs this process, and print what it prints.

    It ends when this process ends, however that ends (on Linux).

    Args:
        module: its name.
        arguments: the words behind it.
        directory: the one that it runs in.

    Raises:
        StxferError: it ends badly; with the last line of its output.
    """
    command = [sys.executable, "-m", module, *arguments]
    print(f"{directory}$ {shlex.join(command)}", flush=True)
    last = ""
    parent, libc = os.getpid(), ctypes.CDLL(None)

    def end_with_parent() -> None:
        if sys.platform == "linux":
            libc.prctl(_DEATH_SIGNAL, signal.SIGKILL)
        if os.getppid() != parent:  # it has ended before that call
            os._exit(1)

    with subprocess.Popen(command, cwd=directory, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, encoding="utf-8", errors="replace",
                          preexec_fn=end_with_parent) as process:  # noqa: PLW1509 (calls no Python of others)
        assert process.stdout is not None
        try:
            for line in process.stdout:
                print(line, end="", flush=True)
                last = line.strip() or last
            status = process.wait()
        except BaseException:
            process.kill()
            raise
    if status > 0:
        raise StxferError(f"{module} failed (exit status {status}): {last or 'no output'}")
    if status < 0:
        why = ", most likely for memory" * (status == -signal.SIGKILL)
        raise StxferError(f"{module} was killed by {signal.Signals(-status).name}{why}")
