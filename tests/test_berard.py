"""The recurrent family against a plain, obvious implementation of it, and against itself."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from stxfer.model.berard import LSTM, BerardDecoder, BerardEncoder, reversal
from stxfer.model.build import build_model

VOCAB = 11
FEATURES, LENGTHS = 8, [23, 9, 17, 1, 2]


def lstm_by_hand(module: LSTM, xs: list[Tensor]) -> list[Tensor]:
    """One step after another, as the textbook writes them (Hochreiter and Schmidhuber, with forget gates)."""
    h = c = torch.zeros(module.hidden_size, dtype=xs[0].dtype)
    states = []
    for x in xs:
        gates = module.weight_ih_l0 @ x + module.bias_ih_l0 + module.weight_hh_l0 @ h + module.bias_hh_l0
        i, f, g, o = gates.chunk(4)
        c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
        h = torch.sigmoid(o) * torch.tanh(c)
        states.append(h)
    return states


def conv_by_hand(convolution: torch.nn.Conv2d, image: Tensor) -> Tensor:
    """(C, T, F) to (C', ceil(T / 2), ceil(F / 2)), output by output."""
    _, frames, bands = image.shape
    padded = torch.nn.functional.pad(image, (1, 1, 1, 1))
    return torch.stack([
        torch.stack([(convolution.weight * padded[:, t:t + 3, f:f + 3]).sum((1, 2, 3)) + convolution.bias
                     for f in range(0, bands, 2)], dim=1)
        for t in range(0, frames, 2)], dim=1)


def encode_by_hand(encoder: BerardEncoder, frames: Tensor) -> Tensor:
    """One utterance, (T, D) to (T', D')."""
    for layer in encoder.input_layers:
        frames = torch.tanh(frames @ layer.weight.T + layer.bias)
    image = frames.unsqueeze(0)
    for convolution in encoder.convolutions:
        image = conv_by_hand(convolution, image)
    xs = [image[:, t].flatten() for t in range(image.size(1))]
    for blstm, norm in zip(encoder.lstms, encoder.norms, strict=True):
        ahead = lstm_by_hand(blstm.ahead, xs)
        back = lstm_by_hand(blstm.back, xs[::-1])[::-1]
        xs = [norm(torch.cat(pair)) for pair in zip(ahead, back, strict=True)]
    return torch.stack(xs)


def decode_by_hand(decoder: BerardDecoder, memory: Tensor, tokens: list[int]) -> Tensor:
    """One utterance: logits (U, V) after each token, word by word."""
    attention = decoder.attention
    rows, xs = [], [decoder.embed.weight[token] for token in tokens]
    first = lstm_by_hand(decoder.lstms[0], xs)
    reads = []
    for state in first:
        query = attention.query(decoder.norms[0](state))
        energy = torch.stack([attention.weight.weight[0] @ torch.tanh(query + attention.key.weight @ frame)
                              for frame in memory])
        weights = energy.exp() / energy.exp().sum()
        reads.append(sum(weight * frame for weight, frame in zip(weights, memory, strict=True)))
    states = reads
    for lstm, norm in zip(list(decoder.lstms)[1:], list(decoder.norms)[1:], strict=True):
        states = [norm(state) for state in lstm_by_hand(lstm, states)]
    for state, read, word in zip(states, reads, xs, strict=True):
        deep = torch.tanh(decoder.deep.weight @ torch.cat([state, read, word]) + decoder.deep.bias)
        rows.append(decoder.output_layer(deep))
    return torch.stack(rows)


@pytest.fixture
def encoder() -> BerardEncoder:
    torch.manual_seed(1)
    return BerardEncoder(FEATURES, hidden_size=5, num_layers=2, input_layers=(7, 6), conv_channels=3).double().eval()


@pytest.fixture
def decoder() -> BerardDecoder:
    torch.manual_seed(2)
    return BerardDecoder(VOCAB, 10, embed_size=4, hidden_size=6, num_layers=3, attention_dim=5,
                         output_size=7).double().eval()


def batch() -> tuple[Tensor, Tensor]:
    torch.manual_seed(3)
    features = torch.randn(len(LENGTHS), max(LENGTHS), FEATURES, dtype=torch.float64)
    return features, torch.tensor(LENGTHS)  # what lies in the padding is noise, not zero


def gradients(module: torch.nn.Module) -> dict[str, Tensor]:
    found = {name: p.grad.clone() for name, p in module.named_parameters()}
    module.zero_grad()
    return found


def test_the_encoder_is_the_plain_one(encoder: BerardEncoder) -> None:
    features, lengths = batch()
    output, frames, _ = encoder(features, lengths)
    by_hand = [encode_by_hand(encoder, features[i, :n]) for i, n in enumerate(LENGTHS)]
    assert frames.tolist() == [len(x) for x in by_hand] == [6, 3, 5, 1, 1]
    for i, expected in enumerate(by_hand):
        torch.testing.assert_close(output[i, : len(expected)], expected, rtol=1e-9, atol=1e-10)
        assert not output[i, len(expected):].any()
    weights = torch.randn_like(output)
    (output * weights).sum().backward()
    ours = gradients(encoder)
    sum((x * weights[i, : len(x)]).sum() for i, x in enumerate(by_hand)).backward()
    theirs = gradients(encoder)
    for name in theirs:
        torch.testing.assert_close(ours[name], theirs[name], rtol=1e-8, atol=1e-9, msg=name)
        assert theirs[name].any(), name


def test_the_decoder_is_the_plain_one(decoder: BerardDecoder) -> None:
    torch.manual_seed(4)
    lengths, words = [6, 3, 1], [5, 2, 4]
    memory = torch.randn(3, 6, 10, dtype=torch.float64, requires_grad=True)
    tokens = torch.randint(0, VOCAB, (3, 5))
    logits, _ = decoder(memory, torch.tensor(lengths), tokens, torch.tensor(words))
    by_hand = [decode_by_hand(decoder, memory[i, :n], tokens[i, :u].tolist())
               for i, (n, u) in enumerate(zip(lengths, words, strict=True))]
    for i, expected in enumerate(by_hand):
        torch.testing.assert_close(logits[i, : len(expected)], expected, rtol=1e-9, atol=1e-10)
    weights = torch.randn_like(logits)
    sum((logits[i, : len(x)] * weights[i, : len(x)]).sum() for i, x in enumerate(by_hand)).backward()
    ours, ours_memory = gradients(decoder), memory.grad.clone()
    memory.grad = None
    sum((x * weights[i, : len(x)]).sum() for i, x in enumerate(by_hand)).backward()
    theirs = gradients(decoder)
    torch.testing.assert_close(ours_memory, memory.grad, rtol=1e-8, atol=1e-9)
    assert not ours_memory[1, 3:].any()  # no gradient flows to the padding
    for name in theirs:
        torch.testing.assert_close(ours[name], theirs[name], rtol=1e-8, atol=1e-9, msg=name)


def test_a_batch_gives_what_its_utterances_give() -> None:
    model = build_model("asr", {
        "token_list": ["<blank>", "<unk>", "a", "b", "c", "<sos/eos>"], "input_size": FEATURES, "frontend": None,
        "normalize": None, "encoder": "berard", "encoder_conf": {"hidden_size": 5, "num_layers": 2},
        "decoder": "berard", "decoder_conf": {"hidden_size": 6}, "init": "xavier_uniform",
        "model_conf": {"ctc_weight": 0.3, "report_cer": False, "report_wer": False}}).double().eval()
    features, lengths = batch()
    features, lengths = features[:3], lengths[:3]
    text, words = torch.tensor([[2, 3, 4], [4, 2, -1], [3, -1, -1]]), torch.tensor([3, 2, 1])
    together = model(features, lengths, text, words)[1]["loss"]
    alone = [model(features[i:i + 1, :n], lengths[i:i + 1], text[i:i + 1, :u], words[i:i + 1])[1]["loss"]
             for i, (n, u) in enumerate(zip(lengths.tolist(), words.tolist(), strict=True))]
    assert float(together) == pytest.approx(float(sum(alone)) / 3, rel=1e-6)  # ESPnet adds up in single precision


def test_reversal_leaves_the_padding_where_it_is() -> None:
    assert reversal(torch.tensor([4, 2, 1, 0]), 4).tolist() == [
        [3, 2, 1, 0], [1, 0, 2, 3], [0, 1, 2, 3], [0, 1, 2, 3]]


def test_initial_parameters_survive_espnets_initialisation() -> None:
    model = build_model("asr", {
        "token_list": ["<blank>", "<unk>", "<sos/eos>"], "input_size": FEATURES, "frontend": None, "normalize": None,
        "encoder": "berard", "encoder_conf": {"hidden_size": 5, "num_layers": 1}, "decoder": "berard",
        "init": "xavier_uniform"})
    for lstm in (module for module in model.modules() if isinstance(module, LSTM)):
        n = lstm.hidden_size
        assert (lstm.bias_ih_l0[n:2 * n] == 1).all() and lstm.bias_ih_l0.sum() == n and not lstm.bias_hh_l0.any()
        recurrent = lstm.weight_hh_l0[:n]
        torch.testing.assert_close(recurrent @ recurrent.T, torch.eye(n), rtol=0, atol=1e-5)


def test_one_lstm_cannot_both_ask_and_read() -> None:
    with pytest.raises(ValueError, match="num_layers 1: the first LSTM asks, another reads"):
        BerardDecoder(VOCAB, 10, num_layers=1)
