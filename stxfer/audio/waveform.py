"""Waveforms as features, for models that begin with a pretrained encoder.

A row holds the samples of 10 ms, so that lengths, batches and shards are counted as those of a filterbank.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from stxfer.audio.io import SAMPLE_RATE
from stxfer.audio.shards import MIN_SHARD
from stxfer.core.errors import DataError

SHIFT = SAMPLE_RATE // 100
FULL_SCALE = 32768.0


@dataclass(frozen=True)
class Waveform:
    """Samples of 16 bits, 115 MB an hour; see :class:`stxfer.audio.shards.Extractor`."""

    name = "waveform"
    size = SHIFT
    min_shard = MIN_SHARD
    at_once = 0.0

    @property
    def files(self) -> Mapping[str, Mapping[str, Any]]:
        """No files."""
        return {}

    @property
    def options(self) -> Mapping[str, Any]:
        """What decides the features, as JSON can hold it."""
        return {"kind": "waveform", "rate": SAMPLE_RATE, "resample": "soxr HQ"}

    def __call__(self, samples: Sequence[np.ndarray], names: Sequence[str]) -> list[np.ndarray]:
        """Return rows of samples, whole numbers of 16 bits as float32 (n // 160, 160); a last, broken row is left out.

        Args:
            samples: float32 (n,) each, at 16 kHz, full scale +-1.
            names: what an error message calls them.

        Raises:
            DataError: there is no whole row.
        """
        return [_rows(one, name) for one, name in zip(samples, names, strict=True)]


def _rows(samples: np.ndarray, name: str) -> np.ndarray:
    rows = len(samples) // SHIFT
    if not rows:
        raise DataError(f"{name}: shorter than 10 ms")
    scaled = np.rint(samples[:rows * SHIFT].reshape(rows, SHIFT) * FULL_SCALE)
    return np.clip(scaled, -FULL_SCALE, FULL_SCALE - 1).astype(np.float32)


def samples_of(rows: np.ndarray) -> np.ndarray:
    """Return the samples of rows (T, 160), float32 (160 T,) at full scale +-1.

    An archive of 16 bits gives whole numbers back with an error of some thousandths; here they are whole again.
    """
    samples: np.ndarray = np.rint(rows.reshape(-1)) / np.float32(FULL_SCALE)
    return samples
