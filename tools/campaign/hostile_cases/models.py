"""SentencePiece models that are none, and pretrained models that bring code, pickles or garbage."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from hostile_cases.case import MARK, Hostile, Read
from hostile_cases.parameters import PICKLES, pickled

GARBAGE = {"nothing": b"", "text": b"not a model", "a pickle": b"\x80\x04\x95", "a length of 4 GB":
           b"\n\xff\xff\xff\xff\x0f", "zeros": bytes(1000), "a piece without an end": b"\n\x06\n\x02ab\x15"}


def _pieces() -> Iterator[Hostile]:
    from stxfer.mt.translators.families import MARIAN, Pieces
    from stxfer.text.vocab import open_pieces

    def vocabulary(folder: Path, content: bytes) -> Read:
        (folder / "bpe.model").write_bytes(content)
        return lambda: open_pieces(folder / "bpe.model")

    def marian(folder: Path, content: bytes) -> Read:
        for name in MARIAN.pieces:
            (folder / name).write_bytes(content)
        return lambda: Pieces(folder, MARIAN, ["</s>"], "", "")

    for kind, content in GARBAGE.items():
        yield Hostile(f"a vocabulary: {kind}", lambda folder, content=content: vocabulary(folder, content),
                      r"bpe\.model: not a SentencePiece model")
        yield Hostile(f"Marian's pieces: {kind}", lambda folder, content=content: marian(folder, content),
                      r"source\.spm: not a SentencePiece model")


def _hub() -> Iterator[Hostile]:
    """Directories of pretrained models that bring code, pickles or garbage."""
    from stxfer.audio.encoders import open_encoder
    from stxfer.audio.hub import open_hub_model
    from stxfer.mt.translators.convert import convert_model, read_model

    names = ("AutoConfig", "AutoModel", "AutoTokenizer", "AutoProcessor", "AutoModelForSeq2SeqLM",
             "AutoFeatureExtractor")
    code = {"auto_map": dict.fromkeys(names, "evil.Evil"), "trust_remote_code": True}

    def write(folder: Path, config: dict[str, Any], weights: str = PICKLES[0]) -> None:
        (folder / "evil.py").write_text(f"import os\nos.mkdir({str(folder.parent / MARK)!r})\nclass Evil: pass\n")
        for name in ("config.json", "tokenizer_config.json", "preprocessor_config.json", "generation_config.json"):
            (folder / name).write_text(json.dumps(config))
        pickled(folder / "pytorch_model.bin", weights)

    def encoder(folder: Path, family: str, weights: str) -> Read:
        write(folder, {"model_type": family, "num_hidden_layers": 1, "hidden_size": 8, "encoder_layers": 1,
                       "d_model": 8, "sampling_rate": 16000, "feature_extractor_type": "Wav2Vec2FeatureExtractor",
                       **code}, weights)

        def read() -> None:
            open_hub_model(folder)
            open_encoder(family, str(folder), [1])

        return read

    def translator(folder: Path, kind: str, weights: str) -> Read:
        from stxfer.text.vocab import train_vocab

        write(folder, {"model_type": kind, "vocab_size": 8, **code}, weights)
        train_vocab(["ab ba"], 8, "char", folder)
        for name in ("source.spm", "target.spm", "spiece.model", "sentencepiece.bpe.model"):
            (folder / name).write_bytes((folder / "bpe.model").read_bytes())
        (folder / "vocab.json").write_text(json.dumps({"</s>": 0, "<unk>": 1, "<pad>": 2}))
        return lambda: convert_model(folder, folder.parent / "out/ct2")

    def converted(folder: Path, info: object, vocabulary: object) -> Read:
        for name, content in (("translator.json", info), ("config.json", {}), ("shared_vocabulary.json", vocabulary)):
            (folder / name).write_text(json.dumps(content))
        (folder / "model.bin").write_bytes(b"\xff" * 100)
        return lambda: read_model(folder)

    for family, weights in itertools.product(("wav2vec2", "hubert", "whisper"), PICKLES):
        yield Hostile(f"an encoder of kind {family} with code and {weights}",
                      lambda folder, family=family, weights=weights: encoder(folder, family, weights),
                      "cannot be loaded|lacks|known:")
    for kind, weights in itertools.product(("marian", "m2m_100", "t5"), PICKLES):
        yield Hostile(f"a translator of kind {kind} with code and {weights}",
                      lambda folder, kind=kind, weights=weights: translator(folder, kind, weights),
                      "cannot be read or converted")
    yield Hostile("an unknown family of translators", lambda folder: converted(folder, {"family": "x"}, []),
                  "translator.json|family")
    yield Hostile("translator.json is a list", lambda folder: converted(folder, [], []), "translator.json")
    yield Hostile("a vocabulary of numbers", lambda folder: converted(
        folder, {"family": "NLLB-200", "positions": 5}, [1]), "vocabulary|lacks")


def cases() -> Iterator[Hostile]:
    """Yield the cases."""
    yield from _pieces()
    yield from _hub()
