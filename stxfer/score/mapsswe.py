"""The matched pairs sentence segment word error test, NIST's MAPSSWE.

Gillick and Cox 1989, "Some statistical issues in the comparison of speech recognition algorithms"; as in SCTK's
``sc_stats -t mapsswe``. Both systems' errors are counted in segments of the references, which are taken for
independent: two words in a row that both systems recognise, with nothing inserted between, part them. It is a test over
the words of these utterances, says nothing of other speakers or seeds, and counts words that depend on each other over
a longer way (a language model's) as independent.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy.special import ndtr

from stxfer.score.alignment import Alignment


@dataclass(frozen=True)
class MatchedPairs:
    """The result of the test.

    Attributes:
        segments: in which either system has an error.
        mean: of the system's errors minus the baseline's, in a segment.
        z: the mean over its standard error; below 0 favours the system. None: all segments differ by the same, which
            has no standard error.
        p: two-sided, normal; None with z.
    """

    segments: int
    mean: float
    z: float | None
    p: float | None


def mapsswe(system: Alignment, baseline: Alignment) -> MatchedPairs | None:
    """Test two systems' alignments with the same references; None where neither has an error."""
    first = system.first
    good = ~(system.wrong | baseline.wrong)
    utterance = np.repeat(np.arange(len(first) - 1), np.diff(first))
    place = np.arange(len(good)) + utterance  # of what is inserted before each word
    inserted = system.inserted + baseline.inserted
    follows = np.zeros_like(good)
    follows[1:] = good[1:] & good[:-1] & (inserted[place[1:]] == 0) & (utterance[1:] == utterance[:-1])
    # Every place belongs to a segment that begins with an utterance or after two good words.
    begins = np.zeros(len(inserted), dtype=np.int64)
    begins[first[:-1] + np.arange(len(first) - 1)] = 1
    begins[place[follows] + 1] = 1
    segment = np.cumsum(begins) - 1
    errors = np.stack([_by_segment(alignment, place, segment) for alignment in (system, baseline)])
    errors = errors[:, errors.any(axis=0)]
    if not errors.size:
        return None
    difference = errors[0] - errors[1]
    n, mean = len(difference), float(difference.mean())
    spread = float(difference.std(ddof=1)) if n > 1 else 0.0
    if not spread and mean:
        return MatchedPairs(n, mean, None, None)
    z = mean / (spread / math.sqrt(n)) if spread else 0.0
    return MatchedPairs(n, mean, z, float(2 * ndtr(-abs(z))))


def _by_segment(alignment: Alignment, place: np.ndarray, segment: np.ndarray) -> np.ndarray:
    errors = alignment.inserted.copy()
    errors[place] += alignment.wrong
    return np.bincount(segment, weights=errors)
