"""How well a language model predicts a text."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import torch

from stxfer.kaldi.table import iter_table
from stxfer.text.vocab import open_pieces
from stxfer.training.spec import Text

BATCH = 64  # sentences


@torch.no_grad()
def perplexity(model: Any, text: Path, vocabulary: Text) -> dict[str, Any]:
    """Measure an ``ESPnetLanguageModel`` on the sentences of a table.

    Args:
        model: in eval mode.
        text: the table.
        vocabulary: the model's.

    Returns:
        ``sentences``, ``words``, ``tokens``, ``unknown`` (tokens without a piece), ``nll`` (negative log likelihood, in
        nats, the ends of the sentences included), ``perplexity`` (a token) and ``word_perplexity``, each counting the
        end of a sentence.
    """
    tokenizer = open_pieces(Path(vocabulary.pieces))
    ids = {piece: number for number, piece in enumerate(vocabulary.tokens)}
    unknown = ids["<unk>"]
    sentences = [sentence for _, sentence in iter_table(text) if sentence]
    coded = sorted(([ids.get(piece, unknown) for piece in tokenizer.encode(sentence, out_type=str)]
                    for sentence in sentences), key=len)
    total = 0.0
    for start in range(0, len(coded), BATCH):
        batch = [torch.tensor(tokens) for tokens in coded[start:start + BATCH]]
        nll, _ = model.nll(torch.nn.utils.rnn.pad_sequence(batch, batch_first=True),
                           torch.tensor([len(tokens) for tokens in batch]))
        total += float(nll.double().sum())
    words, tokens = sum(len(sentence.split()) for sentence in sentences), sum(map(len, coded))
    return {"sentences": len(sentences), "words": words, "tokens": tokens,
            "unknown": sum(tokens.count(unknown) for tokens in coded), "nll": round(total, 4),
            "perplexity": round(math.exp(total / (tokens + len(sentences))), 4),
            "word_perplexity": round(math.exp(total / (words + len(sentences))), 4)}
