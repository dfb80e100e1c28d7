"""Systems beyond plain ASR and ST: several texts in one training, language tags, the text-only control."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
import toy
from test_systems import CHANGES

from stxfer.core.errors import DataError
from stxfer.core.fileio import read_json, write_json
from stxfer.decoding.decode import decode_dataset
from stxfer.decoding.search import beam_search
from stxfer.experiment.config import Experiment
from stxfer.experiment.training import Decoding
from stxfer.kaldi.table import read_table, write_table
from stxfer.model.load import load_model
from stxfer.model.text_only import TextOnlyModel
from stxfer.model.transfer import load_state
from stxfer.prepare.vocab import make_vocabs
from stxfer.report.report import through_st
from stxfer.training.fit_system import fit_system
from stxfer.training.launch import system_stage
from stxfer.training.mixture import write_mixture
from stxfer.training.spec import Corpus


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Experiment]:
    """Every system of ``SYSTEMS``, trained."""
    root = tmp_path_factory.mktemp("world")
    toy.make_dump(root)
    experiment, _ = toy.make_experiment(root, **CHANGES)
    make_vocabs(experiment, root / "dump")
    for system in experiment.order():
        fit_system(experiment, system, 1, root / "dump", root / "exp")
    return root, experiment


def test_the_control_learns_text_and_keeps_the_encoder(world: tuple[Path, Experiment]) -> None:
    exp = world[0] / "exp"
    source, control = (load_state(exp / name / "seed1/model.pth") for name in ("source_asr", "text_only"))
    shared = [name for name in control if name.startswith("encoder.") and not name.endswith("num_batches_tracked")]
    assert shared and all(torch.equal(source[name], control[name]) for name in shared)
    body = "decoder.decoders.0.self_attn.linear_q.weight"
    assert not torch.equal(source[body], control[body])
    assert not any(name.startswith("ctc.") for name in control)
    epochs = read_json(exp / "text_only/seed1/model.json")["epochs"]
    assert epochs[-1]["train_loss"] < epochs[0]["train_loss"]


def test_the_control_is_given_no_speech(world: tuple[Path, Experiment]) -> None:
    model = load_model(world[0] / "exp/text_only/seed1").model
    text, words = torch.tensor([[3, 4, 5]]), torch.tensor([3])
    losses = [float(model(torch.randn(1, n, 80), torch.tensor([n]), text, words)[0]) for n in (40, 90)]
    assert losses[0] == losses[1] > 0


def test_a_control_of_an_earlier_version_opens(world: tuple[Path, Experiment], tmp_path: Path) -> None:
    old = tmp_path / "seed1"
    shutil.copytree(world[0] / "exp/text_only/seed1", old)
    config = (old / "config.yaml").read_text(encoding="utf-8")
    assert "\nmodel: text_only\n" in config
    (old / "config.yaml").write_text(config.replace("\nmodel: text_only\n", "\nmodel: deaf\n"), encoding="utf-8")
    write_json(old / "model.json", {**read_json(old / "model.json"), "task": "lm"})
    assert isinstance(load_model(old).model, TextOnlyModel)


def test_what_starts_from_the_control_is_an_ordinary_recogniser(world: tuple[Path, Experiment]) -> None:
    report = read_json(world[0] / "exp/xfer_text/seed1/transfer.json")
    fresh = {tensor["name"] for tensor in report["tensors"] if not tensor["loaded"]}
    assert fresh == {"ctc.ctc_lo.weight", "ctc.ctc_lo.bias"}
    config = load_model(world[0] / "exp/xfer_text/seed1").config
    assert config["model"] == "espnet"


def test_a_multi_task_system_reads_both_texts_with_tags(world: tuple[Path, Experiment]) -> None:
    data = world[0] / "exp/multi/seed1/data"
    text = read_table(data / "train/text")
    assert {value.split()[0] for key, value in text.items() if key.startswith("m0-")} == {"<sw>"}
    english = {key: value for key, value in text.items() if key.startswith("m1-")}
    assert 0 < len(english) < 24 and all(value.startswith("<en> the ") for value in english.values())
    assert len(text) == 24 + len(english)
    feats = read_table(data / "train/feats.scp")
    assert feats.keys() == text.keys()
    assert all(feats[key] == feats[key.replace("m1-", "m0-")] for key in english)
    assert all(value.startswith("<sw> ") for value in read_table(data / "dev/text").values())
    assert "<sw>" in load_model(world[0] / "exp/multi/seed1").tokens


@pytest.mark.parametrize("tag", ["<sw>", "<en>"])
def test_the_tag_is_given_to_the_search_and_not_written(world: tuple[Path, Experiment], tmp_path: Path, tag: str,
                                                        monkeypatch: pytest.MonkeyPatch) -> None:
    found: list[Any] = []

    def watched(*args: Any, **options: Any) -> Any:
        found.extend(results := beam_search(*args, **options))
        return results

    monkeypatch.setattr("stxfer.decoding.search.beam_search", watched)
    loaded = load_model(world[0] / "exp/multi/seed1")
    feats = world[0] / "dump/fbank/src_dev/feats.scp"
    options = Decoding(beam_size=3, maxlenratio=1.0, minlenratio=0.7)
    decode_dataset(loaded.model, loaded.tokens, loaded.tokenizer, feats, tmp_path, options, tag=tag)
    given = ["▁", tag]
    searched = [[loaded.tokens[i] for i in nbest[0].tokens] for nbest in found]
    assert len(searched) == 6 and all(pieces[:2] == given and len(pieces) > 2 for pieces in searched)
    written = sorted(value.split() for value in read_table(tmp_path / "token").values())
    assert written == sorted([piece for piece in pieces[2:] if piece != "<blank>"] for pieces in searched)


def test_mixed_fine_tuning_reads_both_sets(world: tuple[Path, Experiment]) -> None:
    root, experiment = world
    keys = read_table(root / "exp/mixed/seed1/data/train/text")
    assert {key[:7] for key in keys} == {"m0-tgt_", "m1-src_"}
    stage = system_stage(experiment, experiment.systems["mixed"], 1, root / "dump", root / "exp")
    inputs = {str(Path(path).relative_to(root)) for path in stage.inputs}
    assert {"dump/fbank/src_train/text.sw.human", "dump/fbank/tgt_train/text"} <= inputs


def test_a_smaller_share_lies_within_a_larger_one(world: tuple[Path, Experiment], tmp_path: Path) -> None:
    directory = world[0] / "dump/fbank/src_train"
    corpus = Corpus({"speech": directory / "feats.scp", "text": directory / "text"}, directory / "utt2num_frames")

    def keys(share: float, seed: int = 1) -> set[str]:
        made = write_mixture([(share, corpus, "")], tmp_path / "d", tmp_path / "d", seed)
        return set(read_table(made.tables["text"]))

    assert keys(0.2) < keys(0.6) < keys(1.0)
    assert keys(0.6) != keys(0.6, seed=2)
    write_table(tmp_path / "text", {"src_train-00": "x"})
    with pytest.raises(DataError, match="a share of 1e-09 of it is not a single utterance"):
        write_mixture([(1e-9, Corpus({**corpus.tables, "text": tmp_path / "text"}, corpus.lengths), "")],
                      tmp_path / "d", tmp_path / "d", 1)


def test_what_went_through_speech_translation(world: tuple[Path, Experiment]) -> None:
    """The text-only control did not; what starts from it has been taught nothing by speech."""
    assert through_st(world[1]) == {"xfer_multi"}
