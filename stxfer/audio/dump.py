"""Features of a data directory, in shards made side by side."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Collection, Sequence
from pathlib import Path

from stxfer.audio.ark import COMPRESSIONS
from stxfer.audio.shards import FBANK, Extractor, Shard, make_shard
from stxfer.audio.stamps import file_stamps, files_digest, lines_digest, recordings
from stxfer.core.errors import ConfigError, DataError
from stxfer.core.fileio import atomic_write, read_json, sync
from stxfer.core.fresh import Declared, made_before
from stxfer.core.marker import LIST, MARKER, read_marker
from stxfer.core.pool import HERE, Pool
from stxfer.core.progress import Progress
from stxfer.core.stage import Stage
from stxfer.core.workdir import WorkDir
from stxfer.experiment.layout import CHECKSUMS, DURATIONS, FEATS, FRAMES, TEXT
from stxfer.kaldi.datadir import DataDir, read_datadir, table_files
from stxfer.kaldi.table import write_table

MAX_SHARDS = 64  # of a set, unless they became large:
LARGE = 10_000  # utterances of a shard at most, some 15 hours
SHARDS = ".shards"  # where finished ones lie until all are


def dump_fbank(datadir: str | os.PathLike[str], out: str | os.PathLike[str], *, extractor: Extractor = FBANK,
               pool: Pool = HERE, compression: str = "8bit", force: bool = False, allow_stale: bool = False,
               declared: Declared | None = None) -> int:
    """Write the features of a data directory, with its texts beside them.

    ``out`` receives ``feats.<k>.ark``, ``feats.scp``, ``feats.sha256`` (of the arks),
    ``utt2num_frames`` (``utt T``), ``speech_shape`` (``utt T,D``, ESPnet's shape file), and copies of
    ``text text.* utt2spk utt2dur``. Shards finished before a kill are not made again.

    Args:
        datadir: a Kaldi data directory; its ``segments``, ``reco2file_and_channel`` and ``utt2speed`` are applied.
        out: the directory to write.
        extractor: what makes the features.
        pool: where shards are made.
        compression: of the arks, one of :data:`stxfer.audio.ark.COMPRESSIONS`.
        force: make it again although it is finished.
        allow_stale: see :class:`stxfer.core.stage.Stage`, as ``declared``.

    Returns:
        The number of utterances.

    Raises:
        ConfigError: unknown compression.
        DataError: the directory is malformed or audio cannot be used.
        StaleError: the directory is out of date itself.
    """
    if compression not in COMPRESSIONS:
        raise ConfigError(f"unknown compression {compression!r}; known: {' '.join(COMPRESSIONS)}")
    source, out = Path(datadir), Path(out)
    stage = _stage(source, out, extractor, compression, declared)
    if not stage.needed(force=force, allow_stale=allow_stale):
        with (out / FRAMES).open("rb") as lines:
            return sum(1 for _ in lines)
    data = read_datadir(source)
    if force:
        shutil.rmtree(out / SHARDS, ignore_errors=True)
    shards = _split(data, source, out, extractor, compression)
    made = _make(shards, data, pool)
    outputs, sums = _merge(shards, made, data, out)
    stage.finish(outputs, known=sums, compression=compression,
                 bytes={path.name: path.stat().st_size for path in sorted(out.glob("feats.*.ark"))})
    return len(data)


def begin_dump(datadir: Path, out: Path, *, extractor: Extractor = FBANK, compression: str = "8bit",
               force: bool = False, allow_stale: bool = False, declared: Declared | None = None) -> bool:
    """Return whether the features of a set have to be made, before several commands make its shards.

    What ``force`` wants gone is removed, so that none of them needs that option. See :func:`dump_fbank`.
    """
    stage = _stage(datadir, out, extractor, compression, declared)
    if not stage.needed(force=force, allow_stale=allow_stale):
        return False
    if force:
        shutil.rmtree(out / SHARDS, ignore_errors=True)
        stage.marker.unlink(missing_ok=True)
    return True


def dump_part(datadir: Path, out: Path, part: slice, *, extractor: Extractor = FBANK, compression: str = "8bit",
              pool: Pool = HERE) -> int:
    """Make some of a set's shards for a later :func:`dump_fbank`; return the number of their utterances.

    Args:
        datadir: a Kaldi data directory.
        out: the set's directory.
        part: which of the shards.
        extractor: what makes the features.
        compression: of the arks.
        pool: where shards are made.

    Raises:
        DataError: the directory is malformed or audio cannot be used.
    """
    data = read_datadir(datadir)
    shards = _split(data, datadir, out, extractor, compression)[part]
    if shards:
        _make(shards, data, pool)
    return sum(len(shard.items) for shard in shards)


def _stage(source: Path, out: Path, extractor: Extractor, compression: str, declared: Declared | None) -> Stage:
    audio = recordings(source)  # no more of the tables: they may have a million lines, and nothing to be done
    return Stage(f"features {out.name}", out, table_files(source),
                 {**extractor.options, "compression": compression, "audio": files_digest(audio, out)},
                 "features", reads=[*made_before(source), *_audio_lists(source)], declared=declared,
                 watched=extractor.files)


def _audio_lists(prepared: Path) -> list[Path]:
    """Return the lists of digests of the recordings that the sets were prepared from, if stage 1 made any."""
    if not (prepared / MARKER).exists():
        return []
    work = WorkDir.of(prepared)
    raw = {Path(work.located(path)).parent for path in read_marker(prepared)["inputs"]}
    return sorted(path for directory in raw if directory.name == prepared.name
                  for path in directory.glob(f"*{LIST}"))


def _split(data: DataDir, source: Path, out: Path, extractor: Extractor, compression: str) -> list[Shard]:
    stamps = file_stamps(recordings(source), out)
    items = sorted(((utt, data.audio(utt)) for utt in data.utts), key=lambda item: (*item[1].place, item[0]))
    # Independent of the number of processes.
    size = max(extractor.min_shard, min(LARGE, -(-len(items) // MAX_SHARDS)))
    shards = []
    for k in range(0, len(items), size):
        part = tuple(items[k:k + size])
        used = dict.fromkeys(audio.path for _, audio in part)
        key = lines_digest([json.dumps([part, extractor.options, compression]), *(stamps[path] for path in used)])
        shards.append(Shard(out.name, out / SHARDS / key[:32], part, compression, extractor))
    return shards


def _make(shards: Sequence[Shard], data: DataDir, pool: Pool) -> set[Path]:
    """Make the shards that no earlier run has finished; return their archives."""
    what = f"{shards[0].extractor.name} {shards[0].name}"
    progress = Progress(what, sum(len(shard.items) for shard in shards))

    def count(shard: Shard) -> None:
        progress.add(len(shard.items), sum(data.utt2dur.get(utt, 0.0) for utt, _ in shard.items))

    todo = []
    for shard in shards:
        if _is_whole(shard):
            count(shard)
        else:
            todo.append(shard)
    for shard in pool.run(make_shard, todo, what=what):
        count(shard)
    return {shard.ark for shard in todo}


def _is_whole(shard: Shard) -> bool:
    """Whether an earlier run has finished a shard, and its bytes are there."""
    try:
        return bool(shard.ark.stat().st_size == read_json(shard.index)["bytes"])
    except (OSError, DataError, KeyError):
        return False


def _merge(shards: Sequence[Shard], made: Collection[Path], data: DataDir, out: Path
           ) -> tuple[list[Path], dict[str, str]]:
    """Put shards together; return the stage's outputs, and the digests of the archives that are ``made`` now.

    Those of an earlier run are read again by what follows: a machine that went down may have left other bytes.
    """
    indices = [read_json(shard.index) for shard in shards]
    for shard in shards:
        sync(shard.ark)
    for stale in (out / MARKER, out / FEATS, *out.glob("feats.*.ark")):
        stale.unlink(missing_ok=True)
    work = WorkDir.of(out)
    known: dict[str, str] = {}
    scp, frames, sums = {}, {}, {}
    for k, (shard, index) in enumerate(zip(shards, indices, strict=True), 1):
        ark = Path(os.path.abspath(out)) / f"feats.{k}.ark"
        shard.ark.replace(ark)
        sums[ark.name] = index["sha256"]
        if shard.ark in made:
            known[ark.name] = index["sha256"]
        for utt, (offset, length) in index["utts"].items():
            scp[utt], frames[utt] = f"{work.stored(ark)}:{offset}", str(length)
    with atomic_write(out / CHECKSUMS) as handle:
        handle.writelines(f"{digest}  {name}\n" for name, digest in sums.items())
    tables = {FEATS: scp, FRAMES: frames,
              "speech_shape": {utt: f"{length},{shards[0].extractor.size}" for utt, length in frames.items()},
              TEXT: data.text, **data.texts, "utt2spk": data.utt2spk}
    if data.utt2dur:
        tables[DURATIONS] = {utt: f"{seconds:.3f}" for utt, seconds in data.utt2dur.items()}
    for name, table in tables.items():
        write_table(out / name, table)
    shutil.rmtree(shards[0].path.parent)
    return [out / CHECKSUMS, *(out / name for name in tables)], known
