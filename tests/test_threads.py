"""The number of threads is the experiment's, and what was computed on what is recorded and reported."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Annotated

from stxfer.core.marker import write_marker
from stxfer.core.options import Options, Untold, differences, options
from stxfer.core.threads import VARIABLES
from stxfer.report.computed import computed_facts, computed_lines


def test_a_command_computes_with_one_thread_whatever_the_environment_says() -> None:
    script = f"import stxfer.bin, os; print(*(os.environ[name] for name in {VARIABLES}))"
    found = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True,
                           env={**os.environ, **dict.fromkeys(VARIABLES, "3")})
    assert found.stdout.split() == ["1"] * len(VARIABLES)


@options
class _Told(Options):
    told: int = 1
    untold: Annotated[int, Untold] = 1


def test_what_older_markers_do_not_tell_is_no_difference() -> None:
    assert list(differences({"told": 1}, _Told(untold=2))) == []
    assert list(differences({"told": 1, "untold": 1}, _Told(untold=2))) == ["untold (1 -> 2)"]
    assert list(differences({}, _Told(told=2))) == ["told (1 -> 2)"]


def _made(directory: Path, **computed: object) -> Path:
    directory.mkdir()
    write_marker(directory, {"stage": "x", "options": {}, "inputs": {}, "digest": _EMPTY, "computed": computed})
    return directory


_EMPTY = "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"  # sha256sum of {}


def test_the_report_says_on_what_runs_were_computed(tmp_path: Path) -> None:
    one, two = {"device": "x86_64 AVX2", "threads": 1, "torch": "2.6.0"}, {"device": "a GPU", "threads": 2}
    runs = [("a seed 1", _made(tmp_path / "a", **one, processes=1)), ("b seed 1", _made(tmp_path / "b", **two,
            processes=4)), ("c seed 1", _made(tmp_path / "c", **one, processes=1)), ("old seed 1", tmp_path)]
    facts = computed_facts(runs, [("a seed 1", _made(tmp_path / "d", **one))])
    assert json.loads(json.dumps(facts)) == facts
    assert list(computed_lines(facts)) == [
        "trained on: `x86_64 AVX2, 1 thread a process, torch 2.6.0` (a seed 1, c seed 1)",
        "trained on: `a GPU, 2 threads a process, --processes 4` (b seed 1)",
        "decoded on: `x86_64 AVX2, 1 thread a process, torch 2.6.0`"]
