"""The search returns what ESPnet's own search returns."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import stxfer.model.espnet_fast  # noqa: F401
import torch
from espnet2.asr.ctc import CTC
from espnet2.asr.decoder.rnn_decoder import RNNDecoder
from espnet2.asr.decoder.transformer_decoder import LightweightConvolutionTransformerDecoder, TransformerDecoder
from espnet.nets.batch_beam_search import BatchBeamSearch
from espnet.nets.beam_search import BeamSearch
from espnet.nets.scorers.ctc import CTCPrefixScorer
from espnet.nets.scorers.length_bonus import LengthBonus
from stxfer.errors import ConfigError, DataError
from stxfer.search import beam_search

VOCAB, SIZE = 17, 16
EOS = VOCAB - 1


def make_model(seed: int, *, peak: float = 4.0, eos_bias: float = 2.0, **kwargs):
    """A random decoder and CTC; ``peak`` sharpens them, so that no two hypotheses score alike."""
    torch.manual_seed(seed)
    options = {"attention_heads": 2, "linear_units": 24, "num_blocks": 2, **kwargs}
    decoder = TransformerDecoder(VOCAB, SIZE, **options).eval()
    ctc = CTC(odim=VOCAB, encoder_output_size=SIZE).eval()
    with torch.no_grad():
        for parameter in decoder.parameters():
            if parameter.dim() > 1:
                parameter.mul_(1.5)
        decoder.output_layer.weight.mul_(peak)
        decoder.output_layer.bias[EOS] += eos_bias
        ctc.ctc_lo.weight.mul_(peak)
        ctc.ctc_lo.bias[0] += 2.0
    return SimpleNamespace(decoder=decoder, ctc=ctc)


def encoded(seed: int, lens: list[int]) -> tuple[torch.Tensor, torch.Tensor]:
    torch.manual_seed(1000 + seed)
    return torch.randn(len(lens), max(lens), SIZE), torch.tensor(lens)


def espnet_search(model, frames, *, beam_size=5, ctc_weight=0.0, length_bonus=0.0, maxlenratio=0.0, minlenratio=0.0,
                  nbest=1, batched=True):
    """Search one utterance as Speech2Text does."""
    scorers = {"decoder": model.decoder, "ctc": CTCPrefixScorer(ctc=model.ctc, eos=EOS),
               "length_bonus": LengthBonus(VOCAB)}
    weights = {"decoder": 1.0 - ctc_weight, "ctc": ctc_weight, "length_bonus": length_bonus}
    search = BeamSearch(beam_size=beam_size, weights=weights, scorers=scorers, sos=EOS, eos=EOS, vocab_size=VOCAB,
                        pre_beam_score_key=None if ctc_weight == 1.0 else "full")
    if batched:
        search.__class__ = BatchBeamSearch
    with torch.no_grad():
        return search(x=frames, maxlenratio=maxlenratio, minlenratio=minlenratio)[:nbest]


def assert_same(ours, theirs):
    assert len(ours) == len(theirs)
    for mine, other in zip(ours, theirs, strict=True):
        assert list(mine.tokens) == [t for t in other.yseq.tolist() if t != EOS]
        assert mine.score == pytest.approx(float(other.score), abs=1e-4)
        assert mine.scores == pytest.approx({k: float(v) for k, v in other.scores.items()}, abs=1e-4)


def compare(model, seed, lens, *, batched=True, **options):
    out, out_lens = encoded(seed, lens)
    options = {"beam_size": 5, "nbest": 3, **options}
    results = beam_search(out, out_lens, model.decoder, ctc=model.ctc, sos=EOS, eos=EOS, **options)
    for i, n_frames in enumerate(lens):
        assert_same(results[i], espnet_search(model, out[i, :n_frames], batched=batched, **options))
    return results


LENS = [[9], [14, 9], [7, 21, 12], [30, 11, 5, 18], [12, 6, 25, 16, 8]]
OPTIONS = [
    {}, {"ctc_weight": 0.3}, {"ctc_weight": 0.3, "length_bonus": 0.6}, {"length_bonus": -0.4},
    {"ctc_weight": 0.5, "maxlenratio": 0.4}, {"maxlenratio": 0.5, "minlenratio": 0.2},
    {"ctc_weight": 0.3, "maxlenratio": -6.0, "minlenratio": -2.0}, {"ctc_weight": 1.0},
    {"ctc_weight": 1.0, "length_bonus": 0.5, "maxlenratio": 0.6},
    {"ctc_weight": 0.3, "beam_size": 1, "nbest": 1}, {"ctc_weight": 0.3, "beam_size": 12},
]


@pytest.mark.parametrize("options", OPTIONS, ids=lambda o: " ".join(f"{k}={v}" for k, v in o.items()) or "default")
@pytest.mark.parametrize("seed", range(5))
def test_returns_what_espnet_returns(seed, options):
    compare(make_model(seed), seed, LENS[seed], **options)
