"""Scores of all systems gathered into what ``results.json`` holds; everything shown is drawn from that."""

from __future__ import annotations

import platform
from collections.abc import Collection, Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import stxfer
from stxfer.cluster.accounting import used_by_stage
from stxfer.core.errors import DataError
from stxfer.core.records import read_record
from stxfer.core.source import commit
from stxfer.core.workdir import WorkDir
from stxfer.experiment.config import Experiment
from stxfer.experiment.layout import decode_dir, mt_scores, system_dir
from stxfer.experiment.records import TranslatorScore
from stxfer.report.banners import banners
from stxfer.report.breakdowns import break_down
from stxfer.report.comparisons import METRICS, compare_systems, detectable, resample, summarise
from stxfer.report.computed import computed_facts
from stxfer.report.convergence import run_facts
from stxfer.report.curves import curves
from stxfer.report.decoding import decoding_facts
from stxfer.report.headlines import headlines
from stxfer.report.materials import Materials, label_facts, length_facts
from stxfer.report.runs import Run, differ, trained_runs
from stxfer.score import bootstrap, significance
from stxfer.score.imported import origins
from stxfer.training.language_models import dev_perplexities

PACKAGES = ("torch", "torchaudio", "espnet", "sentencepiece", "rapidfuzz", "sacrebleu")


def collect_results(experiment: Experiment, expdir: Path, runs: Mapping[str, Sequence[Run]],
                    unscored: Mapping[str, str], materials: Materials) -> dict[str, Any]:
    """Return the content of ``results.json``.

    ``rows``: a metric of a run each. ``summary`` and ``comparisons``, of those of ``experiment.compare`` whose systems
    are both in ``runs``, and ``detectable``: see :mod:`stxfer.report.comparisons`. ``unscored``: systems that have no
    reference, see :func:`stxfer.report.runs.unscorable`. ``runs``: of each run and of those that cannot be scored, see
    :func:`stxfer.report.convergence.run_facts` and :func:`stxfer.report.decoding.decoding_facts`. ``lm``: what the
    language models reach on the development set. ``computed``: see :func:`stxfer.report.computed.computed_facts`.
    ``cluster``, if its jobs were accounted for: see :func:`stxfer.cluster.accounting.used_by_stage`.
    ``mt``: the translators' own scores. ``labels``, ``lengths``: see :mod:`stxfer.report.materials`. ``breakdowns``,
    ``curves``: see :func:`stxfer.report.breakdowns.break_down` and :func:`stxfer.report.curves.curves`. ``banners``,
    ``headlines``: the sentences at the top, the latter with whether they are headlines (``top``). ``imported``: see
    :class:`stxfer.score.imported.Origin`. ``signatures``: how each metric of each set was computed. ``commit``: of this
    code. Rates in percent, relative reductions as fractions (0.2: a fifth fewer errors).

    Raises:
        DataError: translators were scored in different ways, or a pair to compare has no score in common.
    """
    everything = [run for of_system in runs.values() for run in of_system]
    rows = [{"system": run.name, "seed": run.seed, "train_hours": run.score["train_hours"],
             "set": run.score["set"], "metric": metric, "value": value["value"], "n_utts": value["n_utts"],
             "n_ref": value["n_ref"]} for run in everything for metric, value in run.score["metrics"].items()]
    signatures = {f"{metric} {run.score['set']}": value["signature"]
                  for run in everything for metric, value in run.score["metrics"].items()} | _mt_signatures(expdir)
    draws = resample(runs)
    pairs = [pair for pair in experiment.compare if all(name in runs for name in pair)]
    targets = {name: of for name, of in runs.items() if of[0].system.kind == "target"}
    summary = summarise(runs, draws)
    found: dict[str, Any] = {
        "name": experiment.name, "commit": commit(),
        "versions": {"python": platform.python_version(), "stxfer": stxfer.__version__,
                     **{package: number for package in PACKAGES if (number := _version(package))}},
        "bootstrap": {"resamples": {name: metric.resamples for name, metric in METRICS.items()},
                      "level": bootstrap.LEVEL, "seed": bootstrap.SEED, "min_seeds": bootstrap.MIN_SEEDS,
                      "min_utterances": significance.MIN_UTTERANCES, "min_speakers": significance.MIN_SPEAKERS,
                      "alpha": significance.ALPHA},
        "rows": rows, "summary": summary, "comparisons": compare_systems(pairs, runs, draws),
        "detectable": detectable(runs, draws),
        "unscored": {name: of for name, of in unscored.items() if name not in runs},
        "runs": [run_facts(way.name, seed, None if way.variant else system_dir(expdir, way.system.name, seed),
                           decode_dir(expdir, way.system, seed, way.variant))
                 | decoding_facts(decode_dir(expdir, way.system, seed, way.variant))
                 for way, seed in trained_runs(experiment, expdir, runs, unscored)],
        "computed": computed_facts(*_directories(experiment, expdir, runs, unscored)),
        "lm": dev_perplexities(experiment, expdir), "mt": translator_scores(expdir), "signatures": signatures,
        "labels": label_facts(materials.labels), "lengths": length_facts(materials.lengths),
        "breakdowns": break_down(targets, materials.texts, pairs), "curves": curves(experiment, summary, expdir),
        "imported": {name: of for name, of in origins(expdir).items() if name in runs}}
    if used := used_by_stage(Path(WorkDir.of(expdir).root)):
        found["cluster"] = used
    return found | {"banners": banners(found),
                    "headlines": [{"text": text, "top": top} for text, top in headlines(found)]}


def _directories(experiment: Experiment, expdir: Path, runs: Mapping[str, Sequence[Run]], unscored: Collection[str]
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
                raise DataError(f"{other} and {path} cannot be compared: {differ(signature, value['signature'])}; "
                                "run `python -m stxfer.bin.score_mt` again with --force")
    return {f"{metric} bitext test": signature for metric, (signature, _) in found.items() if signature}


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
