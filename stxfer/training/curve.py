"""The figures of a training, epoch by epoch, and their picture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from stxfer.core.fileio import atomic_write
from stxfer.training.checkpoint import figures

KEPT = ("loss", "loss_ctc", "loss_att", "acc", "wer")
LOSSES = {"train_loss": ("#b3bcc5", "train loss"), "valid_loss": ("#5b8db8", "dev loss")}
RATES = {"valid_acc": ("#2a7f62", "dev accuracy"), "valid_wer": ("#b4503c", "dev WER")}


def epoch_rows(phases: Sequence[Path]) -> list[dict[str, Any]]:
    """Return the figures of each epoch of each phase: losses and accuracies of training and development set."""
    rows = []
    for directory in phases:
        for epoch, stats in sorted(figures(directory).items()):
            row: dict[str, Any] = {"phase": directory.name, "epoch": epoch}
            for part in ("train", "valid"):
                row |= {f"{part}_{key}": round(float(value), 5) for key, value in stats[part].items()
                        if key in KEPT and value == value}  # a figure that is not measured is not a number
            rows.append(row)
    return rows


def plot_curve(path: Path, epochs: Sequence[Mapping[str, Any]]) -> None:
    """Draw the ``epochs`` of ``model.json`` as PNG, atomically: losses and, on a second axis, accuracy and word errors.

    A line parts one phase from the next.
    """
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
