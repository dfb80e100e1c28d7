"""Tables of the page, which its script sorts and filters."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from stxfer.report.breakdowns import SHOWN_MET
from stxfer.score.breakdown import FREQUENCIES, LENGTHS

SPEAKERS = 300  # that a table has
_NUMBER = re.compile(r"[\[<]?[+-]?\d[\d.,]*( ±|,| to|\]|$)|-$")


@dataclass(frozen=True)
class Table:
    """A table.

    Attributes:
        name: its caption.
        header: names of the columns.
        rows: cells, as text; numbers sort by what they begin with.
    """

    name: str
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]

    @cached_property
    def numeric(self) -> tuple[bool, ...]:
        """Which columns hold numbers, for the most part."""
        return tuple(sum(map(bool, map(_NUMBER.match, column))) > len(column) / 2
                     for column in zip(*self.rows, strict=True)) or (False,) * len(self.header)


def table(name: str, rows: Sequence[Sequence[str]]) -> Table:
    """Return a table of rows, the first of which is the header."""
    return Table(name, tuple(rows[0]), tuple(map(tuple, rows[1:])))


def breakdown_tables(breakdowns: Mapping[str, Any]) -> list[Table]:
    """Return WER by speaker and by length, and the words that are wrong by where and how often they have been met."""
    kinds = {"speaker": ("Word error rate by speaker, %", "utterances"),
             "length": ("Word error rate by length of the utterance in words, %", "utterances"),
             "met": ("Words that are wrong, by where they could have been met, %", "words"),
             "frequency": ("Words that are wrong, by how often they stand in target training, %", "words")}
    orders = {"length": LENGTHS, "frequency": FREQUENCIES}
    found = []
    for by, (name, unit) in kinds.items():
        rows = [row for row in (*breakdowns["utterances"], *breakdowns["words"]) if row["by"] == by]
        systems = list(dict.fromkeys(row["system"] for row in rows))
        cells = {(row["kind"], row["system"]): row for row in rows}
        groups = [kind for kind in orders.get(by) or dict.fromkeys(row["kind"] for row in rows)
                  if any(cells.get((kind, system), {}).get("n", 1) and (kind, system) in cells for system in systems)]
        if by == "speaker" and len(groups) > SPEAKERS:
            groups = sorted(groups, key=lambda kind: -_row(cells, kind, systems)["n_utts"])[:SPEAKERS]
            name += f", of the {SPEAKERS} who say most"
        if len(groups) > 1:
            found.append(table(name, [[by, unit, *systems], *(
                [SHOWN_MET.get(kind, kind) if by == "met" else kind, _size(cells, kind, systems),
                 *(_percent(cells.get((kind, system))) for system in systems)] for kind in groups)]))
    return found


def _size(cells: Mapping[tuple[str, str], Mapping[str, Any]], kind: str, systems: Sequence[str]) -> str:
    row = _row(cells, kind, systems)
    return f"{row.get('n_utts', row.get('n')):,}"


def _row(cells: Mapping[tuple[str, str], Mapping[str, Any]], kind: str, systems: Sequence[str]) -> Mapping[str, Any]:
    """Return the row of the first system that has one."""
    return next(cells[kind, system] for system in systems if (kind, system) in cells)


def _percent(row: Mapping[str, Any] | None) -> str:
    return "-" if row is None or row["value"] is None else f"{row['value']:.1f}"


def changed_table(breakdowns: Mapping[str, Any]) -> Table:
    """Return the words most gained and lost by the compared pairs."""
    rows = [["word", "system", "baseline", "change", "said", "right by the baseline", "right by the system"]]
    for pair in breakdowns["changed"]:
        rows += [[word["word"], pair["system"], pair["baseline"], what, str(word["n"]), f"{word['baseline']:.3g}",
                  f"{word['system']:.3g}"] for what in ("gained", "lost") for word in pair[what]]
    return table("Words most gained and lost", rows)


def data_table(stats: Mapping[str, Mapping[str, Any]]) -> Table:
    """Return the figures of the prepared sets."""
    rows = [["set", "utterances", "speakers", "hours", "median s", "shortest s", "longest s", "words",
             "different words", "not in training %"]]
    for name, of in stats.items():
        seconds, text = of.get("seconds") or {}, of.get("texts", {}).get("text", {})
        rows.append([name, f"{of['utterances']:,}", _whole(of.get("speakers")), _number(of.get("hours"), 2),
                     *(_number(seconds.get(key), 1) for key in ("median", "min", "max")),
                     *(_whole(text.get(key)) for key in ("words", "distinct_words")),
                     "-" if text.get("oov") is None else f"{100 * text['oov']:.1f}"])
    return table("Prepared sets", rows)


def label_table(labels: Sequence[Mapping[str, Any]], translators: Sequence[Mapping[str, Any]],
                names: Mapping[str, str]) -> Table:
    """Return how far labels repeat, and the scores of the translators that made them."""
    scores: dict[str, list[str]] = {}
    for row in translators:
        scores.setdefault(row["label"], []).append(f"{names[row['metric']]} {row['value']:.1f}")
    rows = [["label", "set", "translator on test", "utterances", "label of several sentences", "most frequent",
             "which"]]
    rows += [[row["label"], row["set"], ", ".join(scores.get(row["label"], ["-"])), f"{row['n_utts']:,}",
              f"{row['repeated']:,}", f"{row['most_frequent']:,}", row["example"]] for row in labels]
    return table("Labels that speech translation learns from", rows)


def _whole(value: int | None) -> str:
    return "-" if value is None else f"{value:,}"


def _number(value: float | None, digits: int) -> str:
    return "-" if value is None else f"{value:.{digits}f}"
