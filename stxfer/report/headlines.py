"""What a comparison shows, in a sentence, and which of these sentences may stand at the top of a report.

A headline says that one system beats another. It needs a difference that is confirmed after correction for all
comparisons made, a baseline that is useful itself (:data:`USEFUL`), and says whose speech and how many trainings it
rests on. What lacks one of these is said in other words.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from stxfer.report.comparisons import METRICS, headline_metric
from stxfer.score.significance import ALPHA, TOO_FEW

NAMES = {"wer": "WER", "cer": "CER", "bleu": "BLEU", "chrf": "chrF"}
# A recogniser that gets more words wrong than right is no baseline to beat; nor is a translator whose text has BLEU
# below 10, "almost useless" in the usual scale (Lavie 2011).
USEFUL = {"wer": 50.0, "cer": 50.0, "bleu": 10.0, "chrf": 25.0}
Cell = Mapping[str, Any]


def useful(cell: Cell) -> bool:
    """Whether a comparison's baseline is worth beating."""
    bound, value = USEFUL[cell["metric"]], cell["baseline_value"]
    return bool(value >= bound if METRICS[cell["metric"]].higher_is_better else value < bound)


def is_headline(cell: Cell) -> bool:
    """Whether a comparison is a headline: confirmed, and over a useful baseline."""
    return cell["verdict"] == "better" and useful(cell)


def headline(cell: Cell) -> str:
    """Say in plain words what a comparison shows, e.g. ``a beats b by 21.3 % relative WER [17.0, 25.1] (...)``."""
    system, baseline, metric = cell["system"], cell["baseline"], f"relative {NAMES[cell['metric']]}"
    if cell["relative_reduction"] is None:
        return f"{system} against {baseline}: no {metric}, the score of {baseline} is 0 or nearly so"
    value, low, high = (100 * cell[key] for key in ("relative_reduction", "ci_low", "ci_high"))
    gain, basis = f"{value:+.1f} % {metric}", _basis(cell)
    if cell["verdict"] == TOO_FEW:
        return f"{system} against {baseline}: {TOO_FEW} ({gain}; {_size(cell)}){_needed(cell)}"
    if cell["verdict"] == "better" and useful(cell):
        return f"{system} beats {baseline} by {value:.1f} % {metric} [{low:.1f}, {high:.1f}] ({basis})"
    if cell["verdict"] == "better":
        return (f"{system} is better than {baseline} by {value:.1f} % {metric} [{low:.1f}, {high:.1f}] ({basis}), but "
                f"{baseline} is of little use itself: {_use(cell)}")
    if cell["verdict"] == "worse":
        return f"{system} is worse than {baseline} by {-value:.1f} % {metric} [{-high:.1f}, {-low:.1f}] ({basis})"
    shown = f"{gain} [{low:+.1f}, {high:+.1f}]; {basis}"
    if low > 0 or high < 0:
        return (f"{system} against {baseline}: no difference that is confirmed among {cell['n_tests']} comparisons "
                f"({shown}; p {cell['p']:.2g}, corrected {cell['p_holm']:.2g}, not below {ALPHA:g}){_needed(cell)}")
    return f"{system} against {baseline}: no difference that the interval confirms ({shown}){_needed(cell)}"


def headlines(results: Cell) -> list[tuple[str, bool]]:
    """Return a sentence for each compared pair, by the metric it is judged by, and whether it is a headline."""
    pairs: dict[tuple[str, str], dict[str, Cell]] = {}
    for cell in results["comparisons"]:
        pairs.setdefault((cell["system"], cell["baseline"]), {})[cell["metric"]] = cell
    judged = [metrics[headline_metric(metrics)] for metrics in pairs.values()]
    return [(headline(cell), is_headline(cell)) for cell in judged]


def detectable_line(cell: Cell) -> str:
    """Say how small a difference a test set shows, of ``results["detectable"]``."""
    size, metric = f"{cell['set']} ({_size(cell)})", NAMES[cell["metric"]]
    if cell["difference"] is None:
        return f"{size}: which differences it would show cannot be told"
    between = (f"the median of {many(cell['pairs'], 'pair')} of systems" if cell["pairs"] else
               "of two systems whose errors have nothing to do with each other")
    return (f"{size} shows a difference of {100 * cell['difference']:.0f} % relative {metric} or more in four of five "
            f"cases, before correction ({between})")


def many(number: int, what: str) -> str:
    """Return a number with its noun, ``1 utterance`` or ``2 utterances``."""
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def _basis(cell: Cell) -> str:
    """Say what an interval rests on, and for whom it speaks."""
    seeds, speakers = min(cell["n_seeds"], cell["n_seeds_baseline"]), cell["n_speakers"]
    trained = "one seed" if seeds == 1 else f"{seeds} seeds"
    said = _size(cell)
    if "speakers" not in cell["over"]:
        said += (", not known of whom" if speakers is None else ": for that speaker alone" if speakers == 1 else
                 ": for those speakers alone")
    if "seeds" not in cell["over"] and seeds > 1:
        trained += ", too few to speak for others"
    return f"{said}; {trained}"


def _size(cell: Cell) -> str:
    speakers = cell["n_speakers"]
    return many(cell["n_utts"], "utterance") + (f" of {many(speakers, 'speaker')}" if speakers else "")


def _use(cell: Cell) -> str:
    higher, value = METRICS[cell["metric"]].higher_is_better, cell["baseline_value"]
    return f"{NAMES[cell['metric']]} {value:.1f}, {'below' if higher else 'not below'} {USEFUL[cell['metric']]:.0f}"


def _needed(cell: Cell) -> str:
    """Say how large a test set would have to be, where that can be told."""
    if cell["needed_of"] == "seeds":
        return "; more training seeds are needed before more speech could show a difference of this size"
    needed, of = cell["needed"], cell["needed_of"]
    have = cell["n_speakers"] if of == "speakers" else cell["n_utts"]
    if not needed or needed <= have and cell["verdict"] != TOO_FEW:
        return ""
    number = "more than a million" if needed > 1_000_000 else f"about {needed:,}"
    return f"; a test set of {number} {of} would show a difference of this size"
