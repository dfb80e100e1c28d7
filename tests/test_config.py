"""The experiment file: merging, order, and one clear line for each mistake."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from stxfer.core.errors import ConfigError
from stxfer.experiment.config import load_experiment

BASE = Path(__file__).parents[1] / "conf" / "base.yaml"


def write(tmp_path: Path, **changes: object) -> Path:
    path = tmp_path / "exp.yaml"
    path.write_text(yaml.safe_dump({"include": [str(BASE)], "name": "t", "languages": {"source": "en", "target": "sw"},
                                    **changes}), encoding="utf-8")
    return path


def test_systems_come_after_what_they_start_from(tmp_path: Path) -> None:
    order = [system.name for system in load_experiment(write(tmp_path)).order()]
    assert order.index("source_asr") < order.index("st_mt") < order.index("xfer_mt")


def test_language_marks_are_replaced(tmp_path: Path) -> None:
    experiment = load_experiment(write(tmp_path))
    assert experiment.systems["st_mt"].text == "sw.mt"
    assert experiment.systems["source_asr"].text == "en"
    kinds = [experiment.systems[name].kind for name in ("source_asr", "st_mt", "direct")]
    assert kinds == ["source", "st", "target"]


def test_phases_take_the_defaults_and_numbers_written_as_strings(tmp_path: Path) -> None:
    path = write(tmp_path, train={"default": {"lr": "2e-3", "steps": 7}, "target": [{"epochs": 3}]})
    (phase,) = load_experiment(path).train["target"]
    assert (phase.lr, phase.steps, phase.epochs) == (2e-3, 7, 3)


def test_null_removes_an_included_system(tmp_path: Path) -> None:
    path = write(tmp_path, systems={"xfer_human": None, "st_human": None},
                 compare=[["direct", "scratch"], ["xfer_mt", "direct"]])
    assert {system.name for system in load_experiment(path).select()} == {"source_asr", "st_mt", "scratch", "direct",
                                                                          "xfer_mt"}


@pytest.mark.parametrize(("changes", "message"), [
    ({"sistems": {}}, "unknown key 'sistems'"),
    ({"train": {"target": [{"epoch": 3}]}}, "train.target[0]: unknown key 'epoch'; known: accum amp"),
    ({"train": {"target": [{"epochs": "many"}]}}, "train.target[0].epochs: 'many' must be a whole number"),
    ({"train": {"target": [{"lr": "fast"}]}}, "train.target[0].lr: 'fast' must be a number"),
    ({"train": {"st": [{"epochs": 0}]}}, "train.st[0].epochs: 0 must be at least 1"),
    ({"train": {"default": {"ctc_weight": 1.0}}}, "train.default.ctc_weight: 1.0 must be less than 1"),
    ({"mt": {"train": [{"freeze": ["encoder"], "encode_once": True}]}},
     "mt.train.encode_once: it is for encoders of speech; leave it out"),
    ({"train": {"st": [{"encode_once": True}]}}, "train.st[0].encode_once: an encoder that learns has other outputs at "
                                                 "each step; set freeze: [encoder]"),
    ({"systems": {"x": {"task": "tts", "data": "tgt_train", "text": "sw"}}}, "systems.x.task: 'tts'"),
    ({"systems": {"x": {"task": "asr", "data": "tgt_train", "text": "sw", "init": {"from": "y"}}}},
     "systems.x.init.from: unknown system 'y'"),
    ({"systems": {"x": {"task": "asr", "data": "tgt_train", "text": "sw",
                        "init": {"from": "scratch", "parts": "head"}}}}, "systems.x.init.parts[0]: 'head'"),
    ({"systems": {"x": {"task": "st", "data": "src_train", "text": "sw.nllb"}}}, "label 'nllb'"),
    ({"systems": {"x": {"task": "st", "data": "src_train", "text": "sw"}}}, "text: 'sw' must name a translation"),
    ({"systems": {"x": {"task": "asr", "data": "src_train", "text": "sw"}}}, "systems.x.text: 'sw' is not 'en'"),
    ({"labels": {"mt": {"translator": "oracle"}}}, "labels.mt.translator: 'oracle' must be one of trained"),
    ({"vocab": {"target": {"type": "word"}}}, "vocab.target.type: 'word' must be one of unigram bpe char"),
    ({"compare": [["direct", "nothing"]]}, "compare[0]: unknown system 'nothing'"),
    ({"systems": {"direct": {"init": {"from": "direct"}}}}, "in a circle: direct <- direct"),
])
def test_mistakes_are_named(tmp_path: Path, changes: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError) as error:
        load_experiment(write(tmp_path, **changes))
    assert message in str(error.value)
    assert "\n" not in str(error.value)


def test_unknown_system_asked_for(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="unknown system 'xfer'; declared: source_asr"):
        load_experiment(write(tmp_path)).select(["xfer"])


def test_missing_and_broken_files(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no such configuration"):
        load_experiment(tmp_path / "none.yaml")
    (tmp_path / "bad.yaml").write_text("a: [", encoding="utf-8")
    with pytest.raises(ConfigError, match="not YAML"):
        load_experiment(tmp_path / "bad.yaml")


def test_another_class_brings_its_own_options(tmp_path: Path) -> None:
    other = load_experiment(write(tmp_path, model={"encoder": "berard", "decoder": "transformer"})).model
    assert "encoder_conf" not in other and other["decoder_conf"]["num_blocks"] == 3
    same = load_experiment(write(tmp_path, model={"encoder": "s2t_conformer", "encoder_conf": {"num_blocks": 9}})).model
    assert same["encoder_conf"]["num_blocks"] == 9 and same["encoder_conf"]["output_size"] == 144
