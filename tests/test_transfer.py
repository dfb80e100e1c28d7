"""Transfer fails when it should and accounts for every tensor when it does not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from stxfer.core.errors import TransferError
from stxfer.model.build import build_model
from stxfer.model.transfer import load_state, transfer


def pieces(size: int, first: int = 0) -> list[str]:
    return ["<blank>", "<unk>", *(f"p{i}" for i in range(first, first + size)), "<sos/eos>"]


SAME = (pieces(20), pieces(20))


def make(size: int = 20, ctc_weight: float = 0.3, dim: int = 16, blocks: int = 1, seed: int = 0,
         family: str = "transformer") -> Any:
    torch.manual_seed(seed)
    common = {"token_list": pieces(size), "input_size": 80, "frontend": None, "normalize": None}
    if family == "berard":
        return build_model("asr", {
            **common, "encoder": "berard", "encoder_conf": {"hidden_size": 8}, "decoder": "berard",
            "decoder_conf": {"hidden_size": 8}, "model_conf": {"report_cer": False, "report_wer": False}})
    return build_model("asr", {
        **common,
        "encoder": "s2t_transformer",
        "encoder_conf": {"output_size": dim, "attention_heads": 2, "linear_units": 32, "num_blocks": blocks,
                         "conv_channels": 16},
        "decoder": "transformer", "decoder_conf": {"attention_heads": 2, "linear_units": 32, "num_blocks": blocks},
        "model_conf": {"ctc_weight": ctc_weight, "report_cer": False, "report_wer": False}})


def test_all_is_a_copy() -> None:
    source, target = make(seed=1), make(seed=2)
    report = transfer(target, source.state_dict(), ["all"], source="s", vocabularies=SAME)
    assert report.share == 1.0
    assert all(torch.equal(a, b) for a, b in zip(source.state_dict().values(), target.state_dict().values(),
                                                 strict=True))


def test_decoder_body_leaves_the_vocabulary_rows_alone() -> None:
    source, target = make(size=30, seed=1), make(seed=2)
    before = {name: tensor.clone() for name, tensor in target.state_dict().items()}
    report = transfer(target, source.state_dict(), ["encoder", "decoder_body"], source="s",
                      vocabularies=(pieces(30), pieces(20)))
    after = target.state_dict()
    loaded = {t.name for t in report.tensors if t.loaded}
    assert loaded == {n for n in after if n.startswith(("encoder.", "decoder."))
                      and not n.startswith(("decoder.embed.", "decoder.output_layer."))}
    for name, tensor in after.items():
        assert torch.equal(tensor, source.state_dict()[name] if name in loaded else before[name]), name
    assert 0 < report.share < 1


def test_head_that_the_source_lacks_is_new_and_said() -> None:
    report = transfer(make(seed=2), make(ctc_weight=0.0).state_dict(), ["all"], source="s", vocabularies=SAME)
    assert {t.name for t in report.tensors if not t.loaded} == {"ctc.ctc_lo.weight", "ctc.ctc_lo.bias"}
    assert "the source has no CTC branch" in report.summary()


@pytest.mark.parametrize(("change", "parts", "vocabularies", "message"), [
    ({"size": 30}, ["all"], (pieces(20), pieces(30)), "another vocabulary (23 pieces, fingerprint "),
    ({}, ["decoder"], (pieces(20, 5), pieces(20)), "18 pieces in both); share the vocabulary, transfer 'decoder_body'"),
    ({"dim": 32}, ["encoder"], SAME, "both models must have the same configuration"),
    ({"blocks": 2}, ["encoder"], SAME, "has no tensor encoder.encoders.1."),
    ({}, [], SAME, "nothing would be transferred"),
    ({"ctc_weight": 0.0}, ["encoder", "ctc"], SAME, "no tensor belongs to part 'ctc'"),
])
def test_what_does_not_fit_is_an_error(change: dict[str, int], parts: list[str],
                                       vocabularies: tuple[list[str], list[str]], message: str) -> None:
    target = make(**{**change, "seed": 2})
    before = {name: tensor.clone() for name, tensor in target.state_dict().items()}
    with pytest.raises(TransferError) as error:
        transfer(target, make(seed=1).state_dict(), parts, source="s", vocabularies=vocabularies)
    assert message in str(error.value)
    assert all(torch.equal(before[name], tensor) for name, tensor in target.state_dict().items())


@pytest.mark.parametrize("family", ["transformer", "berard"])
def test_mapped_rows_are_those_of_shared_pieces(family: str) -> None:
    theirs, ours = pieces(30), pieces(20, first=25)  # p25 to p29 in both
    source, target = make(size=30, seed=1, family=family), make(size=20, seed=2, family=family)
    before = {name: tensor.clone() for name, tensor in target.state_dict().items()}
    report = transfer(target, source.state_dict(), ["all"], source="s", vocabularies=(theirs, ours), policy="map")
    there = source.state_dict()
    by_row = [name for name, tensor in before.items() if tensor.shape != there[name].shape]
    assert len(by_row) == 5  # embedding, output and CTC, the last two with biases
    for name, tensor in target.state_dict().items():
        for row, piece in enumerate(ours if name in by_row else ()):
            expected = there[name][theirs.index(piece)] if piece in theirs else before[name][row]
            assert torch.equal(tensor[row], expected), (name, piece)
        assert name in by_row or torch.equal(tensor, there[name])
    total = sum(t.numel() for t in before.values())
    assert report.share == pytest.approx(1 - sum(15 * before[name][0].numel() for name in by_row) / total)
    assert "rows of the 8 pieces in both vocabularies, of 23" in report.summary()


def test_reinitialised_rows_stay_what_they_were() -> None:
    source, target = make(size=30, seed=1), make(seed=2)
    before = {name: tensor.clone() for name, tensor in target.state_dict().items()}
    report = transfer(target, source.state_dict(), ["all"], source="s", vocabularies=(pieces(30), pieces(20)),
                      policy="reinit")
    fresh = {t.name for t in report.tensors if not t.loaded}
    assert len(fresh) == 5 and all("policy reinit" in t.reason for t in report.tensors if t.name in fresh)
    for name, tensor in target.state_dict().items():
        assert torch.equal(tensor, before[name] if name in fresh else source.state_dict()[name]), name


def test_vocabularies_without_a_common_piece_cannot_be_mapped() -> None:
    with pytest.raises(TransferError, match=r"no piece of its vocabulary \(33 pieces.*use init.vocabulary: reinit"):
        transfer(make(seed=2), make(size=30).state_dict(), ["all"], source="s", policy="map",
                 vocabularies=(pieces(30), pieces(20, first=100)))


def test_trainer_checkpoint_and_damaged_file_are_refused(tmp_path: Path) -> None:
    torch.save({"model": {}, "epoch": 3}, tmp_path / "checkpoint.pth")
    with pytest.raises(TransferError, match="not a model's parameters"):
        load_state(tmp_path / "checkpoint.pth")
    (tmp_path / "cut.pth").write_bytes((tmp_path / "checkpoint.pth").read_bytes()[:100])
    (tmp_path / "empty.pth").touch()  # of which torch says nothing
    for name in ("cut.pth", "empty.pth"):
        with pytest.raises(TransferError, match=f"{name}: cannot be read as model parameters: ."):
            load_state(tmp_path / name)
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
