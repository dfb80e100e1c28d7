"""Curves of the page: trainings epoch by epoch, and scores over hours and over the size of the translator's text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from stxfer.core.records import read_record
from stxfer.experiment.layout import INFO
from stxfer.experiment.records import ModelInfo
from stxfer.report.curves import HOURS
from stxfer.report.html.charts import LineChart, Series, lines

MEASURES = (("wer", "word errors, %", 1.0), ("acc", "accuracy, %", 100.0), ("loss", "loss", 1.0))


def training_charts(models: Mapping[str, Sequence[Path]]) -> list[LineChart]:
    """Return a chart for each model: the development set's figures, and those of training where they are known.

    Args:
        models: directories of its seeds, by name; those of imported systems need not be there.
    """
    charts = []
    for name, directories in models.items():
        infos = [read_record(path / INFO, ModelInfo) for path in directories if (path / INFO).exists()]
        rows = [info.get("epochs") or [] for info in infos]
        found = next(((key, title, scale) for key, title, scale in MEASURES
                      if any(of and all(f"valid_{key}" in row for row in of) for of in rows)), None)
        if found is None:
            continue
        key, title, scale = found
        series = [_series(f"{part}{f', seed {number + 1} of {len(rows)}' if len(rows) > 1 else ''}", of, field, scale,
                          kind)
                  for number, of in enumerate(rows)
                  for part, field, kind in (("dev", f"valid_{key}", "dev"), ("train", f"train_{key}", "train"))
                  if of and all(field in row for row in of)]
        charts.append(lines(f"{name}: {title}", "epoch", series))
    return charts


def _series(name: str, rows: Sequence[Mapping[str, Any]], field: str, scale: float, kind: str) -> Series:
    return Series(name, tuple((float(number), scale * row[field]) for number, row in enumerate(rows, 1)), kind)


def score_charts(curves: Sequence[Mapping[str, Any]], names: Mapping[str, str]) -> list[LineChart]:
    """Return a chart for each curve of :func:`stxfer.report.curves.curves`; ``names``: how metrics are called."""
    charts = []
    for curve in curves:
        title = "hours of target speech" if curve["axis"] == HOURS else "sentence pairs for the translator"
        parts = [("score", "value", "dev"), ("interval from", "ci_low", "train"), ("interval to", "ci_high", "train")]
        series = [Series(name, tuple((float(point["x"]), float(point[key])) for point in curve["points"]), kind)
                  for name, key, kind in parts if all(point[key] is not None for point in curve["points"])]
        charts.append(lines(f"{curve['name']}: {names[curve['metric']]}, %", title, series))
    return charts
