#!/usr/bin/env python3
"""Give what reads files, archives, addresses and names inputs that would run code or leave their folder.

Each case (tools/campaign/hostile_cases; tests/test_hostile.py tries the same) is tried in a process of its own, in
a folder of its own. It counts as well where the input is refused in one line, or shown harmlessly, and no canary is
made, nothing is written outside, and it ends within its time and memory.

    tools/campaign/hostile.py [--match REGEX]
"""

from __future__ import annotations

import argparse
import json
import re
import sys
import tempfile
from collections import Counter
from pathlib import Path

import forks
import hostile_cases


def try_case(case: hostile_cases.Hostile, root: Path) -> tuple[str, str]:
    """Return what comes of a case, ``well`` if all is, and the reason."""
    def call() -> None:
        wrong = hostile_cases.attempt(case, root)
        if wrong:
            sys.exit(wrong)

    with tempfile.NamedTemporaryFile(suffix=".log") as log:
        ended = forks.in_child(call, Path(log.name))
    if (root / hostile_cases.MARK).exists():
        return "EXECUTED", "the canary was made"
    if ended.hung:
        return "HANG", ""
    if ended.status < 0:
        return "CRASH", f"signal {-ended.status}"
    if ended.status:
        return "FAILED", (ended.said.splitlines() or ["no output"])[-1]
    return "well", ""


def main() -> None:
    """Parse arguments and try the cases."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--match", type=re.compile, default=re.compile(""), help="cases that this is found in alone")
    args = parser.parse_args()
    chosen = [case for case in hostile_cases.cases() if args.match.search(case.name)]
    counts: Counter[str] = Counter()
    for case in chosen:
        with tempfile.TemporaryDirectory(prefix="hostile") as folder:
            how, why = try_case(case, Path(folder))
        counts[how] += 1
        if how != "well":
            print(f"{how:<8} {case.name}: {why}", flush=True)
    print(json.dumps({"cases": len(chosen), "executed": counts["EXECUTED"], **dict(sorted(counts.items()))}))
    sys.exit(bool(counts.keys() - {"well"}))


if __name__ == "__main__":
    main()
