"""The page of an experiment: what is shown is gathered from results, runs and the work directory."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from stxfer.experiment.config import Experiment
from stxfer.experiment.layout import lm_dir, mt_dir, system_dir
from stxfer.experiment.systems import MARK
from stxfer.report import markdown
from stxfer.report.breakdowns import errors_table, met_line
from stxfer.report.comparisons import headline_metric
from stxfer.report.computed import cluster_lines, computed_lines
from stxfer.report.convergence import facts_table, warnings
from stxfer.report.decoding import decoding_table
from stxfer.report.headlines import NAMES, detectable_line
from stxfer.report.html.audio import Recordings
from stxfer.report.html.charts import IntervalChart
from stxfer.report.html.graph import node_scores, transfer_graph
from stxfer.report.html.maps import utterance_maps
from stxfer.report.html.page import Content, duration_chart, gain_chart, render, score_chart
from stxfer.report.html.provenance import Made, cost_table, lineage, machines
from stxfer.report.html.sources import Sources
from stxfer.report.html.tables import Table, breakdown_tables, changed_table, data_table, label_table, table
from stxfer.report.html.trainings import score_charts, training_charts
from stxfer.report.html.utterances import evenly, utterance_groups
from stxfer.report.leaks import leak_lines
from stxfer.report.runs import Run
from stxfer.score.imported import origin_line

Runs = Mapping[str, Sequence[Run]]


def html_page(experiment: Experiment, results: Mapping[str, Any], runs: Runs, sources: Sources, dump: Path, exp: Path,
              out: Path, *, how: Sequence[tuple[str, str]], through_st: Collection[str], utterances: int,
              embedded_audio: int, pictures: int) -> str:
    """Return the page.

    Args:
        experiment: what is declared.
        results: what ``results.json`` holds.
        runs: by system.
        sources: further files.
        dump, exp: directories of prepared sets, and of models.
        out: the directory that the page is to lie in.
        how: what and value, on making it again.
        through_st: systems that start from speech translation.
        utterances: of each test set that are shown at most.
        embedded_audio: utterances of each test set whose audio is within the page.
        pictures: utterances of tgt_test whose attention and CTC are shown.
    """
    trained = {run.system.name: system_dir(exp, run.system.name, run.seed) for of in runs.values() for run in of}
    judged, figures = _judged(results), sources.figures()
    made = lineage([run.path for of in runs.values() for run in of])
    audio = Recordings(dump, out, _embedded(runs, utterances, embedded_audio))
    return render(Content(
        title=results["name"], languages=(experiment.source_lang, experiment.target_lang), results=results,
        missing=[*_not_compared(experiment, results), *markdown.unscored(dict(results)),
                 *(origin_line(name, of) for name, of in results["imported"].items())],
        warnings=warnings(results["runs"]), charts=_charts(results, judged, through_st),
        tables=_tables(experiment, dict(results), sources, figures) | _costs(made), notes=_notes(dict(results)),
        durations=duration_chart(figures),
        graph=transfer_graph(experiment, trained, node_scores(judged, NAMES, MARK), _label_scores(results)),
        groups=utterance_groups(runs, sources.seconds(), audio.address, utterances,
                               sorted(experiment.compare, key=lambda pair: pair[0] not in through_st)),
        maps=utterance_maps({name: of for name, of in runs.items() if of[0].score["set"] == "tgt_test"}, dump, exp,
                            pictures),
        curves=score_charts(results["curves"], NAMES), trainings=training_charts(_models(experiment, runs, exp)),
        how=[*how, *(("computed", line) for line in computed_lines(results["computed"], mark="")),
             *(("cluster", line) for line in cluster_lines(results.get("cluster", {}))),
             *(("machine", name) for name in machines(made)),
             ("versions", ", ".join(f"{name} {value}" for name, value in results["versions"].items()))],
        made=made))


def _judged(results: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Return the scores of each system by the metric that it is judged by."""
    metrics: dict[str, list[str]] = {}
    for row in results["summary"]:
        metrics.setdefault(row["system"], []).append(row["metric"])
    return [row for row in results["summary"] if row["metric"] == headline_metric(metrics[row["system"]])]


def _not_compared(experiment: Experiment, results: Mapping[str, Any]) -> list[str]:
    compared = {(cell["system"], cell["baseline"]) for cell in results["comparisons"]}
    missing = [f"{system} against {baseline}" for system, baseline in experiment.compare
               if (system, baseline) not in compared]
    return [f"not compared, as not both are scored: {', '.join(missing)}"] if missing else []


def _embedded(runs: Runs, utterances: int, count: int) -> set[tuple[str, str]]:
    """Return the utterances whose audio is embedded: those that are shown, at even distances."""
    found = set()
    for of_system in runs.values():
        shown = [of_system[0].utts[number]["utt"] for number in evenly(len(of_system[0].utts), utterances)]
        found |= {(of_system[0].score["set"], shown[number]) for number in evenly(len(shown), count)}
    return found


def _charts(results: Mapping[str, Any], judged: Sequence[Mapping[str, Any]], through_st: Collection[str]
            ) -> list[IntervalChart]:
    target = [row for row in judged if row["set"] == "tgt_test"]
    metric = target[0]["metric"]
    charts = [score_chart(target, list(through_st), f"{NAMES[metric]} on tgt_test, %, with 95 % interval")]
    cells = [cell for cell in results["comparisons"] if cell["metric"] == metric and cell["set"] == "tgt_test"]
    if any(cell["relative_reduction"] is not None for cell in cells):
        charts.append(gain_chart(cells, f"Relative reduction of {NAMES[metric]}, %, with 95 % interval"))
    return charts


def _tables(experiment: Experiment, results: dict[str, Any], sources: Sources, figures: Mapping[str, Any]
            ) -> dict[str, list[Table]]:
    found = {
        "scores": [table("Target speech recognition", markdown.target_table(experiment, results))],
        "comparisons": [table("Comparisons", markdown.comparison_table(results))],
        "errors": [table("Errors by kind, %", errors_table(results["breakdowns"])),
                   *breakdown_tables(results["breakdowns"]), changed_table(results["breakdowns"])],
        "supporting": [table("Source recognition and translation", markdown.supporting_table(results))],
        "labels": [label_table(results["labels"], results["mt"], NAMES), *sources.label_samples()],
        "training": [table("Trainings and hypotheses", facts_table(results["runs"]))],
        "decoding": [table("Options of decoding", decoding_table(results["runs"]))],
        "data": [data_table(figures)]}
    return {section: kept for section, tables in found.items() if (kept := [one for one in tables if one.rows])}


def _costs(made: Sequence[Made]) -> dict[str, list[Table]]:
    costs = cost_table(made)
    return {"costs": [costs]} if costs.rows else {}


def _notes(results: dict[str, Any]) -> dict[str, list[str]]:
    first = next(metrics for _, metrics in markdown.by_system(results, "tgt_test"))
    words = met_line(results["breakdowns"])
    return {"scores": [f"{markdown.size(first[headline_metric(first)])}; lower is better. *hours*: speech trained on, "
                       "copies at other speeds not counted."],
            "comparisons": [markdown.legend(results), *(f"{detectable_line(cell)}." for cell in results["detectable"])],
            "errors": [words] if words else [],
            "supporting": ["WER, CER: lower is better; BLEU, chrF: higher is better."],
            "training": [markdown.TRAINING], "decoding": [markdown.DECODING],
            "leaks": list(leak_lines(results.get("leaks"), name=str, quote=lambda text: f"“{text}”")),
            "scoring": list(markdown.scoring_lines(results))}


def _label_scores(results: Mapping[str, Any]) -> dict[str, str]:
    return {row["label"]: f"{NAMES[row['metric']]} {row['value']:.1f} on bitext test"
            for row in reversed(results["mt"])}


def _models(experiment: Experiment, runs: Runs, exp: Path) -> dict[str, list[Path]]:
    """Return the directories of what was trained: translators, language models, and systems with all seeds."""
    found = {f"translator of label {label}": [mt_dir(exp, label)] for label in experiment.labels}
    found |= {f"language model {name}": [lm_dir(exp, name)] for name in experiment.lm}
    for of_system in runs.values():
        if not of_system[0].decoded.variant or of_system[0].system.name not in found:
            found[of_system[0].system.name] = [system_dir(exp, run.system.name, run.seed) for run in of_system]
    return found
