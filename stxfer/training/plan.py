"""Training and decoding of an experiment as one graph of jobs: each system and seed, and what is decoded with it."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from stxfer.cluster.run import run_jobs
from stxfer.core.errors import DataError
from stxfer.core.jobs import Job, Queue, needed
from stxfer.decoding.systems import decoding_jobs
from stxfer.experiment.config import Experiment
from stxfer.experiment.systems import KINDS
from stxfer.training.launch import training_jobs

STEPS = ("source_asr", "st", "target_asr", "decode")  # stages of the recipe that are one graph


@dataclass(frozen=True)
class Choice:
    """Which jobs of an experiment are wanted.

    Attributes:
        steps: some of ``STEPS``.
        systems: names; none: all.
        seeds: none: those of the experiment.
        processes: see :func:`stxfer.training.launch.train_systems`, as ``nodes``.
        force: see :meth:`stxfer.core.stage.Stage.needed`, as ``allow_stale``.
    """

    steps: Collection[str] = STEPS
    systems: Sequence[str] = ()
    seeds: Sequence[int] = ()
    processes: int = 1
    nodes: int = 1
    force: bool = False
    allow_stale: bool = False


def planned_jobs(experiment: Experiment, config: Path, dump: Path, exp: Path, choice: Choice) -> list[Job]:
    """Return the jobs of some stages, each after those it needs, whether they are done or not.

    Raises:
        ConfigError: a system starts from one that is neither trained nor among the jobs.
    """
    kinds = [kind for kind, step in zip(KINDS, STEPS, strict=False) if step in choice.steps]
    jobs = training_jobs(experiment, config, kinds, dump, exp, systems=choice.systems, seeds=choice.seeds,
                         processes=choice.processes, nodes=choice.nodes, force=choice.force,
                         allow_stale=choice.allow_stale)
    if "decode" in choice.steps:
        jobs += decoding_jobs(experiment, config, dump, exp, systems=choice.systems, seeds=choice.seeds,
                              trained={job.stage.out for job in jobs})
    return jobs


def run_planned(experiment: Experiment, config: Path, dump: Path, exp: Path, choice: Choice, nj: int) -> list[str]:
    """Run the jobs that are needed; return their names.

    Raises:
        StxferError: see :func:`stxfer.cluster.run.run_jobs`.
    """
    jobs = planned_jobs(experiment, config, dump, exp, choice)
    cores = max((job.threads for job in jobs), default=1) * choice.processes
    return run_jobs(jobs, max(1, nj // cores), force=choice.force, allow_stale=choice.allow_stale)


def described(jobs: Sequence[Job], *, force: bool = False, allow_stale: bool = False) -> Iterator[str]:
    """Yield a line for each job that has to run, with what it waits for, and one that counts them.

    A job whose inputs are not there yet, as other stages make them, has to run.

    Raises:
        StaleError: an input is out of date, or a finished training would be overwritten.
    """
    def may_need(job: Job, pending: Collection[Path]) -> bool:
        try:
            return needed(job, pending, force=force, allow_stale=allow_stale)
        except DataError:
            return True

    waiting = Queue(jobs, may_need).waiting
    made = {job.stage.out: job.name for job in waiting}
    for job in waiting:
        after = [made[path] for path in job.needs if path in made]
        yield f"{job.name}{' <- ' + ', '.join(after) if after else ''}"
    counts = ", ".join(f"{sum(job.stage.step == step for job in waiting)} {step}" for step in STEPS)
    yield f"{len(waiting)} jobs to run ({counts}), {len(jobs) - len(waiting)} up to date"
