"""Train one declared system: from the experiment's words to :func:`stxfer.model.fit.fit`."""

from __future__ import annotations

import logging
import shutil
from pathlib import Path

from stxfer.config import Experiment, System
from stxfer.errors import StaleError
from stxfer.fileio import locked
from stxfer.model.espnet_config import Text
from stxfer.model.fit import CONFIG, INFO, MODEL, Corpus, Fit, fit
from stxfer.stage import MARKER, Stage
from stxfer.train import system_dir, system_stage, text_file

log = logging.getLogger(__name__)


def fit_system(experiment: Experiment, system: System, seed: int, dump: Path, exp: Path, *, force: bool = False,
               allow_stale: bool = False) -> None:
    """Train a system unless it is finished; a killed training goes on where it stopped."""
    stage = system_stage(experiment, system, seed, dump, exp)
    if not stage.needed(force=force, allow_stale=allow_stale, dear=True):
        return
    init = None
    if system.init is not None:
        init = (system_dir(exp, system.init.source, seed), system.init.parts, system.init.vocabulary)

    def corpus(name: str, dev: bool) -> Corpus:
        directory = dump / "fbank" / name
        return Corpus({"speech": directory / "feats.scp", "text": text_file(experiment, system, dump, dev)},
                      directory / "utt2num_frames")

    run_fit(stage, Fit(task=system.task, out=stage.out, train=corpus(system.data, False),
                       dev=corpus(system.dev_set, True), target=Text((dump / "vocab" / system.vocab).resolve()),
                       phases=experiment.train[system.kind], model=experiment.model, init=init, seed=seed))


def run_fit(stage: Stage, spec: Fit) -> None:
    """Run :func:`fit` under a marker; what another configuration left half-trained is not gone on with.

    Raises:
        StaleError: an input changed during the training.
        StxferError: another process trains in the same directory, or see :func:`fit`.
    """
    out = Path(stage.out)
    begun = Stage(stage.name, out / "begun", stage.inputs, stage.options)
    with locked(out):
        changes = begun.changes()
        if changes != [] or stage.marker.exists():
            if changes:
                log.info("%s: begun with other settings, starts again: %s", stage.name, "; ".join(changes[:3]))
            shutil.rmtree(begun.out, ignore_errors=True)
            for name in (MARKER, MODEL, CONFIG, INFO, "transfer.json"):
                (out / name).unlink(missing_ok=True)
            for path in out.glob("phase*"):
                shutil.rmtree(path)
            begun.out.mkdir()
            begun.finish([])
        fit(spec)
        changes = begun.changes()
        if changes:
            raise StaleError(f"{out}: changed while it trained: {'; '.join(changes)}; run the same command again")
        stage.finish([out / name for name in (MODEL, CONFIG, INFO)])
        shutil.rmtree(begun.out)
