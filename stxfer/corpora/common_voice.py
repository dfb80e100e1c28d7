"""Corpora in Common Voice's form: ``train.tsv dev.tsv test.tsv`` and ``clips/``.

Ardila et al., "Common Voice: A Massively-Multilingual Speech Corpus" (LREC 2020).
"""

from __future__ import annotations

import csv
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from stxfer.audio.io import duration, files_digest
from stxfer.errors import DataError
from stxfer.fileio import read_json
from stxfer.kaldi.datadir import DataDir, table_files, write_datadir
from stxfer.progress import Progress
from stxfer.stage import Stage

SPLITS = ("train", "dev", "test")
COLUMNS = ("client_id", "path", "sentence")
SPEAKER_CHARS = 16  # of Common Voice's 128-digit client ids


@dataclass(frozen=True)
class Clip:
    """One row of a table."""

    client: str
    path: str
    sentence: str


@dataclass(frozen=True)
class Counts:
    """What became of a split."""

    n_utts: int
    n_dropped: int
    hours: float


def prepare_common_voice(corpus: str | os.PathLike[str], out: str | os.PathLike[str], prefix: str,
                         splits: Sequence[str] = SPLITS, *, force: bool = False,
                         allow_stale: bool = False) -> dict[str, Counts]:
    """Write a Kaldi data directory ``<out>/<prefix>_<split>`` for each split.

    Clips that are absent or have no readable header are left out and listed in ``dropped.tsv``.

    Args:
        corpus: folder with ``<split>.tsv`` (columns ``client_id path sentence``, others ignored) and ``clips/``.
        out: folder of data directories.
        prefix: ``src`` or ``tgt``.
        splits: names of the tables.
        force: do it again although it is finished.
        allow_stale: see :class:`stxfer.stage.Stage`.

    Returns:
        Counts by set name.

    Raises:
        DataError: the folder, a table or a column is absent, a row is malformed, a path leaves ``clips/``, two
            rows give one utterance id, or no clip of a split can be used.
    """
    corpus = Path(os.path.abspath(corpus))
    if not corpus.is_dir():
        raise DataError(f"{corpus}: no such folder; download a corpus in Common Voice's form (from "
                        "https://commonvoice.mozilla.org/datasets) and give the folder of train.tsv and clips/")
    if not (corpus / "clips").is_dir():
        raise DataError(f"{corpus}/clips: no such folder; the audio of a corpus in Common Voice's form lies there")
    tables = {split: read_clips(corpus / f"{split}.tsv") for split in splits}
    speakers = speaker_ids({clip.client for clips in tables.values() for clip in clips})
    counts = {}
    for split, clips in tables.items():
        name = f"{prefix}_{split}"
        stage = Stage(f"data {name}", Path(out) / name, [corpus / f"{split}.tsv"],
                      {"audio": files_digest(corpus / "clips" / clip.path for clip in clips)})
        if stage.needed(force=force, allow_stale=allow_stale):
            data, dropped = _collect(clips, speakers, corpus, stage.out)
            write_datadir(stage.out, data, dropped=dropped)
            stage.finish([*table_files(stage.out), stage.out / "dropped.tsv"], n_utts=len(data),
                         n_dropped=len(dropped), hours=round(data.hours, 4))
        marker = read_json(stage.marker)
        counts[name] = Counts(marker["n_utts"], marker["n_dropped"], marker["hours"])
    return counts


def read_clips(path: Path) -> list[Clip]:
    """Read one table; quotation marks are text, not quoting.

    Raises:
        DataError: see :func:`prepare_common_voice`; names the file and the line.
    """
    try:
        with open(path, encoding="utf-8-sig", newline="") as handle:
            rows = csv.DictReader(handle, delimiter="\t", quoting=csv.QUOTE_NONE)
            missing = [name for name in COLUMNS if name not in (rows.fieldnames or ())]
            if missing:
                raise DataError(f"{path}:1: no column {missing[0]!r}; its columns must include {' '.join(COLUMNS)}")
            return [_clip(row, f"{path}:{rows.line_num}") for row in rows]
    except FileNotFoundError:
        raise DataError(f"{path}: no such file; name the tables that there are with --splits") from None
    except (UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path}: not a UTF-8 table of tab-separated values ({error})") from None


def _clip(row: dict[str, str | None], where: str) -> Clip:
    client, path, sentence = (row[name] for name in COLUMNS)
    if client is None or path is None or sentence is None:
        raise DataError(f"{where}: has fewer columns than the first line")
    if not client or not path:
        raise DataError(f"{where}: client_id or path is empty")
    pure = PurePosixPath(path)
    if pure.is_absolute() or ".." in pure.parts:
        raise DataError(f"{where}: path {path!r} leaves the corpus's clips folder; give a path within it")
    return Clip(client, path, " ".join(sentence.split()))


def speaker_ids(clients: set[str]) -> dict[str, str]:
    """Return a speaker id for each client id: its first 16 characters, all of it where those are not unique."""
    ids = {client: _sanitise(client[:SPEAKER_CHARS]) for client in clients}
    return ids if len(set(ids.values())) == len(ids) else {client: _sanitise(client) for client in clients}


def _sanitise(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9._-]", "_", name)


def _collect(clips: Sequence[Clip], speakers: dict[str, str], corpus: Path,
             out: Path) -> tuple[DataDir, dict[str, str]]:
    data, dropped = DataDir(out, {}, {}, {}), {}
    progress = Progress(f"data {out.name}", len(clips))
    for clip in clips:
        speaker, audio = speakers[clip.client], corpus / "clips" / clip.path
        utt = f"{speaker}-{_sanitise(PurePosixPath(clip.path).with_suffix('').name)}"
        if utt in data.wav_scp or utt in dropped:
            raise DataError(f"{corpus}: set {out.name}: two rows give utterance {utt}; clip names must be unique")
        try:
            seconds = duration(audio)
            if not seconds:
                raise DataError(f"{audio}: holds no samples")
        except DataError as error:
            dropped[utt] = str(error)
            progress.add()
            continue
        data.wav_scp[utt], data.text[utt], data.utt2spk[utt] = str(audio), clip.sentence, speaker
        data.utt2dur[utt] = seconds
        progress.add(seconds=seconds)
    if not data.wav_scp:
        raise DataError(f"{corpus}: no clip of {out.name}'s {len(clips)} rows can be used, "
                        f"e.g. {next(iter(dropped.values()), 'the table is empty')}")
    return data, dropped
