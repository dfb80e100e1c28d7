"""Models with random but sharp parameters, in directories as training leaves them."""

from __future__ import annotations

import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import sentencepiece as spm
import torch
import yaml

from stxfer.core.fileio import write_json
from stxfer.core.stage import Stage
from stxfer.model.build import ASRTask, LMTask, build_model

MODEL = {
    "encoder": "s2t_transformer",
    "encoder_conf": {"output_size": 16, "attention_heads": 2, "linear_units": 16, "num_blocks": 1, "conv_channels": 16},
    "decoder": "transformer", "decoder_conf": {"attention_heads": 2, "linear_units": 16, "num_blocks": 1},
    "frontend": None, "normalize": None, "input_size": 80, "token_type": "bpe",
}


def make_vocab(directory: Path) -> list[str]:
    directory.mkdir(parents=True)
    sentences = ["mtoto anasoma kitabu", "watoto wanasoma vitabu", "mama anapika chakula", "baba analima shamba"]
    model = io.BytesIO()
    spm.SentencePieceTrainer.train(sentence_iterator=iter(sentences * 5), model_writer=model, vocab_size=28,
                                   model_type="unigram", minloglevel=2)
    (directory / "bpe.model").write_bytes(model.getvalue())
    pieces = spm.SentencePieceProcessor(model_proto=model.getvalue())
    names = [pieces.id_to_piece(i) for i in range(len(pieces))]
    return ["<blank>", "<unk>", *(name for name in names if not name.startswith("<")), "<sos/eos>"]


def make_model(directory: Path, vocab: Path, tokens: list[str], *, ctc_weight: float = 0.3,
               options: Mapping[str, Any] | None = None, info: Mapping[str, Any] | None = None) -> None:
    """Write a system's directory; ``options`` are those of its marker, ``info`` goes into ``model.json``."""
    directory.mkdir(parents=True)
    config = {**MODEL, "token_list": tokens, "bpemodel": str(vocab / "bpe.model"),
              "model_conf": {"ctc_weight": ctc_weight}}
    torch.manual_seed(3)
    model = build_model("asr", config)
    with torch.no_grad():
        if model.decoder is not None:
            model.decoder.output_layer.weight.mul_(6)
            model.decoder.output_layer.bias[-1] += 2.0
        if model.ctc is not None:
            model.ctc.ctc_lo.weight.mul_(6)
    torch.save(model.state_dict(), directory / "model.pth")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sys.argv", ["espnet"])  # ESPnet's default configuration is that of the command line
        defaults = ASRTask.get_default_config()
    (directory / "config.yaml").write_text(yaml.safe_dump({**defaults, **config}))
    write_json(directory / "model.json", {"task": "asr", **(info or {})})
    outputs = [directory / name for name in ("model.pth", "config.yaml", "model.json")]
    Stage("training", directory, options=options or {}).finish(outputs)


def make_lm(directory: Path, vocab: Path, tokens: list[str], kind: str = "seq_rnn") -> None:
    """Write a language model's directory, likewise."""
    directory.mkdir(parents=True)
    sizes = {"seq_rnn": {"unit": 12}, "transformer": {"att_unit": 16, "unit": 16, "layer": 1}}
    config = {"lm": kind, "lm_conf": sizes[kind], "token_list": tokens, "token_type": "bpe",
              "bpemodel": str(vocab / "bpe.model")}
    torch.manual_seed(4)
    model = build_model("lm", config)
    with torch.no_grad():
        model.lm.decoder.weight.mul_(12)
    torch.save(model.state_dict(), directory / "model.pth")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sys.argv", ["espnet"])
        defaults = LMTask.get_default_config()
    (directory / "config.yaml").write_text(yaml.safe_dump({**defaults, **config}))
    write_json(directory / "model.json", {"task": "lm"})
    Stage("training", directory).finish([directory / name for name in ("model.pth", "config.yaml", "model.json")])
