#!/usr/bin/env python3
"""Give every stage inputs with small mistakes in them, many times, and count what comes of it.

Each time one file of a copy of a finished work directory, or one option of a command, is changed a little: a byte, a
line, a value of JSON or YAML, a parameter of a model. Then the command that reads it is run. Of the changed files that
a stage has recorded six in ten get a marker that agrees with them, as if they had been made so: what reads them has to
find the mistake itself. What may come out:

- refused: one line that says what is wrong;
- accepted: the command ends well;
- TRACEBACK: an error that no message was written for; LINES: an error of more than one line;
- HANG, MEMORY, CRASH: it does not end, does not say in one line that 3 GB are too few for it, or is ended by a signal;
- EXECUTED: what a file holds was run.

    tools/campaign/fuzz.py --work DIR [--cases 2000] [--seed 0] [--match REGEX]

DIR is a finished work directory: egs2/mini_sw/asr1/run.sh --config tools/campaign/tiny.yaml --nj 1 --workdir DIR.
Ends with status 1 if anything but refused and accepted came out, after a line for each.
"""

from __future__ import annotations

import argparse
import fnmatch
import json
import os
import random
import re
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import forks
import mutate
import yaml
from targets import FLAT, SYSTEM, TARGETS, Target

from stxfer.core.fileio import sha256
from stxfer.core.marker import LIST, MARKER, total, write_marker
from stxfer.experiment.yaml_file import read_file

HERE = ["--dump", "dump", "--exp", "exp"]
KEPT = "kept"
SEALED = 0.6  # of the changes to recorded files: their marker is made to agree


@dataclass(frozen=True)
class Case:
    """One change and what came of it."""

    target: str
    changed: str
    how: str
    outcome: str
    said: str
    seconds: float

    def __str__(self) -> str:
        return f"{self.outcome:<9} {self.target}: {self.changed}: {self.how} ({self.seconds:.1f} s): {self.said}"


class Campaign:
    """Cases on copies of a finished work directory, which is moved aside meanwhile, as files name it."""

    def __init__(self, work: Path, scratch: Path, config: Path, seed: int) -> None:
        self.work, self.kept, self.log = work, scratch / KEPT, scratch / "log"
        self.rng = random.Random(seed)
        self.files: dict[Target, list[Path]] = {}
        self.canary = self.changed = scratch / "canary"
        self.config = yaml.dump(read_file(config), allow_unicode=True)

    def case(self, target: Target) -> Case | None:
        """Try one change; None if there is none of such a file."""
        forks.remove(self.changed)
        forks.restore(self.work, self.kept)
        (self.work / FLAT).write_text(self.config, encoding="utf-8")
        arguments = [*target.command[1:], *(["--config", FLAT] if target.config else []),
                     *(HERE if _has_dirs(target.command[0]) else [])]
        if target.name == "options":
            arguments, how = mutate.argv(arguments, self.rng)
            changed = target.command[0]
        else:
            for name in target.first:
                forks.remove(self.work / name)
            if target.unfinished:
                shutil.copytree(self.kept.parent / "unfinished", self.work / SYSTEM, dirs_exist_ok=True,
                                symlinks=True)
            if target not in self.files:
                self.files[target] = sorted(path for path in self.work.rglob("*") if path.is_file() and any(
                    fnmatch.fnmatch(str(path.relative_to(self.work)), pattern) for pattern in target.files))
            if not self.files[target]:
                return None
            path = self.changed = self.rng.choice(self.files[target])
            changed = str(path.relative_to(self.work))
            how = mutate.mutate(path, self.rng, self.canary)
            if self.rng.random() < SEALED and seal(path):
                how += ", sealed"
        began = time.monotonic()
        ended = forks.in_child(lambda: self._run(target.command[0], arguments), self.log)
        outcome = self._outcome(ended)
        said = ended.error if outcome != "accepted" else ""
        if outcome in ("TRACEBACK", "CRASH", "LINES"):
            said += f" | {_place(ended.said)}"
        return Case(target.name, changed, how, outcome, said, time.monotonic() - began)

    def _run(self, module: str, arguments: list[str]) -> None:
        os.chdir(self.work)
        tempfile.tempdir = str(self.log.parent)
        sys.path.insert(0, str(forks.ROOT))
        import stxfer.bin._cli as cli

        cli._unexpected = _raise  # the traceback itself, not a file of it
        forks.command(module, *arguments)()

    def _outcome(self, ended: forks.Ended) -> str:
        if self.canary.exists():
            self.canary.rmdir()
            return "EXECUTED"
        if ended.hung:
            return "HANG"
        if ended.status < 0:
            return "CRASH"
        if "Traceback (most recent call last)" in ended.said:
            return "MEMORY" if "MemoryError" in ended.said else "TRACEBACK"
        if ended.status == 0:
            return "accepted"
        lines = ended.said.rstrip().splitlines()
        errors = [line for line in lines if re.match(r"(error: |python -m \S+: error: )", line)]
        return "refused" if len(errors) == 1 and errors[0] == lines[-1] else "LINES"


def _raise(_: object, error: Exception) -> str:
    raise error


def _has_dirs(module: str) -> bool:
    return module not in ("check_config", "prepare", "dump_fbank", "make_vocab", "pack", "verify")


def _place(said: str) -> str:
    """Return where in this package an error was raised."""
    found = re.findall(r'File "\S*?(stxfer/\S+)", line (\d+)', said)
    return ":".join(found[-1]) if found else ""


def seal(path: Path) -> bool:
    """Make the marker beside a file agree with it; return whether that records it."""
    marker = path.parent / MARKER
    if path == marker:
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
            path.unlink()
            write_marker(path.parent, content)
        except (OSError, ValueError, AttributeError, RecursionError):
            return False
        return True
    if not marker.is_file() or not path.is_file():
        return False
    content = json.loads(marker.read_text(encoding="utf-8"))
    for listing in path.parent.glob(f"*{LIST}"):
        lines = listing.read_text(encoding="utf-8", errors="surrogateescape").splitlines()
        named = [line for line in lines if line.endswith(f"  {path.name}")]
        if named:
            new = [f"{sha256(path)}  {path.name}" if line in named else line for line in lines]
            mutate.write(listing, "".join(f"{line}\n" for line in new).encode(errors="surrogateescape"))
            return seal(listing)
    if path.name not in content.get("outputs", {}):
        return False
    content["outputs"][path.name] = sha256(path)
    marker.unlink()
    write_marker(path.parent, {**content, "digest": total(content["outputs"])})
    return True


def unfinished(work: Path, config: Path, log: Path, to: Path) -> None:
    """Train the system of the target ``resume`` for an epoch, as a kill leaves it, and move that to a directory."""
    def train() -> None:
        os.chdir(work)
        from stxfer.training import checkpoint, run_espnet

        def leave(*_: object) -> bool:
            raise KeyboardInterrupt

        checkpoint.check_learnt = leave
        del run_espnet
        forks.command("train_system", "--system", "direct", "--config", str(config), *HERE)()

    shutil.rmtree(work / SYSTEM)
    ended = forks.in_child(train, log)
    if ended.status != 130:
        sys.exit(f"{work}: an unfinished training cannot be made: {ended.error}")
    (work / SYSTEM).rename(to)
    epochs = sorted((to / "phase1").glob("*epoch.pth"))
    epochs[-1].unlink()  # as if killed between the checkpoint and it


def fuzz(work: Path, count: int, seed: int, match: re.Pattern[str], config: Path = forks.CONFIG) -> Iterator[Case]:
    """Yield ``count`` cases on the work directory, which is as before at the end.

    Args:
        work: made by ``config``.
        count: how many.
        seed: of the random numbers.
        match: found in the stage and the command of the targets to use.
        config: the experiment file; of one without a variant ``lm``, ``match`` has to leave out stages lm and decode.
    """
    targets = [target for target in TARGETS if match.search(f"{target.name} {' '.join(target.command)}")]
    forks.import_once(target.command[0] for target in targets)
    with tempfile.TemporaryDirectory(prefix=f"{work.name}.fuzz", dir=work.parent) as folder:
        scratch = Path(folder)
        campaign = Campaign(work, scratch, config, seed)
        work.rename(scratch / KEPT)
        try:
            if any(target.unfinished for target in targets):
                shutil.copytree(scratch / KEPT, work, copy_function=os.link)
                unfinished(work, config, scratch / "log", scratch / "unfinished")
            weights, done = [target.weight for target in targets], 0
            while done < count:
                case = campaign.case(campaign.rng.choices(targets, weights)[0])
                if case is not None:
                    done += 1
                    yield case
        finally:
            shutil.rmtree(work, ignore_errors=True)
            (scratch / KEPT).rename(work)


def main() -> None:
    """Parse arguments and fuzz."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, required=True, help="a finished work directory")
    parser.add_argument("--cases", type=int, default=2000, help="how many changes (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="of the random numbers (default: %(default)s)")
    parser.add_argument("--match", type=re.compile, default=re.compile(""), help="stages that this is found in alone")
    parser.add_argument("--all", action="store_true", help="a line for each case, not for findings alone")
    args = parser.parse_args()
    forks.tidy_when_ended()
    counts: Counter[str] = Counter()
    stages: Counter[str] = Counter()
    for case in fuzz(args.work.resolve(), args.cases, args.seed, args.match):
        counts[case.outcome] += 1
        stages[case.target] += 1
        if args.all or case.outcome not in ("refused", "accepted"):
            print(case, flush=True)
    print(json.dumps({"cases": sum(counts.values()), **dict(sorted(counts.items())),
                      "of": dict(sorted(stages.items()))}))
    sys.exit(bool(counts.keys() - {"refused", "accepted"}))


if __name__ == "__main__":
    main()
