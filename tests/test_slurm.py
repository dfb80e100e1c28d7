"""Jobs on a Slurm cluster: what cmd.sh and slurm.conf say, and a real cluster of several machines on this one.

The whole recipe on a cluster, to the same results, is in tools/campaign/slurm.py.
"""

from __future__ import annotations

import io
import json
import logging
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from slurm_cluster import Cluster, missing, wait_for

from stxfer.cluster import run as cluster_run
from stxfer.cluster import watch
from stxfer.cluster.accounting import USED, used_by_stage
from stxfer.cluster.parts import part_number, run_parts
from stxfer.cluster.records import Batch, read_batches
from stxfer.cluster.run import run_jobs, together
from stxfer.cluster.settings import Settings, long_options, minutes, read_site
from stxfer.cluster.slurm import Used, read_used
from stxfer.cluster.table import Line, Screen, Tail, rendered
from stxfer.core.commands import MASTER, NODE
from stxfer.core.errors import ConfigError, StxferError
from stxfer.core.jobs import Job, Queue
from stxfer.core.stage import Stage
from stxfer.core.workdir import ROOT as MARK

ROOT = Path(__file__).resolve().parents[1]
TEMPLATE = ROOT / "egs2/TEMPLATE/asr1"
CONF = """
command sbatch -A speech --exclusive
default time=1:00:00
default gpu=0
option time=* --time=$0
option mem=0
option mem=* --mem=$0
option num_threads=* --cpus-per-task=$0
option gpu=0 -p cpu
option gpu=* -p gpu --gres=gpu:$0
option node=* --nodelist=$0
"""

# --- cmd.sh and slurm.conf ---------------------------------------------------------------------------


@pytest.fixture
def conf(tmp_path: Path) -> Path:
    (tmp_path / "slurm.conf").write_text(CONF)
    return tmp_path / "slurm.conf"


@pytest.mark.parametrize(("given", "cpus", "devices", "expected"), [
    ("", 1, 1, {"partition": "cpu", "time": "1:00:00"}),
    ("--mem 4G --time 2-00", 4, 1, {"partition": "cpu", "time": "2-00", "mem": "4G", "cpus-per-task": "4"}),
    ("--gpu 1 --num-threads 2", 4, 4, {"partition": "gpu", "gres": "gpu:4", "time": "1:00:00", "cpus-per-task": "2"}),
    ("--gpu 1 --mem 0", 1, 1, {"partition": "gpu", "gres": "gpu:1", "time": "1:00:00"}),
])
def test_options_become_those_of_sbatch(conf: Path, given: str, cpus: int, devices: int,
                                        expected: dict[str, str]) -> None:
    flags = Settings("slurm", {"cuda": given}, conf).flags("cuda", cpus=cpus, devices=devices)
    assert flags == {"account": "speech", "exclusive": True, **expected}


@pytest.mark.parametrize(("conf_text", "given", "message"), [
    (CONF, "--memory 4G", "knows no option 'memory'"),
    (CONF, "--mem", "train_cmd: --mem needs a value"),
    (CONF, "4G", "train_cmd: '4G': options as --mem 4G are needed"),
    (CONF, "--mem '4G", "train_cmd: no closing quotation"),
    ("option gpu=1 -p gpu\n", "--gpu 2", "knows no gpu=2: add 'option gpu=\\*"),
    ("option mem\n", "", r"slurm.conf:1: 'option mem': a line 'command sbatch"),
    ("defualt time=1\n", "", r"slurm.conf:1: 'defualt time=1': a line"),
    ("option time=* --time=$0\n", "", r"a time limit is needed: 'default time=24:00:00', or --time in train_cmd"),
    ("command sbatch -Z\n", "", "-Z: write the long option"),
])
def test_a_wrong_option_is_named_with_its_file(tmp_path: Path, conf_text: str, given: str, message: str) -> None:
    (tmp_path / "slurm.conf").write_text(conf_text)
    settings = Settings("slurm", {"train": given}, tmp_path / "slurm.conf")
    with pytest.raises(StxferError, match=message) as error:
        settings.flags("train")
    assert "\n" not in str(error.value)


def test_no_slurm_conf_and_no_such_backend(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigError, match="none: no such file; egs2/TEMPLATE"):
        read_site(tmp_path / "none")
    monkeypatch.setenv("cmd_backend", "slrum")
    with pytest.raises(ConfigError, match="cmd_backend=slrum: must be one of local slurm; did you mean 'slurm'"):
        Settings.of_environment()


def test_the_templates_files_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    shell = f"launcher=slurm; . {TEMPLATE}/cmd.sh; export cmd_backend train_cmd cuda_cmd decode_cmd; env"
    said = dict(line.split("=", 1) for line in subprocess.run(["bash", "-c", shell], capture_output=True, text=True,
                                                             check=True).stdout.splitlines() if "=" in line)
    for name in ("cmd_backend", "train_cmd", "cuda_cmd", "decode_cmd"):
        monkeypatch.setenv(name, said[name])
    monkeypatch.setenv("slurm_conf", str(TEMPLATE / "conf/slurm.conf"))
    settings = Settings.of_environment()
    assert settings.flags("cuda", devices=2) == {"mem": "16G", "gres": "gpu:2", "time": "24:00:00"}
    assert settings.flags("train", cpus=3) == {"mem": "4G", "time": "24:00:00", "cpus-per-task": "3"}


@pytest.mark.parametrize(("time_limit", "expected"), [
    ("30", 30), ("30:01", 31), ("2:00:00", 120), ("1-12", 36 * 60), ("1-12:30", 36 * 60 + 30), ("2-0:0:1", 2881),
    ("0:10", 1)])
def test_times_as_sbatch_reads_them(time_limit: str, expected: int) -> None:
    assert minutes(time_limit) == expected


@pytest.mark.parametrize("time_limit", ["", "1h", "1:2:3:4", "1-", "-5"])
def test_no_times(time_limit: str) -> None:
    with pytest.raises(ConfigError, match="a time as 2:00:00"):
        minutes(time_limit)


def test_options_with_and_without_values() -> None:
    assert long_options(["-pgpu", "-t", "1:00", "--requeue", "--mem=4G"], "x") == {
        "partition": "gpu", "time": "1:00", "requeue": True, "mem": "4G"}


# --- the table, parts and accounting -----------------------------------------------------------------

def test_the_table_shows_failures_first_and_counts_the_rest() -> None:
    lines = [Line(f"job {k}", "queued", str(k)) for k in range(1000)]
    lines[3] = Line("job 3", "running", "3", "n1", "1:02", "epoch 4: train loss 2.0", "exp/job/train.log")
    lines[900] = Line("job 900", "failed", "900", "n2", "0:10", "failed (exit status 1): no text", "exp/x/train.log")
    lines[5] = Line("job 5", "done", "5")
    table = rendered(lines, rows=10, columns=120)
    assert len(table) == 9 and max(map(len, table)) <= 120
    assert table[1].split()[:3] == ["job", "900", "failed"] and "no text  exp/x/train.log" in table[1]
    assert table[2].split()[:3] == ["job", "3", "running"] and "epoch 4" in table[2]
    assert table[-1] == "1 failed, 1 running, 997 queued, 1 done (992 more)"


class Terminal(io.StringIO):
    """A terminal, which somebody may type at."""

    def isatty(self) -> bool:
        return True


def test_a_table_is_drawn_over_the_one_before() -> None:
    terminal = Terminal()
    screen = Screen(terminal)
    screen.draw([Line("a", "queued", "1")])
    first = terminal.getvalue()
    assert first.endswith("1 queued\n") and "\x1b" not in first
    screen.draw([Line("a", "running", "1")])
    assert terminal.getvalue().removeprefix(first).startswith(f"\x1b[{first.count(chr(10))}A\x1b[J")


@pytest.mark.parametrize(("answer", "cancelled"), [("y\n", [["7"]]), ("n\n", []), ("", [])])
def test_ctrl_c_asks_at_a_terminal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture,
                                   answer: str, cancelled: list[list[str]]) -> None:
    monkeypatch.chdir(tmp_path)
    found: list[list[str]] = []
    monkeypatch.setattr(watch.slurm, "cancel", found.append)
    monkeypatch.setattr(sys, "stdin", Terminal(answer))
    monkeypatch.setattr(sys, "stderr", Terminal())
    jobs = [job(name, "pass") for name in "ab"]
    batch = Batch.of(jobs)
    batch.job = "7"
    watched = watch.Watch(Queue(jobs, lambda *_: True))
    for index, one in enumerate(jobs):
        watched.add(watch.Submitted.of(one, batch, index))
    with caplog.at_level(logging.INFO):
        watched.interrupted()
    assert found == cancelled
    assert sys.stderr.getvalue() == "\n2 jobs are in Slurm's queue. Cancel them? [y/N] "  # type: ignore[attr-defined]
    assert ("scancel 7" in caplog.text) == (not cancelled)


def test_a_log_is_followed_from_its_end_by_whole_lines(tmp_path: Path) -> None:
    log = tmp_path / "x.log"
    log.write_text("tell old\n")
    tail = Tail.of(log, lambda line: line if line.startswith("tell") else None)
    assert tail.new() == []
    with log.open("a") as handle:
        handle.write("no\ntell ne")
    assert tail.new() == []
    with log.open("a") as handle:
        handle.write("w\n")
    assert tail.new() == ["tell new"] and tail.last == "tell new"
    assert Tail.of(tmp_path / "none", str).new() == []


def test_parts() -> None:
    parts = [part_number(f"{number}/3") for number in (1, 2, 3)]
    assert sorted(item for part in parts for item in list(range(10))[part.slice]) == list(range(10))
    for text in ("0/3", "4/3", "1", "1/0", "a/b"):
        with pytest.raises(Exception, match="a part as 1/8"):
            part_number(text)


SACCT = """\
1|COMPLETED|13|
1.batch|COMPLETED|13|12164K
1.0|COMPLETED|12|363740K
2_0|COMPLETED|12|
2_0.batch|COMPLETED|12|12228K
2_0.0|COMPLETED|11|108260K
13_0|CANCELLED by 0|5|
13_0.extern|COMPLETED|5|0
14|PREEMPTED|30|
14.0|CANCELLED|30|100M
14|COMPLETED|10|
14.0|COMPLETED|10|1.50G
"""  # the first six lines as Slurm 22.05 has printed them


def test_what_sacct_prints() -> None:
    assert read_used(SACCT) == [
        Used("1", 13, 363740 / 1024, "COMPLETED"), Used("2_0", 12, 108260 / 1024, "COMPLETED"),
        Used("13_0", 5, 0.0, "CANCELLED"), Used("14", 30, 100.0, "PREEMPTED"), Used("14", 10, 1536.0, "COMPLETED")]


def test_use_by_stage(tmp_path: Path) -> None:
    (tmp_path / USED).parent.mkdir()
    rows = [{"number": str(k), "name": "x", "step": step, "seconds": 3600, "memory_mib": memory, "state": "COMPLETED"}
            for k, (step, memory) in enumerate([("st", 10.0), ("st", 30.0), ("decode", 5.0)])]
    (tmp_path / USED).write_text("".join(json.dumps(row) + "\n" for row in rows) + '{"cut o')
    assert used_by_stage(tmp_path) == {
        "st": {"jobs": 2, "hours": 2.0, "memory_mib": 30.0}, "decode": {"jobs": 1, "hours": 1.0, "memory_mib": 5.0}}
    assert used_by_stage(tmp_path / "none") == {}


# --- a cluster ---------------------------------------------------------------------------------------

@pytest.fixture(scope="module")
def hidden(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory that the machine n4 does not see."""
    return tmp_path_factory.mktemp("hidden")


@pytest.fixture(scope="module")
def cluster(hidden: Path) -> Iterator[Cluster]:
    pytest.importorskip("submitit")
    if why := missing():
        pytest.skip(why)
    may_hide = os.geteuid() == 0 and subprocess.run(["unshare", "--mount", "true"]).returncode == 0
    blind = {"n4": hidden} if may_hide else {}
    with Cluster(4 if blind else 3, blind=blind) as started:
        yield started


@pytest.fixture
def work(cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, conf: Path) -> Path:
    """The current directory: a work directory whose jobs go to the cluster."""
    conf.write_text("default time=10\noption time=* --time=$0\noption node=* --nodelist=$0\n")
    in_work(tmp_path / "work", conf, monkeypatch)
    return tmp_path / "work"


def in_work(directory: Path, conf: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    directory.mkdir(exist_ok=True)
    (directory / MARK).touch()
    monkeypatch.chdir(directory)
    monkeypatch.setattr(watch, "QUICK", 0.3)
    monkeypatch.setattr(watch, "SLOW", 1.0)
    monkeypatch.setenv("PYTHONPATH", f"{ROOT}:{os.environ.get('PYTHONPATH', '')}")
    monkeypatch.setenv("cmd_backend", "slurm")
    monkeypatch.setenv("slurm_conf", str(conf))


def job(name: str, script: str, needs: tuple[str, ...] = (), **more: object) -> Job:
    """Return a job of a few lines of Python, without anything of this package."""
    return Job(name, Stage(name, Path(name)), (sys.executable, "-I", "-u", "-c", script), "out.log",
               lambda line: line.removeprefix("show ") if line.startswith("show ") else None,
               tuple(map(Path, needs)), **more)  # type: ignore[arg-type]


EVENT = "open('events', 'a').write('{}\\n'); "


def events() -> list[str]:
    return Path("events").read_text().split("\n")[:-1] if Path("events").exists() else []


def test_a_graph_of_jobs_in_its_order_and_an_array(work: Path, caplog: pytest.LogCaptureFixture) -> None:
    jobs = [job("a", EVENT.format("a") + "print('show epoch 1', flush=True)"),
            job("b", EVENT.format("b"), ("a",)),
            *(job(f"c{k}", EVENT.format(f"c{k}"), ("b",), array="c") for k in range(3))]
    assert [len(group) for group in together(jobs)] == [1, 1, 3]
    with caplog.at_level(logging.INFO):
        assert sorted(run_jobs(jobs, 1)) == ["a", "b", "c0", "c1", "c2"]
    assert events()[:2] == ["a", "b"] and sorted(events()[2:]) == ["c0", "c1", "c2"]
    assert Path("a/out.log").read_text() == "show epoch 1\n"
    assert "a: epoch 1" in caplog.messages
    assert any(re.fullmatch(r"c0 \.\.\. c2: 3 jobs, array \d+, after \d+", message) for message in caplog.messages)
    assert list(Path(".slurm").glob("*/")) == [], "what has ended well leaves nothing"


def test_a_failure_of_an_array_is_named_once_with_its_log_and_what_needs_it_is_not_run(work: Path) -> None:
    bad = "import sys; print('noise'); sys.exit('error: data/text:3: bad line')"
    jobs = [*(job(f"part {k}", bad if k else "pass", array="parts") for k in range(3)),
            job("never", EVENT.format("never"), ("part 1",)), job("killed", "import os; os.kill(os.getpid(), 9)")]
    with pytest.raises(StxferError) as error:
        run_jobs(jobs, 1)
    said = str(error.value)
    assert "\n" not in said and said.startswith("3 jobs failed: ")
    assert "part 1: failed (exit status 1): data/text:3: bad line; the whole log is part 1/out.log" in said
    assert "killed: failed (killed by SIGKILL, most likely for memory): no output" in said
    assert said.endswith("not run, as what they start from failed: never")
    assert events() == []


def test_a_command_in_parts_has_a_log_for_each(work: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("stxfer.cluster.parts.command_line", lambda name, options: (
        sys.executable, "-I", "-c", f"print('{name}', '{options['part']}')"))
    run_parts("features", "dump", {}, Path("dump"), 2, step="features")
    assert [path.read_text() for path in sorted(Path("dump/log").iterdir())] == ["dump 1/2\n", "dump 2/2\n"]


def test_a_job_of_two_machines_knows_both(cluster: Cluster, work: Path) -> None:
    command = (sys.executable, "-I", "-c", "import sys; print(sys.argv[1:])", NODE, *MASTER)
    run_jobs([Job("pair", Stage("pair", Path("pair")), command, "out.log", lambda _: None, nodes=2)], 1)
    number, address, port = (eval(Path("pair/out.log").read_text())[k] for k in range(3))
    assert (number, address) == ("0", "127.0.0.1") and int(port) >= 20000
    assert eval(Path("pair/out.log.1").read_text()) == ["1", address, port]


GOES_ON = """
import os, sys, time
starts = open('starts', 'a'); starts.write('x'); starts.flush()
if open('starts').read() == 'x':
    print('show first', flush=True)
    time.sleep(600)
print('show second', flush=True)
"""


def beside(jobs: list[Job]) -> subprocess.Popen[str]:
    """Start a process that runs the jobs, as a run.sh would."""
    script = "\n".join([
        "import sys, logging; sys.path.insert(0, sys.argv[1]); logging.basicConfig(level=logging.INFO)",
        "from pathlib import Path; from stxfer.cluster import watch; watch.QUICK = watch.SLOW = 0.5",
        "from stxfer.core.jobs import Job; from stxfer.core.stage import Stage",
        "from stxfer.cluster.run import run_jobs", "run_jobs([", *(
            f"Job({one.name!r}, Stage({one.name!r}, Path({one.name!r})), {one.command!r}, 'out.log', str, "
            f"resources={one.resources!r})," for one in jobs), "], 1)"])
    # Whoever starts the tests in the background of a script has Ctrl-C ignored, also by what the tests start.
    return subprocess.Popen([sys.executable, "-c", script, str(ROOT)], stderr=subprocess.PIPE, text=True,
                            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler))


def numbers() -> list[str]:
    return [batch.job for batch in read_batches()]


def test_requeued_by_its_signal_and_found_by_the_next_run(work: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A run is killed, its job reaches its time limit and goes on; the next run finds it, and submits none."""
    jobs = [job("long", GOES_ON), job("after", EVENT.format("after"), ("long",))]
    process = beside(jobs[:1])
    try:
        wait_for(lambda: Path("starts").exists(), "the job does not begin")
    finally:
        process.kill()
        process.wait()
    (number,) = numbers()
    wait_for(lambda: subprocess.run(["scancel", "--signal=USR2", number]).returncode == 0, "scancel fails")
    with caplog.at_level(logging.INFO):
        assert run_jobs(jobs, 1) == ["long", "after"]
    assert f"long: is in the queue as job {number}" in caplog.messages
    assert "long: second" in caplog.messages
    assert Path("starts").read_text() == "xx" and events() == ["after"]


def test_interrupted_it_leaves_the_jobs_and_says_how_to_cancel_them(work: Path) -> None:
    process = beside([job("long", "import time; time.sleep(600)")])
    wait_for(lambda: numbers() and numbers()[0], "no job is submitted")
    (number,) = numbers()
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=120)
    assert f"1 jobs stay in Slurm's queue; the same command finds them, and this cancels them: scancel {number}" in said
    other = job("long", "import time; time.sleep(601)")
    with pytest.raises(StxferError, match=f"long: is in the queue as job {number} with other options"):
        run_jobs([other], 1)
    subprocess.run(["scancel", number], check=True)
    wait_for(lambda: not cluster_run.living(), "it is not cancelled")


def test_a_cancelled_job_says_so(work: Path) -> None:
    process = beside([job("long", "import time; time.sleep(600)")])
    wait_for(lambda: numbers() and numbers()[0], "no job is submitted")
    subprocess.run(["scancel", *numbers()], check=True)
    _, said = process.communicate(timeout=120)
    assert re.search(r"StxferError: long: job \d+ on .* was cancelled; its log is long/out.log, Slurm's \.slurm/", said)


def test_a_machine_that_dies_costs_a_start(cluster: Cluster, work: Path) -> None:
    process = beside([job("long", GOES_ON)])
    try:
        wait_for(lambda: Path("starts").exists(), "the job does not begin")
        node = next(batch.status(0) for batch in read_batches())
        assert node is not None
        cluster.kill(node["host"], jobs=True)
        cluster.tell_down(node["host"])
        _, said = process.communicate(timeout=120)
    finally:
        process.kill()
    cluster.begin_node(node["host"])
    assert process.returncode == 0, said
    assert "has begun again, on n" in said and Path("starts").read_text() == "xx"
    wait_for(lambda: cluster.states()[node["host"]] in ("idle", "mix", "alloc"), "the machine is not back")


def test_a_machine_that_does_not_see_the_work_directory(cluster: Cluster, hidden: Path, conf: Path,
                                                        monkeypatch: pytest.MonkeyPatch) -> None:
    if not cluster.blind:
        pytest.skip("a machine that sees other directories needs root")
    conf.write_text("default time=10\noption time=* --time=$0\noption node=* --nodelist=$0\n")
    in_work(hidden / "work", conf, monkeypatch)
    monkeypatch.setenv("train_cmd", "--node n4")
    with pytest.raises(StxferError, match=r"^x: job \d+ on n4 .*n4 does not see the work directory .*/work") as error:
        run_jobs([job("x", "pass")], 1)
    assert "\n" not in str(error.value)


def test_slurm_away_is_waited_for(work: Path, monkeypatch: pytest.MonkeyPatch,
                                  caplog: pytest.LogCaptureFixture) -> None:
    asked = 0
    real = watch.slurm.queue

    def queue() -> Iterator[object]:
        nonlocal asked
        asked += 1
        if asked == 1:
            raise StxferError("squeue failed: Unable to contact slurm controller")
        return real()

    monkeypatch.setattr(watch, "SLOW", 0.1)
    monkeypatch.setattr(watch.slurm, "queue", queue)
    assert run_jobs([job("x", "pass")], 1) == ["x"]
    assert any("Unable to contact" in message for message in caplog.messages)


@pytest.mark.parametrize(("said", "expected"), [
    ("", "n1 does not see the work directory"),
    ("srun: error: n1: task 0: Exited with exit code 1\n", "n1 does not see the work directory"),
    ("srun: error: n1: task 0: User defined signal 2\nsrun: launch/slurm: _step_signal: Terminating StepId=7.0\n",
     "could not begin: srun: error: n1: task 0: User defined signal 2; see .slurm/"),
    ("/usr/bin/python: error while loading\nsrun: error: n1: task 0: Exited with exit code 1\n",
     "could not begin: /usr/bin/python: error while loading; see .slurm/")])
def test_why_a_job_did_not_begin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, said: str, expected: str) -> None:
    monkeypatch.chdir(tmp_path)
    only = job("x", "pass")
    batch = Batch.of([only])
    batch.job = "7"
    batch.write()
    (batch.folder / "7_0_log.err").write_text(said)
    row = watch.slurm.Row("7", batch.name, "FAILED", "None", "0:01", "n1")
    monkeypatch.setattr(watch.slurm, "queue", lambda: iter([row]))
    queue = Queue([only], lambda *_: True)
    follower = watch.Watch(queue)
    follower.add(watch.Submitted.of(only, batch, 0))
    follower.follow()
    with pytest.raises(StxferError, match=re.escape(expected)):
        queue.check()


def test_without_a_work_directory(work: Path) -> None:
    Path(".stxfer").unlink()
    with pytest.raises(ConfigError, match="no .stxfer here"):
        run_jobs([job("x", "pass")], 1)


def test_a_damaged_record_is_named(work: Path) -> None:
    batch = Batch.of([job("x", "pass")])
    batch.write()
    path = Path(".slurm") / batch.id / "batch.json"
    path.write_text('{"id": "x"}')
    with pytest.raises(StxferError, match="batch.json.*; remove .slurm"):
        run_jobs([job("x", "pass")], 1)
