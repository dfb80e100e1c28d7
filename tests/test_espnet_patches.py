"""What this package changes in ESPnet, and assumes of it: each test fails when ESPnet changes underneath."""

from __future__ import annotations

import inspect
import io
import logging
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
import torch

from stxfer.model import espnet, espnet_layers
from stxfer.model.build import ASRTask
from stxfer.model.encoder import S2TConformerEncoder, S2TEBranchformerEncoder, S2TTransformerEncoder
from stxfer.model.espnet_patches import CHECKED, INTERNALS, fast_imports, quiet_builds, quiet_training
from stxfer.model.saves import atomic_saves

with fast_imports():
    from espnet2.train import reporter, trainer


@pytest.mark.parametrize("package", CHECKED)
def test_versions_are_those_checked(package: str) -> None:
    """After an update: run the tests of this file and of the search, then correct ``CHECKED``."""
    assert version(package).partition("+")[0] == CHECKED[package]


def test_imports_are_fast_and_nothing_is_lost() -> None:
    """In a process of its own: what ESPnet's imports would bring along is not there, and can still be imported."""
    script = """
import sys
import stxfer.model.espnet
import espnet2.text.phoneme_tokenizer as phonemes
import typeguard
loaded = [name for name in ("transformers", "nltk", "g2p_en.g2p") if name in sys.modules]
assert not loaded, loaded
assert phonemes.g2p_en.G2p is None  # ESPnet imports it there
def plain(): pass
assert typeguard.typechecked(plain) is plain and typeguard.typechecked(check_argument_types=True)(plain) is plain
import nltk
assert nltk.__version__
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, ""), done.stderr


def test_default_configurations_read_the_command_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["train", "--max_epoch", "7"])
    assert ASRTask.get_default_config()["max_epoch"] == 7  # why it has to be hidden
    root = logging.getLogger()
    level = root.level
    with quiet_builds():
        assert ASRTask.get_default_config()["max_epoch"] == 40
        assert not root.isEnabledFor(logging.INFO)
    assert root.level == level and sys.argv[1:] == ["--max_epoch", "7"]


def test_saves_are_whole_or_not_at_all(tmp_path: Path) -> None:
    plain, path = torch.save, tmp_path / "x.pth"
    with atomic_saves():
        torch.save({"a": torch.ones(2)}, path)
        with pytest.raises(Exception, match="pickle|local object"):
            torch.save({"a": torch.zeros(2), "b": lambda: None}, path)
        torch.save(torch.ones(1), buffer := io.BytesIO())
    assert torch.save is plain and buffer.getvalue()
    assert torch.load(path, weights_only=True)["a"].sum() == 2 and list(tmp_path.iterdir()) == [path]


def test_the_trainer_saves_the_checkpoint_before_the_epoch() -> None:
    """With ``torch.save`` to paths: what atomic saves, mending and resuming rely on."""
    source = inspect.getsource(trainer.Trainer.run)
    checkpoint, epoch = source.index('"checkpoint.pth",\n'), source.index('output_dir / f"{iepoch}epoch.pth")')
    assert checkpoint < epoch < source.index("check_early_stopping") < source.rindex("average_nbest_models(")
    assert source.count("torch.save(") == 2
    assert "for iepoch in range(start_epoch, trainer_options.max_epoch + 1)" in source


def test_espnet_averages_one_epoch_where_there_are_fewer(tmp_path: Path) -> None:
    figures = espnet.Reporter()
    for epoch in (1, 2):
        figures.set_epoch(epoch)
        with figures.observe("valid") as part:
            part.register({"acc": epoch / 10})
            part.next()
        torch.save({"w": torch.full((1,), float(epoch))}, tmp_path / f"{epoch}epoch.pth")
    for count, made in ((5, "ave_1best"), (2, "ave_2best")):
        espnet.average_nbest_models(tmp_path, figures, [("valid", "acc", "max")], count)
        assert (tmp_path / f"valid.acc.{made}.pth").exists()
    assert not (tmp_path / "valid.acc.ave_5best.pth").exists()
    assert torch.load(tmp_path / "valid.acc.ave_2best.pth", weights_only=True)["w"] == 1.5


def test_the_warnings_that_are_hidden_are_espnets(recwarn: pytest.WarningsRecorder) -> None:
    def nothing() -> Any:
        return reporter.aggregate([reporter.WeightedAverage(float("nan"), 1.0)])

    with pytest.warns(UserWarning, match="^No valid stats found"):
        nothing()
    recwarn.clear()
    with quiet_training():
        nothing()
    assert not recwarn.list


def test_processes_share_each_batch() -> None:
    """Each has a part of every batch: word errors are counted over all of them."""
    source = inspect.getsource(ASRTask.build_sequence_iter_factory)
    assert "batches = [batch[rank::world_size] for batch in batches]" in source


def test_internals_are_there() -> None:
    decoder = espnet_layers.TransformerDecoder(7, 8, attention_heads=2, linear_units=8, num_blocks=1, concat_after=True)
    layer, positions = decoder.decoders[0], decoder.embed[1]
    parts = {"TransformerDecoder": decoder, "DecoderLayer": layer, "MultiHeadedAttention": layer.self_attn,
             "PositionalEncoding": positions,
             "ScaledPositionalEncoding": espnet_layers.ScaledPositionalEncoding(8, 0.0)}
    lm = espnet_layers.TransformerLM(7, embed_unit=8, att_unit=8, unit=8, layer=1)
    parts |= {"SequentialRNNLM": espnet_layers.SequentialRNNLM(7, unit=8), "TransformerLM": lm, "Encoder": lm.encoder,
              "EncoderLayer": lm.encoder.encoders[0]}
    assert [type(module).__name__ for module in lm.encoder.embed[:4]] == ["Linear", "LayerNorm", "Dropout", "ReLU"]
    assert lm.encoder.encoders[0].normalize_before
    seen = 0
    for entry in [entry for name in ("attention", "lm", "transformer") for entry in
                  INTERNALS[f"stxfer.decoding.search.{name}"]]:
        for part in entry.split("; "):
            name, _, attributes = part.partition(": ")
            for attribute in attributes.split(", "):
                seen += 1
                stem, dash, last = attribute.partition("-")
                names = [f"{stem[:-1]}{i}" for i in range(int(stem[-1]), int(last) + 1)] if dash else [stem]
                assert all(hasattr(parts[name], attribute) for attribute in names), (name, names)
    assert seen > 20


@pytest.mark.parametrize(("ours", "theirs", "options"), [
    (S2TTransformerEncoder, espnet_layers.TransformerEncoder, {}),
    (S2TConformerEncoder, espnet_layers.ConformerEncoder, {
        "rel_pos_type": "latest", "pos_enc_layer_type": "rel_pos", "selfattention_layer_type": "rel_selfattn"}),
    (S2TEBranchformerEncoder, espnet_layers.EBranchformerEncoder, {})])
def test_encoders_are_espnets_behind_the_subsampler(ours: Any, theirs: Any, options: dict[str, Any]) -> None:
    torch.manual_seed(1)
    block = {"attention_heads": 2, "linear_units": 16, "num_blocks": 2}
    if ours is S2TEBranchformerEncoder:
        block |= {"cgmlp_linear_units": 32, "cgmlp_conv_kernel": 5}
    mine = ours(20, output_size=16, conv_channels=12, **block).eval()
    stock = theirs(16, output_size=16, input_layer=None, **block, **options).eval()
    stock.load_state_dict({name: value for name, value in mine.state_dict().items()
                           if not name.startswith("subsample.")})
    speech, lengths = torch.randn(2, 50, 20), torch.tensor([50, 31])
    frames, frame_lengths = mine.subsample(speech, lengths)
    if theirs is espnet_layers.TransformerEncoder:  # it has no positions without an input layer
        frames = espnet_layers.PositionalEncoding(16, 0.0).eval()(frames)
    expected, expected_lengths, _ = stock(frames, frame_lengths)
    found, found_lengths, _ = mine(speech, lengths)
    assert torch.equal(found_lengths, expected_lengths) and torch.equal(found, expected)
