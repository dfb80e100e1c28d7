"""Decode the test sets of an experiment's systems, several side by side."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Any

from stxfer.config import Decoding, Experiment, System
from stxfer.decode import OUTPUTS, decode_dataset
from stxfer.errors import ConfigError, StxferError
from stxfer.stage import MARKER, Stage
from stxfer.train import system_dir

LOG = "decode.log"
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
        return f"decode {self.system.name} seed {self.seed} {self.system.test_set}"

    @property
    def model(self) -> Path:
        return system_dir(self.exp, self.system.name, self.seed)

    @property
    def data(self) -> Path:
        return self.dump / "fbank" / self.system.test_set

    @property
    def stage(self) -> Stage:
        options = {key: value for key, value in asdict(self.options).items() if key != "batch_frames"}
        return Stage(self.name, self.model / "decode" / self.system.test_set, [self.model, self.data], options)


def decode_job(job: Job) -> dict[str, Any]:
    """Decode one system's test set in this process; return the content of ``decode.json``."""
    from stxfer.model.load import load_model  # espnet: seconds to import

    log.info("%s: loading the model", job.name)
    loaded = load_model(job.model)
    job.stage.marker.unlink(missing_ok=True)
    report = decode_dataset(loaded.model, loaded.tokens, loaded.tokenizer, job.data / "feats.scp", job.stage.out,
                            job.options, name=job.name)
    job.stage.finish([job.stage.out / name for name in OUTPUTS])
    return report


def decode_systems(experiment: Experiment, config: Path, dump: Path, exp: Path, *, systems: Sequence[str] = (),
                   seeds: Sequence[int] = (), nj: int = 1, force: bool = False, allow_stale: bool = False) -> list[str]:
    """Decode the test sets of the systems asked for, in ``nj`` processes; return the names of the jobs done now.

    Raises:
        ConfigError: a system is not trained.
        StaleError: a model or a set is out of date.
        StxferError: a decoding process fails.
    """
    jobs = [Job(system, seed, experiment.decode[system.kind], dump, exp)
            for system in experiment.select(systems) for seed in seeds or experiment.seeds]
    for job in jobs:
        if not (job.model / MARKER).exists():
            raise ConfigError(f"{job.system.name} seed {job.seed} is not trained ({job.model} has no {MARKER}); "
                              f"run the stage that trains {job.system.kind} systems first")
    jobs = [job for job in jobs if job.stage.needed(force=force, allow_stale=allow_stale)]
    waiting, running = deque(jobs), []
    try:
        while waiting or running:
            while waiting and len(running) < nj:
                running.append(_Process(waiting.popleft(), config))
            time.sleep(0.2)
            running = [process for process in running if not process.finished()]
    finally:
        for process in running:
            process.stop()
    return [job.name for job in jobs]


class _Process:
    """A decoding process of one thread, its log, and the lines of it that a person wants to see."""

    def __init__(self, job: Job, config: Path) -> None:
        self.job, self.path = job, job.stage.out / LOG
        self.path.parent.mkdir(parents=True, exist_ok=True)
        command = [sys.executable, "-m", "stxfer.bin.decode", "--config", str(config), "--dump", str(job.dump),
                   "--exp", str(job.exp), "--job", job.system.name, str(job.seed)]
        env = {**os.environ, "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
        with open(self.path, "wb") as handle:
            self.process = subprocess.Popen(command, stdout=handle, stderr=subprocess.STDOUT,
                                            stdin=subprocess.DEVNULL, env=env)
        self.tail: IO[str] = open(self.path, encoding="utf-8", errors="replace")  # noqa: SIM115 (see stop)
        self.rest = ""

    def finished(self) -> bool:
        """Show new lines; return whether the process has ended well, raise if it has ended badly."""
        status = self.process.poll()
        *lines, self.rest = (self.rest + self.tail.read()).split("\n")
        for line in lines:
            _, found, message = line.partition(f" {self.job.name}: ")
            if found:
                log.info("%s: %s", self.job.name, message)
        if status is None:
            return False
        if status != 0:
            lines = [line for line in self.path.read_text(encoding="utf-8", errors="replace").splitlines() if line]
            for line in lines[-10:-1]:
                log.error("%s | %s", self.job.name, line)
            raise StxferError(f"{self.job.name}: failed (exit status {status}): {lines[-1] if lines else 'no output'}; "
                              f"the whole log is {self.path}")
        self.tail.close()
        return True

    def stop(self) -> None:
        if self.process.poll() is None:
            self.process.terminate()
            self.process.wait()
        self.tail.close()
