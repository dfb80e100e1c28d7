"""Language models: what they learn from, how well they predict, kills, and what is refused."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
import torch
import toy
from test_fit import killed

from stxfer.bin import train_lm as command
from stxfer.core.errors import ConfigError, DataError, StaleError
from stxfer.core.fileio import read_json
from stxfer.core.fresh import check_input, check_there
from stxfer.experiment.config import Experiment
from stxfer.experiment.layout import LM_TEXT
from stxfer.kaldi.table import read_table
from stxfer.model.load import load_model
from stxfer.text.leaks import write_held_out
from stxfer.training.language_models import train_language_model, train_language_models

DUMP, EXP = Path("dump"), Path("exp")
PHASE = {**toy.PHASE, "batch_frames": 200}
LMS: dict[str, Any] = {
    "sw": {"text": ["tgt_train", "bitext.sw", "more/web.txt"], "model": {"lm": "seq_rnn", "lm_conf": {"unit": 16}},
           "train": [PHASE, {**PHASE, "lr": 1e-3}]},
    "big": {"text": ["tgt_train"], "train": [PHASE],
            "model": {"lm": "transformer", "lm_conf": {"embed_unit": 8, "att_unit": 8, "unit": 16, "layer": 1}}},
    "en": {"vocab": "source", "text": ["src_train", "bitext"], "model": {"lm_conf": {"unit": 8}}, "train": [PHASE]}}


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A working directory with a dump and language models."""
    root = tmp_path_factory.mktemp("trained")
    toy.make_world(root)
    held = list(read_table(root / "dump/fbank/tgt_train/text").values())[0]
    write_held_out(root / "dump/data", {held: "tgt_test/text"})
    (root / "more").mkdir()
    (root / "more/web.txt").write_text(f"Mama anapenda KITABU!\n\n{held.title()}.\n(...)\n", encoding="utf-8")
    experiment, _ = toy.make_experiment(root, lm=LMS)
    here = Path.cwd()
    os.chdir(root)
    try:
        for name in LMS:
            train_language_model(experiment, name, DUMP, EXP)
    finally:
        os.chdir(here)
    return root


@pytest.fixture
def experiment(trained: Path, monkeypatch: pytest.MonkeyPatch) -> Experiment:
    monkeypatch.chdir(trained)
    return toy.make_experiment(trained, lm=LMS)[0]


def test_dev_and_test_sentences_are_left_out_and_files_normalised(experiment: Experiment) -> None:
    data = EXP / "lm/sw/data"
    learnt = list(read_table(data / "train/text").values())
    (held,) = (line.split("\t")[0] for line in (DUMP / "data/held_out.tsv").read_text("utf-8").splitlines())
    assert held not in learnt and "mama anapenda kitabu" in learnt and all(learnt)
    bitext = (DUMP / "data/bitext/train.sw").read_text(encoding="utf-8").splitlines()
    given = [*read_table(DUMP / "fbank/tgt_train/text").values(), *bitext, "mama anapenda kitabu"]
    assert learnt == [sentence for sentence in given if sentence != held]
    counts = read_json(data / "text.json")
    assert counts["more/web.txt"] == {"file": "more/web.txt", "sentences": 4, "kept": 1, "empty": 2, "held_out": 1,
                                      "unknown": 0}
    dropped = [line.split("\t") for line in (data / "dropped.tsv").read_text(encoding="utf-8").splitlines()]
    assert ["more/web.txt:3", held, "tgt_test/text"] in dropped
    assert len(dropped) == sum(text["held_out"] for text in counts.values()) == given.count(held) + 1


@pytest.mark.parametrize("name", LMS)
def test_perplexity_is_that_of_the_model_token_by_token(experiment: Experiment, name: str) -> None:
    loaded = load_model(EXP / "lm" / name)
    found = read_json(EXP / "lm" / name / "model.json")["dev"]
    index = {piece: i for i, piece in enumerate(loaded.tokens)}
    total, count, words = 0.0, 0, 0
    for sentence in read_table(DUMP / ("fbank/src_dev/text" if name == "en" else "fbank/tgt_dev/text")).values():
        ids = [index.get(piece, 1) for piece in loaded.tokenizer.encode(sentence, out_type=str)]
        state, read = None, [len(index) - 1]
        for token in (*ids, len(index) - 1):
            scores, state = loaded.model.lm.score(torch.tensor(read), state, None)
            total -= float(scores[token])
            read.append(token)
        count, words = count + len(ids), words + len(sentence.split())
    assert (found["sentences"], found["tokens"], found["words"]) == (6, count, words)
    assert found["nll"] == pytest.approx(total, rel=1e-4)
    assert found["perplexity"] == pytest.approx(torch.tensor(total / (count + 6)).exp().item(), rel=1e-3)
    assert 1 < found["perplexity"] < len(index) and found["word_perplexity"] > found["perplexity"]


def test_training_lowers_the_loss_and_its_best_epochs_are_averaged(experiment: Experiment) -> None:
    info = read_json(EXP / "lm/sw/model.json")
    assert info["task"] == "lm" and [row["phase"] for row in info["epochs"]] == ["phase1"] * 2 + ["phase2"] * 2
    assert info["epochs"][-1]["train_loss"] < info["epochs"][0]["train_loss"]
    assert not list((EXP / "lm/sw").glob("phase*/*.pth"))


@pytest.mark.parametrize("file", ["1epoch.pth", "init.pth", "model.json"])
def test_a_killed_training_ends_in_the_same_model(experiment: Experiment, tmp_path: Path, file: str) -> None:
    killed(lambda: train_language_model(experiment, "sw", DUMP, tmp_path), lambda path: path.name == file)
    assert not (tmp_path / "lm/sw/.stage.json").exists()
    train_language_model(experiment, "sw", DUMP, tmp_path)
    assert (tmp_path / "lm/sw/model.pth").read_bytes() == (EXP / "lm/sw/model.pth").read_bytes()
    assert read_json(tmp_path / "lm/sw/model.json") == read_json(EXP / "lm/sw/model.json")


def test_a_finished_one_is_not_trained_again(experiment: Experiment, capsys: pytest.CaptureFixture[str]) -> None:
    command.main(["--config", "toy.yaml"])
    out = capsys.readouterr().out
    assert out.endswith("trained now: nothing, all is up to date\n")
    assert "language model sw: perplexity " in out and "on 6 sentences of the development set" in out
    other, _ = toy.make_experiment(Path("more"), lm={"sw": {**LMS["sw"], "text": ["tgt_train"]}})
    with pytest.raises(StaleError, match="exp/lm/sw: finished with other settings: "):
        train_language_model(other, "sw", DUMP, EXP)


def test_a_text_that_was_changed_is_named_and_one_that_is_lost_is_written_again(experiment: Experiment) -> None:
    path, model = EXP / "lm/sw" / LM_TEXT, EXP / "lm/sw/model.pth"
    given, trained = path.read_bytes(), model.stat()
    path.write_bytes(given[:-5])
    with pytest.raises(StaleError, match=f"^{path}: is not what training of language model sw has left; put that back"):
        train_language_models(experiment, Path("toy.yaml"), DUMP, EXP)
    with pytest.raises(StaleError, match=f"^{path}: is not what its stage has written; run stage 'lm' again"):
        check_input(EXP / "lm/sw")
    path.unlink()
    with pytest.raises(StaleError, match=f"^{path}: is not there any more; run stage 'lm' again"):
        check_there(EXP / "lm/sw", LM_TEXT)
    train_language_models(experiment, Path("toy.yaml"), DUMP, EXP)
    assert path.read_bytes() == given and model.stat() == trained


def test_other_test_sentences_that_no_text_has_train_nothing_again(experiment: Experiment) -> None:
    path = DUMP / "data/held_out.tsv"
    given = path.read_bytes()
    of_text = next(iter(read_table(DUMP / "fbank/tgt_train/text").values())), "mama anapenda kitabu"
    try:
        write_held_out(DUMP / "data", {of_text[0]: "tgt_test/text", "no text has this": "tgt_test/text"})
        assert train_language_models(experiment, Path("toy.yaml"), DUMP, EXP) == []
        train_language_model(experiment, "sw", DUMP, EXP)  # its marker knows them
        write_held_out(DUMP / "data", dict.fromkeys(of_text, "tgt_test/text"))
        with pytest.raises(StaleError, match=r"exp/lm/\w+: finished with other settings: input dump/data/held_out.tsv"):
            train_language_models(experiment, Path("toy.yaml"), DUMP, EXP)
    finally:
        path.write_bytes(given)
        train_language_models(experiment, Path("toy.yaml"), DUMP, EXP)


def test_without_a_declaration_there_is_nothing_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
                                                      capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(tmp_path)
    toy.make_experiment(tmp_path)
    command.main(["--config", "toy.yaml"])
    assert capsys.readouterr().out == "no language model is declared\n" and not (tmp_path / "exp").exists()


def test_what_cannot_be_trained_is_named(experiment: Experiment, tmp_path: Path) -> None:
    (tmp_path / "held.txt").write_text("\n", encoding="utf-8")
    (tmp_path / "latin1.txt").write_bytes(b"mama\nma\xe9\n")
    for text, message in (("held.txt", "language model sw: no LM text left after leak removal: of 1 sentences in .*he"),
                          ("latin1.txt", r"latin1.txt: not UTF-8 \(.*\) after line [01]; convert it"),
                          ("none.txt", "none.txt: no such file")):
        other, _ = toy.make_experiment(tmp_path, lm={"sw": {**LMS["sw"], "text": [str(tmp_path / text)]}})
        with pytest.raises(DataError, match=message):
            train_language_model(other, "sw", DUMP, tmp_path / "exp")
    assert not (tmp_path / "exp/lm/sw/.stage.json").exists()
    strict, _ = toy.make_experiment(tmp_path, lm=LMS, prepare={"leaks": "stop"})
    with pytest.raises(DataError, match=r"language model sw: \d held-out sentences stand in this training text"):
        train_language_model(strict, "sw", DUMP, tmp_path / "exp")
    with pytest.raises(ConfigError, match="unknown language model 'swa'; declared: big en sw; did you mean 'sw'"):
        train_language_model(strict, "swa", DUMP, tmp_path / "exp")


@pytest.mark.parametrize(("lm", "message"), [
    ({"text": ["tgt_dev"]}, "lm.sw.text[0]: 'tgt_dev' cannot be used: only training sets may be used"),
    ({"text": ["tgt_test/text.sw.human"]}, "cannot be used: only training sets"),
    ({"text": []}, "lm.sw.text: "),
    ({"text": ["../"]}, "must be a text as a vocabulary names them"),
    ({"text": ["tgt_train"], "vocab": "tagret"}, "lm.sw.vocab: 'tagret' is not under 'vocab'; did you mean 'target'?"),
    ({"text": ["tgt_train"], "model": {"lm": "ngram"}}, "lm.sw.model.lm: 'ngram' must be one of seq_rnn transformer"),
    ({"text": ["tgt_train"], "train": [{"encode_once": True, "freeze": ["encoder"]}]},
     "lm.sw.train.encode_once: it is for encoders of speech"),
])
def test_wrong_declarations_are_named(tmp_path: Path, lm: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError) as error:
        toy.make_experiment(tmp_path, lm={"sw": lm})
    assert message in str(error.value)
