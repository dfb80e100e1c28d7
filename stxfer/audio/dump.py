"""Filterbank features of a data directory, in shards made side by side."""

from __future__ import annotations

import hashlib
import json
import multiprocessing
import multiprocessing.connection
import os
import shutil
import threading
from collections.abc import Iterable, Sequence
from concurrent.futures import Executor, Future, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from pathlib import Path

from stxfer.audio.fbank import FRAME_LENGTH_MS, FRAME_SHIFT_MS, NUM_MEL, features
from stxfer.audio.io import files_digest
from stxfer.errors import ConfigError, DataError, StxferError
from stxfer.fileio import atomic_write, read_json, sha256, write_json
from stxfer.kaldi.datadir import DataDir, read_datadir, table_files
from stxfer.kaldi.table import write_table
from stxfer.progress import Progress
from stxfer.stage import MARKER, Stage

OPTIONS = {"num_mel": NUM_MEL, "frame_length_ms": FRAME_LENGTH_MS, "frame_shift_ms": FRAME_SHIFT_MS,
           "cmvn": "utterance"}
COMPRESSIONS = {"none": None, "8bit": 2}  # kaldiio's compression_method; 2 is Kaldi's kSpeechFeature
MAX_SHARDS, MIN_SHARD = 64, 64


@dataclass(frozen=True)
class Shard:
    """A part of a set that is made at once: ``items`` are (utterance, audio path, speed)."""

    name: str
    directory: Path
    items: tuple[tuple[str, str, float], ...]
    compression: str

    @property
    def key(self) -> str:
        """Digest of all that determines the content: a shard of a killed run is used again only if it is the same."""
        content = json.dumps([self.items, OPTIONS, self.compression, files_digest(item[1] for item in self.items)])
        return hashlib.sha256(content.encode()).hexdigest()[:32]

    @property
    def ark(self) -> Path:
        return self.directory / f"{self.key}.ark"

    @property
    def index(self) -> Path:
        """JSON written when the ark is whole: its SHA-256 and, by utterance, byte offset and number of frames."""
        return self.directory / f"{self.key}.json"


def make_shard(shard: Shard) -> Shard:
    """Write a shard's ark and index; runs in a worker process.

    Raises:
        DataError: an utterance's audio cannot be used; names the utterance.
    """
    import kaldiio

    index: dict[str, tuple[int, int]] = {}
    with atomic_write(shard.ark, "wb") as handle:
        for utt, path, speed in shard.items:
            try:
                matrix = features(path, speed=speed)
            except DataError as error:
                raise DataError(f"{shard.name}, utterance {utt}: {error}") from None
            index[utt] = (handle.tell() + len(f"{utt} ".encode()), len(matrix))
            kaldiio.save_ark(handle, {utt: matrix}, compression_method=COMPRESSIONS[shard.compression])
    write_json(shard.index, {"sha256": sha256(shard.ark), "utts": index})
    return shard


def worker_pool(nj: int) -> ProcessPoolExecutor:
    """Return a pool of ``nj`` processes of one torch thread each; they are started by the first job."""
    return ProcessPoolExecutor(nj, mp_context=multiprocessing.get_context("spawn"), initializer=_start_worker)


def _start_worker() -> None:
    import torch

    torch.set_num_threads(1)
    parent = multiprocessing.parent_process()
    assert parent is not None

    def follow() -> None:  # a killed parent would leave its workers waiting for jobs for ever
        multiprocessing.connection.wait([parent.sentinel])
        os._exit(1)

    threading.Thread(target=follow, daemon=True).start()


def dump_fbank(datadir: str | os.PathLike[str], out: str | os.PathLike[str], *, pool: Executor | None = None,
               compression: str = "8bit", force: bool = False, allow_stale: bool = False) -> int:
    """Write the features of a data directory, with its texts beside them.

    ``out`` receives ``feats.<k>.ark``, ``feats.scp`` (absolute paths), ``feats.sha256`` (of the arks),
    ``utt2num_frames`` (``utt T``), ``speech_shape`` (``utt T,80``, ESPnet's shape file), and copies of
    ``text text.* utt2spk utt2dur``. Shards finished before a kill are not made again.

    Args:
        datadir: a Kaldi data directory; its ``utt2speed`` is applied.
        out: the directory to write.
        pool: where shards are made; ``None``: in this process.
        compression: ``8bit`` (a quarter of the size) or ``none``.
        force: make it again although it is finished.
        allow_stale: see :class:`stxfer.stage.Stage`.

    Returns:
        The number of utterances.

    Raises:
        ConfigError: unknown compression.
        DataError: the directory is malformed or audio cannot be used.
        StaleError: the directory is out of date itself.
    """
    if compression not in COMPRESSIONS:
        raise ConfigError(f"unknown compression {compression!r}; known: {' '.join(COMPRESSIONS)}")
    data, out = read_datadir(datadir), Path(out)
    inputs = table_files(data.path)
    stage = Stage(f"features {out.name}", out, inputs,
                  {**OPTIONS, "compression": compression, "audio": files_digest(data.wav_scp.values())})
    if not stage.needed(force=force, allow_stale=allow_stale):
        return len(data)
    directory = out / ".shards"
    if force:
        shutil.rmtree(directory, ignore_errors=True)
    shards = _split(data, out.name, directory, compression)
    _make(shards, data, pool)
    stage.finish(_merge(shards, data, out), compression=compression,
                 bytes={path.name: path.stat().st_size for path in sorted(out.glob("feats.*.ark"))})
    return len(data)


def _split(data: DataDir, name: str, directory: Path, compression: str) -> list[Shard]:
    items = [(utt, data.wav_scp[utt], data.utt2speed.get(utt, 1.0)) for utt in sorted(data.wav_scp)]
    size = max(MIN_SHARD, -(-len(items) // MAX_SHARDS))  # independent of the number of processes
    return [Shard(name, directory, tuple(items[k:k + size]), compression) for k in range(0, len(items), size)]


def _make(shards: Sequence[Shard], data: DataDir, pool: Executor | None) -> None:
    progress = Progress(f"fbank {shards[0].name}", len(data))

    def count(shard: Shard) -> None:
        progress.add(len(shard.items), sum(data.utt2dur.get(item[0], 0.0) for item in shard.items))

    todo = []
    for shard in shards:
        if shard.index.exists() and shard.ark.exists():
            count(shard)
        else:
            todo.append(shard)
    if pool is None:
        for shard in todo:
            count(make_shard(shard))
        return
    jobs: list[Future[Shard]] = [pool.submit(make_shard, shard) for shard in todo]
    try:
        for job in as_completed(jobs):
            count(job.result())
    except BrokenProcessPool:
        raise StxferError(f"fbank {shards[0].name}: a worker process was killed, most likely for memory; "
                          "run again with a smaller --nj") from None
    finally:
        for job in jobs:
            job.cancel()


def _merge(shards: Sequence[Shard], data: DataDir, out: Path) -> Iterable[Path]:
    indices = [read_json(shard.index) for shard in shards]
    for stale in (out / MARKER, out / "feats.scp", *out.glob("feats.*.ark")):
        stale.unlink(missing_ok=True)
    scp, frames, sums = {}, {}, []
    for k, (shard, index) in enumerate(zip(shards, indices, strict=True), 1):
        ark = out.resolve() / f"feats.{k}.ark"
        os.replace(shard.ark, ark)
        sums.append(f"{index['sha256']}  {ark.name}\n")
        for utt, (offset, length) in index["utts"].items():
            scp[utt], frames[utt] = f"{ark}:{offset}", str(length)
    with atomic_write(out / "feats.sha256") as handle:
        handle.writelines(sums)
    tables = {"feats.scp": scp, "utt2num_frames": frames,
              "speech_shape": {utt: f"{length},{NUM_MEL}" for utt, length in frames.items()},
              "text": data.text, **data.texts, "utt2spk": data.utt2spk}
    if data.utt2dur:
        tables["utt2dur"] = {utt: f"{seconds:.3f}" for utt, seconds in data.utt2dur.items()}
    for name, table in tables.items():
        write_table(out / name, table)
    shutil.rmtree(shards[0].directory)
    return [out / "feats.sha256", *(out / name for name in tables)]
