"""What the search asks of a decoder or language model, and which step belongs to which decoder."""

from __future__ import annotations

from typing import Any, Protocol

from torch import Tensor

from stxfer.decoding.search.lstm import LstmStep
from stxfer.decoding.search.transformer import TransformerStep, check_decoder
from stxfer.model.berard import BerardDecoder


class Step(Protocol):
    """A decoder or language model that is extended by one token at a time, for K hypotheses of each of B utterances."""

    def score(self, last: Tensor) -> Tensor:
        """Return the log probabilities, (B, K, V), of what follows the hypotheses' last tokens, (B, K)."""

    def select(self, utts: Tensor, rows: Tensor) -> None:
        """Extend the hypotheses ``rows`` (B', K') of the utterances ``utts`` (B',)."""


def check_step(decoder: Any) -> None:
    """Raise ConfigError for a decoder that there is no step for: best before it is trained."""
    if not isinstance(decoder, BerardDecoder):
        check_decoder(decoder)


def decoder_step(decoder: Any, encoder_out: Tensor, lens: Tensor) -> Step:
    """Return the step of a decoder over an encoder's output (B, T, D) of lengths (B,).

    Raises:
        ConfigError: a decoder that there is no step for.
    """
    if isinstance(decoder, BerardDecoder):
        return LstmStep(decoder, encoder_out, lens)
    return TransformerStep(decoder, encoder_out, lens)
