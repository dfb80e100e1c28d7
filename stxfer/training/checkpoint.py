"""What ESPnet's trainer leaves of a phase: read without running code from it, mended after a kill, averaged, removed.

``checkpoint.pth`` holds model, optimisers and the reporter's figures of all epochs, ``<n>epoch.pth`` the parameters of
the best epochs and the last. ESPnet averages the best ones when it stops, but where ``patience`` stops it after fewer
epochs than are to be averaged, it gives the best one alone; here those there are make the result.
"""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import torch

from stxfer.core.errors import StxferError
from stxfer.experiment.training import Phase
from stxfer.model.espnet import Reporter, average_nbest_models
from stxfer.model.safe_reads import safe_reads
from stxfer.model.saves import atomic_saves, intact, previous
from stxfer.model.transfer import load_state

CHECKPOINT = "checkpoint.pth"
# Of what epochs are judged by on the development set, in the reporter's words.
CRITERIA = {"accuracy": ("valid", "acc", "max"), "wer": ("valid", "wer", "min"), "loss": ("valid", "loss", "min")}
Criterion = tuple[str, str, str]
log = logging.getLogger(__name__)


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


def epochs(directory: Path) -> int:
    """Return how many epochs of a phase have been trained."""
    return int(_reporter(directory).get_epoch()) if (directory / CHECKPOINT).exists() else 0


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


def check_finite(state: Path) -> None:
    """Raise StxferError if a file of parameters holds one that is not finite."""
    bad = [name for name, tensor in load_state(state).items()
           if tensor.is_floating_point() and not torch.isfinite(tensor).all()]
    if bad:
        raise StxferError(f"{state}: {bad[0]} holds values that are not finite: training diverged; lower 'lr'")


def average(directory: Path, phase: Phase, by: Criterion) -> Path:
    """Return the file with the mean parameters of a phase's best epochs, made if it is not there and whole."""
    # Not valid.<figure>.best.pth: after a kill it may point at an epoch that is not the best one any more.
    reporter = _reporter(directory)
    count = min(phase.average, len(reporter.stats))
    result = directory / f"{by[0]}.{by[1]}.ave_{count}best.pth"
    if not intact(result):
        with atomic_saves(), safe_reads():
            average_nbest_models(directory, reporter, [by], count)
    return result


def mend(directory: Path) -> None:
    """Restore what a kill, a full disk or a power failure has kept from being written, or cut short.

    ESPnet writes ``checkpoint.pth`` first and ``<n>epoch.pth`` second, and averaging needs the latter. In place of a
    damaged ``checkpoint.pth`` training goes on from the one before, kept by :func:`stxfer.model.saves.atomic_saves`;
    where there is none yet, the phase starts again: no more than its first epoch is lost.

    Raises:
        StxferError: an epoch's parameters are damaged and cannot be had from ``checkpoint.pth``, or neither that nor
            the one before can be used.
    """
    path = directory / CHECKPOINT
    before = previous(path)
    if (path.exists() or before.exists()) and not intact(path):
        if intact(before):
            log.warning("%s: cut short or damaged; training goes on from the epoch before", path)
            before.replace(path)
        elif before.exists():
            raise _lost(path)
        else:
            log.warning("%s: cut short or damaged; the phase starts again", path)
            path.unlink()
    if not path.exists():
        return
    states = _load(path)
    last = int(states["reporter"]["epoch"])
    for number in sorted({last, *states["reporter"]["stats"]}):
        model = directory / f"{number}epoch.pth"
        if number == last and not intact(model):
            with atomic_saves():
                torch.save(states["model"], model)
        elif model.exists() and not intact(model):
            raise _lost(model)


def _lost(path: Path) -> StxferError:
    return StxferError(f"{path}: cut short or damaged; remove {path.parent} and run the same command again, which "
                       "trains this phase again")


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
