"""Kaldi's ``segments``: which part of which recording each utterance is."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from stxfer.core.errors import DataError
from stxfer.kaldi.channels import channel_number
from stxfer.kaldi.table import iter_table, write_table

TO_END = -1  # Kaldi's end of a segment that ends with its recording
DECIMALS = 6  # of written times: a microsecond, less than a sample at any rate


class Segment(NamedTuple):
    """A part of a recording.

    Attributes:
        recording: its id.
        start: seconds.
        end: seconds; None: the end of the recording, which Kaldi writes as -1.
        channel: which, counted from 0; None: the one that ``reco2file_and_channel`` names, or all.
    """

    recording: str
    start: float
    end: float | None
    channel: int | None = None


def read_segments(path: str | os.PathLike[str]) -> dict[str, Segment]:
    """Read ``<utterance> <recording> <start> <end>`` lines, with or without a channel at the end.

    Raises:
        DataError: a malformed table, or see :func:`parse_segment`; names the file and the utterance.
    """
    return {utt: parse_segment(path, utt, value) for utt, value in iter_table(path, empty_values=False)}


def parse_segment(path: str | os.PathLike[str], utt: str, value: str) -> Segment:
    """Return what a line says after the utterance.

    Raises:
        DataError: not a recording and two times, or see :func:`check_segment`; names the file ``path``.
    """
    fields = value.split()
    if len(fields) not in (3, 4):
        raise DataError(f"{path}: utterance {utt}: has {len(fields) + 1} fields; a line is '<utterance> <recording> "
                        "<start> <end>', times in seconds, with or without '<channel>' after it, counted from 0")
    try:
        start, end = float(fields[1]), float(fields[2])
    except ValueError:
        raise DataError(f"{path}: utterance {utt}: {fields[1]} {fields[2]}: not two times in seconds") from None
    try:
        channel = channel_number(fields[3], first=0) if len(fields) == 4 else None
    except ValueError as error:
        raise DataError(f"{path}: utterance {utt}: {error}") from None
    segment = Segment(fields[0], start, None if end == TO_END else end, channel)
    check_segment(path, utt, segment)
    return segment


def check_segment(path: str | os.PathLike[str], utt: str, segment: Segment) -> None:
    """Check that a segment lies after its recording's begin and is longer than nothing.

    Raises:
        DataError: a negative or infinite time, or an end that is not after the start; names the file ``path``.
    """
    start, end = segment.start, math.nextafter(math.inf, 0) if segment.end is None else segment.end
    if not (math.isfinite(start) and math.isfinite(end)) or start < 0 or end < 0:
        raise DataError(f"{path}: utterance {utt}: times {start:g} to {end:g} s: must be finite and not negative")
    if round(end, DECIMALS) <= round(start, DECIMALS):
        raise DataError(f"{path}: utterance {utt}: ends at {end:g} s, not after its start at {start:g} s")


def write_segments(path: str | os.PathLike[str], segments: Mapping[str, Segment]) -> None:
    """Write segments atomically, sorted, times to the microsecond."""
    write_table(Path(path), {utt: f"{segment.recording} {_seconds(segment.start)} {_seconds(segment.end)}"
                             + ("" if segment.channel is None else f" {segment.channel}")
                             for utt, segment in segments.items()})


def _seconds(value: float | None) -> str:
    return str(TO_END) if value is None else f"{value:.{DECIMALS}f}".rstrip("0").rstrip(".")
