"""Time and memory of scoring and comparing many systems, against jiwer and a bootstrap written down as it is defined.

    tools/venv/bin/python tools/bench/score.py

Made-up hypotheses of ``--systems`` target systems for ``--utterances`` utterances of 100 speakers are scored and
compared by stages ``score`` and ``report``: files, alignments, word and character errors, bootstraps over utterances
and over speakers (10,000 resamples), both tests, breakdowns, tables and figure. The peer counts the same errors with
``jiwer.process_words`` and ``process_characters``, and draws the intervals of the same pairs over utterances alone, for
words and for characters, with numpy, one draw after the other. Seconds of processor time, one thread; it also says how
much memory the first side has taken. The last line is JSON.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import logging
import os
import random
import resource
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import jiwer  # noqa: E402
import numpy as np  # noqa: E402

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

from scored import CONFIG  # noqa: E402  (a made-up experiment)

from stxfer.bin import report, score  # noqa: E402
from stxfer.core.stage import Stage  # noqa: E402
from stxfer.kaldi.table import read_table, write_table  # noqa: E402

WORDS, SPEAKERS, RESAMPLES = 5000, 100, 10_000


def main() -> None:
    """Run both sides and print a table and a line of JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--systems", type=int, default=20, help="systems; all but the first are compared with it")
    parser.add_argument("--utterances", type=int, default=10_000, help="of the test set")
    args = parser.parse_args()
    logging.getLogger("stxfer").setLevel(logging.ERROR)
    seconds: dict[str, dict[str, float]] = {}
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        names = make_up(args.systems, args.utterances)
        with timed(seconds, "score", "ours"):
            score.main(["--config", "many.yaml"])
        with timed(seconds, "compare", "ours"):
            report.main(["--config", "many.yaml"])
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2 ** 20
        with timed(seconds, "score", "peer"):
            errors = peer_errors(names)
        with timed(seconds, "compare", "peer"):
            intervals = peer_intervals(names, errors)
        check(intervals)
        os.chdir(ROOT)
    ours = sum(of["ours"] for of in seconds.values())
    print(f"{args.systems} systems, {args.utterances:,} utterances; ours: {ours:.1f} s of processor time, "
          f"{memory:.2f} GiB at most; load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
    for case, of in seconds.items():
        print(f"{case:8} ours {of['ours']:7.1f} s   peer {of['peer']:7.1f} s")
    print(json.dumps({case: {**{side: round(value, 2) for side, value in of.items()},
                             "ratio": round(of["ours"] / of["peer"], 3)} for case, of in seconds.items()}))


def make_up(n_systems: int, n_utts: int) -> list[str]:
    """Write an experiment, references and hypotheses in the working directory; return the systems' names."""
    rng = random.Random(0)
    words = ["".join(rng.choices("abcdefghijklmnoprstuvwy", k=rng.randint(2, 9))) for _ in range(WORDS)]
    refs = {f"u{i:06d}": [words[int(WORDS * rng.random() ** 3)] for _ in range(rng.randint(4, 16))]
            for i in range(n_utts)}
    test = Path("dump/fbank/tgt_test")
    write_table(test / "text", {utt: " ".join(ref) for utt, ref in refs.items()})
    write_table(test / "utt2spk", {utt: f"s{i % SPEAKERS}" for i, utt in enumerate(refs)})
    Stage("features tgt_test", test).finish([test / "text", test / "utt2spk"])
    write_table(Path("dump/fbank/tgt_train/utt2dur"), {"u": "3600"})
    names = [f"system{i:02d}" for i in range(n_systems)]
    for number, name in enumerate(names):
        folder, rate = Path("exp", name, "seed1", "decode", "tgt_test"), 0.4 - 0.01 * number
        write_table(folder / "text", {utt: " ".join(rng.choice(words) if rng.random() < rate else word for word in ref
                                                    if rng.random() > 0.05) for utt, ref in refs.items()})
        Stage(f"decode {name}", folder).finish([folder / "text"])
    systems = "".join(f"  {name}: {{task: asr, data: tgt_train, text: sw}}\n" for name in names)
    head, tail = CONFIG.partition("systems:\n")[0], f"compare: {[[name, names[0]] for name in names[1:]]}\nseeds: [1]\n"
    Path("many.yaml").write_text(f"{head}systems:\n{systems}{tail}", encoding="utf-8")
    return names


@contextlib.contextmanager
def timed(seconds: dict[str, dict[str, float]], case: str, side: str) -> Iterator[None]:
    """Add the processor time of what is done to a case; what it prints is not shown."""
    began = time.process_time()
    with contextlib.redirect_stdout(io.StringIO()):
        yield
    seconds.setdefault(case, {})[side] = time.process_time() - began
    print(f"{case}, {side}: {seconds[case][side]:.1f} s", file=sys.stderr, flush=True)


def peer_errors(names: list[str]) -> dict[str, list[np.ndarray]]:
    """Return [errors, reference length] of each utterance, of words and of characters, by system."""
    refs = list(read_table("dump/fbank/tgt_test/text").values())
    found = {}
    for name in names:
        hyps = list(read_table(f"exp/{name}/seed1/decode/tgt_test/text").values())
        found[name] = [np.array([[sum(max(part.ref_end_idx - part.ref_start_idx, part.hyp_end_idx - part.hyp_start_idx)
                                      for part in parts if part.type != "equal"), len(units)]
                                 for parts, units in zip(output.alignments, output.references, strict=True)])
                       for output in (jiwer.process_words(refs, hyps), jiwer.process_characters(refs, hyps))]
    return found


def peer_intervals(names: list[str], errors: dict[str, list[np.ndarray]]) -> dict[str, tuple[float, float]]:
    """Return the percentile interval of each system's relative reduction of word errors; characters' are drawn, too."""
    found = {}
    for name in names[1:]:
        for metric, (one, other) in enumerate(zip(errors[name], errors[names[0]], strict=True)):
            rng, draws = np.random.default_rng(1), []
            for _ in range(RESAMPLES):
                chosen = rng.integers(len(one), size=len(one))
                a, b = one[chosen].sum(axis=0), other[chosen].sum(axis=0)
                draws.append(1 - (a[0] / a[1]) / (b[0] / b[1]))
            if metric == 0:
                found[name] = tuple(np.percentile(draws, [2.5, 97.5]))
    return found  # type: ignore[return-value]


def check(intervals: dict[str, tuple[float, float]]) -> None:
    """Stop unless both sides' intervals over utterances are about the same."""
    for cell in json.loads(Path("exp/report/results.json").read_text(encoding="utf-8"))["comparisons"]:
        if cell["metric"] == "wer":
            ours, theirs = cell["intervals"]["utterances"], intervals[cell["system"]]
            if max(abs(a - b) for a, b in zip(ours, theirs, strict=True)) > 0.003:
                raise SystemExit(f"{cell['system']}: {ours} here, {theirs} by the plain bootstrap")


if __name__ == "__main__":
    main()
