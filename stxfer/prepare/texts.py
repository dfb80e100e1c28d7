"""The texts that vocabularies and language models are learnt from, as an experiment file names them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from stxfer.core.errors import DataError
from stxfer.kaldi.table import iter_table


def named_sentences(path: Path) -> Iterator[tuple[str, str]]:
    """Yield the sentences of such a file, each with its utterance or line number.

    Raises:
        DataError: the file is absent or not UTF-8, or a malformed table.
    """
    if path.parent.name == "bitext":
        yield from lines(path)
    else:
        yield from iter_table(path)


def lines(path: Path) -> Iterator[tuple[str, str]]:
    """Yield the lines of a file, each with its number.

    Raises:
        DataError: the file is absent or not UTF-8.
    """
    number = 0
    try:
        with path.open(encoding="utf-8", newline="\n") as handle:
            for number, line in enumerate(handle, 1):
                yield str(number), line.rstrip("\r\n")
    except FileNotFoundError:
        raise DataError(f"{path}: no such file") from None
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: not UTF-8 ({error.reason}) after line {number}; convert it with iconv") from None
