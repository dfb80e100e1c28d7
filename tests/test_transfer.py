"""Transfer fails when it should and accounts for every tensor when it does not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from stxfer.errors import TransferError
from stxfer.model.espnet_task import build_model
from stxfer.model.transfer import load_state, transfer


def make(pieces: int = 20, ctc_weight: float = 0.3, dim: int = 16, blocks: int = 1, seed: int = 0) -> Any:
    torch.manual_seed(seed)
    tokens = ["<blank>", "<unk>", *(f"p{i}" for i in range(pieces)), "<sos/eos>"]
    return build_model("asr", {
        "token_list": tokens, "input_size": 80, "frontend": None, "normalize": None,
        "encoder": "s2t_transformer",
        "encoder_conf": {"output_size": dim, "attention_heads": 2, "linear_units": 32, "num_blocks": blocks,
                         "conv_channels": 16},
        "decoder": "transformer", "decoder_conf": {"attention_heads": 2, "linear_units": 32, "num_blocks": blocks},
        "model_conf": {"ctc_weight": ctc_weight, "report_cer": False, "report_wer": False}})


def test_all_is_a_copy() -> None:
    source, target = make(seed=1), make(seed=2)
    report = transfer(target, source.state_dict(), ["all"], source="s", same_vocabulary=True)
    assert report.share == 1.0
    assert all(torch.equal(a, b) for a, b in zip(source.state_dict().values(), target.state_dict().values(),
                                                 strict=True))


def test_decoder_body_leaves_the_vocabulary_rows_alone() -> None:
    source, target = make(pieces=30, seed=1), make(seed=2)
    before = {name: tensor.clone() for name, tensor in target.state_dict().items()}
    report = transfer(target, source.state_dict(), ["encoder", "decoder_body"], source="s", same_vocabulary=False)
    after = target.state_dict()
    loaded = {t.name for t in report.tensors if t.loaded}
    assert loaded == {n for n in after if n.startswith(("encoder.", "decoder."))
                      and not n.startswith(("decoder.embed.", "decoder.output_layer."))}
    for name, tensor in after.items():
        assert torch.equal(tensor, source.state_dict()[name] if name in loaded else before[name]), name
    assert 0 < report.share < 1


def test_head_that_the_source_lacks_is_new_and_said() -> None:
    report = transfer(make(seed=2), make(ctc_weight=0.0).state_dict(), ["all"], source="s", same_vocabulary=True)
    assert {t.name for t in report.tensors if not t.loaded} == {"ctc.ctc_lo.weight", "ctc.ctc_lo.bias"}
    assert "the source has no CTC branch" in report.summary()


@pytest.mark.parametrize(("change", "parts", "same", "message"), [
    ({"pieces": 30}, ["all"], False, "another vocabulary; transfer 'decoder_body'"),
    ({}, ["decoder"], False, "another vocabulary"),  # as many pieces, but not the same ones
    ({"dim": 32}, ["encoder"], True, "both models must have the same configuration"),
    ({"blocks": 2}, ["encoder"], True, "has no tensor encoder.encoders.1."),
    ({}, [], True, "nothing would be transferred"),
    ({"ctc_weight": 0.0}, ["encoder", "ctc"], True, "no tensor belongs to part 'ctc'"),
])
def test_what_does_not_fit_is_an_error(change: dict[str, int], parts: list[str], same: bool, message: str) -> None:
    target = make(**{**change, "seed": 2})
    before = {name: tensor.clone() for name, tensor in target.state_dict().items()}
    with pytest.raises(TransferError) as error:
        transfer(target, make(seed=1).state_dict(), parts, source="s", same_vocabulary=same)
    assert message in str(error.value)
    assert all(torch.equal(before[name], tensor) for name, tensor in target.state_dict().items())


def test_trainer_checkpoint_and_damaged_file_are_refused(tmp_path: Path) -> None:
    torch.save({"model": {}, "epoch": 3}, tmp_path / "checkpoint.pth")
    with pytest.raises(TransferError, match="not a model's parameters"):
        load_state(tmp_path / "checkpoint.pth")
    (tmp_path / "cut.pth").write_bytes((tmp_path / "checkpoint.pth").read_bytes()[:100])
    with pytest.raises(TransferError, match="cannot be read"):
        load_state(tmp_path / "cut.pth")
    with pytest.raises(TransferError, match="no such model"):
        load_state(tmp_path / "none.pth")


def test_a_batch_gives_what_its_utterances_give() -> None:
    model = make(blocks=2).eval()
    torch.manual_seed(0)
    lengths = torch.tensor([61, 40, 33])
    speech = torch.randn(3, 61, 80)
    for row, length in zip(speech, lengths, strict=True):
        row[length:] = 0
    together, together_lengths = model.encode(speech, lengths)
    for i, length in enumerate(lengths):
        alone, alone_lengths = model.encode(speech[i: i + 1, :length], length[None])
        assert alone_lengths[0] == together_lengths[i]
        torch.testing.assert_close(alone[0], together[i, : alone_lengths[0]], atol=1e-5, rtol=1e-5)
