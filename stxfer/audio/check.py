"""Audio that would spoil training, found before it does."""

from __future__ import annotations

import hashlib
import itertools
import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from stxfer.audio.container import unterminated
from stxfer.audio.recording import AudioError, Recording
from stxfer.core.errors import ConfigError
from stxfer.core.pool import HERE, Pool
from stxfer.kaldi.channels import CHANNELS
from stxfer.kaldi.datadir import Audio, DataDir

FATAL = ("missing", "empty", "undecodable", "truncated", "outside", "no_channel", "not_finite", "silent", "too_short",
         "too_long", "low_rate")
WARNINGS = ("clipped", "quiet", "offset", "channels", "unterminated")
_SILENT = 1e-3  # -60 dB of full scale: of 16 bits, five are left
_QUIET = 1e-2
_OFFSET = 0.05
_FULL_SCALE = 0.999
_DIFFERENT = 0.01  # share of the channels' power; lossy coding of one signal in two channels makes less
_JOB = 50  # utterances


@dataclass(frozen=True)
class Limits:
    """What :func:`inspect` accepts.

    Attributes:
        min_seconds: shorter is ``too_short``: no word, and no frame after subsampling by 4.
        max_seconds: longer is ``too_long``, and is not decoded.
        min_rate: a lower sampling rate, Hz, is ``low_rate``.
        max_clipped: a larger share of samples at full scale is ``clipped``.
    """

    min_seconds: float = 0.1
    max_seconds: float = 30.0
    min_rate: int = 8000
    max_clipped: float = 0.01

    def __post_init__(self) -> None:
        if not 0 <= self.min_seconds < self.max_seconds:
            raise ConfigError(f"audio from {self.min_seconds:g} to {self.max_seconds:g} s: the first must be the "
                              "smaller and not negative")
        if self.min_rate < 0 or not 0 <= self.max_clipped <= 1:
            raise ConfigError(f"min_rate {self.min_rate} must not be negative, max_clipped {self.max_clipped:g} a "
                              "share between 0 and 1")


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong: its kind, of ``FATAL`` or ``WARNINGS``, and a sentence without the file's name."""

    kind: str
    message: str

    @property
    def fatal(self) -> bool:
        """Whether the utterance cannot be used."""
        return self.kind in FATAL


@dataclass(frozen=True)
class AudioReport:
    """What :func:`inspect` found.

    Attributes:
        seconds: duration of the utterance, before its speed is changed; 0 where it could not be told.
        rate: sampling rate, Hz; 0 where it could not be told.
        channels: their number; 0 where it could not be told.
        problems: fatal ones first.
        digest: of the samples, decoded and mono, and of their rate: equal for copies of any name and lossless format.
            Empty where they were not decoded.
    """

    seconds: float
    rate: int
    channels: int
    problems: tuple[Problem, ...] = ()
    digest: str = ""

    @property
    def fatal(self) -> Problem | None:
        """The first problem for which the utterance cannot be used."""
        return next((problem for problem in self.problems if problem.fatal), None)

    @property
    def warnings(self) -> tuple[Problem, ...]:
        """The problems with which it can be used."""
        return tuple(problem for problem in self.problems if not problem.fatal)


def inspect(audio: Audio, limits: Limits = Limits()) -> AudioReport:
    """Decode an utterance and say what is wrong with it; never raises for bad audio."""
    return next(inspect_each([audio], limits))


def inspect_each(audios: Iterable[Audio], limits: Limits = Limits()) -> Iterator[AudioReport]:
    """Yield :func:`inspect` of each utterance; a recording is opened once for segments that follow each other."""
    for path, group in itertools.groupby(audios, key=lambda audio: audio.path):
        try:
            recording = Recording(path)
        except AudioError as error:
            for _ in group:
                yield AudioReport(0.0, 0, 0, (Problem(error.kind, error.reason),))
            continue
        with recording:
            for audio in group:
                yield _report(recording, audio, limits)


def inspect_all(data: DataDir, limits: Limits = Limits(), pool: Pool = HERE) -> Iterator[tuple[str, AudioReport]]:
    """Yield every utterance of a data directory and :func:`inspect` of it, in the order in which they are done."""
    items = sorted(((utt, data.audio(utt)) for utt in data.utts), key=lambda item: (*item[1].place, item[0]))
    jobs = (_Job(items[k:k + _JOB], limits) for k in range(0, len(items), _JOB))
    for reports in pool.run(_inspect_job, jobs, what=f"check {data.path.name}"):
        yield from reports


@dataclass(frozen=True)
class _Job:
    items: list[tuple[str, Audio]]
    limits: Limits


def _inspect_job(job: _Job) -> list[tuple[str, AudioReport]]:
    utts, audios = zip(*job.items, strict=True)
    return list(zip(utts, inspect_each(audios, job.limits), strict=True))


def _report(recording: Recording, audio: Audio, limits: Limits) -> AudioReport:
    rate, channels = recording.rate, recording.channels
    end = recording.seconds if audio.end is None else audio.end
    seconds = max(0.0, end - audio.start)
    if rate < limits.min_rate:
        problem = Problem("low_rate", f"sampled at {rate} Hz, less than {limits.min_rate} Hz")
        return AudioReport(seconds, rate, channels, (problem,))
    if seconds > limits.max_seconds:
        return AudioReport(seconds, rate, channels, (_too_long(seconds, limits),))
    try:
        samples = recording.read(audio.start, audio.end, audio.channel)
    except AudioError as error:
        return AudioReport(seconds, rate, channels, (Problem(error.kind, error.reason),))
    problems = _signal_problems(samples, rate, limits)
    if audio.channel is None and recording.difference > _DIFFERENT:
        problems.append(Problem("channels", f"{channels} channels that differ are averaged; {CHANNELS} names one"))
    if audio.end is None and unterminated(recording.handle):
        problems.append(Problem("unterminated", "an Ogg stream without its last page; its end may be missing"))
    return AudioReport(len(samples) / rate, rate, channels, tuple(problems), _digest(samples, rate))


def _digest(samples: np.ndarray, rate: int) -> str:
    total = hashlib.sha256(np.ascontiguousarray(samples).data)  # a fiftieth of the time that decoding MP3 takes
    total.update(f"{rate}".encode())
    return total.hexdigest()[:32]


def _too_long(seconds: float, limits: Limits) -> Problem:
    return Problem("too_long", f"{seconds:.2f} s, longer than {limits.max_seconds:g} s")


def _signal_problems(samples: np.ndarray, rate: int, limits: Limits) -> list[Problem]:
    seconds = len(samples) / rate
    if seconds < limits.min_seconds:
        return [Problem("too_short", f"{seconds:.3f} s, shorter than {limits.min_seconds:g} s")]
    low, high, offset = float(samples.min()), float(samples.max()), float(samples.mean(dtype=np.float64))
    peak = max(high - offset, offset - low)
    if peak < _SILENT:
        level = f"{20 * math.log10(peak):.0f} dB of full scale" if peak > 1e-7 else "0"
        return [Problem("silent", f"silent, its peak is {level}")]
    problems = []
    if max(high, -low) >= _FULL_SCALE:
        share = float(np.mean(np.abs(samples) >= _FULL_SCALE))
        if share > limits.max_clipped:
            problems.append(Problem("clipped", f"clipped, {100 * share:.1f} % of its samples are at full scale"))
    if peak < _QUIET:
        problems.append(Problem("quiet", f"very quiet, its peak is {20 * math.log10(peak):.0f} dB of full scale"))
    if abs(offset) > _OFFSET:
        problems.append(Problem("offset", f"its mean is {offset:+.3f} of full scale, not 0"))
    return problems
