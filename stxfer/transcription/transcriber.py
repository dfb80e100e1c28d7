"""Audio to text: read, cut into pieces, heard in batches across files, told in order."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from stxfer.audio.io import SAMPLE_RATE, resample
from stxfer.audio.pieces import Cutting, Piece, pieces
from stxfer.audio.recording import AudioError
from stxfer.audio.shards import Reader
from stxfer.audio.stream import read_blocks
from stxfer.core.errors import ConfigError, DataError
from stxfer.experiment.config import Experiment
from stxfer.experiment.prepare import MAX_TEST_SECONDS
from stxfer.kaldi.datadir import Audio
from stxfer.transcription.inputs import Source
from stxfer.transcription.packed import open_pretrained_system
from stxfer.transcription.recognise import Heard, recogniser
from stxfer.transcription.system import SpeechSystem
from stxfer.transcription.words import Word

PAUSE = 0.5  # seconds
AT_ONCE = 300.0  # seconds of speech that are heard at once: enough to sort by length


@dataclass(frozen=True)
class Segment:
    """A piece of audio and what was heard in it.

    Attributes:
        start: seconds, where speech begins.
        end: seconds, where it ends.
        hypotheses: best first, the times of their words count from the begin of the audio; none: nothing was heard.
    """

    start: float
    end: float
    hypotheses: tuple[Heard, ...]

    @property
    def text(self) -> str:
        """The best hypothesis."""
        return self.hypotheses[0].text if self.hypotheses else ""

    @property
    def words(self) -> tuple[Word, ...]:
        """Those of the best hypothesis."""
        return self.hypotheses[0].words if self.hypotheses else ()

    @property
    def confidence(self) -> float:
        """That of the best hypothesis."""
        return self.hypotheses[0].confidence if self.hypotheses else 0.0


@dataclass(frozen=True)
class Transcript:
    """What was heard in a source, whose duration is ``seconds``."""

    source: Source
    seconds: float
    segments: tuple[Segment, ...]

    @property
    def text(self) -> str:
        """The texts of the pieces, joined."""
        return " ".join(segment.text for segment in self.segments if segment.text)


class Event(NamedTuple):
    """A segment of a source; without one, the end of the source, heard to its end unless there is a ``problem``."""

    source: Source
    segment: Segment | None = None
    seconds: float = 0.0
    problem: str = ""


@dataclass
class _Progress:
    """How far a source has been read and heard."""

    source: Source
    segments: deque[Segment] = field(default_factory=deque)  # not told yet
    unheard: int = 0
    seconds: float = 0.0
    problem: str = ""
    ended: bool = False


class Transcriber:
    """Hears audio of any length with a trained system.

    Args:
        system: opened by :func:`stxfer.transcription.system.open_system`.
        nbest: hypotheses of each piece.
        at_once: seconds of speech that are heard at once, of whatever sources: the larger, the faster, and the more
            memory it takes.
        pause: seconds without speech that part two pieces.
        longest: seconds of the longest piece; None: of the longest utterance that the system can have learnt from.
        whole: look for no speech: a source is cut only if it is longer than a piece, which then is, unless ``longest``
            says otherwise, what a test set may hold at most; Whisper keeps its window.
        amp: compute in bfloat16 where a GPU can.

    Raises:
        ConfigError: an option out of range.
    """

    def __init__(self, system: SpeechSystem, *, nbest: int = 1, at_once: float = AT_ONCE, pause: float = PAUSE,
                 longest: float | None = None, whole: bool = False, amp: bool = False) -> None:
        if nbest < 1 or not 0 < at_once < math.inf:
            raise ConfigError(f"{nbest} hypotheses of each piece, {at_once:g} s heard at once: at least 1 hypothesis, "
                              "and some speech, is needed")
        if system.extractor is None and nbest > 1:
            raise ConfigError(f"{nbest} hypotheses of each piece: the search of fine-tuned Whisper gives one")
        if system.extractor is None and longest is not None and longest > system.most_seconds:
            raise ConfigError(f"pieces of {longest:g} s: Whisper hears {system.most_seconds:g} s at once")
        if amp:
            system = replace(system, decoding=replace(system.decoding, amp=True))
        self.system, self.nbest, self.at_once = system, nbest, at_once
        most = system.most_seconds if not whole or system.extractor is None else \
            max(system.most_seconds, MAX_TEST_SECONDS)
        self.cutting = Cutting(most if longest is None else longest, pause, detect=not whole)
        self._recognise = recogniser(system)

    @classmethod
    def from_pretrained(cls, directory: str | Path, *, variant: str = "", experiment: Experiment | None = None,
                        encoder: Path | None = None, **options: Any) -> Transcriber:
        """Open a trained system or a pack.

        See :func:`stxfer.transcription.packed.open_pretrained_system`; ``options`` are the class's.
        """
        system = open_pretrained_system(Path(directory), variant=variant, experiment=experiment, encoder=encoder)
        return cls(system, **options)

    def __call__(self, audio: str | Path | np.ndarray, rate: int = SAMPLE_RATE) -> str:
        """Return what is said in a file or in samples, see :meth:`transcribe`."""
        return self.transcribe(audio, rate).text

    def transcribe(self, audio: str | Path | np.ndarray, rate: int = SAMPLE_RATE) -> Transcript:
        """Return what is said, with times.

        Args:
            audio: path of a file; or samples, float (n,) or (n, channels), full scale +-1.
            rate: of the samples, Hz.

        Raises:
            DataError: the file cannot be used, or the samples are not numbers.
        """
        segments: list[Segment] = []
        for event in self.stream([_source(audio, rate)]):
            if event.problem:
                raise DataError(f"{event.source.name}: {event.problem}")
            if event.segment is None:
                return Transcript(event.source, event.seconds, tuple(segments))
            segments.append(event.segment)
        raise AssertionError("every source ends")

    def stream(self, sources: Iterable[Source]) -> Iterator[Event]:
        """Yield segments and ends of sources in their order, as soon as they are there.

        A source that cannot be read ends with a problem, after what was heard before; the others go on.

        Raises:
            StxferError: the system cannot hear what it is given, whatever the source.
        """
        reader = Reader()
        try:
            yield from self._heard(sources, reader)
        finally:
            reader.close()

    def _heard(self, sources: Iterable[Source], reader: Reader) -> Iterator[Event]:
        open_sources: deque[_Progress] = deque()
        waiting: list[tuple[_Progress, Piece]] = []
        samples = 0
        for source in sources:
            now = _Progress(source)
            open_sources.append(now)
            for piece in self._pieces(now, reader):
                waiting.append((now, piece))
                now.unheard += 1
                samples += len(piece.samples)
                if samples >= self.at_once * SAMPLE_RATE:
                    self._hear(waiting)
                    samples = 0
                    yield from _told(open_sources)
            now.ended = True
            yield from _told(open_sources)
        self._hear(waiting)
        yield from _told(open_sources)

    def _pieces(self, now: _Progress, reader: Reader) -> Iterator[Piece]:
        """Yield the pieces of a source; note its duration and what is wrong with it."""
        if now.source.problem:
            now.problem = now.source.problem
            return
        try:
            yield from pieces(_timed(now, reader), self.cutting)
        except AudioError as error:
            now.problem = error.reason
        except OSError as error:  # of the disk
            now.problem = f"cannot be read ({error.strerror or error})"

    def _hear(self, waiting: list[tuple[_Progress, Piece]]) -> None:
        """Hear pieces, and take them from the list."""
        found = self._recognise([piece.samples for _, piece in waiting], self.nbest) if waiting else []
        for (now, piece), hypotheses in zip(waiting, found, strict=True):
            heard = tuple(one._replace(words=tuple(word.later(piece.first) for word in one.words))
                          for one in hypotheses)
            now.segments.append(Segment(piece.start, piece.end, heard))
            now.unheard -= 1
        waiting.clear()


def _timed(now: _Progress, reader: Reader) -> Iterator[np.ndarray]:
    """Yield a source's samples and count its seconds."""
    for block in _blocks(now.source.audio, reader):
        now.seconds += len(block) / SAMPLE_RATE
        yield block


def _blocks(audio: Audio | np.ndarray, reader: Reader) -> Iterable[np.ndarray]:
    if isinstance(audio, np.ndarray):
        return [audio]
    segment = audio.start or audio.end is not None
    return [reader.read(audio)] if segment else read_blocks(audio)


def _told(open_sources: deque[_Progress]) -> Iterator[Event]:
    """Yield what the first sources have to tell, and take away those that have ended."""
    while open_sources:
        first = open_sources[0]
        while first.segments:
            yield Event(first.source, first.segments.popleft(), first.seconds)
        if not first.ended or first.unheard:
            return
        open_sources.popleft()
        yield Event(first.source, None, first.seconds, first.problem)


def _source(audio: str | Path | np.ndarray, rate: int) -> Source:
    if not isinstance(audio, np.ndarray):
        return Source(str(audio), "audio", Audio(str(audio)))
    mono = audio.mean(axis=1) if audio.ndim == 2 else audio
    if mono.ndim != 1 or not np.issubdtype(mono.dtype, np.floating) or not np.isfinite(mono).all():
        raise DataError(f"samples of type {audio.dtype} and shape {audio.shape}: finite floating-point numbers (n,) or "
                        "(n, channels) at full scale +-1 are needed")
    return Source("samples", "samples", resample(mono.astype(np.float32), rate, SAMPLE_RATE))
