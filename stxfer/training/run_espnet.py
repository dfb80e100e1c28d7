"""ESPnet's trainer, driven phase by phase, in one process or several."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
import yaml

from stxfer.core.fileio import atomic_write
from stxfer.core.threads import use_threads
from stxfer.core.workdir import WorkDir
from stxfer.experiment.frontend import PRETRAINED
from stxfer.experiment.layout import CONFIG
from stxfer.experiment.training import Phase
from stxfer.kaldi.table import iter_table
from stxfer.model.build import ASRTask, LMTask, MTTask
from stxfer.model.espnet_patches import quiet_training
from stxfer.model.safe_reads import safe_reads
from stxfer.model.saves import atomic_saves
from stxfer.text.vocab import open_pieces
from stxfer.training import checkpoint
from stxfer.training.dev_errors import DevErrors
from stxfer.training.ranks import Leader, follow, rank
from stxfer.training.trainer import Trainer

DONE = "done"  # lies in the directory of a phase that has ended


class SpeechTask(ASRTask):
    """The task that ASR, ST and the text-only control are trained as."""

    trainer = Trainer
    frontend_lr: float | None = None

    @classmethod
    def build_optimizers(cls, args: Any, model: Any) -> list[torch.optim.Optimizer]:
        """Return ESPnet's optimiser; a pretrained encoder has a learning rate of its own."""
        (optimiser,) = super().build_optimizers(args, model)
        if cls.frontend_lr is None:
            return [optimiser]
        apart = {id(parameter) for parameter in model.frontend.parameters()}
        groups = [{"params": [p for p in model.parameters() if id(p) not in apart]},
                  {"params": list(model.frontend.parameters()), "lr": args.optim_conf["lr"] * cls.frontend_lr}]
        return [type(optimiser)(groups, **args.optim_conf)]


def train_phase(task: str, config: Mapping[str, Any], directory: Path, phase: Phase, leader: Leader,
                tag: str = "") -> Path:
    """Train a phase, or resume where a killed run stopped; return the averaged parameters' file.

    Args:
        task: ``asr``, ``st``, ``text``, ``mt`` or ``lm``.
        config: ESPnet's configuration of model and training.
        directory: of the phase.
        phase: its schedule.
        leader: of the processes that train together.
        tag: see :class:`stxfer.training.spec.Fit`.

    Raises:
        StxferError: no step of the last epoch had a finite gradient, or what an earlier run left is damaged and cannot
            be mended.
    """
    done, by = directory / DONE, checkpoint.criterion(task, phase)
    if done.exists():
        return checkpoint.average(directory, phase, by)
    checkpoint.mend(directory)
    if not checkpoint.ended(directory, phase, by):
        plain = directory / "train.yaml"
        if epochs := checkpoint.epochs(directory):
            print(f"resumed at epoch {epochs + 1} of {phase.epochs}", flush=True)
        pretrained = config.get("frontend") == PRETRAINED
        with atomic_write(plain) as handle:
            yaml.safe_dump({**config, "stxfer": {"task": task, "dev_wer": phase.dev_wer, "tag": tag,
                                                 "threads": phase.threads,
                                                 "frontend_lr": phase.frontend_lr if pretrained else None}}, handle,
                           allow_unicode=True, sort_keys=False)
        with leader.training(plain, directory) as more:
            _run(plain, more)
    checkpoint.check_learnt(directory)
    result = checkpoint.average(directory, phase, by)
    _tidy(directory)
    done.touch()
    return result


def _tidy(directory: Path) -> None:
    """Remove what ESPnet was started with, whose paths are absolute, and make those in its configuration relative."""
    path = directory / CONFIG
    config = {**yaml.safe_load(path.read_text(encoding="utf-8")), "config": None}
    with atomic_write(path) as handle:
        yaml.safe_dump(WorkDir.of(directory).portable(config), handle, allow_unicode=True, sort_keys=False)
    for plain in directory.glob("train*.yaml"):
        plain.unlink()


def take_part() -> None:
    """Train as one of several processes, led by rank 0."""
    follow(_run)


def _run(path: Path, more: Mapping[str, Any]) -> None:
    """Run ESPnet's training loop with a configuration file and some further options, in this process."""
    config = yaml.safe_load(path.read_text(encoding="utf-8"))
    ours = config.pop("stxfer")
    use_threads(ours["threads"])  # of ranks above 0
    for pieces in filter(None, (config.get("bpemodel"), config.get("src_bpemodel"))):
        open_pieces(Path(pieces))  # ESPnet does not say which file is broken
    own = path.with_name(f"train.{rank()}.yaml")
    with atomic_write(own) as handle:
        yaml.safe_dump({**config, **more}, handle, allow_unicode=True, sort_keys=False)
    SpeechTask.frontend_lr = ours["frontend_lr"]
    task: Any = {"mt": MTTask, "lm": LMTask}.get(ours["task"], SpeechTask)
    Trainer.dev_errors = _dev_errors(config, ours["dev_wer"], ours["tag"]) if ours["task"] in ("asr", "st") else None
    with atomic_saves(keep=[checkpoint.CHECKPOINT]), safe_reads(), quiet_training():
        task.main(cmd=["--config", str(own)])


def _dev_errors(config: Mapping[str, Any], count: int, tag: str) -> DevErrors | None:
    """Return what decodes the first ``count`` utterances of the development set, in however many processes."""
    if not count:
        return None
    (shapes,) = config["valid_shape_file"]
    utterances = frozenset(utt for utt, _ in itertools.islice(iter_table(shapes), count))
    return DevErrors(utterances, config["token_list"], open_pieces(Path(config["bpemodel"])), tag)
