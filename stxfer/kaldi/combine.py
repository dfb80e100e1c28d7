"""Several data directories as one."""

from __future__ import annotations

import operator
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from stxfer.core.errors import ConfigError, DataError
from stxfer.core.fileio import atomic_dir
from stxfer.kaldi.blocks import Block, Keys, iter_blocks, merge, relocated, write_blocks
from stxfer.kaldi.channels import CHANNELS
from stxfer.kaldi.tables import Tables, check_out, list_tables, read_speakers, spk2utt

_FILLED = ("utt2speed", CHANNELS)  # tables whose lines a part without them can do without


@dataclass(frozen=True)
class Combined:
    """What became of the parts.

    Attributes:
        n_utts: utterances of the whole.
        left_out: tables that not every part has, each with a part that lacks it.
    """

    n_utts: int
    left_out: dict[str, Path]


def combine_datadirs(parts: Sequence[str | os.PathLike[str]], out: str | os.PathLike[str]) -> Combined:
    """Write the utterances of all parts as one data directory, merging sorted tables a block of lines at a time.

    A recording or a speaker may stand in several parts, with the same value. ``utt2speed`` is 1 where a part has
    none, and ``reco2file_and_channel`` names the channels that some part's names; other tables that a part lacks are
    left out.

    Raises:
        ConfigError: fewer than two parts, or one given twice.
        DataError: an utterance stands in two parts, a recording has two values or a channel in one part and none in
            another, ``segments`` are only in some, or a table is malformed, unsorted or has other utterances than its
            directory's ``utt2spk``.
    """
    layouts, out = [list_tables(part) for part in parts], Path(out)
    if len({layout.path.resolve() for layout in layouts}) < max(2, len(layouts)):
        raise ConfigError("combining takes two or more different directories")
    check_out(out, [layout.path for layout in layouts])
    segmented = {layout.segmented: layout.path for layout in layouts}
    if len(segmented) > 1:
        raise DataError(f"{segmented[True]} has segments and {segmented[False]} has none: such directories cannot be "
                        "combined; write one that gives each whole recording as a segment")
    names = set.union(*(layout.names for layout in layouts))
    left_out = {name: next(layout.path for layout in layouts if name not in layout.names) for name in sorted(names)
                if name not in _FILLED and any(name not in layout.names for layout in layouts)}
    with atomic_dir(out) as directory:
        utts: list[list[bytes]] = [[] for _ in layouts]
        keys = {"utt2spk": _write("utt2spk", layouts, directory, utts, fill=True)}
        for name in sorted(names - left_out.keys() - keys.keys()):
            keys[name] = _write(name, layouts, directory, utts)
        for name in sorted(_utterance_tables(layouts) & keys.keys()):
            if keys[name] != keys["utt2spk"]:
                _refuse_difference(name, layouts)
        if CHANNELS in keys:
            _check_channels(layouts)
        write_blocks(directory / "spk2utt", [spk2utt(*read_speakers(directory / "utt2spk"))])
    return Combined(keys["utt2spk"].number, left_out)


def _check_channels(layouts: Sequence[Tables]) -> None:
    def keys(layout: Tables, name: str) -> set[bytes]:
        return {key for block in iter_blocks(layout.path / name) for key in block.keys} if name in layout.names \
            else set()

    named = set().union(*(keys(layout, CHANNELS) for layout in layouts))
    for layout in layouts:
        if unnamed := named & keys(layout, "wav.scp") - keys(layout, CHANNELS):
            raise DataError(f"{layout.path}: recording {min(unnamed).decode()} has no channel in its {CHANNELS}, but "
                            "one in that of another directory; name it in both")


def _utterance_tables(layouts: Sequence[Tables]) -> set[str]:
    return {name for layout in layouts for name in layout.utterance}


def _write(name: str, layouts: Sequence[Tables], out: Path, utts: Sequence[list[bytes]], *, fill: bool = False) -> Keys:
    """Merge one table of the parts; ``utts`` are their utterances, noted down if they are to ``fill``."""
    streams = [relocated(_blocks(layout, name, of, fill), layout.path / name, out)
               for layout, of in zip(layouts, utts, strict=True)]
    shared = name not in _utterance_tables(layouts)
    return write_blocks(out / name, (_unique(block, name, layouts, shared) for block in merge(streams)))


def _blocks(layout: Tables, name: str, utts: list[bytes], fill: bool) -> Iterator[Block]:
    if name not in layout.names:
        if name == "utt2speed":
            yield Block(utts, [utt + b" 1" for utt in utts])
        return
    for block in iter_blocks(layout.path / name, () if fill else utts):
        if fill:
            utts += block.keys
        yield block


def _unique(block: Block, name: str, layouts: Sequence[Tables], shared: bool) -> Block:
    """Return a block without repetitions of one line, if it may be ``shared``; other repetitions are errors."""
    if all(map(operator.lt, block.keys, islice(block.keys, 1, None))):
        return block
    if shared:
        lines = list(dict.fromkeys(block.lines))
        block = Block([line.partition(b" ")[0] for line in lines], lines)
    for key, following in zip(block.keys, block.keys[1:], strict=False):
        if key == following:
            first, second = _places(name, layouts, key)[:2]
            what = f"{key.decode()!r} has two values, in" if shared else f"utterance {key.decode()} stands in"
            raise DataError(f"{what} {first} and {second}; ids must differ between the directories")
    return block


def _places(name: str, layouts: Sequence[Tables], key: bytes) -> list[str]:
    places = []
    for layout in layouts:
        number = 0
        for block in iter_blocks(layout.path / name) if name in layout.names else ():
            if key in block.keys:
                places.append(f"{layout.path / name}:{number + block.keys.index(key) + 1}")
            number += len(block.keys)
    return places


def _refuse_difference(name: str, layouts: Sequence[Tables]) -> None:
    for layout in layouts:
        utts, others = Keys(), Keys()
        for block in iter_blocks(layout.path / "utt2spk"):
            utts.add(block)
        for block in iter_blocks(layout.path / name) if name in layout.names else ():
            others.add(block)
        if utts != others:
            raise DataError(f"{layout.path / name}: has other utterances than utt2spk; 'datadir validate' names them, "
                            "'datadir fix' drops what is not in every table")
