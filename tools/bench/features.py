"""Time the feature stage: against its own kernels, over two processes, and against what else would do the work.

    tools/venv/bin/python tools/bench/features.py --work /tmp/features

The speech is the project's synthesiser's, in the form that each format usually has: ``wav`` 16 kHz (MuST-C, FLEURS),
``flac`` 16 kHz (LibriSpeech), ``mp3`` 48 kHz (Common Voice), ``opus`` 48 kHz in Ogg (Mboshi), and ``wav_44k``, 44.1 kHz
stereo; all of 16 bits or libsndfile's usual bit rate. ``--distinct`` utterances are spoken; each is the content of
several files of other names, which are decoded each for itself.

Cases, all in seconds, so that a smaller ratio is better:

``wav flac mp3 opus wav_44k``
    ours: the whole stage in this process, from reading the data directory to the marker; peer: the sum of its kernels
    on the same files (soundfile's read, soxr, filterbank with CMVN, compressed write). peer / ours is the share of
    the kernels' own speed that the stage reaches.
``two_processes``
    of the MP3s; ours: the stage with two worker processes, their start included; peer: with one.
``torchaudio_loop``
    of the MP3s; ours: the stage; peer: a loop of soundfile, torchaudio's resample and Kaldi filterbank, CMVN, kaldiio.
    ``torchaudio_loop_wav`` is the same of the 16 kHz WAVs.
``espnet_epoch``
    of the MP3s, with what comes before a first epoch; ours: the stage, and the features read once; peer: ESPnet's
    ``format_wav_scp`` to FLAC (its package lacks that script: SoundScpWriter, with soxr in place of the slower
    resampy), and the audio read once by SoundScpReader through DefaultFrontend and UtteranceMVN in batches of 16.
    ``espnet_next_epoch`` is each epoch after that.

In each of ``--repeats`` rounds all cases take turns. A case compared with what runs just before or after it is given
by the round of the median ratio, the others by their least times: other work on the machine comes and goes.
Everything runs on one thread a process and with the memory settings of the recipes (egs2/TEMPLATE/asr1/path.sh); the
share of the kernels' speed is also given in processor time.
The last line is JSON.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

os.environ.update(OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1", MKL_NUM_THREADS="1")

import kaldiio  # noqa: E402
import numpy as np  # noqa: E402
import soundfile  # noqa: E402
import soxr  # noqa: E402

from stxfer.audio.ark import write_matrix  # noqa: E402
from stxfer.audio.dump import dump_fbank  # noqa: E402
from stxfer.audio.fbank import features  # noqa: E402
from stxfer.core.pool import HERE, Pool, worker_pool  # noqa: E402
from stxfer.corpora.synthetic import espeak  # noqa: E402
from stxfer.corpora.synthetic.grammar import sample_pairs  # noqa: E402
from stxfer.corpora.synthetic.speakers import speakers  # noqa: E402
from stxfer.kaldi.datadir import DataDir, read_datadir, write_datadir  # noqa: E402

ROOT = Path(__file__).resolve().parents[2]
FORMATS = {"wav": (16000, 1, "WAV", "PCM_16"), "flac": (16000, 1, "FLAC", "PCM_16"),
           "mp3": (48000, 1, "MP3", "MPEG_LAYER_III"), "opus": (48000, 1, "OGG", "OPUS"),
           "wav_44k": (44100, 2, "WAV", "PCM_16")}
KERNELS = ("decode", "resample", "fbank", "write")


def use_memory_settings() -> None:
    """Start again with the recipes' memory settings, unless they are set: glibc reads them when a process starts."""
    settings = dict(re.findall(r"(MALLOC_\w+_)=(\d+)", (ROOT / "egs2/TEMPLATE/asr1/path.sh").read_text()))
    if any(os.environ.get(name) != value for name, value in settings.items()):
        os.execve(sys.executable, [sys.executable, *sys.argv], {**os.environ, **settings, "OMP_NUM_THREADS": "1"})


def main() -> None:
    """Run the cases and print tables and a line of JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, required=True, help="folder for audio and features, kept for the next run")
    parser.add_argument("--utterances", type=int, default=3000, help="files of each format")
    parser.add_argument("--distinct", type=int, default=300, help="utterances spoken")
    parser.add_argument("--repeats", type=int, default=3, help="rounds")
    args = parser.parse_args()
    use_memory_settings()
    sets = {name: make_set(args.work, name, args.utterances, args.distinct) for name in FORMATS}
    seconds: dict[str, list[float]] = {}
    busy: dict[str, list[float]] = {}

    def timed(case: str, work: Callable[[], object], remove: Path | None = None) -> None:
        if remove is not None:
            shutil.rmtree(remove, ignore_errors=True)
        start, start_busy = time.perf_counter(), cpu_seconds()
        work()
        seconds.setdefault(case, []).append(time.perf_counter() - start)
        busy.setdefault(case, []).append(cpu_seconds() - start_busy)

    kernels: dict[str, list[dict[str, float]]] = {name: [] for name in FORMATS}
    peaks: set[int] = set()
    loads = []
    out, espnet = args.work / "fbank", args.work / "espnet"
    warm_up(sets["wav"])
    for k in range(args.repeats):
        loads.append(os.getloadavg()[0])
        for name, data in sets.items():
            for path in data.wav_scp.values():  # the first to be timed would wait for the disk, the second would not
                Path(path).read_bytes()
            timed(name, lambda: stage(data, out), out / name)  # noqa: B023 (called at once)
            timed(f"kernels {name}", lambda: kernels[name].append(time_kernels(data, args.work)))  # noqa: B023
            if name == "mp3":
                timed("two", lambda: peaks.update(stage_of_two(data, out)), out / name)  # noqa: B023
                timed("read", lambda: read_features(out / "mp3" / "feats.scp"))
                timed("format", lambda: format_wav_scp(data, espnet), espnet)  # noqa: B023
                timed("frontend", lambda: espnet_epoch(espnet / "wav.scp"))
            if name in ("mp3", "wav"):
                timed(f"loop {name}", lambda: torchaudio_loop(data, args.work / "loop.ark"))  # noqa: B023
        timed("start", start_two)
        print(f"round {k + 1} of {args.repeats}: load {loads[-1]:.1f}", file=sys.stderr)
    report(sets, seconds, busy, kernels, max(peaks), loads)


def cpu_seconds() -> float:
    """Return the processor time that this process and its ended children have used."""
    return sum(os.times()[:4])


def median_round(ours: list[float], peer: list[float]) -> int:
    """Return the round of the median ratio (of an even number, the slower for us)."""
    return sorted(range(len(ours)), key=lambda k: ours[k] / peer[k])[len(ours) // 2]


def report(sets: dict[str, DataDir], seconds: dict[str, list[float]], busy: dict[str, list[float]],
           kernels: dict[str, list[dict[str, float]]], peak: int, loads: list[float]) -> None:
    """Print the tables and the line of JSON."""
    hours, best = sets["mp3"].hours, {case: min(of) for case, of in seconds.items()}
    print(f"{len(sets['mp3'])} files and {hours:.2f} h of each format; {os.cpu_count()} cores, load on them "
          f"{min(loads):.1f} to {max(loads):.1f}; {len(loads)} rounds, in seconds")
    print(f"{'format':8} {'stage':>7} {'kernels':>8} {'share':>6} {'of CPU':>6}   "
          + " ".join(f"{name:>8}" for name in KERNELS) + "   h of audio a s")
    results = {}
    for name in FORMATS:
        k = median_round(seconds[name], [sum(of.values()) for of in kernels[name]])
        stage_seconds, total = seconds[name][k], sum(kernels[name][k].values())
        results[name] = (stage_seconds, total)
        print(f"{name:8} {stage_seconds:7.2f} {total:8.2f} {100 * total / stage_seconds:4.0f} % "
              f"{100 * busy[f'kernels {name}'][k] / busy[name][k]:4.0f} %   "
              + " ".join(f"{kernels[name][k][kernel]:8.2f}" for kernel in KERNELS) + f"   {hours / best[name]:.3f}")
    k = median_round(seconds["two"], seconds["mp3"])
    results |= {"two_processes": (seconds["two"][k], seconds["mp3"][k]),
                "torchaudio_loop": (best["mp3"], best["loop mp3"]),
                "torchaudio_loop_wav": (best["wav"], best["loop wav"]),
                "espnet_epoch": (best["mp3"] + best["read"], best["format"] + best["frontend"]),
                "espnet_next_epoch": (best["read"], best["frontend"])}
    for name in list(results)[len(FORMATS):]:
        ours, peer = results[name]
        print(f"{name:20} ours {ours:7.2f}   peer {peer:7.2f}   {peer / ours:.2f} times as fast")
    print(f"processor time of two processes {busy['two'][k]:.2f} s, of one {busy['mp3'][k]:.2f} s")
    print(f"start of two workers {best['start']:.2f} s; memory of a worker at most {peak / 1024:.0f} MB")
    print(json.dumps({name: {"ours": round(ours, 3), "peer": round(peer, 3), "ratio": round(ours / peer, 3)}
                      for name, (ours, peer) in results.items()}))


def make_set(work: Path, name: str, utterances: int, distinct: int) -> DataDir:
    """Make a data directory of files of one format, unless it is there."""
    directory = work / f"data_{utterances}_{distinct}" / name
    if directory.exists():
        return read_datadir(directory)
    rate, channels, container, subtype = FORMATS[name]
    people = speakers("en", 40, 1)
    audio = directory.with_name(f"audio_{name}")
    shutil.rmtree(audio, ignore_errors=True)
    audio.mkdir(parents=True)
    data = DataDir(directory, {}, {}, {})
    for k, (english, _) in enumerate(sample_pairs(distinct, "bench")):
        speaker = people[k % len(people)]
        spoken = espeak.synthesise(english, speaker.voice, rate=115, pitch=speaker.pitch).astype(np.float32) / 32768
        noise = np.random.default_rng(k).normal(scale=1e-3, size=len(spoken))  # no recording is digitally silent
        samples = soxr.resample(0.7 * spoken + noise, espeak.SAMPLE_RATE, rate)
        content = audio / f"{k:06d}"
        soundfile.write(content, np.stack([samples] * channels, axis=1), rate, format=container, subtype=subtype)
        for copy in range(k, utterances, distinct):
            utt = f"{speaker.id}-{copy:06d}"
            data.wav_scp[utt], data.text[utt], data.utt2spk[utt] = str(audio / f"{utt}.{name}"), english, speaker.id
            data.utt2dur[utt] = len(samples) / rate
            shutil.copyfile(content, data.wav_scp[utt])
        content.unlink()
    write_datadir(directory, data)
    return data


def stage(data: DataDir, out: Path, pool: Pool = HERE) -> None:
    """Run the whole stage."""
    dump_fbank(data.path, out / data.path.name, pool=pool, force=True)


def stage_of_two(data: DataDir, out: Path) -> set[int]:
    """Run the stage with two workers, started for it; return the most memory (kB) that each has used."""
    with worker_pool(2) as pool:
        stage(data, out, pool)
        return set(pool.run(peak_memory, [0.1] * 4, what="memory"))


def peak_memory(wait: float) -> int:
    """Return the most memory (kB) this process has used; ``wait`` seconds keep it from taking the next worker's job."""
    time.sleep(wait)
    status = Path("/proc/self/status").read_text(encoding="ascii")  # ru_maxrss counts the parent's before exec
    return int(status.split("VmHWM:")[1].split()[0])


def start_two() -> None:
    """Start two workers that do nothing."""
    with worker_pool(2) as pool:
        list(pool.run(peak_memory, [0.0] * 2, what="start"))


def warm_up(data: DataDir) -> None:
    """Import and compile what every case needs."""
    first = data.select(data.utts[:20])
    with tempfile.TemporaryDirectory(dir=data.path.parent) as folder:
        path = Path(folder)
        write_datadir(path / "data", first)
        stage(read_datadir(path / "data"), path)
        torchaudio_loop(first, path / "loop.ark")
        format_wav_scp(first, path / "espnet")
        espnet_epoch(path / "espnet" / "wav.scp")


def time_kernels(data: DataDir, work: Path) -> dict[str, float]:
    """Return the seconds that each kernel takes for all files, called by itself."""
    total = dict.fromkeys(KERNELS, 0.0)
    with (work / "kernels.ark").open("wb") as handle:
        for utt in data.utts:
            times = [time.perf_counter()]
            samples, rate = soundfile.read(data.wav_scp[utt], dtype="float32")
            if samples.ndim == 2:
                samples = (samples[:, 0] + samples[:, 1]) / 2
            times.append(time.perf_counter())
            if rate != 16000:
                samples = soxr.resample(samples, rate, 16000, quality="HQ")
            times.append(time.perf_counter())
            matrix = features(samples, utt)
            times.append(time.perf_counter())
            write_matrix(handle, utt, matrix, "8bit")
            times.append(time.perf_counter())
            for kernel, start, end in zip(KERNELS, times, times[1:], strict=False):
                total[kernel] += end - start
    return total


def torchaudio_loop(data: DataDir, ark: Path) -> None:
    """Make the same features by a plain loop over torchaudio."""
    import torch
    import torchaudio.functional
    from torchaudio.compliance import kaldi

    torch.set_num_threads(1)
    with kaldiio.WriteHelper(f"ark,scp:{ark},{ark}.scp", compression_method=2) as writer:
        for utt in data.utts:
            samples, rate = soundfile.read(data.wav_scp[utt], dtype="float32", always_2d=True)
            signal = torch.from_numpy(samples).mean(dim=1)
            signal = torchaudio.functional.resample(signal, rate, 16000)
            matrix = kaldi.fbank(signal[None] * 32768, num_mel_bins=80, sample_frequency=16000.0)
            writer[utt] = ((matrix - matrix.mean(dim=0)) / matrix.std(dim=0)).numpy()


def read_features(scp: Path) -> None:
    """Read every utterance's features, as an epoch of training does."""
    table = kaldiio.load_scp(str(scp))
    for utt in table:
        table[utt]


def format_wav_scp(data: DataDir, out: Path) -> None:
    """Do what ESPnet's format_wav_scp does for 16 kHz FLAC."""
    from espnet2.fileio.sound_scp import SoundScpWriter

    with SoundScpWriter(out / "audio", out / "wav.scp", format="flac") as writer:
        for utt in data.utts:
            samples, rate = soundfile.read(data.wav_scp[utt])
            if rate != 16000:
                samples = soxr.resample(samples, rate, 16000)
            writer[utt] = 16000, samples


def espnet_epoch(scp: Path) -> None:
    """Read every utterance's audio and make its features in batches, as ESPnet does in each epoch."""
    import torch
    from espnet2.asr.frontend.default import DefaultFrontend
    from espnet2.fileio.sound_scp import SoundScpReader
    from espnet2.layers.utterance_mvn import UtteranceMVN

    torch.set_num_threads(1)
    reader = SoundScpReader(scp, dtype="float32")
    frontend, normalise = DefaultFrontend(fs=16000, hop_length=160, win_length=400), UtteranceMVN(norm_vars=True)
    utts = list(reader.keys())
    with torch.no_grad():
        for k in range(0, len(utts), 16):
            batch = [torch.from_numpy(reader[utt][1]) for utt in utts[k:k + 16]]
            lengths = torch.tensor([len(samples) for samples in batch])
            normalise(*frontend(torch.nn.utils.rnn.pad_sequence(batch, batch_first=True), lengths))


if __name__ == "__main__":
    main()
