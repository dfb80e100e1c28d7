"""Parts of a set whose features are made at once, in one process: audio is read, an archive is written."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from stxfer.audio.ark import write_matrix
from stxfer.audio.fbank import FRAME_LENGTH_MS, FRAME_SHIFT_MS, NUM_MEL, features
from stxfer.audio.io import SAMPLE_RATE, resample
from stxfer.audio.recording import Recording
from stxfer.core.errors import DataError
from stxfer.core.fileio import atomic_write, sha256, write_json
from stxfer.kaldi.datadir import Audio

OPTIONS = {"num_mel": NUM_MEL, "frame_length_ms": FRAME_LENGTH_MS, "frame_shift_ms": FRAME_SHIFT_MS,
           "cmvn": "utterance", "resample": "soxr HQ"}
MIN_SHARD = 100
_DROPS = "stage 'prepare' drops what cannot be used"


class Extractor(Protocol):
    """What makes an utterance's features of its samples; it is pickled for the worker processes."""

    @property
    def name(self) -> str:
        """How progress lines call it."""

    @property
    def size(self) -> int:
        """Dimension of the features."""

    @property
    def min_shard(self) -> int:
        """How many utterances a shard holds at least."""

    @property
    def at_once(self) -> float:
        """How many seconds of speech a call gets at least, where a shard has so many; 0: an utterance a call."""

    @property
    def options(self) -> Mapping[str, Any]:
        """What decides the features, for markers (JSON)."""

    @property
    def files(self) -> Mapping[str, Mapping[str, Any]]:
        """Files that the options stand for by their content, as :func:`stxfer.core.fresh.watch` has seen them."""

    def __call__(self, samples: Sequence[np.ndarray], names: Sequence[str]) -> Sequence[np.ndarray]:
        """Map utterances, float32 (n,) at 16 kHz, to float32 (T, size) each; ``names`` are for error messages."""


@dataclass(frozen=True)
class Fbank:
    """The filterbank of :mod:`stxfer.audio.fbank`."""

    name = "fbank"
    size = NUM_MEL
    at_once = 0.0

    @property
    def min_shard(self) -> int:
        """Utterances of a shard, at least."""
        return MIN_SHARD

    @property
    def options(self) -> Mapping[str, Any]:
        """What decides the features, as JSON can hold it."""
        return OPTIONS

    @property
    def files(self) -> Mapping[str, Mapping[str, Any]]:
        """No files."""
        return {}

    def __call__(self, samples: Sequence[np.ndarray], names: Sequence[str]) -> list[np.ndarray]:
        """See :func:`stxfer.audio.fbank.features`."""
        return [features(one, name) for one, name in zip(samples, names, strict=True)]


FBANK = Fbank()


@dataclass(frozen=True)
class Shard:
    """A part of a set that is made at once.

    Attributes:
        name: the set.
        path: of the ark and the index, without their endings. Its name is a digest of all that determines the
            content: a shard of a killed run is used again only if it is the same.
        items: utterances and their audio, those of one recording one after the other.
        compression: of the ark.
        extractor: what makes the features.
    """

    name: str
    path: Path
    items: tuple[tuple[str, Audio], ...]
    compression: str
    extractor: Extractor = FBANK

    @property
    def ark(self) -> Path:
        """Kaldi's archive of features."""
        return self.path.with_suffix(".ark")

    @property
    def index(self) -> Path:
        """JSON written when the ark is whole: its SHA-256 and, by utterance, byte offset and number of frames."""
        return self.path.with_suffix(".json")


class Reader:
    """Reads audio as 16 kHz mono, and keeps the recording and the samples read last.

    Segments of one recording do not open it again, and copies at other speeds are not decoded again.
    """

    def __init__(self) -> None:
        self._recording: Recording | None = None
        self._last: tuple[Audio, np.ndarray] | None = None

    def read(self, audio: Audio) -> np.ndarray:
        """Return float32 (n,), full scale +-1; see :func:`stxfer.audio.io.load_audio`."""
        if self._recording is None or self._recording.path != audio.path:
            self.close()
            self._recording = Recording(audio.path)
        part = audio._replace(speed=1.0)
        if self._last is None or self._last[0] != part:
            self._last = None  # freed before the next is read
            self._last = part, self._recording.read(audio.start, audio.end, audio.channel)
        return resample(self._last[1], self._recording.rate, SAMPLE_RATE, speed=audio.speed)

    def close(self) -> None:
        """Close the recording."""
        if self._recording is not None:
            self._recording.close()
        self._recording = self._last = None


def make_shard(shard: Shard) -> Shard:
    """Write a shard's ark and index; runs in a worker process.

    Raises:
        DataError: an utterance's audio cannot be used; names the utterance.
    """
    index: dict[str, tuple[int, int]] = {}
    reader = Reader()
    try:
        # Not awaited to be on the disk, which would cost as much as a dozen utterances: all are at the end.
        with atomic_write(shard.ark, "wb", durable=False) as handle:
            for group in _groups(shard, reader):
                utts, names, samples = zip(*group, strict=True)
                try:
                    matrices = shard.extractor(samples, names)
                except DataError as error:
                    raise DataError(f"{error}; {_DROPS}") from None
                for utt, matrix in zip(utts, matrices, strict=True):
                    index[utt] = (write_matrix(handle, utt, matrix, shard.compression), len(matrix))
    finally:
        reader.close()
    write_json(shard.index, {"sha256": sha256(shard.ark), "bytes": shard.ark.stat().st_size, "utts": index},
               durable=False)
    return shard


def _groups(shard: Shard, reader: Reader) -> Iterator[list[tuple[str, str, np.ndarray]]]:
    """Yield what the extractor gets at once: of each utterance its key, what messages call it, and its samples."""
    group: list[tuple[str, str, np.ndarray]] = []
    samples = 0
    for utt, audio in shard.items:
        name = f"{shard.name}, utterance {utt}"
        try:
            group.append((utt, f"{name}: {audio.path}", reader.read(audio)))
        except DataError as error:
            raise DataError(f"{name}: {error}; {_DROPS}") from None
        samples += len(group[-1][2])
        if samples >= shard.extractor.at_once * SAMPLE_RATE:
            yield group
            group, samples = [], 0
    if group:
        yield group
