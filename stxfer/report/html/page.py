"""The page: results and what belongs to them laid out by templates that escape all text, sealed against the network."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from stxfer.report.escapes import visible
from stxfer.report.html.charts import Interval, IntervalChart, LineChart, intervals
from stxfer.report.html.graph import LETTERS, WIDTH, Graph, picture, sentences
from stxfer.report.html.maps import LABELS, ROW, Utterance
from stxfer.report.html.maps import WIDTH as MAP_WIDTH
from stxfer.report.html.provenance import Made
from stxfer.report.html.tables import Table

STYLE, SCRIPTS = "page.css", ("tables.js", "utterances.js")
_EMPHASIS = re.compile(r"\*(\S[^*]*?)\*|`([^`]+)`")
_UNSAFE = {"<": "\\u003c", ">": "\\u003e", "&": "\\u0026", "\u2028": "\\u2028", "\u2029": "\\u2029"}


@dataclass(frozen=True)
class Content:
    """What a page shows.

    Attributes:
        title, languages: of the experiment.
        results: what ``results.json`` holds.
        missing: sentences on what was not compared or not scored.
        warnings: sentences on trainings and hypotheses that are worth a look.
        charts: of scores and comparisons.
        tables: by section.
        notes: sentences by section, above its tables.
        durations: of the utterances of each set.
        graph: of systems.
        groups: see :func:`stxfer.report.html.utterances.utterance_groups`.
        maps: of attention and CTC.
        curves: of scores over hours and text.
        trainings: of models.
        how: what and value, on making it again.
        made: see :func:`stxfer.report.html.provenance.lineage`.
    """

    title: str
    languages: tuple[str, str]
    results: Mapping[str, Any]
    missing: Sequence[str]
    warnings: Sequence[str]
    charts: Sequence[IntervalChart]
    tables: Mapping[str, Sequence[Table]]
    notes: Mapping[str, Sequence[str]]
    durations: IntervalChart
    graph: Graph
    groups: Sequence[Mapping[str, Any]]
    maps: Sequence[Utterance]
    curves: Sequence[LineChart]
    trainings: Sequence[LineChart]
    how: Sequence[tuple[str, str]]
    made: Sequence[Made]


def render(content: Content) -> str:
    """Return the page, which loads nothing from anywhere but the audio that it links to."""
    folder = files(__package__)
    style = folder.joinpath(STYLE).read_text(encoding="utf-8")
    script = "".join(folder.joinpath(name).read_text(encoding="utf-8") for name in SCRIPTS)
    policy = (f"default-src 'none'; style-src {_hash(style)}; script-src {_hash(script)}; img-src data:; "
              "media-src 'self' data:; base-uri 'none'; form-action 'none'")
    environment = Environment(loader=PackageLoader("stxfer.report.html", ""), autoescape=True, trim_blocks=True,
                              lstrip_blocks=True, undefined=StrictUndefined, finalize=_shown)
    environment.filters |= {"emphasis": emphasis, "embedded": embedded_json}
    return environment.get_template("page.html.j2").render(
        content=content, picture=picture(content.graph), box_width=WIDTH, letters=LETTERS, map_width=MAP_WIDTH,
        map_labels=LABELS, map_row=ROW,
        arrows=sentences(content.graph), policy=Markup(policy), style=Markup(style), script=Markup(script))


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def _shown(value: Any) -> Any:
    """Make visible what text of unknown origin hides: control characters and changes of direction."""
    return visible(value) if type(value) is str else value


def emphasis(text: str) -> Markup:
    """Return a sentence of this package in which ``*words*`` and ```code``` are marked up, the rest escaped."""
    return Markup(_EMPHASIS.sub(lambda found: f"<em>{found[1]}</em>" if found[1] else f"<code>{found[2]}</code>",
                                str(escape(text))))


def embedded_json(value: Any) -> Markup:
    """Return a value as JSON that ends no script element, and that JavaScript, too, reads as it is."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return Markup(re.sub("[<>&\u2028\u2029]", lambda found: _UNSAFE[found[0]], text))


def score_chart(rows: Sequence[Mapping[str, Any]], accent: Sequence[str], title: str) -> IntervalChart:
    """Return scores with intervals; those of ``accent`` are drawn as what starts from speech translation."""
    return intervals(title, [
        Interval(row["system"], row["value"], row["ci_low"], row["ci_high"],
                 f"{row['value']:.1f}" + ("" if row["sd"] is None else f" ± {row['sd']:.1f}"),
                 "accent" if row["system"] in accent else "plain") for row in rows if row["ci_low"] is not None])


def gain_chart(cells: Sequence[Mapping[str, Any]], title: str) -> IntervalChart:
    """Return the gains of comparisons with their intervals; inside them, those over utterances alone."""
    return intervals(title, [_gain(cell) for cell in cells if cell["relative_reduction"] is not None])


def _gain(cell: Mapping[str, Any]) -> Interval:
    gain, low, high = (100 * cell[key] for key in ("relative_reduction", "ci_low", "ci_high"))
    of_utterances = cell["intervals"].get("utterances", ()) if len(cell["intervals"]) > 1 else ()
    return Interval(f"{cell['system']} vs {cell['baseline']}", gain, low, high, f"{gain:+.1f} {cell['verdict']}",
                    cell["verdict"] if cell["verdict"] in ("better", "worse") else "unclear",
                    tuple(100 * end for end in of_utterances))


def duration_chart(stats: Mapping[str, Mapping[str, Any]]) -> IntervalChart:
    """Return medians of the durations of each set's utterances, with nine tenths and the middle half of them."""
    rows = [(name, seconds) for name, of in stats.items() if (seconds := of.get("seconds"))]
    return intervals("Durations of utterances, seconds", [
        Interval(name, of["median"], of["5 %"], of["95 %"], f"{of['median']:.1f}", "unclear", (of["25 %"], of["75 %"]))
        for name, of in rows])
