"""The audio of dev and test sets, and whether a training utterance has some of it.

Audio is the same if its decoded samples are, whatever the file's name, place and lossless format; or if it is a part of
the same recording that overlaps in time. A copy that was encoded anew with loss, cut or resampled is not found.
"""

from __future__ import annotations

import csv
import math
from collections import defaultdict
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

from stxfer.audio.check import AudioReport
from stxfer.core.errors import DataError
from stxfer.core.fileio import atomic_write
from stxfer.kaldi.datadir import Audio, DataDir

HELD_AUDIO = "held_audio.tsv"  # beside each dev and test set
_COLUMNS = ("utterance", "digest", "path", "channel", "start", "end")
_PADDING = 0.3  # seconds; a shorter overlap is the pause that neighbouring segments share


class Found(NamedTuple):
    """A dev or test utterance, ``<set>/<utterance>``, whose audio another utterance has, and how."""

    place: str
    how: str


class _Span(NamedTuple):
    start: float
    end: float
    channel: int | None
    place: str


def write_held_audio(directory: Path, data: DataDir, reports: Mapping[str, AudioReport]) -> Path:
    """Write what :class:`HeldAudio` has to know of a set.

    Args:
        directory: where :data:`HELD_AUDIO` is written.
        data: the set.
        reports: what was found in its audio.
    """
    path = directory / HELD_AUDIO
    with atomic_write(path) as handle:
        writer = csv.writer(handle, delimiter="\t", lineterminator="\n")
        writer.writerow(_COLUMNS)
        for utt in data.utts:
            audio = data.audio(utt)
            writer.writerow([utt, reports[utt].digest, audio.path, "" if audio.channel is None else audio.channel,
                             audio.start, "" if audio.end is None else audio.end])
    return path


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
        self._spans: defaultdict[str, list[_Span]] = defaultdict(list)
        for name in sets:
            path = out / name / HELD_AUDIO
            if not path.exists():
                raise DataError(f"{path}: no such file; run stage 2 (prepare) again")
            with path.open(encoding="utf-8", newline="") as handle:
                for row in csv.DictReader(handle, delimiter="\t"):
                    place = f"{name}/{row['utterance']}"
                    self._digests.setdefault(row["digest"], place)
                    self._spans[row["path"]].append(_Span(float(row["start"]), float(row["end"] or math.inf),
                                                          int(row["channel"]) if row["channel"] else None, place))

    @property
    def recordings(self) -> set[str]:
        """The files that the audio lies in."""
        return set(self._spans)

    def find(self, audio: Audio, digest: str) -> Found | None:
        """Return a dev or test utterance whose audio an utterance has.

        Args:
            audio: the utterance's.
            digest: of its samples, see :class:`stxfer.audio.check.AudioReport`.
        """
        if digest and digest in self._digests:
            return Found(self._digests[digest], "the same audio as")
        end = math.inf if audio.end is None else audio.end
        for span in self._spans.get(audio.path, ()):
            if None not in (audio.channel, span.channel) and audio.channel != span.channel:
                continue
            overlap = min(end, span.end) - max(audio.start, span.start)
            if overlap > _PADDING:
                return Found(span.place, "all of the recording of" if overlap == math.inf else
                             f"{overlap:.2f} s of the recording in common with")
        return None
