"""How many threads a process computes with: sums are parted by them, so that their last digits depend on it.

Every command of :mod:`stxfer.bin` computes with one, whatever the environment says; ``--nj`` starts processes.
Trainings have more where the experiment says so.
"""

from __future__ import annotations

import os
import platform
import sys
from typing import Any

# What numerical libraries read when they are loaded.
VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


def environment(threads: int) -> dict[str, str]:
    """Return the variables that make a process compute with so many threads."""
    return dict.fromkeys(VARIABLES, str(threads))


def use_threads(threads: int) -> None:
    """Compute with so many threads from now on: in PyTorch, and in what is loaded or started later."""
    os.environ.update(environment(threads))
    if torch := sys.modules.get("torch"):
        torch.set_num_threads(threads)


def computed_on() -> dict[str, Any]:
    """Return what the last digits of PyTorch's results depend on: ``device``, ``threads``, ``torch`` (its version).

    The device is a GPU's name, or the processor's kind and instructions. Empty where PyTorch is not loaded.
    """
    if not (torch := sys.modules.get("torch")):
        return {}
    device = torch.cuda.get_device_name() if torch.cuda.is_available() else \
        f"{platform.machine()} {torch.backends.cpu.get_cpu_capability()}"
    return {"device": device, "threads": torch.get_num_threads(), "torch": torch.__version__}
