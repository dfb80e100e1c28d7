"""Train one model: initial parameters, phases, averaged result. The one entry point of ASR, ST and MT."""

from __future__ import annotations

import datetime
import logging
import shutil
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import sentencepiece as spm
import torch
import yaml

from stxfer.audio.ark import feature_size
from stxfer.core.errors import ConfigError, DataError, StxferError
from stxfer.core.fileio import atomic_write, read_json, write_json
from stxfer.decoding.search.step import check_step
from stxfer.experiment.config import Phase
from stxfer.experiment.layout import CONFIG, CURVE, INFO, MODEL, TRANSFER, parameters
from stxfer.kaldi.table import iter_table
from stxfer.model.build import atomic_torch_save, build_model, task_class
from stxfer.model.transfer import load_state, transfer
from stxfer.training.curve import plot_curve
from stxfer.training.encoded import ENCODED, encode_corpus
from stxfer.training.espnet_config import Text, averaged, model_config, training_config
from stxfer.training.ranks import Leader, follow, rank
from stxfer.training.trainer import DevErrors

DONE = "done"  # lies in the directory of a phase that has ended
CURVES = ("loss", "loss_ctc", "loss_att", "acc", "wer")
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Corpus:
    """What one set gives to training: data name (``speech``, ``text``, ``src_text``) to table, and lengths.

    ``lengths`` is a table ``utt T``: frames, or words of the source side for MT.
    """

    tables: Mapping[str, Path]
    lengths: Path


@dataclass(frozen=True)
class Fit:
    """Everything that decides what a trained model is.

    ``init`` is (model directory, parts, policy for another vocabulary) of the model to start from, or None.
    """

    task: str
    out: Path
    train: Corpus
    dev: Corpus
    target: Text
    phases: Sequence[Phase]
    model: Mapping[str, Any] = field(default_factory=dict)
    source: Text | None = None
    init: tuple[Path, tuple[str, ...], str] | None = None
    seed: int = 1


def fit(spec: Fit, leader: Leader | None = None) -> dict[str, Any]:
    """Train, or go on training where a killed run stopped; return the contents of ``model.json``.

    Under ``torchrun`` this is what rank 0 does; the others call :func:`take_part`.

    Leaves in ``spec.out``: ``model.pth`` (parameters), ``config.yaml`` (ESPnet's, opens with
    ``Speech2Text``), ``model.json``, ``curve.png``, ``transfer.json`` and, from each phase, ESPnet's log of epochs.

    Raises:
        ConfigError: a phase freezes what the model does not have.
        DataError: no utterance has all that training needs, or the sets' features differ in dimension.
        TransferError: the parameters to start from do not fit.
        StxferError: training diverged.
    """
    out = Path(spec.out).resolve()
    out.mkdir(parents=True, exist_ok=True)
    if (out / INFO).exists():  # it is written last: the run was killed while it tidied up
        _remove_checkpoints(out)
        return read_json(out / INFO)
    columns = 1 if spec.task == "mt" else _feature_size(spec)
    shapes = tuple(_shape_file(corpus, out / f"{name}_shape", columns)
                   for name, corpus in (("train", spec.train), ("dev", spec.dev)))
    leader = leader or Leader()
    state: Path | None = None
    for number, phase in enumerate(spec.phases, 1):
        directory = out / f"phase{number}"
        config = model_config(spec.task, spec.model, phase, columns, spec.target, spec.source)
        start = directory / "init.pth"
        if not start.exists():
            directory.mkdir(parents=True, exist_ok=True)
            _initial(spec, config, state, start, out)
        encoded = directory / ENCODED
        train, dev = (_absolute(corpus) for corpus in (spec.train, spec.dev))
        if phase.encode_once and not (directory / DONE).exists():
            tables = _encode(spec, config, start, shapes, encoded, phase.batch_frames)
            train["speech"], dev["speech"] = tables["train"], tables["dev"]
        print(f"phase {number} of {len(spec.phases)}: {phase.epochs} epochs of {phase.steps} steps", flush=True)
        config |= training_config(phase, columns=columns, train=train, dev=dev,
                                  shapes=(shapes[0], shapes[1]), init=start, out=directory, seed=spec.seed)
        state = _run_phase(spec.task, config, directory, phase, leader)
        shutil.rmtree(encoded, ignore_errors=True)
    assert state is not None
    _check_finite(state)
    info = {"task": spec.task, "seed": spec.seed, "vocab": str(spec.target.vocab),
            "epochs": _curve([out / f"phase{number}" for number in range(1, len(spec.phases) + 1)])}
    shutil.copyfile(state, out / f".{MODEL}.tmp")
    (out / f".{MODEL}.tmp").replace(out / MODEL)
    with atomic_write(out / CONFIG) as handle:
        handle.write(_as_decoded((state.parent / CONFIG).read_text(encoding="utf-8")))
    plot_curve(out / CURVE, info["epochs"])
    write_json(out / INFO, info)
    _remove_checkpoints(out)
    return info


def _remove_checkpoints(out: Path) -> None:
    for checkpoint in out.glob("phase*/*.pth*"):  # tens of times the model's size; the curve and logs stay
        checkpoint.unlink()


def _initial(spec: Fit, config: Mapping[str, Any], previous: Path | None, start: Path,
             out: Path) -> None:
    """Write the complete parameters that a phase starts from, and say what was transferred."""
    torch.manual_seed(spec.seed)
    model = build_model(spec.task, config)
    _check_frozen(model, spec)
    if model.decoder is not None:
        check_step(model.decoder)
    report = None
    if previous is not None:
        report = transfer(model, load_state(previous), ["all"], source=f"{out.parent.name} {previous.parent.name}",
                          vocabularies=(spec.target.tokens, spec.target.tokens))
    elif spec.init is not None:
        directory, parts, policy = spec.init
        source = f"{directory.parent.name}/{directory.name}"
        theirs = _vocabulary(directory)
        report = transfer(model, load_state(parameters(directory)), parts, source=source, policy=policy,
                          vocabularies=(theirs, spec.target.tokens))
        write_json(out / TRANSFER, report.to_json())
    with atomic_torch_save():
        torch.save(model.state_dict(), start)
    if report is not None:
        print(report.summary(), flush=True)


def _encode(spec: Fit, config: Mapping[str, Any], start: Path, shapes: tuple[Path, Path], out: Path,
            batch_frames: int) -> dict[str, Path]:
    """Run the encoder that a phase starts from over both sets."""
    model = build_model(spec.task, {**config, "model": "espnet"})
    model.load_state_dict(load_state(start))
    return encode_corpus(model, {name: (Path(corpus.tables["speech"]), shape) for name, corpus, shape in
                                 (("train", spec.train, shapes[0]), ("dev", spec.dev, shapes[1]))},
                         out.resolve(), batch_frames)


def _as_decoded(config: str) -> str:
    """Return ESPnet's configuration with the model that hears speech, if it was trained on encoder outputs."""
    values = yaml.safe_load(config)
    if values["model"] != "encoded":
        return config
    return yaml.safe_dump({**values, "model": "espnet"}, allow_unicode=True, sort_keys=False)


def _vocabulary(directory: Path) -> list[str]:
    try:
        return list(yaml.safe_load((directory / CONFIG).read_text(encoding="utf-8"))["token_list"])
    except FileNotFoundError:
        raise DataError(f"{directory / CONFIG}: no such file; train that system first") from None


def _check_frozen(model: torch.nn.Module, spec: Fit) -> None:
    """Raise ConfigError for a name to freeze that is no part of the model: ESPnet would freeze nothing and go on."""
    modules = {name for name, module in model.named_modules() if any(True for _ in module.parameters())}
    for name in (name for phase in spec.phases for name in phase.freeze):
        if name not in modules:
            raise ConfigError(f"freeze: the model has no part {name!r}; it has "
                              f"{' '.join(sorted(name for name in modules if name and '.' not in name))}")


def _run_phase(task: str, config: Mapping[str, Any], directory: Path, phase: Phase, leader: Leader) -> Path:
    """Train with ESPnet's trainer; return the averaged parameters' file."""
    # Not valid.acc.best.pth: after a kill it may point at an epoch that is not the best one any more.
    result = directory / f"valid.acc.ave_{averaged(phase)}best.pth"
    done = directory / DONE
    if done.exists():
        return result
    _mend_checkpoint(directory)
    plain = directory / "train.yaml"
    with atomic_write(plain) as handle:
        yaml.safe_dump({**config, "stxfer": {"task": task, "dev_wer": phase.dev_wer}}, handle, allow_unicode=True,
                       sort_keys=False)
    with leader.training(plain, directory) as more:
        _run_espnet(plain, more)
    last = _reporter(directory / "checkpoint.pth")
    if "grad_norm" not in last["stats"][last["epoch"]]["train"]:  # ESPnet stops, but calls it a success
        raise StxferError(f"{directory}: no step of epoch {last['epoch']} had a finite gradient; lower 'lr', or look "
                          "for features that are not finite")
    done.touch()
    return result


def _run_espnet(path: Path, more: Mapping[str, Any]) -> None:
    """Run ESPnet's training loop with a configuration file and some further options, in this process."""
    config = yaml.safe_load(path.read_text(encoding="utf-8"))
    ours = config.pop("stxfer")
    own = path.with_name(f"train.{rank()}.yaml")
    with atomic_write(own) as handle:
        yaml.safe_dump({**config, **more}, handle, allow_unicode=True, sort_keys=False)
    with atomic_torch_save(), warnings.catch_warnings():
        warnings.filterwarnings("ignore", r"`torch\.cuda\.amp", FutureWarning)
        warnings.filterwarnings("ignore", "No valid stats found", UserWarning)  # of what is not measured, CER say
        task = task_class(ours["task"])
        if ours["task"] in ("asr", "st"):
            task.trainer.dev_errors = DevErrors(
                ours["dev_wer"], config["token_list"],
                spm.SentencePieceProcessor(model_file=config["bpemodel"])) if ours["dev_wer"] else None
        task.main(cmd=["--config", str(own)])


def take_part() -> None:
    """Train as one of several processes, led by rank 0."""
    follow(_run_espnet)


def _mend_checkpoint(directory: Path) -> None:
    """Restore an epoch's model that a kill kept from being written after its checkpoint.

    ESPnet writes ``checkpoint.pth`` first and ``<n>epoch.pth`` second, and averaging needs the latter.
    """
    checkpoint = directory / "checkpoint.pth"
    if not checkpoint.exists():
        return
    model = directory / f"{_reporter(checkpoint)['epoch']}epoch.pth"
    if not model.exists():
        with atomic_torch_save():
            torch.save(_load_checkpoint(checkpoint)["model"], model)


def _feature_size(spec: Fit) -> int:
    train, dev = (feature_size(corpus.tables["speech"]) for corpus in (spec.train, spec.dev))
    if train != dev:
        raise DataError(f"{spec.dev.tables['speech']}: features of {dev} dimensions, those of the training set have "
                        f"{train}; run stage 3 again for both")
    return train


def _shape_file(corpus: Corpus, path: Path, columns: int) -> Path:
    """Write ``utt T[,D]`` of the utterances that every table of the corpus holds."""
    lengths = dict(iter_table(corpus.lengths, empty_values=False))
    keys = set(lengths)
    for table in corpus.tables.values():
        keys &= {key for key, value in iter_table(table) if value}
    if not keys:
        raise DataError(f"{corpus.lengths}: no utterance is in all of {', '.join(map(str, corpus.tables.values()))}")
    suffix = f",{columns}" if columns > 1 else ""
    with atomic_write(path) as handle:
        handle.writelines(f"{key} {lengths[key]}{suffix}\n" for key in sorted(keys, key=str.encode))
    return path


def _absolute(corpus: Corpus) -> dict[str, Path]:
    return {name: Path(path).resolve() for name, path in corpus.tables.items()}


def _check_finite(state: Path) -> None:
    bad = [name for name, tensor in load_state(state).items()
           if tensor.is_floating_point() and not torch.isfinite(tensor).all()]
    if bad:
        raise StxferError(f"{state}: {bad[0]} holds values that are not finite: training diverged; lower 'lr'")


def _reporter(checkpoint: Path) -> dict[str, Any]:
    """Return ESPnet's reporter state (epoch and figures) of a checkpoint, without running code from it."""
    return _load_checkpoint(checkpoint)["reporter"]


def _load_checkpoint(path: Path) -> dict[str, Any]:
    # What ESPnet's reporter holds beside tensors: durations and numpy numbers.
    harmless = [datetime.timedelta, np.dtype, type(np.dtype("float32")), type(np.dtype("float64")),
                type(np.dtype("int64")), np.float64(0).__reduce__()[0]]
    with torch.serialization.safe_globals(harmless):
        return torch.load(path, map_location="cpu", weights_only=True)


def _curve(phases: Sequence[Path]) -> list[dict[str, Any]]:
    """Return the figures of each epoch of each phase: losses and accuracies of training and dev set."""
    rows = []
    for directory in phases:
        for epoch, stats in sorted(_reporter(directory / "checkpoint.pth")["stats"].items()):
            row: dict[str, Any] = {"phase": directory.name, "epoch": epoch}
            for part in ("train", "valid"):
                row |= {f"{part}_{key}": round(float(value), 5) for key, value in stats[part].items()
                        if key in CURVES and value == value}  # a figure that is not measured is not a number
            rows.append(row)
    return rows
