"""Run jobs where the recipe's ``cmd.sh`` says: side by side on this machine, or through Slurm's queue.

On Slurm every job is submitted at once, each after those it needs. What is in the queue already, submitted by a run
that was killed, is watched and not submitted again.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from stxfer.cluster import slurm
from stxfer.cluster.accounting import record_used
from stxfer.cluster.records import DONE, FAILED, Batch, read_batches
from stxfer.cluster.settings import Settings
from stxfer.cluster.watch import Submitted, Watch
from stxfer.core import jobs as local
from stxfer.core.errors import ConfigError, StxferError
from stxfer.core.jobs import Job, Queue, needed
from stxfer.core.workdir import ROOT

ARRAY = 1000  # jobs of one array; Slurm's MaxArraySize is 1001 unless a site says otherwise
log = logging.getLogger(__name__)


def run_jobs(jobs: Sequence[Job], nj: int, *, force: bool = False, allow_stale: bool = False) -> list[str]:
    """Run the jobs that are needed, each after those it needs; return the names of those run.

    Args:
        jobs: see :func:`stxfer.core.jobs.run_jobs`.
        nj: how many side by side, on this machine; on a cluster its scheduler decides that.
        force: see :meth:`stxfer.core.stage.Stage.needed`, as ``allow_stale``.

    Raises:
        ConfigError: ``cmd.sh`` or ``conf/slurm.conf`` say something that cannot be.
        StxferError: see :func:`stxfer.core.jobs.run_jobs`.
    """
    settings = Settings.of_environment()
    if settings.backend == "local":
        return local.run_jobs(jobs, nj, force=force, allow_stale=allow_stale)
    if not Path(ROOT).exists():
        raise ConfigError(f"no {ROOT} here: jobs of a cluster are run in a work directory, as run.sh makes it")
    queue = Queue(jobs, partial(needed, force=force, allow_stale=allow_stale))
    watch = Watch(queue)
    try:
        _submit_all(queue, settings, watch)
        watch.follow()
    except KeyboardInterrupt:
        watch.interrupted()
        raise
    finally:
        watch.screen.clear()
    record_used([(entry.number, entry.job.name, entry.job.stage.step) for entry in watch.jobs])
    queue.check()
    return queue.done


def _submit_all(queue: Queue, settings: Settings, watch: Watch) -> None:
    """Find the jobs that are in Slurm's queue, and submit the others in the order of their needs."""
    known = living()
    left: set[Path] = set()  # directories of jobs that are not submitted
    for group in together(queue.waiting):
        new = []
        for job in group:
            if (found := known.get((job.name, str(job.stage.out)))) is None:
                new.append(job)
                continue
            batch, index = found
            if batch.members[index]["command"] != list(job.command):
                raise StxferError(f"{job.name}: is in the queue as job {batch.number(index)} with other options; "
                                  f"wait for it, or take it out: scancel {batch.number(index)}")
            watch.add(Submitted.of(job, batch, index, back=1 << 16))
            log.info("%s: is in the queue as job %s", job.name, batch.number(index))
        if new and (left.intersection(new[0].needs) or not _submit(new, settings, watch)):
            left.update(job.stage.out for job in new)


def _submit(jobs: Sequence[Job], settings: Settings, watch: Watch) -> bool:
    """Submit jobs with the same needs, unless one of these has failed already; return whether they are submitted."""
    makers = [maker for path in jobs[0].needs if (maker := watch.makers.get(path)) is not None]
    said = {maker.number: status["state"] if (status := maker.batch.status(maker.index)) else "" for maker in makers}
    if FAILED in said.values():
        return False  # the queue leaves these jobs out when that one's end is seen
    after = sorted(number for number, state in said.items() if state != DONE)  # Slurm may have forgotten those
    batch = Batch.of(jobs)
    slurm.submit(batch, jobs, settings, after)
    for index, job in enumerate(jobs):
        watch.add(Submitted.of(job, batch, index))
    then = f", after {' '.join(after)}" if after else ""
    if len(jobs) == 1:
        log.info("%s: job %s%s", jobs[0].name, batch.job, then)
    else:
        log.info("%s ... %s: %d jobs, array %s%s", jobs[0].name, jobs[-1].name, len(jobs), batch.job, then)
    return True


def together(jobs: Sequence[Job]) -> list[list[Job]]:
    """Return the jobs in groups that are submitted at once: alone, or those that may be one array and need the same."""
    groups: dict[object, list[Job]] = {}
    for job in jobs:
        alike = (job.array, job.needs, job.resources, job.threads, job.devices, job.nodes) if job.array else id(job)
        groups.setdefault(alike, []).append(job)
    return [group[k:k + ARRAY] for group in groups.values() for k in range(0, len(group), ARRAY)]


def living() -> dict[tuple[str, str], tuple[Batch, int]]:
    """Return the work directory's jobs in Slurm's queue, by name and directory; what is over is tidied away.

    Raises:
        StxferError: Slurm does not say what is in its queue.
    """
    batches = {batch.name: batch for batch in read_batches()}
    found: dict[tuple[str, str], tuple[Batch, int]] = {}
    alive = set()
    for row in slurm.queue() if batches else ():
        batch = batches.get(row.name)
        if batch is None or not slurm.lives(row):
            continue
        number, _, place = row.number.partition("_")
        if not batch.job:  # the run was killed before it could write it down
            batch.job = number
            batch.write()
        index = int(place or 0)
        member = batch.members[index]
        found[member["name"], member["out"]] = batch, index
        alive.add(row.name)
    over = [batch for name, batch in batches.items() if name not in alive]
    record_used([(batch.number(index), member["name"], member["step"]) for batch in over if batch.job
                 for index, member in enumerate(batch.members)])
    for batch in over:
        batch.remove()
    return found
