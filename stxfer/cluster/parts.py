"""Work that is the same on many shards, as an array of jobs: each part takes every so-manyeth shard."""

from __future__ import annotations

import argparse
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Literal, NamedTuple

from stxfer.cluster.run import run_jobs
from stxfer.cluster.settings import Settings
from stxfer.core.commands import Value, command_line
from stxfer.core.jobs import Job
from stxfer.core.stage import Stage


class Part(NamedTuple):
    """A part of the shards: the ``number``-th, counted from 0, of ``of``."""

    number: int
    of: int

    @property
    def slice(self) -> slice:
        """Which of the shards they are."""
        return slice(self.number, None, self.of)


def part_number(text: str) -> Part:
    """Return the value of ``--part``, ``1/8`` to ``8/8``, an argparse type."""
    match = re.fullmatch("([0-9]{1,6})/([0-9]{1,6})", text)
    if match is None or not 1 <= int(match[1]) <= int(match[2]):
        raise argparse.ArgumentTypeError(f"{text[:60]!r}: a part as 1/8 is needed")
    return Part(int(match[1]) - 1, int(match[2]))


def away() -> bool:
    """Return whether shards are made by jobs of a cluster."""
    return Settings.of_environment().backend != "local"


def run_parts(name: str, command: str, options: Mapping[str, Value], out: Path, parts: int, *, step: str,
              resources: Literal["train", "cuda", "decode"] = "train") -> None:
    """Run a command in so many parts, an array of jobs, each with its log in ``out/log``.

    Args:
        name: how messages call the work.
        command: a command of :mod:`stxfer.bin` that takes ``--part``.
        options: of the command, see :func:`stxfer.core.commands.command_line`.
        out: a directory that is no stage's own.
        parts: how many.
        step: the stage of the recipe.
        resources: see :class:`stxfer.core.jobs.Job`.

    Raises:
        StxferError: a part has failed; the others are finished.
    """
    jobs = [Job(f"{name}, part {number} of {parts}", Stage(name, out, step=step),
                command_line(command, {**options, "part": f"{number}/{parts}"}),
                f"log/{name.replace(' ', '_')}.{number}.log", lambda _: None, resources=resources, array=name)
            for number in range(1, parts + 1)]
    run_jobs(jobs, parts)
