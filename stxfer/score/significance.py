"""How far a score, or a difference of two systems, would move with other test utterances.

The (paired) bootstrap: Bisani and Ney 2004, "Bootstrap estimates for confidence intervals in ASR
performance evaluation", for error rates; Koehn 2004, "Statistical significance tests for machine
translation evaluation", for BLEU and chrF. Utterances are drawn with replacement; both systems are
scored on the same draw. The interval says nothing of other training seeds or other speakers.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

LEVEL = 0.95
SEED = 20040517
Score = Callable[[np.ndarray], np.ndarray]
"""Sums of utterances' statistics, (n, k), to scores, (n,)."""


@dataclass(frozen=True)
class Interval:
    """A score in percent with its percentile interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Comparison:
    """A system against a baseline; ``relative_reduction`` is a fraction (0.2: a fifth fewer errors).

    It is ``None``, as is its interval, where it has no value: the baseline's score is 0, in the test
    set or in so many draws that the interval is unbounded.
    """

    relative_reduction: float | None
    ci_low: float | None
    ci_high: float | None

    @property
    def verdict(self) -> str:
        """``better``, ``worse`` or ``unclear`` (the interval holds zero, or there is none)."""
        if self.ci_low is None or self.ci_high is None:
            return "unclear"
        return "better" if self.ci_low > 0 else "worse" if self.ci_high < 0 else "unclear"


def error_rate(sums: np.ndarray) -> np.ndarray:
    """Return error rates in percent of summed ``[errors, reference length]``, (n, 2) -> (n,)."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return 100.0 * sums[:, 0] / sums[:, 1]


def resampled_sums(stats: np.ndarray, resamples: int, seed: int = SEED) -> np.ndarray:
    """Return the sums of ``resamples`` draws of as many utterances as there are, with replacement.

    Args:
        stats: statistics of each utterance, (utterances, k). The draws depend only on the number of
            utterances and the seed: statistics of two systems may be summed apart and compared.

    Returns:
        (resamples, k)
    """
    n, k = stats.shape
    rng = np.random.default_rng(seed)
    sums = np.empty((resamples, k), dtype=stats.dtype)
    block = max(1, 4_000_000 // (n * k))  # 32 MB of gathered statistics at a time
    for start in range(0, resamples, block):
        drawn = rng.integers(n, size=(min(block, resamples - start), n))
        sums[start:start + block] = stats[drawn].sum(axis=1)
    return sums


def interval(stats: np.ndarray, score: Score, *, resamples: int, level: float = LEVEL,
             seed: int = SEED) -> Interval:
    """Return the score of all utterances with its bootstrap interval.

    Args:
        stats: statistics of each utterance, (utterances, k), summed over a system's training seeds.
    """
    low, high = _percentiles(score(resampled_sums(stats, resamples, seed)), level)
    return Interval(float(score(stats.sum(axis=0, keepdims=True))[0]), low, high)


def compare(system: np.ndarray, baseline: np.ndarray, score: Score, *, higher_is_better: bool = False,
            resamples: int, level: float = LEVEL, seed: int = SEED) -> Comparison:
    """Return the paired bootstrap of ``system`` against ``baseline``.

    The relative reduction is (baseline - system) / baseline, and where higher is better (BLEU, chrF)
    the relative gain (system - baseline) / baseline: more than zero always favours the system.

    Args:
        system, baseline: statistics of the same utterances in the same order, (utterances, k), each
            summed over the training seeds of its system (their numbers may differ for error rates,
            whose reference lengths are summed too, and for BLEU and chrF).

    Raises:
        ValueError: the numbers of utterances differ.
    """
    if len(system) != len(baseline):
        raise ValueError(f"{len(system)} and {len(baseline)} utterances cannot be paired")
    value = _relative(score(system.sum(axis=0, keepdims=True)), score(baseline.sum(axis=0, keepdims=True)),
                      higher_is_better)[0]
    draws = _relative(score(resampled_sums(system, resamples, seed)),
                      score(resampled_sums(baseline, resamples, seed)), higher_is_better)
    low, high = _percentiles(draws, level)
    if not np.isfinite([value, low, high]).all():
        return Comparison(None, None, None)
    return Comparison(float(value), low, high)


def _relative(system: np.ndarray, baseline: np.ndarray, higher_is_better: bool) -> np.ndarray:
    with np.errstate(divide="ignore", invalid="ignore"):
        return (system - baseline if higher_is_better else baseline - system) / baseline


def _percentiles(values: np.ndarray, level: float) -> tuple[float, float]:
    with np.errstate(invalid="ignore"):  # infinite draws: the caller asks whether the result is finite
        low, high = np.percentile(values, [50 * (1 - level), 50 * (1 + level)])
    return float(low), float(high)
