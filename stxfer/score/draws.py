"""Systems of one test set, resampled side by side, so that all are scored on the same draws."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from stxfer.score.bootstrap import SEED, Sample, by_unit, effective_number, resampled_sums
from stxfer.score.significance import MIN_EFFECTIVE, MIN_SPEAKERS, SPEAKERS, UTTERANCES, Draws


def draw(stats: Mapping[str, Mapping[int, NDArray[np.int64]]], resamples: int, *,
         speakers: Sequence[str] | None = None, seed: int = SEED) -> dict[str, Draws]:
    """Resample systems by utterance and, where there are :data:`MIN_SPEAKERS` or more, by speaker.

    A test set of which one of them says several times as much as each other is no sample of speakers: they count for
    fewer than :data:`MIN_EFFECTIVE`.

    Args:
        stats: statistics of each utterance of the test set, (utterances, k), by system and training seed.
        resamples: number of draws.
        speakers: of each utterance; None: not known.
        seed: of the draws.
    """
    columns = [of for seeds in stats.values() for of in seeds.values()]
    side_by_side = np.concatenate(columns, axis=1)
    n_speakers = None if speakers is None else len(set(speakers))
    of_unit, effective = {UTTERANCES: side_by_side}, {UTTERANCES: float(len(side_by_side))}
    if speakers is not None and n_speakers is not None and n_speakers >= MIN_SPEAKERS:
        unit = np.unique(np.asarray(speakers), return_inverse=True)[1]
        if effective_number(unit) >= MIN_EFFECTIVE:
            of_unit[SPEAKERS], effective[SPEAKERS] = by_unit(side_by_side, unit), effective_number(unit)
    observed = side_by_side.sum(axis=0).astype(np.float64)
    resampled = {unit: resampled_sums(of, resamples, seed) for unit, of in of_unit.items()}
    made, start = {}, 0
    for name, seeds in stats.items():
        n, k = len(seeds), next(iter(seeds.values())).shape[1]
        part = slice(start, start + n * k)
        start += n * k
        made[name] = Draws({unit: Sample(observed[part].reshape(n, k),
                                         np.moveaxis(draws[:, part].reshape(resamples, n, k), 0, 1), tuple(seeds))
                            for unit, draws in resampled.items()}, effective, len(side_by_side), n_speakers)
    return made
