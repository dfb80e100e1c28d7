"""Spoken data sets: synthesise each sentence, put it into a room, write a Kaldi data directory."""

from __future__ import annotations

import hashlib
import logging
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from stxfer.core.digests import file_digest
from stxfer.core.fileio import atomic_dir, atomic_write
from stxfer.core.pool import HERE, Pool
from stxfer.core.progress import Progress
from stxfer.core.stage import Stage
from stxfer.core.workdir import WorkDir
from stxfer.corpora.synthetic import espeak
from stxfer.corpora.synthetic.speakers import Speaker
from stxfer.kaldi.datadir import DataDir, write_datadir

log = logging.getLogger(__name__)
SAMPLE_RATE = 16000
_UP, _DOWN = 320, 441  # 22,050 Hz to 16,000 Hz
_PAUSE = 0.1  # seconds of silence kept at the end
_SHARD = 25
AUDIO_SUMS = "audio.sha256"  # digests of a set's recordings, as sha256sum checks them


@dataclass(frozen=True)
class Room:
    """How clean the recordings are.

    Attributes:
        rate: words a minute of an average speaker.
        snr: lowest and highest signal-to-noise ratio, dB.
        jitter: an utterance's rate varies by this share around its speaker's.
    """

    rate: int = 150
    snr: tuple[float, float] = (15.0, 30.0)
    jitter: float = 0.06


@dataclass(frozen=True)
class Job:
    """One utterance to be spoken into ``path``."""

    utt: str
    text: str
    speaker: Speaker
    path: str
    room: Room
    seed: int


def render(job: Job) -> np.ndarray:
    """Speak one utterance as its speaker, with level, channel and noise.

    Returns:
        float32 (n,) at 16 kHz, within +-1. It depends on nothing but the job.
    """
    from scipy.signal import lfilter, resample_poly

    entropy = hashlib.sha256(f"{job.seed} {job.utt}".encode()).digest()
    random = np.random.default_rng(np.frombuffer(entropy, dtype=np.uint32))
    speaker, room = job.speaker, job.room
    rate = room.rate * speaker.rate * random.uniform(1 - room.jitter, 1 + room.jitter)
    spoken = espeak.synthesise(job.text, speaker.voice, rate=max(80, round(rate)), pitch=speaker.pitch,
                               pitch_range=speaker.pitch_range)
    speech = resample_poly(spoken.astype(np.float64) / 32768, _UP, _DOWN)
    loud = np.flatnonzero(np.abs(speech) > 1e-3)
    if not len(loud):
        raise espeak.SynthesisError(f"utterance {job.utt}: voice {speaker.voice} is silent on {job.text!r}")
    speech = speech[:loud[-1] + 1 + round(_PAUSE * SAMPLE_RATE)]
    speech = lfilter([1.0, -speaker.tilt], [1.0], speech)
    power = np.mean(speech[:loud[-1] + 1] ** 2)
    noise = lfilter([1.0], [1.0, -random.uniform(0.0, 0.95)], random.standard_normal(len(speech)))
    noise *= np.sqrt(power / np.mean(noise ** 2) / 10 ** (random.uniform(*room.snr) / 10))
    level = 10 ** ((speaker.level + random.uniform(-3, 3)) / 20)
    mixed = (speech + noise) * (level / np.sqrt(power))
    scaled: np.ndarray = (mixed * min(1.0, 0.97 / np.abs(mixed).max())).astype(np.float32)
    return scaled


def _record(jobs: Sequence[Job]) -> list[tuple[str, float]]:
    import soundfile

    durations = []
    for job in jobs:
        samples = render(job)
        soundfile.write(job.path, samples, SAMPLE_RATE, subtype="PCM_16", format="FLAC")
        durations.append((job.utt, len(samples) / SAMPLE_RATE))
    return durations


def _record_all(name: str, jobs: Sequence[Job], pool: Pool) -> dict[str, float]:
    progress = Progress(f"speak {name}", len(jobs))
    shards = [jobs[k:k + _SHARD] for k in range(0, len(jobs), _SHARD)]
    durations: dict[str, float] = {}
    for shard in pool.run(_record, shards, what=f"speak {name}"):
        durations.update(shard)
        progress.add(len(shard), sum(seconds for _, seconds in shard))
    return durations


def _write_sums(directory: Path, recordings: Iterable[Path]) -> None:
    with atomic_write(directory / AUDIO_SUMS) as handle:
        handle.writelines(f"{file_digest(path, keep=True)}  {os.path.relpath(path, directory.absolute())}\n"
                          for path in recordings)


def speak_set(out: str | os.PathLike[str], name: str, sentences: Sequence[str], speakers: Sequence[Speaker], *,
              texts: Mapping[str, Sequence[str]] | None = None, room: Room = Room(), seed: int = 1,
              pool: Pool = HERE, inputs: Iterable[str | os.PathLike[str]] = (),
              options: Mapping[str, Any] | None = None, force: bool = False,
              allow_stale: bool = False) -> Path:
    """Make ``out/<name>``, a Kaldi data directory, and its audio ``out/audio/<name>/*.flac``.

    Speakers take turns. A set that is finished and whose options have not changed is left as it is.

    Args:
        out: the data directory of the recipe.
        name: the set.
        sentences: what is said, as text comes, with capitals and full stops.
        speakers: who says it.
        texts: further tables by file name (``text.sw.human``), parallel to ``sentences``.
        room: rate and noise.
        seed: of what differs between utterances.
        pool: processes of :func:`stxfer.core.pool.worker_pool`; the result does not depend on it.
        inputs: files that the sentences come from, for the marker.
        options: further options that the sentences come from, for the marker.
        force: make it again.
        allow_stale: see :meth:`stxfer.core.stage.Stage.needed`.

    Raises:
        StxferError: the synthesiser fails, or a worker is killed.
    """
    directory = Path(out) / name
    audio = (Path(out) / "audio" / name).absolute()
    content = hashlib.sha256(repr((list(sentences), {k: list(v) for k, v in (texts or {}).items()})).encode())
    stage = Stage(f"speak {name}", directory, inputs=inputs, options={
        "sentences": len(sentences), "content": content.hexdigest()[:16], "seed": seed, **asdict(room),
        "speakers": [asdict(speaker) for speaker in speakers], "audio": WorkDir.of(directory).stored(audio),
        **(options or {})},
        step="data", also=("spk2utt", AUDIO_SUMS))
    utts = [f"{speakers[k % len(speakers)].id}-{name}-{k + 1:06d}" for k in range(len(sentences))]
    recordings = [audio / f"{utt}.flac" for utt in utts]
    # Of an older version there are no digests of the recordings, and nothing but this notices that one is lost.
    summed = (directory / AUDIO_SUMS).exists()
    whole = summed or all(path.exists() for path in recordings)
    if whole and not summed and stage.changes() == []:
        _write_sums(directory, recordings)
    if not stage.needed(force=force or not whole, allow_stale=allow_stale):
        return directory
    with atomic_dir(audio) as folder:
        jobs = [Job(utt, text, speakers[k % len(speakers)], str(folder / f"{utt}.flac"), room, seed)
                for k, (utt, text) in enumerate(zip(utts, sentences, strict=True))]
        durations = _record_all(name, jobs, pool)
    write_datadir(directory, DataDir(
        path=directory, wav_scp={utt: str(audio / f"{utt}.flac") for utt in utts},
        text=dict(zip(utts, sentences, strict=True)), utt2spk={job.utt: job.speaker.id for job in jobs},
        utt2dur=durations,
        texts={file: dict(zip(utts, lines, strict=True)) for file, lines in (texts or {}).items()}))
    _write_sums(directory, recordings)
    stage.finish([directory / file for file in ("wav.scp", "text", "utt2spk", "utt2dur", *(texts or {}))])
    log.info("%s: %d utterances, %.1f minutes, %d speakers", directory, len(utts), sum(durations.values()) / 60,
             len({job.speaker.id for job in jobs}))
    return directory
