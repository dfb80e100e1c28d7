"""Train one declared system: from the experiment's words to :func:`stxfer.training.fit.fit`."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from stxfer.audio.pretrained import dumped_layers
from stxfer.core.errors import ConfigError, DataError, StaleError
from stxfer.core.fileio import atomic_dir, locked
from stxfer.core.marker import MARKER
from stxfer.core.stage import Stage
from stxfer.core.threads import computed_on
from stxfer.decoding.confidence import confident
from stxfer.experiment.config import Experiment
from stxfer.experiment.layout import (
    BEGUN,
    CONFIG,
    DURATIONS,
    FEATS,
    FRAMES,
    INFO,
    MODEL,
    STOCK,
    TRANSFER,
    TUNED,
    features_dir,
    prepared_dir,
    system_dir,
    text_file,
    vocab_dir,
)
from stxfer.experiment.systems import Mix, System, language_tag
from stxfer.kaldi.table import write_table
from stxfer.training.fit import fit
from stxfer.training.launch import hypotheses_dir, system_stage
from stxfer.training.mixture import write_mixture
from stxfer.training.ranks import Leader, size
from stxfer.training.spec import Corpus, Fit, Start, Text
from stxfer.training.stock import train_stock
from stxfer.training.whisper import CHECKPOINTS, tune_whisper

log = logging.getLogger(__name__)


def fit_system(experiment: Experiment, system: System, seed: int, dump: Path, exp: Path, *, force: bool = False,
               allow_stale: bool = False, leader: Leader | None = None) -> None:
    """Train a system unless it is finished; a killed training is resumed."""
    stage = system_stage(experiment, system, seed, dump, exp)
    if not stage.needed(force=force, allow_stale=allow_stale, expensive=True):
        return
    if system.whisper is not None:
        if size() > 1:
            raise ConfigError(f"{system.name}: fine-tuned Whisper trains in one process, not in {size()}")
        whisper, sets = system.whisper, [prepared_dir(dump, name) for name in (system.data, system.dev_set)]
        run_training(stage, lambda: tune_whisper(whisper, experiment.spoken(system), sets[0], sets[1], stage.out, seed),
                     (INFO, TUNED))
        return
    if system.espnet:
        if size() > 1:
            raise ConfigError(f"{system.name}: stock ESPnet trains in one process, not in {size()}")
        if experiment.features.kind == "waveform":
            raise ConfigError(f"{system.name}: stock ESPnet learns from features, and features.kind is waveform; train "
                              "it with ESPnet's recipes and take it in by stxfer.bin.import_espnet")
        corpora = _corpus(system, dump), _corpus(system, dump, system.dev_set)
        text = Text(vocab_dir(dump, system.vocab).absolute())
        run_training(stage, lambda: train_stock(experiment.espnet[system.espnet], experiment.train[system.phases],
                                                *corpora, text, stage.out, seed), (INFO, STOCK))
        return
    init = None
    if system.init is not None:
        source = system_dir(exp, system.parent, seed) if system.parent else Path(system.init.model)
        init = Start(source, system.init.parts, system.init.vocabulary)
    directory = stage.out / "data"
    if system.mix or system.tags:
        with atomic_dir(directory) as made:
            parts = []
            for number, part in enumerate(system.mixture):
                corpus = _corpus(part, dump)
                if part.by:
                    decoded = hypotheses_dir(experiment, part, seed, exp)
                    corpus = _heard(corpus, decoded, part.best, made / f"hypotheses{number}")
                parts.append((part.share, corpus, _tag(system, part)))
            train = write_mixture(parts, made / "train", directory / "train", seed)
            dev = write_mixture([(1.0, _corpus(system, dump, system.dev_set), system.tag)], made / "dev",
                                directory / "dev", seed)
    else:
        train, dev = _corpus(system, dump), _corpus(system, dump, system.dev_set)
    run_fit(stage, Fit(task=system.task, out=stage.out, train=train, dev=dev,
                       target=Text(vocab_dir(dump, system.vocab).absolute()),
                       phases=experiment.train[system.phases], model=experiment.model, init=init, seed=seed,
                       tag=system.tag, layers=_layers(system, dump)), leader)


def _corpus(system: System | Mix, dump: Path, name: str = "") -> Corpus:
    directory = features_dir(dump, name or system.data)
    return Corpus({"speech": directory / FEATS, "text": text_file(system, dump, name)},
                  directory / FRAMES, directory / DURATIONS)


def _layers(system: System, dump: Path) -> tuple[int, ...]:
    """Return the layers of a pretrained encoder that lie side by side in a system's features."""
    sets = (system.data, system.dev_set, *(part.data for part in system.mix))
    found = {name: dumped_layers(features_dir(dump, name)) for name in sets}
    for name, layers in found.items():
        if layers != found[system.data]:
            raise DataError(f"{features_dir(dump, name)}: features of other layers than those of "
                            f"{features_dir(dump, system.data)}; run stage 'features' again for both")
    return found[system.data]


def _heard(corpus: Corpus, decoded: Path, best: float, out: Path) -> Corpus:
    """Return a corpus with hypotheses for its text: the best ones, written to the table ``out``."""
    write_table(out, confident(decoded, best))
    return replace(corpus, tables={**corpus.tables, "text": out})


def _tag(system: System, part: Mix) -> str:
    return language_tag(part.text) if system.tags else ""


def run_fit(stage: Stage, spec: Fit, leader: Leader | None = None) -> None:
    """Run :func:`fit` under a marker, see :func:`run_training`."""
    run_training(stage, lambda: fit(spec, leader), (MODEL, CONFIG, INFO))


def run_training(stage: Stage, train: Callable[[], Any], results: Sequence[str]) -> None:
    """Run a training under a marker; what another configuration left half-trained is not resumed.

    Args:
        stage: of the system.
        train: trains in the stage's directory, or goes on there after a kill.
        results: files and directories that it leaves there.

    Raises:
        StaleError: an input changed during the training.
        StxferError: another process trains in the same directory, or the training fails.
    """
    out = Path(stage.out)
    begun = Stage(stage.name, out / BEGUN, stage.inputs, stage.options)
    with locked(out):
        changes = begun.changes()
        if changes != [] or stage.marker.exists():
            if changes:
                log.info("%s: begun with other settings, starts again: %s", stage.name, "; ".join(changes[:3]))
            shutil.rmtree(begun.out, ignore_errors=True)
            for name in (MARKER, MODEL, CONFIG, INFO, TRANSFER):
                (out / name).unlink(missing_ok=True)
            for path in (out / TUNED, out / CHECKPOINTS, out / STOCK, *out.glob("phase*")):
                shutil.rmtree(path, ignore_errors=True)
            begun.out.mkdir()
            begun.begin()
            begun.finish([])
        train()
        changes = begun.changes()
        if changes:
            raise StaleError(f"{out}: changed while it trained: {'; '.join(changes)}; run the same command again")
        stage.finish((path for name in results for path in (out / name, *(out / name).rglob("*")) if path.is_file()),
                     computed={**computed_on(), "processes": size()})
        shutil.rmtree(begun.out)
