"""Self-attention of many hypotheses of many utterances over their own ancestors, a token at a time."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor


class AncestorAttention:
    """Keys and values of a stack of ESPnet's ``MultiHeadedAttention``, for K hypotheses of each of B utterances.

    The keys of all hypotheses that an utterance's beam ever held stay where they were written, and
    each hypothesis sees those of its own ancestors through a mask: selecting hypotheses then moves
    a mask instead of every layer's keys and values.

    Args:
        layers: the modules.
        n_utts: B.
        like: a tensor of the type and device of the keys.
    """

    def __init__(self, layers: Sequence[Any], n_utts: int, like: Tensor) -> None:
        self._layers = layers
        self._visible = torch.zeros(n_utts, 1, 0, dtype=torch.bool, device=like.device)
        self._hidden = self._visible
        self._own: list[tuple[Tensor, Tensor]] = []
        for attention in layers:
            empty = like.new_empty(n_utts, attention.h, 0, attention.d_k)
            self._own.append((empty, empty))

    def extend(self, width: int, seen: Tensor | None = None) -> None:
        """Make room for a position of each of ``width`` hypotheses, which sees itself.

        Args:
            width: K.
            seen: false where not even later positions of the hypothesis see it, (B, K).
        """
        n_utts = self._visible.size(0)
        itself = torch.eye(width, dtype=torch.bool, device=self._visible.device).expand(n_utts, -1, -1)
        if seen is not None:
            itself = itself & seen.unsqueeze(1)
        self._visible = torch.cat([self._visible, itself], dim=2)
        self._hidden = ~self._visible.unsqueeze(1)

    def attend(self, index: int, x: Tensor) -> Tensor:
        """Return what layer ``index`` makes of the inputs of the newest position, (B, K, D)."""
        attention = self._layers[index]
        query = attention.q_norm(heads(attention.linear_q(x), attention.h))
        key = attention.k_norm(heads(attention.linear_k(x), attention.h))
        value = heads(attention.linear_v(x), attention.h)
        size = self._hidden.size(-1)
        self._own[index] = (_append(self._own[index][0], key, size), _append(self._own[index][1], value, size))
        keys, values = self._own[index]
        attended: Tensor = attention.linear_out(attend(query, keys[:, :, :size], values[:, :, :size], self._hidden))
        return attended

    def select(self, utts: Tensor, rows: Tensor) -> None:
        """Extend the hypotheses ``rows`` (B', K') of the utterances ``utts`` (B',)."""
        fewer = utts.numel() < self._visible.size(0)
        self._visible = self._visible[utts.unsqueeze(1), rows]
        if fewer:
            self._own = [(key[utts], value[utts]) for key, value in self._own]


def add_position(positions: Any, x: Tensor, index: int) -> Tensor:
    """Return embeddings (B, K, D) with ESPnet's absolute encoding of position ``index``."""
    if positions.pe.size(1) <= index:
        positions.extend_pe(x.new_zeros(1, 2 * (index + 1)))
    here: Tensor = positions.pe[:, index].to(x)
    placed: Tensor = x + positions.alpha * here if hasattr(positions, "alpha") else x * positions.xscale + here
    return placed


def heads(x: Tensor, count: int) -> Tensor:
    """Split (B, L, D) into (B, H, L, D / H)."""
    return x.view(*x.shape[:2], count, -1).transpose(1, 2)


def attend(query: Tensor, key: Tensor, value: Tensor, hidden: Tensor) -> Tensor:
    """Scaled dot-product attention, (B, K, D); ``hidden`` marks the positions not to look at."""
    scores = torch.matmul(query, key.transpose(-2, -1)) / math.sqrt(query.size(-1))
    scores = scores.masked_fill_(hidden, torch.finfo(scores.dtype).min)
    context = torch.matmul(torch.softmax(scores, dim=-1), value)
    return context.transpose(1, 2).reshape(query.size(0), query.size(2), -1)


def _append(buffer: Tensor, new: Tensor, size: int) -> Tensor:
    """Write ``new`` (B, H, K, d) as the last of ``size`` positions, in a buffer that grows by doubling."""
    if buffer.size(2) < size:
        larger = new.new_empty(*new.shape[:2], max(2 * size, 64), new.size(3))
        larger[:, :, :buffer.size(2)] = buffer
        buffer = larger
    buffer[:, :, size - new.size(2):size] = new
    return buffer
