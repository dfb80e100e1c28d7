"""Times and memory of the jobs of a work directory, from Slurm's accounting where a site keeps one."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from stxfer.cluster.records import FOLDER
from stxfer.cluster.slurm import used

USED = FOLDER / "used.jsonl"
AT_ONCE = 500  # jobs that sacct is asked of


def record_used(jobs: Sequence[tuple[str, str, str]]) -> None:
    """Append what jobs have used to ``.slurm/used.jsonl``.

    Args:
        jobs: Slurm's number, name and stage of each; those that are recorded already are left out.
    """
    known = {row["number"] for row in _rows(Path())}
    named = {number: (name, step) for number, name, step in jobs if number not in known}
    numbers = list(named)
    rows = [{"number": found.number, "name": named[found.number][0], "step": named[found.number][1],
             "seconds": found.seconds, "memory_mib": round(found.memory, 1), "state": found.state}
            for k in range(0, len(numbers), AT_ONCE) for found in used(numbers[k:k + AT_ONCE])
            if found.number in named]
    if rows:
        FOLDER.mkdir(exist_ok=True)
        with USED.open("a", encoding="utf-8") as handle:
            handle.writelines(f"{json.dumps(row, ensure_ascii=False)}\n" for row in rows)


def used_by_stage(root: Path) -> dict[str, dict[str, Any]]:
    """Return what the jobs of a work directory have used by stage: ``jobs``, ``hours`` in all, ``memory_mib`` at most.

    A job that was requeued counts once, and its hours are those of all its starts.
    """
    found: dict[str, list[dict[str, Any]]] = {}
    for row in _rows(root):
        found.setdefault(row["step"], []).append(row)
    return {step: {"jobs": len({row["number"] for row in rows}),
                   "hours": round(sum(row["seconds"] for row in rows) / 3600, 3),
                   "memory_mib": max(row["memory_mib"] for row in rows)} for step, rows in found.items()}


def _rows(root: Path) -> list[dict[str, Any]]:
    rows = []
    with contextlib.suppress(FileNotFoundError), (root / USED).open(encoding="utf-8") as handle:
        for line in handle:
            with contextlib.suppress(ValueError, TypeError, KeyError):  # a line that a kill has cut off
                row = json.loads(line)
                rows.append({key: row[key] for key in ("number", "name", "step", "seconds", "memory_mib", "state")})
    return rows
