"""Training declared systems: commands, markers, kills of real processes, and what a log tells."""

from __future__ import annotations

import json
import logging
import re
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
import toy
from slurm_cluster import Cluster, missing

from stxfer.bin import train as train_cli
from stxfer.cluster.settings import BACKEND
from stxfer.core.errors import ConfigError, DataError, StaleError
from stxfer.core.fileio import read_json
from stxfer.core.jobs import Job
from stxfer.core.marker import MARKER
from stxfer.core.workdir import ROOT as MARK
from stxfer.experiment.config import Experiment
from stxfer.experiment.layout import system_dir, text_file
from stxfer.kaldi.table import read_table, write_table
from stxfer.model.transfer import load_state
from stxfer.training import fit_system as fit_system_module
from stxfer.training import launch as train_module
from stxfer.training.fit_system import fit_system
from stxfer.training.launch import (
    TrainingLog,
    system_stage,
    train_systems,
    with_sources,
)

ROOT = Path(__file__).resolve().parents[1]
LONG = {**toy.CONFIG["train"], "source": [{"epochs": 3}, {"epochs": 3}]}


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("prepared")
    toy.make_world(root)
    return root


@pytest.fixture
def world(prepared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory of the test's own, with a dump and no model."""
    shutil.copytree(prepared / "dump", tmp_path / "dump")  # feats.scp goes on naming the first one's arks
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    return tmp_path


def train(experiment: Experiment, name: str, **options: Any) -> Path:
    fit_system(experiment, experiment.systems[name], 1, Path("dump"), Path("exp"), **options)
    return system_dir(Path("exp"), name, 1)


def jobs_of(monkeypatch: pytest.MonkeyPatch, experiment: Experiment, kind: str, **options: Any) -> dict[str, Job]:
    """Return the jobs that a stage would run, by name."""
    seen: list[Job] = []
    monkeypatch.setattr(train_module, "run_jobs", lambda jobs, nj, **_: seen.extend(jobs) or [])
    train_systems(experiment, Path("toy.yaml"), kind, Path("dump"), Path("exp"), **options)
    return {job.name: job for job in seen}


def test_texts_are_found_where_they_are_made(world: Path) -> None:
    experiment, _ = toy.make_experiment(world)
    system = replace(experiment.systems["st_human"], text="sw.mt")
    texts = {"source_asr": "fbank/src_train/text", "st_human": "fbank/src_train/text.sw.human",
             "xfer_human": "fbank/tgt_train/text"}
    for name, path in texts.items():
        assert text_file(experiment.systems[name], Path("dump")) == Path("dump") / path
    assert text_file(system, Path("dump"), "src_dev") == Path("dump/labels/mt/src_dev/text.sw.mt")


def test_systems_bring_those_they_start_from(world: Path) -> None:
    experiment, _ = toy.make_experiment(world)
    assert [s.name for s in with_sources(experiment, ["xfer_human"])] == ["source_asr", "st_human", "xfer_human"]
    assert [s.name for s in with_sources(experiment, ["scratch"])] == ["scratch"]
    assert {s.name for s in with_sources(experiment, [])} == set(experiment.systems)
    with pytest.raises(ConfigError, match="unknown system 'x'"):
        with_sources(experiment, ["x"])


def test_commands_of_a_stage(world: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    experiment, _ = toy.make_experiment(world)
    jobs = jobs_of(monkeypatch, experiment, "source", seeds=[1, 2])
    assert list(jobs) == ["source_asr seed 1", "source_asr seed 2"]
    assert jobs["source_asr seed 2"].command[1:] == (
        "-m", "stxfer.bin.train_system", "--config", "toy.yaml", "--dump", "dump", "--exp", "exp",
        "--system", "source_asr", "--seed", "2")
    forced = jobs_of(monkeypatch, experiment, "source", force=True, allow_stale=True)
    assert forced["source_asr seed 1"].command[-2:] == ("--force", "--allow-stale")
    with pytest.raises(ConfigError, match="st_human starts from source_asr seed 1, which is not trained: run stage "
                                          "'source_asr' first"):
        jobs_of(monkeypatch, experiment, "st")
    assert not Path("exp").exists()


def test_a_source_of_the_same_kind_is_waited_for(world: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    systems = {**toy.CONFIG["systems"], "more": {"task": "asr", "data": "tgt_train", "text": "sw",
                                                 "init": {"from": "scratch", "parts": "all"}}}
    experiment, _ = toy.make_experiment(world, systems=systems)
    jobs = jobs_of(monkeypatch, experiment, "target", systems=["more"])
    assert list(jobs) == ["scratch seed 1", "more seed 1"]
    assert jobs["more seed 1"].needs == (Path("exp/scratch/seed1"),) == (jobs["scratch seed 1"].stage.out,)


@pytest.mark.parametrize(("nj", "threads", "side_by_side"), [(1, 1, 1), (4, 1, 4), (4, 2, 2), (1, 2, 1), (5, 2, 2)])
def test_threads_are_the_experiments_whatever_the_number_of_jobs(
        world: Path, monkeypatch: pytest.MonkeyPatch, nj: int, threads: int, side_by_side: int) -> None:
    experiment, config = toy.make_experiment(world, train={**toy.CONFIG["train"], "target": [{"threads": threads}, {}]})
    asked: list[tuple[int, int]] = []
    monkeypatch.setattr("stxfer.training.launch.run_jobs",
                        lambda jobs, many, **_: asked.append((many, max(job.threads for job in jobs))) or [])
    train_systems(experiment, config, "target", Path("dump"), Path("exp"), systems=["scratch"], nj=nj)
    assert asked == [(side_by_side, threads)]


def test_threads_of_a_training_are_recorded_and_part_of_what_it_is_made_from(world: Path) -> None:
    def experiment(threads: int) -> Experiment:
        return toy.make_experiment(world, train={**toy.CONFIG["train"], "target": [{"threads": threads}]})[0]

    threads = torch.get_num_threads()
    try:
        model = train(experiment(2), "scratch")
    finally:
        torch.set_num_threads(threads)
    marker = model / MARKER
    made = read_json(marker)
    assert made["computed"].items() >= {"threads": 2, "processes": 1, "torch": torch.__version__}.items()
    with pytest.raises(StaleError, match=r"option phases\[0\].threads \(2 -> 1\)"):
        train(experiment(1), "scratch")
    for phase in made["options"]["phases"]:
        del phase["threads"]
    marker.write_text(json.dumps({key: value for key, value in made.items() if key != "seal"}))  # an older version's
    before = marker.read_bytes()
    train(experiment(1), "scratch")
    assert marker.read_bytes() == before


def test_a_stage_trains_its_systems(world: Path, capsys: pytest.CaptureFixture[str],
                                    caplog: pytest.LogCaptureFixture) -> None:
    _, config = toy.make_experiment(world)
    command = ["--config", str(config), "--kind", "source", "--nj", "2"]
    with caplog.at_level(logging.INFO):
        train_cli.main(command)
    assert capsys.readouterr().out == "trained now: source_asr seed 1\n"
    messages = [record.message for record in caplog.records]
    assert messages[0] == "source_asr seed 1: started, 1 thread, log in exp/source_asr/seed1/train.log"
    assert "source_asr seed 1: phase 1 of 1: 2 epochs of 3 steps" in messages
    assert any(message.startswith("source_asr seed 1: epoch 2: train acc 0.") and ", dev acc 0." in message
               for message in messages)
    log = Path("exp/source_asr/seed1/train.log").read_text()
    assert "Warning" not in log and "Traceback" not in log
    train_cli.main(command)
    assert capsys.readouterr().out == "trained now: nothing, all is up to date\n"


@pytest.mark.parametrize(("arguments", "message"), [
    (["--nj", "0"], "argument --nj: '0': a whole number of at least 1 is needed"),
    (["--nj", "two"], "argument --nj: 'two': a whole number"), (["--seeds", "one"], "argument --seeds: 'one': whole"),
])
def test_options_are_checked(world: Path, capsys: pytest.CaptureFixture[str], arguments: list[str],
                             message: str) -> None:
    with pytest.raises(SystemExit) as exit_:
        train_cli.main(["--config", "toy.yaml", "--kind", "source", *arguments])
    assert exit_.value.code == 2
    assert message in capsys.readouterr().err


def test_a_missing_input_is_one_line_and_nothing_is_written(world: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _, config = toy.make_experiment(world)
    Path("dump/fbank/src_dev/feats.sha256").unlink()
    with pytest.raises(DataError, match="dump/fbank/src_dev/feats.sha256: no such file or directory; run the stage"):
        train_cli.main(["--config", str(config), "--kind", "source"])
    assert not Path("exp").exists()


def kill_when(path: Path, command: list[str]) -> None:
    """Run a command and kill its parent process, and nothing else, once a file is there."""
    with open("killed.log", "ab") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
        while not path.exists():
            assert process.poll() is None, Path("killed.log").read_text()[-2000:]
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
        process.wait()


def test_training_killed_in_each_phase_gives_the_same_model(world: Path) -> None:
    """The processes are real; ``train`` alone is killed, so that what it started has to end by itself."""
    phases = [{"epochs": 3}, {"epochs": 3, "freeze": ["encoder"], "encode_once": True}]
    experiment, config = toy.make_experiment(world, train={**LONG, "source": phases})
    whole = system_dir(Path("whole"), "source_asr", 1)
    fit_system(experiment, experiment.systems["source_asr"], 1, Path("dump"), Path("whole"))
    killed = system_dir(Path("exp"), "source_asr", 1)
    command = [sys.executable, "-m", "stxfer.bin.train", "--config", str(config), "--kind", "source", "--nj", "1"]
    kill_when(killed / "phase1" / "checkpoint.pth", command)
    assert not (killed / ".stage.json").exists()
    kill_when(killed / "phase2" / "checkpoint.pth", command)
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    trains = "source_asr seed 1: epoch " in done.stderr  # or the last epoch had ended before what was started noticed
    assert not trains or re.search(r"source_asr seed 1: resumed at epoch [23] of 3$", done.stderr, re.MULTILINE)
    assert "FutureWarning" not in (killed / "train.log").read_text()
    assert (killed / "model.pth").read_bytes() == (whole / "model.pth").read_bytes()
    assert read_json(killed / "model.json")["epochs"] == read_json(whole / "model.json")["epochs"]


class Killed(BaseException):
    """Stands for SIGKILL where the process may live on."""


def interrupt(experiment: Experiment, monkeypatch: pytest.MonkeyPatch, **options: Any) -> int:
    """Begin to train the source ASR; return how many interrupted runs, this one included, have left their work."""
    work = system_dir(Path("exp"), "source_asr", 1) / "phase1" / "init.pth"

    def stop(*_: Any) -> None:
        work.parent.mkdir(exist_ok=True)
        with open(work, "a") as handle:
            handle.write("not parameters\n")
        raise Killed

    with monkeypatch.context() as patched, pytest.raises(Killed):
        patched.setattr(fit_system_module, "fit", stop)
        train(experiment, "source_asr", **options)
    return len(work.read_text().splitlines())


def test_half_trained_work_is_resumed(world: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    experiment, _ = toy.make_experiment(world)
    assert [interrupt(experiment, monkeypatch) for _ in range(3)] == [1, 2, 3]


def test_half_trained_work_is_resumed_with_another_log(world: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What changes no parameter costs no phase."""
    plain, _ = toy.make_experiment(world)
    watched, _ = toy.make_experiment(world, train={
        **toy.CONFIG["train"], "default": {**toy.PHASE, "tensorboard": True, "dev_wer": 2}})
    assert [interrupt(experiment, monkeypatch) for experiment in (plain, watched, plain)] == [1, 2, 3]


@pytest.mark.parametrize("what", ["option", "input"])
def test_half_trained_work_of_another_configuration_is_not(world: Path, monkeypatch: pytest.MonkeyPatch,
                                                           caplog: pytest.LogCaptureFixture, what: str) -> None:
    experiment, _ = toy.make_experiment(world)
    interrupt(experiment, monkeypatch)
    if what == "option":
        experiment, _ = toy.make_experiment(world, model={**toy.CONFIG["model"], "init": "xavier_normal"})
    else:
        write_table("dump/fbank/src_train/text", dict.fromkeys(read_table("dump/fbank/src_train/text"), "the cat"))
    with caplog.at_level(logging.INFO):
        out = train(experiment, "source_asr")  # would fail on the interrupted run's init.pth
    assert "begun with other settings, starts again: " + what in caplog.text
    assert (out / "model.pth").exists() and not (out / "begun").exists()


def test_finished_work_is_refused_forced_or_left(world: Path) -> None:
    experiment, _ = toy.make_experiment(world)
    out = train(experiment, "source_asr")
    before = (out / "model.pth").stat().st_mtime_ns
    train(experiment, "source_asr")
    changed, _ = toy.make_experiment(world, train={**toy.CONFIG["train"], "source": [{"epochs": 1}]})
    message = r"seed1: finished with other settings: option phases.0..epochs .2 -> 1.*--force"
    with pytest.raises(StaleError, match=message):
        train(changed, "source_asr")
    train(changed, "source_asr", allow_stale=True)
    assert (out / "model.pth").stat().st_mtime_ns == before
    train(changed, "source_asr", force=True)
    assert len(read_json(out / "model.json")["epochs"]) == 1
    train(changed, "source_asr")


def test_forced_training_killed_goes_on_and_never_shows_the_old_model(world: Path,
                                                                      monkeypatch: pytest.MonkeyPatch) -> None:
    experiment, _ = toy.make_experiment(world)
    out = train(experiment, "source_asr")
    assert interrupt(experiment, monkeypatch, force=True) == 1
    assert not (out / ".stage.json").exists() and not (out / "model.pth").exists()
    assert interrupt(experiment, monkeypatch, force=True) == 2


def test_kill_between_marker_and_tidying_up(world: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    experiment, _ = toy.make_experiment(world)
    remove = shutil.rmtree

    def die(path: Path, **options: Any) -> None:
        if path.name == "begun" and (path.parent / ".stage.json").exists():
            raise Killed
        remove(path, **options)

    with monkeypatch.context() as patched, pytest.raises(Killed):
        patched.setattr(shutil, "rmtree", die)
        train(experiment, "source_asr")
    stage = system_stage(experiment, experiment.systems["source_asr"], 1, Path("dump"), Path("exp"))
    assert stage.changes() == [] and (stage.out / "begun").exists()
    assert interrupt(experiment, monkeypatch, force=True) == 1
    assert not (stage.out / "model.pth").exists()  # what was left does not keep it from beginning anew


def test_an_input_that_changes_during_training_is_noticed(world: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    experiment, _ = toy.make_experiment(world)
    fit = fit_system_module.fit

    def fit_and_change(*arguments: Any) -> None:
        fit(*arguments)
        write_table("dump/fbank/src_train/text", {"u": "other words"})

    monkeypatch.setattr(fit_system_module, "fit", fit_and_change)
    with pytest.raises(StaleError, match="changed while it trained: input dump/fbank/src_train/text; run the same"):
        train(experiment, "source_asr")
    assert not Path("exp/source_asr/seed1/.stage.json").exists()


def test_other_features_of_the_same_lengths_are_another_input(world: Path) -> None:
    experiment, _ = toy.make_experiment(world)
    train(experiment, "source_asr")
    Path("dump/fbank/src_train/feats.sha256").write_text("0" * 64 + "  feats.1.ark\n")
    with pytest.raises(StaleError, match="input dump/fbank/src_train/feats.sha256"):
        train(experiment, "source_asr")


def test_what_a_log_tells(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [0.0]
    monkeypatch.setattr(train_module.time, "monotonic", lambda: clock[0])
    show = TrainingLog(every=10)
    steps = "12:00:00 3epoch:train:26-50batch: iter_time=0.1, loss_ctc=4.0loss_att=5.0, acc=0.25, loss=7.5e+01, lr=0.1"
    assert show(steps) is None
    clock[0] = 11
    assert show(steps) == "epoch 3, step 50: train acc 0.250 loss 75.000"
    assert show(steps) is None
    clock[0] = 30
    assert show("12:00:00 3epoch results: [train] loss_ctc=1.0, acc=0.5, loss=nan, loss_scale=1.0, time=1 minute, "
                "[valid] cer=nan, acc=0.1loss=2, time=1") == \
        "epoch 3: train acc 0.500 loss nan, dev acc 0.100 loss 2.000"
    clock[0] = 39
    assert show(steps) is None
    assert show("  loaded encoder.encoders   12 tensors") == "  loaded encoder.encoders   12 tensors"
    assert show("12:00:00 Optimizer:") is None


def test_train_system_is_a_command_of_its_own(world: Path) -> None:
    _, config = toy.make_experiment(world)
    result = subprocess.run([sys.executable, "-m", "stxfer.bin.train_system", "--config", str(config), "--system",
                             "xfer_human"], capture_output=True, text=True)
    assert result.returncode == 1
    (error,) = [line for line in result.stderr.splitlines() if not line[0].isdigit()]
    assert error == "error: exp/st_human/seed1: no such file or directory; run the stage that makes it first"
    assert not Path("exp").exists()


@pytest.mark.parametrize("together", ["--processes", "--nodes"])
def test_two_processes_train_what_one_trains(world: Path, monkeypatch: pytest.MonkeyPatch, together: str) -> None:
    """Through torchrun and gloo, on one machine or on two of a cluster; two phases, the second on encoder outputs.

    Without dropout, which draws other numbers in each process, and without batch normalisation, whose statistics
    would be those of each process's part of a batch.
    """
    encoder = {"output_size": 16, "attention_heads": 2, "linear_units": 16, "num_blocks": 1, "conv_channels": 16}
    phase = {**toy.PHASE, "dropout": 0.0, "batch_frames": 2000}
    once = {"epochs": 1, "freeze": ["encoder"], "encode_once": True}
    _, config = toy.make_experiment(world, train={**LONG, "default": phase, "source": [{}, once]},
                                     model={**toy.CONFIG["model"], "encoder": "s2t_transformer",
                                            "encoder_conf": encoder})

    def run(exp: str, *more: str) -> None:
        done = subprocess.run([sys.executable, "-m", "stxfer.bin.train", "--config", str(config), "--kind", "source",
                               "--exp", exp, "--nj", "2", *more], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr

    run("one")
    if together == "--processes":
        run("two", together, "2")
    else:
        pytest.importorskip("submitit")
        if why := missing():
            pytest.skip(why)
        Path(MARK).touch()
        Path("slurm.conf").write_text("default time=10\noption time=* --time=$0\n")
        for name, value in ((BACKEND, "slurm"), ("cuda_cmd", ""), ("slurm_conf", str(world / "slurm.conf"))):
            monkeypatch.setenv(name, value)
        with Cluster(2):
            run("two", together, "2")
        assert Path("two/source_asr/seed1/train.log.1").exists(), "the second machine has a log of its own"
    one, two = (read_json(f"{exp}/source_asr/seed1/model.json")["epochs"] for exp in ("one", "two"))
    assert [(row["phase"], row["epoch"]) for row in two] == [("phase1", 1), ("phase1", 2), ("phase2", 1)]
    for alone, both in zip(one, two, strict=True):
        assert both["train_loss"] == pytest.approx(alone["train_loss"], rel=1e-4)
        assert both["valid_loss"] == pytest.approx(alone["valid_loss"], rel=1e-4)
    ours, theirs = (load_state(Path(exp, "source_asr/seed1/model.pth")) for exp in ("one", "two"))
    for name in ours:
        if not name.endswith("linear_k.bias"):  # softmax does not see it: Adam scales up what rounding leaves
            torch.testing.assert_close(ours[name], theirs[name], rtol=1e-3, atol=1e-3, msg=name)
    assert not list(Path("two").rglob(".meeting-*"))
