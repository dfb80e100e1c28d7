"""Vocabularies: what they hold, from which texts, and when they are made again."""

from __future__ import annotations

from pathlib import Path

import pytest
import sentencepiece as spm
import toy

from stxfer.core.errors import ConfigError, DataError
from stxfer.experiment.config import Experiment
from stxfer.prepare.vocab import make_vocabs
from stxfer.text.vocab import MODEL, TOKENS, train_vocab, unknown_characters

SENTENCES = [toy.swahili(text) for text in toy.ENGLISH] + ["ng'ombe wamekula ñandú"]


def pieces(directory: Path) -> list[str]:
    return (directory / "tokens.txt").read_text(encoding="utf-8").splitlines()


@pytest.mark.parametrize("kind", ["unigram", "bpe", "char"])
def test_every_sentence_can_be_written(tmp_path: Path, kind: str) -> None:
    size = train_vocab(SENTENCES, 45, kind, tmp_path)
    tokens = pieces(tmp_path)
    assert len(tokens) == size and len(set(tokens)) == size
    assert tokens[:2] == ["<blank>", "<unk>"] and tokens[-1] == "<sos/eos>"
    processor = spm.SentencePieceProcessor(model_file=str(tmp_path / "bpe.model"))
    for sentence in SENTENCES:
        written = processor.encode(sentence, out_type=str)
        assert set(written) <= set(tokens[2:-1])
        assert processor.decode_pieces(written) == sentence
    if kind == "char":
        assert {len(token) for token in tokens[2:-1]} == {1}


@pytest.mark.parametrize("kind", ["unigram", "bpe", "char"])
def test_a_small_text_gets_as_many_as_it_allows(tmp_path: Path, kind: str) -> None:
    assert 10 < train_vocab(["mtoto anasoma kitabu"], 5000, kind, tmp_path) < 60


def test_the_same_text_gives_the_same_vocabulary(tmp_path: Path) -> None:
    made = []
    for name, sentences, size in (("a", SENTENCES, 40), ("b", SENTENCES, 40), ("c", SENTENCES, 41),
                                  ("d", [s.replace("mbwa", "simba") for s in SENTENCES], 40)):
        (tmp_path / name).mkdir()
        train_vocab(sentences, size, "bpe", tmp_path / name)
        made.append(tuple((tmp_path / name / file).read_bytes() for file in (TOKENS, MODEL)))
    assert made[0] == made[1] and len(set(made)) == 3


@pytest.mark.parametrize(("sentences", "size", "message"), [
    ([], 40, "no text to learn a vocabulary from"), (["", ""], 40, "no text to learn a vocabulary from"),
    (SENTENCES, 5, "5 pieces are too few for 21 characters: "),  # fewer than there are letters
])
def test_what_cannot_be_learnt_leaves_nothing(tmp_path: Path, sentences: list[str], size: int, message: str) -> None:
    with pytest.raises(DataError, match=message) as error:
        train_vocab(sentences, size, "unigram", tmp_path)
    assert "\n" not in str(error.value)
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def world(tmp_path: Path) -> tuple[Path, Experiment]:
    toy.make_dump(tmp_path)
    return tmp_path / "dump", toy.make_experiment(tmp_path)[0]


def test_one_vocabulary_for_each_side(world: tuple[Path, Experiment]) -> None:
    dump, experiment = world
    sizes = make_vocabs(experiment, dump)
    assert sizes == {name: len(pieces(dump / "vocab" / name)) for name in ("source", "target")}
    letters = {name: set("".join(pieces(dump / "vocab" / name)[2:-1])) for name in sizes}
    assert letters["source"] == set("▁" + "".join(toy.ENGLISH)) - {" "}
    assert letters["target"] == set("▁" + "".join(map(toy.swahili, toy.ENGLISH))) - {" "}


def test_made_again_only_when_something_has_changed(world: tuple[Path, Experiment], tmp_path: Path) -> None:
    dump, experiment = world
    make_vocabs(experiment, dump)
    markers = [dump / "vocab" / name / ".stage.json" for name in ("source", "target")]
    before = [marker.stat().st_mtime_ns for marker in markers]
    make_vocabs(experiment, dump)
    assert [marker.stat().st_mtime_ns for marker in markers] == before
    with open(dump / "data/bitext/train.sw", "a", encoding="utf-8") as handle:
        handle.write("xxx\n")
    make_vocabs(experiment, dump)
    assert [marker.stat().st_mtime_ns > old for marker, old in zip(markers, before, strict=True)] == [False, True]
    assert any("x" in piece for piece in pieces(dump / "vocab" / "target"))


@pytest.mark.parametrize("text", ["src_train/text.sw.other", "labels/mt/src_train/text.sw.mt"])
def test_texts_that_are_not_there(world: tuple[Path, Experiment], text: str) -> None:
    dump, _ = world
    vocab = {"source": {"size": 30}, "target": {"size": 30, "text": [text.removeprefix("labels/mt/")]}}
    experiment, _ = toy.make_experiment(dump.parent, vocab=vocab)
    with pytest.raises(DataError, match=f"{text}: no such file"):
        make_vocabs(experiment, dump)
    assert not (dump / "vocab" / "target").exists()


@pytest.mark.parametrize("text", ["tgt_test", "src_dev/text.sw.human"])
def test_texts_that_may_not_be_used(tmp_path: Path, text: str) -> None:
    with pytest.raises(ConfigError, match=r"vocab.target.text\[0\]: .*only training sets may be used"):
        toy.make_experiment(tmp_path, vocab={"source": {}, "target": {"text": [text]}})


def test_translations_can_be_learnt_from(world: tuple[Path, Experiment]) -> None:
    dump, _ = world
    labels = dump / "labels" / "mt" / "src_train"
    labels.mkdir(parents=True)
    (labels / "text.sw.mt").write_text("u1 zzz qqq\n")
    experiment, _ = toy.make_experiment(dump.parent, vocab={
        "source": {"text": ["src_train"], "type": "char"},
        "target": {"text": ["src_train/text.sw.mt", "src_train/text.sw.human"], "type": "char"}})
    make_vocabs(experiment, dump)
    tokens = set(pieces(dump / "vocab" / "target"))
    assert {"z", "q", "m"} <= tokens and "x" not in tokens


@pytest.mark.parametrize(("kind", "sentences", "size", "message"), [
    ("char", ["abc aab ñ"], 5, "5 pieces are too few for 4 characters: ñ LATIN SMALL LETTER N WITH TILDE .1. would be"),
    ("char", ["habari ng'ombe"], 11, "11 pieces are too few for 11 characters: .*size to 13 or more"),
    ("bpe", ["мы идём"], 6, "6 pieces are too few for 5 characters: ё CYRILLIC SMALL LETTER IO .1. would be <unk>"),
    ("unigram", ["ሰላም ለዓለም"], 4, "4 pieces are too few for 5 characters: .*ETHIOPIC SYLLABLE"),
    ("char", ["我们今天去北京"], 8, "8 pieces are too few for 7 characters: .*CJK UNIFIED IDEOGRAPH"),
    ("char", ["a\u2581b"], 40, "a vocabulary cannot hold ▁ LOWER ONE EIGHTH BLOCK .1.; take them out of the text"),
    ("char", ["a\tb"], 40, "a vocabulary cannot hold U.0009 without a name .1."),
    ("char", ["abc", "x\u2585y"], 40, "a vocabulary cannot hold ▅ LOWER FIVE EIGHTHS BLOCK .1.")])
def test_a_character_without_a_piece_is_named(tmp_path, kind, sentences, size, message):
    with pytest.raises(DataError, match=message):
        train_vocab(sentences, size, kind, tmp_path)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("kind", ["unigram", "bpe", "char"])
def test_a_long_line_is_learnt_from(tmp_path: Path, kind: str) -> None:
    train_vocab([*SENTENCES, "ab " * 3000 + "ζ"], 60, kind, tmp_path)
    assert "ζ" in pieces(tmp_path)
    assert unknown_characters(["ζ ab", "ж ж ψ"], tmp_path) == {"ж": 2, "ψ": 1}


def test_a_vocabulary_larger_than_its_text_says_so(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    train_vocab(["mtoto anasoma"], 500, "char", tmp_path)
    assert "pieces, as many as its text allows of the 500 asked for" in caplog.text


def test_what_systems_learn_beside_the_vocabularys_text_can_be_written(world: tuple[Path, Experiment]) -> None:
    dump, _ = world
    experiment, _ = toy.make_experiment(dump.parent, vocab={
        "source": {"text": ["src_train"], "type": "char"}, "target": {"text": ["tgt_train"], "type": "char"}})
    human = dump / "fbank" / "src_train" / "text.sw.human"
    make_vocabs(experiment, dump)
    with open(human, encoding="utf-8") as handle:
        first, *others = handle.readlines()
    human.write_text(f"{first.rstrip()} żółw ż\n{''.join(others)}", encoding="utf-8")
    systems = " ".join(name for name, system in experiment.systems.items() if system.text == "sw.human")
    with pytest.raises(DataError) as caught:
        make_vocabs(experiment, dump)
    assert str(caught.value) == (
        f"{human}: 4 characters of it have no piece in vocabulary 'target', that of {systems}: ż LATIN SMALL LETTER Z "
        "WITH DOT ABOVE (2), ó LATIN SMALL LETTER O WITH ACUTE (1), ł LATIN SMALL LETTER L WITH STROKE (1); add this "
        "text to vocab.target.text, or take the characters out with 'normalise'")
    with pytest.raises(DataError):
        make_vocabs(experiment, dump)  # again: nothing was finished
    experiment, _ = toy.make_experiment(dump.parent, vocab={
        "source": {"text": ["src_train"], "type": "char"},
        "target": {"text": ["tgt_train", "src_train/text.sw.human"], "type": "char"}})
    make_vocabs(experiment, dump)
    assert "ż" in pieces(dump / "vocab" / "target")
