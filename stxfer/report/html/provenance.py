"""Where everything comes from: the stages that a report rests on, with options, inputs and digests."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stxfer.core.cost import Cost, read_costs
from stxfer.core.errors import DataError
from stxfer.core.marker import MARKER, read_marker
from stxfer.core.workdir import WorkDir
from stxfer.report.html.tables import Table, table

DIGITS = 12  # of a digest that are shown
Costs = Mapping[tuple[str, str], Cost]
"""By directory and digest."""


@dataclass(frozen=True)
class Made:
    """What a stage has made.

    Attributes:
        directory: where, in the work directory.
        stage: what messages call it.
        step: the stage of the recipe.
        version: of stxfer.
        digest: of its outputs, the first digits.
        options: as JSON.
        inputs: path and first digits of the digest.
        cost: see :class:`stxfer.core.cost.Cost`; None where none was recorded.
    """

    directory: str
    stage: str
    step: str
    version: str
    digest: str
    options: str
    inputs: tuple[tuple[str, str], ...]
    cost: Cost | None


def lineage(directories: Sequence[Path]) -> list[Made]:
    """Return what the stages of directories have made, and those before them, in the order of their making.

    A stage whose directory is not there any more is left out.
    """
    found: dict[str, Made] = {}
    seen: set[str] = set()
    costs = read_costs(directories[0]) if directories else {}
    for directory in directories:
        _visit(directory, WorkDir.of(directory), found, seen, costs)
    return list(found.values())


def _visit(directory: Path, work: WorkDir, found: dict[str, Made], seen: set[str], costs: Costs) -> None:
    key = work.stored(directory)
    if key in seen:
        return
    seen.add(key)
    try:
        marker = read_marker(directory)
    except DataError:
        return
    for name in marker["inputs"]:
        path = Path(work.located(name))
        _visit(path if (path / MARKER).exists() else path.parent, work, found, seen, costs)
    found[key] = _made(key, marker, costs.get((key, marker["digest"])))


def _made(directory: str, marker: Mapping[str, Any], cost: Cost | None) -> Made:
    options = json.dumps(marker["options"], ensure_ascii=False, indent=2, sort_keys=True) if marker["options"] else ""
    return Made(directory, marker["stage"], marker.get("step", ""), str(marker.get("stxfer", "")),
                marker["digest"][:DIGITS], options,
                tuple((path, digest[:DIGITS]) for path, digest in marker["inputs"].items()), cost)


def cost_table(made: Sequence[Made]) -> Table:
    """Return time, core hours and memory of the stages of the recipe, as far as they are recorded."""
    steps: dict[str, list[Cost]] = {}
    for one in made:
        if one.cost is not None:
            steps.setdefault(one.step or one.stage, []).append(one.cost)
    rows = [["stage", "outputs", "minutes", "core hours", "GiB of the largest process"]]
    rows += [_cost_row(step, costs) for step, costs in steps.items()]
    if len(steps) > 1:
        rows.append(_cost_row("all", [cost for costs in steps.values() for cost in costs]))
    return table("What the stages cost", rows)


def _cost_row(step: str, costs: Sequence[Cost]) -> list[str]:
    return [step, f"{len(costs)}", f"{sum(cost['seconds'] for cost in costs) / 60:.1f}",
            f"{sum(cost['core_seconds'] for cost in costs) / 3600:.3f}",
            f"{max(cost['memory'] for cost in costs) / 2 ** 30:.2f}"]


def machines(made: Iterable[Made]) -> list[str]:
    """Return the machines that the stages were done on."""
    return list(dict.fromkeys(one.cost["machine"] for one in made if one.cost is not None))
