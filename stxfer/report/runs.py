"""What has been scored: the runs of a report, one of a system, a training seed and a way of decoding each."""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stxfer.core.errors import DataError, StaleError
from stxfer.core.fresh import Declared, check_input
from stxfer.core.marker import MARKER
from stxfer.core.records import read_record, read_rows
from stxfer.experiment.config import Experiment
from stxfer.experiment.layout import SCORE, UTTERANCES, score_dir, system_dir
from stxfer.experiment.records import Score, ScoredUtterance
from stxfer.experiment.systems import System
from stxfer.experiment.variants import DecodedSystem
from stxfer.score import st
from stxfer.score.alignment import Alignment, align
from stxfer.score.reference import has_reference, reference_path

log = logging.getLogger(__name__)


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

    @property
    def speakers(self) -> list[str] | None:
        """Who speaks each utterance; None: not known."""
        found = [utt["speaker"] for utt in self.utts if utt.get("speaker") is not None]
        return found if len(found) == len(self.utts) else None

    @cached_property
    def alignment(self) -> Alignment:
        """The words of the hypotheses beside those of the references."""
        return align([utt["ref"] for utt in self.utts], [utt["hyp"] for utt in self.utts])

    def statistics(self, metric: str) -> NDArray[np.int64]:
        """Return what the bootstrap sums, (utterances, k); it is computed once."""
        if metric not in self._statistics:
            self._statistics[metric] = self._compute(metric)
        return self._statistics[metric]

    @cached_property
    def _statistics(self) -> dict[str, NDArray[np.int64]]:
        return {}

    def _compute(self, metric: str) -> NDArray[np.int64]:
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
            runs.setdefault(name, []).append(_read_run(decoded, seed, path))
    _check_references(run for of_system in runs.values() for run in of_system)
    return runs


def _read_run(decoded: DecodedSystem, seed: int, path: Path) -> Run:
    run = Run(decoded, seed, path, read_record(path / SCORE, Score), read_rows(path / UTTERANCES, ScoredUtterance))
    for metric in run.score["metrics"].keys() - {*st.METRICS}:
        for number, utt in enumerate(run.utts, 1):
            if metric not in utt:
                raise DataError(f"{path / UTTERANCES}:{number}: {metric}: is missing; remove it and run stage 'score' "
                                "again")
    return run


def trained_runs(experiment: Experiment, expdir: Path, runs: Mapping[str, Sequence[Run]], unscored: Collection[str]
                 ) -> list[tuple[DecodedSystem, int]]:
    """Return the system and seed of each of ``runs``, and of those that are trained and cannot be scored."""
    seeds = sorted({run.seed for of_system in runs.values() for run in of_system})
    return [(way, seed) for name, way in experiment.decoded.items() for seed in seeds
            if seed in [run.seed for run in runs.get(name, ())]
            or not way.variant and name in unscored and (system_dir(expdir, name, seed) / MARKER).exists()]


def differ(one: str, other: str) -> str:
    """Say how two signatures differ."""
    return f"one is {one}, the other {other}"


def _check_references(runs: Iterable[Run]) -> None:
    """Runs are compared utterance by utterance: their references and signatures must be the same."""
    first: dict[tuple[str, str], Run] = {}
    for run in runs:
        other = first.setdefault((run.score["set"], run.score["task"]), run)
        for metric in run.score["metrics"].keys() | other.score["metrics"].keys():
            one, two = (r.score["metrics"].get(metric, {}).get("signature", "none") for r in (other, run))
            if one != two:
                raise DataError(f"{other.path} and {run.path} cannot be compared, their {metric} was computed in two "
                                f"ways: {differ(one, two)}; run stage 'score' again for all systems with --force")
        if [(u["utt"], u["ref"]) for u in run.utts] != [(u["utt"], u["ref"]) for u in other.utts]:
            raise DataError(f"{other.path} and {run.path} were scored against different references; "
                            "run stage 'score' again for all systems with --force")
