"""Time stage 3 with a pretrained encoder against the bare forward of the transformers model on the same speech.

    tools/venv/bin/python tools/bench/encoder.py --model /models/whisper-base --work /tmp/encoder

The speech is real where ``VOA_SW`` names the corpus of ``egs2/voa_sw`` (every n-th of its clips that fits the encoder's
window), else the synthesiser's, as 16 kHz WAV. Cases, in seconds, so that a smaller ratio is better:

``stage``
    ours: the whole stage in this process, from reading the data directory to the marker, the encoder loaded before;
    peer: the forward of transformers' own model, cut after the same layer, of inputs that are prepared and in memory,
    an utterance at a time. peer / ours is the share of the bare forward's speed that the stage reaches. Whisper's own
    forward takes windows of 30 s alone: for ``padded: false`` its table of positions is cut to each utterance's length.
``two_processes``
    ours: the stage with two worker processes, their start and the loading of the encoder included; peer: with one
    worker process.
``padded`` (Whisper alone)
    as ``stage``, with windows that silence fills.

The cases take turns in each of ``--rounds`` rounds; the round of the median ratio is given, since other work on the
machine comes and goes; ``of CPU`` is the share in processor time, which other work changes less. Memory is the most
that a process of its own has used, with the recipes' memory settings (egs2/TEMPLATE/asr1/path.sh). The last line is
JSON.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import soundfile
from features import cpu_seconds, make_set, median_round, peak_memory, use_memory_settings  # sets one thread

os.environ["HF_HUB_OFFLINE"] = "1"  # before transformers

import torch  # noqa: E402
import transformers  # noqa: E402

from stxfer.audio import pretrained  # noqa: E402
from stxfer.audio.dump import dump_fbank  # noqa: E402
from stxfer.audio.pretrained import PretrainedFeatures, open_pretrained  # noqa: E402
from stxfer.audio.shards import Reader  # noqa: E402
from stxfer.core.pool import HERE, Pool, worker_pool  # noqa: E402
from stxfer.experiment.features import FeatureOptions  # noqa: E402
from stxfer.kaldi.datadir import DataDir, read_datadir, write_datadir  # noqa: E402

WHISPER_WINDOW = 28.0  # seconds; longer clips are left out


def main() -> None:
    """Run the cases and print a table and a line of JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, required=True, help="the encoder's directory")
    parser.add_argument("--work", type=Path, required=True, help="folder for data and features, kept for the next run")
    parser.add_argument("--layer", type=int, default=0, help="see docs/pretrained-features.md")
    parser.add_argument("--utterances", type=int, default=60, help="clips")
    parser.add_argument("--rounds", type=int, default=3, help="rounds")
    args = parser.parse_args()
    use_memory_settings()
    torch.set_num_threads(1)
    data = clips(args.work, args.utterances)
    makers = {"stage": encoder(args.model, args.layer)}
    if makers["stage"].family == "whisper":
        makers["padded"] = encoder(args.model, args.layer, padded=True)
    pretrained.MIN_SHARD = max(1, args.utterances // 8)  # shards for two processes
    seconds: dict[str, list[float]] = {}
    busy: dict[str, list[float]] = {}

    def timed(case: str, work: Callable[[], object]) -> None:
        start, start_busy = time.perf_counter(), cpu_seconds()
        work()
        seconds.setdefault(case, []).append(time.perf_counter() - start)
        busy.setdefault(case, []).append(cpu_seconds() - start_busy)

    def measure(nj: int) -> None:
        peaks[nj] = max(peaks.get(nj, 0), stage_of(nj, data, args.work, makers["stage"]))

    forwards = {case: Forward(make, data) for case, make in makers.items()}
    peaks: dict[int, int] = {}
    for k in range(args.rounds):
        for case, make in makers.items():
            pretrained._encoder(make)
            timed(case, lambda: stage(data, args.work / "out", make))  # noqa: B023 (called at once)
            timed(f"forward {case}", forwards[case])
        for nj in (1, 2):
            timed(f"{nj} processes", partial(measure, nj))
        print(f"round {k + 1} of {args.rounds}: load {os.getloadavg()[0]:.1f}", file=sys.stderr, flush=True)
    report(data, makers["stage"], seconds, busy, peaks)


def report(data: DataDir, make: PretrainedFeatures, seconds: dict[str, list[float]], busy: dict[str, list[float]],
           peaks: dict[int, int]) -> None:
    """Print the table and the line of JSON."""
    hours = sum(data.utt2dur.values()) / 3600
    print(f"{make.name}: {len(data)} utterances, {60 * hours:.1f} minutes; {os.cpu_count()} cores, load "
          f"{os.getloadavg()[0]:.1f}; one thread a process; the median of {len(seconds['stage'])} rounds, in seconds")
    pairs = {"stage": "forward stage", "padded": "forward padded", "2 processes": "1 processes"}
    results = {}
    print(f"{'case':14} {'ours':>8} {'peer':>8}   peer / ours   of CPU   s of speech a second")
    for case, peer in pairs.items():
        if case not in seconds:
            continue
        k = median_round(seconds[case], seconds[peer])
        ours, theirs = seconds[case][k], seconds[peer][k]
        name = "two_processes" if case == "2 processes" else case
        share = busy[peer][k] / busy[case][k]
        print(f"{name:14} {ours:8.2f} {theirs:8.2f}   {theirs / ours:11.2f}   {share:6.2f}   "
              f"{3600 * hours / ours:20.1f}")
        results[name] = {"ours": round(ours, 3), "peer": round(theirs, 3), "ratio": round(ours / theirs, 3),
                         "cpu_ratio": round(1 / share, 3)}
    memory = {f"memory_{nj}": round(peak / 1024) for nj, peak in peaks.items()}
    print("memory of a process at most: "
          + ", ".join(f"{peak / 1024:.0f} MB of {nj}" for nj, peak in peaks.items()))
    print(json.dumps({**results, **memory}))


def clips(work: Path, count: int) -> DataDir:
    """Return a data directory of real clips, if there are any, else of synthetic ones."""
    corpus = os.environ.get("VOA_SW")
    if not corpus:
        return make_set(work, "wav", count, count)
    directory = work / f"voa_sw_{count}"
    if directory.exists():
        return read_datadir(directory)
    lengths = {path: soundfile.info(path).duration for path in sorted((Path(corpus) / "clips").iterdir())}
    fit = [path for path, length in lengths.items() if length <= WHISPER_WINDOW]
    chosen = {path.stem: path for path in fit[::max(1, len(fit) // count)][:count]}
    data = DataDir(directory, {utt: str(path) for utt, path in chosen.items()}, dict.fromkeys(chosen, "x"),
                   {utt: utt for utt in chosen})
    data.utt2dur.update({utt: lengths[path] for utt, path in chosen.items()})
    write_datadir(directory, data)
    return data


def encoder(model: Path, layer: int, *, padded: bool = False) -> PretrainedFeatures:
    """Return what makes the features."""
    return open_pretrained(FeatureOptions(kind="pretrained", model=str(model), layer=layer, padded=padded))


def stage(data: DataDir, out: Path, make: PretrainedFeatures, pool: Pool = HERE) -> None:
    """Run the whole stage."""
    shutil.rmtree(out, ignore_errors=True)
    dump_fbank(data.path, out, extractor=make, pool=pool, force=True)


def stage_of(nj: int, data: DataDir, work: Path, make: PretrainedFeatures) -> int:
    """Run the stage in ``nj`` processes, started for it; return the most memory (kB) that one has used."""
    with worker_pool(2) as pool:
        if nj == 1:
            return next(pool.run(stage_here, [(data, work / "out", make)], what="stage"))
        stage(data, work / "out", make, pool)
        return max(pool.run(peak_memory, [0.1] * 4, what="memory"))


def stage_here(job: tuple[DataDir, Path, PretrainedFeatures]) -> int:
    """Run the stage in this process; return the most memory (kB) that it has used."""
    stage(*job)
    return peak_memory(0.0)


class Forward:
    """The bare forward of transformers' model over prepared inputs."""

    def __init__(self, make: PretrainedFeatures, data: DataDir) -> None:
        encoder, reader = pretrained._encoder(make), Reader()
        self.inputs = [torch.as_tensor(encoder.prepare(reader.read(data.audio(utt))))[None] for utt in data.utts]
        self.whisper, self.padded = make.family == "whisper", make.padded
        name = "WhisperModel" if self.whisper else type(encoder._network).__name__
        layers = "encoder_layers" if self.whisper else "num_hidden_layers"
        network: Any = getattr(transformers, name).from_pretrained(make.model, dtype=torch.float32,
                                                                   **{layers: make.layers[-1]}).eval()
        self.network = network.encoder if self.whisper else network
        if self.whisper:
            self.positions = self.network.embed_positions.weight.detach().clone()

    def __call__(self) -> None:
        """Run it over all utterances."""
        with torch.inference_mode():
            for values in self.inputs:
                self.network(self._window(values) if self.whisper else values)

    def _window(self, mel: torch.Tensor) -> torch.Tensor:
        """Return (1, mel, T) of what Whisper's forward accepts."""
        mel = mel.transpose(1, 2)
        if self.padded:
            return torch.nn.functional.pad(mel, (0, 2 * len(self.positions) - mel.shape[2]), value=float(mel.min()))
        frames = mel.shape[2] // 2
        self.network.config.max_source_positions = frames
        self.network.embed_positions = torch.nn.Embedding.from_pretrained(self.positions[:frames])
        return mel[:, :, :2 * frames]


if __name__ == "__main__":
    main()
