"""Slurm: submission through submitit, the state of all jobs from one ``squeue``, times and memory from ``sacct``."""

from __future__ import annotations

import contextlib
import getpass
import os
import re
import shlex
import subprocess
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import stxfer
from stxfer.cluster.records import PREFIX, Batch
from stxfer.cluster.settings import Settings, minutes
from stxfer.cluster.task import Task
from stxfer.core.errors import ConfigError, StxferError
from stxfer.core.jobs import Job
from stxfer.core.threads import environment

if TYPE_CHECKING:
    import submitit

STARTS = 1000  # how often a job may reach its time limit and go on: each time it is an epoch or more further
WARNING = 90  # seconds before the time limit in which it is requeued
WAITS, RUNS = ("PENDING", "REQUEUED", "REQUEUE_FED", "REQUEUE_HOLD", "SPECIAL_EXIT", "CONFIGURING"), \
    ("RUNNING", "SUSPENDED", "STOPPED", "COMPLETING", "SIGNALING", "STAGE_OUT", "RESIZING")
NEVER = "DependencyNeverSatisfied"
PASSED = ("PYTHONUTF8", "ENCODER", "STXFER_ROOT", "MALLOC_MMAP_THRESHOLD_", "MALLOC_TRIM_THRESHOLD_",
          "MALLOC_TOP_PAD_")  # variables that the jobs need, whatever a site does to the others


class Row(NamedTuple):
    """A job as ``squeue`` has it."""

    number: str
    name: str
    state: str
    reason: str
    time: str
    nodes: str


def submit(batch: Batch, jobs: Sequence[Job], settings: Settings, after: Sequence[str]) -> None:
    """Submit the jobs of a batch, as an array if there are several, and write its number down.

    Args:
        batch: what :meth:`Batch.of` has made of the jobs; it is written before Slurm is told.
        jobs: they have the same resources.
        settings: of the recipe's ``cmd.sh``.
        after: Slurm's numbers of jobs that have to end well first.

    Raises:
        ConfigError: submitit is not installed, or an option is wrong.
        StxferError: Slurm does not take the jobs.
    """
    executor = _executor(batch, jobs[0], settings, after)
    batch.write()
    root, env = str(Path.cwd()), _environment(jobs[0])
    tasks = [Task(root, str(batch.folder), index, job.name, job.command, str(job.path), str(job.stage.out), env)
             for index, job in enumerate(jobs)]
    try:
        if len(tasks) == 1:
            number = executor.submit(tasks[0]).job_id
        else:
            with executor.batch():
                submitted = [executor.submit(task) for task in tasks]
            number = submitted[0].job_id.partition("_")[0]
    except Exception as error:  # submitit has its own kinds, and those of the commands that it calls
        batch.remove()
        said = " ".join(str(error).split()) or type(error).__name__
        raise StxferError(f"{jobs[0].name}: Slurm did not take the job: {said}") from error
    batch.job = number
    batch.write()


def _executor(batch: Batch, job: Job, settings: Settings, after: Sequence[str]) -> submitit.SlurmExecutor:
    try:
        import submitit
    except ImportError:
        raise ConfigError("submitit is not installed, which jobs on Slurm need: pip install 'stxfer[slurm]'") from None
    flags = settings.flags(job.resources, cpus=job.threads * job.devices, devices=job.devices)
    try:
        executor = submitit.SlurmExecutor(batch.folder.absolute(), max_num_timeout=STARTS)
    except RuntimeError:
        raise ConfigError("no srun on this machine: --launcher slurm is for machines that submit jobs") from None
    limit = minutes(str(flags["time"]))
    fixed = {"job-name": batch.name, "requeue": True, "kill-on-invalid-dep": "yes"}
    if after:
        fixed["dependency"] = "afterok:" + ":".join(after)
    executor.update_parameters(
        time=limit, nodes=job.nodes, ntasks_per_node=1, signal_delay_s=min(WARNING, limit * 60 // 4), wckey=None,
        array_parallelism=10_000, srun_args=["--kill-on-bad-exit=1"],
        setup=[f"export {name}={shlex.quote(value)}" for name, value in _environment(job).items()],
        additional_parameters={name.replace("-", "_"): value for name, value in {**flags, **fixed}.items()
                               if name != "time"})
    return executor


def _environment(job: Job) -> dict[str, str]:
    here = str(Path(stxfer.__file__).parents[1])  # wherever this package was imported from
    others = [path for path in os.environ.get("PYTHONPATH", "").split(os.pathsep) if path and path != here]
    return {"PYTHONPATH": os.pathsep.join([here, *others]), **environment(job.threads),
            **{name: os.environ[name] for name in PASSED if name in os.environ}}


def queue() -> Iterator[Row]:
    """Yield this user's jobs of these recipes, ended ones as long as Slurm remembers them: one call for all.

    Raises:
        StxferError: ``squeue`` fails, as it does while Slurm's controller is away.
    """
    command = ["squeue", "--user", getpass.getuser(), "--noheader", "--array", "--states=all",
               "--format=%i|%j|%T|%r|%M|%N"]
    try:
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None and process.stderr is not None
            for line in process.stdout:
                fields = line.rstrip("\n").split("|")
                if len(fields) == len(Row._fields) and fields[1].startswith(PREFIX):
                    yield Row(*fields)
            said = process.stderr.read().strip()
    except FileNotFoundError:
        raise ConfigError("no squeue on this machine: --launcher slurm is for machines that submit jobs") from None
    if process.returncode:
        raise StxferError(f"squeue failed: {said or process.returncode}")


def lives(row: Row) -> bool:
    """Return whether a job runs or may run yet."""
    return row.state in RUNS or (row.state in WAITS and row.reason != NEVER)


def cancel(numbers: Sequence[str]) -> None:
    """Take jobs from the queue."""
    with contextlib.suppress(OSError):
        subprocess.run(["scancel", *numbers], check=False)


class Used(NamedTuple):
    """What a job has used.

    Attributes:
        number: Slurm's.
        seconds: from its start to its end.
        memory: MiB at most of a process of it.
        state: how it ended.
    """

    number: str
    seconds: int
    memory: float
    state: str


FIELDS = ("JobID", "State", "ElapsedRaw", "MaxRSS")
_UNITS = {"": 1 / 1024 ** 2, "K": 1 / 1024, "M": 1.0, "G": 1024.0, "T": 1024.0 ** 2}


def used(numbers: Collection[str]) -> list[Used]:
    """Return what jobs have used, from Slurm's accounting; nothing where a site keeps none."""
    if not numbers:
        return []
    command = ["sacct", "--parsable2", "--noheader", "--duplicates", f"--format={','.join(FIELDS)}",
               f"--jobs={','.join(sorted(numbers))}"]
    try:
        result = subprocess.run(command, capture_output=True, text=True, timeout=120)
    except (OSError, subprocess.TimeoutExpired):
        return []
    return read_used(result.stdout) if result.returncode == 0 else []


def read_used(text: str) -> list[Used]:
    """Return what ``sacct`` has printed: each start of a job, with the most memory of its steps."""
    found: list[Used] = []
    for line in text.splitlines():
        fields = line.split("|")
        if len(fields) != len(FIELDS):
            continue
        number, _, step = fields[0].partition(".")
        match = re.fullmatch(r"([\d.]+)([KMGT]?)", fields[3])
        memory = float(match[1]) * _UNITS[match[2]] if match else 0.0
        if not step and fields[2].isdigit():
            found.append(Used(number, int(fields[2]), memory, fields[1].partition(" ")[0]))
        elif found and found[-1].number == number:
            found[-1] = found[-1]._replace(memory=max(found[-1].memory, memory))
    return found
