"""Seeded, speaker-balanced, nested parts of a data directory."""

from __future__ import annotations

import dataclasses
import hashlib
import os
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterator, Sequence
from itertools import accumulate, compress
from pathlib import Path

from stxfer.core.errors import ConfigError, DataError
from stxfer.core.fileio import atomic_dir
from stxfer.kaldi.blocks import Block, iter_blocks, keep, relocated, write_blocks
from stxfer.kaldi.datadir import DataDir
from stxfer.kaldi.tables import Tables, check_out, list_tables, read_speakers, recordings, spk2utt


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
    utts = list(data.utt2spk)
    if missing := data.utt2dur and data.utt2spk.keys() - data.utt2dur.keys():
        raise DataError(f"{data.path}/utt2dur: lacks {len(missing)} of utt2spk's {len(utts)} utterances, "
                        f"the first is {min(missing)}")
    chosen = _choose(data.path, [utt.encode() for utt in utts], [data.utt2spk[utt].encode() for utt in utts],
                     [data.utt2dur[utt] for utt in utts if data.utt2dur], hours, n_utts, seed)
    return data.select(sorted(utts[k] for k in chosen))


def untranscribed_rest(data: DataDir, taken: DataDir) -> DataDir:
    """Return what a subset leaves of a data directory, without transcripts and translations.

    Raises:
        DataError: it leaves nothing.
    """
    left = data.select([utt for utt in data.utts if utt not in taken.text])
    if not len(left):
        raise DataError(f"{data.path}: the subset takes all of it; nothing is left to be untranscribed")
    return dataclasses.replace(left, text=dict.fromkeys(left.utts, ""), texts={})


def subset_datadir(source: str | os.PathLike[str], out: str | os.PathLike[str], *, hours: float | None = None,
                   n_utts: int | None = None, seed: int = 0, rest: str | os.PathLike[str] | None = None) -> int:
    """Write the part of a data directory that :func:`subset` takes, all its tables read a block at a time.

    Args:
        source: the whole.
        out: directory of the part.
        hours, n_utts, seed: see :func:`subset`.
        rest: directory of what it leaves, if that is to be written, too.

    Returns:
        The number of utterances of the part.

    Raises:
        ConfigError: see :func:`subset`; the part leaves nothing of which ``rest`` could be made.
        DataError: a table is malformed or unsorted, or has other utterances than ``utt2spk``; there are no durations.
    """
    layout, out = list_tables(source), Path(out)
    check_out(out, [layout.path])
    if rest is not None:
        if Path(rest).resolve() == out.resolve():
            raise ConfigError(f"{rest}: is to hold the part; give --rest another directory")
        check_out(Path(rest), [layout.path])
    utts, speakers = read_speakers(layout.path / "utt2spk")
    seconds = _durations(layout.path / "utt2dur", utts) if "utt2dur" in layout.names else []
    chosen = bytearray(len(utts))
    for k in _choose(layout.path, utts, speakers, seconds, hours, n_utts, seed):
        chosen[k] = True
    if rest is not None:
        if all(chosen):
            raise ConfigError(f"{layout.path}: the subset takes all of it; nothing is left for {rest}")
        _write(layout, Path(rest), utts, speakers, bytes(not there for there in chosen))
    _write(layout, out, utts, speakers, chosen)
    return sum(chosen)


def _write(layout: Tables, out: Path, utts: Sequence[bytes], speakers: Sequence[bytes], chosen: Sequence[int]) -> None:
    with atomic_dir(out) as directory:
        for name in layout.utterance:
            write_blocks(directory / name, relocated(_take(layout.path / name, utts, chosen), layout.path / name, out))
        write_blocks(directory / "spk2utt", [spk2utt(compress(utts, chosen), compress(speakers, chosen))])
        _write_others(layout, directory, set(compress(utts, chosen)), set(compress(speakers, chosen)))


def _blocks_of(path: Path, utts: Sequence[bytes]) -> Iterator[Block]:
    """Yield the blocks of a table that must have these utterances."""
    number = 0
    for block in iter_blocks(path, utts):
        if block.keys != utts[number:number + len(block.keys)]:
            break
        number += len(block.keys)
        yield block
    if number != len(utts):
        raise DataError(f"{path}: has other utterances than utt2spk; 'datadir validate' names them, 'datadir fix' "
                        "drops what is not in every table")


def _durations(path: Path, utts: Sequence[bytes]) -> list[float]:
    try:
        return [float(value) for block in _blocks_of(path, utts) for value in block.values]
    except ValueError as error:
        raise DataError(f"{path}: {error}; 'datadir validate' names the line") from None


def _take(path: Path, utts: Sequence[bytes], chosen: Sequence[int]) -> Iterator[Block]:
    number = 0
    for block in _blocks_of(path, utts):
        part = chosen[number:number + len(block.keys)]
        number += len(block.keys)
        yield Block(list(compress(block.keys, part)), list(compress(block.lines, part)))


def _write_others(layout: Tables, out: Path, utts: set[bytes], speakers: set[bytes]) -> None:
    """Write the tables that are not about utterances."""
    used = recordings(out / "segments") if layout.segmented else utts
    for name, wanted in (*((name, used) for name in layout.recording), *((name, speakers) for name in layout.speaker)):
        lines = keep(iter_blocks(layout.path / name), wanted)
        found = write_blocks(out / name, relocated(lines, layout.path / name, out)).number
        if name == "wav.scp" and found < len(used):
            raise DataError(f"{layout.path / name}: lacks {len(used) - found} of the subset's {len(used)} recordings")
        if not found:  # none of its speakers or recordings is in the subset
            (out / name).unlink()


def _choose(path: Path, utts: Sequence[bytes], speakers: Sequence[bytes], seconds: Sequence[float],
            hours: float | None, n_utts: int | None, seed: int) -> list[int]:
    """Return the numbers of the utterances to take, of parallel lists."""
    if (hours is None) == (n_utts is None):
        raise ConfigError("a subset takes either hours or a number of utterances")
    if not seconds:
        raise DataError(f"{path}/utt2dur: no such file; a subset needs durations")
    there = sum(seconds) / 3600
    if (n_utts or 0) > len(utts) or (hours or 0) > there + 1e-6:
        raise ConfigError(f"{path}: a subset of {f'{hours} h' if n_utts is None else f'{n_utts} utterances'} is "
                          f"more than there is ({there:.3f} h, {len(utts)} utterances)")
    if (n_utts is not None and n_utts < 1) or (hours is not None and not hours > 0):
        raise ConfigError(f"{path}: a subset of {f'{hours} h' if n_utts is None else f'{n_utts} utterances'}: "
                          "must be more than nothing")
    ranking = _ranking(utts, speakers, seconds, seed)
    if n_utts is None:
        assert hours is not None
        totals = list(accumulate(map(seconds.__getitem__, ranking)))
        n_utts = max(1, bisect_right(totals, hours * 3600 + 1e-6))
    return ranking[:n_utts]


def _ranking(utts: Sequence[bytes], speakers: Sequence[bytes], seconds: Sequence[float], seed: int) -> list[int]:
    """Order the utterances by how much speech their speaker has when their turn comes, by a hash within a speaker."""
    prefix, sha256 = b"%d " % seed, hashlib.sha256  # hashes, so that one utterance more does not reshuffle the others
    hashes = [sha256(prefix + utt).digest() for utt in utts]
    groups: defaultdict[bytes, list[int]] = defaultdict(list)
    for k, speaker in enumerate(speakers):
        groups[speaker].append(k)
    queued: list[int] = []
    before: list[float] = []
    for speaker in sorted(groups, key=lambda name: sha256(prefix + name).digest()):
        queue = sorted(groups[speaker], key=hashes.__getitem__)
        queued += queue
        before += accumulate(map(seconds.__getitem__, queue[:-1]), initial=0.0)
    turns = sorted(range(len(queued)), key=before.__getitem__)  # stable: equal shares go by the speaker's hash
    return [queued[turn] for turn in turns]
