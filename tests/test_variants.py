"""Variants of decoding: what an experiment file may say of them, and which systems they make."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import toy
from test_systems import CHANGES

from stxfer.core.errors import ConfigError
from stxfer.experiment.config import Experiment
from stxfer.experiment.layout import decode_dir, score_dir

LM = {"sw": {"text": ["tgt_train"]}}
DECODE = {"target": {"beam_size": 4, "ctc_weight": 0.4}, "mt": toy.CONFIG["decode"]["mt"]}
VARIANTS = {"lm": {"target": {"lm": "sw", "lm_weight": 0.6}}, "wide": {"target": {"beam_size": 9}, "st": {}}}


def make(root: Path, **changes: Any) -> Experiment:
    return toy.make_experiment(root, **{**CHANGES, "lm": LM, "decode": DECODE, "variants": VARIANTS, **changes})[0]


def test_systems_are_there_in_every_way_of_decoding(tmp_path: Path) -> None:
    experiment = make(tmp_path, compare=[["mixed+lm", "mixed"], ["xfer_text+lm", "mixed+lm"]])
    # xfer_multi has another vocabulary than the language model; nothing is decoded with the text-only control.
    assert [way.name for way in experiment.select_decoded()] == [
        "source_asr", "text_only", "mixed", "mixed+lm", "mixed+wide", "multi", "multi+wide", "xfer_multi",
        "xfer_multi+wide", "xfer_text", "xfer_text+lm", "xfer_text+wide"]
    plain, fused, wide = (experiment.decoded[name].options for name in ("mixed", "mixed+lm", "mixed+wide"))
    assert (plain.beam_size, plain.ctc_weight, plain.lm) == (4, 0.4, "")
    assert (fused.beam_size, fused.ctc_weight, fused.lm, fused.lm_weight) == (4, 0.4, "sw", 0.6)
    assert (wide.beam_size, wide.ctc_weight, wide.lm) == (9, 0.4, "")


def test_names_select_what_is_trained_and_how_it_is_decoded(tmp_path: Path) -> None:
    experiment = make(tmp_path)
    assert [system.name for system in experiment.select(["mixed+lm"])] == ["mixed"]
    assert [way.name for way in experiment.select_decoded(["mixed+lm"])] == ["mixed+lm"]
    assert [way.name for way in experiment.select_decoded(["mixed"])] == ["mixed", "mixed+lm", "mixed+wide"]
    assert [way.name for way in experiment.select_decoded(["mixed+wide", "source_asr"])] == ["source_asr", "mixed+wide"]
    assert len(experiment.select_decoded()) == len(experiment.decoded)
    with pytest.raises(ConfigError, match=r"unknown system 'mixed\+ml'; declared: .*; did you mean 'mixed\+lm'"):
        experiment.select(["mixed+ml"])


def test_hypotheses_lie_beside_the_usual_ones(tmp_path: Path) -> None:
    system = make(tmp_path).systems["mixed"]
    assert decode_dir(Path("exp"), system, 2) == Path("exp/mixed/seed2/decode/tgt_test")
    assert decode_dir(Path("exp"), system, 2, "lm") == Path("exp/mixed/seed2/decode/tgt_test+lm")
    assert score_dir(Path("exp"), system, 2, "lm") == Path("exp/mixed/seed2/decode/tgt_test+lm/score")


def test_what_is_tried_in_tuning(tmp_path: Path) -> None:
    tune = {"lm_weight": [0.0, 0.3], "length_bonus": [0, 1]}
    experiment = make(tmp_path, variants={"lm": {"target": {"lm": "sw", "tune": tune}}})
    tried = experiment.decoded["mixed+lm"].options.candidates()
    assert [(options.lm_weight, options.length_bonus) for options in tried] == [(0, 0), (0, 1), (0.3, 0), (0.3, 1)]
    assert {(options.ctc_weight, options.beam_size, options.tune) for options in tried} == {(0.4, 4, None)}
    usual = experiment.decoded["mixed"].options
    assert usual.candidates() == [usual]


@pytest.mark.parametrize(("changes", "message"), [
    ({"variants": {"lm": {"target": {"lm": "swa"}}}}, "variants.lm.target.lm: 'swa' is not under 'lm'; did you mean"),
    ({"variants": {"lm": {"target": {"lm_weight": -1}}}}, "variants.lm.target.lm_weight: -1 must be at least 0"),
    ({"variants": {"lm": {"mt": {}}}}, "variants.lm: unknown key 'mt'"),
    ({"variants": {"l+m": {}}}, "variants"),
    ({"variants": {"x": {"target": {"tune": {"lm_weight": [0.1]}}}}},
     "variants.x.target.tune.lm_weight: there is no language model to weigh; set lm"),
    ({"variants": {"x": {"target": {"tune": {}}}}}, "variants.x.target.tune: has no values to try"),
    ({"variants": {"x": {"target": {"tune": {"beam_size": [1]}}}}}, "tune: unknown key 'beam_size'"),
    ({"decode": {"target": {"lm": "sw"}}}, "decode.target.lm: system 'xfer_multi' has vocabulary 'joint', language "
                                           "model 'sw' has 'target'; name it in a variant"),
    ({"decode": {"mt": {"lm": "sw"}}}, "decode.mt: unknown key 'lm'"),
    ({"compare": [["mixed+lm", "mixed+ml"]]}, "compare[0]: unknown system 'mixed+ml'; it is decoded as mixed mixed+lm "
                                              "mixed+wide"),
    ({"compare": [["xfer_multi+lm", "mixed+lm"]]}, "unknown system 'xfer_multi+lm'; it is decoded as xfer_multi "
                                                   "xfer_multi+wide (a variant is there for"),
    ({"systems": {**CHANGES["systems"], "a+b": CHANGES["systems"]["mixed"]}}, "systems"),
])
def test_wrong_declarations_are_named(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError) as error:
        make(tmp_path, **changes)
    assert message in str(error.value)
