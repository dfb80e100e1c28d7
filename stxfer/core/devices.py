"""The accelerators of this machine, which of them a process gets, and what this process computes on.

Torch, which costs seconds to import, is asked by :func:`device` and :func:`on_gpu` alone, in processes that compute.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

VISIBLE = "CUDA_VISIBLE_DEVICES"
_DEVICE = re.compile(r"^(?P<part>\s+MIG\s)?.*\(UUID: (?P<name>[^)\s]+)\)", re.MULTILINE)


def devices() -> list[str]:
    """Return names of the devices to use, as ``CUDA_VISIBLE_DEVICES`` takes them: of it, or all that are there.

    Names are UUIDs: CUDA and the driver's tools number devices differently. A device that is divided (MIG) counts as
    its parts.
    """
    if (visible := os.environ.get(VISIBLE)) is not None:
        names = [name.strip() for name in visible.split(",")]
        ends = [i for i, name in enumerate(names) if name in ("", "-1")]  # what follows is hidden, as CUDA does
        return names[:ends[0]] if ends else names
    if (program := shutil.which("nvidia-smi")) is None:
        return []
    try:
        listed = subprocess.run([program, "-L"], capture_output=True, text=True, timeout=30, check=True).stdout
    except (OSError, subprocess.SubprocessError):
        return []
    found: list[str] = []
    divided = ""
    for match in _DEVICE.finditer(listed):
        if match["part"] and found and found[-1] == divided:
            found.pop()
        elif not match["part"]:
            divided = match["name"]
        found.append(match["name"])
    return found


def least_loaded(names: Sequence[str], used: Iterable[str], count: int = 1) -> tuple[str, ...]:
    """Return ``count`` devices, fewer if there are not so many: those that fewest running jobs have.

    Args:
        names: all devices.
        used: those of the running jobs, named once for each job.
        count: how many are wanted.
    """
    load = Counter(used)
    return tuple(sorted(names, key=lambda name: load[name])[:count])


def device() -> torch.device:
    """Return this process's GPU if it may use one, else the CPU.

    What runs several jobs side by side gives each its own through ``CUDA_VISIBLE_DEVICES``.
    """
    import torch

    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def on_gpu() -> bool:
    """Return whether this process computes on a GPU."""
    return device().type == "cuda"
