"""What ESPnet's trainer leaves of a phase: read without running code from it, mended after a kill, averaged, removed.

``checkpoint.pth`` holds model, optimisers and the reporter's figures of all epochs, ``<n>epoch.pth`` the parameters of
the best epochs and the last. ESPnet averages the best ones when it stops, but where ``patience`` stops it after fewer
epochs than are to be averaged, it gives the best one alone; here those there are make the result.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from stxfer.core.errors import StxferError
from stxfer.experiment.training import Phase
from stxfer.model.espnet import Reporter, average_nbest_models
from stxfer.model.espnet_patches import atomic_saves
from stxfer.model.safe_reads import safe_reads

CHECKPOINT = "checkpoint.pth"
# Of what epochs are judged by on the development set, in the reporter's words.
CRITERIA = {"accuracy": ("valid", "acc", "max"), "wer": ("valid", "wer", "min"), "loss": ("valid", "loss", "min")}
Criterion = tuple[str, str, str]


def criterion(task: str, phase: Phase) -> Criterion:
    """Return what tells how good an epoch is: a part, a figure of it, and whether its ``max`` or ``min`` is best.

    That of a language model is its loss, the logarithm of its perplexity.
    """
    return CRITERIA["loss" if task == "lm" else phase.criterion]


def averaged(phase: Phase) -> int:
    """Return how many of a phase's best epochs are averaged, if it trains all of them."""
    return min(phase.average, phase.epochs)


def figures(directory: Path) -> dict[int, dict[str, dict[str, Any]]]:
    """Return what ESPnet's reporter holds: by epoch, by part (``train``, ``valid``), by name."""
    stats: dict[int, dict[str, dict[str, Any]]] = _load(directory / CHECKPOINT)["reporter"]["stats"]
    return stats


def ended(directory: Path, phase: Phase, by: Criterion) -> bool:
    """Return whether a phase has trained its last epoch.

    ESPnet asks for that at the end of an epoch only: started again after a kill in that moment, it would train on.
    """
    if not (directory / CHECKPOINT).exists():
        return False
    reporter = _reporter(directory)
    epoch = reporter.get_epoch()
    if epoch >= phase.epochs or not _learnt(reporter):
        return True
    return bool(phase.patience) and bool(reporter.check_early_stopping(phase.patience, *by))


def check_learnt(directory: Path) -> None:
    """Raise StxferError if no step of the last epoch had a finite gradient: ESPnet stops, but calls it a success."""
    reporter = _reporter(directory)
    if not _learnt(reporter):
        raise StxferError(f"{directory}: no step of epoch {reporter.get_epoch()} had a finite gradient; lower 'lr', or "
                          "look for features that are not finite")


def average(directory: Path, phase: Phase, by: Criterion) -> Path:
    """Return the file with the mean parameters of a phase's best epochs, made if it is not there."""
    # Not valid.<figure>.best.pth: after a kill it may point at an epoch that is not the best one any more.
    reporter = _reporter(directory)
    count = min(phase.average, len(reporter.stats))
    result = directory / f"{by[0]}.{by[1]}.ave_{count}best.pth"
    if not result.exists():
        with atomic_saves(), safe_reads():
            average_nbest_models(directory, reporter, [by], count)
    return result


def mend(directory: Path) -> None:
    """Restore an epoch's parameters that a kill kept from being written.

    ESPnet writes ``checkpoint.pth`` first and ``<n>epoch.pth`` second, and averaging needs the latter.
    """
    path = directory / CHECKPOINT
    if not path.exists():
        return
    states = _load(path)
    model = directory / f"{states['reporter']['epoch']}epoch.pth"
    if not model.exists():
        with atomic_saves():
            torch.save(states["model"], model)


def remove(out: Path) -> None:
    """Remove the checkpoints of all phases, tens of times the model's size; logs stay."""
    for checkpoint in out.glob("phase*/*.pth*"):
        checkpoint.unlink()


def _learnt(reporter: Any) -> bool:
    return "grad_norm" in reporter.stats[reporter.get_epoch()]["train"]


def _reporter(directory: Path) -> Any:
    reporter = Reporter()
    reporter.load_state_dict(_load(directory / CHECKPOINT)["reporter"])
    return reporter


def _load(path: Path) -> dict[str, Any]:
    with safe_reads():
        states: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    return states
