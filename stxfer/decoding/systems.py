"""Decode the test sets of an experiment's systems, several side by side."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stxfer.core.commands import command_line
from stxfer.core.errors import ConfigError
from stxfer.core.jobs import Job as ProcessJob
from stxfer.core.jobs import run_jobs
from stxfer.core.stage import MARKER, Stage
from stxfer.decoding.decode import OUTPUTS, decode_dataset
from stxfer.experiment.config import Experiment
from stxfer.experiment.layout import DECODE_LOG, FEATS, decode_dir, features_dir, lm_dir, system_dir
from stxfer.experiment.variants import Decoded
from stxfer.score.reference import scorable

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Job:
    """One system, trained with one seed, to decode its test set with in one way."""

    decoded: Decoded
    seed: int
    dump: Path
    exp: Path

    @property
    def name(self) -> str:
        """What messages call the job."""
        return f"decode {self.decoded.name} seed {self.seed} {self.decoded.system.test_set}"

    @property
    def model(self) -> Path:
        """The trained system's directory."""
        return system_dir(self.exp, self.decoded.system.name, self.seed)

    @property
    def lm(self) -> Path | None:
        """The language model's directory, if it is decoded with one."""
        name = self.decoded.options.lm
        return lm_dir(self.exp, name) if name else None

    @property
    def data(self) -> Path:
        """The test set's features."""
        return features_dir(self.dump, self.decoded.system.test_set)

    @property
    def stage(self) -> Stage:
        """The hypotheses, and what decides them."""
        found = self.decoded
        return Stage(self.name, decode_dir(self.exp, found.system, self.seed, found.variant),
                     [self.model, self.data, *([self.lm] if self.lm else [])], found.options)


def decode_job(job: Job) -> dict[str, Any]:
    """Decode one system's test set in this process; return the content of ``decode.json``.

    Raises:
        ConfigError: the language model has another vocabulary than the system.
        DataError: see :func:`stxfer.decoding.decode.decode_dataset`.
    """
    from stxfer.core.devices import device
    from stxfer.model.load import load_model  # espnet: seconds to import

    stage = job.stage
    stage.begin()
    log.info("%s: loading the model", job.name)
    loaded = load_model(job.model, device())
    lm = load_model(job.lm, device()) if job.lm else None
    if lm is not None and lm.tokens != loaded.tokens:
        raise ConfigError(f"{job.lm}: its vocabulary is not that of {job.model}; train the language model again")
    stage.marker.unlink(missing_ok=True)
    report = decode_dataset(loaded.model, loaded.tokens, loaded.tokenizer, job.data / FEATS, stage.out,
                            job.decoded.options, name=job.name, tag=job.decoded.system.tag,
                            lm=lm.model.lm if lm else None)
    stage.finish([stage.out / name for name in OUTPUTS])
    return report


def decode_systems(experiment: Experiment, config: Path, dump: Path, exp: Path, *, systems: Sequence[str] = (),
                   seeds: Sequence[int] = (), nj: int = 1, force: bool = False, allow_stale: bool = False) -> list[str]:
    """Decode the test sets of the systems asked for, in ``nj`` processes; return the names of the jobs done now.

    Each is decoded in every way that the experiment declares, or in the one that ``direct+lm`` names. ST systems whose
    test set has no reference translations are left out: nothing can be scored.

    Raises:
        ConfigError: a system or language model is not trained.
        StaleError: a model or a set is out of date.
        StxferError: a decoding process fails.
    """
    jobs = [Job(decoded, seed, dump, exp) for decoded in scorable(experiment, experiment.select_decoded(systems), dump)
            for seed in seeds or experiment.seeds]
    for job in jobs:
        system = job.decoded.system
        if not (job.model / MARKER).exists():
            raise ConfigError(f"{system.name} seed {job.seed} is not trained ({job.model} has no {MARKER}); "
                              f"run the stage that trains {system.kind} systems first")
        if job.lm is not None and not (job.lm / MARKER).exists():
            raise ConfigError(f"{job.decoded.name} is decoded with language model {job.decoded.options.lm}, which is "
                              f"not trained ({job.lm} has no {MARKER}); run stage lm first")
    return run_jobs([_process(job, config) for job in jobs], nj, force=force, allow_stale=allow_stale)


def _process(job: Job, config: Path) -> ProcessJob:
    command = command_line("decode", {"config": config, "dump": job.dump, "exp": job.exp,
                                      "job": [job.decoded.name, str(job.seed)]})

    def show(line: str) -> str | None:
        _, found, message = line.partition(f" {job.name}: ")
        return message if found else None

    return ProcessJob(job.name, job.stage, command, DECODE_LOG, show)
