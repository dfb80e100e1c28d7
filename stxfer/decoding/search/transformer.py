"""One step of ESPnet's transformer decoder for many hypotheses of many utterances.

ESPnet's own step projects the encoder's output to keys and values anew for every hypothesis and
token, and the whole prefix likewise. Here the cross-attention's are projected once an utterance and
the self-attention's once a token.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from stxfer.core.errors import ConfigError
from stxfer.model.espnet import PositionalEncoding, ScaledPositionalEncoding, TransformerDecoder


class TransformerStep:
    """Incremental scores of ``espnet2.asr.decoder.transformer_decoder.TransformerDecoder``.

    The keys of all hypotheses that an utterance's beam ever held stay where they were written, and
    each hypothesis sees those of its own ancestors through a mask: selecting hypotheses then moves
    a mask instead of every layer's keys and values.

    Args:
        decoder: the ESPnet module, in eval mode.
        encoder_out: (B, T, D).
        lens: frames of each utterance, (B,).

    Raises:
        ConfigError: a layer of the decoder that this step does not know.
    """

    def __init__(self, decoder: Any, encoder_out: Tensor, lens: Tensor) -> None:
        check_decoder(decoder)
        self._decoder = decoder
        self._position = 0
        self._lens = lens
        n_utts, n_frames, _ = encoder_out.shape
        self._padding = (torch.arange(n_frames, device=lens.device) >= lens.unsqueeze(1))[:, None, None]
        self._visible = torch.zeros(n_utts, 1, 0, dtype=torch.bool, device=encoder_out.device)
        self._cross: list[tuple[Tensor, Tensor]] = []
        self._own: list[tuple[Tensor, Tensor]] = []
        for layer in decoder.decoders:
            attention = layer.src_attn
            key = attention.k_norm(_heads(attention.linear_k(encoder_out), attention.h))
            value = _heads(attention.linear_v(encoder_out), attention.h)
            self._cross.append((key.contiguous(), value.contiguous()))
            empty = encoder_out.new_empty(n_utts, layer.self_attn.h, 0, layer.self_attn.d_k)
            self._own.append((empty, empty))

    def score(self, last: Tensor) -> Tensor:
        """Return the log probabilities, (B, K, V), of what follows the hypotheses' last tokens, (B, K)."""
        width = last.size(1)
        itself = torch.eye(width, dtype=torch.bool, device=last.device).expand(last.size(0), -1, -1)
        self._visible = torch.cat([self._visible, itself], dim=2)
        hidden = ~self._visible.unsqueeze(1)
        x = self._embed(last)
        for index, layer in enumerate(self._decoder.decoders):
            x = self._layer(index, layer, x, hidden)
        if self._decoder.normalize_before:
            x = self._decoder.after_norm(x)
        self._position += 1
        return torch.log_softmax(self._decoder.output_layer(x), dim=-1)

    def select(self, utts: Tensor, rows: Tensor) -> None:
        """Go on with the hypotheses ``rows`` (B', K') of the utterances ``utts`` (B',)."""
        self._visible = self._visible[utts.unsqueeze(1), rows]
        if utts.numel() == self._lens.numel():
            return
        self._lens = self._lens[utts]
        n_frames = int(self._lens.max())
        self._padding = self._padding[utts, ..., :n_frames]
        self._cross = [(key[utts, :, :n_frames], value[utts, :, :n_frames]) for key, value in self._cross]
        self._own = [(key[utts], value[utts]) for key, value in self._own]

    def _embed(self, last: Tensor) -> Tensor:
        embedding, positions = self._decoder.embed
        x: Tensor = embedding(last)
        if positions.pe.size(1) <= self._position:
            positions.extend_pe(x.new_zeros(1, 2 * (self._position + 1)))
        here: Tensor = positions.pe[:, self._position].to(x)
        embedded: Tensor = x + positions.alpha * here if hasattr(positions, "alpha") else x * positions.xscale + here
        return embedded

    def _layer(self, index: int, layer: Any, x: Tensor, hidden: Tensor) -> Tensor:
        before = layer.normalize_before
        y = layer.norm1(x) if before else x
        attended = self._self_attention(index, layer.self_attn, y, hidden)
        x = x + (layer.concat_linear1(torch.cat([y, attended], -1)) if layer.concat_after else attended)
        if not before:
            x = layer.norm1(x)
        y = layer.norm2(x) if before else x
        query = layer.src_attn.q_norm(_heads(layer.src_attn.linear_q(y), layer.src_attn.h))
        attended = layer.src_attn.linear_out(_attend(query, *self._cross[index], self._padding))
        x = x + (layer.concat_linear2(torch.cat([y, attended], -1)) if layer.concat_after else attended)
        if not before:
            x = layer.norm2(x)
        y = layer.norm3(x) if before else x
        x = x + layer.feed_forward(y)
        return x if before else layer.norm3(x)

    def _self_attention(self, index: int, attention: Any, y: Tensor, hidden: Tensor) -> Tensor:
        query = attention.q_norm(_heads(attention.linear_q(y), attention.h))
        key = attention.k_norm(_heads(attention.linear_k(y), attention.h))
        value = _heads(attention.linear_v(y), attention.h)
        size = hidden.size(-1)
        self._own[index] = (_append(self._own[index][0], key, size), _append(self._own[index][1], value, size))
        keys, values = self._own[index]
        attended: Tensor = attention.linear_out(_attend(query, keys[:, :, :size], values[:, :, :size], hidden))
        return attended


def check_decoder(decoder: Any) -> None:
    """Raise ConfigError for a decoder that :class:`TransformerStep` is not for."""
    if type(decoder) is not TransformerDecoder:
        raise ConfigError(f"the search has no step for decoder class {type(decoder).__name__}; "
                          "train with decoder: transformer or berard")
    if not isinstance(decoder.embed[0], torch.nn.Embedding) \
            or type(decoder.embed[-1]) not in (PositionalEncoding, ScaledPositionalEncoding):
        raise ConfigError("the search needs a transformer decoder with input_layer: embed and absolute positions")
    if decoder.output_layer is None:
        raise ConfigError("the search needs a transformer decoder with use_output_layer: true")


def _heads(x: Tensor, heads: int) -> Tensor:
    """Split (B, L, D) into (B, H, L, D / H)."""
    return x.view(*x.shape[:2], heads, -1).transpose(1, 2)


def _append(buffer: Tensor, new: Tensor, size: int) -> Tensor:
    """Write ``new`` (B, H, K, d) as the last of ``size`` positions, in a buffer that grows by doubling."""
    if buffer.size(2) < size:
        larger = new.new_empty(*new.shape[:2], max(2 * size, 64), new.size(3))
        larger[:, :, :buffer.size(2)] = buffer
        buffer = larger
    buffer[:, :, size - new.size(2):size] = new
    return buffer


def _attend(query: Tensor, key: Tensor, value: Tensor, hidden: Tensor) -> Tensor:
    """Scaled dot-product attention, (B, K, D); ``hidden`` marks the positions not to look at."""
    scores = torch.matmul(query, key.transpose(-2, -1)) / math.sqrt(query.size(-1))
    scores = scores.masked_fill_(hidden, torch.finfo(scores.dtype).min)
    context = torch.matmul(torch.softmax(scores, dim=-1), value)
    return context.transpose(1, 2).reshape(query.size(0), query.size(2), -1)
