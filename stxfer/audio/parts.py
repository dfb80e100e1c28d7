"""Long speech in parts that a model with a limited window can hear."""

from __future__ import annotations

import numpy as np

from stxfer.audio.io import SAMPLE_RATE

_STEP = SAMPLE_RATE // 100
_QUIET = 20  # steps: a pause between words
QUIET = _QUIET * _STEP  # samples of it, 0.2 s


def quiet_parts(samples: np.ndarray, most: int) -> list[np.ndarray]:
    """Cut samples where they are quietest, so that none of the parts has more than ``most``.

    Each cut lies in the middle of the quietest 0.2 s of the last half of what may be in the part.

    Args:
        samples: float32 (n,).
        most: samples, of at least a second.
    """
    parts = []
    while len(samples) > most:
        cut = quietest(samples[:most])
        parts.append(samples[:cut])
        samples = samples[cut:]
    return [*parts, samples]


def quietest(samples: np.ndarray) -> int:
    """Return where samples, float32 (n,) of at least a second, are cut: see :func:`quiet_parts`."""
    energies = np.add.reduceat(np.square(samples, dtype=np.float64), np.arange(0, len(samples), _STEP))
    windows = np.convolve(energies, np.ones(_QUIET), "valid")
    first = len(windows) // 2
    return (first + int(np.argmin(windows[first:])) + _QUIET // 2) * _STEP
