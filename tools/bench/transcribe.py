r"""Transcribe an hour of speech in one file, and a folder of many formats with broken files; time ESPnet on the same.

    tools/venv/bin/python tools/bench/transcribe.py --model egs2/mini_sw/asr1/exp/xfer_mt/seed1 \
        --clips $VOA_SW/clips --work /tmp/transcribe

Parts (``--parts``):

- ``hour``: clips, each from the first to the last place where it is loud for 0.2 s, joined to one FLAC file with 1 to
  2.5 s of faint noise between them. A clip counts as found if the first piece in it begins, and the last one ends,
  within 0.2 s of where it does. Pieces are more than clips: pauses within a clip part them, too.
- ``peer``: the first ``--peer-seconds`` of it by ``stxfer.bin.transcribe``, and by ``espnet2.bin.asr_inference``, piece
  for piece with the same options of the search. ESPnet is given the features; reading, cutting and features count for
  ours alone. What a start costs is measured on a single piece and taken off both.
- ``mixed``: 495 parts of clips in six formats, several rates, one and two channels, and five broken files, in a folder.

Seconds are of the processor, with one thread. The last line is JSON.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from stxfer.audio.ark import write_matrix  # noqa: E402
from stxfer.audio.io import SAMPLE_RATE, load_audio, resample  # noqa: E402
from stxfer.audio.pieces import Cutting, pieces  # noqa: E402
from stxfer.audio.stream import read_blocks  # noqa: E402
from stxfer.kaldi.datadir import Audio  # noqa: E402
from stxfer.model.config import read_config  # noqa: E402
from stxfer.transcription.inputs import SUFFIXES  # noqa: E402
from stxfer.transcription.system import SpeechSystem  # noqa: E402
from stxfer.transcription.transcriber import PAUSE, Transcriber  # noqa: E402

LOUD = 25.0  # dB below the loudest 10 ms
FORMATS = (("wav", 16000), ("flac", 44100), ("mp3", 22050), ("ogg", 16000), ("opus", 48000), ("aiff", 8000))
GOOD, PART = 495, 3.0  # files, and seconds of each
PEER = "import stxfer.model.build\nfrom espnet2.bin.asr_inference import main\nmain()"


@dataclass(frozen=True)
class Ended:
    """How a command ended: status, seconds of the processor, peak of memory in MB, standard output and error."""

    status: int
    seconds: float
    memory: float
    out: str
    err: str


def main() -> None:
    """Run the parts and print a table and a line of JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, required=True, help="directory of a trained system")
    parser.add_argument("--clips", type=Path, required=True, nargs="+", help="folders of audio files, speech each")
    parser.add_argument("--work", type=Path, required=True, help="folder for what is made")
    parser.add_argument("--seconds", type=float, default=3600, help="of the one file (default: %(default)s)")
    parser.add_argument("--peer-seconds", type=float, default=600, help="that ESPnet hears (default: %(default)s)")
    parser.add_argument("--parts", type=str.split, default=["hour", "peer", "mixed"], help="of hour, peer and mixed")
    args = parser.parse_args()
    args.work.mkdir(parents=True, exist_ok=True)
    clips = [path for folder in args.clips for path in sorted(folder.rglob("*")) if path.suffix.lower() in SUFFIXES]
    results: dict[str, Any] = {}
    for part in args.parts:
        results[part] = {"hour": hour, "peer": peer, "mixed": mixed}[part](args, clips)
        print(f"{part}: {', '.join(f'{key} {value}' for key, value in results[part].items())}", flush=True)
    print(json.dumps(results))


def hour(args: argparse.Namespace, clips: Sequence[Path]) -> dict[str, Any]:
    """Transcribe the one file."""
    audio = args.work / "hour.flac"
    edges = join(clips, audio, args.seconds)
    ended = run(transcribe(args.model, audio, "--format", "json"))
    heard = json.loads(ended.out)
    starts = np.array([segment["start"] for segment in heard["segments"]])
    ends = np.array([segment["end"] for segment in heard["segments"]])
    inside = [(ends > start) & (starts < end) for start, end in edges]
    late = [[starts[at][0] - start, ends[at][-1] - end] if at.any() else [np.inf, np.inf]
            for at, (start, end) in zip(inside, edges, strict=True)]
    found = (np.abs(late) <= 0.2).sum(axis=0).tolist()
    return {"status": ended.status, "seconds": round(heard["seconds"], 1), "pieces": len(starts), "clips": len(edges),
            "begin within 0.2 s": found[0], "end within 0.2 s": found[1], "processor": round(ended.seconds, 1),
            "real-time factor": round(ended.seconds / heard["seconds"], 4), "MB": round(ended.memory)}


def peer(args: argparse.Namespace, clips: Sequence[Path]) -> dict[str, Any]:
    """Transcribe the begin of it, by both sides."""
    audio, one = args.work / "peer.flac", args.work / "one.flac"
    join(clips, audio, args.peer_seconds)
    system = Transcriber.from_pretrained(args.model).system
    cut = [piece.samples for piece in pieces(read_blocks(Audio(str(audio))), Cutting(system.most_seconds, PAUSE))]
    soundfile.write(one, cut[0], SAMPLE_RATE)
    ours = [run(transcribe(args.model, path, "--format", "tsv")) for path in (one, audio)]
    theirs = [run(asr_inference(args, system, cut[:count])) for count in (1, len(cut))]
    if failed := [ended for ended in (*ours, *theirs) if ended.status]:
        sys.exit(failed[0].err)
    seconds = soundfile.info(audio).duration - soundfile.info(one).duration
    found = [max(ended[1].seconds - ended[0].seconds, 0.0) for ended in (ours, theirs)]
    texts = [line.split("\t")[-1] for line in ours[1].out.splitlines()[1:]]
    words = [line.partition(" ")[2] for line in (args.work / "peer/1best_recog/text").read_text().splitlines()]
    return {"seconds": round(seconds, 1), "pieces": len(cut), "ours": round(found[0], 1), "peer": round(found[1], 1),
            "starts": [round(ended[0].seconds, 1) for ended in (ours, theirs)],
            "real-time factors": [round(value / seconds, 4) for value in found],
            "ratio": round(found[1] / found[0], 1), "same texts": sum(text in words for text in texts)}


def mixed(args: argparse.Namespace, clips: Sequence[Path]) -> dict[str, Any]:
    """Transcribe the folder."""
    folder, out = args.work / "mixed", args.work / "mixed-out"
    folder.mkdir(exist_ok=True)
    for number, (path, samples) in zip(range(GOOD), parts(clips), strict=False):
        suffix, rate = FORMATS[number % len(FORMATS)]
        signal = resample(samples, SAMPLE_RATE, rate)
        soundfile.write(folder / f"{number:03d}-{path.stem}.{suffix}", np.stack([signal] * (1 + number % 2), 1), rate,
                        **({"format": "OGG", "subtype": "OPUS"} if suffix == "opus" else {}))
    whole = {suffix: next(iter(sorted(folder.glob(f"*.{suffix}")))).read_bytes() for suffix, _ in FORMATS}
    broken = {"100-empty.flac": b"", "200-text.mp3": b"not audio at all", "300-cut.wav": whole["wav"][:20000],
              "400-cut.ogg": whole["ogg"][:60], "500-film.m4a": b"\0\0\0\x20ftypM4A " + bytes(500)}
    for name, content in broken.items():
        (folder / name).write_bytes(content)
    ended = run(transcribe(args.model, folder, "--format", "json", "--out", str(out)))
    errors = [line for line in ended.err.splitlines() if line.startswith("error: ")]
    print(*errors, sep="\n")
    named = sum(any(f"/{name}: " in line for line in errors) for name in broken)
    return {"files": len(list(folder.iterdir())), "results": len(list(out.glob("*.json"))), "named errors": named,
            "status": ended.status, "processor": round(ended.seconds, 1), "MB": round(ended.memory)}


def join(clips: Sequence[Path], out: Path, seconds: float) -> list[tuple[float, float]]:
    """Write clips with faint noise between them; return where each begins and ends, in seconds."""
    rng = np.random.default_rng(1)
    edges: list[tuple[float, float]] = []
    position = 0
    with soundfile.SoundFile(out, "w", SAMPLE_RATE, 1, format="FLAC", subtype="PCM_16") as file:
        for path in clips:
            if position >= seconds * SAMPLE_RATE:
                break
            clip = spoken(load_audio(path))
            noise = rng.normal(0, 1e-4, round(rng.uniform(1.0, 2.5) * SAMPLE_RATE))
            file.write(np.concatenate([noise, clip]))
            edges.append(((position + len(noise)) / SAMPLE_RATE, (position + len(noise) + len(clip)) / SAMPLE_RATE))
            position += len(noise) + len(clip)
        file.write(rng.normal(0, 1e-4, SAMPLE_RATE))
    return edges


def spoken(samples: np.ndarray) -> np.ndarray:
    """Return a clip from the first to the last 0.2 s of which half is within 25 dB of the loudest; no click counts."""
    size = SAMPLE_RATE // 100
    level = 10 * np.log10((samples[:len(samples) // size * size].reshape(-1, size) ** 2).mean(axis=1) + 1e-12)
    loud = np.convolve(level > np.sort(level)[-5:][0] - LOUD, np.ones(20), "same") > 10
    at = np.flatnonzero(loud)
    return samples[at[0] * size:(at[-1] + 1) * size] if len(at) else samples


def parts(clips: Sequence[Path]) -> Iterator[tuple[Path, np.ndarray]]:
    """Yield the first seconds of all clips, then the next ones of those that are longer, and so on."""
    size = round(PART * SAMPLE_RATE)
    first = 0
    while True:
        found = False
        for path in clips:
            samples = load_audio(path)[first:first + size]
            if len(samples) >= size // 2:
                found = True
                yield path, samples
        if not found:
            return
        first += size


def transcribe(model: Path, *arguments: str | Path) -> list[str]:
    """Return the command of ours."""
    return [sys.executable, "-m", "stxfer.bin.transcribe", str(model), *map(str, arguments)]


def asr_inference(args: argparse.Namespace, system: SpeechSystem, cut: Sequence[np.ndarray]) -> list[str]:
    """Return the command of ESPnet on the features of pieces."""
    assert system.extractor is not None
    scp, ark = args.work / "feats.scp", args.work / "feats.ark"
    matrices = system.extractor(cut, [str(number) for number in range(len(cut))])
    with ark.open("wb") as archive:
        places = {f"{number:04d}": write_matrix(archive, f"{number:04d}", matrix, system.compression)
                  for number, matrix in enumerate(matrices)}
    scp.write_text("".join(f"{key} {ark}:{offset}\n" for key, offset in places.items()), encoding="utf-8")
    options = system.decoding
    return [sys.executable, "-W", "ignore", "-c", PEER, "--output_dir", str(args.work / "peer"), "--batch_size", "1",
            "--data_path_and_name_and_type", f"{scp},speech,kaldi_ark", "--key_file", str(scp), "--num_workers", "0",
            "--asr_train_config", str(args.model / "config.yaml"), "--asr_model_file", str(args.model / "model.pth"),
            "--beam_size", str(options.beam_size), "--ctc_weight", str(options.ctc_weight), "--ngpu", "0",
            "--penalty", str(options.length_bonus), "--maxlenratio", str(options.maxlenratio),
            "--minlenratio", str(options.minlenratio), "--token_type", "bpe", "--log_level", "WARNING",
            "--bpemodel", str(read_config(args.model)["bpemodel"])]


def run(command: Sequence[str]) -> Ended:
    """Run a command on one thread."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
        child = subprocess.Popen(command, env=environment, stdout=out, stderr=err)
        _, status, usage = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
        out.seek(0)
        err.seek(0)
        return Ended(child.returncode, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024, out.read(), err.read())


if __name__ == "__main__":
    main()
