"""Self-training: target speech without transcripts, labelled by a target system."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
import toy

from stxfer.bin import train as train_cli
from stxfer.core.errors import ConfigError, DataError
from stxfer.core.fileio import read_json
from stxfer.core.stage import Stage
from stxfer.decoding.confidence import confident
from stxfer.experiment.config import Experiment
from stxfer.kaldi.table import read_table, write_table
from stxfer.prepare.vocab import make_vocabs
from stxfer.report.exposure import training_texts
from stxfer.report.html.graph import Edge, sentences, transfer_graph
from stxfer.training.launch import system_stage, training_jobs, with_sources

ROOT = Path(__file__).resolve().parents[1]
REST = "tgt_untranscribed_train"
PART = {"data": REST, "text": "sw", "by": "scratch+wide", "best": 0.5}
CHANGES: dict[str, Any] = {
    "prepare": {"tgt_train_hours": 0.1, "untranscribed": True},
    "systems": {"scratch": {"task": "asr", "data": "tgt_train", "text": "sw"},
                "self": {"task": "asr", "data": "tgt_train", "text": "sw", "mix": [PART], "init": {"from": "scratch"}}},
    "compare": [["self", "scratch"]], "label_systems": [], "labels": {},
    "variants": {"wide": {"target": {"beam_size": 3}}},
    "train": {**toy.CONFIG["train"], "target": [{"epochs": 4, "steps": 25}]},
    "vocab": {**toy.CONFIG["vocab"], "target": {"size": 30, "text": ["tgt_train"]}}}


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory whose target speech is there with and, under other names, without transcripts."""
    toy.make_dump(tmp_path)
    rest = tmp_path / "dump/fbank" / REST
    shutil.copytree(tmp_path / "dump/fbank/tgt_dev", rest)
    write_table(rest / "text", dict.fromkeys(read_table(rest / "text"), ""))
    Stage("features", rest).finish([rest / "feats.scp", rest / "text"])
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    return tmp_path


def experiment_of(world: Path, **changes: Any) -> Experiment:
    return toy.make_experiment(world, **{**CHANGES, **changes})[0]


def test_hypotheses_are_decoded_and_learnt_and_a_killed_run_goes_on(world: Path, capsys: pytest.CaptureFixture[str]
                                                                     ) -> None:
    experiment = experiment_of(world)
    make_vocabs(experiment, Path("dump"))
    command = ["--config", "toy.yaml", "--kind", "target", "--systems", "self", "--nj", "1"]
    train_cli.main(command)
    assert capsys.readouterr().out == f"trained now: scratch seed 1, decode scratch+wide seed 1 {REST}, self seed 1\n"
    decoded = Path(f"exp/scratch/seed1/decode/{REST}+wide")
    learnt = read_table("exp/self/seed1/data/train/text")
    hypotheses = {utt.removeprefix("m1-"): text for utt, text in learnt.items() if utt.startswith("m1-")}
    assert hypotheses == confident(decoded, 0.5) != {}
    assert len(learnt) - len(hypotheses) == len(read_table("dump/fbank/tgt_train/text"))
    model = Path("exp/self/seed1/model.pth").read_bytes()
    before = Path("exp/scratch/seed1/model.pth").stat().st_mtime_ns
    shutil.rmtree("exp/self")
    (decoded / ".stage.json").unlink()  # as a kill in the middle of decoding leaves it
    train_cli.main(command)
    assert Path("exp/self/seed1/model.pth").read_bytes() == model
    assert Path("exp/scratch/seed1/model.pth").stat().st_mtime_ns == before
    train_cli.main(command)
    assert capsys.readouterr().out.endswith("trained now: nothing, all is up to date\n")
    assert read_json("exp/self/seed1/model.json")["train"]["utterances"] == len(learnt)
    assert str(decoded) in map(str, system_stage(experiment, experiment.systems["self"], 1, Path("dump"),
                                                 Path("exp")).inputs)


def test_the_system_that_is_learnt_from_is_trained_first(world: Path) -> None:
    other = {"task": "asr", "data": "tgt_train", "text": "sw", "mix": [PART]}
    experiment = experiment_of(world, systems={"self": other, "scratch": CHANGES["systems"]["scratch"]})
    assert [system.name for system in experiment.order()] == ["scratch", "self"]
    assert [system.name for system in with_sources(experiment, ["self"])] == ["scratch", "self"]
    graph = transfer_graph(experiment, ["self"], {}, {})
    assert graph.edges == (Edge("system scratch", "system self", "heard"),)
    assert [node.key for node in graph.nodes] == ["system scratch", "system self"]
    assert sentences(graph) == ["self learns what was written by scratch"]


def test_a_set_is_decoded_once_however_many_learn_it(world: Path) -> None:
    own = {"task": "asr", "data": "tgt_train", "text": "sw"}
    experiment = experiment_of(world, systems={
        "scratch": own, "self": {**own, "mix": [PART, {**PART, "best": 0.1}]}, "self_2": {**own, "mix": [PART]}})
    make_vocabs(experiment, Path("dump"))
    jobs = training_jobs(experiment, Path("toy.yaml"), ("target",), Path("dump"), Path("exp"))
    decoding = f"decode scratch+wide seed 1 {REST}"
    assert [job.name for job in jobs] == ["scratch seed 1", decoding, "self seed 1", "self_2 seed 1"]
    assert all(Path(f"exp/scratch/seed1/decode/{REST}+wide") in job.needs for job in jobs[2:])


def test_a_system_of_another_stage_has_to_be_trained_before_one_learns_from_it(world: Path) -> None:
    experiment = experiment_of(world, systems={**CHANGES["systems"], "st": {
        "task": "st", "data": "src_train", "text": "sw.human", "mix": [PART]}})
    with pytest.raises(ConfigError, match="st learns from scratch seed 1, which is not trained: run stage "
                                          "'target_asr' first"):
        training_jobs(experiment, Path("toy.yaml"), ("st",), Path("dump"), Path("exp"))


def test_transcripts_in_place_of_which_hypotheses_are_learnt_count_for_nothing(world: Path) -> None:
    more = world / "dump/fbank/tgt_more_train"
    shutil.copytree(world / "dump/fbank/tgt_dev", more)
    write_table(more / "text", dict.fromkeys(read_table(more / "text"), "неслыханное"))
    own = {"task": "asr", "data": "tgt_train", "text": "sw"}
    experiment = experiment_of(world, systems={
        "scratch": own, "self": {**own, "mix": [{**PART, "data": "tgt_more_train"}]}})
    make_vocabs(experiment, Path("dump"))  # which has no piece for their characters
    found = training_texts(experiment, [experiment.decoded["self"]], Path("dump"), Path("exp"))
    assert found == {"heard": [Path("dump/fbank/tgt_train/text")], "st": [], "lm": []}


def decoded(folder: Path, rows: dict[str, tuple[str, str, str]], loops: dict[str, str]) -> Path:
    for number, name in enumerate(("text", "token", "logprob")):
        write_table(folder / name, {utt: row[number] for utt, row in rows.items()})
    write_table(folder / "loops", loops)
    return folder


def test_the_best_hypotheses_by_their_tokens(tmp_path: Path) -> None:
    rows = {"a": ("mbwa", "▁m bwa", "-3.0"), "b": ("mbwa anaona paka", "▁m bwa ▁a na o na ▁pa ka", "-4.5"),
            "c": ("", "", "0.0"), "d": ("na na na na", "▁na ▁na ▁na ▁na", "-0.1"), "e": ("maji", "▁maji", "-4.0")}
    folder = decoded(tmp_path / "decoded", rows, {"d": "4 times 'na'"})
    assert list(confident(folder, 1.0)) == ["a", "b", "e"]  # neither empty ones nor loops
    assert confident(folder, 0.67) == {"a": "mbwa", "b": "mbwa anaona paka"}  # -1, -0.5 and -2 a token
    assert confident(folder, 0.01) == {"b": "mbwa anaona paka"}
    with pytest.raises(DataError, match="all 1 hypotheses are empty or loop"):
        confident(decoded(tmp_path / "empty", {"c": rows["c"]}, {}), 1.0)


@pytest.mark.parametrize(("changes", "message"), [
    ({"mix": [{**PART, "by": "scratch+narrow"}]}, r"systems.self.mix\[0\].by: unknown system 'scratch\+narrow'; it is "
                                                  r"decoded as scratch scratch\+wide"),
    ({"mix": [{**PART, "by": "nobody"}]}, r"systems.self.mix\[0\].by: 'nobody' must be a target system"),
    ({"mix": [{**PART, "by": "self"}]}, "systems start from each other, or learn from each other, in a circle: "
                                        "self <- self"),
    ({"mix": [{**PART, "by": ""}]}, r"systems.self.mix\[0\].best: is for hypotheses"),
    ({"mix": [{"data": REST, "text": "sw"}]}, r"systems.self.mix\[0\].data: 'tgt_untranscribed_train' has no "
                                              "transcripts; learn hypotheses of it"),
    ({"data": REST}, "systems.self.data: 'tgt_untranscribed_train' has no transcripts"),
    ({"mix": [{"data": "src_train", "text": "en", "by": "scratch"}]},
     r"mix\[0\].by: 'scratch' must be a target system, and the set one of the target language")])
def test_mistakes_are_named(world: Path, changes: dict[str, Any], message: str) -> None:
    systems = {**CHANGES["systems"], "self": {**CHANGES["systems"]["self"], **changes}}
    with pytest.raises(ConfigError, match=message):
        experiment_of(world, systems=systems)


def test_a_set_that_nobody_makes_is_refused(world: Path) -> None:
    with pytest.raises(ConfigError, match="'tgt_untranscribed_train' is made where prepare has 'untranscribed: true'"):
        experiment_of(world, prepare={})
