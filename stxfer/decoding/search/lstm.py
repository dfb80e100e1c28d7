"""One step of this project's recurrent decoder for many hypotheses of many utterances."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor


class LstmStep:
    """Incremental scores of :class:`stxfer.model.berard.BerardDecoder`.

    The attention's keys are computed once an utterance; a hypothesis is the states of its LSTMs.

    Args:
        decoder: the module, in eval mode.
        encoder_out: (B, T, D).
        lens: frames of each utterance, (B,).
    """

    def __init__(self, decoder: Any, encoder_out: Tensor, lens: Tensor) -> None:
        self._decoder, self._memory, self._lens = decoder, encoder_out, lens
        self._keys, self._padding = decoder.prepare(encoder_out, lens)
        self._states: list[Any] = [None] * len(decoder.lstms)
        self._width = 1

    def score(self, last: Tensor) -> Tensor:
        """Return the log probabilities, (B, K, V), of what follows the hypotheses' last tokens, (B, K)."""
        logits, self._states = self._decoder.advance(last.reshape(-1, 1), self._states, self._keys, self._memory,
                                                     self._padding)
        self._width = last.size(1)
        return torch.log_softmax(logits.view(*last.shape, -1), dim=-1)

    def select(self, utts: Tensor, rows: Tensor) -> None:
        """Extend the hypotheses ``rows`` (B', K') of the utterances ``utts`` (B',)."""
        chosen = (utts.unsqueeze(1) * self._width + rows).flatten()
        self._states = [(h[:, chosen], c[:, chosen]) for h, c in self._states]
        if utts.numel() == self._lens.numel():
            return
        self._lens = self._lens[utts]
        n_frames = int(self._lens.max())
        self._memory, self._keys = self._memory[utts, :n_frames], self._keys[utts, :n_frames]
        self._padding = self._padding[utts, :, :n_frames]
