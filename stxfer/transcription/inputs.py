"""What is to be heard: files, folders, lists, Kaldi tables, standard input."""

from __future__ import annotations

import re
import shutil
import sys
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from stxfer.core.errors import DataError
from stxfer.kaldi.channels import CHANNELS, read_channels
from stxfer.kaldi.datadir import Audio
from stxfer.kaldi.segments import read_segments
from stxfer.kaldi.table import read_table

STDIN, LIST, TABLE = "-", "@", ".scp"
# Of files in folders; a file that is named itself may be called anything.
SUFFIXES = frozenset((".wav", ".wave", ".flac", ".mp3", ".ogg", ".oga", ".opus", ".aif", ".aiff", ".au", ".caf", ".m4a",
                      ".mp4", ".aac", ".wma", ".webm", ".amr", ".sph"))
_NOT_ID = re.compile(r"[\s/\\]+|[\x00-\x1f]")
_NOT_IN_NAMES = {ord(char): f"%{ord(char):02X}" for char in "%/\0"}


@dataclass(frozen=True)
class Source:
    """Audio to hear.

    Attributes:
        name: what messages and outputs call it: the path as it was given, or a table's key.
        utt: a key for Kaldi's tables; no two sources have the same.
        audio: where it lies, or float32 (n,) at 16 kHz.
        problem: why it cannot be heard, where that is known before.
    """

    name: str
    utt: str
    audio: Audio | np.ndarray
    problem: str = ""

    @property
    def stem(self) -> str:
        """``utt`` as the begin of a file's name: a table's key may hold ``/``, which becomes ``%2F``."""
        return self.utt.translate(_NOT_IN_NAMES)


def find_sources(inputs: Sequence[str], spool: Path) -> list[Source]:
    """Return what command-line arguments stand for, in their order.

    A folder stands for the audio files in it and below it, sorted by path, or for the utterances of a Kaldi data
    directory (``wav.scp``, and ``segments`` and ``reco2file_and_channel`` where they are there); ``@FILE`` for the
    inputs that a file names, one a line, ``@-`` for those of standard input; ``FILE.scp`` for a Kaldi table; ``-`` for
    audio on standard input.

    Args:
        inputs: the arguments.
        spool: folder for what comes from standard input.

    Raises:
        DataError: a list or table cannot be read. What is wrong with a single file is a source's problem.
    """
    if sum(one in (STDIN, LIST + STDIN) for one in inputs) > 1:
        raise DataError("standard input can be read once")
    return list(_unique(source for one in inputs for source in _expanded(one, spool)))


def _expanded(given: str, spool: Path, deep: bool = False) -> Iterator[Source]:
    if given == STDIN:
        with tempfile.NamedTemporaryFile(dir=spool, delete=False) as handle:
            shutil.copyfileobj(sys.stdin.buffer, handle)
        yield Source("standard input", "stdin", Audio(handle.name))
    elif given.startswith(LIST) and not deep:
        for line in _lines(given.removeprefix(LIST)):
            yield from _expanded(line, spool, deep=True)
    elif given.endswith(TABLE):
        yield from _table(Path(given))
    elif Path(given).is_dir():
        yield from _table(Path(given) / "wav.scp") if (Path(given) / "wav.scp").exists() else _folder(Path(given))
    else:
        yield Source(given, _id(Path(given).stem), Audio(given))


def _lines(name: str) -> list[str]:
    try:
        data = sys.stdin.buffer.read() if name == STDIN else Path(name).read_bytes()
        return [line for line in data.decode().splitlines() if line.strip()]
    except FileNotFoundError:
        raise DataError(f"{name}: no such list of inputs") from None
    except UnicodeDecodeError as error:
        raise DataError(f"{name}: a list of inputs must be UTF-8, a path on each line ({error.reason})") from None


def _folder(folder: Path) -> Iterator[Source]:
    found = sorted(path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES and not path.is_dir()
                   and not any(part.startswith(".") for part in path.relative_to(folder).parts))
    if not found:
        yield Source(str(folder), _id(folder.name), Audio(str(folder)), "the folder holds no audio files")
    for path in found:
        yield Source(str(path), _id(str(path.relative_to(folder).with_suffix(""))), Audio(str(path)))


def _table(wav_scp: Path) -> Iterator[Source]:
    recordings = read_table(wav_scp, empty_values=False)
    segments, channels = wav_scp.with_name("segments"), wav_scp.with_name(CHANNELS)
    of = read_channels(channels) if channels.exists() else {}
    if wav_scp.name == "wav.scp" and segments.exists():
        for utt, segment in read_segments(segments).items():
            path = recordings.get(segment.recording, "")
            channel = of.get(segment.recording) if segment.channel is None else segment.channel
            yield _checked(Source(utt, utt, Audio(path, segment.start, segment.end, channel=channel),
                                  "" if path else f"{segments}: recording {segment.recording!r} is not in wav.scp"))
        return
    for utt, path in recordings.items():
        yield _checked(Source(utt, utt, Audio(path, channel=of.get(utt))))


def _checked(source: Source) -> Source:
    assert isinstance(source.audio, Audio)
    if source.audio.path.endswith("|"):
        return replace(source, problem="a command ('... |') is not run; write the audio to a file and give its path")
    return source


def _id(name: str) -> str:
    return _NOT_ID.sub("-", name).strip("-.") or "audio"


def _unique(sources: Iterable[Source]) -> Iterator[Source]:
    """Yield sources, with a number behind an id that an earlier one has."""
    taken: set[str] = set()
    for source in sources:
        utt, number = source.utt, 2
        while utt in taken:
            utt, number = f"{source.utt}-{number}", number + 1
        taken.add(utt)
        yield source if utt == source.utt else replace(source, utt=utt)
