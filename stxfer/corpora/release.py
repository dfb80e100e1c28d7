"""One language of a release of Common Voice, unpacked: its tables, its clips, their durations."""

from __future__ import annotations

import functools
import logging
import math
import os
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, MutableMapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

from stxfer.core.errors import DataError
from stxfer.corpora.apart import hold_out
from stxfer.corpora.collect import list_folder
from stxfer.corpora.entries import Entry
from stxfer.corpora.parts import BY_NAME, Part, PartColumns, PartOptions, part_name
from stxfer.corpora.paths import inside, listed
from stxfer.corpora.rows import column_names, read_rows, sanitise
from stxfer.text.near import sentence_key

log = logging.getLogger(__name__)
COLUMNS = ("client_id", "path", "sentence")
SPEAKER_CHARS = 16  # of Common Voice's client ids, which are digests of 128 digits
TEST_SHARE = 0.5  # of a table that gives the test set too
DURATIONS = ("clip_durations.tsv", "times.txt")
_DIGEST = re.compile(r"[0-9a-f]{64,}")
_TIME = re.compile(r"`?(?P<path>[^`]+)`? = (?P<milliseconds>\d+)")


class Clip(NamedTuple):
    """One row of a table, and where it stands."""

    table: str
    line: int
    client: str
    path: str
    sentence: str
    part: Part = Part()


class Release:
    """One language of one release, unpacked.

    Args:
        corpus: see :func:`stxfer.corpora.common_voice.prepare_common_voice`.
        test_from: see there.
        parts: see there.

    Attributes:
        audio: name of the folder of the clips.
        columns: those of the speaker, of the clip's path within that folder and of the sentence.
        others: those that say nothing about the part of a clip, whatever they are called.
        folder: that of the tables and of the clips' folder.
        digest: stands for the names of the clips.
        duration_files: the table of durations, if there is one.
        test_from: the table that gives the test set too; None: there is ``test.tsv``, or nothing else was asked for.

    Raises:
        DataError: there is no such folder, or not exactly one that holds clips.
    """

    audio: ClassVar[str] = "clips"
    columns: ClassVar[tuple[str, str, str]] = COLUMNS
    others: ClassVar[tuple[str, ...]] = ()

    def __init__(self, corpus: str | os.PathLike[str], test_from: str | None = None,
                 parts: PartOptions = BY_NAME) -> None:
        self._parts = parts
        self.folder = _find(Path(os.path.abspath(corpus)), self.audio)
        self.test_from = None if self._holds("test") else test_from
        self._clips, self.digest = list_folder(self.folder / self.audio)
        found = [self.folder / name for name in DURATIONS]
        self.duration_files = [path for path in found if path.is_file()][:1]

    def table(self, name: str) -> Path:
        """Return the path of a table, of ``test`` that of the one it is taken from.

        Raises:
            DataError: there is none of this name.
        """
        path = self.folder / f"{self._source(name)}.tsv"
        if not path.is_file():
            tables = " ".join(sorted(other.stem for other in self.folder.glob("*.tsv")))
            advice = ", or take the test set from another one with --test-from" if name == "test" else ""
            raise DataError(f"{path}: no such file; name the tables that there are with --splits ({tables}){advice}")
        return path

    def _holds(self, name: str) -> bool:
        """Whether the release has a table of this name."""
        return (self.folder / f"{name}.tsv").is_file()

    def _source(self, name: str) -> str:
        return self.test_from if self.test_from and name == "test" else name

    def parted(self, names: Iterable[str]) -> dict[str, str]:
        """Return the option that the rows of these tables depend on: which table gives the test set too."""
        return {"test_from": self.test_from} if self.test_from and {"test", self.test_from} & {*names} else {}

    def options(self, names: Sequence[str]) -> dict[str, Any]:
        """Return what, beside the tables themselves, the utterances of these tables depend on."""
        return {"clips": self.digest, **self.parted(names), **self._parts.changed()}

    def rows(self, name: str) -> Iterator[Clip]:
        """Yield the rows of a table; quotation marks are text.

        Raises:
            DataError: see :func:`prepare_common_voice`; names the file and the line.
        """
        for clip in self._all_rows(name):
            if not self.parted([name]) or (name == "test") == (clip.line in self._test_lines):
                yield clip

    @functools.cached_property
    def _test_lines(self) -> frozenset[int]:
        """The lines that make the test set, of a table that gives another set too."""
        clips = list(self._all_rows("test"))
        keys = [(f"speaker {clip.client}", f"sentence {sentence_key(clip.sentence)}") for clip in clips]
        chosen = hold_out(keys, TEST_SHARE, str(self.table("test")))
        log.info("%s: %d of its %d rows make the test set, for there is no test.tsv; they share no speaker and no "
                 "sentence with the others", self.table("test"), len(chosen), len(clips))
        return frozenset(clips[k].line for k in chosen)

    def _all_rows(self, name: str) -> Iterator[Clip]:
        return self._clips_of(str(self.table(name)))

    def _clips_of(self, path: str, further: Sequence[str] = (),
                  wanted: Callable[[Mapping[str, str]], bool] = lambda _row: True) -> Iterator[Clip]:
        """Yield the rows of a table that are ``wanted``, by their columns and ``further`` ones."""
        which = PartColumns(path, column_names(path), self._parts, others=[*self.columns, *self.others, *further])
        rows = (row for row in read_rows(path, (*self.columns, *further), optional=list(which.names.values()))
                if wanted(row.values))
        if not which.names:
            for line, row in rows:
                yield self._clip(path, line, row, Part())
            return
        found = list(rows)
        for (line, row), part in zip(found, which.parts([(f"{path}:{row.line}", row.values) for row in found]),
                                     strict=True):
            yield self._clip(path, line, row, part)

    def _clip(self, path: str, line: int, row: Mapping[str, str], part: Part) -> Clip:
        client, audio, sentence = self.columns
        if not row[client] or not row[audio]:
            raise DataError(f"{path}:{line}: {client} or {audio} is empty; complete the row or remove it")
        return Clip(path, line, row[client], row[audio], row[sentence], part)

    def rows_apart(self, name: str, held_out: Sequence[str]) -> Iterator[Clip]:
        """Yield the rows of a table that share neither speaker nor sentence with the tables ``held_out``."""
        clients, sentences = set(), set()
        for table in held_out:
            for clip in self.rows(table):
                clients.add(clip.client)
                sentences.add(sentence_key(clip.sentence))
        found: Counter[str] = Counter()
        for clip in self.rows(name):
            kind = ("speaker" if clip.client in clients else
                    "sentence" if sentence_key(clip.sentence) in sentences else "kept")
            found[kind] += 1
            if kind == "kept":
                yield clip
        log.info("%s: %d of %d rows taken, %d share their speaker and %d their sentence with %s", self.table(name),
                 found["kept"], found.total(), found["speaker"], found["sentence"], " or ".join(held_out))

    @functools.cached_property
    def _seconds(self) -> Mapping[str, float]:
        return read_durations(self.duration_files[0]) if self.duration_files else {}

    def entries(self, rows: Iterable[Clip], dropped: MutableMapping[str, str], *,
                texts: Callable[[Clip], Mapping[str, str]] | None = None) -> Iterator[Entry]:
        """Yield the utterances of rows.

        Args:
            rows: rows of any table.
            dropped: receives those without a clip.
            texts: gives each row's further texts by file name.

        Raises:
            DataError: a path leaves ``clips/``.
        """
        clips = str(self.folder / self.audio)
        for clip in rows:
            path = inside(clips, clip.path, f"{clip.table}:{clip.line}")
            name = path.removeprefix(f"{clips}/")
            stored = listed(name, self._clips)
            if stored is None and (stored := listed(f"{name}.mp3", self._clips)):  # some tables leave the suffix out
                name = f"{name}.mp3"
            speaker = speaker_id(clip.client)
            utt = f"{speaker}-{sanitise(name.rpartition('.')[0] or name)}{part_name(clip.part)}"
            if stored is None:
                dropped[utt] = f"missing: {path}: no such audio file"
                continue
            # 0: whoever made the table could not decode the clip
            seconds = self._seconds.get(name) or self._seconds.get(stored) or None
            yield Entry(utt, f"{clips}/{stored}", clip.sentence, speaker, clip.part.start, clip.part.end,
                        texts(clip) if texts else {}, seconds, clip.table, clip.line, clip.part.channel,
                        clip.part.doubt)


def _find(corpus: Path, audio: str) -> Path:
    if corpus.is_file():
        raise DataError(f"{corpus}: is a file; unpack it with tar -xzf and give the folder that it makes")
    if not corpus.is_dir():
        raise DataError(f"{corpus}: no such folder; download a corpus in Common Voice's form (from "
                        "https://commonvoice.mozilla.org/datasets) and give the folder of train.tsv and clips/")
    found = next((folders for pattern in (audio, f"*/{audio}", f"*/*/{audio}")
                  if (folders := sorted(path.parent for path in corpus.glob(pattern) if path.is_dir()))), [])
    if not found:
        raise DataError(f"{corpus}/{audio}: no such folder; the audio of a corpus in Common Voice's form lies there")
    if len(found) > 1:
        raise DataError(f"{corpus}: holds {len(found)} languages, {' '.join(path.name for path in found)}; "
                        "give the folder of one")
    return found[0]


def read_durations(path: Path) -> dict[str, float]:
    """Return the seconds of each clip, by its name within ``clips/``.

    Args:
        path: ``clip_durations.tsv`` (``clip`` and ``duration[ms]``), or ``times.txt``, whose lines are
            ```path/to/clips/NAME.mp3` = MILLISECONDS``, backquotes included.

    Raises:
        DataError: a line has another form.
    """
    durations = {}
    if path.suffix == ".txt":
        for line, row in read_rows(path, ("time",), form="tsv", header=("time",)):
            if (match := _TIME.fullmatch(row["time"])) is None:
                raise DataError(f"{path}:{line}: not of the form '`PATH` = MILLISECONDS': {row['time']!r}")
            durations[match["path"].rpartition("/")[2]] = int(match["milliseconds"]) / 1000
        return durations
    for line, row in read_rows(path, ("clip", "ms"), header=("clip", "ms")):
        if line > 1:  # the first line's names have changed with the releases
            try:
                durations[row["clip"]] = float(row["ms"]) / 1000
            except ValueError:
                durations[row["clip"]] = math.nan
            if not 0 <= durations[row["clip"]] < math.inf:
                raise DataError(f"{path}:{line}: {row['ms']!r} is not a number of milliseconds; mend it, or remove the "
                                "file to have the clips' own headers read")
    return durations


def speaker_id(client: str) -> str:
    """Return a speaker's id: the first 16 characters of a digest, any other client id whole."""
    return client[:SPEAKER_CHARS] if _DIGEST.fullmatch(client) else sanitise(client)
