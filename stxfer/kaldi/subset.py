"""Seeded, speaker-balanced, nested parts of a data directory."""

from __future__ import annotations

import hashlib
import heapq
import os
from collections import defaultdict
from collections.abc import Iterator, Mapping
from itertools import islice
from pathlib import Path

from stxfer.errors import ConfigError, DataError
from stxfer.fileio import atomic_dir
from stxfer.kaldi.blocks import iter_blocks, keep, write_blocks
from stxfer.kaldi.datadir import DataDir
from stxfer.kaldi.layout import Layout, check_out, read_layout, recordings, write_spk2utt


def subset(data: DataDir, *, hours: float | None = None, n_utts: int | None = None, seed: int = 0) -> DataDir:
    """Take a seeded, speaker-balanced part of a data directory.

    Utterances are ranked once, always taking the next one from the speaker with the least speech so far, and
    the ranking is cut at the size asked for: with one seed, a smaller subset lies within every larger one.

    Args:
        data: the whole, with durations.
        hours: the most speech to take (at least one utterance is taken), or
        n_utts: the number of utterances to take.
        seed: which subset.

    Raises:
        ConfigError: not exactly one size is given, or it is more than there is.
        DataError: there are no durations.
    """
    return data.select(sorted(_choose(data.path, data.utt2spk, data.utt2dur, hours, n_utts, seed)))


def subset_datadir(source: str | os.PathLike[str], out: str | os.PathLike[str], *, hours: float | None = None,
                   n_utts: int | None = None, seed: int = 0) -> int:
    """Write the part of a data directory that :func:`subset` takes, all its tables read a block at a time.

    Returns:
        The number of utterances.

    Raises:
        ConfigError: see :func:`subset`.
        DataError: a table is malformed or unsorted, or lacks utterances of the subset; there are no durations.
    """
    layout, out = read_layout(source), Path(out)
    check_out(out, [layout.path])
    utt2spk = {utt: value.decode() for utt, value in _table(layout.path / "utt2spk")}
    seconds: dict[str, float] = {}
    if "utt2dur" in layout.names:
        try:
            seconds = {utt: float(value) for utt, value in _table(layout.path / "utt2dur")}
        except ValueError as error:
            raise DataError(f"{layout.path}/utt2dur: {error}; 'datadir validate' names the line") from None
    chosen = {utt.encode() for utt in _choose(layout.path, utt2spk, seconds, hours, n_utts, seed)}
    speakers = {utt2spk[utt.decode()].encode() for utt in chosen}
    del utt2spk, seconds
    with atomic_dir(out) as directory:
        _write_part(layout, directory, chosen, speakers)
    return len(chosen)


def _table(path: Path) -> Iterator[tuple[str, bytes]]:
    for block in iter_blocks(path):
        yield from zip(b"\n".join(block.keys).decode().split("\n"), block.values, strict=True)


def _write_part(layout: Layout, out: Path, utts: set[bytes], speakers: set[bytes]) -> None:
    def write(name: str, keys: set[bytes]) -> int:
        return len(keys) - write_blocks(out / name, keep(iter_blocks(layout.path / name), keys)).number

    for name in layout.utterance:
        if missing := write(name, utts):
            raise DataError(f"{layout.path / name}: lacks {missing} of the subset's {len(utts)} utterances; "
                            "'datadir fix' drops what is not in every table")
    used = recordings(out / "segments") if layout.recording else set()
    for name in layout.recording:
        if (missing := write(name, used)) and name == "wav.scp":
            raise DataError(f"{layout.path / name}: lacks {missing} of the {len(used)} recordings of the subset")
    for name in layout.speaker:
        write(name, speakers)
    write_spk2utt(out)


def _choose(path: Path, utt2spk: Mapping[str, str], seconds: Mapping[str, float], hours: float | None,
            n_utts: int | None, seed: int) -> list[str]:
    if (hours is None) == (n_utts is None):
        raise ConfigError("a subset takes either hours or a number of utterances")
    if not seconds:
        raise DataError(f"{path}/utt2dur: no such file; a subset needs durations")
    if missing := utt2spk.keys() - seconds.keys():
        raise DataError(f"{path}/utt2dur: lacks {len(missing)} of utt2spk's {len(utt2spk)} utterances, "
                        f"the first is {min(missing)}")
    there = sum(seconds.values()) / 3600
    if (n_utts or 0) > len(utt2spk) or (hours or 0) > there + 1e-6:
        raise ConfigError(f"{path}: a subset of {f'{hours} h' if n_utts is None else f'{n_utts} utterances'} is "
                          f"more than there is ({there:.3f} h, {len(utt2spk)} utterances)")
    ranking = _ranking(utt2spk, seconds, seed)
    if n_utts is not None:
        return list(islice(ranking, n_utts))
    assert hours is not None
    chosen, total = [], 0.0
    for utt in ranking:
        total += seconds[utt]
        if total > hours * 3600 + 1e-6 and chosen:
            break
        chosen.append(utt)
    return chosen


def _ranking(utt2spk: Mapping[str, str], seconds: Mapping[str, float], seed: int) -> Iterator[str]:
    def order(name: str) -> bytes:  # a hash, so that one utterance more or less does not reshuffle the others
        return hashlib.sha256(f"{seed} {name}".encode()).digest()

    queues: defaultdict[str, list[str]] = defaultdict(list)
    for utt, speaker in utt2spk.items():
        queues[speaker].append(utt)
    for utts in queues.values():
        utts.sort(key=order, reverse=True)
    heap = [(0.0, order(speaker), utts) for speaker, utts in queues.items()]
    heapq.heapify(heap)
    while heap:
        total, tie, utts = heap[0]
        utt = utts.pop()
        yield utt
        if utts:
            heapq.heapreplace(heap, (total + seconds[utt], tie, utts))
        else:
            heapq.heappop(heap)
