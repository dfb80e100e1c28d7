"""Common Voice's spontaneous speech, answers to questions: ``ss-corpus-<lang>.tsv`` and ``audios/``.

One table holds all recordings; its column ``split`` says which set each is of: ``train``, ``dev``, ``test``, or
``unassigned``, whose transcriptions, where there are any, nobody has validated. Layout: the README of
https://github.com/common-voice/cv-dataset, releases 1.0 (2025-09-05) to 5.0 (2026-09-11).
"""

from __future__ import annotations

import functools
import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, MutableMapping, Sequence
from pathlib import Path
from typing import Any

from stxfer.core.errors import DataError
from stxfer.corpora.entries import Entry
from stxfer.corpora.parts import BY_NAME, PartOptions
from stxfer.corpora.release import Clip, Release
from stxfer.corpora.rows import read_rows

COLUMNS = ("client_id", "audio_file", "transcription")
SPLIT = "split"
TABLE = "ss-corpus-*.tsv"  # beside it lies ss-reported-audios-<lang>.tsv, whose recordings it leaves out


def find_table(corpus: str | os.PathLike[str]) -> Path | None:
    """Return the table of a release of spontaneous speech in a folder or up to two below it; None: there is none.

    Raises:
        DataError: there are several; names their folders.
    """
    for pattern in (TABLE, f"*/{TABLE}", f"*/*/{TABLE}"):
        if found := sorted(Path(os.path.abspath(corpus)).glob(pattern)):
            if len(found) > 1:
                raise DataError(f"{corpus}: holds {len(found)} languages, {' '.join(path.stem for path in found)}; "
                                "give the folder of one")
            return found[0]
    return None


class SpontaneousSpeech(Release):
    """One language of a release of spontaneous speech, unpacked; its splits are the tables of :class:`Release`.

    Args:
        table: see :func:`find_table`.
        test_from: a split that gives the test set too, where no recording is of the split ``test``.
        parts: see :func:`stxfer.corpora.common_voice.prepare_common_voice`.

    Raises:
        DataError: the table is malformed, or there is no folder ``audios`` beside it.
    """

    audio = "audios"
    columns = COLUMNS
    others = ("duration_ms",)  # of the whole recording

    def __init__(self, table: Path, test_from: str | None = None, parts: PartOptions = BY_NAME) -> None:
        self._table = table
        self._splits = Counter(row[SPLIT] for _, row in read_rows(table, (*COLUMNS, SPLIT)))
        super().__init__(table.parent, test_from, parts)

    def table(self, name: str) -> Path:
        """Return the path of the table.

        Raises:
            DataError: no recording of it is of the split ``name``.
        """
        if not self._holds(self._source(name)):
            there = ", ".join(f"{split} {n}" for split, n in self._splits.most_common()) or "none"
            advice = ", or take the test set from another one with --test-from" if name == "test" else ""
            raise DataError(f"{self._table}: no recording is of the split {name!r}; name the splits that there are "
                            f"with --splits ({there}){advice}")
        return self._table

    def _holds(self, name: str) -> bool:
        return self._splits[name] > 0

    def options(self, names: Sequence[str]) -> dict[str, Any]:
        """Return what, beside the table itself, the utterances of these splits depend on: the splits are one of it."""
        return {**super().options(names), "splits": list(names)}

    def _all_rows(self, name: str) -> Iterator[Clip]:
        return self._clips_of(str(self.table(name)), [SPLIT], lambda row: row[SPLIT] == self._source(name))

    @functools.cached_property
    def _seconds(self) -> Mapping[str, float]:
        rows = read_rows(self._table, ("audio_file",), optional=("duration_ms",))
        return {row["audio_file"]: int(row["duration_ms"]) / 1000 for _, row in rows if row["duration_ms"].isdecimal()}

    def entries(self, rows: Iterable[Clip], dropped: MutableMapping[str, str], *,
                texts: Callable[[Clip], Mapping[str, str]] | None = None) -> Iterator[Entry]:
        """Yield the utterances of rows; ``dropped`` receives those without a clip or a transcription."""
        for entry in super().entries(rows, dropped, texts=texts):
            if entry.text.strip():
                yield entry
            else:
                dropped[entry.utt] = f"no transcription: line {entry.line} of {self._table.name} has an empty one"
