"""Recordings of any length as blocks of 16 kHz mono."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from stxfer.audio.io import SAMPLE_RATE, resample
from stxfer.audio.recording import AudioError, Recording
from stxfer.kaldi.datadir import Audio

BLOCK = 20.0  # seconds


def read_blocks(audio: Audio) -> Iterator[np.ndarray]:
    """Yield a whole recording as float32 (n,) at 16 kHz, full scale +-1.

    What is no longer than a block is resampled as :func:`stxfer.audio.io.load_audio` does, to the last bit.

    Args:
        audio: where it lies; of segments and other speeds, see :class:`stxfer.audio.shards.Reader`.

    Raises:
        AudioError: see :class:`stxfer.audio.recording.Recording`; it holds no samples.
    """
    with Recording(audio.path) as recording:
        if not recording.frames:
            raise AudioError(recording.path, "empty", "holds no samples")
        parts = recording.blocks(BLOCK, audio.channel)
        if recording.seconds <= BLOCK:
            yield from (resample(part, recording.rate, SAMPLE_RATE) for part in parts)
        else:
            yield from _resampled(parts, recording.rate)


def _resampled(parts: Iterator[np.ndarray], rate: int) -> Iterator[np.ndarray]:
    if rate == SAMPLE_RATE:
        yield from parts
        return
    import soxr

    stream = soxr.ResampleStream(rate, SAMPLE_RATE, 1, dtype="float32", quality="HQ")
    for part in parts:
        yield stream.resample_chunk(part)
    yield stream.resample_chunk(np.zeros(0, np.float32), last=True)
