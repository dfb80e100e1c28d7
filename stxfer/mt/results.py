"""What the translators of an experiment reach on the bitext's test part, side by side."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stxfer.core.records import read_record
from stxfer.experiment.config import Experiment
from stxfer.experiment.layout import INFO, MODEL, mt_dir
from stxfer.experiment.records import ModelInfo
from stxfer.experiment.translators import Trained
from stxfer.mt.train import SEED

HEAD = ("| label | training pairs | steps | parameters | test pairs kept | BLEU | chrF |\n"
        "|---|--:|--:|--:|--:|--:|--:|\n")


@dataclass(frozen=True)
class Row:
    """One label source: what was trained, and its score, see :func:`stxfer.mt.quality.evaluate_translator`.

    ``pairs``, ``steps`` and ``parameters`` are 0 where nothing was trained for the label itself.
    """

    label: str
    score: Mapping[str, Any]
    pairs: int = 0
    steps: int = 0
    parameters: int = 0


def describe(experiment: Experiment, label: str, exp: Path, score: Mapping[str, Any]) -> Row:
    """Return a label source's row; what was trained is read from where the training has left it."""
    directory = mt_dir(exp, label)
    if not isinstance(experiment.labels[label].options, Trained):
        return Row(label, score)
    from stxfer.model.transfer import load_state  # imports torch

    with (directory / "data" / "train" / "lengths").open("rb") as handle:
        pairs = sum(1 for _ in handle)
    epochs = read_record(directory / INFO, ModelInfo).get("epochs", [])
    phases = experiment.mt.train
    steps = sum(phases[int(epoch["phase"].removeprefix("phase")) - 1].steps for epoch in epochs)
    # Embeddings that are one parameter in training lie under several names in a file of averaged parameters.
    sizes = {hashlib.sha256(tensor.numpy().tobytes() if tensor.dim() > 1 else name.encode()).digest(): tensor.numel()
             for name, tensor in load_state(directory / MODEL).items()}
    parameters = sum(sizes.values())
    return Row(label, score, pairs, steps, parameters)


def markdown(rows: list[Row]) -> str:
    """Return a table of the rows, the signatures of their scores and how many translations each filter dropped."""
    lines, notes = [], []
    signatures: dict[str, None] = {}
    for row in rows:
        metrics = row.score.get("metrics", {})
        values = [f"{metrics[name]['value']:.1f}" if metrics else "-" for name in ("bleu", "chrf")]
        signatures |= {metrics[name].get("signature", ""): None for name in metrics}
        kept, total = row.score["kept"], row.score["pairs"]
        trained = [f"{n:,}" if n else "" for n in (row.pairs, row.steps, row.parameters)]
        share = f"{kept:,} ({100 * kept / total:.1f} %)"
        lines.append("| " + " | ".join([row.label, *trained, share, *values]) + " |\n")
        if row.score.get("dropped"):
            notes.append(f"- {row.label} drops " + ", ".join(f"{n:,} ({kind})" for kind, n
                                                             in row.score["dropped"].items()) + "\n")
    return HEAD + "".join(lines) + "\n" + "".join(notes) + f"\nSeed {SEED}. Scores: " + \
        "; ".join(f"`{signature}`" for signature in signatures) + "\n"
