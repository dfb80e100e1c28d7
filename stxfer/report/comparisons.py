"""Systems held against each other: scores with intervals, differences with tests, and what is detectable."""

from __future__ import annotations

import itertools
import logging
import statistics
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stxfer.core.errors import DataError
from stxfer.report.runs import Run
from stxfer.score import st
from stxfer.score.bootstrap import Array, Score
from stxfer.score.draws import draw
from stxfer.score.mapsswe import mapsswe
from stxfer.score.randomisation import randomisation_tests
from stxfer.score.significance import Draws, Judged, error_rate, holm, judge_difference, judge_gain, judge_score

HEADLINES = ("wer", "bleu", "cer", "chrf")  # the first of these that a system has is what it is judged by
log = logging.getLogger(__name__)
Runs = Mapping[str, Sequence[Run]]
Drawn = Mapping[tuple[str, str], Draws]
"""Resampled systems, by name and metric."""


@dataclass(frozen=True)
class Metric:
    """How a metric is computed from summed statistics of utterances, and which direction is good."""

    score: Score
    higher_is_better: bool
    resamples: int


def _translation(name: str) -> Callable[[Array], Array]:
    return lambda sums: st.scores_of_sums(name, sums)


METRICS = {"wer": Metric(error_rate, False, 10_000), "cer": Metric(error_rate, False, 10_000),
           "bleu": Metric(_translation("bleu"), True, 1_000), "chrf": Metric(_translation("chrf"), True, 1_000)}


def headline_metric(metrics: Collection[str]) -> str:
    """Return the metric that a system is judged by: WER, BLEU of ST, CER of a language written without spaces."""
    return next(metric for metric in HEADLINES if metric in metrics)


def resample(runs: Runs) -> dict[tuple[str, str], Draws]:
    """Draw utterances, and speakers, of every test set, the same for all its systems."""
    tasks: dict[tuple[str, str, str], dict[str, Sequence[Run]]] = {}
    for name, of_system in runs.items():
        for metric in of_system[0].score["metrics"]:
            first = of_system[0].score
            tasks.setdefault((first["set"], first["task"], metric), {})[name] = of_system
    made = {}
    for (test_set, _, metric), systems in tasks.items():
        log.info("resampling %s on %s", metric.upper(), test_set)
        stats = {name: {run.seed: run.statistics(metric) for run in of} for name, of in systems.items()}
        drawn = draw(stats, METRICS[metric].resamples, speakers=next(iter(systems.values()))[0].speakers)
        made.update({(name, metric): of for name, of in drawn.items()})
    return made


def summarise(runs: Runs, draws: Drawn) -> list[dict[str, Any]]:
    """Return a metric of a system each, pooled over its seeds.

    ``ci_low``, ``ci_high`` and ``over``: its interval, and what was drawn for it (``utterances`` or ``speakers``, and
    ``seeds``); ``intervals``: all there are; ``enough``: whether it is evidence; ``sd``: standard deviation over seeds.
    """
    rows = []
    for name, of_system in runs.items():
        first = of_system[0].score
        for metric, counts in first["metrics"].items():
            judged = judge_score(draws[name, metric], METRICS[metric].score)
            values = [run.score["metrics"][metric]["value"] for run in of_system]
            rows.append({"system": first["system"], "set": first["set"], "train_hours": first["train_hours"],
                         "train_hours_with_copies": first.get("train_hours_with_copies", first["train_hours"]),
                         "metric": metric, "value": judged.best.value, **_interval(judged), "enough": judged.enough,
                         "sd": float(np.std(values, ddof=1)) if len(values) > 1 else None,
                         "seeds": [run.seed for run in of_system], "n_utts": counts["n_utts"],
                         "n_speakers": first.get("speakers"), "n_ref": counts["n_ref"]})
    return rows


def compare_systems(pairs: Iterable[tuple[str, str]], runs: Runs, draws: Drawn) -> list[dict[str, Any]]:
    """Return a metric of a pair of systems each.

    ``relative_reduction`` is a fraction (0.2: a fifth fewer errors) with ``ci_low``, ``ci_high``, ``over`` and
    ``intervals`` as in :func:`summarise`; None, all of them, where the baseline's score is 0. ``value``,
    ``baseline_value``: the scores. ``p``: of the difference, over the same as the interval; ``p_holm``: corrected for
    the ``n_tests`` that are made at once, of the metrics that the systems are judged by, or of the others.
    ``randomisation``: p of approximate randomisation of utterances; ``mapsswe``: of word errors, ``p``, ``z`` and
    ``segments`` of the matched pairs test, of the seeds that both have (none: of each the first) those of the largest
    p. ``verdict``: see :meth:`stxfer.score.significance.Judged.verdict`. ``needed``: how many of ``needed_of`` would
    show a difference of this size in four of five test sets, None: that cannot be told, or ``needed_of`` is ``seeds``,
    of which there have to be more first.

    Raises:
        DataError: a pair has no score in common.
    """
    cells = []
    for name, baseline in pairs:
        log.info("comparing %s with %s", name, baseline)
        cells += _compare(runs[name], runs[baseline], draws)
    _randomise(cells, runs)
    for judged_by in (True, False):
        together = [cell for cell in cells
                    if judged_by == (cell["metric"] == headline_metric(runs[cell["system"]][0].score["metrics"]))]
        for cell, p in zip(together, holm([cell["p"] for cell in together]), strict=True):
            judged: Judged = cell.pop("judged")
            cell |= {"p_holm": p, "n_tests": sum(other["p"] is not None for other in together),
                     "verdict": judged.verdict(p)}
    return cells


def detectable(runs: Runs, draws: Drawn) -> list[dict[str, Any]]:
    """Return the smallest difference that each test set shows in four of five cases, relative, by metric.

    ``difference`` is the median of all pairs of its systems with as many seeds, from the standard error of their
    difference, without correction; ``pairs``: how many. Of one system alone it is what another would have to differ by
    whose errors have nothing to do with its own: pairing can only make it smaller.
    """
    sets: dict[tuple[str, str], list[str]] = {}
    for name, of_system in runs.items():
        sets.setdefault((of_system[0].score["set"], of_system[0].score["task"]), []).append(name)
    rows = []
    for (test_set, _), names in sets.items():
        first = runs[names[0]][0].score
        metric = headline_metric(first["metrics"])
        how = METRICS[metric]
        pairs = list(itertools.combinations(names, 2))
        found = [size for one, other in pairs if (size := judge_gain(
            draws[one, metric], draws[other, metric], how.score, higher_is_better=how.higher_is_better).detectable)]
        if not pairs:
            alone = judge_score(draws[names[0], metric], how.score).best
            found = [2 ** 0.5 * alone.detectable / alone.value] if alone.value and alone.error else []
        rows.append({"set": test_set, "metric": metric, "difference": statistics.median(found) if found else None,
                     "pairs": len(pairs), "n_utts": first["metrics"][metric]["n_utts"],
                     "n_ref": first["metrics"][metric]["n_ref"], "n_speakers": first.get("speakers")})
    return rows


def _compare(system: Sequence[Run], baseline: Sequence[Run], draws: Drawn) -> list[dict[str, Any]]:
    one, other = system[0].score, baseline[0].score
    if one["set"] != other["set"] or one["task"] != other["task"]:
        raise DataError(f"compare: {one['system']} ({one['task']} on {one['set']}) and {other['system']} "
                        f"({other['task']} on {other['set']}) have no score in common; correct the config")
    cells = []
    for metric in one["metrics"]:
        how, pair = METRICS[metric], (draws[one["system"], metric], draws[other["system"], metric])
        gain = judge_gain(*pair, how.score, higher_is_better=how.higher_is_better)
        p = judge_difference(*pair, how.score).best.p
        needed = gain.needed if p is not None else None  # a difference that does not vary tells nothing of more
        cells.append({
            "system": one["system"], "baseline": other["system"], "set": one["set"], "metric": metric,
            "relative_reduction": gain.best.value if gain.has_value else None, **_interval(gain),
            "value": judge_score(pair[0], how.score).best.value,
            "baseline_value": judge_score(pair[1], how.score).best.value,
            "p": p,
            "mapsswe": _matched_pairs(system, baseline) if metric == "wer" else None,
            "needed": needed, "needed_of": _needed_of(gain) if p is not None else None, "detectable": gain.detectable,
            "n_utts": gain.n_utts, "n_speakers": one.get("speakers"), "n_seeds": len(system),
            "n_seeds_baseline": len(baseline), "judged": gain})
    return cells


def _randomise(cells: Sequence[dict[str, Any]], runs: Runs) -> None:
    """Add ``randomisation`` to comparisons, those of one test set and metric together."""
    means: dict[tuple[str, str], NDArray[np.float64]] = {}
    together: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for cell in cells:
        together.setdefault((cell["set"], cell["metric"]), []).append(cell)
        for name in (cell["system"], cell["baseline"]):
            if (name, cell["metric"]) not in means:
                means[name, cell["metric"]] = np.mean([run.statistics(cell["metric"]) for run in runs[name]], axis=0)
    for (_, metric), of in together.items():
        pairs = [(means[cell["system"], metric], means[cell["baseline"], metric]) for cell in of]
        how = METRICS[metric]
        for cell, p in zip(of, randomisation_tests(pairs, how.score, shuffles=how.resamples), strict=True):
            cell["randomisation"] = p


def _interval(judged: Judged) -> dict[str, Any]:
    known = judged.has_value
    return {"ci_low": judged.best.low if known else None, "ci_high": judged.best.high if known else None,
            "over": judged.over, "intervals": {over: [of.low, of.high] for over, of in judged.estimates.items()
                                               if np.isfinite([of.low, of.high]).all()}}


def _needed_of(judged: Judged) -> str | None:
    if judged.needed is not None:
        return judged.unit
    varies = judged.has_value and judged.best.value and judged.best.unit_error
    return "seeds" if varies else None


def _matched_pairs(system: Sequence[Run], baseline: Sequence[Run]) -> dict[str, Any] | None:
    of_seed = {run.seed: run for run in baseline}
    pairs = [(run, of_seed[run.seed]) for run in system if run.seed in of_seed] or [(system[0], baseline[0])]
    found = [test for one, other in pairs if (test := mapsswe(one.alignment, other.alignment))]
    if not found:
        return None
    least = max(found, key=lambda test: -1.0 if test.p is None else test.p)
    return {"p": least.p, "z": least.z, "segments": least.segments}
