"""Which jobs are submitted to a cluster; tests/test_slurm.py has a real one."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from stxfer.cluster import slurm, watch
from stxfer.cluster.records import DONE, FAILED, Batch, write_status
from stxfer.cluster.run import run_jobs
from stxfer.core.errors import StxferError
from stxfer.core.jobs import Job
from stxfer.core.stage import Stage
from stxfer.core.workdir import ROOT as MARK


def job(name: str, *needs: str) -> Job:
    return Job(name, Stage(name, Path(name)), ("true",), "out.log", lambda line: None, tuple(map(Path, needs)))


def test_nothing_is_submitted_that_needs_what_is_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A job fails while others are still being submitted: neither what needs it is, nor what needs that."""
    submitted = []

    def submit(batch: Batch, jobs: Sequence[Job], settings: object, after: Sequence[str]) -> None:
        submitted.append(jobs[0].name)
        batch.job = str(len(submitted))
        batch.write()
        write_status(batch.folder, 0, {"state": FAILED if jobs[0].name == "a" else DONE, "host": "n1", "again": 0,
                                       "message": f"{jobs[0].name}: has failed"})

    monkeypatch.chdir(tmp_path)
    Path(MARK).touch()
    monkeypatch.setenv("cmd_backend", "slurm")
    monkeypatch.setattr(slurm, "submit", submit)
    monkeypatch.setattr(slurm, "queue", list)
    monkeypatch.setattr(watch, "QUICK", 0.0)
    with pytest.raises(StxferError, match="^a: has failed; not run, as what they start from failed: b, c$"):
        run_jobs([job("a"), job("b", "a"), job("c", "b"), job("d")], 1)
    assert submitted == ["a", "d"]
