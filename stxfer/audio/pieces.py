"""Speech of any length in pieces that begin and end where nobody speaks.

Pieces are found while the audio is read: what is kept of it is one piece and a block.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np

from stxfer.audio.io import SAMPLE_RATE
from stxfer.audio.parts import QUIET, quietest
from stxfer.core.errors import ConfigError

FRAME = SAMPLE_RATE // 100  # samples that the detector hears at once, its shortest: of 30 ms it misses the quiet ends
_SENSITIVITY = 1  # of 0 to 3; 3 takes most for silence
_HANGOVER = 12  # frames: the detector goes on for 8 to 14 after speech, lest its end be lost
_LEAST = 24  # frames that are taken for speech in a piece: 0.1 s, and what the detector goes on for
_EDGE = SAMPLE_RATE // 5  # samples of silence that are heard before and after speech
_SHORTEST = 2.0  # seconds, of the longest piece: its second half has a pause


class Detector(Protocol):
    """``webrtcvad.Vad``: the detector of WebRTC, Gaussian mixtures over six bands that adapt to the noise."""

    def is_speech(self, buf: bytes, sample_rate: int) -> bool:
        """Whether 10, 20 or 30 ms of 16-bit samples hold speech."""


class Piece(NamedTuple):
    """A part of a recording.

    Attributes:
        start: seconds, where speech begins.
        end: seconds, where it ends.
        first: seconds, where ``samples`` begin.
        samples: float32 (n,) at 16 kHz: the speech and what surrounds it, which the next piece may hold, too.
    """

    start: float
    end: float
    first: float
    samples: np.ndarray


@dataclass(frozen=True)
class Cutting:
    """Where recordings are cut.

    Attributes:
        most_seconds: the longest piece, with what surrounds it.
        pause: seconds without speech that part two pieces.
        detect: find speech; if not, all is taken for speech, and cut only where it is longer than a piece.
    """

    most_seconds: float
    pause: float
    detect: bool = True

    def __post_init__(self) -> None:
        for what, seconds, least in (("pieces of at most", self.most_seconds, _SHORTEST),
                                     ("a pause of", self.pause, FRAME / SAMPLE_RATE)):
            if not least <= seconds < math.inf:
                raise ConfigError(f"{what} {seconds:g} s: a number of at least {least:g} s is needed")


def pieces(blocks: Iterable[np.ndarray], options: Cutting) -> Iterator[Piece]:
    """Yield the pieces of a recording, in order.

    All that the detector takes for speech is in a piece. A piece that grows longer than ``most_seconds`` is cut in the
    middle of the quietest 0.2 s of its second half, which both parts hear.

    Args:
        blocks: float32 (n,) each, at 16 kHz: the recording.
        options: where it is cut.
    """
    cutter = _Cutter(options)
    for block in blocks:
        yield from cutter.add(block)
    yield from cutter.finish()


class _Cutter:
    """Samples that are in no piece yet. Positions are samples from the recording's begin."""

    def __init__(self, options: Cutting) -> None:
        self._options = options
        self._pause = round(options.pause * SAMPLE_RATE / FRAME)  # frames
        self._most = round(options.most_seconds * SAMPLE_RATE)
        self._detector = _detector() if options.detect else None
        self._edge = _EDGE if options.detect else 0
        self._held = np.zeros(0, np.float32)
        self._from = 0  # position of the first sample held
        self._heard = 0  # position up to which speech has been looked for
        self._start: int | None = None  # where the speech of the current piece begins
        self._end = 0  # where the last speech ended
        self._speech = 0  # frames of speech in the piece
        self._joined = False  # the piece before ends where this one begins

    def add(self, block: np.ndarray) -> Iterator[Piece]:
        """Yield the pieces that end in a block, or in what is held before it."""
        self._held = np.concatenate([self._held, block])
        total = self._from + len(self._held)
        while self._heard + FRAME + _EDGE <= total:  # what is heard after speech is there
            yield from self._frame(self._held[self._heard - self._from:][:FRAME])
        keep = (self._heard if self._start is None else self._start) - _EDGE - self._from
        if keep > 0:
            self._held, self._from = self._held[keep:].copy(), self._from + keep

    def finish(self) -> Iterator[Piece]:
        """Yield the pieces that are left."""
        total = self._from + len(self._held)
        while self._heard < total:
            yield from self._frame(self._held[self._heard - self._from:][:FRAME])
        if self._start is not None:
            yield from self._ended(min(self._end, total))

    def _frame(self, samples: np.ndarray) -> Iterator[Piece]:
        """Take a frame in, the last of the recording may be shorter."""
        first, self._heard = self._heard, self._heard + len(samples)
        if self._speaks(samples):
            if self._start is None:
                self._start = first
            self._end = self._heard
            self._speech += 1
        elif self._start is not None and self._heard - self._end >= self._pause * FRAME:
            yield from self._ended(self._end)
            self._start, self._joined = None, False
        if self._start is not None and self._heard - self._start > self._most - self._before - self._edge:
            cut = self._start + quietest(self._held[self._start - self._from:self._heard - self._from])
            if self._end <= cut:  # in a pause, which is not over
                yield from self._ended(self._end)
                self._start, self._joined = None, False
            else:
                yield from self._piece(cut, cut + QUIET // 2)
                self._start, self._joined, self._speech = cut, True, _LEAST

    @property
    def _before(self) -> int:
        """Samples that are heard before the speech of the current piece."""
        return QUIET // 2 if self._joined else self._edge

    def _speaks(self, samples: np.ndarray) -> bool:
        if self._detector is None:
            return True
        padded = np.zeros(FRAME, np.int16)
        padded[:len(samples)] = np.clip(np.rint(samples * 32767), -32768, 32767)
        return bool(self._detector.is_speech(padded.tobytes(), SAMPLE_RATE))

    def _ended(self, end: int) -> Iterator[Piece]:
        """Yield what has been said up to silence, or to the recording's end."""
        assert self._start is not None
        spoken = end - _HANGOVER * FRAME if self._end < self._heard else end
        yield from self._piece(max(spoken, min(end, self._start + FRAME)), end + self._edge)

    def _piece(self, end: int, last: int) -> Iterator[Piece]:
        """Yield the current piece, with samples up to ``last``, unless it is too short to be a word."""
        assert self._start is not None
        if self._speech >= _LEAST or self._detector is None:
            first = max(self._from, self._start - self._before)
            samples = self._held[first - self._from:last - self._from].copy()
            yield Piece(self._start / SAMPLE_RATE, end / SAMPLE_RATE, first / SAMPLE_RATE, samples)
        self._speech = 0


def _detector() -> Detector:
    import webrtcvad

    made: Detector = webrtcvad.Vad(_SENSITIVITY)
    return made
