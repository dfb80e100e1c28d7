"""Audio files to 16 kHz mono samples."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import soundfile

from stxfer.errors import DataError

SAMPLE_RATE = 16000


def _open(path: str | os.PathLike[str]) -> soundfile.SoundFile:
    try:
        if os.stat(path).st_size == 0:
            raise DataError(f"{path}: the audio file is empty (0 bytes)")
    except (FileNotFoundError, NotADirectoryError):
        raise DataError(f"{path}: no such audio file") from None
    try:
        return soundfile.SoundFile(path)
    except soundfile.LibsndfileError as error:
        raise DataError(f"{path}: cannot be decoded as WAV, FLAC, MP3 or Ogg ({error.error_string})") from None


def decode(path: str | os.PathLike[str]) -> tuple[np.ndarray, int]:
    """Decode a WAV, FLAC, MP3 or Ogg (Vorbis, Opus) file.

    Returns:
        Mono samples, float32 (n,), full scale +-1 (channels are averaged), and the file's sampling rate in Hz.

    Raises:
        DataError: the file is absent, empty, truncated, cannot be decoded, or holds values that are not finite.
    """
    with _open(path) as file:
        rate, announced = file.samplerate, file.frames
        try:
            samples = file.read(dtype="float32", always_2d=True)
        except soundfile.LibsndfileError as error:
            raise DataError(f"{path}: cannot be decoded to its end ({error.error_string})") from None
    if not len(samples):
        raise DataError(f"{path}: holds no samples")
    if len(samples) < 0.9 * announced:  # an MP3 cut short decodes without an error
        raise DataError(f"{path}: truncated, {len(samples)} of {announced} samples can be decoded")
    mono = samples[:, 0] if samples.shape[1] == 1 else samples.mean(axis=1)
    if not np.isfinite(mono).all():
        raise DataError(f"{path}: holds samples that are not finite numbers (NaN or infinity)")
    return np.ascontiguousarray(mono), rate


def duration(path: str | os.PathLike[str]) -> float:
    """Return a file's duration in seconds, from its header.

    Raises:
        DataError: the file is absent, empty or cannot be decoded.
    """
    with _open(path) as file:
        return file.frames / file.samplerate


def resample(samples: np.ndarray, rate: int, new_rate: int) -> np.ndarray:
    """Resample float32 (n,) from ``rate`` to ``new_rate`` Hz by windowed-sinc interpolation (torchaudio)."""
    if rate == new_rate:
        return samples
    import torch
    import torchaudio.functional

    return torchaudio.functional.resample(torch.from_numpy(samples), rate, new_rate).numpy()


def load_audio(path: str | os.PathLike[str], *, speed: float = 1.0) -> np.ndarray:
    """Read an audio file as 16 kHz mono.

    Args:
        path: the file.
        speed: play it this much faster, which changes tempo and pitch together: speed perturbation of
            Ko et al., "Audio augmentation for speech recognition" (Interspeech 2015), as ``sox speed`` does.

    Returns:
        float32 (n,), full scale +-1.

    Raises:
        DataError: see :func:`decode`.
    """
    samples, rate = decode(path)
    samples = resample(samples, rate, SAMPLE_RATE)
    # In two steps: 22050 * 0.9 to 16000 in one would be the ratio 3969:3200 and a filter of megabytes.
    return resample(samples, round(SAMPLE_RATE * speed), SAMPLE_RATE)


def files_digest(paths: Iterable[str | os.PathLike[str]]) -> str:
    """Return a digest of the files' paths, sizes and modification times.

    It stands for the content of audio files in stage markers: hundreds of gigabytes are not read for it.
    """
    total = hashlib.sha256()
    for path in paths:
        try:
            stat = Path(path).stat()
            total.update(f"{path}\0{stat.st_size}\0{stat.st_mtime_ns}\n".encode())
        except OSError:
            total.update(f"{path}\0absent\n".encode())
    return total.hexdigest()
