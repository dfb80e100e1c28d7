"""Audio files, or parts of them, to 16 kHz mono samples."""

from __future__ import annotations

import hashlib
import io
import math
import os
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType

import numpy as np
import soundfile

from stxfer.audio.container import cut_short, mp3_samples, unfinished_wav
from stxfer.errors import DataError

SAMPLE_RATE = 16000
MAX_SECONDS = 600.0  # decoded at once: 115 MB at 48 kHz
OVERSHOOT = 0.5  # seconds by which a segment may end after its recording, as in Kaldi's extract-segments
_BLOCK = 1 << 20  # samples of all channels decoded at a time
_LOST = 0.01  # share of an MP3 that its header may promise too much
_MP3_DELAY = 2304  # two frames: of these, encoders disagree whether they count


class AudioError(DataError):
    """An audio file that cannot be used.

    Attributes:
        path: the file.
        kind: what it is, in a word: see :data:`stxfer.audio.check.FATAL`.
        reason: what it is, in a sentence.
    """

    def __init__(self, path: str, kind: str, reason: str) -> None:
        super().__init__(path, kind, reason)
        self.path, self.kind, self.reason = path, kind, reason

    def __str__(self) -> str:
        return f"{self.path}: {self.reason}"


class Recording:
    """An open WAV, FLAC, MP3 or Ogg (Vorbis, Opus) file, known by its content: its name does not matter.

    Attributes:
        path: the file.
        handle: the file, unbuffered.
        rate: sampling rate, Hz.
        channels: their number.
        frames: samples a channel, as the header says.

    Raises:
        AudioError: the file is absent, empty, or cannot be decoded.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = str(path)
        try:
            self.handle = open(path, "rb", buffering=0)  # noqa: SIM115 (closed with the recording)
        except (FileNotFoundError, NotADirectoryError):
            raise AudioError(self.path, "missing", "no such audio file") from None
        except IsADirectoryError:
            raise AudioError(self.path, "missing", "is a directory, not an audio file") from None
        except PermissionError:
            raise AudioError(self.path, "missing", "may not be read; change its permissions") from None
        try:
            if os.fstat(self.handle.fileno()).st_size == 0:
                raise AudioError(self.path, "empty", "the audio file is empty (0 bytes)")
            # By descriptor, not by name: libsndfile takes what it does not know for raw samples if it ends in .vox.
            self._file = soundfile.SoundFile(self.handle.fileno(), closefd=False)
            if not self._file.frames and (size := unfinished_wav(self.handle)) is not None:
                self._file = self._without_size(size)
            if self._file.frames >= 1 << 62:
                raise AudioError(self.path, "undecodable", "no header says how long it is; write one with "
                                 "`ffmpeg -i old.flac new.flac`")
            self.frames = self._file.frames
            if self._file.format == "MP3" and (counted := mp3_samples(self.handle)) is not None:
                if counted > (1 + _LOST) * self.frames + _MP3_DELAY:
                    raise AudioError(self.path, "undecodable", "an MP3 of variable bit rate whose length no header "
                                     "says; write one with `ffmpeg -i old.mp3 -c copy new.mp3`")
                self.frames = min(self.frames, counted)
        except soundfile.LibsndfileError as error:
            self.handle.close()
            reason = error.error_string.strip() or "damaged header"
            raise AudioError(self.path, "undecodable",
                             f"cannot be decoded as WAV, FLAC, MP3 or Ogg ({reason.rstrip('.')})") from None
        except BaseException:
            self.handle.close()
            raise
        self.rate, self.channels = self._file.samplerate, self._file.channels

    def _without_size(self, position: int) -> soundfile.SoundFile:
        data = bytearray(Path(self.path).read_bytes())
        data[position:position + 4] = b"\xff" * 4  # which libsndfile takes for "to the end of the file"
        return soundfile.SoundFile(io.BytesIO(data))

    @property
    def seconds(self) -> float:
        """Duration, as the header says."""
        return self.frames / self.rate

    def __enter__(self) -> Recording:
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None,
                 trace: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""
        self._file.close()
        self.handle.close()

    def read(self, start: float = 0.0, end: float | None = None) -> np.ndarray:
        """Decode a part, without what lies before it.

        Args:
            start: seconds.
            end: seconds; None: the end of the file.

        Returns:
            Mono samples, float32 (n,), full scale +-1: channels are averaged.

        Raises:
            AudioError: the part is longer than ``MAX_SECONDS``, lies outside the recording, was cut short,
                cannot be decoded, or holds values that are not finite.
        """
        last = self.frames if end is None else min(round(end * self.rate), self.frames)
        if end is None or end * self.rate > self.frames:
            self._check_whole()
        if start and start >= self.seconds:
            raise self._outside(f"starts at {start:.2f}")
        if end is not None and end > self.seconds + OVERSHOOT:
            raise self._outside(f"ends at {end:.2f}")
        first = round(start * self.rate)
        wanted = last - first
        if wanted > MAX_SECONDS * self.rate:
            raise AudioError(self.path, "too_long", f"{wanted / self.rate:.0f} s, more than the {MAX_SECONDS:.0f} s "
                             "that are decoded at once; cut it into segments")
        try:
            if first or self._file.tell():
                self._file.seek(first)
            mono = self._decode(wanted)
        except soundfile.LibsndfileError:
            raise AudioError(self.path, "truncated", "cut short or damaged: cannot be decoded to its end") from None
        if not len(mono) and not wanted:
            raise AudioError(self.path, "empty", "holds no samples")
        if len(mono) < wanted - (_LOST * wanted + _MP3_DELAY):  # an MP3: no error tells it
            raise AudioError(self.path, "truncated", f"truncated: {len(mono) / self.rate:.2f} of "
                             f"{wanted / self.rate:.2f} s can be decoded")
        if not math.isfinite(mono.sum()):
            raise AudioError(self.path, "not_finite", "holds samples that are not finite numbers (NaN or infinity)")
        return mono

    def _check_whole(self) -> None:
        if cut := cut_short(self.handle):
            raise AudioError(self.path, "truncated", f"truncated: {cut}")

    def _outside(self, edge: str) -> AudioError:
        return AudioError(self.path, "outside", f"the segment {edge} s, the recording ends at {self.seconds:.2f} s")

    def _decode(self, frames: int) -> np.ndarray:
        block = max(1, _BLOCK // self.channels)
        if frames <= block:
            return self._mix(frames)
        mono, found = np.empty(frames, np.float32), 0
        while found < frames and len(part := self._mix(min(block, frames - found))):
            mono[found:found + len(part)] = part
            found += len(part)
        return mono[:found]

    def _mix(self, frames: int) -> np.ndarray:
        samples = self._file.read(frames, dtype="float32", always_2d=True)
        mono = samples[:, 0]
        if self.channels == 1:
            return mono
        mono = mono.copy()  # column by column: numpy's mean over a short axis is ten times slower
        for channel in range(1, self.channels):
            mono += samples[:, channel]
        mono /= self.channels
        return mono


def decode(path: str | os.PathLike[str], start: float = 0.0, end: float | None = None) -> tuple[np.ndarray, int]:
    """Decode an audio file, or a part of it.

    Returns:
        Mono samples, float32 (n,), and the file's sampling rate in Hz; see :meth:`Recording.read`.

    Raises:
        AudioError: see :class:`Recording` and :meth:`Recording.read`.
    """
    with Recording(path) as recording:
        return recording.read(start, end), recording.rate


def duration(path: str | os.PathLike[str]) -> float:
    """Return a file's duration in seconds, from its header.

    Raises:
        AudioError: see :class:`Recording`.
    """
    with Recording(path) as recording:
        return recording.seconds


def resample(samples: np.ndarray, rate: int, new_rate: int, *, speed: float = 1.0) -> np.ndarray:
    """Resample float32 (n,) from ``rate`` to ``new_rate`` Hz, to be played ``speed`` times as fast.

    By soxr at quality HQ (aliases below -120 dB). Of 5 s at 48 and 44.1 kHz on one core, to 16 kHz: soxr HQ 0.87 and
    0.99 ms, VHQ 1.7 and 2.1; torchaudio (its default filter, of 6 zero crossings, lets more through) 1.4 and 2.1;
    scipy's resample_poly 3.0 and 3.2.
    """
    played = round(rate * speed, 3)
    if played == new_rate:
        return samples
    import soxr

    return soxr.resample(samples, played, new_rate, quality="HQ")


def load_audio(path: str | os.PathLike[str], *, speed: float = 1.0, start: float = 0.0,
               end: float | None = None) -> np.ndarray:
    """Read an audio file, or a part of it, as 16 kHz mono.

    Args:
        path: the file.
        speed: play it this much faster, which changes tempo and pitch together: speed perturbation of
            Ko et al., "Audio augmentation for speech recognition" (Interspeech 2015), as ``sox speed`` does.
        start: seconds, in the file's own time.
        end: seconds; None: the file's end.

    Returns:
        float32 (n,), full scale +-1.

    Raises:
        AudioError: see :func:`decode`.
    """
    samples, rate = decode(path, start, end)
    return resample(samples, rate, SAMPLE_RATE, speed=speed)


def file_stamp(path: str | os.PathLike[str]) -> str:
    """Return a line of a file's path, size and modification time."""
    try:
        stat = os.stat(path)
    except OSError:
        return f"{path}\0absent\n"
    return f"{path}\0{stat.st_size}\0{stat.st_mtime_ns}\n"


def files_digest(paths: Iterable[str | os.PathLike[str]]) -> str:
    """Return a digest of the files' paths, sizes and modification times.

    It stands for the content of audio files in stage markers: hundreds of gigabytes are not read for it.
    """
    total = hashlib.sha256()
    for path in paths:
        total.update(file_stamp(path).encode())
    return total.hexdigest()
