"""From the entries of a corpus to a Kaldi data directory: clips checked, what was left out counted and listed."""

from __future__ import annotations

import hashlib
import os
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stxfer.audio.io import Header, read_header
from stxfer.audio.recording import AudioError
from stxfer.core.errors import DataError
from stxfer.core.marker import read_entries
from stxfer.core.progress import Progress
from stxfer.core.stage import Stage
from stxfer.corpora.entries import Entry
from stxfer.corpora.rows import sanitise
from stxfer.corpora.spans import is_part, settle, span
from stxfer.experiment.records import DataCounts
from stxfer.kaldi.channels import channel_name
from stxfer.kaldi.datadir import DataDir, table_files, write_datadir
from stxfer.kaldi.dropped import check_share, read_dropped
from stxfer.kaldi.segments import Segment

MAX_DROP = 0.05
_BLOCK = 256  # files whose headers one task reads


@dataclass(frozen=True)
class Counts:
    """What became of a set."""

    n_utts: int
    n_dropped: int
    hours: float


def write_set(out: str | os.PathLike[str], name: str, entries: Iterable[Entry], *, dropped: Mapping[str, str],
              inputs: Sequence[str | os.PathLike[str]], options: Mapping[str, Any], max_drop: float = MAX_DROP,
              hint: str = "", force: bool = False, allow_stale: bool = False, nj: int = 1) -> Counts:
    """Write the data directory ``<out>/<name>`` and its ``dropped.tsv``, unless it is there already.

    The header of each file whose duration is not given is read. Files that are absent, cannot be read or hold no
    samples are dropped with their utterances, and so are segments that do not lie within their file, or in a channel
    that it does not have; one that ends up to half a second after it is cut to it.

    Args:
        out: folder of data directories.
        name: the set.
        entries: its utterances; not taken from when the set is up to date.
        dropped: utterances that the corpus's module leaves out, each with ``<kind>: <detail>``, with the kinds of
            :mod:`stxfer.audio.check` where it is the audio; it may grow while ``entries`` are taken, and is read
            after that.
        inputs: files that the entries come from, the table of utterances first.
        options: what else the entries depend on, JSON-able; includes something that stands for the audio files.
        max_drop: the largest share of utterances that may be left out.
        hint: what may be the cause, said when more is left out.
        force: write it again although it is finished.
        allow_stale: see :meth:`stxfer.core.stage.Stage.needed`.
        nj: threads that read headers.

    Raises:
        DataError: two entries share an id, nothing is left, it is in doubt which part of a file is meant (see
            :mod:`stxfer.corpora.spans`), or more than ``max_drop`` is left out; the list of what was left out then lies
            at ``<out>/<name>.dropped.tsv`` until a run succeeds.
    """
    directory, listing = Path(out) / name, Path(out) / f"{name}.dropped.tsv"
    stage = Stage(f"data {name}", directory, inputs, options, "data", also=("spk2utt",))
    if stage.needed(force=force, allow_stale=allow_stale):
        data, left_out = _gather(directory, entries, nj)
        left_out = {**dropped, **left_out}
        if not data.text and not left_out:
            raise DataError(f"set {name}: {inputs[0] if inputs else 'the corpus'} has no utterances for it")
        check_share(f"set {name}", len(data.text), left_out, max_drop, listing, hint)
        write_datadir(directory, data, dropped=left_out)
        stage.finish([*table_files(directory), directory / "dropped.tsv"], n_utts=len(data.text),
                     n_dropped=len(left_out), hours=round(data.hours, 4))
    marker = read_entries(directory, DataCounts)
    # Again, of a set that was written under another limit.
    check_share(f"set {name}", marker["n_utts"], read_dropped(directory / "dropped.tsv"), max_drop, listing, hint)
    return Counts(marker["n_utts"], marker.get("n_dropped", 0), marker["hours"])


def _gather(path: Path, entries: Iterable[Entry], nj: int) -> tuple[DataDir, dict[str, str]]:
    kept: dict[str, Entry] = {}
    for entry in entries:
        if entry.utt in kept:
            raise DataError(f"{entry.table}:{entry.line}: utterance {entry.utt} stands already in line "
                            f"{kept[entry.utt].line}; remove one of them")
        kept[entry.utt] = entry
    unknown = {entry.audio for entry in kept.values() if entry.seconds is None or entry.channel is not None}
    headers = _measure(path.name, unknown, nj)
    settle(path.name, kept.values(), headers)
    segmented = any(is_part(entry, headers.get(entry.audio)) for entry in kept.values())
    data, dropped = DataDir(path, {}, {}, {}), {}
    while kept:  # an entry goes when its tables are written: there may be millions
        utt, entry = kept.popitem()
        part = span(entry, headers.get(entry.audio))
        if isinstance(part, str):
            dropped[utt] = part
            continue
        data.wav_scp[utt], data.utt2spk[utt] = entry.audio, entry.speaker
        if entry.channel is not None:
            data.channels[utt] = entry.channel
        data.text[utt] = " ".join(entry.text.split())
        data.utt2dur[utt] = part[1] - part[0]
        for label, text in entry.texts.items():
            data.texts.setdefault(label, {})[utt] = " ".join(text.split())
        if segmented:
            data.segments[utt] = Segment(entry.audio, *part)
    if data.segments:
        _name_recordings(data)
    return data, dropped


def _name_recordings(data: DataDir) -> None:
    """Key ``wav_scp`` by recordings, named by their paths below the folder they have in common, and by channels."""
    paths = sorted(set(data.wav_scp.values()))
    common = os.path.commonpath([os.path.dirname(path) for path in paths])
    names = {path: os.path.splitext(os.path.relpath(path, common))[0].replace("/", "_") for path in paths}
    clashes = {name for name, count in Counter(names.values()).items() if count > 1}
    names = {path: sanitise(os.path.relpath(path, common) if name in clashes else name)
             for path, name in names.items()}
    wav_scp: dict[str, str] = {}
    channels: dict[str, int] = {}
    for utt, part in data.segments.items():
        name, channel = names[part.recording], data.channels.get(utt)
        if channel is not None:
            name = f"{name}-{channel_name(channel)}"
            channels[name] = channel
        wav_scp[name] = part.recording
        data.segments[utt] = part._replace(recording=name)
    data.wav_scp, data.channels = wav_scp, channels


def _measure(name: str, paths: set[str], nj: int) -> dict[str, Header | str]:
    """Return what each file's header says, or why it cannot be used."""
    ordered = sorted(paths)
    found: dict[str, Header | str] = {}
    progress = Progress(f"headers of {name}", len(ordered), "files")
    blocks = [ordered[k:k + _BLOCK] for k in range(0, len(ordered), _BLOCK)]
    with ThreadPoolExecutor(nj) as pool:  # libsndfile runs without Python's lock
        for block, lengths in zip(blocks, pool.map(_headers, blocks), strict=True):
            found.update(zip(block, lengths, strict=True))
            progress.add(len(block), sum(header.seconds for header in lengths if not isinstance(header, str)))
    return found


def _headers(paths: Sequence[str]) -> list[Header | str]:
    return list(map(_header, paths))


def _header(path: str) -> Header | str:
    try:
        return read_header(path)
    except AudioError as error:
        return f"{error.kind}: {error}"


def list_folder(folder: str | os.PathLike[str]) -> tuple[frozenset[str], str]:
    """Return the paths of all files below a folder, relative to it, and their digest, for a stage's options.

    It is one listing, however many files: a look at each of a million clips takes minutes on a network file system.

    Raises:
        DataError: there is no such folder.
    """
    if not os.path.isdir(folder):
        raise DataError(f"{folder}: no such folder")
    names: list[str] = []
    for directory, _, files in os.walk(folder, followlinks=True):
        below = os.path.relpath(directory, folder)
        names += files if below == "." else [f"{below}/{file}" for file in files]
    return frozenset(names), hashlib.sha256("\n".join(sorted(names)).encode(errors="surrogateescape")).hexdigest()
