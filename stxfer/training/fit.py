"""Train one model, ASR, ST, text-only, MT or a language model: initial parameters, phases, averaged result."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from stxfer.core.fileio import atomic_write, read_text, write_json
from stxfer.core.records import read_record
from stxfer.core.threads import use_threads
from stxfer.core.workdir import WorkDir
from stxfer.experiment.frontend import PRETRAINED
from stxfer.experiment.layout import CONFIG, CURVE, INFO, MODEL
from stxfer.experiment.records import ModelInfo
from stxfer.model.build import ENCODED, ESPNET, build_model
from stxfer.model.saves import intact
from stxfer.model.transfer import load_state
from stxfer.model.weighted_sum import layer_weights
from stxfer.training import checkpoint
from stxfer.training.curve import epoch_rows, plot_curve
from stxfer.training.encode_once import encode_corpus
from stxfer.training.espnet_config import model_config, training_config
from stxfer.training.initial import write_initial
from stxfer.training.perplexity import perplexity
from stxfer.training.ranks import Leader
from stxfer.training.run_espnet import DONE, train_phase
from stxfer.training.spec import Corpus, Fit
from stxfer.training.utterances import amount, feature_columns, write_shapes

TRAIN_SHAPES = "train_shape"


def fit(spec: Fit, leader: Leader | None = None) -> dict[str, Any]:
    """Train a model, or resume where a killed run stopped; return the contents of ``model.json``.

    Under ``torchrun`` this is what rank 0 does; the others call :func:`stxfer.training.run_espnet.take_part`.

    Leaves in ``spec.out``: ``model.pth`` (parameters), ``config.yaml`` (ESPnet's, opens with
    ``Speech2Text`` in the root of the work directory), ``model.json``, ``curve.png``, ``transfer.json`` and, from each
    phase, ESPnet's log of epochs.

    Raises:
        ConfigError: a phase freezes what the model does not have, or the search has no step for its decoder.
        DataError: no utterance has all that training needs, or the sets' features differ in dimension.
        TransferError: the parameters to start from do not fit.
        StxferError: training diverged.
    """
    out = Path(spec.out).absolute()
    out.mkdir(parents=True, exist_ok=True)
    info: dict[str, Any]
    if (out / INFO).exists():  # it is written last: the run was killed while it tidied up
        checkpoint.remove(out)
        info = read_record(out / INFO, ModelInfo)
        return info
    state = _train_phases(spec, out, leader or Leader())
    checkpoint.check_finite(state)
    info = {"task": spec.task, "seed": spec.seed, "vocab": WorkDir.of(out).stored(spec.target.vocab),
            "train": amount(spec.train, out / TRAIN_SHAPES),
            "stopped_early": len(checkpoint.figures(state.parent)) < spec.phases[-1].epochs,
            **({"dev": perplexity(_finished(spec, state), spec.dev.tables["text"], spec.target)}
               if spec.task == "lm" else {}),
            "epochs": epoch_rows([out / f"phase{number}" for number in range(1, len(spec.phases) + 1)])}
    if spec.layers:
        info["layer_weights"] = layer_weights(load_state(state), spec.layers)
    shutil.copyfile(state, out / f".{MODEL}.tmp")
    (out / f".{MODEL}.tmp").replace(out / MODEL)
    with atomic_write(out / CONFIG) as handle:
        handle.write(_as_decoded(read_text(state.parent / CONFIG)))
    plot_curve(out / CURVE, info["epochs"])
    write_json(out / INFO, info)
    checkpoint.remove(out)
    return info


def _train_phases(spec: Fit, out: Path, leader: Leader) -> Path:
    """Train the phases that are not trained; return the file of the last one's parameters."""
    columns = feature_columns(spec)
    shapes = (write_shapes(spec.train, out / TRAIN_SHAPES, columns),
              write_shapes(spec.dev, out / "dev_shape", columns))
    state: Path | None = None
    for number, phase in enumerate(spec.phases, 1):
        directory = out / f"phase{number}"
        use_threads(phase.threads)
        config = model_config(spec.task, spec.model, phase, columns, spec.target, spec.source, spec.layers)
        start = directory / "init.pth"
        if not intact(start):  # it is the same each time
            directory.mkdir(parents=True, exist_ok=True)
            write_initial(spec, config, state, start)
        train, dev = _absolute(spec.train), _absolute(spec.dev)
        encoded = directory / "encoded"
        if phase.encode_once and not (directory / DONE).exists():
            train["speech"], dev["speech"] = _encode(spec, config, start, shapes, encoded, phase.batch_frames)
        print(f"phase {number} of {len(spec.phases)}: {phase.epochs} epochs of {phase.steps} steps", flush=True)
        config |= training_config(spec.task, phase, columns=columns, train=train, dev=dev, shapes=shapes, init=start,
                                  out=directory, seed=spec.seed, layers=spec.layers,
                                  pretrained=config.get("frontend") == PRETRAINED)
        state = train_phase(spec.task, config, directory, phase, leader, spec.tag)
        shutil.rmtree(encoded, ignore_errors=True)
    assert state is not None
    return state


def _encode(spec: Fit, config: Mapping[str, Any], start: Path, shapes: tuple[Path, Path], out: Path,
            batch_frames: int) -> tuple[Path, Path]:
    """Run the encoder that a phase starts from over training and development set; return the tables of outputs."""
    model = build_model(spec.task, {**config, "model": ESPNET})
    model.load_state_dict(load_state(start))
    tables = encode_corpus(model, {name: (Path(corpus.tables["speech"]), shape) for name, corpus, shape in
                                   (("train", spec.train, shapes[0]), ("dev", spec.dev, shapes[1]))},
                           out, batch_frames)
    return tables["train"], tables["dev"]


def _finished(spec: Fit, state: Path) -> Any:
    """Return a model with its final parameters, in eval mode."""
    model: Any = build_model(spec.task, yaml.safe_load(read_text(state.parent / CONFIG)))
    model.load_state_dict(load_state(state))
    return model.eval()


def _as_decoded(config: str) -> str:
    """Return ESPnet's configuration with the model that hears speech, if it was trained on encoder outputs."""
    values = yaml.safe_load(config)
    if values["model"] != ENCODED:
        return config
    return yaml.safe_dump({**values, "model": ESPNET}, allow_unicode=True, sort_keys=False)


def _absolute(corpus: Corpus) -> dict[str, Path]:
    return {name: Path(path).absolute() for name, path in corpus.tables.items()}
