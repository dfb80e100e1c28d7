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
from stxfer.experiment.layout import DECODE_LOG, FEATS, decode_dir, features_dir, system_dir
from stxfer.experiment.systems import System
from stxfer.experiment.training import Decoding
from stxfer.score.reference import scorable

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Job:
    """One system, trained with one seed, to decode its test set with."""

    system: System
    seed: int
    options: Decoding
    dump: Path
    exp: Path

    @property
    def name(self) -> str:
        """What messages call the job."""
        return f"decode {self.system.name} seed {self.seed} {self.system.test_set}"

    @property
    def model(self) -> Path:
        """The trained system's directory."""
        return system_dir(self.exp, self.system.name, self.seed)

    @property
    def data(self) -> Path:
        """The test set's features."""
        return features_dir(self.dump, self.system.test_set)

    @property
    def stage(self) -> Stage:
        """The hypotheses, and what decides them."""
        return Stage(self.name, decode_dir(self.exp, self.system, self.seed), [self.model, self.data],
                     self.options)


def decode_job(job: Job) -> dict[str, Any]:
    """Decode one system's test set in this process; return the content of ``decode.json``."""
    from stxfer.core.devices import device
    from stxfer.model.load import load_model  # espnet: seconds to import

    stage = job.stage
    stage.begin()
    log.info("%s: loading the model", job.name)
    loaded = load_model(job.model, device())
    stage.marker.unlink(missing_ok=True)
    report = decode_dataset(loaded.model, loaded.tokens, loaded.tokenizer, job.data / FEATS, stage.out,
                            job.options, name=job.name, tag=job.system.tag)
    stage.finish([stage.out / name for name in OUTPUTS])
    return report


def decode_systems(experiment: Experiment, config: Path, dump: Path, exp: Path, *, systems: Sequence[str] = (),
                   seeds: Sequence[int] = (), nj: int = 1, force: bool = False, allow_stale: bool = False) -> list[str]:
    """Decode the test sets of the systems asked for, in ``nj`` processes; return the names of the jobs done now.

    ST systems whose test set has no reference translations are left out: nothing can be scored.

    Raises:
        ConfigError: a system is not trained.
        StaleError: a model or a set is out of date.
        StxferError: a decoding process fails.
    """
    jobs = [Job(system, seed, experiment.decode[system.kind], dump, exp)
            for system in scorable(experiment, experiment.select(systems), dump)
            for seed in seeds or experiment.seeds]
    for job in jobs:
        if not (job.model / MARKER).exists():
            raise ConfigError(f"{job.system.name} seed {job.seed} is not trained ({job.model} has no {MARKER}); "
                              f"run the stage that trains {job.system.kind} systems first")
    return run_jobs([_process(job, config) for job in jobs], nj, force=force, allow_stale=allow_stale)


def _process(job: Job, config: Path) -> ProcessJob:
    command = command_line("decode", {"config": config, "dump": job.dump, "exp": job.exp,
                                      "job": [job.system.name, str(job.seed)]})

    def show(line: str) -> str | None:
        _, found, message = line.partition(f" {job.name}: ")
        return message if found else None

    return ProcessJob(job.name, job.stage, command, DECODE_LOG, show)
