"""Translators trained here: training on a toy bitext, the order of translations."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
import torch
import toy

from stxfer.bin import train_mt as train_mt_cli
from stxfer.core.errors import ConfigError, DataError, StaleError
from stxfer.core.fileio import read_json
from stxfer.experiment.config import Experiment
from stxfer.experiment.training import Decoding
from stxfer.kaldi.table import read_table
from stxfer.model.load import load_model
from stxfer.model.smoothing import SmoothedLoss
from stxfer.mt import translations, workers
from stxfer.mt.open import Opener
from stxfer.mt.train import subset, train_translator
from stxfer.mt.translations import make_translations
from stxfer.mt.translators.trained import TrainedTranslator, batches

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


def test_a_translator_opens_and_translates_the_way_espnet_does(experiment: Experiment) -> None:
    from espnet2.bin.mt_inference import Text2Text

    directory = EXP / "mt" / "mt"
    loaded = load_model(directory)
    assert loaded.task == "mt" and loaded.source_tokenizer is not None and loaded.source_tokens is not None
    stock = Text2Text(mt_train_config=directory / "config.yaml", mt_model_file=directory / "model.pth", beam_size=2,
                      maxlenratio=2.0, ctc_weight=0.0)
    sentence = "the dog sees the house"
    ((ours,),) = TrainedTranslator(directory, experiment.decode_mt).translate([sentence])
    pieces = loaded.source_tokenizer.encode(sentence, out_type=str)
    _, _, ids, hypothesis = stock(torch.tensor([loaded.source_tokens.index(piece) for piece in pieces]))[0]
    theirs = [loaded.tokens[i] for i in ids if i not in (0, loaded.model.eos)]
    assert ours.text == loaded.tokenizer.decode_pieces(theirs)
    assert ours.score == pytest.approx(float(hypothesis.score), abs=1e-3)


def test_a_part_of_the_pairs_is_learnt_from(experiment: Experiment, tmp_path: Path) -> None:
    data = EXP / "mt" / "mt" / "data"
    english = (DUMP / "data/bitext/train.en").read_text(encoding="utf-8").splitlines()
    learnt = list(read_table(data / "train/src_text").values())
    assert learnt == [english[i] for i in subset(36, 30)]
    assert list(read_table(data / "train/text").values()) == [toy.swahili(text) for text in learnt]
    assert len(read_table(data / "dev/text")) == 6
    info = read_json(EXP / "mt/mt/model.json")
    assert info["epochs"][-1]["train_loss"] < info["epochs"][0]["train_loss"]
    more, _ = toy.make_experiment(tmp_path, labels={"mt": {"pairs": 37}})
    with pytest.raises(DataError, match=r"bitext/train.en: 36 pairs, but label 'mt' wants 37"):
        train_translator(more, "mt", DUMP, tmp_path / "exp")


def test_subsets_are_nested_and_drawn_from_everywhere() -> None:
    small, large = subset(1000, 50), subset(1000, 200)
    assert len(small) == 50 and set(small) < set(large) and large == sorted(set(large))
    assert small == subset(1000, 50) and small[0] < 100 and small[-1] > 900
    assert subset(3, 0) == [0, 1, 2]


def test_one_vocabulary_and_shared_embeddings(experiment: Experiment, tmp_path: Path) -> None:
    shared = {"share_decoder_input_output_embed": True, "share_encoder_decoder_input_embed": True}
    joint, _ = toy.make_experiment(tmp_path, mt={**toy.CONFIG["mt"], "joint": True,
                                                 "model": {**toy.CONFIG["mt"]["model"], "model_conf": shared}})
    train_translator(joint, "mt", DUMP, tmp_path / "exp")
    loaded = load_model(tmp_path / "exp/mt/mt")
    assert loaded.source_tokens == loaded.tokens
    weight = loaded.model.decoder.embed[0].weight
    assert weight is loaded.model.decoder.output_layer.weight is loaded.model.frontend.embed[0].weight
    assert 0.5 < float(weight.std()) * weight.size(1) ** 0.5 < 2  # variance 1 would make logits of hundreds
    assert read_json(tmp_path / "exp/mt/mt/model.json")["epochs"][0]["train_loss"] < 200


@pytest.mark.parametrize(("smoothing", "normalised"), [(0.0, False), (0.1, False), (0.1, True)])
def test_smoothed_loss_is_espnets(smoothing: float, normalised: bool) -> None:
    from espnet.nets.pytorch_backend.transformer.label_smoothing_loss import LabelSmoothingLoss

    torch.manual_seed(1)
    logits, target = torch.randn(3, 7, 11, requires_grad=True), torch.randint(0, 11, (3, 7))
    target[1, 4:] = -1
    theirs = LabelSmoothingLoss(11, -1, smoothing, normalised)(logits, target)
    ours = SmoothedLoss(11, -1, smoothing, normalised)(logits, target)
    assert ours.item() == pytest.approx(theirs.item(), rel=1e-5)
    (expected,), (gradient,) = (torch.autograd.grad(loss, logits) for loss in (theirs, ours))
    assert torch.allclose(gradient, expected, atol=1e-6)


def test_training_again_gives_the_same_translator(experiment: Experiment, tmp_path: Path) -> None:
    train_translator(experiment, "mt", DUMP, tmp_path / "exp")
    assert (tmp_path / "exp/mt/mt/model.pth").read_bytes() == (EXP / "mt/mt/model.pth").read_bytes()
    before = (EXP / "mt/mt/model.pth").stat().st_mtime_ns
    train_translator(experiment, "mt", DUMP, EXP)
    assert (EXP / "mt/mt/model.pth").stat().st_mtime_ns == before
    fewer, _ = toy.make_experiment(tmp_path, labels={"mt": {"pairs": 20}})
    with pytest.raises(StaleError, match=r"exp/mt/mt: finished with other settings: option pairs"):
        train_translator(fewer, "mt", DUMP, EXP)


def test_unknown_label_and_options(experiment: Experiment, trained: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ConfigError, match="unknown label 'nllb'; declared: mt"):
        train_mt_cli.main(["--config", "toy.yaml", "--label", "nllb"])
    train_mt_cli.main(["--config", "toy.yaml"])
    assert capsys.readouterr().out == "trained now: nothing, all is up to date\n"


@pytest.fixture(scope="module")
def translator(trained: Path) -> TrainedTranslator:
    return TrainedTranslator(trained / "exp/mt/mt", Decoding(beam_size=2, maxlenratio=2.0, batch_frames=60))


def test_translations_keep_the_order_and_empty_stays_empty(translator: TrainedTranslator) -> None:
    sentences = [toy.ENGLISH[i] for i in (5, 1, 40, 17)]
    sentences = ["", sentences[0], "the", *sentences[1:], " ", " ".join(sentences), "never seen: žluť"]
    together = translator.translate(sentences)
    alone = [translator.translate([sentence])[0] for sentence in sentences]
    assert [len(best) for best in together] == [len(best) for best in alone] == [0, 1, 1, 1, 1, 1, 0, 1, 1]
    assert [t.text for best in together for t in best] == [t.text for best in alone for t in best]
    scores = [t.score for best in together for t in best]
    assert scores == pytest.approx([t.score for best in alone for t in best], abs=1e-3)
    assert len(set(scores)) > 4  # else the order could not be seen
    assert translator.translate([]) == []


@pytest.mark.parametrize(("sentence", "message"), [
    ("a " * 5000, r"^sentence 2: 5000 words, and a sentence has at most 1000; split it, or remove it \('a a a"),
    ("bell \x07", r"^sentence 2: holds the control character U\+0007; remove it$"),
    ("two\nlines", r"^sentence 2: holds the control character U\+000A; remove it$"),
])
def test_what_is_no_sentence_is_named(translator: TrainedTranslator, sentence: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        translator.translate(["the dog", sentence])
    with pytest.raises(DataError, match="^utterance b: "):
        translator.translate(["the dog", sentence], keys=["a", "b"])


def test_however_many_processes_translate_they_give_the_same(experiment: Experiment, tmp_path: Path) -> None:
    for processes in (1, 2):
        with Opener("mt", experiment, DUMP, EXP, processes) as opener:
            make_translations("text", DUMP / "fbank/src_train/text", read_table, tmp_path / str(processes), opener,
                              shard=9)
    one, two = ((tmp_path / name / "translations.jsonl").read_text(encoding="utf-8") for name in "12")
    assert one == two and len(one.splitlines()) == 24
    here, workers = (read_json(tmp_path / name / ".stage.json")["computed"] for name in "12")
    assert here == workers and here["threads"] == 1 and here["torch"] == torch.__version__


def test_a_run_killed_after_its_last_sentence_ends_in_the_same_bytes(
        experiment: Experiment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def translate(name: str, on: dict[str, Any]) -> bytes:
        with Opener("mt", experiment, DUMP, EXP, 1) as opener, monkeypatch.context() as patch:
            patch.setattr(workers, "computed_on", lambda: on)
            make_translations("text", DUMP / "fbank/src_train/text", read_table, tmp_path / name, opener)
        return (tmp_path / name / ".stage.json").read_bytes()

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    whole = translate("whole", {"threads": 1})
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(translations, "write_translations", interrupt)
        translate("killed", {"threads": 1})
    assert translate("killed", {}) == whole


def test_n_best_translations_come_best_first(translator: TrainedTranslator) -> None:
    (best,), (first, second) = (translator.translate([toy.ENGLISH[7]], nbest=n)[0] for n in (1, 2))
    assert first.text == best.text and first.score == pytest.approx(best.score, abs=1e-4)
    assert first.score > second.score and first.text != second.text


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")
def test_a_gpu_translates_the_same(trained: Path, translator: TrainedTranslator,
                                   monkeypatch: pytest.MonkeyPatch) -> None:
    assert next(translator.loaded.model.parameters()).is_cuda
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    here = TrainedTranslator(trained / "exp/mt/mt", translator.options)
    assert not next(here.loaded.model.parameters()).is_cuda
    there, ours = (each.translate(toy.ENGLISH) for each in (translator, here))
    assert [best[0].text for best in there] == [best[0].text for best in ours]
    assert [best[0].score for best in there] == pytest.approx([best[0].score for best in ours], abs=1e-3)


def test_batches_are_of_like_length_and_bounded() -> None:
    ids = [[1] * (7 * i % 23) for i in range(60)]
    found = list(batches(ids, 50))
    order = [i for batch in found for i in batch]
    assert sorted(order) == [i for i in range(60) if ids[i]]
    assert order == sorted(order, key=lambda i: len(ids[i]))
    assert all(len(batch) * max(len(ids[i]) for i in batch) <= 50 for batch in found)
    assert list(batches([[1] * 99, [1]], 50)) == [[1], [0]]


@pytest.mark.parametrize(("part", "english", "message"), [
    ("train", b"a\nb\n", r"train.en has 2 lines and .*train.sw has 1; line n of one must translate line n"),
    ("dev", b"", r"dev.en: empty"),
    ("train", b"a " * 1001 + b"\n", r"train.en:1: 1001 words, and a sentence has at most 1000; lower mt.clean"),
    ("train", b"caf\xe9\n", r"train.en:1: not UTF-8 .*at byte 3 of the line.; convert it with iconv"),
])
def test_a_broken_bitext_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, part: str, english: bytes,
                                  message: str) -> None:
    monkeypatch.chdir(tmp_path)
    toy.make_dump(tmp_path)
    bitext = DUMP / "data/bitext"
    (bitext / f"{part}.en").write_bytes(english)
    (bitext / f"{part}.sw").write_bytes(b"x\n" if english else b"")
    with pytest.raises(DataError, match=message):
        train_translator(toy.make_experiment(tmp_path, labels={"mt": {}})[0], "mt", DUMP, EXP)
    assert not list((EXP / "mt/mt").glob("data"))
