"""Stage 7: train the language models that an experiment declares."""

from __future__ import annotations

import filecmp
import tempfile
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from stxfer.cluster.run import run_jobs
from stxfer.core.commands import command_line
from stxfer.core.errors import ConfigError
from stxfer.core.fileio import atomic_dir
from stxfer.core.jobs import Job
from stxfer.core.mistakes import nearest
from stxfer.core.records import read_record
from stxfer.core.stage import Stage
from stxfer.core.workdir import WorkDir
from stxfer.experiment.config import Experiment
from stxfer.experiment.layout import INFO, LM_TEXT, TEXT, TRAIN_LOG, lm_dir, prepared_dir, vocab_dir
from stxfer.experiment.lineage import Lineage
from stxfer.experiment.records import LmInfo
from stxfer.prepare.lm_text import LENGTHS, lm_dev_text, lm_language, lm_texts, write_lm_text
from stxfer.text.leaks import HELD_OUT
from stxfer.training.launch import TrainingLog, most_threads

SEED = 1  # every seed of the systems is decoded with the same one


def lm_stage(experiment: Experiment, name: str, dump: Path, exp: Path) -> Stage:
    """Return the marker of a trained language model.

    Raises:
        ConfigError: the language model is not declared.
    """
    if name not in experiment.lm:
        raise ConfigError(f"unknown language model {name!r}; declared: {' '.join(experiment.lm)}"
                          f"{nearest(name, experiment.lm)}")
    lm = experiment.lm[name]
    inputs = [*lm_texts(experiment, lm, dump).values(), lm_dev_text(experiment, lm, dump),
              _held_out(dump), vocab_dir(dump, lm.vocab)]
    options = {"text": list(lm.text), "model": lm.model, "phases": lm.train, "seed": SEED,
               "leaks": experiment.prepare.leaks,
               "normalisation": experiment.profile(lm_language(experiment, lm)).identity}
    return Stage(f"training of language model {name}", lm_dir(exp, name), inputs, options, "lm", also=(LM_TEXT,),
                 declared=Lineage(experiment, dump, exp))


def train_language_models(experiment: Experiment, config: Path, dump: Path, exp: Path, *, nj: int = 2,
                          force: bool = False, allow_stale: bool = False) -> list[str]:
    """Train all language models, side by side; return those trained now.

    Raises:
        StxferError: an input is missing or stale, or a training process fails.
    """
    for name in experiment.lm:
        _keep_if_the_text_is_the_same(experiment, name, dump, lm_stage(experiment, name, dump, exp))
    threads = max((most_threads(lm.train) for lm in experiment.lm.values()), default=1)
    jobs = [Job(f"LM {name}", lm_stage(experiment, name, dump, exp),
                command_line("train_lm", {"config": config, "dump": dump, "exp": exp, "lm": name, "force": force,
                                          "allow_stale": allow_stale}), TRAIN_LOG, TrainingLog(),
                threads=threads, expensive=True, resources="cuda")
            for name in experiment.lm]
    return run_jobs(jobs, max(1, nj // threads), force=force, allow_stale=allow_stale)


def _keep_if_the_text_is_the_same(experiment: Experiment, name: str, dump: Path, stage: Stage) -> None:
    """Record other held-out sentences for a finished model that they take no sentence from, nor give one back to."""
    if not stage.marker.exists() or stage.changes() != [f"input {WorkDir.of(stage.out).stored(_held_out(dump))}"]:
        return
    with tempfile.TemporaryDirectory() as folder:
        write_lm_text(experiment, name, dump, Path(folder))
        files = [f"{part}/{TEXT}" for part in ("train", "dev")]
        same, _, _ = filecmp.cmpfiles(folder, stage.out / "data", files, shallow=False)
    if same == files:
        stage.accept()


def _held_out(dump: Path) -> Path:
    return prepared_dir(dump) / HELD_OUT


def train_language_model(experiment: Experiment, name: str, dump: Path, exp: Path, *, force: bool = False,
                         allow_stale: bool = False) -> None:
    """Train one language model in this process, unless it is finished; a killed training is resumed.

    Raises:
        ConfigError: it is not declared.
        DataError: a text is absent or malformed, or nothing is left of all.
    """
    from stxfer.training.fit_system import run_fit
    from stxfer.training.spec import Corpus, Fit, Text

    stage = lm_stage(experiment, name, dump, exp)
    data = stage.out / "data"

    def write_text() -> None:
        with atomic_dir(data) as directory:
            write_lm_text(experiment, name, dump, directory)

    if not force and not (stage.out / LM_TEXT).exists() and stage.changes() == []:
        write_text()  # a lost text costs no training
    if not stage.needed(force=force, allow_stale=allow_stale, expensive=True):
        return
    write_text()
    lm = experiment.lm[name]

    def corpus(part: str) -> Corpus:
        return Corpus({"text": data / part / TEXT}, data / part / LENGTHS)

    run_fit(stage, Fit(task="lm", out=stage.out, train=corpus("train"), dev=corpus("dev"),
                       target=Text(vocab_dir(dump, lm.vocab).absolute()), phases=lm.train,
                       model={key: value for key, value in asdict(lm.model).items() if value is not None}, seed=SEED))


def dev_perplexities(experiment: Experiment, exp: Path) -> dict[str, Mapping[str, Any]]:
    """Return what the trained language models reach on the development set, see :mod:`stxfer.training.perplexity`."""
    return {name: read_record(lm_dir(exp, name) / INFO, LmInfo)["dev"] for name in experiment.lm
            if (lm_dir(exp, name) / INFO).exists()}
