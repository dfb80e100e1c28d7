"""One step of ESPnet's language models for many hypotheses of many utterances."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from stxfer.core.errors import ConfigError
from stxfer.decoding.search.attention import AncestorAttention, add_position
from stxfer.decoding.search.step import Step
from stxfer.model.espnet_layers import PositionalEncoding, SequentialRNNLM, TransformerLM

BLANK = 0


class RecurrentLmStep:
    """Incremental scores of ``espnet2.lm.seq_rnn_lm.SequentialRNNLM``.

    Args:
        lm: the module, in eval mode.
    """

    def __init__(self, lm: Any) -> None:
        self._lm = lm
        self._state: Any = None
        self._width = 1

    def score(self, last: Tensor) -> Tensor:
        """Return the log probabilities, (B, K, V), of what follows the hypotheses' last tokens, (B, K)."""
        logits, self._state = self._lm(last.reshape(-1, 1), self._state)
        self._width = last.size(1)
        return torch.log_softmax(logits.view(*last.shape, -1), dim=-1)

    def select(self, utts: Tensor, rows: Tensor) -> None:
        """Extend the hypotheses ``rows`` (B', K') of the utterances ``utts`` (B',)."""
        chosen = (utts.unsqueeze(1) * self._width + rows).flatten()
        if isinstance(self._state, tuple):
            self._state = tuple(part[:, chosen] for part in self._state)
        else:
            self._state = self._state[:, chosen]


class TransformerLmStep:
    """Incremental scores of ``espnet2.lm.transformer_lm.TransformerLM``.

    Args:
        lm: the module, in eval mode.
        n_utts: B.
    """

    def __init__(self, lm: Any, n_utts: int) -> None:
        self._lm, self._layers = lm, list(lm.encoder.encoders)
        self._attention = AncestorAttention([layer.self_attn for layer in self._layers], n_utts, lm.decoder.weight)
        self._position = 0

    def score(self, last: Tensor) -> Tensor:
        """Return the log probabilities, (B, K, V), of what follows the hypotheses' last tokens, (B, K)."""
        self._attention.extend(last.size(1), last != BLANK)  # which ESPnet takes for padding
        linear, norm, _, activation, positions = self._lm.encoder.embed
        x = activation(norm(linear(self._lm.embed(last))))
        if isinstance(positions, PositionalEncoding):
            x = add_position(positions, x, self._position)
        for index, layer in enumerate(self._layers):
            x = x + self._attention.attend(index, layer.norm1(x))
            x = x + layer.feed_forward(layer.norm2(x))
        self._position += 1
        return torch.log_softmax(self._lm.decoder(self._lm.encoder.after_norm(x)), dim=-1)

    def select(self, utts: Tensor, rows: Tensor) -> None:
        """Extend the hypotheses ``rows`` (B', K') of the utterances ``utts`` (B',)."""
        self._attention.select(utts, rows)


class LmScorer:
    """A language model that reads what follows the first tokens of every hypothesis.

    Args:
        lm: the module, in eval mode.
        sos: the token that it begins with.
        skip: tokens that it does not read, and scores with 0: language tags are not in its texts.
    """

    def __init__(self, lm: Any, *, sos: int, skip: int = 0) -> None:
        self._lm, self._sos, self._skip = lm, sos, skip
        self._step: Step | None = None

    def score(self, last: Tensor) -> Tensor:
        """Return the log probabilities of what follows the hypotheses' last tokens, (B, K, V) or (1, 1, 1)."""
        if self._skip:
            self._skip -= 1
            return torch.zeros(1, 1, 1, device=last.device)
        if self._step is None:
            self._step = _step(self._lm, last.size(0))
            last = torch.full_like(last, self._sos)
        return self._step.score(last)

    def select(self, utts: Tensor, rows: Tensor) -> None:
        """Extend the hypotheses ``rows`` (B', K') of the utterances ``utts`` (B',)."""
        if self._step is not None:
            self._step.select(utts, rows)


def _step(lm: Any, n_utts: int) -> Step:
    if isinstance(lm, SequentialRNNLM):
        return RecurrentLmStep(lm)
    if isinstance(lm, TransformerLM):
        return TransformerLmStep(lm, n_utts)
    raise ConfigError(f"the search has no step for language model class {type(lm).__name__}; "
                      "train with lm: seq_rnn or transformer")
