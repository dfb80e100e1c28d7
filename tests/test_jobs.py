"""Processes side by side: order, number, failures, what is not done again, and no orphans."""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from stxfer.core.devices import devices
from stxfer.core.errors import DataError, StaleError, StxferError
from stxfer.core.fileio import locked
from stxfer.core.jobs import Job, run_jobs
from stxfer.core.stage import Stage

ROOT = Path(__file__).resolve().parents[1]
FINISH = "import sys; from pathlib import Path; from stxfer.core.stage import Stage; "
MARK = "Stage('x', Path(sys.argv[1]), [], {'size': int(sys.argv[3])}).finish([])"


@pytest.fixture(autouse=True)
def path_of_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(ROOT))


def job(tmp_path: Path, name: str, script: str = "", needs: tuple[str, ...] = (), size: int = 1,
        inputs: tuple[Path, ...] = (), expensive: bool = False) -> Job:
    """Return a job that runs ``script`` between two lines in ``events`` and then marks its stage as finished."""
    lines = [FINISH + "events = open(sys.argv[2], 'a')", f"print('begin {name}', file=events, flush=True)", script,
             MARK, f"print('end {name}', file=events, flush=True)"]
    command = (sys.executable, "-c", "\n".join(lines), str(tmp_path / name), str(tmp_path / "events"), str(size))
    return Job(name, Stage(name, tmp_path / name, inputs, {"size": size}), command, "out.log",
               lambda line: line.removeprefix("show ") if line.startswith("show ") else None,
               tuple(tmp_path / need for need in needs), expensive=expensive)


def events(tmp_path: Path) -> list[str]:
    return (tmp_path / "events").read_text().splitlines() if (tmp_path / "events").exists() else []


def wait_for(what: Callable[[], object]) -> None:
    for _ in range(600):
        if what():
            return
        time.sleep(0.1)
    raise AssertionError("it did not happen within a minute")


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_a_job_comes_after_those_it_needs(tmp_path: Path) -> None:
    jobs = [job(tmp_path, "a"), job(tmp_path, "b"), job(tmp_path, "c", needs=("a",)),
            job(tmp_path, "d", needs=("b", "c", "made elsewhere"))]
    assert set(run_jobs(jobs, 2)) == {"a", "b", "c", "d"}
    order = {event: i for i, event in enumerate(events(tmp_path))}
    assert order["begin c"] > order["end a"]
    assert order["begin d"] > max(order["end b"], order["end c"])


@pytest.mark.parametrize(("nj", "together"), [(1, 1), (2, 2)])
def test_so_many_at_a_time(tmp_path: Path, nj: int, together: int) -> None:
    meet = f"""
import time, pathlib
for _ in range(600):  # goes on when enough others are there
    if pathlib.Path(sys.argv[2]).read_text().count('begin') >= {together}: break
    time.sleep(0.05)
"""
    run_jobs([job(tmp_path, name, meet) for name in "abcd"], nj)
    running, most = 0, 0
    for event in events(tmp_path):
        running += 1 if event.startswith("begin") else -1
        most = max(most, running)
    assert len(events(tmp_path)) == 8
    assert most == together


def test_threads_and_what_is_shown(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    script = "import os; print('hidden'); print('show', os.environ['OMP_NUM_THREADS'], 'threads, ç')"
    with caplog.at_level(logging.INFO):
        run_jobs([replace(job(tmp_path, "a", script), threads=3)], 1)
    assert [record.message for record in caplog.records] == [
        f"a: started, 3 threads, log in {tmp_path / 'a' / 'out.log'}", "a: 3 threads, ç"]
    assert (tmp_path / "a" / "out.log").read_text() == "hidden\nshow 3 threads, ç\n"


@pytest.mark.parametrize(("script", "message", "context"), [
    ("print('noise'); sys.exit('error: data/text:3: bad line')",
     r"\(exit status 1\): data/text:3: bad line; the whole log is .*/bad/out.log", []),
    ("print('noise'); raise ValueError('odd')", r"\(exit status 1\): ValueError: odd; the whole", ["noise"]),
    ("import os; os.kill(os.getpid(), 9)", r"\(killed by SIGKILL, most likely for memory\): no output;", []),
    ("import os; os.kill(os.getpid(), 15)", r"\(killed by SIGTERM\): no output;", []),
])
def test_a_failure_is_one_line_and_leaves_the_others(tmp_path: Path, caplog: pytest.LogCaptureFixture, script: str,
                                                     message: str, context: list[str]) -> None:
    other = job(tmp_path, "other", "import time\nwhile 'bad' not in open(sys.argv[2]).read(): time.sleep(0.05)\n")
    waits = "import time\nwhile 'other' not in open(sys.argv[2]).read(): time.sleep(0.05)\n"
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / "out.log").write_text("error: of an earlier run\n")
    jobs = [other, job(tmp_path, "bad", waits + script), job(tmp_path, "never", needs=("bad",)), job(tmp_path, "later")]
    with pytest.raises(StxferError, match=f"^bad: failed {message}.*; not run, as .* failed: never$") as error:
        run_jobs(jobs, 2)
    assert "\n" not in str(error.value)
    assert {event for event in events(tmp_path) if event.startswith("end")} == {"end other", "end later"}
    assert "begin never" not in events(tmp_path)
    shown = [record.message.partition(" | ")[2] for record in caplog.records if record.levelname == "ERROR"]
    assert shown[:len(context)] == context and bool(shown) == bool(context)


def test_finished_work_is_not_done_again(tmp_path: Path) -> None:
    jobs = [job(tmp_path, "a"), job(tmp_path, "b", needs=("a",))]
    assert run_jobs(jobs, 2) == ["a", "b"]
    assert run_jobs(jobs, 2) == []
    assert len(events(tmp_path)) == 4
    (tmp_path / "b" / ".stage.json").unlink()
    assert run_jobs(jobs, 1) == ["b"]
    assert run_jobs(jobs, 1, force=True) == ["a", "b"]


def test_a_refusal_comes_before_anything_starts(tmp_path: Path) -> None:
    run_jobs([job(tmp_path, "a")], 1)
    changed = [job(tmp_path, "new"), job(tmp_path, "a", size=2, expensive=True)]
    with pytest.raises(StaleError, match=r"/a: finished with other settings: option size \(1 -> 2\). Give --force"):
        run_jobs(changed, 1)
    with pytest.raises(DataError, match="missing: no such file"):
        run_jobs([job(tmp_path, "new"), job(tmp_path, "b", inputs=(tmp_path / "missing",))], 2)
    assert events(tmp_path) == ["begin a", "end a"]
    assert run_jobs(changed, 1, force=True) == ["new", "a"]
    assert run_jobs(changed, 1) == []


def test_a_job_found_out_of_date_fails_alone(tmp_path: Path) -> None:
    """What it starts from was made anew, and differs: that shows only when the other job is done."""
    grown = "(Path(sys.argv[1]) / 'out').write_text(sys.argv[2] * 2)"
    run_jobs([job(tmp_path, "a")], 1)
    start = Stage("child", tmp_path / "child", [tmp_path / "a"])
    start.begin()
    start.out.mkdir()
    start.finish([])
    again = job(tmp_path, "a", grown)
    again = replace(again, command=(*again.command[:2], again.command[2].replace(
        "finish([])", "finish([Path(sys.argv[1]) / 'out'])"), *again.command[3:]))
    child = Job("child", start, (sys.executable, "-c", "raise AssertionError('it must not run')"), "out.log",
                lambda line: None, (tmp_path / "a",), expensive=True)
    (tmp_path / "a" / ".stage.json").unlink()
    with pytest.raises(StaleError, match="child: finished with other settings: input .*/a"):
        run_jobs([again, child, job(tmp_path, "sibling", "import time; time.sleep(1)"), job(tmp_path, "last")], 2)
    assert {"end sibling", "end last"} <= set(events(tmp_path))


def test_a_dependent_job_is_checked_before_anything_starts(tmp_path: Path) -> None:
    """Of a job that waits for another one, whatever does not depend on that other one."""
    with pytest.raises(DataError, match="missing: no such file"):
        run_jobs([job(tmp_path, "a"), job(tmp_path, "b", needs=("a",), inputs=(tmp_path / "missing",))], 1)
    run_jobs([job(tmp_path, "b")], 1)
    with pytest.raises(StaleError, match="/b: finished with other settings"):
        run_jobs([job(tmp_path, "a"), job(tmp_path, "b", needs=("a",), size=2, expensive=True)], 1)
    assert events(tmp_path) == ["begin b", "end b"]


def test_several_failures_are_all_named(tmp_path: Path) -> None:
    with pytest.raises(StxferError, match="^2 jobs failed: a: failed .*: no a; .*; b: failed .*: no b; "):
        run_jobs([job(tmp_path, name, f"sys.exit('error: no {name}')") for name in "ab"], 1)


SHOW_DEVICE = "import os; print('device', os.environ.get('CUDA_VISIBLE_DEVICES'), file=events, flush=True)\n"
TOGETHER = """
import time
for _ in range(600):
    if open(sys.argv[2]).read().count('device') >= {}: break
    time.sleep(0.05)
"""


def devices_of(tmp_path: Path) -> list[str]:
    return [event.removeprefix("device ") for event in events(tmp_path) if event.startswith("device")]


def test_jobs_side_by_side_have_devices_of_their_own(tmp_path: Path) -> None:
    run_jobs([job(tmp_path, name, SHOW_DEVICE + TOGETHER.format(2)) for name in "ab"], 2, devices=["GPU-1", "GPU-2"])
    assert sorted(devices_of(tmp_path)) == ["GPU-1", "GPU-2"]


def test_more_jobs_than_devices_share_them_evenly(tmp_path: Path) -> None:
    run_jobs([job(tmp_path, name, SHOW_DEVICE + TOGETHER.format(4)) for name in "abcd"], 4, devices=["0", "1"])
    assert sorted(devices_of(tmp_path)) == ["0", "0", "1", "1"]


def test_a_job_of_several_processes_has_a_device_for_each(tmp_path: Path) -> None:
    jobs = [replace(job(tmp_path, name, SHOW_DEVICE + TOGETHER.format(2)), devices=2) for name in "ab"]
    run_jobs(jobs, 2, devices=["0", "1", "2", "3"])
    assert sorted(devices_of(tmp_path)) == ["0,1", "2,3"]


def test_without_devices_the_environment_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setenv("PATH", "")
    run_jobs([job(tmp_path, "a", SHOW_DEVICE)], 1)
    assert devices_of(tmp_path) == ["None"]


@pytest.mark.parametrize(("visible", "expected"), [
    ("0,1", ["0", "1"]), ("", []), ("2, GPU-5", ["2", "GPU-5"]), ("1,-1,2", ["1"]),
])
def test_visible_devices_are_those_of_the_environment(monkeypatch: pytest.MonkeyPatch, visible: str,
                                                      expected: list[str]) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    assert devices() == expected


LISTED = """GPU 0: NVIDIA H100 80GB HBM3 (UUID: GPU-aaaa-1)
GPU 1: NVIDIA H100 80GB HBM3 (UUID: GPU-bbbb-2)
"""
DIVIDED = """GPU 0: NVIDIA A100 (UUID: GPU-aaaa-1)
  MIG 3g.20gb     Device  0: (UUID: MIG-1111)
  MIG 3g.20gb     Device  1: (UUID: MIG-2222)
GPU 1: NVIDIA A100 (UUID: GPU-bbbb-2)
"""


@pytest.mark.parametrize(("script", "expected"), [
    (f"cat <<'END'\n{LISTED}END", ["GPU-aaaa-1", "GPU-bbbb-2"]),
    (f"cat <<'END'\n{DIVIDED}END", ["MIG-1111", "MIG-2222", "GPU-bbbb-2"]),
    ("echo 'NVIDIA-SMI has failed'; exit 9", []),
])
def test_devices_as_the_driver_lists_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str,
                                          expected: list[str]) -> None:
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    (tmp_path / "nvidia-smi").write_text(f"#!/bin/bash\n{script}\n")
    (tmp_path / "nvidia-smi").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    assert devices() == expected


def test_no_process_outlives_a_killed_parent(tmp_path: Path) -> None:
    """Driver, command and job: whoever is killed, those below it end."""
    script = tmp_path / "middle.py"
    script.write_text(f"""
import sys
sys.path.insert(0, {str(ROOT / "tests")!r})
from pathlib import Path
from stxfer.core.jobs import run_jobs
from stxfer.core.parent import follow_parent
from test_jobs import job
follow_parent()
run_jobs([job(Path({str(tmp_path)!r}), "child", '''
import os, time
from stxfer.core.parent import follow_parent
follow_parent()
print("pids", os.getpid(), os.getppid(), file=events, flush=True)
time.sleep(600)''')], 1)
""")
    for victim in ("driver", "middle"):
        (tmp_path / "events").unlink(missing_ok=True)
        # As the driver calls a recipe's local/data.sh: between it and the command there is another shell.
        driver = subprocess.Popen(["bash", "-c", 'export STXFER_PARENT=$$; bash -c \'"$@"; true\' x "$@"; true', "bash",
                                   sys.executable, str(script)])
        wait_for(lambda: any(event.startswith("pids") for event in events(tmp_path)))
        child, middle = map(int, events(tmp_path)[-1].split()[1:])
        assert alive(child) and alive(middle)
        os.kill(driver.pid if victim == "driver" else middle, signal.SIGKILL)
        driver.wait()
        wait_for(lambda child=child, middle=middle: not alive(child) and not alive(middle))


def test_a_directory_is_for_one_process(tmp_path: Path) -> None:
    script = ("import sys, time; from stxfer.core.fileio import locked\n"
              "with locked(sys.argv[1]): print('held', flush=True); time.sleep(600)")
    holder = subprocess.Popen([sys.executable, "-c", script, str(tmp_path / "seed1")], stdout=subprocess.PIPE)
    try:
        assert holder.stdout is not None and holder.stdout.readline() == b"held\n"
        with pytest.raises(StxferError, match="seed1: another process is at work here"), locked(tmp_path / "seed1"):
            pass
    finally:
        holder.kill()
        holder.communicate()
    with locked(tmp_path / "seed1"):
        pass
