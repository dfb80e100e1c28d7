"""Whether a system differs from a baseline: the verdict on an interval, and what it rests on.

The interval is over the widest that the test set and the training runs can speak for (:mod:`stxfer.score.bootstrap`):
speakers, where there are enough of them, else utterances, and then it says nothing of other speakers; and training
seeds, where each system has enough. The p-values of all comparisons are corrected together (:func:`holm`): of twenty
comparisons of equal systems, one is "significant" by chance.

An interval of few utterances, or of no width, is no evidence, whichever side of zero it lies on.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from stxfer.score.bootstrap import Array, Estimate, Sample, Score, can_draw_seeds, compare, interval

MIN_UTTERANCES = 30
MIN_SPEAKERS = 5
MIN_EFFECTIVE = 2  # speakers of equal size: of fewer, nothing tells what is theirs and what is the systems'
TOO_FEW, UNCLEAR, BETTER, WORSE = "too few to tell", "unclear", "better", "worse"
ALPHA = 0.05
UTTERANCES, SPEAKERS, SEEDS = "utterances", "speakers", "seeds"


@dataclass(frozen=True)
class Draws:
    """A system on a test set, resampled by utterance and, where there are speakers enough, by speaker.

    Attributes:
        samples: by unit, ``utterances`` or ``speakers``, the narrower first.
        effective: how many units of equal size would tell as much, by unit.
        n_utts: utterances of the test set.
        n_speakers: its speakers; None: not known.
    """

    samples: Mapping[str, Sample]
    effective: Mapping[str, float]
    n_utts: int
    n_speakers: int | None

    @property
    def unit(self) -> str:
        """What an interval is over, beside seeds."""
        return SPEAKERS if SPEAKERS in self.samples else UTTERANCES


@dataclass(frozen=True)
class Judged:
    """A system's score, or its difference from a baseline, by each interval that there is.

    Attributes:
        estimates: by what they are over, ``utterances``, ``speakers`` and ``seeds`` (with the wider of the two others),
            from the narrowest claim to the widest.
        unit: utterances or speakers: what the last of them draws beside seeds.
        n_utts, n_speakers: of the test set.
    """

    estimates: Mapping[str, Estimate]
    unit: str
    n_utts: int
    n_speakers: int | None

    @property
    def best(self) -> Estimate:
        """The estimate that claims most: it is the one that is shown, and judged."""
        return list(self.estimates.values())[-1]

    @property
    def over(self) -> list[str]:
        """What it is over: ``utterances`` or ``speakers``, and ``seeds``."""
        return [self.unit, SEEDS] if SEEDS in self.estimates else [self.unit]

    @property
    def has_value(self) -> bool:
        """Whether value and interval are numbers: they are not where a baseline's score is 0."""
        return bool(np.isfinite([self.best.value, self.best.low, self.best.high]).all())

    @property
    def enough(self) -> bool:
        """Whether the interval is evidence: it has a width, and there are utterances enough."""
        return self.best.low != self.best.high and self.n_utts >= MIN_UTTERANCES

    @property
    def detectable(self) -> float | None:
        """The smallest difference that four of five such test sets would show, before any correction."""
        return self.best.detectable if self.has_value and self.best.error else None

    @property
    def needed(self) -> int | None:
        """About how many units would show a difference as large as this one in four of five test sets.

        By the degrees of freedom that there are: of fewer units it is a lower bound. None where nothing can be said:
        there is no difference, nothing varies, or the variance between seeds alone is too large, which more units do
        not change.
        """
        estimate = self.best
        if not self.has_value or not estimate.value or not estimate.unit_error:
            return None
        of_seeds = max(0.0, estimate.error ** 2 - estimate.unit_error ** 2)
        left = (estimate.value * estimate.error / estimate.detectable) ** 2 - of_seeds
        if left <= 0:
            return None
        units = math.ceil(self._n_units * estimate.unit_error ** 2 / left)
        return max(MIN_SPEAKERS if self.unit == SPEAKERS else MIN_UTTERANCES, units)

    @property
    def _n_units(self) -> int:
        return self.n_speakers or 0 if self.unit == SPEAKERS else self.n_utts

    def verdict(self, p: float | None) -> str:
        """Return ``better``, ``worse``, ``unclear`` or ``too few to tell``, of a relative gain.

        Args:
            p: the corrected p-value of the difference; None: there is none, since it does not vary.
        """
        if not self.has_value:
            return UNCLEAR
        if not self.enough:
            alike = not self.best.value and self.n_utts >= MIN_UTTERANCES
            return UNCLEAR if alike else TOO_FEW
        if p is None:  # all utterances differ by the same; the relative gain varies with the baseline
            return TOO_FEW if self.best.value else UNCLEAR
        if p >= ALPHA:
            return UNCLEAR
        return BETTER if self.best.low > 0 else WORSE if self.best.high < 0 else UNCLEAR


def error_rate(sums: Array) -> Array:
    """Return error rates in percent of summed ``[errors, reference length]``, (n, 2) -> (n,)."""
    with np.errstate(divide="ignore", invalid="ignore"):
        rates: Array = 100.0 * sums[:, 0] / sums[:, 1]
    return rates


def judge_score(draws: Draws, score: Score) -> Judged:
    """Return a system's score with its intervals; their ends, which are widened, stay above 0."""
    found = {unit: interval(sample, score, draws.effective[unit]) for unit, sample in draws.samples.items()}
    if can_draw_seeds(draws.samples[draws.unit]):
        found[SEEDS] = interval(draws.samples[draws.unit], score, draws.effective[draws.unit], over_seeds=True)
    return Judged({over: replace(of, low=max(0.0, of.low)) for over, of in found.items()}, draws.unit, draws.n_utts,
                  draws.n_speakers)


def judge_gain(system: Draws, baseline: Draws, score: Score, *, higher_is_better: bool = False) -> Judged:
    """Return the relative reduction of ``system`` against ``baseline`` with its intervals.

    It is (baseline - system) / baseline, and where higher is better (BLEU, chrF) the relative gain
    (system - baseline) / baseline: more than zero always favours the system. No more than all
    errors can be taken away, so that an interval that is widened ends there.

    Raises:
        ValueError: the numbers of utterances differ.
    """
    def relative(one: Array, other: Array) -> Array:
        reference = score(other)
        with np.errstate(divide="ignore", invalid="ignore"):
            gain: Array = (score(one) - reference if higher_is_better else reference - score(one)) / reference
        return gain

    judged = _judge(system, baseline, relative)
    if higher_is_better:
        return judged
    return replace(judged, estimates={over: replace(of, high=min(1.0, of.high)) for over, of in
                                      judged.estimates.items()})


def judge_difference(system: Draws, baseline: Draws, score: Score) -> Judged:
    """Return the difference of the scores, system minus baseline; its p-value is that of the comparison.

    Raises:
        ValueError: the numbers of utterances differ.
    """
    return _judge(system, baseline, lambda one, other: score(one) - score(other))


def holm(p_values: Sequence[float | None]) -> list[float | None]:
    """Return p-values corrected for many comparisons.

    Holm 1979, "A simple sequentially rejective multiple test procedure": that any hypothesis that is rejected is true
    has then at most the probability ALPHA, whatever their dependence.

    Args:
        p_values: None where there is no test; it is not counted.
    """
    known = sorted((p, i) for i, p in enumerate(p_values) if p is not None)
    corrected: list[float | None] = [None] * len(p_values)
    largest = 0.0
    for rank, (p, i) in enumerate(known):
        largest = max(largest, min(1.0, (len(known) - rank) * p))
        corrected[i] = largest
    return corrected


def _judge(system: Draws, baseline: Draws, effect: Callable[[Array, Array], Array]) -> Judged:
    if system.n_utts != baseline.n_utts:
        raise ValueError(f"{system.n_utts} and {baseline.n_utts} utterances cannot be paired")
    unit = system.unit
    found = {name: compare(sample, baseline.samples[name], effect, system.effective[name])
             for name, sample in system.samples.items()}
    if can_draw_seeds(system.samples[unit], baseline.samples[unit]):
        found[SEEDS] = compare(system.samples[unit], baseline.samples[unit], effect, system.effective[unit],
                               over_seeds=True)
    return Judged(found, unit, system.n_utts, system.n_speakers)
