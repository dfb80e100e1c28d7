"""Intervals of scores and of differences between systems: bootstrap over utterances, speakers and training seeds.

What varies is drawn with replacement: utterances, or the speakers who say them, each with all that they say, so that
what one voice does to its utterances together is not counted as many independent facts; and, of systems trained several
times, the seeds. Both systems of a comparison are scored on the same draw.

- Over utterances: Bisani and Ney 2004, "Bootstrap estimates for confidence intervals in ASR performance evaluation"; of
  BLEU and chrF: Koehn 2004, "Statistical significance tests for machine translation evaluation".
- Over speakers: Liu and Peng 2020, "Statistical testing on ASR performance via blockwise bootstrap".
- Over seeds and units at once: Owen 2007, "The pigeonhole bootstrap", every seed with every unit.

A bootstrap of few draws from few units is too narrow: its variance is that of a population of just these, and the
normal quantile stands where Student's t should (Hesterberg 2015, "What teachers should know about the bootstrap",
section 5.3). The distance of each end of the percentile interval from the value is therefore multiplied by t / 1.96 and
by the ratio of the unbiased standard error to that of the draws. Speakers who say unequally much count for fewer
(:func:`effective_number`). The degrees of freedom of units and seeds together are Satterthwaite's (1946), the variance
between seeds is the jackknife's. ``tools/campaign/interval_coverage.py`` measures how often such intervals hold the
truth.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtr, stdtrit

LEVEL = 0.95
POWER = 0.8  # share of test sets that show a detectable difference
SEED = 20040517
MIN_SEEDS = 3  # of two, the variance between seeds is known too badly: such intervals hold the truth in 91 % of cases
NORMAL = 1.959963984540054
_BLOCK = 4_000_000  # numbers drawn at a time: 32 MB
Array = NDArray[np.float64]
Score = Callable[[Array], Array]
"""Summed statistics, (n, k), to scores, (n,)."""


@dataclass(frozen=True)
class Sample:
    """A system on a test set: sums of its statistics, as they are and resampled, each of its seeds apart.

    Attributes:
        observed: (seeds, k)
        resampled: (seeds, resamples, k); the same draws of units for every system of a test set.
        seeds: which they are.
    """

    observed: Array
    resampled: Array
    seeds: tuple[int, ...]


@dataclass(frozen=True)
class Estimate:
    """A value with its interval.

    Attributes:
        value: of all utterances and seeds.
        low, high: the interval's ends.
        error: standard error.
        unit_error: the part of it that more units would make smaller.
        freedom: degrees of freedom of the error.
    """

    value: float
    low: float
    high: float
    error: float
    unit_error: float
    freedom: float

    @property
    def p(self) -> float | None:
        """Two-sided p-value of the value being zero, Student's t; None where nothing varies."""
        if not np.isfinite([self.value, self.error]).all() or not self.error:
            return None
        return float(2 * stdtr(self.freedom, -abs(self.value) / self.error))

    @property
    def detectable(self) -> float:
        """The smallest value that :data:`POWER` of such test sets tell from zero, by the same distribution as p."""
        quantiles = stdtrit(self.freedom, 0.5 + LEVEL / 2) + stdtrit(self.freedom, POWER)
        return float(quantiles * self.error)


def resampled_sums(stats: NDArray[np.int64], resamples: int, seed: int = SEED) -> Array:
    """Return the sums of ``resamples`` draws of as many units as there are, with replacement.

    Args:
        stats: statistics of each unit, (units, k); of several systems side by side, which costs little more than of
            one. The draws depend on the number of units and the seed alone.
        resamples: number of draws.
        seed: of the draws.

    Returns:
        (resamples, k)
    """
    n, k = stats.shape
    rng = np.random.default_rng(seed)
    sums = np.empty((resamples, k))
    exact = stats.astype(np.float64)  # counts stay below 2 ** 53
    block = max(1, _BLOCK // n)
    for start in range(0, resamples, block):
        rows = min(block, resamples - start)
        drawn = rng.integers(n, size=(rows, n)) + n * np.arange(rows)[:, None]
        sums[start:start + rows] = np.bincount(drawn.ravel(), minlength=rows * n).reshape(rows, n) @ exact
    return sums


def by_unit(stats: NDArray[np.int64], unit: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return statistics of utterances, (utterances, k), summed by unit, (units, k).

    Args:
        stats: of each utterance.
        unit: number of each utterance's unit, from 0 without gaps, (utterances,).
    """
    summed = np.zeros((int(unit.max()) + 1, stats.shape[1]), dtype=stats.dtype)
    np.add.at(summed, unit, stats)
    return summed


def effective_number(unit: NDArray[np.int64]) -> float:
    """Return how many units of equal size would tell the variance between units as well as these.

    That is the square of the sum of squared sizes over the sum of their fourth powers: what a unit does to all of its
    utterances counts in the variance by the square of its size (Bell and McCaffrey 2002, "Bias reduction in standard
    errors for linear regression with multi-stage samples", for a mean).

    Args:
        unit: number of each utterance's unit.
    """
    squares = np.bincount(unit).astype(np.float64) ** 2
    return float(squares.sum() ** 2 / (squares ** 2).sum())


def interval(sample: Sample, score: Score, n_units: float, *, over_seeds: bool = False) -> Estimate:
    """Return a system's score with its interval; see :func:`compare` for the arguments."""
    return _estimate([sample], lambda sums: score(sums[0]), n_units, over_seeds)


def compare(system: Sample, baseline: Sample, effect: Callable[[Array, Array], Array], n_units: float, *,
            over_seeds: bool = False) -> Estimate:
    """Return the paired bootstrap of a system against a baseline.

    Args:
        system, baseline: samples of the same draws; their seeds are summed, or drawn.
        effect: summed statistics of both, (n, k) each, to how they differ, (n,).
        n_units: units of the test set that were drawn, see :func:`effective_number`.
        over_seeds: draw seeds, too. Those of both are drawn together if they are the same: what is trained with one
            seed often starts from the same source model.
    """
    return _estimate([system, baseline], lambda sums: effect(*sums), n_units, over_seeds)


def can_draw_seeds(*samples: Sample) -> bool:
    """Whether each system has seeds enough for an interval that speaks for others."""
    return all(len(sample.seeds) >= MIN_SEEDS for sample in samples)


def _estimate(samples: list[Sample], effect: Callable[[list[Array]], Array], n_units: float,
              over_seeds: bool) -> Estimate:
    value = float(effect([sample.observed.sum(axis=0, keepdims=True) for sample in samples])[0])
    draws = effect([sample.resampled.sum(axis=0) for sample in samples])
    unit_variance = _variance(draws) * (n_units / (n_units - 1) if n_units > 1 else 1)
    parts = [(unit_variance, n_units - 1)]
    if over_seeds:
        parts += _seed_variances(samples, effect)
        draws = effect([np.einsum("rs,srk->rk", weights, sample.resampled)
                        for weights, sample in zip(_seed_weights(samples), samples, strict=True)])
    variance = sum(part for part, _ in parts)
    error, spread = float(np.sqrt(variance)), float(np.sqrt(_variance(draws)))
    with np.errstate(invalid="ignore", divide="ignore"):
        freedom = float(variance ** 2 / sum(part ** 2 / max(df, 1) for part, df in parts)) if variance else 1.0
        low, high = np.percentile(draws, [50 * (1 - LEVEL), 50 * (1 + LEVEL)]) if spread else (value, value)
        wider = float(stdtrit(freedom, 0.5 + LEVEL / 2)) / NORMAL * error / spread if spread else 1.0
    return Estimate(value, float(value + wider * (low - value)), float(value + wider * (high - value)), error,
                    float(np.sqrt(unit_variance)), freedom)


def _variance(draws: Array) -> float:
    """Return the variance, NaN where draws have no value; of what differs by rounding alone it is 0."""
    if not np.isfinite(draws).all():
        return float("nan")
    variance = float(np.var(draws))
    return variance if variance > (1e-12 * float(np.abs(draws).max())) ** 2 else 0.0


def _paired(samples: list[Sample]) -> bool:
    return len({sample.seeds for sample in samples}) == 1


def _seed_weights(samples: list[Sample], seed: int = SEED) -> list[Array]:
    """Return how often each seed of each sample stands in each draw, (resamples, seeds) each."""
    rng = np.random.default_rng([seed, 1])
    drawn: list[Array] = []
    for sample in samples:
        n, resamples = len(sample.seeds), sample.resampled.shape[1]
        same = drawn and _paired(samples)
        drawn.append(drawn[0] if same else rng.multinomial(n, [1 / n] * n, size=resamples).astype(np.float64))
    return drawn


def _seed_variances(samples: list[Sample], effect: Callable[[list[Array]], Array]) -> list[tuple[float, float]]:
    """Return the jackknife's variance over seeds with its degrees of freedom: of all together, or of each sample."""
    whole = [sample.observed.sum(axis=0, keepdims=True) for sample in samples]
    left_out = [whole[i] - sample.observed for i, sample in enumerate(samples)]
    if _paired(samples):
        return [_jackknife(effect(left_out))]
    return [_jackknife(effect([left_out[i] if j == i else np.repeat(whole[j], len(left_out[i]), axis=0)
                               for j in range(len(samples))])) for i in range(len(samples))]


def _jackknife(values: Array) -> tuple[float, float]:
    n = len(values)
    return (n - 1) ** 2 / n * float(np.var(values, ddof=1)), n - 1
