"""Processes that end when the one that started them has ended."""

from __future__ import annotations

import os
import re
import signal
import threading
import time

from stxfer.core.errors import ConfigError
from stxfer.core.mistakes import shown

PARENT = "STXFER_PARENT"


def follow_parent() -> None:
    """End this process soon after the one named by ``STXFER_PARENT``, or its own parent, has ended.

    Without it the children of a killed run keep running, and the next run starts others on the same files.
    Does nothing where the variable is not set: a command started by hand may outlive its shell.

    Raises:
        ConfigError: the variable holds something else.
    """
    name = os.environ.pop(PARENT, "")
    if not name:
        return
    if not re.fullmatch("[1-9][0-9]{0,8}", name):
        raise ConfigError(f"{PARENT}: {shown(name)} is no process; unset it, recipes set it themselves")
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
