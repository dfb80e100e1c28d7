"""Long speech in parts that a model with a limited window can hear."""

from __future__ import annotations

import numpy as np

from stxfer.audio.io import SAMPLE_RATE

_STEP = SAMPLE_RATE // 100
_QUIET = 20  # steps, 0.2 s: a pause between words


def quiet_parts(samples: np.ndarray, most: int) -> list[np.ndarray]:
    """Cut samples where they are quietest, so that none of the parts has more than ``most``.

    Each cut lies in the middle of the quietest 0.2 s of the last half of what may be in the part.

    Args:
        samples: float32 (n,).
        most: samples, of at least a second.
    """
    parts = []
    while len(samples) > most:
        energies = np.add.reduceat(np.square(samples[:most], dtype=np.float64), np.arange(0, most, _STEP))
        windows = np.convolve(energies, np.ones(_QUIET), "valid")
        first = len(windows) // 2
        cut = (first + int(np.argmin(windows[first:])) + _QUIET // 2) * _STEP
        parts.append(samples[:cut])
        samples = samples[cut:]
    return [*parts, samples]
