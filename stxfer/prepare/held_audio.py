"""The audio of dev and test sets, and whether a training utterance has some of it.

Audio is the same if its decoded samples are, whatever the file's name, place and lossless format; or if it is a part of
the same recording that overlaps in time. A copy that was encoded anew with loss, cut or resampled is not found.
"""

from __future__ import annotations

import csv
import math
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from stxfer.audio.check import AudioReport
from stxfer.core.errors import DataError
from stxfer.core.fileio import atomic_write
from stxfer.core.workdir import WorkDir
from stxfer.kaldi.datadir import Audio, DataDir

HELD_AUDIO = "held_audio.tsv"  # beside each dev and test set
_COLUMNS = ("utterance", "digest", "path", "channel", "start", "end")
_ANY = -1  # in place of a channel: all of them
_PADDING = 0.3  # seconds; a shorter overlap is the pause that neighbouring segments share


class Found(NamedTuple):
    """A dev or test utterance, ``<set>/<utterance>``, whose audio another utterance has, and how."""

    place: str
    how: str


class _Span(NamedTuple):
    start: float
    end: float
    channel: int
    place: str


class _Recording:
    """The parts of one file that dev and test sets have, by their starts."""

    def __init__(self) -> None:
        self.spans: list[_Span] = []
        self._longest: float | None = None

    def overlapping(self, start: float, end: float) -> Iterator[_Span]:
        """Yield the parts that overlap with one by more than the pause that neighbours share."""
        if self._longest is None:
            self.spans.sort()
            self._longest = max(span.end - span.start for span in self.spans)
        first = bisect_left(self.spans, start - self._longest, key=lambda span: span.start)
        for span in self.spans[first:bisect_left(self.spans, end, key=lambda span: span.start)]:
            if min(end, span.end) - max(start, span.start) > _PADDING:
                yield span


def write_held_audio(directory: Path, data: DataDir, reports: Mapping[str, AudioReport]) -> Path:
    """Write what :class:`HeldAudio` has to know of a set.

    Args:
        directory: where :data:`HELD_AUDIO` is written.
        data: the set.
        reports: what was found in its audio.
    """
    path, work = directory / HELD_AUDIO, WorkDir.of(directory)
    with atomic_write(path) as handle:
        writer = csv.writer(handle, delimiter="\t", lineterminator="\n")
        writer.writerow(_COLUMNS)
        for utt in data.utts:
            audio = data.audio(utt)
            writer.writerow([utt, reports[utt].digest, work.stored(audio.path),
                             "" if audio.channel is None else audio.channel, audio.start,
                             "" if audio.end is None else audio.end])
    return path


def read_held_audio(path: Path) -> Iterator[tuple[str, str, Audio]]:
    """Yield each utterance that :func:`write_held_audio` has written, the digest of its samples and where they lie.

    Raises:
        DataError: the file is not as that has written it; names the line.
    """
    work, number = WorkDir.of(path), 1
    with path.open("rb") as handle:
        def lines() -> Iterator[str]:
            nonlocal number
            for number, line in enumerate(handle, 1):  # noqa: B007 (of the outer function)
                yield line.decode()

        rows = csv.reader(lines(), delimiter="\t", strict=True)
        try:
            if next(rows, None) != [*_COLUMNS]:
                raise ValueError
            for utt, digest, file, channel, start, end in rows:
                yield utt, digest, Audio(work.located(file), float(start), float(end) if end else None,
                                         channel=int(channel) if channel else None)
        except (ValueError, csv.Error):
            raise DataError(f"{path}:{number}: not as stage 'prepare' has written it; remove it and run that "
                            "again") from None


class HeldAudio:
    """The audio of some dev and test sets.

    Args:
        out: the folder of prepared sets.
        sets: the sets; of audio in two of them, the first is named.

    Raises:
        DataError: a set has no :data:`HELD_AUDIO`.
    """

    def __init__(self, out: Path, sets: Iterable[str]) -> None:
        self._digests: dict[str, str] = {}
        self._recordings: defaultdict[str, _Recording] = defaultdict(_Recording)
        for name in sets:
            path = out / name / HELD_AUDIO
            if not path.exists():
                raise DataError(f"{path}: no such file; run stage 'prepare' again")
            for utt, digest, audio in read_held_audio(path):
                self._digests.setdefault(digest, f"{name}/{utt}")
                self._recordings[audio.path].spans.append(_Span(
                    audio.start, _end(audio), _ANY if audio.channel is None else audio.channel, f"{name}/{utt}"))

    @property
    def recordings(self) -> set[str]:
        """The files that the audio lies in."""
        return set(self._recordings)

    def find(self, audio: Audio, digest: str) -> Found | None:
        """Return a dev or test utterance whose audio an utterance has.

        Args:
            audio: the utterance's.
            digest: of its samples, see :class:`stxfer.audio.check.AudioReport`.
        """
        if digest and digest in self._digests:
            return Found(self._digests[digest], "the same audio as")
        if audio.path not in self._recordings:
            return None
        for span in self._recordings[audio.path].overlapping(audio.start, _end(audio)):
            if audio.channel is None or span.channel in (audio.channel, _ANY):
                overlap = min(_end(audio), span.end) - max(audio.start, span.start)
                return Found(span.place, "all of the recording of" if overlap == math.inf else
                             f"{overlap:.2f} s of the recording in common with")
        return None


def _end(audio: Audio) -> float:
    return math.inf if audio.end is None else audio.end
