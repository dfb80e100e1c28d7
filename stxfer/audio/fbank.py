"""Log-mel filterbank features.

80 mel bands, 25 ms windows every 10 ms, mean and variance normalised over the utterance: no statistics
of a corpus to carry over, or to leak, when a model moves to another language.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import numpy as np

from stxfer.audio.io import SAMPLE_RATE, load_audio
from stxfer.errors import DataError

if TYPE_CHECKING:
    import torch

NUM_MEL = 80
FRAME_LENGTH_MS, FRAME_SHIFT_MS = 25.0, 10.0


def fbank(samples: np.ndarray) -> torch.Tensor:
    """Return Kaldi's log-mel filterbank energies, without dither.

    Args:
        samples: float32 (n,) at 16 kHz, full scale +-1; scaled to 16-bit integers' range, as Kaldi reads audio.

    Returns:
        float32 (1 + (n - 400) // 160, 80), or (0, 80) where n < 400.
    """
    import torch
    from torchaudio.compliance import kaldi

    if len(samples) < SAMPLE_RATE * FRAME_LENGTH_MS / 1000:
        return torch.zeros(0, NUM_MEL)  # torchaudio stops at an assertion
    signal = torch.from_numpy(samples)[None] * 32768.0
    energies = kaldi.fbank(signal, num_mel_bins=NUM_MEL, frame_length=FRAME_LENGTH_MS, frame_shift=FRAME_SHIFT_MS,
                           dither=0.0, sample_frequency=float(SAMPLE_RATE))
    # Below the energy of 16-bit rounding. Without it, digital silence (which Kaldi's dither hides) lies so
    # far below speech, at log(1e-7), that it alone sets the variance the utterance is normalised by.
    return energies.clamp_(min=0.0)


def cmvn(features: torch.Tensor) -> torch.Tensor:
    """Normalise (T, D) features to mean 0 and variance 1 in each dimension; a constant dimension becomes 0."""
    centred = features - features.mean(dim=0)
    return centred / centred.square().mean(dim=0).sqrt().clamp_(min=1e-3)


def features(path: str | os.PathLike[str], *, speed: float = 1.0) -> np.ndarray:
    """Return the normalised features of an audio file, float32 (T, 80).

    Raises:
        DataError: the audio cannot be used (see :func:`stxfer.audio.io.decode`) or is shorter than one window.
    """
    energies = fbank(load_audio(path, speed=speed))
    if not len(energies):
        raise DataError(f"{path}: shorter than one window of {FRAME_LENGTH_MS:g} ms")
    return cmvn(energies).numpy()
