"""Data directories of other Kaldi and ESPnet recipes: ``data/<set>`` or ``dump/raw/org/<set>``.

Read are ``wav.scp``, ``text``, ``utt2spk`` (or ``spk2utt``), ``segments``, ``reco2file_and_channel`` and translations.
Durations are measured anew. See https://kaldi-asr.org/doc/data_prep.html for the form.
"""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from stxfer.audio.stamps import files_digest
from stxfer.core.errors import DataError
from stxfer.core.workdir import WorkDir
from stxfer.corpora.collect import MAX_DROP, Counts, write_set
from stxfer.corpora.entries import Entry
from stxfer.corpora.paths import on_disk
from stxfer.corpora.pipes import Pipe, find_pipe, run_pipes
from stxfer.kaldi.channels import CHANNELS, read_channels
from stxfer.kaldi.datadir import text_language
from stxfer.kaldi.segments import Segment, read_segments
from stxfer.kaldi.table import is_id, read_table

ESPNET_CASES = ("tc", "lc")  # ESPnet's ST recipes call texts text.<case>.<lang>; no language has these codes
_ARCHIVE = re.compile(r"\.ark:\d+(\[|$)")
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Tables:
    """The tables of a directory: ``wav_scp`` and ``channels`` by recording, ``segments`` None where utterances are."""

    wav_scp: dict[str, str]
    text: dict[str, str]
    utt2spk: dict[str, str] | None
    segments: dict[str, Segment] | None
    channels: dict[str, int]
    texts: dict[str, dict[str, str]]
    files: list[Path]


def prepare_kaldi_dir(directory: str | os.PathLike[str], out: str | os.PathLike[str], name: str, *,
                      root: str | os.PathLike[str] | None = None, texts: Mapping[str, str] | None = None,
                      own_speakers: bool = False, allow_pipes: bool = False, max_drop: float = MAX_DROP,
                      force: bool = False, allow_stale: bool = False, nj: int = 1) -> Counts:
    """Write the data directory ``<out>/<name>`` of another recipe's.

    Utterances that a table lacks are left out and listed. Ids are taken as they are.

    Args:
        directory: the other recipe's directory of one set.
        out: folder of data directories.
        name: the set, e.g. ``src_train``.
        root: what paths and commands in ``wav.scp`` are relative to: the other recipe's folder. None: the work
            directory that the directory lies in, or the current directory where it lies in none.
        texts: file names of texts, e.g. ``{"text.fr.human": "text.tc.fr"}``; may say another file for ``text``. None:
            every ``text.<lang>.<label>``, but not ESPnet's ``text.{tc,lc}.<lang>``.
        own_speakers: where neither ``utt2spk`` nor ``spk2utt`` is there, each utterance is its own speaker.
        allow_pipes: run the commands in ``wav.scp``, each once; outputs are kept in ``<out>/audio/<name>``.
        max_drop: the largest share of utterances that may be left out.
        force: do it again although it is finished.
        allow_stale: see :class:`stxfer.core.stage.Stage`.
        nj: threads that read the headers of audio files, commands run at a time.

    Raises:
        DataError: a table is absent or malformed, the directory holds features only, ``wav.scp`` names archives, or
            commands that are not allowed or not there, or see :func:`stxfer.corpora.collect.write_set`.
    """
    directory = Path(directory)
    root = Path(os.path.abspath(root or WorkDir.of(directory).root or os.curdir))
    tables = read_tables(directory, texts, own_speakers=own_speakers)
    folder = Path(os.path.abspath(out)) / "audio" / name
    pipes = {key: pipe for key, value in tables.wav_scp.items() if (pipe := find_pipe(key, value, folder))}
    if pipes and not allow_pipes:
        raise DataError(f"{directory}/wav.scp: {len(pipes)} of {len(tables.wav_scp)} entries are commands, e.g. "
                        f"{min(pipes)}: {pipes[min(pipes)].command!r}. Read them; --allow-pipes runs each once, in "
                        f"{root}, and keeps its output")
    paths = {key: pipes[key].path if key in pipes else on_disk(os.path.join(root, value))
             for key, value in tables.wav_scp.items()}
    lost = any(not os.path.exists(pipe.path) for pipe in pipes.values())
    dropped: dict[str, str] = {}
    audio = sorted(path for key, path in paths.items() if key not in pipes)
    return write_set(
        out, name, _entries(tables, paths, pipes, dropped, folder, root, nj, force), dropped=dropped,
        inputs=tables.files, max_drop=max_drop,
        options={"root": str(root), "texts": dict(texts or {}),
                 "audio": files_digest(audio, Path(out) / name)},
        hint=f"Paths are relative to {root} (--root)", force=force or lost, allow_stale=allow_stale, nj=nj)


def read_tables(directory: Path, texts: Mapping[str, str] | None = None, *, own_speakers: bool = False) -> Tables:
    """Read the tables of a directory; which utterances they share is not checked.

    Raises:
        DataError: see :func:`prepare_kaldi_dir`.
    """
    if not directory.is_dir():
        raise DataError(f"{directory}: no such directory")
    if not (directory / "wav.scp").exists():
        what = "it holds features (feats.scp), but audio is needed: give the directory that they were made from" \
            if (directory / "feats.scp").exists() else "give the data directory of one set"
        raise DataError(f"{directory}: has no wav.scp; {what}")
    if (directory / "utt2speed").exists():
        raise DataError(f"{directory}: holds copies of other speeds (utt2speed); give the directory that it was made "
                        "from")
    names = {"text": "text", **(_further_texts(directory) if texts is None else texts)}
    for ours in names.keys() - {"text"}:
        text_language(ours)
    tables = {ours: read_table(directory / file) for ours, file in names.items()}
    files = [directory / "wav.scp", *(directory / file for file in names.values())]
    segments = None
    if (directory / "segments").exists():
        segments = read_segments(directory / "segments")
        files.append(directory / "segments")
    channels = {}
    if (directory / CHANNELS).exists():
        channels = read_channels(directory / CHANNELS)
        files.append(directory / CHANNELS)
    wav_scp = read_table(directory / "wav.scp", empty_values=False)
    for key, value in wav_scp.items():
        if _ARCHIVE.search(value):
            raise DataError(f"{directory}/wav.scp: {key}: {value!r} lies within an archive, which is not read; make "
                            "the dump with files (ESPnet: --audio_format flac)")
    utt2spk, file = _speakers(directory, own_speakers=own_speakers)
    return Tables(wav_scp, tables.pop("text"), utt2spk, segments, channels, tables, files + ([file] if file else []))


def _further_texts(directory: Path) -> dict[str, str]:
    names = sorted(path.name for path in directory.glob("text.*"))
    found = {name: name for name in names if len(parts := name.split(".")) == 3 and parts[1] not in ESPNET_CASES}
    if unused := [name for name in names if name not in found]:
        log.info("%s: texts not used: %s (--texts says what they are)", directory, " ".join(unused))
    return found


def _speakers(directory: Path, *, own_speakers: bool) -> tuple[dict[str, str] | None, Path | None]:
    utt2spk, spk2utt = directory / "utt2spk", directory / "spk2utt"
    if utt2spk.exists():
        table = read_table(utt2spk, empty_values=False)
        for utt, speaker in table.items():
            if not is_id(speaker):
                raise DataError(f"{utt2spk}: utterance {utt}: speaker id {speaker!r} holds white space; write it as "
                                f"{'_'.join(speaker.split())!r}")
        return table, utt2spk
    if spk2utt.exists():
        return {utt: speaker for speaker, utts in read_table(spk2utt).items() for utt in utts.split()}, spk2utt
    if not own_speakers:
        raise DataError(f"{directory}: has neither utt2spk nor spk2utt; --own-speakers makes each utterance a speaker "
                        "of its own")
    return None, None


def _entries(tables: Tables, paths: Mapping[str, str], pipes: Mapping[str, Pipe], dropped: dict[str, str],
             folder: Path, root: Path, nj: int, force: bool) -> Iterator[Entry]:
    failed = run_pipes(pipes.values(), folder, root, nj=nj, force=force) if pipes else {}
    audio = {utt: utt for utt in tables.wav_scp} if tables.segments is None else \
        {utt: segment.recording for utt, segment in tables.segments.items()}
    source = "wav.scp" if tables.segments is None else "segments"
    needed: dict[str, Mapping[str, str]] = {source: audio, "text": tables.text, **tables.texts}
    if tables.utt2spk is not None:
        needed["utt2spk"] = tables.utt2spk
    for utt in sorted(set().union(*needed.values())):
        recording = audio.get(utt, "")
        if lacking := [table for table, keys in needed.items() if utt not in keys]:
            dropped[utt] = f"incomplete: not in {' and '.join(lacking)}"
        elif recording not in tables.wav_scp:
            dropped[utt] = f"incomplete: its recording {recording} is not in wav.scp"
        elif recording in failed:
            dropped[utt] = failed[recording]
        else:
            part = Segment(utt, 0.0, None) if tables.segments is None else tables.segments[utt]
            yield Entry(utt, paths[recording], tables.text[utt],
                        utt if tables.utt2spk is None else tables.utt2spk[utt], part.start, part.end,
                        {ours: table[utt] for ours, table in tables.texts.items()},
                        channel=tables.channels.get(recording) if part.channel is None else part.channel)
