"""Systems beyond plain ASR and ST, as experiment files declare them: what makes no sense is named."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest
import toy

from stxfer.core.errors import ConfigError

TEXT_ONLY = [{"ctc_weight": 0.0, "freeze": ["encoder"]}]
BODY = {"from": "source_asr", "parts": ["encoder", "decoder_body"]}
SYSTEMS: dict[str, Any] = {
    "source_asr": {"task": "asr", "data": "src_train", "text": "@source@"},
    "text_only": {"task": "text", "data": "src_train", "text": "@target@.human", "train": "text_only", "init": BODY},
    "xfer_text": {"task": "asr", "data": "tgt_train", "text": "@target@", "init": {"from": "text_only"}},
    "multi": {"task": "st", "data": "src_train", "text": "@target@.human", "tags": True, "vocab": "joint",
              "mix": [{"data": "src_train", "text": "@source@", "share": 0.5}], "init": BODY},
    "xfer_multi": {"task": "asr", "data": "tgt_train", "text": "@target@", "tags": True, "vocab": "joint",
                   "init": {"from": "multi"}},
    "mixed": {"task": "asr", "data": "tgt_train", "text": "@target@", "init": {"from": "text_only"},
              "mix": [{"data": "src_train", "text": "@target@.human", "share": 0.5}]},
}
JOINT = {"size": 40, "text": ["src_train", "tgt_train", "bitext.sw"], "tags": ["en", "sw"]}
CHANGES: dict[str, Any] = {
    "systems": SYSTEMS, "compare": [["mixed", "xfer_text"]],
    "vocab": {**toy.CONFIG["vocab"], "joint": JOINT}, "train": {**toy.CONFIG["train"], "text_only": TEXT_ONLY}}


def changed(name: str, **values: Any) -> dict[str, Any]:
    return {**CHANGES, "systems": {**SYSTEMS, name: {**SYSTEMS[name], **values}}}


@pytest.mark.parametrize(("changes", "message"), [
    (changed("text_only", train="st2"), "systems.text_only.train: 'st2' is not under 'train'"),
    (changed("text_only", train="target"), "systems.text_only.train: 'target' has a ctc_weight, but task text has no "
                                           "speech for CTC; give it a schedule of its own with ctc_weight 0"),
    ({**CHANGES, "train": {**CHANGES["train"], "text": [{**TEXT_ONLY[0], "encode_once": True}]}, "systems": {
        **SYSTEMS, "text_only": {**SYSTEMS["text_only"], "train": "text"}}},
     "systems.text_only.train: 'text' has encode_once, but task text runs no encoder; leave it out"),
    (changed("multi", tags=False), "systems.multi.mix: texts in several languages need 'tags: true'"),
    (changed("multi", tags="yes"), "systems.multi.tags: 'yes' must be true or false"),
    (changed("multi", vocab="target"), "vocabulary 'target' has no piece <en>; set vocab.target.tags"),
    (changed("multi", vocab="both"), "systems.multi.vocab: 'both' is not under 'vocab'"),
    (changed("multi", mix={"data": "src_train"}), "systems.multi.mix: {'data': 'src_train'} must be a list"),
    (changed("multi", mix=[{"data": "src_train", "text": "en", "weight": 2}]), "mix[0]: unknown key 'weight'"),
    (changed("multi", mix=[{"data": "src_train", "text": "en", "share": 2}]),
     "mix[0].share: 2 must be at most 1"),
    (changed("mixed", mix=[{"data": "src_train", "text": "sw.nllb"}]), "label 'nllb' is not under 'labels'"),
    (changed("mixed", init={"parts": "all"}), "systems.mixed.init: needs either 'from', a system to start from, or "
                                              "'model', a model's directory"),
    (changed("mixed", init={"from": "multi", "vocabulary": "guess"}),
     "systems.mixed.init.vocabulary: 'guess' must be one of same map reinit"),
    ({**CHANGES, "train": {**CHANGES["train"], "targett": [{}]}}, "train.targett: no system has this schedule"),
])
def test_what_makes_no_sense_is_named(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError) as error:
        toy.make_experiment(tmp_path, **changes)
    assert message in str(error.value)


def test_reading_experiments_imports_no_networks() -> None:
    """It is done before every stage, and by every test of it."""
    import subprocess

    modules = "stxfer.bin.check_config, stxfer.experiment.schema, sys"
    loaded = subprocess.run([sys.executable, "-c", f"import {modules}; print(*sys.modules)"], check=True, text=True,
                            stdout=subprocess.PIPE).stdout.split()
    assert "pydantic" in loaded and not {"torch", "numpy", "espnet2", "sentencepiece"} & set(loaded)
