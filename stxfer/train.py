"""Train the systems of an experiment, those that do not depend on each other side by side."""

from __future__ import annotations

import logging
import os
import re
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO

from stxfer.config import Experiment, System
from stxfer.errors import ConfigError, StxferError
from stxfer.stage import MARKER, Stage

log = logging.getLogger(__name__)
EPOCH = re.compile(r"(\d+)epoch results: \[train\] (.*?), \[valid\] (.*)$")
FIGURE = re.compile(r"(loss|acc)=([-\d.e+]+)")


@dataclass(frozen=True)
class Job:
    """One model to train: a command in a process of its own, and the marker that says when it is done."""

    name: str
    stage: Stage
    command: tuple[str, ...]
    needs: tuple[Path, ...] = ()


def system_dir(exp: Path, system: str, seed: int) -> Path:
    """Return where a system trained with a seed lies."""
    return exp / system / f"seed{seed}"


def text_file(experiment: Experiment, system: System, dump: Path, dev: bool = False) -> Path:
    """Return the text a system learns: a set's ``text``, or ``text.<lang>.<label>`` of it."""
    directory = dump / "fbank" / (system.dev_set if dev else system.data)
    if system.label in (None, "human"):
        return directory / ("text" if system.label is None else f"text.{system.text}")
    return dump / "labels" / system.label / directory.name / f"text.{system.text}"


def system_stage(experiment: Experiment, system: System, seed: int, dump: Path, exp: Path) -> Stage:
    """Return the marker of one trained system: everything that decides its parameters."""
    inputs = [dump / "fbank" / system.data / "feats.scp", text_file(experiment, system, dump),
              dump / "fbank" / system.dev_set / "feats.scp", text_file(experiment, system, dump, dev=True),
              dump / "vocab" / system.vocab]
    options = {"system": asdict(system), "seed": seed, "model": dict(experiment.model),
               "phases": [asdict(phase) for phase in experiment.train[system.kind]]}
    if system.init is not None:
        inputs.append(system_dir(exp, system.init.source, seed))
    return Stage(f"training of {system.name} seed {seed}", system_dir(exp, system.name, seed), inputs, options)


def train_systems(experiment: Experiment, config: Path, kind: str, dump: Path, exp: Path, *,
                  systems: Sequence[str] = (), seeds: Sequence[int] = (), nj: int = 2, force: bool = False,
                  allow_stale: bool = False) -> list[str]:
    """Train the systems of one kind that are asked for; return the names of those trained now.

    A system asked for brings along the systems it starts from, in the stage of their kind.

    Raises:
        StxferError: an input is missing or stale, or a training process fails.
    """
    wanted = [s for s in with_sources(experiment, systems) if s.kind == kind]
    jobs = []
    for seed in seeds or experiment.seeds:
        for system in wanted:
            if system.init is not None:
                source = experiment.systems[system.init.source]
                if source.kind != kind and not (system_dir(exp, source.name, seed) / MARKER).exists():
                    raise ConfigError(f"{system.name} starts from {source.name} seed {seed}, which is not trained: "
                                      f"run the stage that trains {source.kind} systems first")
            command = (sys.executable, "-m", "stxfer.bin.train_system", "--config", str(config), "--dump", str(dump),
                       "--exp", str(exp), "--system", system.name, "--seed", str(seed))
            needs = () if system.init is None else (system_dir(exp, system.init.source, seed),)
            jobs.append(Job(f"{system.name} seed {seed}", system_stage(experiment, system, seed, dump, exp),
                            command, needs))
    return run_jobs(jobs, nj, force=force, allow_stale=allow_stale)


def with_sources(experiment: Experiment, systems: Sequence[str]) -> list[System]:
    """Return the named systems (none: all) and every system they start from, sources first."""
    names = {system.name for system in experiment.select(systems)}
    for system in reversed(experiment.order()):
        if system.name in names and system.init is not None:
            names.add(system.init.source)
    return [system for system in experiment.order() if system.name in names]


def run_jobs(jobs: Sequence[Job], nj: int, *, force: bool = False, allow_stale: bool = False) -> list[str]:
    """Run jobs in ``nj`` processes, each after those it needs; cores are shared out evenly.

    How many threads a job gets depends on all the jobs, finished or not, so that a run which goes on
    after a kill computes what an uninterrupted one computes.
    """
    threads = max(1, nj // max(1, min(nj, len(jobs))))
    waiting, trained = list(jobs), []
    running: dict[subprocess.Popen[bytes], tuple[Job, _Tail]] = {}
    outs = {job.stage.out for job in jobs}
    finished: set[Path] = set()
    try:
        while waiting or running:
            for job in list(waiting):
                if len(running) >= nj or any(need in outs and need not in finished for need in job.needs):
                    continue
                waiting.remove(job)
                if not job.stage.needed(force=force, allow_stale=allow_stale, dear=True):
                    finished.add(job.stage.out)
                    continue
                process, tail = _start(job, threads, force)
                running[process] = (job, tail)
                log.info("%s: started, %d thread%s, log in %s", job.name, threads, "s" * (threads > 1), tail.path)
            if not running and waiting and any(need not in finished for job in waiting for need in job.needs):
                continue
            time.sleep(0.5)
            for process, (job, tail) in list(running.items()):
                tail.show(job.name)
                if process.poll() is None:
                    continue
                tail.show(job.name)
                del running[process]
                if process.returncode != 0:
                    raise StxferError(f"{job.name}: failed (exit status {process.returncode}): {tail.last_lines()}; "
                                      f"the whole log is {tail.path}")
                finished.add(job.stage.out)
                trained.append(job.name)
    finally:
        for process in running:
            process.terminate()
        for process in running:
            process.wait()
    return trained


def _start(job: Job, threads: int, force: bool) -> tuple[subprocess.Popen[bytes], _Tail]:
    path = job.stage.out / "train.log"
    path.parent.mkdir(parents=True, exist_ok=True)
    env = {**os.environ, "OMP_NUM_THREADS": str(threads), "MKL_NUM_THREADS": str(threads)}
    command = [*job.command, "--force"] if force else list(job.command)
    with open(path, "ab") as handle:
        position = handle.tell()
        process = subprocess.Popen(command, stdout=handle, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, env=env)
    return process, _Tail(path, position)


class _Tail:
    """Follows a training log and shows what a person wants to see of it."""

    def __init__(self, path: Path, position: int) -> None:
        self.path, self.start = path, position
        self.handle: IO[str] = open(path, encoding="utf-8", errors="replace")  # noqa: SIM115 (closed with the job)
        self.handle.seek(position)
        self.rest = ""

    def show(self, name: str) -> None:
        *lines, self.rest = (self.rest + self.handle.read()).split("\n")
        for line in lines:
            epoch = EPOCH.search(line)
            if epoch:
                parts = [" ".join(f"{key} {float(value):.3f}" for key, value in FIGURE.findall(f", {text}"))
                         for text in epoch.group(2, 3)]
                log.info("%s: epoch %s: train %s, dev %s", name, epoch.group(1), *parts)
            elif line.startswith(("transfer from", "  loaded ", "  new ")):
                log.info("%s: %s", name, line)

    def last_lines(self) -> str:
        text = self.path.read_text(encoding="utf-8", errors="replace")
        lines = [line.strip() for line in text.splitlines() if line.strip()]
        return lines[-1] if lines else "no output"
