"""Time a start that finds a data directory of a million utterances up to date, and the digests behind it.

    tools/venv/bin/python tools/bench/up_to_date.py --work /tmp/up_to_date

A work directory is made up: the tables of a prepared data directory and of its features, recordings of
``--per-recording`` utterances each, and an archive; no audio is decoded. Case ``digests``: reading all files that the
stage is made from and has made, as the first start on a copy does; ``start``: the next start of stage 3, which asks
for sizes, times and inodes. The peer of both is ``sha256sum`` of the same files, which gives the same certainty.
Seconds of processor time, Python's own start apart, the least of ``--rounds``. The last line is JSON.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
AUDIO_BYTES = 20  # of an utterance
ARK_BYTES = 1 << 28
WORDS = ["the", "quick", "brown", "fox", "jumps", "over", "a", "lazy", "dog", "and", "then", "sleeps", "for", "hours"]
OURS = """
import sys, time
from pathlib import Path
from stxfer.audio.dump import dump_fbank
began = time.process_time()
found = dump_fbank(Path("dump/data/train"), Path("dump/fbank/train"))
print(found, time.process_time() - began)
"""
FINISH = """
from pathlib import Path
from stxfer.audio import dump
from stxfer.audio.shards import FBANK
def made(shards, data, out):
    return [out / name for name in ("feats.sha256", "feats.scp", "utt2num_frames", "text", "utt2spk", "utt2dur")]
dump._split, dump._make, dump._merge = (lambda *a: []), (lambda *a: None), made
dump.dump_fbank(Path("dump/data/train"), Path("dump/fbank/train"))
"""


def main() -> None:
    """Make the work directory, run the cases, print a table and a line of JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, required=True, help="directory to make, 1 GB; removed at the end")
    parser.add_argument("--utterances", type=int, default=1_000_000, help="utterances")
    parser.add_argument("--per-recording", type=int, default=1000, help="utterances of a file of audio")
    parser.add_argument("--rounds", type=int, default=3, help="starts of each side, in turn")
    args = parser.parse_args()
    shutil.rmtree(args.work, ignore_errors=True)
    make(args.work, args.utterances, args.per_recording)
    python(FINISH, args.work)
    files = sorted(path for path in args.work.rglob("*") if path.is_file() and not path.name.startswith("."))
    seconds: dict[str, dict[str, list[float]]] = {case: {"ours": [], "peer": []} for case in ("digests", "start")}
    for _ in range(args.rounds):
        for remembered in args.work.rglob(".digests.json"):
            remembered.unlink()
        for case in seconds:
            seconds[case]["ours"].append(ours(args.work, args.utterances))
            seconds[case]["peer"].append(peer(files))
    size = sum(path.stat().st_size for path in files)
    print(f"{args.utterances:,} utterances, {len(files):,} files, {size / 1e6:.0f} MB; seconds of processor time, the "
          f"least of {args.rounds} starts; load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
    results = {}
    for case, sides in seconds.items():
        least = {side: round(min(values), 3) for side, values in sides.items()}
        results[case] = {**least, "ratio": round(least["ours"] / least["peer"], 3)}
        print(f"{case:8} ours {least['ours']:8.2f}   sha256sum {least['peer']:8.2f}   "
              f"ratio {results[case]['ratio']:.2f}")
    shutil.rmtree(args.work)
    print(json.dumps(results))


def make(work: Path, utterances: int, per_recording: int) -> None:
    """Write the tables, and files in place of audio and features."""
    data, features, audio = (work / name for name in ("dump/data/train", "dump/fbank/train", "data/audio/train"))
    for directory in (data, features, audio):
        directory.mkdir(parents=True)
    (work / ".stxfer").touch()
    recordings = [f"rec{k:06d}" for k in range(-(-utterances // per_recording))]
    for name in recordings:
        (audio / f"{name}.flac").write_bytes(os.urandom(per_recording * AUDIO_BYTES))
    with (features / "feats.1.ark").open("wb") as handle:
        for _ in range(ARK_BYTES >> 20):
            handle.write(os.urandom(1 << 20))
    utts = [(f"{recordings[k // per_recording]}-{k % per_recording:04d}", k) for k in range(utterances)]
    tables = {
        data / "wav.scp": (f"{name} data/audio/train/{name}.flac" for name in recordings),
        data / "segments": (f"{utt} {utt[:9]} {k % per_recording * 5}.0 {k % per_recording * 5 + 4}.5"
                            for utt, k in utts),
        data / "utt2spk": (f"{utt} {utt[:9]}" for utt, _ in utts),
        data / "utt2dur": (f"{utt} 4.500" for utt, _ in utts),
        data / "text": (f"{utt} {' '.join(WORDS[k % 7:k % 7 + 8])}" for utt, k in utts),
        data / "text.sw.human": (f"{utt} {' '.join(WORDS[k % 5:k % 5 + 9])}" for utt, k in utts),
        features / "feats.scp": (f"{utt} dump/fbank/train/feats.1.ark:{k * 4000}" for utt, k in utts),
        features / "utt2num_frames": (f"{utt} 448" for utt, _ in utts)}
    for path, lines in tables.items():
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    for name in ("text", "utt2spk", "utt2dur"):
        shutil.copyfile(data / name, features / name)
    found = subprocess.run(["sha256sum", "feats.1.ark"], cwd=features, capture_output=True, text=True, check=True)
    (features / "feats.sha256").write_text(found.stdout, encoding="utf-8")


def python(script: str, work: Path) -> str:
    """Run a script in the work directory; return what it prints."""
    return subprocess.run([sys.executable, "-c", script], cwd=work, check=True, text=True, stdout=subprocess.PIPE,
                          env={**os.environ, "PYTHONPATH": str(ROOT)}).stdout


def ours(work: Path, utterances: int) -> float:
    """Start stage 3, which has nothing to do; return the seconds."""
    found, seconds = python(OURS, work).split()
    if int(found) != utterances:
        raise SystemExit(f"{found} utterances in place of {utterances}")
    return float(seconds)


def peer(files: list[Path]) -> float:
    """Return the seconds of ``sha256sum`` of all files."""
    began = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(["xargs", "-0", "sha256sum"], input="\0".join(map(str, files)).encode(), check=True,
                   stdout=subprocess.DEVNULL)
    ended = resource.getrusage(resource.RUSAGE_CHILDREN)
    return ended.ru_utime + ended.ru_stime - began.ru_utime - began.ru_stime


if __name__ == "__main__":
    main()
