#!/usr/bin/env python3
"""Kill a recipe at random moments, run it again, and compare what it leaves with an undisturbed run, byte by byte.

First the recipe runs undisturbed, stage by stage. Then, for each kill, a stage starts from what the stages before it
have left, is killed by SIGKILL at a random moment of its length, and is run again; "start" is the driver's first
second in an empty directory. What is killed is, in turn, the driver with all that it has started, the driver alone,
or one process that it has started. What may come out:

- identical: the second run ends well and leaves what the undisturbed one has left;
- DIFFERENT: it leaves something else; names the files;
- FAILED: it ends with an error.

    tools/campaign/kill.py --work DIR [--kills 60] [--seed 0] [--stages "mt st"]

DIR is made; it must not exist. Logs, locks and what is remembered of digests are not compared. Ends with status 1 if
anything but identical came out.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import forks

RUN = forks.ROOT / "egs2/mini_sw/asr1/run.sh"
STAGES = tuple(forks.STAGES)
START = "start"  # the driver's first second
VICTIMS = ("all", "driver", "one")
TRIES = 6  # kills that come too late, each at half the time of the one before


@dataclass(frozen=True)
class Kill:
    """A kill and what came of it."""

    stage: str
    victim: str
    after: float
    outcome: str
    detail: str = ""

    def __str__(self) -> str:
        return f"{self.outcome:<9} {self.stage}: {self.victim} killed after {self.after:.2f} s" \
               f"{': ' if self.detail else ''}{self.detail}"


class Recipe:
    """The recipe in a work directory, and copies of that directory as it is after each stage."""

    def __init__(self, work: Path, nj: int) -> None:
        self.work, self.nj, self.seconds = work, nj, {START: 1.0}
        self.kept = work.with_name(f"{work.name}.kept")

    def start(self, stage: str) -> subprocess.Popen[bytes]:
        """Start a stage, as the leader of a session of its own."""
        name = STAGES[0] if stage == START else stage
        with self.log.open("wb") as log:
            return subprocess.Popen(  # noqa: S603 (a script of this project)
                [str(RUN), "--config", str(forks.CONFIG), "--workdir", str(self.work), "--nj", str(self.nj), "--stage",
                 name, "--stop-stage", name], stdout=log, stderr=log, stdin=subprocess.DEVNULL, start_new_session=True,
                env={**os.environ, "STXFER_PYTHON": os.environ.get("STXFER_PYTHON", sys.executable)})

    @property
    def log(self) -> Path:
        """What the driver says."""
        return self.work.with_name(f"{self.work.name}.log")

    def error(self) -> str:
        """Return the driver's last error line."""
        lines = self.log.read_text(encoding="utf-8", errors="replace").splitlines() or ["no output"]
        return next((line for line in reversed(lines) if line.startswith("error: ")), lines[-1])

    def undisturbed(self, stages: tuple[str, ...]) -> None:
        """Run all stages up to the last of those asked for; keep a copy after each."""
        last = max(STAGES.index(stage) for stage in stages if stage != START) if set(stages) - {START} else 0
        for stage in STAGES[:last + 1]:
            began = time.monotonic()
            if self.start(stage).wait():
                sys.exit(f"stage {stage} failed undisturbed: {self.error()}")
            self.seconds[stage] = time.monotonic() - began
            shutil.copytree(self.work, self.kept / stage, symlinks=True)
            print(f"undisturbed: {stage}, {self.seconds[stage]:.1f} s", flush=True)

    def restore(self, stage: str) -> None:
        """Make the work directory what it was before a stage."""
        shutil.rmtree(self.work, ignore_errors=True)
        before = STAGES.index(stage) - 1 if stage != START else -1
        if before >= 0:
            shutil.copytree(self.kept / STAGES[before], self.work, symlinks=True)

    def kill(self, stage: str, victim: str, share: float, rng: random.Random) -> Kill:
        """Kill a stage after a share of its length, run it again and compare."""
        after = share * self.seconds[stage]
        for _ in range(TRIES):
            self.restore(stage)
            process = self.start(stage)
            if _kill(process, victim, after, rng):
                break
            after /= 2
        else:
            return Kill(stage, victim, after, "FAILED", "it ended each time before it could be killed")
        for _ in range(TRIES):
            status = self.start(stage).wait()
            if not status or "another" not in self.error():  # what is left of the killed run ends when it sees that
                break
        if status:
            return Kill(stage, victim, after, "FAILED", f"status {status}, {self.error()}")
        others = different(self.kept / (STAGES[0] if stage == START else stage), self.work)
        if others:
            return Kill(stage, victim, after, "DIFFERENT", " ".join(others[:5]))
        return Kill(stage, victim, after, "identical")


def _kill(process: subprocess.Popen[bytes], victim: str, after: float, rng: random.Random) -> bool:
    """Kill what a driver has started, or itself, after so many seconds; return whether there was anything to kill."""
    time.sleep(after)
    if process.poll() is not None:
        return False
    others = [pid for pid in members(process.pid) if pid != process.pid]
    with contextlib.suppress(ProcessLookupError):
        if victim == "driver":
            process.kill()
        elif victim == "one" and others:
            os.kill(rng.choice(others), signal.SIGKILL)
        else:
            os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    return True


def members(session: int) -> list[int]:
    """Return the processes of a session."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError, ValueError):
            if int(stat.read_text().rpartition(")")[2].split()[3]) == session:
                found.append(int(stat.parent.name))
    return sorted(found)


def contents(work: Path) -> dict[str, bytes]:
    """Return what is compared of a directory: files by name, links by what they lead to."""
    return {name: str(path.readlink()).encode() if path.is_symlink() else path.read_bytes()
            for path in sorted(work.rglob("*")) if (path.is_symlink() or path.is_file())
            and not forks.NOT_COMPARED.search(name := str(path.relative_to(work)))}


def different(one: Path, other: Path) -> list[str]:
    """Return the names of the files that differ, or that one directory alone holds."""
    first, second = contents(one), contents(other)
    return sorted(name for name in first.keys() | second.keys() if first.get(name) != second.get(name))


def kills(recipe: Recipe, count: int, seed: int, stages: tuple[str, ...]) -> Iterator[Kill]:
    """Yield ``count`` kills, dealt out to the stages in turn."""
    rng = random.Random(seed)
    for number in range(count):
        stage = stages[number % len(stages)]
        victim = "all" if stage == START else VICTIMS[number // len(stages) % len(VICTIMS)]
        yield recipe.kill(stage, victim, rng.random(), rng)


def main() -> None:
    """Parse arguments and kill."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, required=True, help="directory to make and to remove again")
    parser.add_argument("--kills", type=int, default=60, help="how many (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="of the random numbers (default: %(default)s)")
    parser.add_argument("--stages", type=str.split, default=(START, *STAGES), metavar="'A B'",
                        help=f"in these alone, of: {START} {' '.join(STAGES)}")
    parser.add_argument("--nj", type=int, default=1, help="processes of the recipe (default: %(default)s)")
    args = parser.parse_args()
    forks.tidy_when_ended()
    if unknown := set(args.stages) - {START, *STAGES}:
        parser.error(f"--stages: unknown {' '.join(sorted(unknown))}")
    recipe, stages = Recipe(args.work.resolve(), args.nj), tuple(args.stages)
    if recipe.work.exists() or recipe.kept.exists():
        parser.error(f"--work {args.work}: it, or {recipe.kept.name} beside it, is there already; name another")
    counts: Counter[str] = Counter()
    try:
        recipe.undisturbed(stages)
        for kill in kills(recipe, args.kills, args.seed, stages):
            counts[kill.outcome] += 1
            print(kill, flush=True)
    finally:
        shutil.rmtree(recipe.work, ignore_errors=True)
        shutil.rmtree(recipe.kept, ignore_errors=True)
        recipe.log.unlink(missing_ok=True)
    print(json.dumps({"kills": sum(counts.values()), **dict(sorted(counts.items()))}))
    sys.exit(bool(counts.keys() - {"identical"}))


if __name__ == "__main__":
    main()
