"""Diagrams of the page: intervals and curves, laid out in pixels, for the template to draw as SVG."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

ROW, LETTER, AXIS = 26, 7.2, 30  # height of a row, width of a letter, height below the rows
PLOT = 320  # width of the scale


@dataclass(frozen=True)
class Interval:
    """A value with its interval.

    Attributes:
        label: what it is of.
        value, low, high: on the scale.
        shown: the value in words.
        kind: how it is drawn: ``plain``, ``accent``, ``better``, ``worse``, ``unclear``.
        inner: a second, narrower interval; none if empty.
    """

    label: str
    value: float
    low: float
    high: float
    shown: str
    kind: str = "plain"
    inner: tuple[float, ...] = ()


@dataclass(frozen=True)
class Mark:
    """An interval in its place."""

    row: Interval
    y: float
    x: float
    low: float
    high: float
    inner: tuple[float, ...]


@dataclass(frozen=True)
class IntervalChart:
    """Intervals one below the other, on one scale."""

    title: str
    width: float
    height: float
    labels: float
    values: float
    marks: tuple[Mark, ...]
    ticks: tuple[tuple[float, str], ...]


def intervals(title: str, rows: Sequence[Interval], *, zero: bool = True) -> IntervalChart:
    """Lay out intervals.

    Args:
        title: what the scale is of.
        rows: from top to bottom; values that are not finite are left out.
        zero: the scale holds zero.
    """
    rows = [row for row in rows if all(map(math.isfinite, (row.value, row.low, row.high)))]
    ends = [end for row in rows for end in (row.low, row.high, row.value)] + ([0.0] if zero else [])
    ticks = nice_ticks(min(ends, default=0.0), max(ends, default=1.0))
    labels = min(300.0, 12 + LETTER * max((len(row.label) for row in rows), default=0))
    values = labels + 12 + LETTER * max((len(row.shown) for row in rows), default=0)
    low, high = ticks[0], ticks[-1]

    def x(value: float) -> float:
        return round(values + 12 + PLOT * (value - low) / (high - low), 1)

    marks = tuple(Mark(row, ROW * (number + 0.5), x(row.value), x(row.low), x(row.high), tuple(map(x, row.inner)))
                  for number, row in enumerate(rows))
    return IntervalChart(title, values + 12 + PLOT + 16, ROW * len(rows) + AXIS, labels, values, marks,
                         tuple((x(tick), f"{tick:g}") for tick in ticks))


@dataclass(frozen=True)
class Series:
    """A curve: ``points`` of x and y, ``kind`` how it is drawn (``dev``, ``train``, ``other``)."""

    name: str
    points: tuple[tuple[float, float], ...]
    kind: str = "dev"


@dataclass(frozen=True)
class Line:
    """A curve in its place, as points of an SVG polyline."""

    series: Series
    points: str
    dots: tuple[tuple[float, float], ...]


@dataclass(frozen=True)
class LineChart:
    """Curves on common axes."""

    title: str
    width: float
    height: float
    left: float
    bottom: float
    lines: tuple[Line, ...]
    x_ticks: tuple[tuple[float, str], ...]
    y_ticks: tuple[tuple[float, str], ...]
    x_title: str


def lines(title: str, x_title: str, series: Sequence[Series], width: float = 300, height: float = 190) -> LineChart:
    """Lay out curves; the axes hold all points."""
    points = [point for one in series for point in one.points if math.isfinite(point[1])]
    xs, ys = [x for x, _ in points] or [0.0], [y for _, y in points] or [0.0]
    x_ticks, y_ticks = nice_ticks(min(xs), max(xs), whole=all(x == int(x) for x in xs)), nice_ticks(min(ys), max(ys))
    left, bottom, top, right = 44.0, height - 34.0, 8.0, 12.0

    def place(point: tuple[float, float]) -> tuple[float, float]:
        x = left + (width - left - right) * (point[0] - x_ticks[0]) / (x_ticks[-1] - x_ticks[0])
        y = bottom - (bottom - top) * (point[1] - y_ticks[0]) / (y_ticks[-1] - y_ticks[0])
        return round(x, 1), round(y, 1)

    drawn = []
    for one in series:
        placed = tuple(place(point) for point in one.points if math.isfinite(point[1]))
        drawn.append(Line(one, " ".join(f"{x},{y}" for x, y in placed), placed if len(placed) <= 12 else ()))
    return LineChart(title, width, height, left, bottom, tuple(drawn),
                     tuple((place((tick, 0))[0], f"{tick:g}") for tick in x_ticks),
                     tuple((place((0, tick))[1], f"{tick:g}") for tick in y_ticks), x_title)


def nice_ticks(low: float, high: float, *, whole: bool = False, most: int = 6) -> list[float]:
    """Return round numbers at equal distances, the first at or below ``low``, the last at or above ``high``."""
    if high - low <= 1e-6 * max(abs(low), abs(high)):  # one value, as far as a picture tells
        high = low + (1.0 if whole or not low else abs(low) / 10)
    rough = (high - low) / (most - 1)
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(factor * power for factor in (1, 2, 2.5, 5, 10) if factor * power >= rough * (1 - 1e-9))
    if whole:
        step = max(1.0, math.ceil(step))
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [float(f"{number * step:.10g}") for number in range(first, max(last, first + 1) + 1)]
