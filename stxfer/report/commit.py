"""The commit of this code, for the report."""

from __future__ import annotations

import subprocess
from pathlib import Path

import stxfer


def commit() -> str:
    """Return the abbreviated commit of the checkout, with ``-dirty`` if it differs; empty where that cannot be told."""
    root = Path(stxfer.__file__).resolve().parents[1]
    if not (root / ".git").exists():
        return ""
    try:
        done = subprocess.run(["git", "-C", str(root), "describe", "--always", "--dirty", "--exclude=*"],
                              capture_output=True, text=True, check=True, timeout=30)
    except (OSError, subprocess.SubprocessError):  # no git, or a checkout that it does not trust
        return ""
    return done.stdout.strip()
