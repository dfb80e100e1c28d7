"""The speech encoder that ASR and ST share."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from stxfer.model.espnet_layers import (
    ConformerEncoder,
    EBranchformerEncoder,
    PositionalEncoding,
    RelPositionalEncoding,
    TransformerEncoder,
    make_pad_mask,
)


class ConvSubsampler(nn.Module):
    """Convolutions of stride 2 over time, each halved again by a gated linear unit.

    The sub-sampler of fairseq's S2T Transformer (Wang et al., "fairseq S2T", AACL 2020; Synnaeve et al.,
    arXiv 1911.08460). Against ESPnet's two-dimensional convolutions it costs a seventh at d = 128 on a CPU.
    What lies in the padding is set to zero after each layer, so that a batch gives what its utterances give.
    """

    def __init__(self, input_size: int, output_size: int, channels: int, kernel: int = 5, layers: int = 2) -> None:
        super().__init__()
        self.convolutions = nn.ModuleList(
            nn.Conv1d(input_size if i == 0 else channels // 2,
                      2 * output_size if i == layers - 1 else channels,
                      kernel, stride=2, padding=kernel // 2)
            for i in range(layers))

    def forward(self, features: torch.Tensor, lengths: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Map (B, T, input_size) and lengths (B,) to (B, T', output_size), T' = T / 2**layers, and lengths."""
        x = features.transpose(1, 2)
        for convolution in self.convolutions:
            x = nn.functional.glu(convolution(x), dim=1)
            lengths = torch.div(lengths - 1, 2, rounding_mode="floor") + 1
            x = x.masked_fill(make_pad_mask(lengths, maxlen=x.size(2)).unsqueeze(1).to(x.device), 0.0)
        return x.transpose(1, 2), lengths


class Subsampled(nn.Module):
    """Puts :class:`ConvSubsampler` before an ESPnet encoder; to be the first base of a class, the encoder its second.

    Args:
        input_size: dimension of the features.
        output_size: dimension of the encoder.
        conv_channels: channels between the convolutions (before gating).
        conv_kernel: width of the convolutions in frames.
        conv_layers: convolutions, each halving the frame rate.
        others: as the ESPnet encoder's.
    """

    def __init__(self, input_size: int, output_size: int = 256, conv_channels: int = 256, conv_kernel: int = 5,
                 conv_layers: int = 2, **others: Any) -> None:
        super().__init__(input_size=output_size, output_size=output_size, input_layer=None, **others)
        self.subsample = ConvSubsampler(input_size, output_size, conv_channels, conv_kernel, conv_layers)

    def forward(self, xs_pad: torch.Tensor, ilens: torch.Tensor, *args: Any, **kwargs: Any) -> Any:
        """Map (B, T, input_size), (B,) to (B, T', output_size), (B,), None."""
        x, lengths = self.subsample(xs_pad[:, : int(ilens.max())], ilens)
        return super().forward(x, lengths, *args, **kwargs)


class S2TTransformerEncoder(Subsampled, TransformerEncoder):
    """ESPnet's Transformer encoder behind :class:`ConvSubsampler`, under the name ``s2t_transformer``."""

    def __init__(self, input_size: int, output_size: int = 256, positional_dropout_rate: float = 0.1,
                 **others: Any) -> None:
        super().__init__(input_size, output_size, positional_dropout_rate=positional_dropout_rate, **others)
        self.embed = PositionalEncoding(output_size, positional_dropout_rate)


class S2TConformerEncoder(Subsampled, ConformerEncoder):
    """ESPnet's Conformer encoder behind :class:`ConvSubsampler`, under the name ``s2t_conformer``.

    With few optimiser steps it learns much more than the Transformer of the same cost. Its positions are relative.
    """

    def __init__(self, input_size: int, output_size: int = 256, positional_dropout_rate: float = 0.1,
                 **others: Any) -> None:
        super().__init__(input_size, output_size, positional_dropout_rate=positional_dropout_rate,
                         rel_pos_type="latest", pos_enc_layer_type="rel_pos", selfattention_layer_type="rel_selfattn",
                         **others)
        self.embed = RelPositionalEncoding(output_size, positional_dropout_rate)


class S2TEBranchformerEncoder(Subsampled, EBranchformerEncoder):
    """ESPnet's E-Branchformer encoder behind :class:`ConvSubsampler`, under the name ``s2t_e_branchformer``.

    Kim et al., "E-Branchformer", SLT 2022. Its positions are relative.
    """
