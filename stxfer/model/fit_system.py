"""Train one declared system: from the experiment's words to :func:`stxfer.model.fit.fit`."""

from __future__ import annotations

import shutil
from pathlib import Path

from stxfer.config import Experiment, System
from stxfer.model.espnet_config import Text
from stxfer.model.fit import CONFIG, INFO, MODEL, Corpus, Fit, fit
from stxfer.stage import Stage
from stxfer.train import system_dir, system_stage, text_file


def fit_system(experiment: Experiment, system: System, seed: int, dump: Path, exp: Path, *, force: bool = False,
               allow_stale: bool = False) -> None:
    """Train a system unless it is finished; a killed training goes on where it stopped."""
    stage = system_stage(experiment, system, seed, dump, exp)
    if not stage.needed(force=force, allow_stale=allow_stale, dear=True):
        return
    init = None
    if system.init is not None:
        init = (system_dir(exp, system.init.source, seed), system.init.parts)

    def corpus(name: str, dev: bool) -> Corpus:
        directory = dump / "fbank" / name
        return Corpus({"speech": directory / "feats.scp", "text": text_file(experiment, system, dump, dev)},
                      directory / "utt2num_frames")

    run_fit(stage, Fit(task=system.task, out=stage.out, train=corpus(system.data, False),
                       dev=corpus(system.dev_set, True), target=Text((dump / "vocab" / system.vocab).resolve()),
                       phases=experiment.train[system.kind], model=experiment.model, init=init, seed=seed))


def run_fit(stage: Stage, spec: Fit) -> None:
    """Run :func:`fit` under a marker; what another configuration left half-trained is not gone on with."""
    begun = Stage(stage.name, Path(stage.out) / "begun", stage.inputs, stage.options)
    if begun.changes() != []:
        for path in (*Path(stage.out).glob("phase*"), begun.out):
            shutil.rmtree(path, ignore_errors=True)
        for name in (MODEL, CONFIG, INFO, "transfer.json", ".stage.json"):
            (Path(stage.out) / name).unlink(missing_ok=True)
        begun.out.mkdir(parents=True, exist_ok=True)
        begun.finish([])
    fit(spec)
    shutil.rmtree(begun.out)
    stage.finish([Path(stage.out) / name for name in (MODEL, CONFIG, INFO)])
