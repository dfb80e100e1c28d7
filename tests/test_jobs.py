"""Processes side by side: order, number, failures, what is not done again, and no orphans."""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

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
        inputs: tuple[Path, ...] = ()) -> Job:
    """Return a job that runs ``script`` between two lines in ``events`` and then marks its stage as finished."""
    lines = [FINISH + "events = open(sys.argv[2], 'a')", f"print('begin {name}', file=events, flush=True)", script,
             MARK, f"print('end {name}', file=events, flush=True)"]
    command = (sys.executable, "-c", "\n".join(lines), str(tmp_path / name), str(tmp_path / "events"), str(size))
    return Job(name, Stage(name, tmp_path / name, inputs, {"size": size}), command, "out.log",
               lambda line: line.removeprefix("show ") if line.startswith("show ") else None,
               tuple(tmp_path / need for need in needs))


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
        run_jobs([job(tmp_path, "a", script)], 1, threads=3)
    assert [record.message for record in caplog.records] == [
        f"a: started, 3 threads, log in {tmp_path / 'a' / 'out.log'}", "a: 3 threads, ç"]
    assert (tmp_path / "a" / "out.log").read_text() == "hidden\nshow 3 threads, ç\n"


@pytest.mark.parametrize(("script", "message", "context"), [
    ("print('noise'); sys.exit('error: data/text:3: bad line')",
     r"\(exit status 1\): data/text:3: bad line; the whole log is .*/bad/out.log$", []),
    ("print('noise'); raise ValueError('odd')", r"\(exit status 1\): ValueError: odd; the whole", ["noise"]),
    ("import os; os.kill(os.getpid(), 9)", r"\(killed by SIGKILL, most likely for memory\): no output;", []),
    ("import os; os.kill(os.getpid(), 15)", r"\(killed by SIGTERM\): no output;", []),
])
def test_a_failure_is_one_line_and_ends_the_others(tmp_path: Path, caplog: pytest.LogCaptureFixture, script: str,
                                                   message: str, context: list[str]) -> None:
    other = job(tmp_path, "other",
                "import os, time\nprint('pid', os.getpid(), file=events, flush=True)\ntime.sleep(600)")
    waits = "import time\nwhile 'pid' not in open(sys.argv[2]).read(): time.sleep(0.05)\n"
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / "out.log").write_text("error: of an earlier run\n")
    with pytest.raises(StxferError, match="^bad: failed " + message) as error:
        run_jobs([other, job(tmp_path, "bad", waits + script), job(tmp_path, "never", needs=("bad",))], 2)
    assert "\n" not in str(error.value)
    (pid,) = [int(event.split()[1]) for event in events(tmp_path) if event.startswith("pid")]
    assert not alive(pid)
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
    changed = [job(tmp_path, "new"), job(tmp_path, "a", size=2)]
    with pytest.raises(StaleError, match=r"/a: finished with other settings: option size \(1 -> 2\). Give --force"):
        run_jobs(changed, 1, dear=True)
    with pytest.raises(DataError, match="missing: no such file"):
        run_jobs([job(tmp_path, "new"), job(tmp_path, "b", inputs=(tmp_path / "missing",))], 2)
    assert events(tmp_path) == ["begin a", "end a"]
    assert run_jobs(changed, 1, dear=True, force=True) == ["new", "a"]
    assert run_jobs(changed, 1, dear=True) == []


def test_no_process_outlives_a_killed_parent(tmp_path: Path) -> None:
    """Driver, command and job: whoever is killed, those below it end."""
    script = tmp_path / "middle.py"
    script.write_text(f"""
import sys
sys.path.insert(0, {str(ROOT / "tests")!r})
from pathlib import Path
from stxfer.core.jobs import run_jobs, follow_parent
from test_jobs import job
follow_parent()
run_jobs([job(Path({str(tmp_path)!r}), "child", '''
import os, time
from stxfer.core.jobs import follow_parent
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
