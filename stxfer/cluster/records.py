"""What is known of submitted jobs: files of the work directory, so that a run that starts again finds its jobs.

``.slurm/<batch>/`` belongs to one submission, of a job or of an array: ``batch.json`` says which jobs it has and is
there before Slurm knows of it, ``<index>.json`` is what a job says of itself, the rest is submitit's. Jobs in the queue
are named ``stxfer-<batch>``.
"""

from __future__ import annotations

import contextlib
import shutil
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from typing_extensions import NotRequired, TypedDict

from stxfer.core.errors import DataError
from stxfer.core.fileio import read_json, write_json
from stxfer.core.jobs import Job
from stxfer.core.records import mistake

FOLDER = Path(".slurm")
BATCH = "batch.json"
ENDED = FOLDER / "ended.jsonl"
PREFIX = "stxfer-"
RUNNING, DONE, FAILED = "running", "done", "failed"


class Member(TypedDict):
    """A job of a batch."""

    name: str
    out: str
    log: str
    step: str
    command: list[str]


class _Batch(TypedDict):
    id: str
    job: str
    members: list[Member]


class Status(TypedDict):
    """What a job says of itself: its state, on which machine, how often it has begun again."""

    state: str
    host: str
    again: int
    message: NotRequired[str]
    context: NotRequired[list[str]]


@dataclass
class Batch:
    """A submission: one job, or an array of several.

    Attributes:
        id: its own.
        job: Slurm's number; empty: it was not told yet.
        members: the jobs, by their index in the array.
    """

    id: str
    job: str
    members: list[Member]

    @classmethod
    def of(cls, jobs: Sequence[Job]) -> Batch:
        """Return a new batch."""
        return cls(uuid.uuid4().hex[:12], "", [
            {"name": job.name, "out": str(job.stage.out), "log": str(job.path), "step": job.stage.step,
             "command": list(job.command)} for job in jobs])

    @property
    def folder(self) -> Path:
        """Its directory, from the work directory."""
        return FOLDER / self.id

    @property
    def name(self) -> str:
        """What Slurm calls its jobs."""
        return PREFIX + self.id

    def number(self, index: int) -> str:
        """Return Slurm's number of a member."""
        return self.job if len(self.members) == 1 else f"{self.job}_{index}"

    def status(self, index: int) -> Status | None:
        """Return what a member has last said of itself, ``None`` if it has not begun, or not so that it is seen."""
        return read_status(self.folder, index)

    def write(self) -> None:
        """Write ``batch.json``."""
        self.folder.mkdir(parents=True, exist_ok=True)
        write_json(self.folder / BATCH, asdict(self))

    def remove(self) -> None:
        """Remove the directory."""
        shutil.rmtree(self.folder, ignore_errors=True)


def read_batches() -> Iterator[Batch]:
    """Yield the batches of the work directory that are not over, or that have not ended well.

    Raises:
        DataError: a file of one is damaged.
    """
    for path in sorted(FOLDER.glob(f"*/{BATCH}")):
        with contextlib.suppress(FileNotFoundError):  # removed meanwhile
            found = read_json(path)
            if wrong := mistake(found, _Batch, str(path)):
                raise DataError(f"{wrong}; remove {path.parent}: a job of it that is still in the queue may then be "
                                "submitted twice")
            yield Batch(**found)


def read_status(folder: Path, index: int) -> Status | None:
    """Return what a job has last said of itself, ``None`` if nothing."""
    path = folder / f"{index}.json"
    try:
        found: Any = read_json(path)
    except DataError:
        return None
    return None if mistake(found, Status, str(path)) else found


def write_status(folder: Path, index: int, status: Status) -> None:
    """Write what a job says of itself."""
    write_json(folder / f"{index}.json", status)
