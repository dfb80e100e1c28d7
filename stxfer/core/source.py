"""Which commit of this project runs."""

from __future__ import annotations

import subprocess
from pathlib import Path

import stxfer


def commit() -> str:
    """Return the abbreviated commit of the checkout that this package lies in, with ``-dirty`` if it differs.

    Empty if the package is installed, there is no git, or git does not trust the checkout.
    """
    root = Path(stxfer.__file__).resolve().parents[1]
    if not (root / ".git").exists():
        return ""
    try:
        done = subprocess.run(["git", "-C", str(root), "describe", "--always", "--dirty", "--exclude=*"],
                              capture_output=True, text=True, check=True, timeout=30)
    except (OSError, subprocess.SubprocessError):
        return ""
    return done.stdout.strip()
