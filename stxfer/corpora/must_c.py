"""MuST-C: TED talks in English with their transcripts and translations, cut into sentences by time.

Di Gangi et al., "MuST-C: a Multilingual Speech Translation Corpus" (NAACL 2019). A pair lies in
``en-<lang>/data/<split>``: ``txt/<split>.yaml`` (a list of ``{duration, offset, speaker_id, wav}``, a sentence each),
``txt/<split>.en`` and ``txt/<split>.<lang>``, line by line beside it, and ``wav/*.wav``, a file a talk.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import yaml

from stxfer.audio.stamps import files_digest
from stxfer.core.errors import ConfigError, DataError
from stxfer.corpora.bitext.lines import iter_lines, open_binary
from stxfer.corpora.collect import MAX_DROP, Counts, write_set
from stxfer.corpora.entries import Entry
from stxfer.corpora.parts import meaning
from stxfer.corpora.paths import inside, on_disk
from stxfer.corpora.rows import sanitise

SPLITS = ("train", "dev", "tst-COMMON")
_BLOCK = 1000  # list items parsed at once: the parser's nodes take a few kilobytes each
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # libyaml's: 16 s for 250,000 segments, not 100


@dataclass(frozen=True)
class Part:
    """One sentence of a talk, times in seconds."""

    wav: str
    speaker: str
    offset: float
    duration: float


def prepare_must_c(corpus: str | os.PathLike[str], out: str | os.PathLike[str], pair: str, prefix: str = "src",
                   splits: Sequence[str] = SPLITS, *, max_drop: float = MAX_DROP, force: bool = False,
                   allow_stale: bool = False, nj: int = 1) -> dict[str, Counts]:
    """Write a Kaldi data directory ``<out>/<prefix>_<split>`` with ``segments`` and ``text.<lang>.human`` per split.

    Args:
        corpus: folder that holds ``<pair>/data``, or ``data`` itself.
        out: folder of data directories.
        pair: languages, e.g. ``en-de``.
        prefix: ``src`` or ``tgt``.
        splits: ``tst-COMMON`` becomes ``test``, ``tst-HE`` ``test_he``.
        max_drop: the largest share of utterances that may be left out.
        force: do it again although it is finished.
        allow_stale: see :class:`stxfer.core.stage.Stage`.
        nj: threads that read the headers of audio files.

    Returns:
        Counts by set name.

    Raises:
        ConfigError: ``pair`` is not two languages.
        DataError: a folder or file is absent or malformed, its sides differ in length, a path leaves ``wav``, or see
            :func:`stxfer.corpora.collect.write_set`.
    """
    languages = pair.split("-")
    if len(languages) != 2 or not all(code.isalpha() for code in languages):
        raise ConfigError(f"pair {pair!r}: two languages are needed, as en-de")
    data = _data_folder(Path(os.path.abspath(corpus)), pair)
    for split in splits:
        if not (data / split).is_dir():
            there = " ".join(sorted(path.name for path in data.iterdir() if path.is_dir())) or "none"
            raise DataError(f"{data / split}: no such folder; give the splits that there are ({there}) with --splits")
    counts = {}
    for split in splits:
        folder = data / split
        name = f"{prefix}_{set_part(split)}"
        files = [folder / "txt" / f"{split}.{suffix}" for suffix in ("yaml", *languages)]
        counts[name] = write_set(
            out, name, _entries(folder, split, languages), dropped={}, inputs=files, max_drop=max_drop,
            options={"languages": languages,
                     "audio": files_digest(sorted((folder / "wav").glob("*")), Path(out) / name)},
            hint=f"Talks are looked for in {folder}/wav", force=force, allow_stale=allow_stale, nj=nj)
    return counts


def set_part(split: str) -> str:
    """Return the part of a set's name that stands for a split: ``test`` for ``tst-COMMON``, ``test_he`` ..."""
    return "test" if split == "tst-COMMON" else split.lower().replace("tst", "test").replace("-", "_")


def _data_folder(corpus: Path, pair: str) -> Path:
    for data in (corpus / pair / "data", corpus / "data"):
        if data.is_dir():
            return data
    raise DataError(f"{corpus}/{pair}/data: no such folder; give the folder that holds {pair}, as MuST-C unpacks")


def _entries(folder: Path, split: str, languages: Sequence[str]) -> Iterator[Entry]:
    text = folder / "txt"
    sides = [_lines(text / f"{split}.{language}") for language in languages]
    parts = list(read_parts(text / f"{split}.yaml"))
    lengths = {"yaml": len(parts), **{code: len(side) for code, side in zip(languages, sides, strict=True)}}
    if len(set(lengths.values())) > 1:
        counted = ", ".join(f"{split}.{suffix} {length}" for suffix, length in lengths.items())
        raise DataError(f"{text}: its files differ in length: {counted}; each segment needs a line in both languages")
    numbers: Counter[str] = Counter()
    for part, source, target in zip(parts, *sides, strict=True):
        audio = on_disk(inside(str(folder / "wav"), part.wav, f"{text / split}.yaml"))
        speaker = sanitise(part.speaker)
        utt = f"{speaker}-{sanitise(os.path.splitext(part.wav)[0])}-{numbers[part.wav]:05d}"
        numbers[part.wav] += 1
        yield Entry(utt, audio, source, speaker, part.offset, part.offset + part.duration,
                    {f"text.{languages[1]}.human": target})


def _lines(path: Path, *, collapse: bool = True) -> list[str]:
    with open_binary(path) as handle:
        return list(iter_lines(handle, str(path), collapse=collapse))


def read_parts(path: Path) -> Iterator[Part]:
    """Yield the segments of a ``<split>.yaml``, parsed a block of list items at a time to bound memory.

    Raises:
        DataError: the file is absent, not UTF-8 or not YAML, or an item lacks a key or has one of the wrong type;
            names file and line or item.
    """
    number = 0
    for first, block in _blocks(_lines(path, collapse=False)):
        try:
            items = yaml.load(block, Loader=_LOADER)  # noqa: S506 (a safe loader)
        except yaml.YAMLError as error:
            mark = getattr(error, "problem_mark", None)
            line = first + (mark.line if mark else 0)
            raise DataError(f"{path}:{line}: not YAML ({getattr(error, 'problem', None) or error})") from None
        except (ValueError, RecursionError) as error:  # of a date or number that is none
            raise DataError(f"{path}:{first}: not YAML ({error})") from None
        if not isinstance(items, list):
            raise DataError(f"{path}:{first}: not a list of segments {{duration, offset, speaker_id, wav}}")
        for item in items:
            number += 1
            yield _part(item, f"{path}: segment {number}")


def _blocks(lines: Sequence[str]) -> Iterator[tuple[int, str]]:
    """Yield the first line's number and the text of every ``_BLOCK`` items of a list at the left margin."""
    starts = [k for k, line in enumerate(lines) if line.startswith("- ")][::_BLOCK]
    bounds = [0, *starts[1:], len(lines)]
    for begin, end in pairwise(bounds):
        if begin < end:
            yield begin + 1, "".join(lines[begin:end])


def _part(item: Any, where: str) -> Part:
    if not isinstance(item, dict):
        raise DataError(f"{where}: not a mapping of duration, offset, speaker_id and wav")
    for key in ("duration", "offset", "speaker_id", "wav"):
        if item.get(key) is None:
            raise DataError(f"{where}: has no {key}")
    if other := [key for key in item if key not in ("duration", "offset") and meaning(str(key))]:
        raise DataError(f"{where}: its {other[0]} is not understood, only offset and duration say which part of the "
                        "audio is meant; remove it, or write that part to a file of its own")
    for key in ("duration", "offset"):
        if isinstance(item[key], bool) or not isinstance(item[key], (int, float)):
            raise DataError(f"{where}: {key} {item[key]!r} is not a number of seconds")
    return Part(str(item["wav"]), str(item["speaker_id"]), float(item["offset"]), float(item["duration"]))
