"""Word errors of the development set while a model trains."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import kaldiio
import pytest
import torch
import toy

from stxfer.core.fileio import read_json
from stxfer.decoding.search import Hypothesis
from stxfer.experiment.config import Experiment
from stxfer.kaldi.table import read_table
from stxfer.model.load import LoadedModel, load_model
from stxfer.prepare.vocab import make_vocabs
from stxfer.score.asr import word_errors
from stxfer.training import dev_errors as module
from stxfer.training.dev_errors import DevErrors
from stxfer.training.fit_system import fit_system

MEASURED = {**toy.PHASE, "dev_wer": 4, "tensorboard": True}
TAGGED = {"task": "asr", "data": "src_train", "text": "@source@", "tags": True, "vocab": "joint"}
CHANGES: dict[str, Any] = {
    "systems": {"tagged": TAGGED}, "compare": [], "train": {"default": MEASURED},
    "vocab": {**toy.CONFIG["vocab"], "joint": {"size": 40, "text": ["src_train", "tgt_train"], "tags": ["en", "sw"]}}}
Batch = tuple[list[str], dict[str, torch.Tensor]]


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A system with tags, trained while its word errors were measured."""
    root = tmp_path_factory.mktemp("world")
    toy.make_dump(root)
    experiment: Experiment = toy.make_experiment(root, **CHANGES)[0]
    make_vocabs(experiment, root / "dump")
    fit_system(experiment, experiment.systems["tagged"], 1, root / "dump", root / "exp")
    return root / "exp/tagged/seed1"


@pytest.fixture(scope="module")
def loaded(trained: Path) -> LoadedModel:
    return load_model(trained)


@pytest.fixture(scope="module")
def batches(trained: Path, loaded: LoadedModel) -> list[Batch]:
    """The development set as ESPnet's loader gives it, three utterances a batch."""
    data = trained / "data/dev"
    texts, feats = read_table(data / "text"), read_table(data / "feats.scp")
    made = []
    for i in range(0, 6, 3):
        utts = list(texts)[i:i + 3]
        speech = [torch.from_numpy(kaldiio.load_mat(feats[utt]).copy()) for utt in utts]
        ids = [torch.tensor([loaded.tokens.index(piece) for piece in loaded.tokenizer.encode(texts[utt], out_type=str)])
               for utt in utts]
        made.append((utts, {
            "speech": torch.nn.utils.rnn.pad_sequence(speech, batch_first=True),
            "speech_lengths": torch.tensor([len(x) for x in speech]),
            "text": torch.nn.utils.rnn.pad_sequence(ids, batch_first=True, padding_value=-1)}))
    return made


def test_training_records_them(trained: Path) -> None:
    assert all(row["valid_wer"] >= 0 for row in read_json(trained / "model.json")["epochs"])
    assert list(trained.glob("phase1/tensorboard/**/events.*"))


def test_errors_are_of_words_and_tags_are_none(trained: Path, loaded: LoadedModel, batches: list[Batch],
                                               monkeypatch: pytest.MonkeyPatch) -> None:
    texts = {utt: text.removeprefix("<en> ") for utt, text in read_table(trained / "data/dev/text").items()}
    chosen = list(texts)[:4]
    answers = dict(texts)

    def search(encoded: torch.Tensor, lens: torch.Tensor, *_: Any, prefix: list[int], **__: Any) -> Any:
        assert [loaded.tokens[i] for i in prefix] == ["▁", "<en>"]
        assert len(encoded) == len(lens) == len(asked[0])
        pieces = [[*loaded.tokenizer.encode(f"<en> {answers[utt]}", out_type=str)] for utt in asked.pop(0)]
        return [[Hypothesis(tuple(loaded.tokens.index(piece) for piece in row), 0.0, {})] for row in pieces]

    monkeypatch.setattr(module, "beam_search", search)
    errors = DevErrors(chosen, loaded.tokens, loaded.tokenizer, "<en>")
    asked = [chosen[:3], chosen[3:]]
    assert errors(loaded.model, batches) == 0
    answers[chosen[0]] = texts[chosen[1]]
    asked = [chosen[:3], chosen[3:]]
    refs = {utt: texts[utt] for utt in chosen}
    wrong = word_errors(refs, {utt: answers[utt] for utt in chosen}, "").total
    assert wrong.n_ref == sum(len(text.split()) for text in refs.values())  # the tag is not among them
    assert errors(loaded.model, batches) == pytest.approx(wrong.rate / 100) != 0


def test_two_processes_count_what_one_counts(loaded: LoadedModel, batches: list[Batch], tmp_path: Path) -> None:
    """Each has every other utterance of a batch, as ESPnet deals them out; of the second batch one has none chosen."""
    chosen = [utt for utts, _ in batches for utt in utts][:4]
    errors = DevErrors(chosen, loaded.tokens, loaded.tokenizer, "<en>")
    alone = errors(loaded.model, batches)

    def share(rank: int) -> float:
        parts = [(utts[rank::2], {name: values[rank::2] for name, values in batch.items()}) for utts, batch in batches]
        torch.distributed.init_process_group("gloo", init_method=f"file://{tmp_path}/meeting", world_size=2, rank=rank)
        try:
            return errors(loaded.model, parts, together=True)
        finally:
            torch.distributed.destroy_process_group()

    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            status = int(share(1) != alone)
        finally:
            os._exit(status)
    together = share(0)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    assert together == alone > 0
