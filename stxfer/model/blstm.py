"""Bidirectional LSTMs over features that an encoder before them has learnt."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from stxfer.model.berard import BLSTM, blanked, reversal
from stxfer.model.encoder import ConvSubsampler
from stxfer.model.espnet_layers import AbsEncoder


class BLSTMEncoder(AbsEncoder):
    """A sub-sampler or a linear layer, then bidirectional LSTMs, under the name ``s2t_blstm``.

    For features that an encoder has learnt: what they want beside them is little, and CTC over recurrent layers finds
    its alignment within a few hundred steps of an hour or two of speech (docs/pretrained-features.md).

    Args:
        input_size: dimension of the features.
        output_size: dimension of the output, which is that of a Transformer decoder, too.
        num_layers: LSTM layers.
        lstm_size: width of the LSTMs, both directions together, if they are wider than what a decoder reads; a linear
            layer follows them. 0: ``output_size``.
        conv_layers: convolutions before them, each halving the frame rate; 0: a linear layer, all frames.
        conv_channels: channels between the convolutions (before gating).
        conv_kernel: width of the convolutions in frames.
        dropout_rate: before each LSTM and after the last.
    """

    def __init__(self, input_size: int, output_size: int = 256, num_layers: int = 2, lstm_size: int = 0,
                 conv_layers: int = 0, conv_channels: int = 256, conv_kernel: int = 5,
                 dropout_rate: float = 0.2) -> None:
        super().__init__()
        width = lstm_size or output_size
        if width % 2:
            raise ValueError(f"{'lstm_size' if lstm_size else 'output_size'} {width} must be even: each direction has "
                             "half of it")
        self.subsample = ConvSubsampler(input_size, width, conv_channels, conv_kernel, conv_layers) \
            if conv_layers else None
        self.linear = None if conv_layers else nn.Linear(input_size, width)
        self.lstms = nn.ModuleList(BLSTM(width, width // 2) for _ in range(num_layers))
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(num_layers))
        self.output = None if width == output_size else nn.Linear(width, output_size)
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
        if self.output is not None:
            x = self.output(self.dropout(x))
        return blanked(self.dropout(x), lengths), lengths, None
