"""The recipe's bitext directory: ``{train,dev,test}.<source>`` beside ``.<target>``, one sentence a line, aligned.

Stage 1 fills ``data/bitext`` (:mod:`stxfer.corpora.bitext.prepare`), stage 2 ``dump/data/bitext``
(:mod:`stxfer.corpora.bitext.clean`).
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path

from stxfer.core.errors import DataError
from stxfer.core.fileio import atomic_write
from stxfer.corpora.bitext.lines import Pair, read_sides

PARTS = ("train", "dev", "test")


def bitext_files(directory: str | os.PathLike[str], languages: Sequence[str]) -> list[Path]:
    """Return the files of a bitext, both sides of train, dev and test.

    Raises:
        DataError: one is absent.
    """
    files = [Path(directory) / f"{part}.{lang}" for part in PARTS for lang in languages]
    for path in files:
        if not path.is_file():
            raise DataError(f"{path}: no such file; a bitext is {{{','.join(PARTS)}}}.{{{','.join(languages)}}}, "
                            "one sentence a line")
    return files


def iter_pairs(directory: str | os.PathLike[str], part: str, languages: Sequence[str]) -> Iterator[Pair]:
    """Yield the sentence pairs of one part, white space collapsed; either side may be empty.

    Raises:
        DataError: a file is absent or not UTF-8, or the sides differ in their number of lines.
    """
    source, target = (Path(directory) / f"{part}.{lang}" for lang in languages)
    return read_sides((source, target))


def read_pairs(directory: str | os.PathLike[str], part: str, languages: Sequence[str]) -> list[Pair]:
    """Return all that :func:`iter_pairs` yields."""
    return list(iter_pairs(directory, part, languages))


def write_pairs(directory: Path, part: str, languages: Sequence[str], pairs: Iterable[Pair]) -> int:
    """Write one part's two files and return the number of pairs."""
    count = 0
    with ExitStack() as stack:
        handles = [stack.enter_context(atomic_write(directory / f"{part}.{lang}")) for lang in languages]
        for pair in pairs:
            for handle, side in zip(handles, pair, strict=True):
                handle.write(f"{side}\n")
            count += 1
    return count


def raw_side(directory: Path, part: str, language: str) -> Path:
    """Return where the source side of dev or test lies as the corpus has it, for translators that want it so."""
    return directory / f"{part}.raw.{language}"
