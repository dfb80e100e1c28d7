"""The picture of a training: losses and, on a second axis, dev accuracy and word errors, epoch by epoch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from stxfer.core.fileio import atomic_write

LOSSES = {"train_loss": ("#b3bcc5", "train loss"), "valid_loss": ("#5b8db8", "dev loss")}
RATES = {"valid_acc": ("#2a7f62", "dev accuracy"), "valid_wer": ("#b4503c", "dev WER")}


def plot_curve(path: Path, epochs: Sequence[Mapping[str, Any]]) -> None:
    """Draw the ``epochs`` of ``model.json`` as PNG, atomically; a line parts one phase from the next."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7.2, 3.4), dpi=120, layout="constrained", facecolor="white")
    left = figure.subplots()
    right = left.twinx()
    numbers = range(1, len(epochs) + 1)
    for axis, curves in ((left, LOSSES), (right, RATES)):
        for key, (colour, name) in curves.items():
            if any(key in row for row in epochs):
                axis.plot(numbers, [row.get(key, float("nan")) for row in epochs], color=colour, label=name,
                          marker="o", markersize=3)
    for i in range(1, len(epochs)):
        if epochs[i]["phase"] != epochs[i - 1]["phase"]:
            left.axvline(i + 0.5, color="#c9d0d6", linewidth=1)
    left.set_xlabel("epoch")
    left.set_ylabel("loss")
    right.set_ylabel("rate")
    right.set_ylim(0, None)
    figure.legend(loc="outside upper center", ncols=4, frameon=False)
    with atomic_write(path, "wb") as handle:
        figure.savefig(handle, format="png", metadata={"Software": None})
