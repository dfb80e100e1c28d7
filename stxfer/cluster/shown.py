"""The jobs of a work directory that are in Slurm's queue, for whoever looks from another terminal."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from stxfer.cluster import slurm
from stxfer.cluster.records import DONE, FAILED, RUNNING, read_batches
from stxfer.cluster.table import TAIL, Line, Tail


def jobs_in_queue(show: Callable[[], Callable[[str], str | None]]) -> list[Line]:
    """Return the table of the jobs that were submitted and are not tidied away.

    Args:
        show: gives what picks from the lines of a log what is worth telling.

    Raises:
        StxferError: Slurm does not say what is in its queue.
    """
    batches = list(read_batches())
    rows = {row.number: row for row in slurm.queue() if slurm.lives(row)} if batches else {}
    lines = []
    for batch in batches:
        for index, member in enumerate(batch.members):
            number, status = batch.number(index), batch.status(index)
            row = rows.get(number)
            if row is not None:
                state = RUNNING if row.state in slurm.RUNS else "queued"
            else:
                state = DONE if status is not None and status["state"] == DONE else FAILED
            tail = Tail.of(Path(member["log"]), show(), back=TAIL)
            told = tail.new()[-1:] if state == RUNNING else []
            said = status.get("message", "") if status and state == FAILED else ""
            lines.append(Line(member["name"], state, number, row.nodes if row else "", row.time if row else "",
                              said or "".join(told), member["log"]))
    return lines
