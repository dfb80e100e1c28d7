"""Scores of all systems gathered into what ``results.json`` holds; everything shown is drawn from that."""

from __future__ import annotations

import logging
import platform
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np

import stxfer
from stxfer.core.errors import DataError, StaleError
from stxfer.core.fresh import Declared, check_input
from stxfer.core.marker import MARKER
from stxfer.core.records import read_record, read_rows
from stxfer.experiment.config import Experiment
from stxfer.experiment.layout import SCORE, UTTERANCES, decode_dir, mt_scores, score_dir, system_dir
from stxfer.experiment.records import Score, ScoredUtterance, TranslatorScore
from stxfer.experiment.systems import System
from stxfer.experiment.variants import DecodedSystem
from stxfer.report.computed import computed_facts
from stxfer.report.convergence import run_facts
from stxfer.report.decoding import decoding_facts
from stxfer.score import significance, st
from stxfer.score.reference import has_reference, reference_path
from stxfer.training.language_models import dev_perplexities

HEADLINES = ("wer", "bleu", "cer", "chrf")  # the first of these that a system has is what it is judged by
PACKAGES = ("torch", "torchaudio", "espnet", "sentencepiece", "jiwer", "sacrebleu")
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Metric:
    """How a metric is computed from summed statistics of utterances, and which direction is good."""

    score: significance.Score
    higher_is_better: bool
    resamples: int


def _translation(name: str) -> Callable[[np.ndarray], np.ndarray]:
    return lambda sums: st.scores_of_sums(name, sums)


METRICS = {"wer": Metric(significance.error_rate, False, 10_000),
           "cer": Metric(significance.error_rate, False, 10_000),
           "bleu": Metric(_translation("bleu"), True, 1_000),
           "chrf": Metric(_translation("chrf"), True, 1_000)}


def headline_metric(metrics: Collection[str]) -> str:
    """Return the metric that a system is judged by: WER, BLEU of ST, CER of a language written without spaces."""
    return next(metric for metric in HEADLINES if metric in metrics)


@dataclass(frozen=True)
class Run:
    """The scores of one system trained with one seed and decoded in one way."""

    decoded: DecodedSystem
    seed: int
    path: Path
    score: dict[str, Any]
    utts: list[dict[str, Any]]

    @property
    def name(self) -> str:
        """What the report calls the system: ``direct``, ``direct+lm``."""
        return self.decoded.name

    @property
    def system(self) -> System:
        """The trained system."""
        return self.decoded.system

    def statistics(self, metric: str) -> np.ndarray:
        """Return what the bootstrap sums, (utterances, k)."""
        if metric in st.METRICS:
            return st.sentence_statistics(metric, [u["ref"] for u in self.utts], [u["hyp"] for u in self.utts],
                                          self.score["metrics"][metric].get("tokeniser", st.TOKENISER))
        return np.array([[u[metric]["sub"] + u[metric]["del"] + u[metric]["ins"], u[metric]["n_ref"]]
                         for u in self.utts], dtype=np.int64)


def unscorable(experiment: Experiment, dump: Path) -> dict[str, str]:
    """Return the systems that cannot be scored, each with the reference that is absent; "" if it is trained on text."""
    return {decoded.name: "" if decoded.system.task == "text" else
            f"{decoded.system.test_set}/{reference_path(experiment, decoded.system, dump).name}"
            for decoded in experiment.decoded.values() if not has_reference(experiment, decoded.system, dump)}


def read_runs(experiment: Experiment, expdir: Path, *, systems: Sequence[str] = (), seeds: Sequence[int] = (),
              unscored: Collection[str] = (), declared: Declared | None = None,
              allow_stale: bool = False) -> dict[str, list[Run]]:
    """Read the scores of each system, in the config's order; one run a seed.

    Every requested system and seed (none named: all of the config) must be there, but for those ``unscored``;
    others are taken along where they are scored and up to date.

    Raises:
        DataError: a requested one is not scored, or runs were scored against different references.
        StaleError: a requested one was scored on something that has changed since, or by other options than
            ``declared``.
    """
    wanted = {decoded.name for decoded in experiment.select_decoded(systems)} - set(unscored)
    wanted_seeds = tuple(seeds) or experiment.seeds
    runs: dict[str, list[Run]] = {}
    for name, decoded in experiment.decoded.items():
        for seed in sorted({*experiment.seeds, *wanted_seeds}):
            requested = name in wanted and seed in wanted_seeds
            path = score_dir(expdir, decoded.system, seed, decoded.variant)
            if not (path / MARKER).exists():
                if requested:
                    raise DataError(f"{path}: {name} seed {seed} is not scored. Run stages decode and score first: "
                                    f"--stage decode --stop-stage score --systems {name} --seeds {seed}")
                continue
            try:
                if not allow_stale:
                    check_input(path, declared)
            except (DataError, StaleError) as error:
                if requested:
                    raise
                log.warning("%s seed %d is left out of the report: %s", name, seed, error)
                continue
            runs.setdefault(name, []).append(Run(decoded, seed, path, read_record(path / SCORE, Score),
                                                        read_rows(path / UTTERANCES, ScoredUtterance)))
    _check_references(run for of_system in runs.values() for run in of_system)
    return runs


def collect_results(experiment: Experiment, expdir: Path, runs: dict[str, list[Run]],
            unscored: Mapping[str, str]) -> dict[str, Any]:
    """Return the content of ``results.json``.

    ``rows``: a metric of a run each. ``summary``: a metric of a system each, pooled over its seeds, with its interval
    (``enough``: whether that is evidence) and the standard deviation over seeds. ``comparisons``: of
    ``experiment.compare``, those whose systems are both in ``runs``. ``unscored``: systems that have no reference, see
    :func:`unscorable`. ``runs``: of each run and of those that cannot be scored, see
    :func:`stxfer.report.convergence.run_facts` and :func:`stxfer.report.decoding.decoding_facts`. ``lm``: what the
    language models reach on the development set. ``computed``: see :func:`stxfer.report.computed.computed_facts`.
    ``mt``: the translators' own scores. ``signatures``: how each metric
    of each set was computed. Rates in percent, relative reductions as fractions (0.2: a fifth fewer errors).

    Raises:
        DataError: translators were scored in different ways, or a pair to compare has no score in common.
    """
    everything = [run for of_system in runs.values() for run in of_system]
    rows = [{"system": run.name, "seed": run.seed, "train_hours": run.score["train_hours"],
             "set": run.score["set"], "metric": metric, "value": value["value"], "n_utts": value["n_utts"],
             "n_ref": value["n_ref"]} for run in everything for metric, value in run.score["metrics"].items()]
    signatures = {f"{metric} {run.score['set']}": value["signature"]
                  for run in everything for metric, value in run.score["metrics"].items()} | _mt_signatures(expdir)
    pooled = {(name, metric): _summed(run.statistics(metric) for run in of_system)
              for name, of_system in runs.items() for metric in of_system[0].score["metrics"]}
    comparisons = []
    for name, baseline in experiment.compare:
        if name in runs and baseline in runs:
            log.info("comparing %s with %s", name, baseline)
            comparisons += _compare(runs[name], runs[baseline], pooled)
    return {"name": experiment.name,
            "versions": {"python": platform.python_version(), "stxfer": stxfer.__version__,
                         **{package: found for package in PACKAGES if (found := _version(package))}},
            "bootstrap": {"resamples": {name: metric.resamples for name, metric in METRICS.items()},
                          "level": significance.LEVEL, "seed": significance.SEED,
                          "min_utterances": significance.MIN_UTTERANCES, "min_speakers": significance.MIN_SPEAKERS},
            "rows": rows,
            "summary": [_summary(of_system, metric, pooled[name, metric])
                        for name, of_system in runs.items() for metric in of_system[0].score["metrics"]],
            "comparisons": comparisons, "unscored": {name: of for name, of in unscored.items() if name not in runs},
            "runs": [run_facts(way.name, seed, None if way.variant else system_dir(expdir, way.system.name, seed),
                               decode_dir(expdir, way.system, seed, way.variant))
                     | decoding_facts(decode_dir(expdir, way.system, seed, way.variant))
                     for way, seed in trained_runs(experiment, expdir, runs, unscored)],
            "computed": computed_facts(*_directories(experiment, expdir, runs, unscored)),
            "lm": dev_perplexities(experiment, expdir), "mt": translator_scores(expdir), "signatures": signatures}


def trained_runs(experiment: Experiment, expdir: Path, runs: Mapping[str, list[Run]], unscored: Collection[str]
                 ) -> list[tuple[DecodedSystem, int]]:
    """Return the system and seed of each of ``runs``, and of those that are trained and cannot be scored."""
    seeds = sorted({run.seed for of_system in runs.values() for run in of_system})
    return [(way, seed) for name, way in experiment.decoded.items() for seed in seeds
            if seed in [run.seed for run in runs.get(name, ())]
            or not way.variant and name in unscored and (system_dir(expdir, name, seed) / MARKER).exists()]


def _directories(experiment: Experiment, expdir: Path, runs: Mapping[str, list[Run]], unscored: Collection[str]
                 ) -> tuple[list[tuple[str, Path]], list[tuple[str, Path]]]:
    """Return the directories of models and hypotheses, each with the run's name."""
    trained = trained_runs(experiment, expdir, runs, unscored)
    return ([(f"{way.system.name} seed {seed}", system_dir(expdir, way.system.name, seed)) for way, seed in trained],
            [(f"{way.name} seed {seed}", decode_dir(expdir, way.system, seed, way.variant)) for way, seed in trained])


def translator_scores(expdir: Path) -> list[dict[str, Any]]:
    """Return the translators' own test scores: label, metric, value, n_utts, n_ref, kept (share its filters keep)."""
    scores = {label: read_record(path, TranslatorScore) for label, path in mt_scores(expdir).items()}
    return [{"label": label, "metric": metric, "value": value["value"], "n_utts": value["n_utts"],
             "n_ref": value["n_ref"], "kept": score["kept"] / score["pairs"]}
            for label, score in scores.items() for metric, value in score.get("metrics", {}).items()]


def _mt_signatures(expdir: Path) -> dict[str, str]:
    """Return how the translators were scored; they stand in one table, so it must be the same for all.

    Raises:
        DataError: it is not; names two.
    """
    found: dict[str, tuple[str, Path]] = {}
    for path in mt_scores(expdir).values():
        for metric, value in read_record(path, TranslatorScore).get("metrics", {}).items():
            signature, other = found.setdefault(metric, (value.get("signature", ""), path))
            if signature != value.get("signature", ""):
                raise DataError(f"{other} and {path} cannot be compared: {_differ(signature, value['signature'])}; "
                                "run `python -m stxfer.bin.score_mt` again with --force")
    return {f"{metric} bitext test": signature for metric, (signature, _) in found.items() if signature}


def _differ(one: str, other: str) -> str:
    return f"one is {one}, the other {other}"


def _summed(statistics: Iterable[np.ndarray]) -> np.ndarray:
    first, *others = statistics
    for other in others:
        first = first + other
    return first


def _summary(of_system: list[Run], metric: str, stats: np.ndarray) -> dict[str, Any]:
    first = of_system[0].score
    found = significance.interval(stats, METRICS[metric].score, resamples=METRICS[metric].resamples)
    values = [run.score["metrics"][metric]["value"] for run in of_system]
    return {"system": first["system"], "set": first["set"], "train_hours": first["train_hours"],
            "train_hours_with_copies": first.get("train_hours_with_copies", first["train_hours"]), "metric": metric,
            "value": found.value, "ci_low": found.low, "ci_high": found.high,
            "enough": not significance.too_few(len(stats), found.low, found.high, first.get("speakers")),
            "sd": float(np.std(values, ddof=1)) if len(values) > 1 else None,
            "seeds": [run.seed for run in of_system],
            "n_utts": first["metrics"][metric]["n_utts"], "n_ref": first["metrics"][metric]["n_ref"]}


def _compare(system: list[Run], baseline: list[Run], pooled: dict[tuple[str, str], np.ndarray]
             ) -> list[dict[str, Any]]:
    one, other = system[0].score, baseline[0].score
    if one["set"] != other["set"] or one["task"] != other["task"]:
        raise DataError(f"compare: {one['system']} ({one['task']} on {one['set']}) and {other['system']} "
                        f"({other['task']} on {other['set']}) have no score in common; correct the config")
    comparisons = []
    for metric in one["metrics"]:
        how = METRICS[metric]
        found = significance.compare(pooled[one["system"], metric], pooled[other["system"], metric], how.score,
                                     higher_is_better=how.higher_is_better, resamples=how.resamples,
                                     n_speakers=one.get("speakers"))
        comparisons.append({"system": one["system"], "baseline": other["system"], "set": one["set"],
                            "metric": metric, "relative_reduction": found.relative_reduction,
                            "ci_low": found.ci_low, "ci_high": found.ci_high, "verdict": found.verdict,
                            "n_utts": found.n_utts, "n_speakers": found.n_speakers, "needed": found.needed,
                            "n_seeds": len(system), "n_seeds_baseline": len(baseline)})
    return comparisons


def _check_references(runs: Iterable[Run]) -> None:
    """Runs are compared utterance by utterance: their references and signatures must be the same."""
    first: dict[tuple[str, str], Run] = {}
    for run in runs:
        other = first.setdefault((run.score["set"], run.score["task"]), run)
        for metric in run.score["metrics"].keys() | other.score["metrics"].keys():
            one, two = (r.score["metrics"].get(metric, {}).get("signature", "none") for r in (other, run))
            if one != two:
                raise DataError(f"{other.path} and {run.path} cannot be compared, their {metric} was computed in two "
                                f"ways: {_differ(one, two)}; run stage score again for all systems with --force")
        if [(u["utt"], u["ref"]) for u in run.utts] != [(u["utt"], u["ref"]) for u in other.utts]:
            raise DataError(f"{other.path} and {run.path} were scored against different references; "
                            "run stage score again for all systems with --force")


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
