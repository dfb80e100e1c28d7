"""One step of ESPnet's transformer decoder for many hypotheses of many utterances.

ESPnet's own step projects the encoder's output to keys and values anew for every hypothesis and
token, and the whole prefix likewise. Here the cross-attention's are projected once an utterance and
the self-attention's once a token.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from stxfer.core.errors import ConfigError
from stxfer.decoding.search.attention import AncestorAttention, add_position, attend, heads
from stxfer.model.espnet_layers import PositionalEncoding, ScaledPositionalEncoding, TransformerDecoder


class TransformerStep:
    """Incremental scores of ``espnet2.asr.decoder.transformer_decoder.TransformerDecoder``.

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
        self._own = AncestorAttention([layer.self_attn for layer in decoder.decoders], n_utts, encoder_out)
        self._cross: list[tuple[Tensor, Tensor]] = []
        for layer in decoder.decoders:
            attention = layer.src_attn
            key = attention.k_norm(heads(attention.linear_k(encoder_out), attention.h))
            value = heads(attention.linear_v(encoder_out), attention.h)
            self._cross.append((key.contiguous(), value.contiguous()))

    def score(self, last: Tensor) -> Tensor:
        """Return the log probabilities, (B, K, V), of what follows the hypotheses' last tokens, (B, K)."""
        self._own.extend(last.size(1))
        embedding, positions = self._decoder.embed
        x: Tensor = add_position(positions, embedding(last), self._position)
        for index, layer in enumerate(self._decoder.decoders):
            x = self._layer(index, layer, x)
        if self._decoder.normalize_before:
            x = self._decoder.after_norm(x)
        self._position += 1
        return torch.log_softmax(self._decoder.output_layer(x), dim=-1)

    def select(self, utts: Tensor, rows: Tensor) -> None:
        """Extend the hypotheses ``rows`` (B', K') of the utterances ``utts`` (B',)."""
        self._own.select(utts, rows)
        if utts.numel() == self._lens.numel():
            return
        self._lens = self._lens[utts]
        n_frames = int(self._lens.max())
        self._padding = self._padding[utts, ..., :n_frames]
        self._cross = [(key[utts, :, :n_frames], value[utts, :, :n_frames]) for key, value in self._cross]

    def _layer(self, index: int, layer: Any, x: Tensor) -> Tensor:
        before = layer.normalize_before
        y = layer.norm1(x) if before else x
        attended = self._own.attend(index, y)
        x = x + (layer.concat_linear1(torch.cat([y, attended], -1)) if layer.concat_after else attended)
        if not before:
            x = layer.norm1(x)
        y = layer.norm2(x) if before else x
        query = layer.src_attn.q_norm(heads(layer.src_attn.linear_q(y), layer.src_attn.h))
        attended = layer.src_attn.linear_out(attend(query, *self._cross[index], self._padding))
        x = x + (layer.concat_linear2(torch.cat([y, attended], -1)) if layer.concat_after else attended)
        if not before:
            x = layer.norm2(x)
        y = layer.norm3(x) if before else x
        x = x + layer.feed_forward(y)
        return x if before else layer.norm3(x)


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
