"""What stages cost: time, processor time and memory of the process that does one, and of those that it starts.

It is told by a line a stage at the end of :data:`COSTS` in the work directory, beside what the stages make: the same
result may cost something else each time. Where there is no work directory, nothing is told.
"""

from __future__ import annotations

import contextlib
import functools
import json
import multiprocessing
import os
import platform
import re
import resource
import sys
from collections.abc import Iterable
from pathlib import Path
from time import monotonic

from typing_extensions import TypedDict

from stxfer.core.records import mistake
from stxfer.core.workdir import WorkDir

COSTS = "costs.log"


class Cost(TypedDict):
    """What a stage has cost.

    Attributes:
        directory: what it has made, in the work directory.
        digest: of its outputs.
        seconds: from the first look at its inputs to its end. What a killed run had done before is not counted.
        core_seconds: of all cores together, with those of processes that it started and that have ended, and of worker
            processes.
        memory: bytes of the largest of these processes.
        machine: processor, cores and memory.
    """

    directory: str
    digest: str
    seconds: float
    core_seconds: float
    memory: int
    machine: str


class Meter:
    """Measures from its making on."""

    def __init__(self) -> None:
        self._seconds, self._core_seconds = monotonic(), _used()[0]

    def tell(self, directory: str | os.PathLike[str], digest: str) -> None:
        """Add a line on what the stage of a directory has cost, whose outputs have this digest."""
        work = WorkDir.of(directory)
        if not work.root:
            return
        core_seconds, memory = _used()
        cost: Cost = {"directory": work.stored(directory), "digest": digest,
                      "seconds": round(monotonic() - self._seconds, 2),
                      "core_seconds": round(core_seconds - self._core_seconds, 2),
                      "memory": memory, "machine": machine()}
        # A line at once, as others add theirs; what was made is none the worse where there is no place for it.
        with contextlib.suppress(OSError), (Path(work.root) / COSTS).open("a", encoding="utf-8") as handle:
            handle.write(json.dumps(cost, ensure_ascii=False) + "\n")


def read_costs(directory: Path) -> dict[tuple[str, str], Cost]:
    """Return what is told in a directory's work directory, the last of each, by ``directory`` and ``digest``.

    Lines that are no costs, as a full disk or a hand leaves them, are passed over.
    """
    work = WorkDir.of(directory)
    path = Path(work.root) / COSTS
    if not work.root or not path.is_file():
        return {}
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    return {(cost["directory"], cost["digest"]): cost for cost in _costs(lines)}


def _costs(lines: Iterable[str]) -> Iterable[Cost]:
    for line in lines:
        try:
            cost: Cost = json.loads(line)
        except (ValueError, RecursionError):
            continue
        if not mistake(cost, Cost, COSTS):
            yield cost


_OURS = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
_UNIT = 1 if sys.platform == "darwin" else 1024  # bytes, that getrusage counts memory in
_LARGEST = re.compile(r"VmHWM:\s*(\d+) kB")


def _used() -> tuple[float, int]:
    """Return core seconds of this process and of those that it has started, and bytes of the largest of them.

    Of worker processes that have not ended ``/proc`` tells them; without it they are left out.
    """
    seconds, memory = 0.0, 0
    for process in multiprocessing.active_children():  # first: with it those that have ended become getrusage's
        place = Path(f"/proc/{process.pid}")
        with contextlib.suppress(OSError):  # it has ended meanwhile
            fields = (place / "stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
            seconds += sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK")  # its own and of those that it started
            largest = _LARGEST.search((place / "status").read_text(encoding="utf-8", errors="replace"))
            memory = max(memory, int(largest[1]) * 1024 if largest else 0)
    for used in map(resource.getrusage, _OURS):
        seconds, memory = seconds + used.ru_utime + used.ru_stime, max(memory, used.ru_maxrss * _UNIT)
    return seconds, memory


@functools.cache
def machine() -> str:
    """Return what processor this machine has, how many cores, and how much memory."""
    name = platform.processor() or platform.machine()
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        lines = []
    for line in lines:
        if line.startswith("model name"):
            name = line.partition(":")[2].strip()
            break
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2 ** 30
    return f"{name}, {os.cpu_count()} cores, {memory:.0f} GiB"
