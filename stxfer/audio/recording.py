"""Open audio files, and exact parts of them.

What libsndfile does not do by itself: find that a file was cut short, read a part of an MP3 or Vorbis file to the
sample, and know every format by its content.
"""

from __future__ import annotations

import errno
import io
import math
import os
import stat
from collections.abc import Iterator
from io import FileIO
from pathlib import Path
from types import TracebackType

import numpy as np
import soundfile

from stxfer.audio.container import cut_short, mp3_samples, unfinished_wav
from stxfer.core.errors import DataError
from stxfer.kaldi.channels import channel_name

MAX_SECONDS = 600.0  # decoded at once: 115 MB at 48 kHz
_PREROLL = 0.5  # seconds decoded before a part of an Opus file, until the decoder has forgotten that it began there
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


class _Sequential(soundfile.SoundFile):  # type: ignore[misc]  # soundfile has no types
    """A sound file that soundfile does not move after each read: in an MP3 libsndfile would lose its place."""

    def seekable(self) -> bool:
        """Return false."""
        return False


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
        self.handle = self._open()
        try:
            self._file = self._decoder()
            self.rate, self.channels = int(self._file.samplerate), int(self._file.channels)
            self.frames = self._length()
            self._position = 0
            self._kept = np.zeros(0, np.float32)  # what was decoded last, where seeking is not exact
            self._channel: int | None = None  # the one that is taken; None: their mean
            self._power = self._common = 0.0  # of the channels averaged so far, and of their mean
        except BaseException:
            self.handle.close()
            raise

    def _open(self) -> FileIO:
        try:
            mode = os.stat(self.path).st_mode
            if not stat.S_ISREG(mode):  # to open a named pipe would be to wait for ever
                what = "directory" if stat.S_ISDIR(mode) else "device or a pipe"
                raise AudioError(self.path, "missing", f"is a {what}, not an audio file")
            handle = open(self.path, "rb", buffering=0)  # noqa: SIM115 (closed with the recording)
        except (FileNotFoundError, NotADirectoryError, ValueError):  # ValueError: a NUL character in the path
            raise AudioError(self.path, "missing", "no such audio file") from None
        except PermissionError:
            raise AudioError(self.path, "missing", "may not be read; change its permissions") from None
        except OSError as error:
            if error.errno not in (errno.ENAMETOOLONG, errno.ELOOP):
                raise
            raise AudioError(self.path, "missing", f"no such audio file ({error.strerror})") from None
        if os.fstat(handle.fileno()).st_size == 0:
            handle.close()
            raise AudioError(self.path, "empty", "the audio file is empty (0 bytes)")
        return handle

    def _decoder(self) -> soundfile.SoundFile:
        try:
            # By descriptor, not by name: libsndfile takes what it does not know for raw samples if it ends in .vox.
            file = _Sequential(self.handle.fileno(), closefd=False)
            if file.frames or (position := unfinished_wav(self.handle)) is None:
                return file
            data = bytearray(Path(self.path).read_bytes())
            data[position:position + 4] = b"\xff" * 4  # which libsndfile takes for "to the end of the file"
            return _Sequential(io.BytesIO(data))
        except soundfile.LibsndfileError as error:
            reason = error.error_string.strip().rstrip(".") or "damaged header"
            raise AudioError(self.path, "undecodable",
                             f"cannot be decoded as WAV, FLAC, MP3 or Ogg ({reason})") from None

    def _length(self) -> int:
        frames = int(self._file.frames)
        if frames >= 1 << 62:
            raise AudioError(self.path, "undecodable", "no header says how long it is; write one with "
                             "`ffmpeg -i old.flac new.flac`")
        if self._file.format != "MP3" or (counted := mp3_samples(self.handle)) is None:
            return frames
        if counted > (1 + _LOST) * frames + _MP3_DELAY:
            raise AudioError(self.path, "undecodable", "an MP3 of variable bit rate whose length no header says; "
                             "write one with `ffmpeg -i old.mp3 -c copy new.mp3`")
        return min(frames, counted)

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

    @property
    def difference(self) -> float:
        """The share of the power of the channels averaged so far that is not in their mean: 0 where they are alike."""
        return 1 - self._common / self._power if self._power else 0.0

    def read(self, start: float = 0.0, end: float | None = None, channel: int | None = None) -> np.ndarray:
        """Decode a part, without what lies before it.

        Args:
            start: seconds.
            end: seconds; None: the end of the file.
            channel: the one to take, counted from 0; None: all, averaged. Of a file of one channel it is that one,
                which a command has taken of the file that had more.

        Returns:
            Mono samples, float32 (n,), full scale +-1.

        Raises:
            AudioError: the part is longer than ``MAX_SECONDS``, lies outside the recording, was cut short,
                cannot be decoded, or holds values that are not finite; there is no such channel.
        """
        self._take(channel)
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
            # libsndfile 1.2.2 seeks MP3 and Vorbis to some samples, or frames, off.
            exact = self._file.format != "MP3" and self._file.subtype != "VORBIS"
            mono = self._decode_at(first, wanted) if exact else self._decode_through(first, wanted)
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

    def blocks(self, seconds: float, channel: int | None = None) -> Iterator[np.ndarray]:
        """Yield the whole file in parts of so many seconds, in order: memory does not grow with its length.

        Raises:
            AudioError: see :meth:`read`; that the file was cut short is found before its first part.
        """
        self._take(channel)
        self._check_whole()
        size = max(1, round(seconds * self.rate))
        for first in range(0, self.frames, size):
            yield self.read(first / self.rate, min(first + size, self.frames) / self.rate, channel)

    def _take(self, channel: int | None) -> None:
        if channel is not None and channel >= self.channels > 1:
            raise AudioError(self.path, "no_channel", f"has no channel {channel_name(channel)}, only {self.channels}")
        if channel != self._channel:
            self._channel, self._kept = channel, self._kept[:0]

    def _check_whole(self) -> None:
        if cut := cut_short(self.handle):
            raise AudioError(self.path, "truncated", f"truncated: {cut}")

    def _outside(self, edge: str) -> AudioError:
        return AudioError(self.path, "outside", f"the segment {edge} s, the recording ends at {self.seconds:.2f} s")

    def _decode_at(self, first: int, frames: int) -> np.ndarray:
        before = min(first, round(_PREROLL * self.rate)) if self._file.subtype == "OPUS" else 0
        if first or self._position:
            self._file.seek(first - before)
        mono = self._decode(before + frames)[before:]
        self._position = first + len(mono)
        return mono

    def _decode_through(self, first: int, frames: int) -> np.ndarray:
        """Decode all that lies before, for want of an exact seek; parts in order cost no more than the whole."""
        if first < self._position - len(self._kept):
            self._file.seek(0)
            self._position, self._kept = 0, self._kept[:0]
        while self._position < first:
            self._kept = self._decode(min(_BLOCK, first - self._position))
            if not len(self._kept):
                return self._kept
            self._position += len(self._kept)
        kept = self._kept[len(self._kept) - (self._position - first):]
        if len(kept) < frames:
            new = self._decode(frames - len(kept))
            self._position += len(new)
            kept = np.concatenate([kept, new]) if len(kept) else new
        self._kept = kept
        return kept[:frames]

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
        samples: np.ndarray = self._file.read(frames, dtype="float32", always_2d=True)
        if self.channels == 1:
            return samples[:, 0]
        mono = samples[:, self._channel or 0].copy()
        if self._channel is not None:
            return mono
        for channel in range(1, self.channels):  # numpy's mean over a short axis is ten times slower
            mono += samples[:, channel]
        mono /= self.channels
        self._power += float(np.vdot(samples, samples))
        self._common += self.channels * float(np.vdot(mono, mono))
        return mono
