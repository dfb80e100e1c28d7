"""Labels: which utterances they have, what they say of themselves, and what is left of a killed run."""

from __future__ import annotations

import os
import signal
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
import toy

from stxfer.config import Decoding, Experiment
from stxfer.errors import DataError
from stxfer.fileio import read_json
from stxfer.kaldi.table import read_table, write_table
from stxfer.mt import translate as translate_module
from stxfer.mt.labels import evaluate_translator, make_labels
from stxfer.mt.train import train_translator
from stxfer.mt.translator import Closing, Translation

DUMP, EXP = Path("dump"), Path("exp")


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A working directory with a dump and a translator."""
    root = tmp_path_factory.mktemp("trained")
    experiment, _ = toy.make_world(root)
    here = Path.cwd()
    os.chdir(root)
    try:
        train_translator(experiment, "mt", DUMP, EXP)
    finally:
        os.chdir(here)
    return root


@pytest.fixture
def experiment(trained: Path, monkeypatch: pytest.MonkeyPatch) -> Experiment:
    monkeypatch.chdir(trained)
    return toy.make_experiment(trained)[0]


class Fake(Closing):
    """Translates without a model; the sentences of ``silent`` come out empty, and ``fatal`` kills the process."""

    silent: tuple[str, ...] = ()
    fatal: str | None = None
    made = 0

    def __init__(self, directory: Path, options: Decoding, threads: int, identity: Mapping[str, Any]) -> None:
        type(self).made += 1
        self.identity = identity

    def translate(self, sentences: Sequence[str], nbest: int = 1,
                  keys: Sequence[str] = ()) -> list[list[Translation]]:
        if self.fatal in sentences:
            os.kill(os.getpid(), signal.SIGKILL)
        return [[] if s in self.silent else [Translation(toy.swahili(s), -float(len(s)))] for s in sentences]


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, experiment: Experiment) -> type[Fake]:
    """A translator of dumps below the test's own directory."""
    for name in ("src_train", "src_dev"):
        (tmp_path / "dump/fbank" / name).mkdir(parents=True)
        write_table(tmp_path / "dump/fbank" / name / "text", read_table(DUMP / "fbank" / name / "text"))

    class Own(Fake):
        pass

    monkeypatch.setattr(translate_module, "TrainedTranslator", Own)
    return Own


def test_labels_are_of_the_utterances_kept(fake: type[Fake], experiment: Experiment, tmp_path: Path) -> None:
    text = read_table(tmp_path / "dump/fbank/src_train/text")
    fake.silent = (list(text.values())[3],)
    lost = [utt for utt, value in text.items() if value in fake.silent]
    counts = make_labels(experiment, tmp_path / "dump", EXP)
    labels = tmp_path / "dump/labels/mt/src_train"
    assert read_table(labels / "text.sw.mt") == {utt: toy.swahili(value) for utt, value in text.items()
                                                 if utt not in lost}
    dev = read_table(tmp_path / "dump/fbank/src_dev/text").values()
    assert counts == {"mt src_train": 24 - len(lost), "mt src_dev": sum(s not in fake.silent for s in dev)} and lost
    record = read_json(labels / "labels.json")
    assert record["label"] == "mt" and record["translator"]["kind"] == "trained"
    assert record["translator"]["model"] == read_json(EXP / "mt/mt/.stage.json")["digest"]
    assert record["text"].endswith("dump/fbank/src_train/text")
    assert record["sentences"] == 24 and record["dropped"] == {"empty translation": lost}
    assert record["translator"]["options"]["beam_size"] == 2
    assert record["sample"][0] == {"utt": "src_train-00", "source": text["src_train-00"],
                                   "label": toy.swahili(text["src_train-00"]),
                                   "score": -float(len(text["src_train-00"]))}
    assert fake.made == 1
    assert make_labels(experiment, tmp_path / "dump", EXP) == counts
    assert fake.made == 1


def test_labels_killed_and_made_again(fake: type[Fake], experiment: Experiment, tmp_path: Path) -> None:
    fake.fatal = "the cat"  # in the second set alone
    write_table(tmp_path / "dump/fbank/src_dev/text", {"src_dev-00": fake.fatal})
    pid = os.fork()
    if pid == 0:
        try:
            make_labels(experiment, tmp_path / "dump", EXP)
        finally:
            os._exit(0)
    assert os.WIFSIGNALED(os.waitpid(pid, 0)[1])
    labels = tmp_path / "dump/labels/mt"
    assert (labels / "src_train/.stage.json").exists() and not (labels / "src_dev").exists()
    before = (labels / "src_train/text.sw.mt").stat().st_mtime_ns
    fake.fatal = None
    make_labels(experiment, tmp_path / "dump", EXP)
    assert (labels / "src_dev/.stage.json").exists()
    assert (labels / "src_train/text.sw.mt").stat().st_mtime_ns == before


def test_labels_follow_their_text(fake: type[Fake], experiment: Experiment, tmp_path: Path) -> None:
    make_labels(experiment, tmp_path / "dump", EXP)
    write_table(tmp_path / "dump/fbank/src_dev/text", {"u1": "the cat sees the water"})
    assert make_labels(experiment, tmp_path / "dump", EXP)["mt src_dev"] == 1
    assert read_table(tmp_path / "dump/labels/mt/src_dev/text.sw.mt") == {"u1": "paka anaona maji"}
    assert fake.made == 2


def test_a_translator_that_says_nothing_is_an_error(fake: type[Fake], experiment: Experiment, tmp_path: Path) -> None:
    fake.silent = tuple(toy.ENGLISH)
    with pytest.raises(DataError, match="src_train/text: label source 'mt' translates no sentence of it"):
        make_labels(experiment, tmp_path / "dump", EXP)
    assert not (tmp_path / "dump/labels").exists()


def test_the_translator_is_scored_on_the_test_part(experiment: Experiment) -> None:
    scores: dict[str, Any] = evaluate_translator(experiment, "mt", DUMP, EXP)
    assert set(scores) == {"bleu", "chrf"} and all(0 <= value <= 100 for value in scores.values())
    record = read_json(EXP / "mt/mt/score/score.json")
    assert record["pairs"] == 30 and record["metrics"]["bleu"]["value"] == scores["bleu"]
