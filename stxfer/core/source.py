"""Which commit of this project runs."""

from __future__ import annotations

import subprocess
from pathlib import Path

import stxfer


def commit() -> str:
    """Return the commit of the checkout that this package lies in; empty if it is installed, or there is no git."""
    root = Path(stxfer.__file__).resolve().parents[1]
    if not (root / ".git").exists():
        return ""
    try:
        done = subprocess.run(["git", "-C", str(root), "rev-parse", "HEAD"], capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return ""
    return done.stdout.strip()
