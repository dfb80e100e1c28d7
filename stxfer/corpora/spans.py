"""From the part of a file that a corpus names to the one that is taken: held against the file's length and channels."""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping

from stxfer.audio.io import Header
from stxfer.audio.recording import OVERSHOOT
from stxfer.core.errors import DataError
from stxfer.corpora.entries import Entry
from stxfer.kaldi.channels import channel_name

_SHORTEST = 0.1  # seconds; a shorter part is no utterance, so its times are not milliseconds
log = logging.getLogger(__name__)


def span(entry: Entry, header: Header | str | None) -> tuple[float, float] | str:
    """Return start and end in seconds, or why the entry is left out, ``<kind>: <detail>``.

    Args:
        entry: the entry.
        header: of its file, or why that cannot be used; None: the entry tells its duration.
    """
    if isinstance(header, str):
        return header
    length = _length(entry, header)
    if not length > 0:
        return f"empty: {entry.audio}: holds no samples"
    end = length if entry.end is None or _is_rounded(entry, length) else entry.end
    if not 0 <= entry.start < end:
        return f"bad segment: {entry.start:g} s to {end:g} s of {entry.audio} is not a stretch of time"
    if end > length + OVERSHOOT or entry.start >= length:
        return f"outside: {entry.start:g} s to {end:g} s does not lie within {entry.audio}, which lasts {length:.2f} s"
    if entry.channel is not None and header is not None and entry.channel >= header.channels > 1:
        return f"no_channel: {entry.audio}: has no channel {channel_name(entry.channel)}, only {header.channels}"
    return entry.start, min(end, length)


def is_part(entry: Entry, header: Header | str | None) -> bool:
    """Whether an entry is not all of its file."""
    if entry.end is None or isinstance(header, str):
        return entry.start > 0
    return entry.start > 0 or not _is_rounded(entry, _length(entry, header))


def settle(name: str, entries: Collection[Entry], headers: Mapping[str, Header | str]) -> None:
    """Check that the files' lengths and channels leave no doubt about the parts that entries mean.

    Args:
        name: the set, for messages.
        entries: its entries.
        headers: of the files that were opened.

    Raises:
        DataError: times without a unit lie beyond a file's end and within it as milliseconds; a channel may be counted
            from 0 or from 1; two channels of a file that has one; names file and line.
    """
    taken: dict[str, Entry] = {}
    counted_from_1 = any(entry.channel is not None and entry.channel + 1 == _channels(entry, headers) > 1
                         for entry in entries)
    cut = 0
    for entry in entries:
        header = headers.get(entry.audio)
        if isinstance(header, str):
            continue
        if entry.channel is not None:
            other = taken.setdefault(entry.audio, entry)
            if other.channel != entry.channel and header is not None and header.channels == 1:
                raise DataError(f"{_where(entry)}channel {channel_name(entry.channel)} of {entry.audio}, of which "
                                f"{other.utt} takes channel {channel_name(other.channel or 0)}; but it has one channel")
        if entry.doubt is None:
            continue
        length = _length(entry, header)
        if entry.doubt.unit and _is_milliseconds(entry, length):
            end = "" if entry.end is None else f" to {entry.end:g}"
            raise DataError(f"{_where(entry)}{entry.start:g}{end} lies beyond the end of {entry.audio}, which lasts "
                            f"{length:.2f} s; are the times milliseconds? Say --times ms, or --times s to have what is "
                            "outside left out")
        if entry.doubt.channel and not counted_from_1 and _channels(entry, headers) > 1:
            raise DataError(f"{_where(entry)}channel {(entry.channel or 0) + 1} of {entry.audio}, which has "
                            f"{_channels(entry, headers)}: is the first one 0 or 1? Say it with --first-channel")
        cut += bool(entry.doubt.rounding) and not entry.start and is_part(entry, header)
    if cut:
        log.warning("set %s: %d of %d utterances end before their file does, by their column of durations", name, cut,
                    len(entries))


def _where(entry: Entry) -> str:
    return f"{entry.table}:{entry.line}: " if entry.table else f"{entry.utt}: "


def _length(entry: Entry, header: Header | None) -> float:
    return header.seconds if header is not None else entry.seconds or 0.0


def _channels(entry: Entry, headers: Mapping[str, Header | str]) -> int:
    header = headers.get(entry.audio)
    return header.channels if isinstance(header, Header) else 0


def _is_rounded(entry: Entry, length: float) -> bool:
    return entry.end is not None and entry.doubt is not None and abs(length - entry.end) <= entry.doubt.rounding


def _is_milliseconds(entry: Entry, length: float) -> bool:
    last = entry.start if entry.end is None else entry.end
    seconds = (length if entry.end is None else entry.end / 1000) - entry.start / 1000
    return last > length + OVERSHOOT and last / 1000 <= length + OVERSHOOT and seconds >= _SHORTEST
