"""The figure of the report: word error rates beside the relative reductions, with their intervals."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from stxfer.core.fileio import atomic_write
from stxfer.report.comparisons import headline_metric
from stxfer.score.significance import TOO_FEW

INK, MUTED, RULE = "#22303c", "#6b7885", "#c9d0d6"
PLAIN, THROUGH_ST = "#b3bcc5", "#5b8db8"
VERDICT = {"better": "#2a7f62", "worse": "#b4503c", "unclear": "#8a949e", TOO_FEW: "#8a949e"}
TITLES = {"wer": "Word error rate, %", "cer": "Character error rate, %"}


def plot_report(path: Path, results: dict[str, Any], through_st: Collection[str]) -> None:
    """Draw the error rate of each target system and the compared pairs' relative reductions, atomically, as PNG.

    The rate is that of words, or of characters where the language is written without spaces.

    Args:
        results: see :func:`stxfer.report.results.collect_results`; it must have target systems.
        through_st: systems that start from speech translation, shown in the accent colour.
    """
    cells = [cell for cell in results["summary"] if cell["set"] == "tgt_test"]
    metric = headline_metric([cell["metric"] for cell in cells])
    bars = [cell for cell in cells if cell["metric"] == metric]
    pairs = [cell for cell in results["comparisons"] if cell["metric"] == metric and cell["set"] == "tgt_test"
             and cell["relative_reduction"] is not None]
    rows = max(len(bars), len(pairs))
    figure = Figure(figsize=(9.6, 1.15 + 0.42 * rows), dpi=160, facecolor="white")
    figure.set_layout_engine("constrained", w_pad=0.12, wspace=0.06)
    if pairs:
        left, right = figure.subplots(1, 2)
        _forest(right, pairs, rows, metric)
    else:
        left = figure.subplots()
    _bars(left, bars, through_st, rows, TITLES[metric])
    with atomic_write(path, "wb") as handle:
        figure.savefig(handle, format="png", metadata={"Software": None})


def _bars(axes: Axes, cells: list[dict[str, Any]], through_st: Collection[str], rows: int, title: str) -> None:
    told = "lower is better" + ("; blue: through speech translation" if through_st else "")
    _style(axes, title, told, [cell["system"] for cell in cells], rows)
    end = max(max(cell["ci_high"], cell["value"]) for cell in cells) or 1.0
    for y, cell in enumerate(cells):
        accent = cell["system"] in through_st
        axes.barh(y, cell["value"], height=0.58, color=THROUGH_ST if accent else PLAIN, linewidth=0)
        axes.plot([cell["ci_low"], cell["ci_high"]], [y, y], color=INK, linewidth=1.1, solid_capstyle="butt")
        axes.text(max(cell["ci_high"], cell["value"]) + 0.02 * end, y, f"{cell['value']:.1f}", va="center",
                  color=INK, fontsize=9.5, fontweight="bold" if accent else "normal")
    axes.set_xlim(0, 1.14 * end)
    axes.set_xticks([])


def _forest(axes: Axes, cells: list[dict[str, Any]], rows: int, metric: str) -> None:
    _style(axes, f"Relative {metric.upper()} reduction, %", "with 95 % interval; right of zero favours the first",
           [f"{cell['system']} vs {cell['baseline']}" for cell in cells], rows)
    low = min(0.0, *(100 * cell["ci_low"] for cell in cells))
    high = max(0.0, *(100 * cell["ci_high"] for cell in cells))
    span = (high - low) or 1.0
    axes.axvline(0, color=RULE, linewidth=1.0, zorder=0)
    for y, cell in enumerate(cells):
        colour = VERDICT[cell["verdict"]]
        axes.plot([100 * cell["ci_low"], 100 * cell["ci_high"]], [y, y], color=colour, linewidth=1.6,
                  solid_capstyle="butt")
        axes.plot(100 * cell["relative_reduction"], y, "o", color=colour, markersize=5.5)
        told = TOO_FEW if cell["verdict"] == TOO_FEW else f"{100 * cell['relative_reduction']:+.1f}"
        axes.text(high + 0.05 * span, y, told, va="center", color=colour,
                  fontsize=9.5, fontweight="bold" if cell["verdict"] in ("better", "worse") else "normal")
    axes.set_xlim(low - 0.06 * span, high + 0.24 * span)
    axes.set_xticks([0])
    axes.tick_params(axis="x", length=0, labelsize=8.5, labelcolor=MUTED, pad=1)


def _style(axes: Axes, title: str, subtitle: str, labels: list[str], rows: int) -> None:
    for spine in axes.spines.values():
        spine.set_visible(False)
    axes.set_ylim(rows - 0.5, -0.5)
    axes.set_yticks(range(len(labels)), labels)
    axes.tick_params(axis="y", length=0, labelsize=9.5, labelcolor=INK)
    axes.set_title(title, loc="left", fontsize=11, fontweight="bold", color=INK, pad=22)
    axes.annotate(subtitle, (0, 1), (0, 7), xycoords="axes fraction", textcoords="offset points",
                  fontsize=8.5, color=MUTED)
