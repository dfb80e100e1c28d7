"""What makes a table worthless before anything in it is compared, said at the top of the report."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from stxfer.report.comparisons import headline_metric
from stxfer.report.headlines import NAMES

WORST = {"wer": 90.0, "cer": 90.0}  # above: nearly every word is wrong, and what is right may be chance
LEAST = {"bleu": 5.0}  # below: what is written is not a translation of what is said
REPEATED = 0.2  # share of utterances whose label is that of another sentence, too
LENGTHS = 1.5  # times as long: what a model has not seen in training, it may not decode


def banners(results: Mapping[str, Any]) -> list[str]:
    """Return a sentence for each of: useless systems and translators, labels that repeat, and unlike lengths.

    Args:
        results: ``summary``, ``mt``, and ``labels`` and ``lengths`` of :mod:`stxfer.report.materials`.
    """
    return [*_systems(results), *_labels(results), *_lengths(results)]


def _systems(results: Mapping[str, Any]) -> Iterator[str]:
    metrics: dict[str, dict[str, Mapping[str, Any]]] = {}
    for row in results["summary"]:
        metrics.setdefault(row["system"], {})[row["metric"]] = row
    for system, of in metrics.items():
        row = of[headline_metric(of)]
        yield from _useless(system, row["set"], row["metric"], row["value"])
    for row in results["mt"]:
        yield from _useless(f"the translator of label {row['label']}", "the bitext's test part", row["metric"],
                            row["value"])


def _useless(who: str, where: str, metric: str, value: float) -> Iterator[str]:
    if value > WORST.get(metric, value):
        yield (f"{who} has {NAMES[metric]} {value:.1f} on {where}, above {WORST[metric]:.0f}: it recognises next to "
               "nothing, and differences from it mean little")
    if value < LEAST.get(metric, value):
        yield (f"{who} has {NAMES[metric]} {value:.1f} on {where}, below {LEAST[metric]:.0f}: it does not translate, "
               "and what is built on it has not learnt from translations")


def _labels(results: Mapping[str, Any]) -> Iterator[str]:
    for row in results["labels"]:
        if row["repeated"] > REPEATED * row["n_utts"]:
            yield (f"label {row['label']} of {row['set']}: {row['repeated']:,} of {row['n_utts']:,} utterances have "
                   f"the label of another sentence, too; the most frequent one, of {row['most_frequent']:,}: "
                   f"{row['example']!r}")


def _lengths(results: Mapping[str, Any]) -> Iterator[str]:
    for row in results["lengths"]:
        train, test = row["train_median"], row["test_median"]
        if max(train, test) > LENGTHS * min(train, test):
            yield (f"utterances of {row['test']} last {test:.1f} s and those of {row['train']} {train:.1f} s "
                   "(medians): how systems do on lengths that they were not trained on is part of every score")
