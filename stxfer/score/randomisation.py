"""Approximate randomisation: how often two systems would differ as much if it were chance which of them wrote what.

Noreen 1989, "Computer intensive methods for testing hypotheses"; of translation scores: Riezler and Maxwell 2005, "On
some pitfalls in automatic evaluation and significance testing for MT". Of each utterance, the outputs of both systems
are exchanged or not. It is exact for any distribution, and says nothing of other speakers or seeds.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from stxfer.score.bootstrap import SEED, Array, Score

_BLOCK = 4_000_000


def randomisation_tests(pairs: Sequence[tuple[NDArray[np.float64], NDArray[np.float64]]], score: Score, *,
                        shuffles: int, seed: int = SEED) -> list[float]:
    """Return the two-sided p-value of the difference of the scores of each pair of systems.

    It is (1 + as large differences among the shuffles) / (1 + shuffles), and so never 0.

    Args:
        pairs: statistics of each utterance, (utterances, k), of a system and its baseline; of several training seeds
            their mean. All pairs are of one test set, and the same utterances are exchanged in each.
        score: summed statistics to scores.
        shuffles: how often outputs are exchanged.
        seed: of the exchanges.
    """
    middles = [(system + baseline).sum(axis=0) / 2 for system, baseline in pairs]
    halves = np.concatenate([(system - baseline) / 2 for system, baseline in pairs], axis=1)
    found = np.abs(_differences(halves.sum(axis=0, keepdims=True), middles, score))
    rng, n, as_large = np.random.default_rng(seed), len(halves), np.zeros(len(pairs), dtype=np.int64)
    block = max(1, _BLOCK // n)
    for start in range(0, shuffles, block):
        signs = 1.0 - 2.0 * rng.integers(2, size=(min(block, shuffles - start), n), dtype=np.int8)
        as_large += (np.abs(_differences(signs @ halves, middles, score)) >= found - 1e-9).sum(axis=0)
    return [float(p) for p in (1 + as_large) / (1 + shuffles)]


def _differences(halves: Array, middles: Sequence[Array], score: Score) -> Array:
    """Return the difference of each pair's scores, (shuffles, pairs), of summed halves, (shuffles, pairs times k)."""
    parts = np.split(halves, len(middles), axis=1)
    return np.stack([score(middle + half) - score(middle - half) for middle, half in zip(middles, parts, strict=True)],
                    axis=1)
