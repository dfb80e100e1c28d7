"""Whether a data directory on disk keeps Kaldi's rules, one table and one block of lines at a time."""

from __future__ import annotations

import math
import operator
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

from stxfer.core.errors import DataError
from stxfer.kaldi.blocks import Block, Keys, iter_blocks
from stxfer.kaldi.channels import CHANNELS, parse_channel
from stxfer.kaldi.datadir import text_language
from stxfer.kaldi.segments import parse_segment
from stxfer.kaldi.table import is_id
from stxfer.kaldi.tables import Tables, list_tables, read_speakers, recordings, spk2utt


@dataclass
class Report:
    """What is wrong with a data directory.

    Attributes:
        path: the directory.
        n_utts: lines of its ``utt2spk``.
        errors: what stops Kaldi, ESPnet or a later stage; of each table the first.
        warnings: what may be meant.
    """

    path: Path
    n_utts: int = 0
    errors: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)


def check_datadir(path: str | os.PathLike[str]) -> Report:
    """Check every table of a data directory, and that they agree.

    The rules are those of Kaldi's ``utils/validate_data_dir.sh``: ids without white space, sorted as ``LC_ALL=C sort``
    sorts and unique, the same utterances in every table, ``spk2utt`` the inverse of ``utt2spk``, segments and channels
    of known recordings; besides, UTF-8, Unix line ends, audio that is a file and not a command, and numbers where
    numbers belong. That speakers are in order along the utterances, which they are where each utterance's id begins
    with its speaker's, and that every recording's channel is named or none, is recommended.

    Raises:
        DataError: the directory, its ``wav.scp``, ``text`` or ``utt2spk`` is absent.
    """
    layout = list_tables(path)
    report = Report(layout.path)
    utts: list[bytes] = []
    keys = {name: found for name in sorted(layout.names, key=lambda name: (name != "utt2spk", name))
            if (found := _check_table(layout, name, report, utts))}
    report.n_utts = keys["utt2spk"].number if "utt2spk" in keys else 0
    reference = "segments" if layout.segmented else "wav.scp"
    if reference in keys:
        for name in layout.utterance:
            if name in keys and keys[name] != keys[reference]:
                report.errors += _differences(layout.path, name, reference, "utterances")
    if layout.segmented and {"wav.scp", "segments"} <= keys.keys():
        report.errors += _check_recordings(layout.path)
    if {"wav.scp", CHANNELS} <= keys.keys():
        _check_named(layout.path, report)
    if "utt2spk" in keys:
        report.errors += _check_spk2utt(layout.path)
    return report


def _check_table(layout: Tables, name: str, report: Report, utts: list[bytes]) -> Keys | None:
    """Report a table's first error, and return its keys if it has none; ``utts`` become those of ``utt2spk``."""
    path, keys = layout.path / name, Keys()
    try:
        if name.startswith("text."):
            text_language(name)
        check = CHECKS.get(name)
        n_empty, last, in_order = 0, b"", True
        for block in iter_blocks(path, utts if name != "utt2spk" else ()):
            keys.add(block)
            values = block.values if check or name.startswith("text") else []
            if check:
                check(path, block, values)
            else:
                n_empty += values.count(b"")
            if name == "utt2spk":
                in_order = in_order and last <= values[0] and all(map(operator.le, values, islice(values, 1, None)))
                last = values[-1]
                utts += block.keys
    except DataError as error:
        report.errors.append(str(error) if str(error).startswith(str(path)) else f"{layout.path}: {error}")
        return None
    if n_empty:
        report.warnings.append(f"{path}: {n_empty} of {keys.number} utterances have an empty transcript")
    if not in_order:
        report.warnings.append(f"{path}: speakers are not in order along the utterances; begin each utterance's id "
                               "with its speaker's (or give Kaldi's validate_data_dir.sh --no-spk-sort)")
    return keys


def _check_audio(path: Path, block: Block, values: list[bytes]) -> None:
    if all(values) and not any(value.endswith(b"|") for value in values):
        return
    for key, value in zip(block.keys, values, strict=True):
        if problem := audio_problem(value):
            raise DataError(f"{path}: {key.decode()}: {problem}")


def audio_problem(value: bytes) -> str | None:
    """Return what is wrong with a value of ``wav.scp``, if anything is."""
    if not value:
        return "no path"
    return "a command ('... |'); write the audio to a file and give its path" if value.endswith(b"|") else None


def _check_speakers(path: Path, block: Block, values: list[bytes]) -> None:
    if bad := {speaker for speaker in set(values) if not is_id(speaker.decode())}:
        key, speaker = next((k, v.decode()) for k, v in zip(block.keys, values, strict=True) if v in bad)
        raise DataError(f"{path}: utterance {key.decode()}: speaker id {speaker!r} is empty or holds white space")


def _check_numbers(path: Path, block: Block, values: list[bytes]) -> None:
    try:
        numbers = list(map(float, values))
        if min(numbers) > 0 and all(map(math.isfinite, numbers)):
            return
    except ValueError:
        pass
    key, value = next((k, v) for k, v in zip(block.keys, values, strict=True) if not is_positive(v))
    raise DataError(f"{path}: utterance {key.decode()}: {value.decode()!r} is not a positive number")


def is_positive(value: bytes) -> bool:
    """Whether a value is a finite number above 0."""
    try:
        return float(value) > 0 and math.isfinite(float(value))
    except ValueError:
        return False


def _check_segments(path: Path, block: Block, values: list[bytes]) -> None:
    for key, value in zip(block.keys, values, strict=True):
        parse_segment(path, key.decode(), value.decode())


def _check_channels(path: Path, block: Block, values: list[bytes]) -> None:
    for key, value in zip(block.keys, values, strict=True):
        parse_channel(path, key.decode(), value.decode())


CHECKS: dict[str, Callable[[Path, Block, list[bytes]], None]] = {
    "wav.scp": _check_audio, "utt2spk": _check_speakers, "utt2dur": _check_numbers, "utt2speed": _check_numbers,
    "segments": _check_segments, CHANNELS: _check_channels}


def _keys(path: Path) -> set[bytes]:
    return {key for block in iter_blocks(path) for key in block.keys}


def _differences(directory: Path, name: str, reference: str, what: str) -> list[str]:
    keys, wanted = _keys(directory / name), _keys(directory / reference)
    missing, extra = wanted - keys, keys - wanted
    return [*_named(missing, f"{directory / name}: lacks {len(missing)} of {reference}'s {len(wanted)} {what}"),
            *_named(extra, f"{directory / name}: holds {len(extra)} {what} that {reference} lacks")]


def _named(keys: set[bytes], problem: str) -> list[str]:
    """Return a problem that some keys have, with the first of them; nothing where there are none."""
    return [f"{problem}, the first is {min(keys).decode()}"] if keys else []


def _check_recordings(directory: Path) -> list[str]:
    used, there = recordings(directory / "segments"), _keys(directory / "wav.scp")
    missing, extra = used - there, there - used
    return [*_named(missing, f"{directory}/segments: {len(missing)} recordings are not in wav.scp"),
            *_named(extra, f"{directory}/wav.scp: holds {len(extra)} recordings that segments does not use")]


def _check_named(directory: Path, report: Report) -> None:
    named, there = _keys(directory / CHANNELS), _keys(directory / "wav.scp")
    lacking, extra = there - named, named - there
    report.errors += _named(extra, f"{directory / CHANNELS}: holds {len(extra)} recordings that wav.scp lacks")
    report.warnings += _named(lacking, f"{directory / CHANNELS}: names no channel of {len(lacking)} of wav.scp's "
                              f"{len(there)} recordings, whose channels are averaged")


def _check_spk2utt(directory: Path) -> list[str]:
    path = directory / "spk2utt"
    try:
        lines = [b" ".join(line.split()) for block in iter_blocks(path) for line in block.lines]
    except DataError as error:
        return [str(error)]
    wanted = spk2utt(*read_speakers(directory / "utt2spk"))
    return [] if lines == wanted.lines else [f"{path}: is not what utt2spk says"]
