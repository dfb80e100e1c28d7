"""Where a process computes."""

from __future__ import annotations

import torch


def device() -> torch.device:
    """Return this process's GPU if it may use one, else the CPU.

    What runs several jobs side by side gives each its own through ``CUDA_VISIBLE_DEVICES``.
    """
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def on_gpu() -> bool:
    """Return whether this process computes on a GPU."""
    return device().type == "cuda"
