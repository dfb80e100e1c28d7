"""Time data directories of a million utterances: validating, taking a subset of half, combining two halves, leaks.

    tools/venv/bin/python tools/bench/datadir.py

The tables (wav.scp, text, text.sw.human, utt2spk, spk2utt, utt2dur; random words, 2,000 speakers) are made in a
temporary folder first. Each case runs in a process of its own, ours and the peers in turn: ``dicts``, a plain Python
script that reads every table into a dictionary, and ``coreutils``, Kaldi's way of ``sort``, ``cmp`` and ``awk`` in the
C locale. The peers' subset is a shuffle, not balanced by speaker. ``leaks`` finds the sentences, nearly the same
sentences, audio and speakers of a test set of 2,000 utterances in them, their tables read and their audio decoded
before; the peers have nothing of the kind. A table of seconds and peak memory comes first. The
last line is JSON: seconds of ours and of the quicker peer, and ours / peer.
"""

from __future__ import annotations

import argparse
import json
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

CASES = ("validate", "subset", "combine")
N_TEST = 2000
TABLES = ("wav.scp", "text", "text.sw.human", "utt2spk", "utt2dur")
N_SPEAKERS = 2000


def main() -> None:
    """Make the tables, run every case, print a table and a line of JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--utterances", type=int, default=1_000_000, help="how many to make")
    parser.add_argument("--repeats", type=int, default=1, help="runs of each case; the fastest counts")
    parser.add_argument("--run", nargs=3, metavar=("WHO", "CASE", "DIR"), help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.run:
        run_case(*args.run, args.utterances)
        return
    with tempfile.TemporaryDirectory() as folder:
        def run(who: str, case: str) -> Run:
            command = [sys.executable, __file__, "--utterances", str(args.utterances), "--run", who, case, folder]
            return Run(*json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout))

        run("generate", "all")  # not in this process: a child's peak memory begins at its parent's
        print(f"{args.utterances} utterances, {size(Path(folder) / 'whole') / 2**20:.0f} MiB")
        runs = {case: {who: min(run(who, case) for _ in range(args.repeats)) for who in PEERS} for case in CASES}
        leaks = min(run("ours", "leaks") for _ in range(args.repeats))
    results = {}
    for case, of in runs.items():
        print(f"{case:9}" + "".join(f"   {who} {one.seconds:6.2f} s (CPU {one.cpu:.2f}) {one.mib:.0f} MiB"
                                    for who, one in of.items()))
        ours, peer = of["ours"].seconds, min(one.seconds for who, one in of.items() if who != "ours")
        results[case] = {"ours": round(ours, 2), "peer": round(peer, 2), "ratio": round(ours / peer, 2)}
    print(f"leaks       ours {leaks.seconds:6.2f} s (CPU {leaks.cpu:.2f}, reading the tables included) "
          f"{leaks.mib:.0f} MiB")
    print(f"ours, in all: {sum(case['ours'] for case in results.values()):.1f} s, "
          f"at most {max(of['ours'].mib for of in runs.values()):.0f} MiB")
    print(json.dumps(results))


class Run(NamedTuple):
    """Seconds by the clock and of processors, and MiB of memory at most, of a process and its children."""

    seconds: float
    cpu: float
    mib: float


def run_case(who: str, case: str, folder: str, n_utts: int) -> None:
    """Run one case in this process and print the fields of its :class:`Run`."""
    if who == "generate":
        generate(Path(folder), n_utts)
        print("[0, 0, 0]")
        return
    action: Callable[[Path], object] = find_leaks(Path(folder)) if case == "leaks" else PEERS[who](case)
    start = time.perf_counter()
    action(Path(folder))
    seconds = time.perf_counter() - start
    usage = [resource.getrusage(of) for of in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    print(json.dumps([seconds, sum(of.ru_utime + of.ru_stime for of in usage),
                      max(of.ru_maxrss for of in usage) / 1024]))


def size(directory: Path) -> int:
    """Return the bytes of a directory's files."""
    return sum(path.stat().st_size for path in directory.iterdir())


def generate(folder: Path, n_utts: int) -> None:
    """Write ``whole``, and ``even`` and ``odd``, which have every other utterance of it."""
    draw = random.Random(1)
    syllables = [a + b for a in "bcdfghjklmnprstvwyz" for b in "aeiou"]
    words = ["".join(draw.choices(syllables, k=draw.randint(1, 4))) for _ in range(20_000)]
    lines: dict[str, list[str]] = {name: [] for name in TABLES}
    speakers = sorted(f"{draw.getrandbits(64):016x}" for _ in range(N_SPEAKERS))
    for k in range(n_utts):
        speaker = speakers[k * N_SPEAKERS // n_utts]
        utt = f"{speaker}-common_voice_sw_{k:08d}"
        lines["wav.scp"].append(f"{utt} /corpora/common_voice/sw/clips/common_voice_sw_{k:08d}.mp3\n")
        lines["text"].append(f"{utt} {' '.join(draw.choices(words, k=draw.randint(3, 15)))}\n")
        lines["text.sw.human"].append(f"{utt} {' '.join(draw.choices(words, k=draw.randint(3, 15)))}\n")
        lines["utt2spk"].append(f"{utt} {speaker}\n")
        lines["utt2dur"].append(f"{utt} {draw.uniform(1, 12):.3f}\n")
    for name, part in (("whole", slice(None)), ("even", slice(0, None, 2)), ("odd", slice(1, None, 2))):
        (folder / name).mkdir()
        for table, every in lines.items():
            (folder / name / table).write_text("".join(every[part]), encoding="utf-8")
        inverse: dict[str, list[str]] = {}
        for line in lines["utt2spk"][part]:
            utt, speaker = line.split()
            inverse.setdefault(speaker, []).append(utt)
        (folder / name / "spk2utt").write_text("".join(f"{s} {' '.join(utts)}\n" for s, utts in inverse.items()))


def ours(case: str) -> Callable[[Path], None]:
    """Return this project's way; importing is not timed."""
    from stxfer.kaldi.check import check_datadir
    from stxfer.kaldi.combine import combine_datadirs
    from stxfer.kaldi.subset import subset_datadir

    def validate(folder: Path) -> None:
        report = check_datadir(folder / "whole")
        assert not report.errors and not report.warnings, report

    def subset(folder: Path) -> None:
        subset_datadir(folder / "whole", folder / "subset", hours=half_hours(folder))

    def combine(folder: Path) -> None:
        combine_datadirs([folder / "even", folder / "odd"], folder / "combined")

    return {"validate": validate, "subset": subset, "combine": combine}[case]


def find_leaks(folder: Path) -> Callable[[Path], None]:
    """Return what finds the leaks of a test set in ``whole``; reading tables is not timed."""
    from stxfer.audio.check import AudioReport
    from stxfer.experiment.prepare import PrepareOptions
    from stxfer.kaldi.datadir import read_datadir
    from stxfer.prepare.held_audio import HeldAudio, write_held_audio
    from stxfer.prepare.leaks import leaks_of, shared_speakers

    data = read_datadir(folder / "whole")
    reports = {utt: AudioReport(1.0, 16000, 1, digest=f"{k:032x}") for k, utt in enumerate(data.utts)}
    test = data.select(data.utts[::max(1, len(data) // N_TEST)])
    held = {" ".join([*text.split()[:-1], "x"]): "tgt_test/text" for text in test.text.values()}
    for name, utts in (("tgt_train", data.utt2spk), ("tgt_test", test.utt2spk)):
        (folder / name).mkdir(exist_ok=True)
        (folder / name / "utt2spk").write_text("".join(f"{utt} {speaker}\n" for utt, speaker in utts.items()))
    write_held_audio(folder / "tgt_test", test, reports)

    def action(folder: Path) -> None:
        audio = HeldAudio(folder, ["tgt_test"])
        dropped, found = leaks_of(data, data.utts, held, audio, reports, PrepareOptions("en", "sw"))
        shared_speakers(folder, ["tgt_train", "tgt_test"])
        assert len(dropped) >= len(test) and found["leaks"]["near"]["n"] > len(test) / 2, found

    return action


def half_hours(folder: Path) -> float:
    """Return about half of the speech there is, from the number of utterances and the mean length of 6.5 s."""
    with (folder / "whole" / "utt2dur").open("rb") as handle:
        return sum(1 for _ in handle) * 6.5 / 3600 / 2


def dicts(case: str) -> Callable[[Path], None]:
    """Return the way of a plain script: tables as dictionaries."""
    def read(path: Path) -> dict[str, str]:
        table = {}
        with path.open(encoding="utf-8") as handle:
            for line in handle:
                key, value = line.split(maxsplit=1)
                assert key not in table, key
                table[key] = value.rstrip("\n")
        return table

    def write(path: Path, tables: dict[str, dict[str, str]]) -> None:
        path.mkdir()
        for name, table in tables.items():
            with (path / name).open("w", encoding="utf-8") as handle:
                for key in sorted(table):
                    handle.write(f"{key} {table[key]}\n")
        inverse: dict[str, list[str]] = {}
        for utt, speaker in tables["utt2spk"].items():
            inverse.setdefault(speaker, []).append(utt)
        with (path / "spk2utt").open("w", encoding="utf-8") as handle:
            for speaker in sorted(inverse):
                handle.write(f"{speaker} {' '.join(sorted(inverse[speaker]))}\n")

    def validate(folder: Path) -> None:
        tables = {name: read(folder / "whole" / name) for name in TABLES}
        for table in tables.values():
            assert list(table) == sorted(table)
            assert table.keys() == tables["wav.scp"].keys()
        assert all(float(value) > 0 for value in tables["utt2dur"].values())
        assert not any(value.endswith("|") for value in tables["wav.scp"].values())
        inverse: dict[str, list[str]] = {}
        for utt, speaker in tables["utt2spk"].items():
            inverse.setdefault(speaker, []).append(utt)
        assert {s: value.split() for s, value in read(folder / "whole" / "spk2utt").items()} == inverse

    def subset(folder: Path) -> None:
        tables = {name: read(folder / "whole" / name) for name in TABLES}
        utts, left, chosen = list(tables["utt2dur"]), half_hours(folder) * 3600, set()
        random.Random(0).shuffle(utts)
        for utt in utts:
            left -= float(tables["utt2dur"][utt])
            if left < 0:
                break
            chosen.add(utt)
        write(folder / "dicts_subset", {name: {utt: value for utt, value in table.items() if utt in chosen}
                                        for name, table in tables.items()})

    def combine(folder: Path) -> None:
        tables = {}
        for name in TABLES:
            tables[name] = read(folder / "even" / name)
            odd = read(folder / "odd" / name)
            assert not tables[name].keys() & odd.keys()
            tables[name] |= odd
        write(folder / "dicts_combined", tables)

    return {"validate": validate, "subset": subset, "combine": combine}[case]


VALIDATE = r"""
for t in wav.scp text text.sw.human utt2spk utt2dur spk2utt; do
  awk '{print $1}' $1/whole/$t > $1/keys.$t
  sort -c -u $1/keys.$t
  iconv -f utf-8 -t utf-8 $1/whole/$t > /dev/null
  if [ $t != spk2utt ]; then cmp -s $1/keys.wav.scp $1/keys.$t; fi
done
if grep -q '|$' $1/whole/wav.scp; then exit 1; fi
awk '!($2 > 0) {exit 1}' $1/whole/utt2dur
awk '{for (i = 2; i <= NF; i++) print $i, $1}' $1/whole/spk2utt | cmp -s - $1/whole/utt2spk
"""
SPK2UTT = r"""awk '{u[$2] = u[$2] " " $1} END {for (s in u) print s u[s]}' $2/utt2spk | sort > $2/spk2utt
"""
SUBSET = r"""
mkdir $2
shuf --random-source=$1/whole/text $1/whole/utt2dur | awk -v h=$3 '{s += $2} s <= h * 3600 {print $1}' |
  sort > $1/chosen
for t in wav.scp text text.sw.human utt2spk utt2dur; do join $1/chosen $1/whole/$t > $2/$t; done
""" + SPK2UTT
COMBINE = r"""
mkdir $2
for t in wav.scp text text.sw.human utt2spk utt2dur; do
  sort -m $1/even/$t $1/odd/$t > $2/$t
  awk '{print $1}' $2/$t | sort -c -u
done
""" + SPK2UTT


def coreutils(case: str) -> Callable[[Path], None]:
    """Return Kaldi's way: coreutils and awk."""
    script = {"validate": VALIDATE, "subset": SUBSET, "combine": COMBINE}[case]

    def action(folder: Path) -> None:
        subprocess.run(["bash", "-e", "-o", "pipefail", "-c", script, "bash", str(folder),
                        str(folder / f"coreutils_{case}"), str(half_hours(folder))],
                       check=True, env={"LC_ALL": "C", "PATH": "/usr/bin:/bin"})

    return action


PEERS: dict[str, Callable[[str], Callable[[Path], None]]] = {"ours": ours, "dicts": dicts, "coreutils": coreutils}


if __name__ == "__main__":
    main()
