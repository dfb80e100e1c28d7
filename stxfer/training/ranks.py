"""Training in several processes: who is which, and how the first one leads the others.

``torchrun`` starts ``stxfer.bin.train_system`` once a process, on one machine or on several that share a file system
(Li et al., "PyTorch Distributed", VLDB 2020). Rank 0 does everything that a single process does; the others take part
in ESPnet's training loop whenever rank 0 enters it, and end when it says so.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import torch
import torch.distributed
from torch.distributed.rendezvous import rendezvous

from stxfer.core.devices import on_gpu

FOREVER = timedelta(days=30)  # a phase lasts as long as it lasts
END = "end"
RANK, SIZE, LOCAL = "RANK", "WORLD_SIZE", "LOCAL_RANK"  # as torchrun sets them


def rank() -> int:
    """Return which of the processes this is, 0 if it is the only one."""
    return int(os.environ.get(RANK, 0))


def size() -> int:
    """Return how many processes train together."""
    return int(os.environ.get(SIZE, 1))


class Leader:
    """Rank 0's way to make the others take part in what it does; does nothing where there are no others."""

    def __init__(self) -> None:
        self._store = _store() if size() > 1 else None
        self._count = 0

    @contextmanager
    def training(self, config: Path, directory: Path) -> Iterator[dict[str, Any]]:
        """Let every rank train with ESPnet's configuration file while rank 0 does; give what a rank adds to it."""
        if self._store is None:
            yield {}
            return
        # A file of its own for each time: what an earlier group left in the launcher's store would be taken for ours.
        meeting = directory / f".meeting-{uuid.uuid4().hex}"
        self._tell(f"{meeting}\n{config}")
        with grouped():
            yield options(meeting)
        # Torch removes the file when the last rank leaves it, but its count of them is lost where a rank opens the
        # file again as it goes. Nobody needs it once all have left.
        self._store.wait([_left(self._count - 1, other) for other in range(1, size())], FOREVER)
        meeting.unlink(missing_ok=True)

    def end(self) -> None:
        """Let the others go."""
        if self._store is not None:
            self._tell(END)

    def _tell(self, message: str) -> None:
        assert self._store is not None
        self._store.set(f"stxfer/{self._count}", message)
        self._count += 1


def follow(train: Callable[[Path, dict[str, Any]], None]) -> None:
    """Take part, as a rank above 0, in every training that rank 0 begins, until it ends.

    Args:
        train: runs ESPnet's training loop with a configuration file and what :func:`options` adds to it.
    """
    store, count = _store(), 0
    while (message := store.get(f"stxfer/{count}").decode()) != END:
        meeting, config = message.split("\n")
        with grouped():
            train(Path(config), options(Path(meeting)))
        store.set(_left(count, rank()), "")
        count += 1


def options(meeting: Path) -> dict[str, Any]:
    """Return what ESPnet has to know of the group of processes."""
    gpu = on_gpu()
    return {"dist_backend": "nccl" if gpu else "gloo", "dist_init_method": f"file://{meeting}",
            "dist_world_size": size(), "dist_rank": rank(),
            "local_rank": int(os.environ.get(LOCAL, 0)) if gpu else None,
            "ngpu": int(gpu), "multiprocessing_distributed": False}


def _left(count: int, number: int) -> str:
    return f"stxfer/left/{count}/{number}"


@contextmanager
def grouped() -> Iterator[None]:
    """Dissolve within-process what ESPnet joins: it does not itself, and the next phase joins anew."""
    try:
        yield
    finally:
        if torch.distributed.is_initialized():
            torch.distributed.destroy_process_group()


def _store() -> Any:
    store, _, _ = next(rendezvous("env://", rank(), size(), timeout=FOREVER))
    store.set_timeout(FOREVER)
    return store
