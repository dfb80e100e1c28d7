#!/usr/bin/env python3
"""Change the files of a finished work directory behind the recipe's back, run it again, and look at the table.

Each file is changed by a byte, cut short, deleted and exchanged with its like in another directory, one at a time.
After each change the stages that follow the file's own are run, then all, in this process's children; where a run ends
with an error, its advice is followed. What may come out:

- right: the table is that of the untouched directory;
- refused: the stages that follow end with an error, and running all of them makes the right table;
- WRONG: a run ends well with another table;
- DEAD END: neither running all stages again nor following the advice brings the table back.

    tools/campaign/tamper.py --work DIR [--config FILE] [--match REGEX] [--each] [--sample N] [--seed 0]

DIR is a finished work directory of egs2/mini_sw: run.sh --config tools/campaign/tiny.yaml --nj 1 --workdir DIR. It is
put aside while this runs, and put back at the end: every change is made to a copy in its place, of links, not of
contents. Of files of one name in directories of one kind (the sets of a side, the systems) one is changed, unless
--each says otherwise; --sample takes some of the cases. Ends with status 1 if a table was wrong or an end dead.
"""

from __future__ import annotations

import argparse
import functools
import itertools
import json
import os
import random
import re
import shutil
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import forks

from stxfer.core.marker import MARKER, read_marker
from stxfer.experiment import yaml_file
from stxfer.experiment.yaml_file import read_file

TABLE = ("exp/report/results.json", "exp/report/RESULTS.md")
ROUNDS = 4  # advice after advice
SECONDS = 900


@dataclass(frozen=True)
class Case:
    """A file, what becomes of it, and the stage whose output it is."""

    path: str
    change: str
    stage: str
    other: str = ""

    def __str__(self) -> str:
        return f"{self.path} {self.change}" + (f" with {self.other}" if self.other else "")


def own(path: Path) -> Path:
    """Give a path a file of its own: the other directory's is linked to the same one."""
    stat = path.stat()
    copy = path.with_name(f".{path.name}.own")
    shutil.copyfile(path, copy)
    copy.replace(path)
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    return path


def flip(path: Path) -> None:
    """Change a byte in the middle, and neither size nor date."""
    stat, content = own(path).stat(), bytearray(path.read_bytes())
    if content:
        content[len(content) // 2] ^= 1
    path.write_bytes(content or b"x")
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))


def cut(path: Path) -> None:
    """Leave the first half."""
    os.truncate(own(path), path.stat().st_size // 2)


CHANGES: dict[str, Callable[[Path], None]] = {"flipped": flip, "cut": cut, "deleted": Path.unlink}


def make(case: Case, work: Path) -> None:
    """Make a case's change."""
    path = work / case.path
    if case.change == "exchanged":
        first, second = path.read_bytes(), (work / case.other).read_bytes()
        own(path).write_bytes(second)
        own(work / case.other).write_bytes(first)
    else:
        CHANGES[case.change](path)


def stage_of(path: Path, work: Path) -> str:
    """Return the stage whose output a file is: that of the nearest directory with a marker."""
    for directory in itertools.takewhile(lambda parent: parent != work, path.parents):
        if (directory / MARKER).exists():
            return str(read_marker(directory)["step"])
    return "data" if path.is_relative_to(work / "data") else "prepare"


def cases(work: Path, *, each: bool) -> Iterator[Case]:
    """Yield the cases: of files of one name in directories of one kind, those of the first directory, or of each."""
    files = sorted(path for path in work.rglob("*") if path.is_file() and not path.is_symlink())
    alike: dict[tuple[str, str], list[Path]] = {}
    for path in files:
        if not forks.NOT_COMPARED.search(str(path.relative_to(work))):
            name = re.sub(r"\d+", "0", path.name) if path.suffix == ".ark" else path.name
            name = "recording" if path.suffix == ".flac" else name
            kind = re.sub(r"/(src|tgt)_[a-z]+", "/SET", str(path.parent.relative_to(work)))
            kind = re.sub(r"^exp/(?!mt/|report)\w+", "exp/SYSTEM", kind)
            alike.setdefault((kind, name), []).append(path)
    for group in alike.values():
        for path in group if each else group[:1]:
            where, stage = str(path.relative_to(work)), stage_of(path, work)
            for change in CHANGES:
                yield Case(where, change, stage)
            others = [other for other in group if other.read_bytes() != path.read_bytes()]
            if others:
                yield Case(where, "exchanged", stage, str(others[-1].relative_to(work)))


def run_stages(work: Path, config: Path, stages: list[str]) -> str:
    """Run stages in a child process; return its error line, empty if all has gone well."""
    def run() -> None:
        os.chdir(work)
        for stage in stages:
            module, *arguments = forks.STAGES[stage]
            more = ["--command", "./run.sh --preset tiny"] if stage == "report" else []
            forks.command(module, "--config", str(config), *arguments, *more)()

    ended = forks.in_child(run, work.with_name(f"{work.name}.run.log"), seconds=SECONDS)
    return "" if not ended.status else "error: it does not end" if ended.hung else ended.error


def table(work: Path) -> list[str]:
    """Return the contents of the report, absent files as nothing."""
    return [path.read_text(encoding="utf-8") if (path := work / name).exists() else "" for name in TABLE]


def follow(advice: str, work: Path, config: Path) -> bool:
    """Do what an error line says, short of options that overrule it; return whether it says anything."""
    if found := re.match(r"error: (\S+): .*remove (?:this file|it)\b", advice):
        (work / found[1]).unlink(missing_ok=True)
        return True
    if found := re.search(r"run stage '(\w+)' again", advice):
        run_stages(work, config, [found[1]])
        return True
    return False


def outcome(case: Case, kept: Path, work: Path, config: Path) -> tuple[str, str]:
    """Return what comes of a case, and the first error on the way."""
    forks.restore(work, kept)
    make(case, work)
    names, right = list(forks.STAGES), table(kept)
    later = names[names.index(case.stage) + 1:] or names[-1:]
    first = run_stages(work, config, later)
    if not first and table(work) != right:
        return "WRONG", f"from stage {later[0]} on"
    error = run_stages(work, config, names)
    for _ in range(ROUNDS):
        if not error or not follow(error, work, config):
            break
        first = first or error
        error = run_stages(work, config, names)
    if error:
        return "DEAD END", error
    if table(work) != right:
        return "WRONG", first
    return "refused" if first else "right", first


def tamper(work: Path, config: Path, chosen: list[Case]) -> Counter[str]:
    """Try the cases one by one, a line each; return how many came out how."""
    kept = work.with_name(f"{work.name}.kept")
    work.rename(kept)
    counts: Counter[str] = Counter()
    try:
        for case in chosen:
            began = time.monotonic()
            how, why = outcome(case, kept, work, config)
            counts[how] += 1
            print(f"{how:<8} {case} ({time.monotonic() - began:.0f} s){': ' if why else ''}{why}", flush=True)
    finally:
        shutil.rmtree(work, ignore_errors=True)
        kept.rename(work)
    return counts


def main() -> None:
    """Parse arguments and tamper."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, required=True, help="a finished work directory of egs2/mini_sw")
    parser.add_argument("--config", type=Path, default=forks.CONFIG, help="its experiment file (default: %(default)s)")
    parser.add_argument("--match", type=re.compile, default=re.compile(""), help="cases that this is found in alone")
    parser.add_argument("--each", action="store_true", help="every file, not one of each kind")
    parser.add_argument("--sample", type=int, default=0, help="so many of the cases, drawn at random; 0: all")
    parser.add_argument("--seed", type=int, default=0, help="of the sample (default: %(default)s)")
    args = parser.parse_args()
    forks.tidy_when_ended()
    work, config = args.work.resolve(), args.config.resolve()
    forks.import_once(module for module, *_ in forks.STAGES.values())
    yaml_file._parsed = functools.cache(yaml_file._parsed)  # of the experiment, that each stage of each case reads
    read_file(config)
    error = run_stages(work, config, ["report"])  # and the report's command is the one used here
    if error:
        sys.exit(f"{work}: not finished; {error}")
    chosen = [case for case in cases(work, each=args.each) if args.match.search(str(case))]
    if args.sample:
        chosen = random.Random(args.seed).sample(chosen, min(args.sample, len(chosen)))
    counts = tamper(work, config, chosen)
    print(json.dumps({"cases": len(chosen), **dict(sorted(counts.items()))}))
    sys.exit(bool(counts["WRONG"] or counts["DEAD END"]))


if __name__ == "__main__":
    main()
