"""The tables that a data directory on disk holds, Kaldi's and ESPnet's included, and what keys each."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from stxfer.core.errors import DataError
from stxfer.kaldi.blocks import Block, iter_blocks

REQUIRED = ("wav.scp", "text", "utt2spk")
DERIVED = {"spk2utt", "dropped.tsv"}  # made anew, or about the making


@dataclass(frozen=True)
class Tables:
    """The files of one data directory.

    Attributes:
        path: the directory.
        utterance: names of the tables with a line for every utterance, sorted.
        recording: of those about recordings: ``wav.scp`` where there are ``segments``, and ``reco2*``. Without
            ``segments``, each utterance is a recording of its own.
        speaker: of those about speakers: ``spk2*`` but ``spk2utt``, and ``cmvn.scp``.
        others: files that are none of these.
    """

    path: Path
    utterance: tuple[str, ...]
    recording: tuple[str, ...]
    speaker: tuple[str, ...]
    others: tuple[str, ...]

    @property
    def names(self) -> set[str]:
        """All tables."""
        return {*self.utterance, *self.recording, *self.speaker}

    @property
    def segmented(self) -> bool:
        """Whether utterances are parts of recordings."""
        return "segments" in self.utterance


def list_tables(path: str | os.PathLike[str]) -> Tables:
    """List a data directory's tables.

    Raises:
        DataError: the directory, its ``wav.scp``, ``text`` or ``utt2spk`` is absent.
    """
    directory = Path(path)
    if not directory.is_dir():
        raise DataError(f"{directory}: no such directory")
    for name in REQUIRED:
        if not (directory / name).is_file():
            raise DataError(f"{directory / name}: no such file; a data directory holds {', '.join(REQUIRED)}")
    files = sorted(p.name for p in directory.iterdir() if not p.name.startswith(".") and p.name not in DERIVED)
    kinds: defaultdict[str, list[str]] = defaultdict(list)
    for name in files:
        kinds[_kind(name, "segments" in files)].append(name)
    return Tables(directory, *(tuple(kinds[kind]) for kind in ("utterance", "recording", "speaker", "other")))


def _kind(name: str, segmented: bool) -> str:
    if name == "wav.scp":
        return "recording" if segmented else "utterance"
    if name in ("text", "segments", "feats.scp") or name.startswith(("text.", "utt2")):
        return "utterance"
    if name.startswith("reco2"):
        return "recording"
    return "speaker" if name == "cmvn.scp" or name.startswith("spk2") else "other"


def check_out(out: Path, sources: list[Path]) -> None:
    """Check that ``out`` may be replaced: it is none of the directories that are read, and holds nothing but tables.

    Raises:
        DataError: it is, or does not.
    """
    if out.resolve() in [source.resolve() for source in sources]:
        raise DataError(f"{out}: is read from; give --out another directory")
    if out.exists() and not out.is_dir():
        raise DataError(f"{out}: is a file; give --out another directory")
    for entry in sorted(out.iterdir()) if out.exists() else ():
        known = entry.name.startswith(".") or entry.name in DERIVED or _kind(entry.name, False) != "other"
        if entry.is_dir() or not known:
            raise DataError(f"{out}: holds {entry.name}, which is no table of a data directory and would be lost; "
                            "give --out another directory")


def recordings(path: Path) -> set[bytes]:
    """Return the recordings that a ``segments`` file names."""
    return {value.partition(b" ")[0] for block in iter_blocks(path) for value in block.values}


def read_speakers(utt2spk: Path) -> tuple[list[bytes], list[bytes]]:
    """Return the utterances of a sorted ``utt2spk``, and the speaker of each, one object a speaker."""
    utts: list[bytes] = []
    speakers: list[bytes] = []
    shared: dict[bytes, bytes] = {}
    for block in iter_blocks(utt2spk):
        utts += block.keys
        speakers += [shared.setdefault(speaker, speaker) for speaker in block.values]
    return utts, speakers


def spk2utt(utts: Iterable[bytes], speakers: Iterable[bytes]) -> Block:
    """Return the lines of ``spk2utt`` for sorted utterances and the speaker of each."""
    groups: defaultdict[bytes, list[bytes]] = defaultdict(list)
    for utt, speaker in zip(utts, speakers, strict=True):
        groups[speaker].append(utt)
    keys = sorted(groups)
    return Block(keys, [b" ".join([key, *groups[key]]) for key in keys])
