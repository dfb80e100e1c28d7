"""The recurrent encoder-decoder of speech translation, written so that nothing runs frame by frame in Python.

Bérard et al., "End-to-end automatic speech translation of audiobooks" (ICASSP 2018), the family that the
transfer experiments of Wang et al. (Interspeech 2020) train: frame-wise layers, two convolutions, bidirectional
LSTMs; a decoder whose first LSTM asks an additive attention and whose other LSTMs read the answer.

The first decoder LSTM sees words alone, so in training, where all words are known, it runs over the whole
sentence at once, then the attention answers all its states, then the other LSTMs run: no loop over words is
left. The encoder does not pack its batches (on a CPU a packed LSTM's gradient costs 20 times an unpacked one's):
the backward direction reads each utterance reversed by its own length, so that it does not start in the padding.
What differs from the paper are layer normalisation after each LSTM and the initial parameters (forget gates open,
orthogonal recurrences): without them attention takes several times as long to find its place.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from stxfer.model.espnet_layers import AbsDecoder, AbsEncoder, BatchScorerInterface

CONV_STRIDE = 2


class LSTM(nn.LSTM):
    """``nn.LSTM`` of one layer over (B, T, D) with initial parameters that let it remember."""

    weight_ih_l0: Tensor
    weight_hh_l0: Tensor
    bias_ih_l0: Tensor
    bias_hh_l0: Tensor

    def __init__(self, input_size: int, hidden_size: int) -> None:
        super().__init__(input_size, hidden_size, batch_first=True)
        self.espnet_initialization_fn()

    @torch.no_grad()
    def espnet_initialization_fn(self) -> None:
        """Set the initial parameters; ESPnet calls it after its own initialisation of the whole model."""
        for weights in self.weight_ih_l0.chunk(4):
            nn.init.xavier_uniform_(weights)
        for weights in self.weight_hh_l0.chunk(4):
            nn.init.orthogonal_(weights)
        self.bias_ih_l0.zero_()
        self.bias_hh_l0.zero_()
        self.bias_ih_l0.chunk(4)[1].fill_(1.0)  # PyTorch's order of gates: input, forget, cell, output


class BLSTM(nn.Module):
    """A bidirectional LSTM layer over a padded batch, (B, T, D) to (B, T, 2 hidden_size)."""

    def __init__(self, input_size: int, hidden_size: int) -> None:
        super().__init__()
        self.ahead = LSTM(input_size, hidden_size)
        self.back = LSTM(input_size, hidden_size)

    def forward(self, x: Tensor, reversal: Tensor) -> Tensor:
        """Apply both directions; ``reversal`` (B, T) is what :func:`reversal` gives."""
        reverse = _reordered(self.back(_reordered(x, reversal))[0], reversal)
        return torch.cat([self.ahead(x)[0], reverse], dim=2)


def reversal(lengths: Tensor, size: int) -> Tensor:
    """Return (B, size): the position that each position takes when its sequence is reversed; padding stays."""
    positions = torch.arange(size, device=lengths.device).unsqueeze(0)
    ends = lengths.unsqueeze(1)
    return torch.where(positions < ends, ends - 1 - positions, positions)


def _reordered(x: Tensor, positions: Tensor) -> Tensor:
    return x.gather(1, positions.unsqueeze(2).expand(-1, -1, x.size(2)))


class BerardEncoder(AbsEncoder):
    """Frame-wise tanh layers, two convolutions that leave a quarter of the frames, bidirectional LSTMs.

    Args:
        input_size: dimension of the features.
        hidden_size: of each direction of each LSTM.
        num_layers: LSTM layers.
        input_layers: sizes of the frame-wise layers.
        conv_channels: of both convolutions (3 x 3, stride 2 in time and in frequency).
        dropout_rate: before each LSTM and after the last.
    """

    def __init__(self, input_size: int, hidden_size: int = 256, num_layers: int = 3,
                 input_layers: Sequence[int] = (256, 128), conv_channels: int = 16, dropout_rate: float = 0.2) -> None:
        super().__init__()
        sizes = [input_size, *input_layers]
        self.input_layers = nn.ModuleList(nn.Linear(*pair) for pair in zip(sizes, sizes[1:], strict=False))
        self.convolutions = nn.ModuleList(
            nn.Conv2d(channels, conv_channels, 3, stride=CONV_STRIDE, padding=1) for channels in (1, conv_channels))
        size, width = conv_channels * _halved(_halved(sizes[-1])), 2 * hidden_size
        self.lstms = nn.ModuleList(BLSTM(size if i == 0 else width, hidden_size) for i in range(num_layers))
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(num_layers))
        self.dropout = nn.Dropout(dropout_rate)
        self._output_size = width

    def output_size(self) -> int:
        """Return the dimension of the output."""
        return self._output_size

    def forward(self, xs_pad: Tensor, ilens: Tensor, prev_states: Any = None) -> tuple[Tensor, Tensor, None]:
        """Map (B, T, input_size), (B,) to (B, T', output_size), (B,), None with T' = ceil(ceil(T / 2) / 2).

        What lies in the padding is zero before each convolution and in the output: a batch gives what its
        utterances give.
        """
        x, lengths = xs_pad[:, : int(ilens.max())], ilens
        for layer in self.input_layers:
            x = torch.tanh(layer(x))
        x = blanked(x, lengths).unsqueeze(1)
        for convolution in self.convolutions:
            x, lengths = convolution(x), _halved(lengths)
            x = blanked(x.transpose(1, 2), lengths).transpose(1, 2)
        x = x.transpose(1, 2).flatten(2)
        order = reversal(lengths, x.size(1))
        for lstm, norm in zip(self.lstms, self.norms, strict=True):
            x = norm(lstm(self.dropout(x), order))
        return blanked(self.dropout(x), lengths), lengths, None


def _halved(length: Any) -> Any:
    """Return what a convolution of stride 2 makes of a length."""
    return (length + 1) // 2


def blanked(x: Tensor, lengths: Tensor) -> Tensor:
    """Set (B, T, ...) to zero from each length on."""
    padding = torch.arange(x.size(1), device=x.device) >= lengths.to(x.device).unsqueeze(1)
    return x.masked_fill(padding.view(*padding.shape, *[1] * (x.dim() - 2)), 0.0)


class AdditiveAttention(nn.Module):
    """Bahdanau et al. (ICLR 2015): a weight for each frame from tanh of a projected query plus projected frame."""

    def __init__(self, query_size: int, memory_size: int, attention_dim: int) -> None:
        super().__init__()
        self.query = nn.Linear(query_size, attention_dim)
        self.key = nn.Linear(memory_size, attention_dim, bias=False)
        self.weight = nn.Linear(attention_dim, 1, bias=False)

    def forward(self, queries: Tensor, keys: Tensor, memory: Tensor, padding: Tensor) -> Tensor:
        """Return what queries (B, U, Q) read from memory (B, T, D), (B, U, D).

        Args:
            queries: states of the decoder.
            keys: ``self.key(memory)``, (B, T, A), the same for every word.
            memory: the encoder's output.
            padding: (B, 1, T), true where there is no frame.
        """
        energies = torch.tanh(self.query(queries).unsqueeze(2) + keys.unsqueeze(1))
        weights = self.weight(energies).squeeze(3).masked_fill(padding, torch.finfo(queries.dtype).min)
        return torch.matmul(torch.softmax(weights, dim=2), memory)


class BerardDecoder(AbsDecoder, BatchScorerInterface):
    """LSTM, additive attention, LSTMs over what it read, and a tanh layer over state, reading and word.

    Args:
        vocab_size: number of tokens.
        encoder_output_size: dimension of the encoder's output.
        embed_size: of the embedding.
        hidden_size: of the LSTMs.
        num_layers: LSTM layers, two or more.
        attention_dim: of the attention's hidden layer.
        output_size: of the layer before the vocabulary.
        dropout_rate: of embedding, states and output.
    """

    def __init__(self, vocab_size: int, encoder_output_size: int, embed_size: int = 128, hidden_size: int = 512,
                 num_layers: int = 2, attention_dim: int = 512, output_size: int = 128,
                 dropout_rate: float = 0.2) -> None:
        super().__init__()
        if num_layers < 2:
            raise ValueError(f"num_layers {num_layers}: the first LSTM asks, another reads: at least 2 are needed")
        self.embed = nn.Embedding(vocab_size, embed_size)
        inputs = [embed_size, encoder_output_size, *[hidden_size] * (num_layers - 2)]
        self.lstms = nn.ModuleList(LSTM(size, hidden_size) for size in inputs)
        self.norms = nn.ModuleList(nn.LayerNorm(hidden_size) for _ in inputs)
        self.attention = AdditiveAttention(hidden_size, encoder_output_size, attention_dim)
        self.deep = nn.Linear(hidden_size + encoder_output_size + embed_size, output_size)
        self.output_layer = nn.Linear(output_size, vocab_size)
        self.dropout = nn.Dropout(dropout_rate)

    def forward(self, hs_pad: Tensor, hlens: Tensor, ys_in_pad: Tensor, ys_in_lens: Tensor) -> tuple[Tensor, Tensor]:
        """Return the logits (B, U, V) of what follows each of the tokens (B, U), and the lengths (B,).

        Args:
            hs_pad: the encoder's output, (B, T, D).
            hlens: its lengths, (B,).
            ys_in_pad: tokens, sos first.
            ys_in_lens: their lengths.
        """
        keys, padding = self.prepare(hs_pad, hlens)
        logits, _ = self.advance(ys_in_pad, [None] * len(self.lstms), keys, hs_pad, padding)
        return logits, ys_in_lens

    def prepare(self, memory: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """Return what the attention needs of (B, T, D) once for all words: keys (B, T, A), padding (B, 1, T)."""
        padding = torch.arange(memory.size(1), device=memory.device) >= lengths.to(memory.device).unsqueeze(1)
        return self.attention.key(memory), padding.unsqueeze(1)

    def advance(self, tokens: Tensor, states: Sequence[Any], keys: Tensor, memory: Tensor,
                padding: Tensor) -> tuple[Tensor, list[tuple[Tensor, Tensor]]]:
        """Decode some more tokens from the LSTMs' states.

        Args:
            tokens: (N, U); N is B, or B times the number of an utterance's hypotheses, those of one side by side.
            states: of each LSTM (h, c), each (1, N, H), or ``None`` at the start.
            keys, memory, padding: see :meth:`prepare`, of the B utterances.

        Returns:
            Logits (N, U, V) and the new states.
        """
        embedded = self.dropout(self.embed(tokens))
        new, x, read = [], embedded, embedded
        for i, (lstm, norm, state) in enumerate(zip(self.lstms, self.norms, states, strict=True)):
            x, state = lstm(x, state)
            new.append(state)
            x = self.dropout(norm(x))
            if i == 0:
                asked = x.reshape(len(memory), -1, x.size(2))
                x = read = self.attention(asked, keys, memory, padding).view(*x.shape[:2], -1)
        deep = torch.tanh(self.deep(torch.cat([x, read, embedded], dim=2)))
        return self.output_layer(self.dropout(deep)), new

    def score(self, ys: Tensor, state: Any, x: Tensor) -> tuple[Tensor, Any]:
        """ESPnet's scorer: log probabilities (V,) after tokens (U,) given encoder output (T, D)."""
        scores, states = self.batch_score(ys.unsqueeze(0), [state], x.unsqueeze(0))
        return scores[0], states[0]

    def batch_score(self, ys: Tensor, states: list[Any], xs: Tensor) -> tuple[Tensor, list[Any]]:
        """ESPnet's scorer of several hypotheses: (n, U) tokens, (n, T, D) outputs to (n, V) and their states."""
        lengths = torch.full((len(xs),), xs.size(1), device=xs.device)
        keys, padding = self.prepare(xs, lengths)
        joined: list[Any] = [None] * len(self.lstms)
        if states[0] is not None:
            joined = [tuple(torch.stack([state[i][k] for state in states], dim=1) for k in (0, 1))
                      for i in range(len(self.lstms))]
        logits, new = self.advance(ys[:, -1:], joined, keys, xs, padding)
        split = [[(h[:, n], c[:, n]) for h, c in new] for n in range(len(xs))]
        return torch.log_softmax(logits[:, 0], dim=-1), split
