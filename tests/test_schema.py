"""The JSON schema of experiment files: every recipe follows it, mistakes do not, and it describes every key."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator

from stxfer.bin import check_config
from stxfer.core.options import file_keys
from stxfer.experiment.declared import Declaration
from stxfer.experiment.schema import experiment_schema

ROOT = Path(__file__).resolve().parent.parent
FILES = sorted([*ROOT.glob("conf/**/*.yaml"), *ROOT.glob("egs2/*/*/conf/*.yaml")])
SCHEMA = experiment_schema()
VALIDATOR = Draft202012Validator(SCHEMA)


def test_it_is_a_schema(capsys: pytest.CaptureFixture[str]) -> None:
    check_config.main(["--schema"])
    printed = json.loads(capsys.readouterr().out)
    Draft202012Validator.check_schema(printed)
    assert printed == SCHEMA
    assert printed["properties"].keys() == {"include", *file_keys(Declaration)}
    for value in printed["properties"].values():
        reference = value.get("anyOf", [{}])[0].get("$ref", "").rpartition("/")[2]
        assert "description" in value or "description" in printed["$defs"][reference]


@pytest.mark.parametrize("path", FILES, ids=[str(path.relative_to(ROOT)) for path in FILES])
def test_every_file_of_a_recipe_follows_it(path: Path) -> None:
    assert not [f"{error.json_path}: {error.message}" for error in
                VALIDATOR.iter_errors(yaml.safe_load(path.read_text(encoding="utf-8")))]


@pytest.mark.parametrize(("change", "place"), [
    ({"seed": [1]}, "$"),
    ({"seeds": 1}, "$.seeds"),
    ({"seeds": ["1"]}, "$.seeds"),
    ({"languages": {"sources": "en"}}, "$.languages"),
    ({"model": {"encoder": "conformr"}}, "$.model"),
    ({"model": 3}, "$.model"),
    ({"decode": {"target": {"beam_size": 0}}}, "$.decode"),
    ({"decode": {"target": {"ctc_weight": 2.0}}}, "$.decode"),
    ({"train": {"source": {"epochs": 3}}}, "$.train"),
    ({"train": {"own": [{"epoch": 3}]}}, "$.train"),
    ({"systems": {"a": {"task": "tts"}}}, "$.systems"),
    ({"systems": {"a": {"data": "tgt_test"}}}, "$.systems"),
    ({"compare": [["a"]]}, "$.compare"),
    ({"labels": {"mt": {"translater": "trained"}}}, "$.labels"),
    ({"include": "base.yaml"}, "$.include"),
    ({"train": {"default": {"warmup": 1.0}}}, "$.train"),
    ({"systems": {"a": {"init": {"from": "b", "parts": []}}}}, "$.systems"),
])
def test_mistakes_do_not(change: dict[str, Any], place: str) -> None:
    errors = [error.json_path for error in VALIDATOR.iter_errors(change)]
    assert errors and all(path.startswith(place) for path in errors)


@pytest.mark.parametrize("change", [
    {"systems": {"st_human": None}, "labels": {"mt": None}, "model": None},
    {"systems": {"xfer_@label@": {"init": {"from": "st_@label@", "parts": "all"}}}, "label_systems": ["mt_5k"]},
    {"systems": {"a": {"text": "@target@.human"}}, "compare": [["xfer_@label@", "direct"]]},
    {"train": {"default": {"lr": 2.0e-3}, "own": [{"epochs": 3, "freeze": ["encoder"]}]}},
])
def test_what_files_may_leave_out_remove_and_stand_for(change: dict[str, Any]) -> None:
    assert VALIDATOR.is_valid(change)
