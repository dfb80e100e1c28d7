"""Markers against an experiment: which option of which stage is another now."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from stxfer.core.fresh import watch
from stxfer.core.options import Options, Spread, identity
from stxfer.core.stage import Stage
from stxfer.decoding.systems import Job
from stxfer.experiment.config import Experiment, load_experiment
from stxfer.experiment.layout import DUMP, EXP, features_dir, label_dir, mt_dir, prepared_dir, vocab_dir
from stxfer.experiment.lineage import Lineage
from stxfer.mt.train import mt_stage
from stxfer.text.profiles import of_bitext
from stxfer.training.launch import system_stage

CONF = Path(__file__).resolve().parents[1] / "egs2" / "mini_sw" / "asr1" / "conf"


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Path, str]]:
    """Directories and keys that were not compared because their markers lack them."""
    found: list[tuple[Path, str]] = []
    monkeypatch.setattr("stxfer.experiment.lineage._tell", lambda directory, key: found.append((directory, key)))
    return found


def experiment(folder: Path, changes: dict[str, Any]) -> Experiment:
    path = folder / "changed.yaml"
    path.write_text(yaml.safe_dump({"include": [str(CONF / "tiny.yaml")], **changes}), encoding="utf-8")
    return load_experiment(path)


def finished(e: Experiment) -> dict[str, Stage]:
    """Return a stage of each kind as an experiment makes it, in the order of the recipe."""
    direct, label = e.systems["direct"], e.labels["mt"]
    rules = {"text": e.profile("sw").identity}
    clean = {"languages": ["en", "sw"], "leaks": "remove", "clean": e.mt.clean,
             "profiles": [of_bitext(e.profile(language), e.mt.clean.square).identity for language in ("en", "sw")]}
    translated = {"translator": {"kind": "trained", "options": label.options, "decode": e.decode_mt, "inputs": {}},
                  "nbest": 1, "max_words": 400}
    labelled = {"filters": label.filters, "mix": {}, "seed": 1, "normalisation": e.profile("sw").identity, "tests": ""}
    texts = [features_dir(DUMP, "tgt_train") / "text", prepared_dir(DUMP, "bitext") / "train.sw"]
    score = {"filters": [label.filters], "normalisation": e.profile("sw").identity, "bleu": "13a"}
    return {
        "text": Stage("synthetic bitext", Path("data/bitext"), (), e.data.synthetic),
        "speech": Stage("speak tgt_dev", Path("data/tgt_dev"), (), {
            "sentences": e.data.tgt_dev, "seed": e.data.seed, "rate": e.data.target_rate, "speakers": []}),
        "taken": Stage("take tgt_test", Path("data/tgt_test"), (), {"hours": None, "seed": None}),
        "prepare": Stage("prepare tgt_train", prepared_dir(DUMP, "tgt_train"), (), Spread(e.prepare, {
            "profiles": rules, "audio": "", "held_out": "", **e.prepare.without_effect("tgt_train")})),
        "bitext": Stage("prepare bitext", prepared_dir(DUMP, "bitext"), (), clean),
        "features": Stage("features tgt_train", features_dir(DUMP, "tgt_train"), (), {"compression": "8bit"}),
        "mt": mt_stage(e, "mt", DUMP, EXP),
        "translations": Stage("translations of labels mt src_dev", DUMP / "translations/mt/src_dev", (), translated),
        "labels": Stage("labels mt src_dev", label_dir(DUMP, "mt", "src_dev"), (), labelled),
        "mt score": Stage("score of MT mt", mt_dir(EXP, "mt") / "score", (), score),
        "vocab": Stage("vocab target", vocab_dir(DUMP, "target"), texts, e.vocab["target"]),
        "system": system_stage(e, direct, 1, DUMP, EXP),
        "decode": Job(e, e.decoded["direct"], 1, DUMP, EXP).stage,
        "score": Stage("score direct seed 1", EXP / "direct/seed1/decode/tgt_test/score", (),
                       {"norm": e.profile("sw").identity, "metrics": ["wer"]})}


def marker(stage: Stage) -> dict[str, Any]:
    inputs = {str(path): "digest" for path in stage.inputs}
    return {"stage": stage.name, "options": json.loads(json.dumps(identity(stage.options))), "inputs": inputs}


def differences(stages: dict[str, Stage], now: Experiment) -> dict[str, list[str]]:
    lineage = Lineage(now, DUMP, EXP)
    return {name: found for name, stage in stages.items() if (found := lineage(stage.out, marker(stage)))}


@pytest.mark.parametrize(("changes", "expected"), [
    ({}, {}),
    ({"name": "another", "seeds": [1, 2], "compare": [["direct", "scratch"]]}, {}),
    ({"prepare": {"max_drop": 0.5}, "decode": {"target": {"batch_frames": 7}}}, {}),
    ({"data": {"tgt_dev": 21}}, {"text": "data.tgt_dev (20 -> 21)" , "speech": "data.tgt_dev (20 -> 21)"}),
    ({"data": {"target_rate": 150}}, {"text": "target_rate (160 -> 150)", "speech": "data.target_rate (160 -> 150)"}),
    ({"data": {"hours": {"tgt_test": 2}}}, {"taken": "data.hours.tgt_test (None -> 2"}),
    ({"prepare": {"min_rate": 9000}}, {"prepare": "prepare.min_rate (8000 -> 9000)"}),
    ({"prepare": {"tgt_train_hours": 1}}, {"prepare": "prepare.tgt_train_hours (0.0 -> 1.0)"}),
    ({"prepare": {"leaks": "report"}}, {"prepare": "prepare.leaks ('remove' -> 'report')",
                                        "bitext": "prepare.leaks ('remove' -> 'report')"}),
    ({"normalise": {"sw": {"digits": "remove"}}},
     dict.fromkeys(("prepare", "bitext", "labels", "mt score", "score"), "normalise.sw ('norm:sw.")),
    ({"features": {"kind": "pretrained", "model": "w"}}, {"features": "features.kind ('fbank' -> 'pretrained')"}),
    ({"features": {"compression": "none"}}, {"features": "features.compression ('8bit' -> 'none')"}),
    ({"labels": {"mt": {"pairs": 9}}}, {"mt": "labels.mt.pairs (0 -> 9)", "translations": "labels.mt.pairs (0 -> 9)"}),
    ({"labels": {"mt": {"filters": {"repetition": 3}}}}, {"labels": "labels.mt.filters.repetition (0 -> 3)"}),
    ({"mt": {"vocab": 90}}, {"mt": "mt.vocab (100 -> 90)"}),
    ({"mt": {"train": [{"epochs": 5, "steps": 10, "batch_frames": 300}]}}, {"mt": "mt.train[0].epochs (2 -> 5)"}),
    ({"mt": {"clean": {"max_words": 9}}}, {"bitext": "mt.clean.max_words ("}),
    ({"vocab": {"target": {"size": 50}}}, {"vocab": "vocab.target.size (60 -> 50)"}),
    ({"vocab": {"target": {"text": ["tgt_train"]}}}, {"vocab": "vocab.target.text ("}),
    ({"train": {"default": {"lr": 0.5}}}, {"system": "train.target[0].lr (0.002 -> 0.5)"}),
    ({"train": {"target": [{"epochs": 1}, {"epochs": 1}]}}, {"system": "train.target (1 items -> 2 items)"}),
    ({"model": {"encoder_conf": {"num_blocks": 2}}}, {"system": "model.encoder_conf.num_blocks (1 -> 2)"}),
    ({"systems": {"direct": {"init": {"parts": ["encoder"]}}}}, {"system": "systems.direct.init.parts ("}),
    ({"decode": {"target": {"beam_size": 2}}}, {"decode": "decode.target.beam_size (5 -> 2)"}),
    ({"decode": {"mt": {"beam_size": 3}}}, {"translations": "decode.mt.beam_size (2 -> 3)"}),
])
def test_what_an_experiment_says_otherwise_is_named_by_its_key(
        tmp_path: Path, changes: dict[str, Any], expected: dict[str, str], told: list[tuple[Path, str]]) -> None:
    found = differences(finished(load_experiment(CONF / "tiny.yaml")), experiment(tmp_path, changes))
    assert found.keys() == expected.keys(), found
    assert all(any(expected[name] in line for line in lines) for name, lines in found.items()), found
    assert not told, "this version records all that is compared"


@pytest.mark.parametrize(("changes", "expected"), [
    ({}, {}),
    ({"model": {"encoder_conf": {"num_blocks": 2}}, "train": {"default": {"lr": 0.5}}}, {}),  # of the other systems
    ({"espnet": {"rnn": {"encoder_conf": {"num_layers": 2}}}},
     {"system": "espnet.rnn.encoder_conf.num_layers (1 -> 2)"}),
    ({"train": {"target": [{"epochs": 9}]}}, {"system": "train.target.epochs (2 -> 9)"}),
    ({"systems": {"espnet_rnn": {"espnet": "conformer"}}},
     {"system": "systems.espnet_rnn.espnet ('rnn' -> 'conformer')"}),
    ({"systems": {"espnet_rnn": {"espnet": None}}},
     {"system": "systems.espnet_rnn.espnet ('rnn' -> '')", "decode": "-> no such option"}),
    ({"decode": {"target": {"beam_size": 2}}}, {"decode": "decode.target.beam_size (5 -> 2)"}),
    ({"normalise": {"sw": {"digits": "remove"}}}, {"decode": "normalise.sw ('norm:sw."}),
])
def test_stock_espnet_is_compared_by_its_own_options(
        tmp_path: Path, changes: dict[str, Any], expected: dict[str, str], told: list[tuple[Path, str]]) -> None:
    e = load_experiment(CONF / "tiny.yaml")
    stages = {"system": system_stage(e, e.systems["espnet_rnn"], 1, DUMP, EXP),
              "decode": Job(e, e.decoded["espnet_rnn"], 1, DUMP, EXP).stage}
    found = differences(stages, experiment(tmp_path, changes))
    assert found.keys() == expected.keys(), found
    assert all(any(expected[name] in line for line in lines) for name, lines in found.items()), found
    assert not told, "this version records all that is compared"


def test_an_encoder_is_known_by_its_files_wherever_they_lie(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A preset names no path (``model: $ENCODER``), and a model may be moved or removed."""
    for name, content in (("old", "a"), ("moved", "a"), ("other", "b")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "config.json").write_text(content)
    features = {"kind": "pretrained", "model": "$STXFER_TEST_ENCODER"}
    stage = Stage("features tgt_dev", features_dir(DUMP, "tgt_dev"), [],
                  {"kind": "pretrained", "layer": 6, "stride": 2})
    made = {**marker(stage), "watched": watch([tmp_path / "old" / "config.json"])}
    lineage = Lineage(experiment(tmp_path, {"features": features}), DUMP, EXP)
    for name, expected in (("old", []), ("moved", []), ("removed", []),
                           ("other", [f"features.model ('{tmp_path}/old' -> '{tmp_path}/other')"])):
        monkeypatch.setenv("STXFER_TEST_ENCODER", str(tmp_path / name))
        assert lineage(stage.out, made) == expected


def test_what_an_older_version_has_not_recorded_is_told_and_not_compared(
        tmp_path: Path, told: list[tuple[Path, str]]) -> None:
    now = load_experiment(CONF / "tiny.yaml")
    for stage in finished(now).values():
        whole = marker(stage)
        for key in whole["options"]:
            older = {name: value for name, value in whole["options"].items() if name != key}
            found = Lineage(now, DUMP, EXP)(stage.out, {**whole, "options": older})
            assert not found or isinstance(stage.options, (Options, Spread)), "what is not there had its default"
    assert {"model", "mt.vocab", "data.seed", "prepare.leaks", "labels.mt.nbest"} <= {key for _, key in told}

    told.clear()
    system = finished(now)["system"]
    older = {key: value for key, value in marker(system)["options"].items() if key != "model"}
    found = Lineage(experiment(tmp_path, {"train": {"default": {"lr": 0.5}}}), DUMP, EXP)(
        system.out, {**marker(system), "options": older})
    assert found == ["train.target[0].lr (0.002 -> 0.5)"] and told == [(system.out, "model")], "the rest is compared"


def test_what_is_not_compared_is_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    now = load_experiment(CONF / "tiny.yaml")
    older = {"stage": "score of MT mt", "options": {"bleu": "13a"}, "inputs": {}}
    for _ in range(2):
        assert Lineage(now, DUMP, EXP)(mt_dir(EXP, "mt") / "score", older) == []
    assert caplog.messages == [
        "exp/mt/mt/score: an older version has made it and not recorded its 'normalise.sw', which is not compared"]


def test_directories_that_are_nobodys_are_left_alone(tmp_path: Path) -> None:
    lineage = Lineage(load_experiment(CONF / "tiny.yaml"), DUMP, EXP)
    for place in ("elsewhere/x", "dump", "dump/fbank", "exp/report", "exp/gone/seed1", "dump/labels/gone/src_dev"):
        assert lineage(Path(place), {"stage": "x", "options": {"a": 1}, "inputs": {}}) == []


@pytest.mark.parametrize("old", ["fbank", "pretrained"])
def test_pretrained_features_are_compared_by_layer_and_stride(tmp_path: Path, old: str) -> None:
    now = experiment(tmp_path, {"features": {"kind": "pretrained", "model": "new", "layer": 5, "stride": 3}})
    was = {"kind": "pretrained", "family": "wavlm", "layer": 4, "stride": 2, "model_sha256": "", "padded": False}
    found = Lineage(now, DUMP, EXP)(features_dir(DUMP, "x"), {
        "stage": "features x", "options": was if old == "pretrained" else {"num_mel": 80}, "inputs": {}})
    assert found == (["features.stride (2 -> 3)", "features.layer[0] (4 -> 5)"]
                     if old == "pretrained" else ["features.kind ('fbank' -> 'pretrained')"])


@pytest.mark.parametrize(("dump", "exp", "known"), [
    ("dump", "exp", True), ("a/dump", "a/exp", True), ("", "exp", False)])
def test_models_lie_beside_prepared_data_wherever_that_lies(dump: str, exp: str, known: bool) -> None:
    now = load_experiment(CONF / "tiny.yaml")
    made = {"stage": "score of MT mt", "options": {"normalisation": "none"}, "inputs": {}}
    found = Lineage(now, Path(dump))(mt_dir(Path(exp), "mt") / "score", made)
    assert [line.partition(" -> ")[0] for line in found] == ["normalise.sw ('none'"] * known
