"""Corpora described by one table: TSV, CSV or JSON lines whose columns say where the audio is and what is said.

Columns: ``audio`` (or NeMo's ``audio_filepath``) and ``text``; further ``utt``, ``speaker``, those that say which part
of the file is meant (:mod:`stxfer.corpora.parts`: ``start``, ``end`` or ``duration``, ``channel``), and any number of
``text.<lang>.<label>`` (translations). A mapping gives the names that a table uses instead of these.
"""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from stxfer.audio.stamps import files_digest
from stxfer.core.errors import ConfigError, DataError
from stxfer.corpora.apart import hold_out
from stxfer.corpora.collect import MAX_DROP, Counts, write_set
from stxfer.corpora.entries import Entry
from stxfer.corpora.parts import BY_NAME, ROLES, Part, PartColumns, PartOptions, part_name
from stxfer.corpora.paths import inside, on_disk, slashes
from stxfer.corpora.rows import Row, column_names, other_separator, read_rows, sanitise
from stxfer.kaldi.datadir import text_language
from stxfer.text.near import sentence_key

REQUIRED = ("audio", "text")
OPTIONAL = ("utt", "speaker", *ROLES)
NEMO_AUDIO = "audio_filepath"
SPLITS = ("split", "subset", "set", "partition", "fold", "train_dev_test")  # what others call the column of the sets
SPEAKERS = ("speaker_id", "spk", "spk_id", "client_id", "speaker_name")  # what others call the speaker
_SHOWN = 8  # values that a message lists
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class HeldOut:
    """A part of a manifest that makes a set of its own.

    Attributes:
        name: the set, e.g. ``tgt_dev``.
        share: of the manifest's rows, above 0 and below 1.
        apart: columns of ours in which the two sets share no value: ``speaker``, ``text``, ``text.<lang>.<label>``;
            texts are compared by :func:`stxfer.text.near.sentence_key`.
    """

    name: str
    share: float = 0.1
    apart: tuple[str, ...] = ("text",)


def prepare_manifest(manifest: str | os.PathLike[str], out: str | os.PathLike[str], name: str, *,
                     columns: Mapping[str, str] | None = None, rows: Mapping[str, str] | None = None,
                     parts: PartOptions = BY_NAME, audio_dir: str | os.PathLike[str] | None = None,
                     allow_outside: bool = False, held_out: Sequence[HeldOut] = (), max_drop: float = MAX_DROP,
                     force: bool = False, allow_stale: bool = False, nj: int = 1) -> dict[str, Counts]:
    """Write the Kaldi data directory ``<out>/<name>`` of one manifest, and that of the part held out.

    Args:
        manifest: a file that :func:`stxfer.corpora.rows.read_rows` reads.
        out: folder of data directories.
        name: the set, e.g. ``tgt_train``.
        columns: the manifest's names for ours, e.g. ``{"text": "sentence", "text.fr.human": "sentence_fr"}``.
        rows: take the rows alone that have these values, by the manifest's own column, e.g. ``{"split": "train"}``.
        parts: what is said of the columns that tell which part of a file is meant.
        audio_dir: folder that audio paths are relative to; None: the manifest's.
        allow_outside: take absolute paths and paths with ``..``.
        held_out: parts that make other sets, each taken from what those before it leave.
        max_drop: the largest share of utterances that may be left out.
        force: do it again although it is finished.
        allow_stale: see :class:`stxfer.core.stage.Stage`.
        nj: threads that read the headers of audio files.

    Returns:
        Counts by set name.

    Raises:
        ConfigError: ``columns`` names something that is not ours, or one column twice; a part held out is called like
            another set, its share is not one, or it names a column that the manifest does not have.
        DataError: see :func:`read_manifest`, :func:`stxfer.corpora.apart.hold_out` and
            :func:`stxfer.corpora.collect.write_set`.
    """
    manifest = Path(os.path.abspath(manifest))
    folder = os.path.abspath(audio_dir or manifest.parent)
    if not os.path.isdir(folder):
        raise DataError(f"{folder}: no such folder; audio paths would be relative to it")
    entries = list(read_manifest(manifest, folder, columns or {}, parts, rows=rows, allow_outside=allow_outside))
    sets: dict[str, Sequence[Entry]] = {name: entries}
    options: dict[str, Any] = {"columns": dict(columns or {}), "audio_dir": folder, **parts.changed(),
                               "audio": files_digest(sorted({entry.audio for entry in entries}), Path(out) / name)}
    if rows:
        options["rows"] = dict(rows)
    for part in held_out:
        if part.name in sets:
            raise ConfigError(f"{part.name}: the set held out needs another name than the set it is taken from")
        sets |= _parted(manifest, sets[name], name, part)
    if held_out:
        said = [[part.name, part.share, *part.apart] for part in held_out]
        options["held_out"] = said[0] if len(said) == 1 else said
    return {part: write_set(out, part, some, dropped={}, inputs=[manifest], max_drop=max_drop, options=options,
                            hint=f"Audio paths are relative to {folder} (--audio-dir)", force=force,
                            allow_stale=allow_stale, nj=nj)
            for part, some in sets.items()}


def _parted(manifest: Path, entries: Sequence[Entry], name: str, held_out: HeldOut) -> dict[str, Sequence[Entry]]:
    if not 0 < held_out.share < 1:
        raise ConfigError(f"held-out share {held_out.share:g}: must be above 0 and below 1")
    keys = []
    for entry in entries:
        values = {"speaker": entry.speaker, "text": entry.text, **entry.texts}
        if unknown := [column for column in held_out.apart if column not in values]:
            raise ConfigError(f"{manifest}: sets cannot be apart in {unknown[0]!r}; it must be one of "
                              f"{' '.join(values)}")
        keys.append([f"{column} {values[column] if column == 'speaker' else sentence_key(values[column])}"
                     for column in held_out.apart])
    chosen = hold_out(keys, held_out.share, str(manifest))
    log.info("%s: %d of its %d rows make %s; they share no %s with %s", manifest, len(chosen), len(entries),
             held_out.name, " and no ".join(held_out.apart), name)
    return {name: [entry for k, entry in enumerate(entries) if k not in chosen],
            held_out.name: [entry for k, entry in enumerate(entries) if k in chosen]}


def read_manifest(path: Path, folder: str, columns: Mapping[str, str], parts: PartOptions = BY_NAME, *,
                  rows: Mapping[str, str] | None = None, allow_outside: bool = False) -> Iterator[Entry]:
    """Yield the utterances of a manifest.

    Without a column ``utt`` an utterance is called after its audio, its start and end in milliseconds and its channel,
    without a column ``speaker`` each utterance is a speaker of its own. Ids begin with their speaker, as Kaldi's order
    wants it: ``<speaker>-`` is put before those that do not.

    Args:
        path: the manifest.
        folder: what relative audio paths are relative to.
        columns: see :func:`prepare_manifest`.
        parts: see :func:`prepare_manifest`.
        rows: see :func:`prepare_manifest`.
        allow_outside: take paths that leave ``folder``.

    Raises:
        ConfigError: see :func:`prepare_manifest`.
        DataError: the file is malformed, a column or a value is missing, it is not clear which part of the audio is
            meant (:class:`stxfer.corpora.parts.PartColumns`), a path leaves the folder, or two rows have one id; names
            file and line.
    """
    wanted = rows or {}
    theirs, which = find_columns(path, columns, parts, rows=wanted)
    lines: dict[str, int] = {}
    found = list(read_rows(path, list(dict.fromkeys([*(theirs[ours] for ours in REQUIRED), *wanted])),
                           optional=list(dict.fromkeys([*theirs.values(), *which.names.values()]))))
    chosen = [row for row in found if all(row.values[column] == value for column, value in wanted.items())]
    if found and not chosen:
        column = next(iter(wanted))
        values = sorted({row.values[column] for row in found})
        raise DataError(f"{path}: no row has {' and '.join(f'{name}={value}' for name, value in wanted.items())}; "
                        f"{column} has {' '.join(values[:_SHOWN])}{' ...' if len(values) > _SHOWN else ''}")
    for row, part in zip(chosen, which.parts([(f"{path}:{row.line}", row.values) for row in chosen]), strict=True):
        entry = _entry(row, theirs, part, str(path), folder, allow_outside)
        first = lines.setdefault(entry.utt, row.line)
        if first != row.line:
            advice = "remove one of them" if "utt" in theirs else "remove one of them or add a column utt"
            raise DataError(f"{path}:{row.line}: utterance {entry.utt} stands already in line {first}; {advice}")
        yield entry
    if not lines:
        raise DataError(f"{path}: holds no rows")


def find_columns(path: Path, columns: Mapping[str, str], parts: PartOptions = BY_NAME, *,
                 rows: Collection[str] = ()) -> tuple[dict[str, str], PartColumns]:
    """Return a manifest's own names for the columns of ours that it has, and those that tell the part of the audio.

    Warns of a column that seems to say which set a row is of, unless it is among ``rows``.

    Raises:
        ConfigError: ``columns`` names something that is not ours, or one of theirs twice.
        DataError: a column is missing, is called ``text.`` something else than ``<lang>.<label>``, or see
            :class:`stxfer.corpora.parts.PartColumns`.
    """
    for ours in columns:
        if ours not in (*REQUIRED, *OPTIONAL) and not _is_text(ours):
            raise ConfigError(f"columns: unknown name {ours!r}; the names are {' '.join(REQUIRED + OPTIONAL)} and "
                              "text.<language>.<label>")
    present = column_names(path)
    theirs = {ours: ours for ours in (*REQUIRED, "utt", "speaker") if ours in present or ours in REQUIRED}
    if NEMO_AUDIO in present and "audio" not in present:
        theirs["audio"] = NEMO_AUDIO
    theirs |= {column: column for column in present if column.startswith("text.")
               and column not in columns.values() and text_language(column)}
    theirs |= columns
    for ours, column in theirs.items():
        if column not in present:
            raise DataError(f"{path}:1: no column {column!r}; there are: {' '.join(present) or 'none'}"
                            + (other_separator(present, [column]) or
                               f". Say which one holds {ours} with --columns '{ours}=NAME'"))
    if doubled := [column for column in columns.values() if list(theirs.values()).count(column) > 1]:
        raise ConfigError(f"columns: {doubled[0]!r} is named twice; one column is one thing")
    named = {ours: theirs.pop(ours) for ours in ROLES if ours in theirs}
    which = PartColumns(path, present, parts, named=named, others=theirs.values())
    if unused := [column for column in present if column not in {*theirs.values(), *which.names.values(), *rows}]:
        log.info("%s: columns not used: %s", path, " ".join(unused))
    if told := [column for column in unused if column.lower() in SPLITS]:
        log.warning("%s: column %r is not used; if it says which set a row is of, give --rows '%s=train', and so on "
                    "for each set", path, told[0], told[0])
    if "speaker" not in theirs:
        said = [column for column in present if column.lower() in SPEAKERS]
        log.log(logging.WARNING if said else logging.INFO,
                "%s: no column speaker: each utterance is a speaker of its own%s", path,
                f"; if {said[0]!r} says who speaks, give --columns 'speaker={said[0]}'" if said else "")
    return theirs, which


def _is_text(name: str) -> bool:
    try:
        return bool(text_language(name))
    except DataError:
        return False


def _entry(row: Row, theirs: Mapping[str, str], part: Part, table: str, folder: str, allow_outside: bool) -> Entry:
    where = f"{table}:{row.line}"
    values = {ours: row.values[column] for ours, column in theirs.items()}
    for ours in ("audio", "utt", "speaker"):
        if ours in values and not values[ours].strip():
            raise DataError(f"{where}: column {theirs[ours]!r} is empty")
    audio = values["audio"]
    if audio.rstrip().endswith("|"):
        raise DataError(f"{where}: audio {audio!r} is a command; write its output to a file and give the path")
    audio = slashes(folder, audio, where)
    path = on_disk(os.path.join(folder, audio) if allow_outside else _inside(folder, audio, where))
    utt = _id(values["utt"]) if "utt" in values else _name(audio, part)
    speaker = _id(values["speaker"]) if "speaker" in values else utt
    if speaker != utt and not utt.startswith((f"{speaker}-", f"{speaker}_")):
        utt = f"{speaker}-{utt}"
    return Entry(utt, path, values["text"], speaker, part.start, part.end,
                 {ours: text for ours, text in values.items() if ours.startswith("text.")},
                 table=table, line=row.line, channel=part.channel, doubt=part.doubt)


def _inside(folder: str, audio: str, where: str) -> str:
    try:
        return inside(folder, audio, where)
    except DataError as error:
        raise DataError(f"{error}, or allow others with --allow-outside") from None


def _id(name: str) -> str:
    return re.sub(r"\s+", "_", name.strip())


def _name(audio: str, part: Part) -> str:
    return sanitise(str(PurePosixPath(audio).with_suffix("")).lstrip("/").replace("/", "_")) + part_name(part)
