"""Kaldi data directories: read, validate, write whole.

A directory holds ``wav.scp text utt2spk spk2utt utt2dur``, translations as ``text.<lang>.<label>``, and,
after speed perturbation, ``utt2speed``. Every table has the same keys, except that ``wav.scp`` is keyed by
recording where ``segments`` says which part of which recording each utterance is, and so is
``reco2file_and_channel``, which need not name a channel of every recording.
"""

from __future__ import annotations

import math
import os
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from stxfer.core.errors import DataError
from stxfer.core.fileio import atomic_dir
from stxfer.core.marker import MARKER, read_marker, run_again
from stxfer.core.workdir import WorkDir
from stxfer.kaldi.channels import CHANNELS, read_channels, write_channels
from stxfer.kaldi.dropped import write_dropped
from stxfer.kaldi.segments import Segment, check_segment, read_segments, write_segments
from stxfer.kaldi.table import is_id, read_table, write_table

_FIX = "'python -m stxfer.bin.datadir fix' drops what not every table has"


class Audio(NamedTuple):
    """Where an utterance's audio lies: ``path`` from ``start`` to ``end`` seconds (None: its end), and its speed.

    ``channel`` is the one that is taken, counted from 0; None: the mean of all.
    """

    path: str
    start: float = 0.0
    end: float | None = None
    speed: float = 1.0
    channel: int | None = None

    @property
    def place(self) -> tuple[str, int, float, float]:
        """What audio is sorted by, so that no recording has to be read twice."""
        return self.path, -1 if self.channel is None else self.channel, self.start, self.end or 0.0


@dataclass
class DataDir:
    """The tables of one data directory, keyed by utterance.

    Attributes:
        path: where it was read from or is to be written; error messages name it.
        wav_scp: path of the audio file of each recording, absolute or relative to the current directory; see
            :mod:`stxfer.core.workdir` for what stands in the file.
        text: transcript.
        utt2spk: speaker.
        utt2dur: seconds; empty when not yet measured.
        texts: further texts by file name, ``text.<lang>.<label>``.
        utt2speed: speed factor to apply to the audio; empty when there is none.
        segments: each utterance's part of a recording; empty when every utterance is its own recording.
        channels: which channel of its file a recording is, counted from 0, where that is named.
    """

    path: Path
    wav_scp: dict[str, str]
    text: dict[str, str]
    utt2spk: dict[str, str]
    utt2dur: dict[str, float] = field(default_factory=dict)
    texts: dict[str, dict[str, str]] = field(default_factory=dict)
    utt2speed: dict[str, float] = field(default_factory=dict)
    segments: dict[str, Segment] = field(default_factory=dict)
    channels: dict[str, int] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.text)

    def __iter__(self) -> Iterator[str]:
        return iter(self.utts)

    @property
    def utts(self) -> list[str]:
        """The utterances, sorted."""
        return sorted(self.text)

    def audio(self, utt: str) -> Audio:
        """Return where an utterance's audio lies."""
        speed = self.utt2speed.get(utt, 1.0)
        if not self.segments:
            return Audio(self.wav_scp[utt], speed=speed, channel=self.channels.get(utt))
        recording, start, end, channel = self.segments[utt]
        return Audio(self.wav_scp[recording], start, end, speed,
                     self.channels.get(recording) if channel is None else channel)

    @property
    def hours(self) -> float:
        """Total duration in hours, 0 when the durations are not known."""
        return sum(self.utt2dur.values()) / 3600

    @property
    def spk2utt(self) -> dict[str, list[str]]:
        """Sorted utterances of each speaker."""
        table: defaultdict[str, list[str]] = defaultdict(list)
        for utt in sorted(self.utt2spk):
            table[self.utt2spk[utt]].append(utt)
        return dict(table)

    def select(self, utts: Collection[str]) -> DataDir:
        """Return the directory with these utterances only, in their order, and the recordings that they need."""
        segments = {utt: self.segments[utt] for utt in utts if utt in self.segments}
        recordings = dict.fromkeys(segment.recording for segment in segments.values()) if self.segments else utts
        wav_scp = {name: self.wav_scp[name] for name in recordings if name in self.wav_scp}
        return DataDir(self.path, wav_scp,
                       text={utt: self.text[utt] for utt in utts if utt in self.text},
                       utt2spk={utt: self.utt2spk[utt] for utt in utts if utt in self.utt2spk},
                       utt2dur={utt: self.utt2dur[utt] for utt in utts if utt in self.utt2dur},
                       texts={name: {utt: table[utt] for utt in utts} for name, table in self.texts.items()},
                       utt2speed={utt: self.utt2speed[utt] for utt in utts if utt in self.utt2speed},
                       segments=segments,
                       channels={name: self.channels[name] for name in wav_scp if name in self.channels})


def text_language(name: str | os.PathLike[str]) -> str:
    """Return the language of a ``text.<lang>.<label>`` file, given by its name or path.

    Raises:
        DataError: the name has another form.
    """
    parts = os.path.basename(name).split(".")
    if len(parts) != 3 or parts[0] != "text" or not parts[1] or not parts[2]:
        raise DataError(f"{name}: a further text must be named text.<language>.<label>, e.g. text.sw.human")
    return parts[1]


def raw_text(language: str) -> str:
    """Return the name of the table of transcripts as the corpus has them, beside the normalised ``text``."""
    return f"text.{language}.raw"


def table_files(path: str | os.PathLike[str]) -> list[Path]:
    """Return the files of a data directory that :func:`read_datadir` reads, sorted."""
    directory = Path(path)
    fixed = [directory / name for name in ("wav.scp", "text", "utt2spk")]
    optional = [directory / name for name in ("segments", CHANNELS, "utt2dur", "utt2speed")]
    return sorted([*fixed, *(p for p in optional if p.exists()), *directory.glob("text.*")])


def find_sets(path: str | os.PathLike[str]) -> list[str]:
    """Return the names of the data directories (those with a ``wav.scp``) in a folder, sorted.

    Raises:
        DataError: the folder is absent or holds none, or a stage's data directory has lost its ``wav.scp``.
    """
    names = sorted(p.parent.name for p in Path(path).glob("[!.]*/wav.scp"))
    for marker in sorted(Path(path).glob(f"[!.]*/{MARKER}")):
        if marker.parent.name not in names and "wav.scp" in (made := read_marker(marker.parent)).get("outputs", {}):
            raise DataError(f"{marker.parent}/wav.scp: is not there any more; {run_again(made)}, or remove the folder")
    if not names:
        raise DataError(f"{path}: holds no data directory (a folder with a wav.scp); run the stage that makes it first")
    return names


def read_datadir(path: str | os.PathLike[str]) -> DataDir:
    """Read and validate a data directory.

    ``utt2dur`` may be absent, as in directories of other ESPnet recipes; ``spk2utt`` is derived, not read.

    Raises:
        DataError: a table is absent, malformed, or inconsistent with the others.
    """
    directory = Path(path)
    if not directory.is_dir():
        raise DataError(f"{directory}: no such directory; run the stage that makes it first")
    names = {p.name for p in table_files(directory)}
    located = WorkDir.of(directory).located
    data = DataDir(
        path=directory,
        wav_scp={name: located(path) for name, path in read_table(directory / "wav.scp", empty_values=False).items()},
        text=read_table(directory / "text"),
        utt2spk=read_table(directory / "utt2spk", empty_values=False),
        utt2dur=_read_numbers(directory / "utt2dur") if "utt2dur" in names else {},
        texts={name: read_table(directory / name) for name in sorted(names) if name.startswith("text.")},
        utt2speed=_read_numbers(directory / "utt2speed") if "utt2speed" in names else {},
        segments=read_segments(directory / "segments") if "segments" in names else {},
        channels=read_channels(directory / CHANNELS) if CHANNELS in names else {})
    if "segments" in names and not data.segments:
        raise DataError(f"{directory}/segments: holds no utterances")
    validate(data)
    return data


def _read_numbers(path: Path) -> dict[str, float]:
    numbers = {}
    for utt, value in read_table(path, empty_values=False).items():
        try:
            numbers[utt] = float(value)
        except ValueError:
            raise DataError(f"{path}: utterance {utt}: {value!r} is not a number") from None
    return numbers


def validate(data: DataDir) -> None:
    """Check that a data directory is what every later stage takes for granted.

    Raises:
        DataError: no utterances, tables with different keys, an id with white space, a duration or speed
            that is not positive, a ``wav.scp`` command, a segment or a channel of an unknown recording, a segment
            of no length, a recording that no segment uses; names the file and the utterance.
    """
    path = data.path
    if not data.wav_scp:
        raise DataError(f"{path}/wav.scp: holds no utterances")
    reference, keys = ("segments", data.segments.keys()) if data.segments else ("wav.scp", data.wav_scp.keys())
    tables: dict[str, Mapping[str, object]] = {"text": data.text, "utt2spk": data.utt2spk, **data.texts}
    tables |= {name: table for name, table in (("utt2dur", data.utt2dur), ("utt2speed", data.utt2speed)) if table}
    for name, table in tables.items():
        if missing := keys - table.keys():
            raise DataError(f"{path}/{name}: lacks {len(missing)} of {reference}'s {len(keys)} utterances, "
                            f"the first is {min(missing)}; {_FIX}")
        if extra := table.keys() - keys:
            raise DataError(f"{path}/{name}: holds {len(extra)} utterances that {reference} lacks, "
                            f"the first is {min(extra)}; {_FIX}")
    for name in data.texts:
        text_language(path / name)
    _check_ids(path, "wav.scp", data.wav_scp)
    for name, audio in data.wav_scp.items():
        if audio.endswith("|"):
            raise DataError(f"{path}/wav.scp: {'recording' if data.segments else 'utterance'} {name}: commands "
                            "('... |') are not supported; write the audio to a file and give its path")
    _check_segments(data)
    if extra := data.channels.keys() - data.wav_scp.keys():
        raise DataError(f"{path}/{CHANNELS}: holds {len(extra)} recordings that wav.scp lacks, the first is "
                        f"{min(extra)}; {_FIX}")
    for utt, speaker in data.utt2spk.items():
        if not is_id(speaker):
            raise DataError(f"{path}/utt2spk: utterance {utt}: speaker id {speaker!r} is empty or holds white space")
    for name, numbers in (("utt2dur", data.utt2dur), ("utt2speed", data.utt2speed)):
        for utt, value in numbers.items():
            if not (value > 0 and math.isfinite(value)):
                raise DataError(f"{path}/{name}: utterance {utt}: {value} is not a positive number")


def _check_ids(path: Path, name: str, table: Mapping[str, object]) -> None:
    for key in table:
        if not is_id(key):
            raise DataError(f"{path}/{name}: id {key!r} is empty or holds white space")


def _check_segments(data: DataDir) -> None:
    path = data.path / "segments"
    _check_ids(data.path, "segments", data.segments)
    for utt, segment in data.segments.items():
        if segment.recording not in data.wav_scp:
            raise DataError(f"{path}: utterance {utt}: recording {segment.recording!r} is not in wav.scp")
        check_segment(path, utt, segment)
    used = {segment.recording for segment in data.segments.values()}
    if data.segments and (unused := data.wav_scp.keys() - used):
        raise DataError(f"{data.path}/wav.scp: holds {len(unused)} recordings that segments does not use, "
                        f"the first is {min(unused)}")


def write_datadir(path: str | os.PathLike[str], data: DataDir, *, dropped: Mapping[str, str] | None = None) -> None:
    """Validate ``data`` and write it to ``path``, which is replaced as a whole.

    Args:
        path: the directory.
        data: its tables; ``spk2utt`` is derived from ``utt2spk``.
        dropped: utterances left out and why, written as ``dropped.tsv`` when given.

    Raises:
        DataError: see :func:`validate`.
    """
    validate(data)
    stored = WorkDir.of(path).stored
    audio = {name: stored(file) for name, file in data.wav_scp.items()}
    with atomic_dir(path) as directory:
        for name, table in (("wav.scp", audio), ("text", data.text), ("utt2spk", data.utt2spk)):
            write_table(directory / name, table)
        if data.segments:
            write_segments(directory / "segments", data.segments)
        if data.channels:
            write_channels(directory / CHANNELS, data.channels, data.wav_scp)
        write_table(directory / "spk2utt", {spk: " ".join(utts) for spk, utts in data.spk2utt.items()})
        if data.utt2dur:
            write_table(directory / "utt2dur", {utt: f"{value:.3f}" for utt, value in data.utt2dur.items()})
        if data.utt2speed:
            write_table(directory / "utt2speed", {utt: f"{value:g}" for utt, value in data.utt2speed.items()})
        for name, table in data.texts.items():
            write_table(directory / name, table)
        if dropped is not None:
            write_dropped(directory / "dropped.tsv", dropped)
