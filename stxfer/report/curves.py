"""Learning curves: systems that differ in the hours of target speech, or in the size of the translator's text."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import fields
from os.path import commonprefix
from pathlib import Path
from typing import Any

from stxfer.core.records import read_record
from stxfer.experiment.config import Experiment
from stxfer.experiment.layout import INFO, mt_dir
from stxfer.experiment.records import ModelInfo
from stxfer.experiment.systems import System
from stxfer.report.comparisons import headline_metric

HOURS, MT = "hours", "mt_pairs"


def curves(experiment: Experiment, summary: Sequence[Mapping[str, Any]], exp: Path) -> list[dict[str, Any]]:
    """Return the curves of target recognition, by the metric that systems are judged by.

    Systems are on one curve that are declared alike, with the systems that they start from, but for their training set
    (axis ``hours``) or for the pairs that the translator of their labels is trained on (axis ``mt_pairs``).

    Args:
        experiment: what is declared.
        summary: the scores, see :func:`stxfer.report.comparisons.summarise`.
        exp: directory of the translators.

    Returns:
        ``axis``, ``name`` (what the names of its systems share), ``metric`` and ``points``, from the smallest:
        ``system``, ``x``, ``value``, ``ci_low``, ``ci_high``. A curve has two points at least.
    """
    scores: dict[str, dict[str, Mapping[str, Any]]] = {}
    for row in summary:
        scores.setdefault(row["system"], {})[row["metric"]] = row
    pairs = {label: size for label in experiment.labels if (size := _mt_pairs(exp, label)) is not None}
    groups: dict[tuple[str, Hashable], list[dict[str, Any]]] = {}
    for name, way in experiment.decoded.items():
        if name not in scores or way.system.kind != "target" or way.system.name not in experiment.systems:
            continue
        row = scores[name][headline_metric(scores[name])]
        label = next((system.label for system in _line(experiment, way.system) if system.label), None)
        for axis, x in ((HOURS, row["train_hours"]), (MT, pairs.get(label or ""))):
            if x is not None:
                point = {"system": name, "x": x, "metric": row["metric"],
                         **{key: row[key] for key in ("value", "ci_low", "ci_high")}}
                groups.setdefault((axis, (way.variant, *_declared(experiment, way.system, axis))), []).append(point)
    return [_curve(axis, points) for (axis, _), points in groups.items() if len({point["x"] for point in points}) > 1]


def curve_lines(found: Sequence[Mapping[str, Any]], names: Mapping[str, str]) -> list[str]:
    """Say each curve in a line; ``names``: how metrics are called."""
    units = {HOURS: "h of target speech", MT: "sentence pairs for the translator"}
    return [f"{curve['name']}: {names[curve['metric']]} " + ", ".join(
        f"{point['value']:.1f} with {point['x']:,.5g} {units[curve['axis']]}" for point in curve["points"])
        for curve in found]


def _curve(axis: str, points: list[dict[str, Any]]) -> dict[str, Any]:
    points = sorted(points, key=lambda point: (point["x"], point["system"]))
    name = f"{commonprefix([point['system'] for point in points])}*"
    return {"axis": axis, "name": name, "metric": points[0]["metric"],
            "points": [{key: value for key, value in point.items() if key != "metric"} for point in points]}


def _line(experiment: Experiment, system: System | None) -> Iterator[System]:
    """Yield a system, what it starts from, what that starts from, and so on."""
    while system is not None:
        yield system
        system = experiment.systems[system.parent] if system.parent else None


def _declared(experiment: Experiment, system: System, axis: str) -> Iterator[Hashable]:
    """Yield what decides a system but for its place on the axis, as strings that can be compared."""
    for number, one in enumerate(_line(experiment, system)):
        said = {field.name: getattr(one, field.name) for field in fields(one) if field.name != "name"}
        if one.init is not None:
            said["init"] = (one.init.parts, one.init.vocabulary, one.init.model)
        if axis == HOURS and number == 0:
            del said["data"]
        if axis == MT and (label := experiment.labels.get(one.label or "")):
            options = {field.name: getattr(label.options, field.name) for field in fields(label.options)}
            others = {field.name: getattr(label, field.name) for field in fields(label) if field.name != "options"}
            said["text"] = ({key: value for key, value in options.items() if key != "pairs"}, others)
        yield repr(said)


def _mt_pairs(exp: Path, label: str) -> int | None:
    """Return how many pairs the translator of a label was trained on; None if none was trained here for it."""
    path = mt_dir(exp, label) / INFO
    size = read_record(path, ModelInfo).get("train", {}).get("utterances") if path.exists() else None
    return int(size) if size else None
