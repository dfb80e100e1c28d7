"""The command lines of processes that a stage starts for its parts: one place that names modules of ``stxfer.bin``."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from os import PathLike
from typing import TypeAlias

PACKAGE = "stxfer.bin"
# What is started by another command.
NAMES = ("decode", "dump_fbank", "make_labels", "train_lm", "train_mt", "train_system")
NODE, MASTER = "{node}", ("{address}", "{port}")  # of several machines: its number, and where the first one listens
Value: TypeAlias = "str | PathLike[str] | int | bool | list[str]"


def command_line(name: str, options: Mapping[str, Value], *, processes: int = 1, nodes: int = 1) -> tuple[str, ...]:
    """Return the words that run a command of this package with the interpreter that runs this process.

    Args:
        name: one of ``NAMES``.
        options: names as in Python, ``allow_stale`` is ``--allow-stale``. True is an option without a value, False is
            left out, a list is several values.
        processes: how many run it together, started by ``torchrun``, on this machine.
        nodes: on so many machines each; the words :data:`NODE` and :data:`MASTER` stand for what each of them knows.

    Raises:
        ValueError: the name is none of ``NAMES``.
    """
    if name not in NAMES:
        raise ValueError(f"{name!r} is not started by other commands; add it to {__name__}.NAMES")
    words = [sys.executable, "-m"]
    if nodes > 1:
        words += ["torch.distributed.run", "--nnodes", str(nodes), "--node_rank", NODE, "--master_addr", MASTER[0],
                  "--master_port", MASTER[1], "--nproc_per_node", str(processes), "-m"]
    elif processes > 1:
        words += ["torch.distributed.run", "--standalone", "--nproc_per_node", str(processes), "-m"]
    words.append(f"{PACKAGE}.{name}")
    for option, value in options.items():
        if value is False:
            continue
        words.append(f"--{option.replace('_', '-')}")
        if value is not True:
            words += map(str, value if isinstance(value, list) else [value])
    return tuple(words)
