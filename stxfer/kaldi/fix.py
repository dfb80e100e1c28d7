"""Mend a data directory: what can be mended in its tables is, and an utterance that cannot is dropped and listed."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from stxfer.core.errors import DataError
from stxfer.core.fileio import atomic_dir
from stxfer.kaldi.blocks import Block, relocated, write_blocks
from stxfer.kaldi.channels import CHANNELS, parse_channel
from stxfer.kaldi.check import audio_problem, is_positive
from stxfer.kaldi.datadir import text_language
from stxfer.kaldi.dropped import check_share, read_dropped, write_dropped
from stxfer.kaldi.segments import parse_segment
from stxfer.kaldi.table import BOM, is_id
from stxfer.kaldi.tables import Tables, check_out, list_tables, read_speakers, recordings, spk2utt


@dataclass(frozen=True)
class Fixed:
    """What was done.

    Attributes:
        n_utts: utterances that stay.
        dropped: those that do not, and why.
        mended: by table, what was mended and in how many lines.
        others: files that are no tables and were not carried over.
    """

    n_utts: int
    dropped: dict[str, str]
    mended: dict[str, Counter[str]]
    others: tuple[str, ...]


@dataclass
class _Table:
    """A table as found: a value for each good key, a reason for each bad one, and what was mended."""

    values: dict[bytes, bytes] = field(default_factory=dict)
    bad: dict[bytes, str] = field(default_factory=dict)
    mended: Counter[str] = field(default_factory=Counter)


def fix_datadir(source: str | os.PathLike[str], out: str | os.PathLike[str], *, max_drop: float = 0.05) -> Fixed:
    """Write a data directory that :func:`stxfer.kaldi.check.check_datadir` finds no error in.

    Lines are sorted; byte-order marks, DOS line ends, blank lines, tabs after the key and repeated lines are mended;
    recordings and speakers that no utterance has are left out; ``spk2utt`` is made anew. Dropped are utterances that
    not every table has, or with two different lines, bytes that are not UTF-8, an id with white space, or a value that
    cannot be used. They are listed in ``dropped.tsv``, with those that the source's own lists.

    Args:
        source: the directory.
        out: where to write; may be the source itself, which is then replaced as a whole.
        max_drop: the share of utterances that may be dropped.

    Raises:
        DataError: the directory or a table that it needs is absent, a text's name has another form, more would be
            dropped (the list is left as ``<out>.dropped.tsv``), or ``out`` is the source and holds other files.
    """
    layout, out = list_tables(source), Path(out)
    check_out(out, [])
    for name in layout.utterance:
        if name.startswith("text."):
            text_language(name)
    keys, bad, mended = {}, {}, {}
    used: dict[bytes, bytes] = {}  # the recording of each utterance
    for name in sorted(layout.names):
        table = _load(layout.path / name)
        keys[name], bad[name], mended[name] = set(table.values), table.bad, table.mended
        if name == "segments":
            used = {utt: value.split()[0] for utt, value in table.values.items()}
    for utt in keys["utt2spk"]:
        recording = used.get(utt, utt)
        if utt in used and recording not in keys["wav.scp"]:
            reason = bad["wav.scp"].get(recording, "not in wav.scp")
            bad["segments"][utt] = f"{reason}: recording {recording.decode()}"
        elif recording in bad.get(CHANNELS, {}):
            bad["utt2spk"][utt] = f"{bad[CHANNELS][recording]}: recording {recording.decode()}"
    dropped, kept = _decide(layout, keys, bad)
    check_share(str(layout.path), len(kept), dropped, max_drop, out.with_name(f"{out.name}.dropped.tsv"))
    with atomic_dir(out) as directory:
        _write(layout, directory, kept)
        write_dropped(directory / "dropped.tsv", read_dropped(layout.path / "dropped.tsv") | dropped)
    return Fixed(len(kept), dropped, {name: counts for name, counts in mended.items() if counts}, layout.others)


def _decide(layout: Tables, keys: dict[str, set[bytes]],
            bad: dict[str, dict[bytes, str]]) -> tuple[dict[str, str], set[bytes]]:
    """Return the utterances to drop, with the first reason, and those to keep."""
    reasons: dict[bytes, str] = {}
    for name in layout.utterance:
        for utt, reason in bad[name].items():
            reasons.setdefault(utt, reason)
    known = set().union(*(keys[name] for name in layout.utterance))
    for name in layout.utterance:
        for utt in known - keys[name]:
            reasons.setdefault(utt, f"not in {name}")
    return {utt.decode(errors="replace"): reason for utt, reason in reasons.items()}, known - reasons.keys()


def _write(layout: Tables, out: Path, utts: set[bytes]) -> None:
    def write(name: str, wanted: set[bytes]) -> None:
        values = _load(layout.path / name).values
        if keys := sorted(values.keys() & wanted):  # a table of other recordings or speakers only is left out
            block = Block(keys, [b" ".join(filter(None, (key, values[key]))) for key in keys])
            write_blocks(out / name, relocated([block], layout.path / name, out))

    for name in layout.utterance:
        write(name, utts)
    used = recordings(out / "segments") if layout.segmented else utts
    for name in layout.recording:
        write(name, used)
    kept, speakers = read_speakers(out / "utt2spk")
    write_blocks(out / "spk2utt", [spk2utt(kept, speakers)])
    for name in layout.speaker:
        write(name, set(speakers))


def _load(path: Path) -> _Table:
    table, raw = _Table(), path.read_bytes()
    if raw.startswith(BOM.encode()):
        raw, table.mended["byte-order mark"] = raw.removeprefix(BOM.encode()), 1
    if count := raw.count(b"\r"):
        raw, table.mended["DOS line ends"] = raw.replace(b"\r\n", b"\n").replace(b"\r", b" "), count
    last = b""
    for number, line in enumerate(raw.removesuffix(b"\n").split(b"\n") if raw else (), 1):
        fields = line.split(None, 1)
        if not fields:
            table.mended["blank lines"] += 1
            continue
        key, value = fields[0], fields[1].strip() if len(fields) > 1 else b""
        table.mended["separators"] += bool(line[len(key):len(key) + 1].strip(b" ")) or not line.startswith(key)
        table.mended["order"] += key < last
        last = key
        _add(table, path, number, key, value)
    table.mended = +table.mended  # without zeros
    return table


def _add(table: _Table, path: Path, number: int, key: bytes, value: bytes) -> None:
    if key in table.bad:
        return
    if key in table.values and table.values[key] == value:
        table.mended["repeated lines"] += 1
    elif key in table.values:
        table.bad[key] = f"duplicate: two different lines in {path.name}"
        del table.values[key]
    elif problem := _problem(path, key, value):
        table.bad[key] = f"{problem} ({path.name}:{number})"
    else:
        table.values[key] = value


def _problem(path: Path, key: bytes, value: bytes) -> str | None:
    try:
        if not is_id(key.decode()):
            return "bad id: holds white space or a control character"
        value.decode()
    except UnicodeDecodeError as error:
        return f"not UTF-8: {error.reason}"
    check = CHECKS.get(path.name)
    return check(key, value) if check else None


def _audio(key: bytes, value: bytes) -> str | None:
    problem = audio_problem(value)
    return f"bad audio: {problem}" if problem else None


def _speaker(key: bytes, value: bytes) -> str | None:
    return None if is_id(value.decode()) else f"bad speaker: {value.decode()!r} is empty or holds white space"


def _number(key: bytes, value: bytes) -> str | None:
    return None if is_positive(value) else f"bad number: {value.decode()!r}"


def _segment(key: bytes, value: bytes) -> str | None:
    try:
        parse_segment("segments", key.decode(), value.decode())
    except DataError as error:
        return f"bad segment: {str(error).rpartition('utterance ')[2].partition(': ')[2]}"
    return None


def _channel(key: bytes, value: bytes) -> str | None:
    try:
        parse_channel(CHANNELS, key.decode(), value.decode())
    except DataError as error:
        return f"bad channel: {str(error).rpartition('recording ')[2].partition(': ')[2]}"
    return None


CHECKS: dict[str, Callable[[bytes, bytes], str | None]] = {
    "wav.scp": _audio, "utt2spk": _speaker, "utt2dur": _number, "utt2speed": _number, "segments": _segment,
    CHANNELS: _channel}
