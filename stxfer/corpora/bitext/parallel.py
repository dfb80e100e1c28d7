"""Where the sentence pairs of a corpus lie, in whichever format it comes."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Protocol

from stxfer.core.errors import DataError
from stxfer.corpora.bitext.directory import PARTS
from stxfer.corpora.bitext.lines import LeftOut, Pair, iter_lines, open_binary, read_sides
from stxfer.corpora.bitext.moses import read_moses
from stxfer.corpora.bitext.tmx import read_tmx

FORMATS = ("auto", "text", "tsv", "moses", "tmx")
SUFFIXES = {"tsv": (".tsv", ".tsv.gz"), "moses": (".zip",), "tmx": (".tmx", ".tmx.gz")}


class Reader(Protocol):
    """What reads a file."""

    def __call__(self, left_out: LeftOut | None = None) -> Iterator[Pair]:
        """Yield its sentence pairs; ``left_out`` receives those that are passed over."""


@dataclass(frozen=True)
class Source:
    """One part of a corpus: its files, and how its pairs are read from them."""

    part: str
    files: tuple[Path, ...]
    read: Reader


def find_sources(corpus: str | os.PathLike[str], languages: Sequence[str], form: str = "auto") -> list[Source]:
    """Return the parts of a corpus.

    Args:
        corpus: a folder of ``train``, ``dev`` and ``test``, each as ``.<source>`` beside ``.<target>``, ``.tsv``,
            ``.tmx`` or ``.zip``; or one such file, or the common beginning of two aligned ones (``corpus`` of
            ``corpus.en`` and ``corpus.sw``), all of it training text. All but ``.zip`` may be packed (``.gz``).
        languages: codes of the source and the target language.
        form: one of ``FORMATS``; ``auto`` goes by the names.

    Raises:
        DataError: there is nothing of that kind.
    """
    path = Path(corpus)
    if path.is_dir():
        sources = [source for part in PARTS if (source := _source(part, path / part, languages, form)) is not None]
        if sources:
            return sources
        raise DataError(f"{path}: no {' or '.join(_names(path / 'train', languages, form))} in this folder; a corpus "
                        "is a folder of train, dev and test, one file, or the beginning of two files' names")
    if path.is_file():
        kind = form if form != "auto" else next((kind for kind, suffixes in SUFFIXES.items()
                                                 if path.name.endswith(suffixes)), "")
        if kind in SUFFIXES:
            return [Source("train", (path,), _reader(kind, path, languages))]
        raise DataError(f"{path}: its name does not say what format it has. Aligned files are given as their "
                        "folder, or as the beginning of both names; others are called .tsv, .tmx or .zip, or have "
                        "--format tsv, tmx or moses of prepare_bitext")
    source = _source("train", path, languages, form)
    if source is None:
        raise DataError(f"{path}: no such folder or file, nor {' and '.join(_names(path, languages, 'text'))}; "
                        "give --corpus what holds the sentence pairs")
    return [source]


def _source(part: str, stem: Path, languages: Sequence[str], form: str) -> Source | None:
    """Return the one file or the two files that begin with ``stem``."""
    if form in ("auto", "text"):
        for packed in ("", ".gz"):
            first, second = (stem.with_name(f"{stem.name}.{lang}{packed}") for lang in languages)
            if first.exists() or second.exists():
                for path in (first, second):
                    if not path.is_file():
                        raise DataError(f"{path}: no such file, though the other side is there")
                return Source(part, (first, second), _whole(partial(read_sides, (first, second))))
    for kind, suffixes in SUFFIXES.items():
        for path in (stem.with_name(stem.name + suffix) for suffix in suffixes if form in ("auto", kind)):
            if path.is_file():
                return Source(part, (path,), _reader(kind, path, languages))
    return None


def _names(stem: Path, languages: Sequence[str], form: str) -> list[str]:
    texts = [f"{stem.name}.{{{','.join(languages)}}}"] if form in ("auto", "text") else []
    return texts + [stem.name + suffixes[0] for kind, suffixes in SUFFIXES.items() if form in ("auto", kind)]


def _reader(kind: str, path: Path, languages: Sequence[str]) -> Reader:
    if kind == "tmx":
        return partial(read_tmx, path, languages)
    return _whole(partial(read_moses, path, languages) if kind == "moses" else partial(read_tsv, path))


def _whole(read: Callable[[], Iterator[Pair]]) -> Reader:
    """Return a reader of a format of which nothing is passed over."""
    return lambda left_out=None: read()


def read_tsv(path: Path) -> Iterator[Pair]:
    """Yield the first two columns of a table without a head: source, tab, target; quotation marks are text.

    Raises:
        DataError: a line has no tab; names the line. See also :func:`stxfer.corpora.bitext.lines.iter_lines`.
    """
    with open_binary(path) as handle:
        for number, line in enumerate(iter_lines(handle, str(path), collapse=False), 1):
            columns = line.split("\t")
            if len(columns) < 2 and line.strip():
                raise DataError(f"{path}:{number}: no tab; a line is a source sentence, a tab, its translation")
            source, target = columns[:2] if len(columns) > 1 else ("", "")
            yield " ".join(source.split()), " ".join(target.split())
