"""Models put together for decoding are those that ESPnet's task builds."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest
import torch

from stxfer.model.build import build_model
from stxfer.model.recogniser import LanguageModel, Recogniser, recognises

BLOCK = {"output_size": 16, "attention_heads": 2, "linear_units": 16, "num_blocks": 1}
TRANSFORMER = {"decoder": "transformer", "decoder_conf": {"attention_heads": 2, "linear_units": 16, "num_blocks": 1}}
COMMON: dict[str, Any] = {"token_list": ["<blank>", "<unk>", "a", "b", "<sos/eos>"], "input_size": 20, "frontend": None,
                          "normalize": None}
FAMILIES: dict[str, dict[str, Any]] = {
    "s2t_transformer": {"encoder_conf": BLOCK, **TRANSFORMER},
    "s2t_conformer": {"encoder_conf": BLOCK | {"cnn_module_kernel": 5}, **TRANSFORMER},
    "s2t_e_branchformer": {"encoder_conf": BLOCK | {"cgmlp_linear_units": 32, "cgmlp_conv_kernel": 5}, **TRANSFORMER},
    "s2t_blstm": {"encoder_conf": {"output_size": 16, "num_layers": 1}, **TRANSFORMER, "input_size": None,
                  "frontend": "weighted_sum", "frontend_conf": {"layers": [1, 2], "size": 10}},
    "berard": {"encoder_conf": {"hidden_size": 8, "num_layers": 1}, "decoder": "berard",
               "decoder_conf": {"embed_size": 8, "hidden_size": 8, "attention_dim": 8}},
    "conformer": {"encoder_conf": BLOCK | {"input_layer": "conv2d", "cnn_module_kernel": 5}, **TRANSFORMER},
}


@pytest.mark.parametrize("ctc_weight", [0.0, 0.3])
@pytest.mark.parametrize("encoder", FAMILIES)
def test_a_recogniser_is_espnets_model(encoder: str, ctc_weight: float) -> None:
    config = {**COMMON, "encoder": encoder, **FAMILIES[encoder], "model_conf": {"ctc_weight": ctc_weight}}
    assert recognises(config)
    theirs: Any = build_model("asr", config).eval()
    ours = Recogniser(config).eval()
    ours.load_state_dict(theirs.state_dict(), strict=True)
    assert (ours.sos, ours.eos) == (theirs.sos, theirs.eos)
    assert (ours.ctc is None) == (theirs.ctc is None) == (ctc_weight == 0.0)
    speech, lengths = torch.randn(2, 60, 20), torch.tensor([60, 37])
    with torch.no_grad():
        expected, expected_lengths = theirs.encode(speech, lengths)
        found, found_lengths = ours.encode(speech, lengths)
    assert torch.equal(found_lengths, expected_lengths) and torch.equal(found, expected)


@pytest.mark.parametrize(("lm", "conf"), [("seq_rnn", {"unit": 8}), ("transformer", {"att_unit": 8, "unit": 8})])
def test_a_language_model_is_espnets(lm: str, conf: dict[str, Any]) -> None:
    config = {"token_list": COMMON["token_list"], "lm": lm, "lm_conf": conf}
    LanguageModel(config).load_state_dict(build_model("lm", config).state_dict(), strict=True)


@pytest.mark.parametrize("other", [{"encoder": "longformer"}, {"preencoder": "linear"}, {"model": "text_only"},
                                   {"encoder_conf": {"interctc_use_conditioning": True}}])
def test_what_is_left_to_espnets_task(other: dict[str, Any]) -> None:
    assert not recognises({**COMMON, "encoder": "conformer", **FAMILIES["conformer"], **other})


def test_opening_a_model_loads_no_task() -> None:
    script = "import sys, stxfer.model.load; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout.split()
    assert "espnet2.asr.ctc" in loaded and not {"espnet2.tasks", "torchaudio", "transformers"} & set(loaded)
