"""Pretrained translators, in the hub's own layout but small and trained for a moment: Marian, M2M-100, NLLB, T5."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import sentencepiece as spm
import torch
import toy

from stxfer.bin import convert_mt
from stxfer.core.errors import ConfigError, DataError
from stxfer.experiment.training import Decoding
from stxfer.experiment.translators import CTranslate2
from stxfer.mt.translators.convert import convert_model
from stxfer.mt.translators.ctranslate2 import CTranslate2Translator

NLLB_LANGUAGES = ["eng_Latn", "swh_Latn", "spa_Latn", "som_Latn"]
PAIRS = {"nllb": ("eng_Latn", "swh_Latn"), "m2m": ("en", "sw"), "madlad": ("", "sw"), "opus": ("", ""),
         "opus_multi": ("", "swa")}
DECODING = Decoding(beam_size=3, maxlenratio=2.0, batch_frames=200)


def train_pieces(path: Path, kind: str, **options: Any) -> spm.SentencePieceProcessor:
    """Learn a SentencePiece model of the toy bitext."""
    lines = [*toy.ENGLISH, *map(toy.swahili, toy.ENGLISH), "Habari, dunia! 12 naïve"]
    with open(path, "wb") as handle:
        spm.SentencePieceTrainer.train(sentence_iterator=iter(lines), model_writer=handle, model_type=kind,
                                       vocab_size=120, hard_vocab_limit=False, character_coverage=1.0,
                                       minloglevel=2, **options)
    return spm.SentencePieceProcessor(model_file=str(path))


def learn(model: Any, batches: Callable[[], dict[str, torch.Tensor]], zero: slice = slice(0), steps: int = 200) -> None:
    """Train until outputs end by themselves; the embeddings ``zero`` stay zero."""
    model.train()
    optimiser = torch.optim.AdamW(model.parameters(), lr=4e-3)
    for _ in range(steps):
        optimiser.zero_grad()
        model(**batches()).loss.backward()
        optimiser.step()
        with torch.no_grad():
            model.get_input_embeddings().weight[zero] = 0
    model.eval()


def make_bart_like(directory: Path, kind: str) -> None:
    """Write a Marian, M2M-100 or NLLB model and tokenizer."""
    import transformers

    directory.mkdir()
    marian = kind.startswith("opus")
    name = "source.spm" if marian else "sentencepiece.bpe.model"
    pieces = train_pieces(directory / name, "unigram" if marian else "bpe", bos_id=-1 if marian else 1,
                          eos_id=1 if marian else 2, unk_id=0)
    listed = [pieces.id_to_piece(i) for i in range(pieces.get_piece_size())]
    if marian:
        shutil.copyfile(directory / name, directory / "target.spm")
        languages = [">>swa<<", ">>som<<"] if kind == "opus_multi" else []
        tokens = ["</s>", "<unk>", *(p for p in listed if p not in ("</s>", "<unk>", "<s>")), *languages, "<pad>"]
        (directory / "vocab.json").write_text(json.dumps({t: i for i, t in enumerate(tokens)}), encoding="utf-8")
        tokenizer = transformers.MarianTokenizer.from_pretrained(directory)
        shape = transformers.MarianConfig(
            vocab_size=len(tokens), pad_token_id=len(tokens) - 1, eos_token_id=0, forced_eos_token_id=None,
            decoder_start_token_id=len(tokens) - 1, scale_embedding=True, activation_function="swish",
            static_position_embeddings=True, **SHAPE)
        model: Any = transformers.MarianMTModel(shape)
        text = [f">>swa<< {s}" if languages else s for s in toy.ENGLISH]
        bad = [[len(tokens) - 1]]
    else:
        if kind == "m2m":
            tokens = ["<s>", "<pad>", "</s>", "<unk>", *(p for p in listed if p not in ("</s>", "<unk>", "<s>"))]
            (directory / "vocab.json").write_text(json.dumps({t: i for i, t in enumerate(tokens)}), encoding="utf-8")
            tokenizer = transformers.M2M100Tokenizer.from_pretrained(directory, src_lang="en", tgt_lang="sw")
        else:
            tokenizer = transformers.NllbTokenizer.from_pretrained(
                directory, src_lang="eng_Latn", tgt_lang="swh_Latn", extra_special_tokens=NLLB_LANGUAGES)
        size = len(tokenizer) + 108  # as on the hub: more rows than tokens
        shape = transformers.M2M100Config(
            vocab_size=size, pad_token_id=1, bos_token_id=0, eos_token_id=2, decoder_start_token_id=2,
            scale_embedding=True, **SHAPE)
        model = transformers.M2M100ForConditionalGeneration(shape)
        text, bad = toy.ENGLISH, None
    model.generation_config.bad_words_ids = bad
    source = tokenizer(text, return_tensors="pt", padding=True)
    with_target = tokenizer(text_target=[toy.swahili(s) for s in toy.ENGLISH], return_tensors="pt", padding=True)
    labels = with_target["input_ids"].masked_fill(with_target["attention_mask"] == 0, -100)
    # As Marian's own models, which start a translation from a vector of zeros.
    learn(model, lambda: {**source, "labels": labels}, slice(-1, None) if marian else slice(0))
    model.save_pretrained(directory)
    tokenizer.save_pretrained(directory)


SHAPE = {"d_model": 32, "encoder_layers": 1, "decoder_layers": 1, "encoder_attention_heads": 2,
         "decoder_attention_heads": 2, "encoder_ffn_dim": 64, "decoder_ffn_dim": 64, "max_position_embeddings": 64,
         "dropout": 0.0, "attention_dropout": 0.0, "activation_dropout": 0.0}


def make_t5(directory: Path) -> None:
    """Write a model as MADLAD-400's are: gated, its output layer not tied, languages among the pieces."""
    import transformers

    directory.mkdir()
    train_pieces(directory / "spiece.model", "unigram", pad_id=0, eos_id=1, unk_id=2, bos_id=-1,
                 user_defined_symbols=["<2sw>", "<2so>"])
    tokenizer = transformers.T5Tokenizer.from_pretrained(directory, extra_ids=0)
    shape = transformers.T5Config(
        vocab_size=len(tokenizer) + 5, d_model=32, d_kv=16, d_ff=64, num_layers=2, num_decoder_layers=2, num_heads=2,
        feed_forward_proj="gated-gelu", tie_word_embeddings=False, dropout_rate=0.0, decoder_start_token_id=0)
    model = transformers.T5ForConditionalGeneration(shape)
    model.lm_head.weight = torch.nn.Parameter(torch.randn(shape.vocab_size, 32) * 0.1)
    pieces = spm.SentencePieceProcessor(model_file=str(directory / "spiece.model"))

    def padded(texts: list[str], value: int) -> torch.Tensor:
        return torch.nn.utils.rnn.pad_sequence([torch.tensor([*pieces.encode(t), 1]) for t in texts], True, value)

    source = padded([f"<2sw> {s}" for s in toy.ENGLISH], 0)
    learn(model, lambda: {"input_ids": source, "attention_mask": (source != 0).long(),
                          "labels": padded([toy.swahili(s) for s in toy.ENGLISH], -100)})
    model.save_pretrained(directory)
    tokenizer.save_pretrained(directory)
    config = json.loads((directory / "config.json").read_text(encoding="utf-8"))
    del config["scale_decoder_outputs"]  # as on the hub: what transformers 5 reads, but no longer writes
    (directory / "config.json").write_text(json.dumps({**config, "tie_word_embeddings": False}), encoding="utf-8")


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Models as the hub holds them."""
    root = tmp_path_factory.mktemp("hub")
    for kind in PAIRS:
        torch.manual_seed(2)  # the same models whichever tests ran before, sure of what they say
        if kind == "madlad":
            make_t5(root / kind)
        else:
            make_bart_like(root / kind, kind)
    return root


@pytest.fixture(scope="module")
def converted(hub: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same models, converted."""
    root = tmp_path_factory.mktemp("converted")
    for kind in PAIRS:
        convert_model(hub / kind, root / kind)
    return root


def open_model(directory: Path, kind: str, **options: Any) -> CTranslate2Translator:
    source, target = PAIRS[kind]
    return CTranslate2Translator(CTranslate2(**{
        "model": str(directory / kind), "source": source, "target": target, "compute_type": "float32", **options}),
        DECODING)


def generate(directory: Path, kind: str, sentences: list[str], nbest: int) -> list[list[tuple[str, float]]]:
    """Translate with transformers alone: its tokenizer, its search."""
    import transformers

    source, target = PAIRS[kind]
    model = transformers.AutoModelForSeq2SeqLM.from_pretrained(directory / kind, local_files_only=True).eval()
    tokenizer = transformers.AutoTokenizer.from_pretrained(directory / kind, local_files_only=True)
    forced, results = {}, []
    if source:
        tokenizer.src_lang = source
        name = f"__{target}__" if kind == "m2m" else target
        forced = {"forced_bos_token_id": tokenizer.convert_tokens_to_ids(name)}
    for sentence in sentences:  # one at a time: padding changes the last bits of a score
        if kind == "madlad":  # transformers has no piece "▁" before the language, SentencePiece and training have
            pieces = spm.SentencePieceProcessor(model_file=str(directory / kind / "spiece.model"))
            inputs = {"input_ids": torch.tensor([[*pieces.encode(f"<2sw> {sentence}"), 1]])}
        else:
            inputs = tokenizer(f">>{target}<< {sentence}" if kind == "opus_multi" else sentence, return_tensors="pt")
        found = model.generate(**inputs, **forced, num_beams=3, num_return_sequences=nbest, length_penalty=1.0,
                               max_new_tokens=63, early_stopping=True, return_dict_in_generate=True,
                               output_scores=True)
        texts = [text.removeprefix(f"__{target}__ ") for text in
                 tokenizer.batch_decode(found.sequences, skip_special_tokens=True)]
        results.append(list(zip(texts, found.sequences_scores.tolist(), strict=True)))
    return results


@pytest.mark.parametrize("kind", PAIRS)
def test_translations_are_those_of_transformers(hub: Path, converted: Path, kind: str) -> None:
    sentences = [toy.ENGLISH[i] for i in (0, 7, 19, 33)] + ["the cat", "Habari, naïve!"]
    with open_model(converted, kind) as translator:
        ours = translator.translate(sentences, nbest=2)
        alone = [translator.translate([sentence])[0][0] for sentence in sentences]
    theirs = generate(hub, kind, sentences, 2)
    assert [best[0].text for best in ours] == [best[0][0] for best in theirs]
    # transformers divides by a length that counts the token a translation starts with
    assert [best[0].text for best in ours] == [best.text for best in alone]
    assert all(len(best) == 2 and best[0].score > best[1].score for best in ours)
    assert len({best[0].text for best in ours}) > 3  # a model that says always the same would prove nothing


def test_order_empties_and_what_is_computed_in(converted: Path) -> None:
    with open_model(converted, "nllb", compute_type="auto") as translator:
        sentences = ["", *toy.ENGLISH[:9], "  ", "the dog"]
        together = translator.translate(sentences)
        assert [len(best) for best in together] == [0] + [1] * 9 + [0, 1]
        assert [best[0].text for best in together[1:10]] == [translator.translate([s])[0][0].text
                                                             for s in sentences[1:10]]
        assert translator.identity["computed_in"].startswith(("int8", "float16"))
        assert translator.translate([]) == []


@pytest.mark.parametrize("quantization", ["int8", "float16"])
def test_quantised_weights(hub: Path, converted: Path, tmp_path: Path, quantization: str) -> None:
    convert_mt.main(["--model", str(hub / "opus"), "--out", str(tmp_path / "opus"), "--quantization", quantization])
    assert (tmp_path / "opus/model.bin").stat().st_size < 0.75 * (converted / "opus/model.bin").stat().st_size
    with open_model(tmp_path, "opus", compute_type="auto") as small, open_model(converted, "opus") as large:
        same = sum(a[0].text == b[0].text for a, b in zip(*(t.translate(toy.ENGLISH) for t in (small, large)),
                                                           strict=True))
    assert same > 0.8 * len(toy.ENGLISH)


def test_converting_again_and_over_something_else(hub: Path, tmp_path: Path,
                                                  capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "out"
    arguments = ["--model", str(hub / "opus_multi"), "--out", str(out)]
    convert_mt.main(arguments)
    assert capsys.readouterr().out.endswith("out: Marian, float32, 2 languages: som swa\n")
    made = (out / "model.bin").stat().st_mtime_ns
    convert_mt.main(arguments)
    assert (out / "model.bin").stat().st_mtime_ns == made
    convert_mt.main([*arguments, "--force"])
    assert (out / "model.bin").stat().st_mtime_ns > made
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/thesis.tex").write_text("x")
    with pytest.raises(DataError, match="mine: exists and is not a converted model; give --force to replace it"):
        convert_model(hub / "opus", tmp_path / "mine")


@pytest.mark.parametrize(("kind", "options", "message"), [
    ("nllb", {"target": "swa_Latn"}, r"target 'swa_Latn': the model knows 4 languages, not this one; did you mean .*"
                                     r"swh_Latn"),
    ("nllb", {"source": "en"}, r"source 'en': .* did you mean eng_Latn"),
    ("m2m", {"target": "swh"}, r"target 'swh': the model knows 100 languages, not this one; did you mean sw"),
    ("madlad", {"target": "xx"}, r"target 'xx': the model knows 2 languages, not this one; it knows so sw"),
    ("madlad", {"source": "en"}, r"source 'en': a T5 model is not told the source language; leave 'source' out"),
    ("nllb", {"target": ""}, r"the model knows 4 languages: give 'target', one of eng_Latn som_Latn"),
    ("opus", {"target": "sw"}, r"target 'sw': the model translates into one language and names none; leave 'target'"),
    ("opus_multi", {"target": "sw"}, r"target 'sw': .* did you mean swa"),
    ("opus", {"compute_type": "int3"}, r"compute_type: 'int3' must be one of auto"),
    ("opus", {"device": "tpu"}, r"device: 'tpu' must be one of auto cpu cuda"),
])
def test_options_that_cannot_be(converted: Path, kind: str, options: dict[str, str], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        open_model(converted, kind, **options)


@pytest.mark.parametrize(("kind", "missing", "message"), [
    ("opus", ["source.spm", "vocab.json"], r"opus: a Marian model lacks source.spm, vocab.json; download the whole"),
    ("nllb", ["model.safetensors"], r"nllb: a NLLB-200 model lacks model.safetensors or pytorch_model.bin; download"),
    ("madlad", ["spiece.model"], r"madlad: a T5 model lacks spiece.model; download"),
    ("opus", ["config.json"], r"opus/config.json: no such file"),
])
def test_a_model_with_files_missing(hub: Path, tmp_path: Path, kind: str, missing: list[str], message: str) -> None:
    shutil.copytree(hub / kind, tmp_path / kind)
    for name in missing:
        (tmp_path / kind / name).unlink()
    with pytest.raises(DataError, match=message):
        convert_model(tmp_path / kind, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_model_that_cannot_be_converted(hub: Path, tmp_path: Path) -> None:
    shutil.copytree(hub / "opus", tmp_path / "broken")
    (tmp_path / "broken/model.safetensors").write_bytes(b"version https://git-lfs.github.com/spec/v1")
    with pytest.raises(DataError, match="broken: cannot be read or converted: "):
        convert_model(tmp_path / "broken", tmp_path / "out")
    (tmp_path / "broken/config.json").write_text('{"model_type": "gpt2"}')
    with pytest.raises(ConfigError, match=r"model_type 'gpt2' is no translator that can be converted; known: marian"):
        convert_model(tmp_path / "broken", tmp_path / "out")
    with pytest.raises(DataError, match=r"Helsinki-NLP/opus-mt-en-sw: no such directory; download the model first"):
        convert_model(Path("Helsinki-NLP/opus-mt-en-sw"), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_converted_model_with_files_missing(converted: Path, tmp_path: Path) -> None:
    shutil.copytree(converted / "opus", tmp_path / "opus")
    for name in ("target.spm", "model.bin"):
        (tmp_path / "opus" / name).unlink()
        with pytest.raises(DataError, match=f"opus: not a whole converted model, lacks {name}; make it again: python"):
            open_model(tmp_path, "opus")
    with pytest.raises(DataError, match=r"opus_multi: no such directory; convert a model to it: python -m"):
        open_model(tmp_path, "opus_multi")


def test_sentences_that_cannot_be_translated(converted: Path) -> None:
    with open_model(converted, "opus") as translator:
        with pytest.raises(DataError, match=r"^sentence 2: \d+ tokens, and the model takes at most 64; split it, or"):
            translator.translate(["the dog", " ".join(toy.ENGLISH[:9])])
        with pytest.raises(DataError, match=r"^utterance u7: 5000 words, and a sentence has at most 1000; split it"):
            translator.translate(["a " * 5000], keys=["u7"])
        with pytest.raises(DataError, match=r"^sentence 1: holds the control character U\+0000; remove it$"):
            translator.translate(["a\0b"])
