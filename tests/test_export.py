"""An exported model is the model, wherever it is moved, and others can start from it."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import kaldiio
import pytest
import torch
import toy

from stxfer.bin import export_model as cli
from stxfer.core.errors import DataError, StaleError, TransferError
from stxfer.core.fileio import read_json
from stxfer.decoding.decode import decode_batch
from stxfer.experiment.config import Experiment
from stxfer.experiment.training import Decoding
from stxfer.kaldi.table import read_table
from stxfer.model.load import load_model
from stxfer.model.transfer import load_state
from stxfer.training.fit_system import fit_system

World = tuple[Path, Experiment]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    root = tmp_path_factory.mktemp("world")
    experiment, _ = toy.make_world(root)
    fit_system(experiment, experiment.systems["source_asr"], 1, root / "dump", root / "exp")
    return root, experiment


@pytest.fixture
def exported(world: World, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Path:
    """The source ASR, exported, moved, and its vocabulary's first place gone."""
    cli.main(["--model", str(world[0] / "exp/source_asr/seed1"), "--out", str(tmp_path / "out")])
    assert "model.safetensors (sha256 " in capsys.readouterr().out
    shutil.move(tmp_path / "out", tmp_path / "moved")
    return tmp_path / "moved"


def test_it_opens_after_a_move_and_writes_the_same(world: World, exported: Path) -> None:
    here, there = load_model(world[0] / "exp/source_asr/seed1"), load_model(exported)
    feats = read_table(world[0] / "dump/fbank/src_dev/feats.scp")
    features = {utt: kaldiio.load_mat(path).copy() for utt, path in feats.items()}
    options = Decoding(beam_size=2, minlenratio=0.3)
    assert decode_batch(here.model, features, options) == decode_batch(there.model, features, options)
    assert there.tokenizer.encode("the dog") == here.tokenizer.encode("the dog")
    state = load_state(exported / "model.safetensors")
    assert all(torch.equal(state[name], tensor) for name, tensor in here.model.state_dict().items())


def test_stock_espnet_opens_it(world: World, tmp_path: Path) -> None:
    from espnet2.bin.asr_inference import Speech2Text

    cli.main(["--model", str(world[0] / "exp/source_asr/seed1"), "--out", str(tmp_path / "out")])
    recogniser = Speech2Text(asr_train_config=tmp_path / "out/config.yaml", asr_model_file=tmp_path / "out/model.pth",
                             beam_size=2, maxlenratio=-5.0)
    assert recogniser.asr_model.encoder is not None


def test_another_experiment_starts_from_it(world: World, exported: Path, tmp_path: Path) -> None:
    def systems(model: Path) -> dict[str, Any]:
        return {"direct": {"task": "asr", "data": "tgt_train", "text": "sw",
                           "init": {"model": str(model), "parts": ["encoder", "decoder_body"]}}}

    def train(model: Path) -> None:
        experiment, _ = toy.make_experiment(tmp_path, systems=systems(model), compare=[])
        fit_system(experiment, experiment.systems["direct"], 1, world[0] / "dump", tmp_path / "exp")

    train(exported)
    report = read_json(tmp_path / "exp/direct/seed1/transfer.json")
    assert report["parts"] == ["encoder", "decoder_body"] and 0.5 < report["share"] < 1
    (exported / "model.safetensors").write_bytes(b"other parameters")
    with pytest.raises(StaleError, match=r"input .*moved/model.safetensors"):
        train(exported)
    shutil.rmtree(tmp_path / "exp")
    with pytest.raises(TransferError, match=r"moved/model.safetensors: cannot be read as model parameters"):
        train(exported)
    with pytest.raises(DataError, match=r"nowhere/model.pth: no such file"):
        train(tmp_path / "nowhere")


def test_nothing_to_export(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"model.json: no such file"):
        cli.main(["--model", str(tmp_path), "--out", str(tmp_path / "out")])
    assert not (tmp_path / "out").exists()
