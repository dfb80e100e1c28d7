"""Train the systems of an experiment, those that do not depend on each other side by side."""

from __future__ import annotations

import re
import time
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from stxfer.audio.hub import open_hub_model, whisper_files
from stxfer.cluster.run import run_jobs
from stxfer.core.commands import command_line
from stxfer.core.errors import ConfigError
from stxfer.core.jobs import Job
from stxfer.core.marker import MARKER, is_recorded
from stxfer.core.stage import Stage
from stxfer.decoding.systems import Job as DecodeJob
from stxfer.decoding.systems import check_lm_trained, decoding_job
from stxfer.experiment.config import Experiment
from stxfer.experiment.espnet import stock_schedule
from stxfer.experiment.layout import (
    CHECKSUMS,
    DURATIONS,
    FEATS,
    FRAMES,
    TRAIN_LOG,
    decode_dir,
    features_dir,
    prepared_dir,
    system_dir,
    text_file,
    vocab_dir,
)
from stxfer.experiment.lineage import Lineage
from stxfer.experiment.systems import Mix, System
from stxfer.experiment.training import Phase
from stxfer.model.pack import files_of

EPOCH = re.compile(r"(\d+)epoch results: \[train\] (.*?), \[valid\] (.*)$")
ENCODED = re.compile(r"\d\d:\d\d:\d\d (encoder outputs of .*)$")
STEPS = re.compile(r"(\d+)epoch:train:\d+-(\d+)batch: (.*)$")
FIGURE = re.compile(r"(?<![a-z_])(loss|acc|wer)=([-\d.e+]+|nan|inf)")  # ESPnet leaves out some commas


def hypotheses_dir(experiment: Experiment, part: Mix, seed: int, exp: Path) -> Path:
    """Return where the hypotheses lie that a system learns."""
    teacher = experiment.decoded[part.by]
    return decode_dir(exp, teacher.system, seed, teacher.variant, part.data)


def system_stage(experiment: Experiment, system: System, seed: int, dump: Path, exp: Path) -> Stage:
    """Return the marker of one trained system: everything that decides its parameters."""
    name, out = f"training of {system.name} seed {seed}", system_dir(exp, system.name, seed)
    if system.whisper is not None:
        sets = [prepared_dir(dump, name) for name in (system.data, system.dev_set)]
        options = {"whisper": system.whisper, "language": experiment.spoken(system), "seed": seed}
        return Stage(name, out, [*sets, *whisper_files(Path(system.whisper.model))], options, system.step,
                     declared=Lineage(experiment, dump, exp))
    # Digests of the features themselves: feats.scp is the same for other features of the same lengths.
    inputs = [features_dir(dump, system.dev_set) / CHECKSUMS, text_file(system, dump, system.dev_set),
              vocab_dir(dump, system.vocab)]
    for part in system.mixture:
        inputs += [features_dir(dump, part.data) / CHECKSUMS,
                   hypotheses_dir(experiment, part, seed, exp) if part.by else text_file(part, dump)]
    heard = sorted({system.dev_set, *(part.data for part in system.mixture)})
    reads = [path for data in heard for table in (FEATS, FRAMES, DURATIONS)
             if is_recorded(path := features_dir(dump, data) / table)]
    phases = experiment.train[system.phases]
    if system.espnet:
        stock = {"system": system, "seed": seed, "espnet": experiment.espnet[system.espnet],
                 "schedule": stock_schedule(phases)}
        return Stage(name, out, inputs, stock, system.step, reads, declared=Lineage(experiment, dump, exp))
    options = {"system": system, "seed": seed, "model": dict(experiment.model), "phases": phases}
    if frontend := experiment.model.get("frontend_conf"):
        inputs += open_hub_model(Path(frontend["model"])).files
    if system.parent is not None:
        inputs.append(system_dir(exp, system.parent, seed))
    elif system.init is not None:
        inputs += files_of(Path(system.init.model))
    return Stage(name, out, list(dict.fromkeys(inputs)), options, system.step, reads,
                 declared=Lineage(experiment, dump, exp))


def train_systems(experiment: Experiment, config: Path, kind: str, dump: Path, exp: Path, *,
                  systems: Sequence[str] = (), seeds: Sequence[int] = (), nj: int = 2, processes: int = 1,
                  nodes: int = 1, force: bool = False, allow_stale: bool = False) -> list[str]:
    """Train the systems of one kind that are asked for; return the names of those trained now.

    A system asked for brings along the systems it starts from, in the stage of their kind. What a system learns from
    another one's hypotheses is decoded in between.

    Args:
        experiment: what to train.
        config: the file it was read from.
        kind: ``source``, ``st`` or ``target``.
        dump: directory of features and vocabularies.
        exp: directory of experiments.
        systems: names; none: all.
        seeds: none: those of the experiment.
        nj: processor cores to use, in all; what a system becomes does not depend on it.
        processes: how many train each system together, with the batches of one; Whisper and stock ESPnet train in one.
        nodes: machines of a cluster on which so many processes each do.
        force: see :meth:`stxfer.core.stage.Stage.needed`, as ``allow_stale``.

    Raises:
        StxferError: an input is missing or stale, or a training process fails.
    """
    jobs = training_jobs(experiment, config, (kind,), dump, exp, systems=systems, seeds=seeds, processes=processes,
                         nodes=nodes, force=force, allow_stale=allow_stale)
    threads = max((job.threads for job in jobs), default=1)
    return run_jobs(jobs, max(1, nj // (processes * threads)), force=force, allow_stale=allow_stale)


def training_jobs(experiment: Experiment, config: Path, kinds: Sequence[str], dump: Path, exp: Path, *,
                  systems: Sequence[str] = (), seeds: Sequence[int] = (), processes: int = 1, nodes: int = 1,
                  force: bool = False, allow_stale: bool = False) -> list[Job]:
    """Return the jobs that train the systems of some kinds, each after those that it starts from and learns from.

    See :func:`train_systems` for the arguments.

    Raises:
        ConfigError: a system starts or learns from one of another kind that is not trained.
    """
    wanted = [system for system in with_sources(experiment, systems) if system.kind in kinds]
    threads = max((threads_of(experiment, system) for system in wanted), default=1)
    jobs: list[Job] = []
    for seed in seeds or experiment.seeds:
        for system in wanted:
            for source in map(experiment.systems.__getitem__, system.needs):
                if source.kind not in kinds and not (system_dir(exp, source.name, seed) / MARKER).exists():
                    raise ConfigError(f"{system.name} {'starts' if source.name == system.parent else 'learns'} from "
                                      f"{source.name} seed {seed}, which is not trained: run stage '{source.step}' "
                                      "first")
            together, machines = (1, 1) if system.alone else (processes, nodes)
            command = command_line("train_system", {
                "config": config, "dump": dump, "exp": exp, "system": system.name, "seed": seed, "force": force,
                "allow_stale": allow_stale}, processes=together, nodes=machines)
            to_decode = [DecodeJob(experiment, experiment.decoded[by], seed, dump, exp, name)
                         for by, name in dict.fromkeys((part.by, part.data) for part in system.mix if part.by)]
            for heard in to_decode:
                check_lm_trained(heard)
            labelling = [replace(decoding_job(config, heard, (heard.model,)), expensive=True) for heard in to_decode]
            jobs += [job for job in labelling if job.name not in {other.name for other in jobs}]
            parent = () if system.parent is None else (system_dir(exp, system.parent, seed),)
            jobs.append(Job(f"{system.name} seed {seed}", system_stage(experiment, system, seed, dump, exp),
                            command, TRAIN_LOG, TrainingLog(), (*parent, *(job.stage.out for job in labelling)),
                            devices=together, threads=threads, nodes=machines, expensive=True, resources="cuda"))
    return jobs


def with_sources(experiment: Experiment, systems: Sequence[str]) -> list[System]:
    """Return the named systems (none: all) and every system they start from or learn from, sources first."""
    names = {system.name for system in experiment.select(systems)}
    for system in reversed(experiment.order()):
        if system.name in names:
            names.update(system.needs)
    return [system for system in experiment.order() if system.name in names]


def threads_of(experiment: Experiment, system: System) -> int:
    """Return how many threads a process has that trains a system: those of the phase that has most."""
    return system.whisper.threads if system.whisper else most_threads(experiment.train[system.phases])


def most_threads(phases: Iterable[Phase]) -> int:
    """Return the threads of the phase that has most."""
    return max(phase.threads for phase in phases)


class TrainingLog:
    """Picks from a training log what a person wants to see: transfer, phases, epochs, and steps now and then."""

    def __init__(self, every: float = 10.0) -> None:
        self.every, self.shown = every, time.monotonic()

    def __call__(self, line: str) -> str | None:
        """Return what to tell of a line, or ``None``."""
        message = None
        if line.startswith(("transfer from", "  loaded ", "  new ", "phase ", "resumed at ", "whisper epoch ")):
            message = line
        elif encoded := ENCODED.match(line):
            message = encoded[1]
        elif epoch := EPOCH.search(line):
            message = f"epoch {epoch[1]}: train {_figures(epoch[2])}, dev {_figures(epoch[3])}"
        elif (steps := STEPS.search(line)) and time.monotonic() - self.shown > self.every:
            message = f"epoch {steps[1]}, step {steps[2]}: train {_figures(steps[3])}"
        if message is not None:
            self.shown = time.monotonic()
        return message


def _figures(text: str) -> str:
    return " ".join(f"{name} {float(value):.3f}" for name, value in FIGURE.findall(text)
                    if not (name == "wer" and value == "nan"))  # word errors are counted by option only
