"""Kaldi's ``reco2file_and_channel``: which channel of its file each recording is.

A line is ``<recording> <file> <channel>``, the channel a letter or, as in NIST's ``ctm`` and ``stm``, a number from 1.
Kaldi's own programs take the channel by a command in ``wav.scp``; here ``wav.scp`` holds paths, and it is taken when
the audio is read.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path

from stxfer.core.errors import DataError
from stxfer.kaldi.table import iter_table, write_table

CHANNELS = "reco2file_and_channel"
_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"


def channel_name(channel: int) -> str:
    """Return what a channel, counted from 0, is called: A, B and so on, from the 27th on its number from 1."""
    return _LETTERS[channel] if channel < len(_LETTERS) else str(channel + 1)


def channel_number(name: str, first: int = 1) -> int:
    """Return a channel, counted from 0.

    Args:
        name: a letter, or a number.
        first: the number of the first channel.

    Raises:
        ValueError: it is neither, or less than ``first``.
    """
    if len(name) == 1 and name.upper() in _LETTERS:
        return _LETTERS.index(name.upper())
    if not (name.isascii() and name.isdecimal()) or int(name) < first:
        raise ValueError(f"channel {name!r} is not one of A, B ... or {first}, {first + 1} ...")
    return int(name) - first


def parse_channel(path: str | os.PathLike[str], recording: str, value: str) -> int:
    """Return the channel that a line says after the recording, counted from 0.

    Raises:
        DataError: not a file and a channel; names the file ``path`` and the recording.
    """
    fields = value.split()
    if len(fields) != 2:
        raise DataError(f"{path}: recording {recording}: has {len(fields) + 1} fields; a line is "
                        "'<recording> <file> <channel>'")
    try:
        return channel_number(fields[1])
    except ValueError as error:
        raise DataError(f"{path}: recording {recording}: {error}") from None


def read_channels(path: str | os.PathLike[str]) -> dict[str, int]:
    """Return the channel of each recording, counted from 0.

    Raises:
        DataError: a malformed table, or see :func:`parse_channel`.
    """
    return {recording: parse_channel(path, recording, value)
            for recording, value in iter_table(path, empty_values=False)}


def write_channels(path: str | os.PathLike[str], channels: Mapping[str, int], wav_scp: Mapping[str, str]) -> None:
    """Write the channels of recordings, each with the name of its file, atomically and sorted."""
    write_table(Path(path), {recording: f"{_file(wav_scp[recording])} {channel_name(channel)}"
                             for recording, channel in channels.items()})


def _file(path: str) -> str:
    return re.sub(r"\s", "_", os.path.splitext(os.path.basename(path))[0]) or "-"
