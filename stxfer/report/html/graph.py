"""The transfer graph as a picture: label sources and systems in columns, and what starts from or learns from what."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from stxfer.experiment.config import Experiment
from stxfer.experiment.systems import System

WIDTH, LINE, PAD = 224, 17, 8  # of a box and its lines, in pixels
BETWEEN_COLUMNS, BETWEEN_ROWS, MARGIN = 70, 18, 6
LETTERS = 30  # of a line that are shown
COLUMNS = {"label": 0, "source": 0, "st": 1, "target": 2}


@dataclass(frozen=True)
class Node:
    """A box: a label source or a system.

    Attributes:
        key: what edges call it, ``label mt`` or ``system direct``.
        kind: ``label``, ``source``, ``st`` or ``target``.
        lines: what stands in it, the name first.
    """

    key: str
    kind: str
    lines: tuple[str, ...]


@dataclass(frozen=True)
class Edge:
    """An arrow; ``kind`` is ``init`` (parameters), ``label`` (translations to learn from) or ``heard`` (hypotheses)."""

    start: str
    end: str
    kind: str


@dataclass(frozen=True)
class Graph:
    """Boxes and arrows."""

    nodes: tuple[Node, ...]
    edges: tuple[Edge, ...]


@dataclass(frozen=True)
class Box:
    """A box in its place, in pixels."""

    node: Node
    x: float
    y: float
    height: float


@dataclass(frozen=True)
class Picture:
    """Boxes, and arrows as paths of SVG."""

    width: float
    height: float
    boxes: tuple[Box, ...]
    paths: tuple[tuple[Edge, str], ...]


def transfer_graph(experiment: Experiment, names: Collection[str], scores: Mapping[str, Sequence[str]],
                   label_scores: Mapping[str, str]) -> Graph:
    """Return systems, what they start from, and the label sources and other systems that they learn from.

    Args:
        experiment: what is declared.
        names: the systems.
        scores: lines that a system's box ends with, e.g. ``WER 46.2``.
        label_scores: a line of a label source's box, e.g. the translator's ``BLEU 35.1``.
    """
    shown = _with_needed(experiment, names)
    edges = [Edge(_system(parent), _system(system.name), "init") for system in shown
             if (parent := system.parent) is not None]
    labels: dict[str, None] = {}
    for system in shown:
        for label in dict.fromkeys(part.label for part in system.mixture if part.label):
            labels[label] = None
            edges.append(Edge(_label(label), _system(system.name), "label"))
        edges += [Edge(_system(teacher), _system(system.name), "heard")
                  for teacher in dict.fromkeys(part.teacher for part in system.mix if part.by)]
    nodes = [Node(_label(label), "label", (label, "labels: " + _translator(experiment, label),
                                           *([label_scores[label]] if label in label_scores else [])))
             for label in labels]
    nodes += [Node(_system(system.name), system.kind, (system.name, *_facts(system), *scores.get(system.name, ())))
              for system in shown]
    return Graph(tuple(nodes), tuple(edges))


def _system(name: str) -> str:
    return f"system {name}"


def _label(name: str) -> str:
    return f"label {name}"


def _with_needed(experiment: Experiment, names: Collection[str]) -> list[System]:
    wanted = set(names)
    for system in reversed(experiment.order()):
        if system.name in wanted:
            wanted.update(system.needs)
    declared = {system.name: system for system in experiment.order()}
    others = (way.system for way in experiment.decoded.values() if way.system.name not in declared)
    return [system for system in (*declared.values(), *{one.name: one for one in others}.values())
            if system.name in wanted]


def _translator(experiment: Experiment, label: str) -> str:
    return experiment.labels[label].translator if label in experiment.labels else "human"


def _facts(system: System) -> Iterable[str]:
    if system.init is not None:
        parts = ", ".join(system.init.parts).replace("_", " ")
        yield parts if system.init.source else f"{parts} of {system.init.model}"
    if system.whisper is not None:
        yield "fine-tuned Whisper"
    if system.espnet:
        yield f"stock ESPnet ({system.espnet})"
    yield f"{system.task}: {system.data}" + "".join(f" + {mix.data}" for mix in system.mix)


def picture(graph: Graph) -> Picture:
    """Lay a graph out: a column for each step of the transfer, boxes at the height of what they start from."""
    column = _columns(graph)
    before: dict[str, list[str]] = {}
    for edge in graph.edges:
        before.setdefault(edge.end, []).append(edge.start)
    last = max(column.values(), default=0)
    middle: dict[str, float] = {}
    boxes: dict[str, Box] = {}
    heights = {node.key: PAD + LINE * len(node.lines) + PAD / 2 for node in graph.nodes}
    tallest = max((sum(heights[node.key] + BETWEEN_ROWS for node in graph.nodes if column[node.key] == number)
                   for number in range(last + 1)), default=0) - BETWEEN_ROWS
    for number in range(last + 1):
        nodes = [node for node in graph.nodes if column[node.key] == number]
        nodes.sort(key=lambda node: _mean([middle[key] for key in before.get(node.key, ()) if key in middle]))
        y = MARGIN + (tallest - sum(heights[node.key] + BETWEEN_ROWS for node in nodes) + BETWEEN_ROWS) / 2
        for node in nodes:
            boxes[node.key] = Box(node, MARGIN + number * (WIDTH + BETWEEN_COLUMNS), y, heights[node.key])
            middle[node.key] = y + heights[node.key] / 2
            y += heights[node.key] + BETWEEN_ROWS
    return Picture(2 * MARGIN + (last + 1) * (WIDTH + BETWEEN_COLUMNS) - BETWEEN_COLUMNS, tallest + 2 * MARGIN,
                   tuple(boxes.values()), tuple((edge, _path(boxes[edge.start], boxes[edge.end], boxes.values()))
                                                for edge in graph.edges))


def _columns(graph: Graph) -> dict[str, int]:
    """Return the column of each box: right of all that it starts from, and no further left than its kind."""
    column = {node.key: COLUMNS[node.kind] for node in graph.nodes}
    for _ in graph.nodes:  # as many rounds as the longest way has steps
        for edge in graph.edges:
            column[edge.end] = max(column[edge.end], column[edge.start] + 1)
    used = sorted({*column.values()})
    return {key: used.index(number) for key, number in column.items()}


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values) if values else 0.0


def _path(start: Box, end: Box, boxes: Iterable[Box]) -> str:
    """Return an arrow's way: across the columns in between at the height of an end at which no box is in the way."""
    x, y, to_x, to_y = start.x + WIDTH, start.y + start.height / 2, end.x - 5, end.y + end.height / 2
    between = [box for box in boxes if x < box.x < end.x]
    straight = end.x - BETWEEN_COLUMNS - x

    def free(height: float) -> bool:
        return all(not box.y - 4 < height < box.y + box.height + 4 for box in between)

    if between and free(to_y):
        return f"{_curve(x, y, x + BETWEEN_COLUMNS, to_y)}H{to_x:.1f}"
    if between and free(y):
        return f"M{x:.1f} {y:.1f}L{_curve(x + straight, y, to_x, to_y)[1:]}"
    return _curve(x, y, to_x, to_y)


def _curve(x: float, y: float, to_x: float, to_y: float) -> str:
    bend = (to_x - x) / 2
    return f"M{x:.1f} {y:.1f}C{x + bend:.1f} {y:.1f} {to_x - bend:.1f} {to_y:.1f} {to_x:.1f} {to_y:.1f}"


def sentences(graph: Graph) -> list[str]:
    """Say each arrow, for whoever hears the page."""
    said = {"init": "starts from", "label": "learns from the labels of", "heard": "learns what was written by"}
    return [f"{edge.end.partition(' ')[2]} {said[edge.kind]} {edge.start.partition(' ')[2]}" for edge in graph.edges]


def node_scores(summary: Iterable[Mapping[str, Any]], names: Mapping[str, str], mark: str) -> dict[str, list[str]]:
    """Return the lines of scores of each system: of the metric it is judged by, and of each way of decoding.

    Args:
        summary: the scores, a row a system, of the metric that it is judged by.
        names: how metrics are called.
        mark: what stands between a system and a variant of decoding.
    """
    lines: dict[str, list[str]] = {}
    for row in summary:
        system, _, variant = row["system"].partition(mark)
        lines.setdefault(system, []).append(f"{names[row['metric']]} {row['value']:.1f}"
                                            + (f" with {variant}" if variant else ""))
    return lines
