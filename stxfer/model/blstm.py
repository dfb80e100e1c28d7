"""Bidirectional LSTMs over features that an encoder before them has learnt."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from stxfer.model.berard import BLSTM, blanked, reversal
from stxfer.model.encoder import ConvSubsampler
from stxfer.model.espnet import AbsEncoder


class BLSTMEncoder(AbsEncoder):
    """A sub-sampler or a linear layer, then bidirectional LSTMs, under the name ``s2t_blstm``.

    For features that an encoder has learnt: what they want beside them is little, and CTC over recurrent layers finds
    its alignment within a few hundred steps of an hour or two of speech (docs/pretrained-features.md).

    Args:
        input_size: dimension of the features.
        output_size: of the encoder, twice the size of each direction of each LSTM.
        num_layers: LSTM layers.
        conv_layers: convolutions before them, each halving the frame rate; 0: a linear layer, all frames.
        conv_channels: channels between the convolutions (before gating).
        conv_kernel: width of the convolutions in frames.
        dropout_rate: before each LSTM and after the last.
    """

    def __init__(self, input_size: int, output_size: int = 256, num_layers: int = 2, conv_layers: int = 0,
                 conv_channels: int = 256, conv_kernel: int = 5, dropout_rate: float = 0.2) -> None:
        super().__init__()
        if output_size % 2:
            raise ValueError(f"output_size {output_size} must be even: each direction has half of it")
        self.subsample = ConvSubsampler(input_size, output_size, conv_channels, conv_kernel, conv_layers) \
            if conv_layers else None
        self.linear = None if conv_layers else nn.Linear(input_size, output_size)
        self.lstms = nn.ModuleList(BLSTM(output_size, output_size // 2) for _ in range(num_layers))
        self.norms = nn.ModuleList(nn.LayerNorm(output_size) for _ in range(num_layers))
        self.dropout = nn.Dropout(dropout_rate)
        self._output_size = output_size

    def output_size(self) -> int:
        """Return the dimension of the output."""
        return self._output_size

    def forward(self, xs_pad: Tensor, ilens: Tensor, prev_states: Any = None) -> tuple[Tensor, Tensor, None]:
        """Map (B, T, input_size), (B,) to (B, T', output_size), (B,), None with T' = T / 2**conv_layers, rounded up.

        A batch gives what its utterances give; the output is zero in the padding.
        """
        x, lengths = xs_pad[:, : int(ilens.max())], ilens
        if self.subsample is not None:
            x, lengths = self.subsample(x, lengths)
        if self.linear is not None:
            x = torch.relu(self.linear(x))
        order = reversal(lengths, x.size(1))
        for lstm, norm in zip(self.lstms, self.norms, strict=True):
            x = norm(lstm(self.dropout(x), order))
        return blanked(self.dropout(x), lengths), lengths, None
