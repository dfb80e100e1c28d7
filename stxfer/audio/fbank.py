"""Log-mel filterbank features.

80 mel bands, 25 ms windows every 10 ms, mean and variance normalised over the utterance: no statistics
of a corpus to carry over, or to leak, when a model moves to another language.

Kaldi's ``compute-fbank-feats`` without dither, as ``torchaudio.compliance.kaldi.fbank`` computes it: offset removed
from each frame, pre-emphasis, Povey's window, power spectrum, triangular mel bands from 20 Hz. On one core 1.9 times as
fast as torchaudio, which makes window and bands anew for each utterance, and without importing torch, which would
start four times as slowly and take 400 MB in each worker.
"""

from __future__ import annotations

import functools

import numpy as np

from stxfer.audio.io import SAMPLE_RATE
from stxfer.core.errors import DataError

NUM_MEL = 80
FRAME_LENGTH_MS, FRAME_SHIFT_MS = 25.0, 10.0
_LENGTH, _SHIFT, _FFT = 400, 160, 512
_STEP = 80  # divides window and shift: a frame's sum is that of five steps
_PREEMPHASIS = 0.97
_LOW_HZ = 20.0
_BLOCK = 256  # frames at a time: what is in work stays in the cache, and memory does not grow with the utterance
# The energy of 16-bit rounding. Without this floor digital silence (which Kaldi's dither hides) lies so far below
# speech, at log(1e-7), that it alone sets the variance the utterance is normalised by.
_FLOOR = 1.0


@functools.cache
def _window() -> np.ndarray:
    """Return Povey's window, float32 (400,), times the full scale of the 16-bit integers that Kaldi reads."""
    return (np.hanning(_LENGTH) ** 0.85 * 32768).astype(np.float32)


@functools.cache
def _mel_bands() -> np.ndarray:
    """Return float32 (257, 80): the weight of each bin of the power spectrum in each triangular band."""
    def mel(hertz: np.ndarray | float) -> np.ndarray:
        return 1127.0 * np.log1p(np.asarray(hertz) / 700.0)

    edges = np.linspace(mel(_LOW_HZ), mel(SAMPLE_RATE / 2), NUM_MEL + 2)
    bins = mel(np.arange(_FFT // 2) * SAMPLE_RATE / _FFT)[:, None]
    rising = (bins - edges[:-2]) / (edges[1:-1] - edges[:-2])
    falling = (edges[2:] - bins) / (edges[2:] - edges[1:-1])
    bands = np.maximum(0.0, np.minimum(rising, falling))
    return np.concatenate([bands, np.zeros((1, NUM_MEL))]).astype(np.float32)  # Kaldi leaves out the last bin


def fbank(samples: np.ndarray) -> np.ndarray:
    """Return log-mel filterbank energies, not under 0.

    Args:
        samples: float32 (n,) at 16 kHz, full scale +-1.

    Returns:
        float32 (1 + (n - 400) // 160, 80), or (0, 80) where n < 400.
    """
    from scipy.fft import rfft  # numpy's takes five times as long in single precision

    frames = max(0, 1 + (len(samples) - _LENGTH) // _SHIFT)
    energies = np.empty((frames, NUM_MEL), np.float32)
    if not frames:
        return energies
    samples = np.ascontiguousarray(samples, np.float32)
    emphasised = np.empty_like(samples)
    emphasised[0] = 0.0
    np.multiply(samples[:-1], -_PREEMPHASIS, out=emphasised[1:])
    emphasised[1:] += samples[1:]
    steps = samples[:(2 * frames + 3) * _STEP].reshape(-1, _STEP) @ np.ones(_STEP, np.float32)
    # Of a constant offset, pre-emphasis leaves this share: taken from the emphasised frame it is gone from both.
    sums = np.asarray(sum(steps[k:k + 2 * frames - 1:2] for k in range(5)))
    offsets = sums * np.float32((1 - _PREEMPHASIS) / _LENGTH)
    framed = np.lib.stride_tricks.as_strided(emphasised, (frames, _LENGTH), (4 * _SHIFT, 4), writeable=False)
    firsts = samples[:(frames - 1) * _SHIFT + 1:_SHIFT] * np.float32(1 - _PREEMPHASIS)  # each frame starts on its own
    buffer = np.zeros((min(frames, _BLOCK), _FFT), np.float32)
    for begin in range(0, frames, _BLOCK):
        part = slice(begin, min(frames, begin + _BLOCK))
        block = buffer[:part.stop - begin]
        windowed = block[:, :_LENGTH]
        np.subtract(framed[part], offsets[part, None], out=windowed)
        np.subtract(firsts[part], offsets[part], out=windowed[:, 0])
        windowed *= _window()
        spectrum = rfft(block, axis=1)
        power = np.square(spectrum.real)
        power += np.square(spectrum.imag)
        np.matmul(power, _mel_bands(), out=energies[part])
    np.maximum(energies, _FLOOR, out=energies)
    return np.log(energies, out=energies)


def cmvn(features: np.ndarray) -> np.ndarray:
    """Normalise (T, D) features to mean 0 and variance 1 in each dimension; a constant dimension becomes 0."""
    centred: np.ndarray = features - features.mean(axis=0)
    centred /= np.sqrt(np.square(centred).mean(axis=0)).clip(1e-3)
    return centred


def features(samples: np.ndarray, path: str) -> np.ndarray:
    """Return the normalised features of an utterance, float32 (T, 80).

    Args:
        samples: float32 (n,) at 16 kHz, full scale +-1.
        path: where they come from; an error message names it.

    Raises:
        DataError: it is shorter than one window.
    """
    energies = fbank(samples)
    if not len(energies):
        raise DataError(f"{path}: shorter than one window of {FRAME_LENGTH_MS:g} ms")
    return cmvn(energies)
