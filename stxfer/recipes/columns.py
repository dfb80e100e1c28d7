"""Which column of a table is what: guessed by its name, or else by what it holds."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from stxfer.core.errors import DataError
from stxfer.corpora.manifest import SPEAKERS, SPLITS
from stxfer.corpora.parts import meaning
from stxfer.corpora.rows import Row, column_names, read_rows

AUDIO_SUFFIXES = (".wav", ".flac", ".mp3", ".opus", ".ogg", ".m4a", ".sph", ".webm", ".aac")
_AUDIO = ("audio", "audio_filepath", "audio_path", "path", "file", "filename", "file_name", "wav", "wav_path", "clip",
          "audio_file")
_TEXT = ("text", "sentence", "transcript", "transcription", "raw_transcription", "utterance", "raw_text",
         "normalized_text", "normalised_text")
_SPEAKER = ("speaker", *SPEAKERS)
_TRANSLATION = re.compile(r"(text|sentence|transcript|transcription|translation|translated|gloss|free)")
#: What tables call the sets.
SETS = {"train": ("train", "training", "trn"), "dev": ("dev", "validation", "valid", "val", "development"),
        "test": ("test", "eval", "evaluation", "tst")}


@dataclass(frozen=True)
class Columns:
    """What is known of a table's columns.

    Attributes:
        named: the table's names by ours: ``audio``, ``text``, ``speaker``, ``text.<lang>.human``.
        split: the column that says which set a row is of; empty: none does.
        values: what that column calls each set.
        unused: the other columns.
        left: how many rows that column says to be of no set, by what it calls them.
    """

    named: Mapping[str, str]
    split: str
    values: Mapping[str, str]
    unused: tuple[str, ...]
    left: Mapping[str, int]

    def option(self) -> str:
        """Return the value of ``--columns``; empty where the table has our names."""
        return " ".join(f"{ours}={_quoted(theirs)}" for ours, theirs in self.named.items() if ours != theirs)


def guess_columns(table: Path, given: Mapping[str, str], other: str) -> Columns:
    """Guess what a table's columns are.

    Args:
        table: of any form of :func:`stxfer.corpora.rows.read_rows`.
        given: the table's names by ours, which are taken as they are.
        other: code of the language that translations may be in.

    Raises:
        DataError: the table is malformed, or its audio or text is not found.
    """
    present = column_names(table)
    if missing := [name for name in given.values() if name not in present]:
        raise DataError(f"{table}:1: no column {missing[0]!r}; there are: {' '.join(present) or 'none'}")
    rows = [row.values for row in read_rows(table, (), optional=present)]
    if not rows:
        raise DataError(f"{table}: holds no rows")
    free = [name for name in present if name not in given.values()]
    named = dict(given)
    for ours, names in (("audio", _AUDIO), ("text", _TEXT), ("speaker", _SPEAKER)):
        column = "" if ours in named else _called(free, names) or _holding(ours, free, rows, other)
        if column:
            named[ours] = column
            free.remove(column)
    for ours in ("audio", "text"):
        if ours not in named:
            raise DataError(f"{table}:1: no column seems to hold the {ours}; there are: {' '.join(present)}. Say which "
                            f"with --columns '{ours}=NAME'")
    if f"text.{other}.human" not in named and (column := _translation(free, other)):
        named[f"text.{other}.human"] = column
        free.remove(column)
    split, values = "", {}
    for column in free:
        found = _sets({row[column] for row in rows})
        if column.lower() in SPLITS and "train" in found:
            split, values = column, found
            free.remove(column)
            break
    left = Counter(row[split] for row in rows if row[split] not in values.values()) if split else {}
    return Columns(named, split, values, tuple(name for name in free if meaning(name) is None), left)


def table_rows(table: Path, columns: Columns, part: str = "") -> list[Row]:
    """Return a table's rows, those of one set where a column tells which they are; values are by our names."""
    theirs = [columns.named["audio"], columns.named["text"]]
    rows = read_rows(table, theirs, optional=[*columns.named.values(), *filter(None, [columns.split])])
    return [Row(row.line, {ours: row.values[name] for ours, name in columns.named.items()}) for row in rows
            if not columns.split or not part or row.values[columns.split] == columns.values.get(part)]


def _quoted(name: str) -> str:
    return name if re.fullmatch(r"[\w.:/-]+", name) else f'"{name}"'


def _called(free: Sequence[str], names: Sequence[str]) -> str:
    lower = {name.lower(): name for name in free}
    return next((lower[name] for name in names if name in lower), "")


def _holding(ours: str, free: Sequence[str], rows: Sequence[Mapping[str, str]], other: str) -> str:
    """Return the column that holds audio or text by its values; of speakers none is known by these."""
    if ours == "audio":
        return _of_files(free, rows)
    return _of_sentences(free, rows, other) if ours == "text" else ""


def _of_files(free: Sequence[str], rows: Sequence[Mapping[str, str]]) -> str:
    return next((name for name in free if all(row[name].strip().lower().endswith(AUDIO_SUFFIXES)
                                              for row in rows[:100])), "")


def _of_sentences(free: Sequence[str], rows: Sequence[Mapping[str, str]], other: str) -> str:
    """Return the column of most words, if that has more than two a row; not that of the translation."""
    count = {name: sum(len(row[name].split()) for row in rows[:100]) for name in free
             if name != _translation(free, other)}
    best = max(count, key=lambda name: count[name], default="")
    return best if count.get(best, 0) > 2 * len(rows[:100]) else ""


def _translation(free: Sequence[str], other: str) -> str:
    for name in free:
        words = re.split(r"[\W_]+", name.lower())
        of_text = len(words) == 1 or _TRANSLATION.search(name.lower())
        if words == ["translation"] or other.lower() in words and of_text:
            return name
    return ""


def _sets(values: set[str]) -> dict[str, str]:
    """Return what a column's values call each set; nothing if they call something else."""
    return {ours: value for ours, theirs in SETS.items() for value in sorted(values) if value.lower() in theirs}
