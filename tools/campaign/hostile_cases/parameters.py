"""Parameters and checkpoints whose unpickling runs code."""

from __future__ import annotations

import itertools
import pickle
from collections.abc import Callable, Iterator
from pathlib import Path

import torch

from hostile_cases.case import MARK, Hostile, Mark, Read


def pickled(path: Path, kind: str) -> None:
    """Write a file of parameters that makes ``mark`` when it is unpickled."""
    mark = Mark(path.parents[1] / MARK)
    if kind == "a pickle":
        path.write_bytes(pickle.dumps({"model": mark}))
    elif kind == "torch's former format":
        torch.save({"model": mark}, path, _use_new_zipfile_serialization=False)
    else:
        torch.save({"model": mark, "w": torch.zeros(2)}, path)


PICKLES = ("torch's format", "torch's former format", "a pickle")


def _torch() -> Iterator[Hostile]:
    from espnet2.torch_utils.load_pretrained_model import load_pretrained_model
    from espnet2.train.reporter import Reporter
    from espnet2.train.trainer import Trainer

    from stxfer.experiment.training import Phase
    from stxfer.model.safe_reads import safe_reads
    from stxfer.model.transfer import load_state
    from stxfer.training import checkpoint

    layer = torch.nn.Linear(2, 2)

    def average(folder: Path, kind: str) -> Read:
        reporter = Reporter()
        for epoch in (1, 2):
            reporter.set_epoch(epoch)
            with reporter.observe("valid") as sub:
                sub.register({"acc": float(epoch)}, 1.0)
                sub.next()
            pickled(folder / f"{epoch}epoch.pth", kind)
        torch.save({"reporter": reporter.state_dict()}, folder / "checkpoint.pth")
        return lambda: checkpoint.average(folder, Phase(epochs=2, average=2), ("valid", "acc", "max"))

    def guarded(read: Callable[[Path], object]) -> Callable[[Path], object]:
        def call(path: Path) -> object:
            with safe_reads():
                return read(path)
        return call

    readers: dict[str, tuple[str, Callable[[Path], object]]] = {
        "ESPnet's start": ("init.pth", guarded(lambda path: load_pretrained_model(str(path), layer, False))),
        "ESPnet's resume": ("checkpoint.pth", guarded(lambda path: Trainer.resume(path, layer, Reporter(), [], [],
                                                                                  None))),
        "figures": ("checkpoint.pth", lambda path: checkpoint.figures(path.parent)),
        "a model": ("model.pth", load_state)}
    for (name, (file, read)), kind in itertools.product(readers.items(), PICKLES):
        def make(folder: Path, file: str = file, kind: str = kind, read: Callable[[Path], object] = read) -> Read:
            pickled(folder / file, kind)
            return lambda: read(folder / file)

        yield Hostile(f"parameters, {name}: {kind}", make, rf"{file}: (damaged, or holds more|cannot be read as model)")
    yield Hostile("parameters, mending: torch's format", _mending, r"checkpoint.pth: damaged, or holds more")
    yield Hostile("parameters, averaging: torch's format", lambda folder: average(folder, PICKLES[0]),
                  "2epoch.pth: damaged, or holds more")


def _mending(folder: Path) -> Read:
    from stxfer.training import checkpoint

    pickled(folder / "checkpoint.pth", PICKLES[0])
    return lambda: checkpoint.mend(folder)


def cases() -> Iterator[Hostile]:
    """Yield the cases."""
    yield from _torch()
