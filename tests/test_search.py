"""The search returns what ESPnet's own search returns."""

from __future__ import annotations

import itertools
import math
from functools import partial
from types import SimpleNamespace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from stxfer.core.errors import ConfigError, DataError
from stxfer.decoding.search import Hypothesis, beam, beam_search
from stxfer.decoding.search.beam import _Utterance
from stxfer.decoding.search.ctc import CtcPrefixScorer
from stxfer.model.berard import BerardDecoder
from stxfer.model.espnet_layers import ScaledPositionalEncoding, SequentialRNNLM, TransformerDecoder, TransformerLM
from stxfer.model.espnet_patches import fast_imports

with fast_imports():
    from espnet.nets.batch_beam_search import BatchBeamSearch
    from espnet.nets.beam_search import BeamSearch
    from espnet.nets.e2e_asr_common import end_detect
    from espnet.nets.scorers.ctc import CTCPrefixScorer
    from espnet.nets.scorers.length_bonus import LengthBonus
    from espnet2.asr.ctc import CTC
    from espnet2.asr.decoder.rnn_decoder import RNNDecoder

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


def make_recurrent_model(seed: int):
    """The same with this project's recurrent decoder."""
    torch.manual_seed(seed)
    decoder = BerardDecoder(VOCAB, SIZE, embed_size=12, hidden_size=20, num_layers=3, attention_dim=10,
                            output_size=14).eval()
    with torch.no_grad():
        decoder.output_layer.weight.mul_(8.0)
    return SimpleNamespace(decoder=decoder, ctc=make_model(seed).ctc)


def make_lm(seed: int, kind: str = "seq_rnn", **kwargs):
    """A random language model, sharp enough to change what is found."""
    torch.manual_seed(2000 + seed)
    if kind == "seq_rnn":
        lm = SequentialRNNLM(VOCAB, **{"unit": 12, "nlayers": 2, **kwargs}).eval()
    else:
        lm = TransformerLM(VOCAB, **{"embed_unit": 10, "att_unit": 12, "head": 2, "unit": 20, "layer": 2,
                                     **kwargs}).eval()
    with torch.no_grad():
        for parameter in lm.parameters():
            if parameter.dim() > 1:
                parameter.mul_(2.0)
        lm.decoder.weight.mul_(4.0)
        lm.decoder.bias[EOS] -= 2.0
    return lm


def encoded(seed: int, lens: list[int]) -> tuple[torch.Tensor, torch.Tensor]:
    torch.manual_seed(1000 + seed)
    return torch.randn(len(lens), max(lens), SIZE), torch.tensor(lens)


def espnet_search(model, frames, *, beam_size=5, ctc_weight=0.0, length_bonus=0.0, maxlenratio=0.0, minlenratio=0.0,
                  nbest=1, batched=True, lm=None, lm_weight=0.0, pre_beam_ratio=1.5):
    """Search one utterance as Speech2Text does."""
    scorers = {"decoder": model.decoder, "ctc": CTCPrefixScorer(ctc=model.ctc, eos=EOS),
               "length_bonus": LengthBonus(VOCAB), "lm": lm}
    weights = {"decoder": 1.0 - ctc_weight, "ctc": ctc_weight, "length_bonus": length_bonus, "lm": lm_weight}
    search = BeamSearch(beam_size=beam_size, weights=weights, scorers=scorers, sos=EOS, eos=EOS, vocab_size=VOCAB,
                        pre_beam_score_key=None if ctc_weight == 1.0 else "full", pre_beam_ratio=pre_beam_ratio)
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
    {"beam_size": 1}, {"ctc_weight": 0.3, "beam_size": 2, "nbest": 2}, {"ctc_weight": 0.3, "beam_size": 12},
    {"maxlenratio": 2.0}, {"ctc_weight": 0.9, "pre_beam_ratio": 2.4}, {"ctc_weight": 0.9, "pre_beam_ratio": 20.0},
]


@pytest.mark.parametrize("options", OPTIONS, ids=lambda o: " ".join(f"{k}={v}" for k, v in o.items()) or "default")
@pytest.mark.parametrize("seed", range(5))
def test_returns_what_espnet_returns(seed, options):
    results = compare(make_model(seed, eos_bias=-2.0), seed, LENS[seed], **options)
    assert any(hypothesis.tokens for nbest in results for hypothesis in nbest)


@pytest.mark.filterwarnings("ignore:invalid value encountered in logaddexp:RuntimeWarning")  # ESPnet's
@pytest.mark.parametrize("options", [{}, {"length_bonus": 0.3}, {"ctc_weight": 0.3}, {"ctc_weight": 0.3, "nbest": 1}])
def test_returns_what_espnets_search_without_batches_returns(options):
    compare(make_model(2, eos_bias=0.0), 2, LENS[2], batched=False, **options)


@pytest.mark.parametrize("variant", [
    {"normalize_before": False}, {"concat_after": True}, {"normalize_before": False, "concat_after": True},
    {"qk_norm": True}, {"pos_enc_class": ScaledPositionalEncoding}, {"num_blocks": 1, "attention_heads": 4},
], ids=str)
def test_every_form_of_the_decoder(variant):
    compare(make_model(7, eos_bias=0.0, **variant), 7, [11, 8], ctc_weight=0.2)


@pytest.mark.parametrize("options", [{}, {"ctc_weight": 0.3}, {"ctc_weight": 0.4, "length_bonus": 0.4, "beam_size": 3},
                                     {"maxlenratio": 0.8, "minlenratio": 0.2}, {"beam_size": 1}], ids=str)
@pytest.mark.parametrize("seed", range(5))
def test_the_recurrent_decoder(seed, options):
    results = compare(make_recurrent_model(seed), seed, LENS[seed], **options)
    assert any(hypothesis.tokens for nbest in results for hypothesis in nbest)


LMS = [("seq_rnn", {}), ("seq_rnn", {"rnn_type": "gru", "nlayers": 1}), ("seq_rnn", {"rnn_type": "rnn_tanh"}),
       ("transformer", {}), ("transformer", {"pos_enc": "sinusoidal", "layer": 1})]
LM_OPTIONS = [{}, {"ctc_weight": 0.3}, {"ctc_weight": 0.4, "length_bonus": 0.6, "beam_size": 3}, {"ctc_weight": 1.0},
              {"ctc_weight": 0.3, "beam_size": 12, "maxlenratio": 0.6, "minlenratio": 0.2}, {"beam_size": 1}]


@pytest.mark.parametrize("options", LM_OPTIONS, ids=lambda o: " ".join(f"{k}={v}" for k, v in o.items()) or "default")
@pytest.mark.parametrize(("kind", "form"), LMS, ids=str)
@pytest.mark.parametrize("make", [partial(make_model, eos_bias=-2.0), make_recurrent_model], ids=["plain", "berard"])
def test_with_a_language_model(make, kind, form, options):
    seed = 3
    model, lm = make(seed), make_lm(seed, kind, **form)
    fused = compare(model, seed, LENS[seed], lm=lm, lm_weight=0.7, **options)
    plain = compare(model, seed, LENS[seed], **options)
    assert any(hypothesis.tokens for nbest in fused for hypothesis in nbest)
    assert [[h.tokens for h in nbest] for nbest in fused] != [[h.tokens for h in nbest] for nbest in plain]


def test_a_language_model_of_no_weight_changes_nothing():
    model, (out, lens) = make_model(3), encoded(3, [9, 6])
    options = {"ctc": model.ctc, "ctc_weight": 0.3, "sos": EOS, "eos": EOS, "beam_size": 5}
    assert beam_search(out, lens, model.decoder, lm=make_lm(3), lm_weight=0.0, **options) \
        == beam_search(out, lens, model.decoder, **options)


@pytest.mark.parametrize("kind", ["seq_rnn", "transformer"])
@pytest.mark.parametrize("prefix", [(5,), (3, 7)])
def test_a_language_model_does_not_read_the_prefix(kind, prefix):
    model, lm = make_model(3, eos_bias=-2.0), make_lm(3, kind)
    out, lens = encoded(3, [9, 6])
    results = beam_search(out, lens, model.decoder, ctc=model.ctc, ctc_weight=0.3, sos=EOS, eos=EOS, beam_size=8,
                          maxlenratio=-6.0, prefix=prefix, lm=lm, lm_weight=0.5)
    for (best,) in results:
        read, ended = best.tokens[len(prefix):], len(best.tokens) < 6
        history, expected = torch.tensor([[EOS, *read]]), [*read, EOS] if ended else list(read)
        with torch.no_grad():
            log_probs = lm(history, None)[0][0].log_softmax(dim=-1)
        assert read
        assert best.scores["lm"] == pytest.approx(sum(float(log_probs[i, t]) for i, t in enumerate(expected)), abs=1e-3)


@pytest.mark.parametrize("ctc_weight", [0.0, 0.3, 1.0])
@pytest.mark.parametrize("prefix", [(5,), (3, 7)])
def test_a_prefix_is_given_not_searched(prefix, ctc_weight):
    model = make_model(3, eos_bias=-2.0)
    out, lens = encoded(3, [9, 6])
    options = {"ctc": model.ctc, "ctc_weight": ctc_weight, "sos": EOS, "eos": EOS, "maxlenratio": -3.0}
    forced = beam_search(out, lens, model.decoder, beam_size=8, prefix=prefix, **options)
    free = beam_search(out, lens, model.decoder, beam_size=8, nbest=10**6, **options)
    for (best,), every in zip(forced, free, strict=True):
        assert best.tokens[:len(prefix)] == prefix
        rivals = [h for h in every if h.tokens[:len(prefix)] == prefix]
        assert all(best.score >= rival.score - 1e-4 for rival in rivals)
        assert best.score == pytest.approx(sum(best.scores[name] * weight for name, weight in
                                               (("decoder", 1 - ctc_weight), ("ctc", ctc_weight)) if weight), abs=1e-4)


def test_a_batch_gives_what_its_utterances_give():
    model, (out, lens) = make_model(11, eos_bias=0.0), encoded(11, LENS[4])
    options = {"ctc": model.ctc, "sos": EOS, "eos": EOS, "beam_size": 4, "ctc_weight": 0.3, "nbest": 2}
    together = beam_search(out, lens, model.decoder, **options)
    for i, n_frames in enumerate(lens.tolist()):
        (alone,) = beam_search(out[i:i + 1, :n_frames], lens[i:i + 1], model.decoder, **options)
        assert [h.tokens for h in together[i]] == [h.tokens for h in alone]
        assert [h.score for h in together[i]] == pytest.approx([h.score for h in alone], abs=1e-4)


def test_long_outputs():
    """Beyond the first size of the key buffers and beyond the table of positions."""
    model = make_model(5, eos_bias=-8.0)
    model.decoder.embed[-1].pe = model.decoder.embed[-1].pe[:, :20].clone()
    results = compare(model, 5, [12, 9], maxlenratio=-90.0, beam_size=3)
    assert max(len(nbest[0].tokens) for nbest in results) > 64


def test_max_len_bounds_the_output():
    model, (out, lens) = make_model(5, eos_bias=-8.0), encoded(5, [20, 9])
    results = beam_search(out, lens, model.decoder, sos=EOS, eos=EOS, beam_size=3, max_len=4)
    assert [len(nbest[0].tokens) for nbest in results] == [4, 4]
    assert_same(results[0], espnet_search(model, out[0], beam_size=3, maxlenratio=-4.0))


def test_minlenratio_is_lowered_until_there_is_a_result():
    # Two steps at most: none is late enough at 0.3 and 0.2, the second is at 0.1.
    results = compare(make_model(3), 3, [12, 15], maxlenratio=-2.0, minlenratio=0.3)
    assert all(results)
    assert compare(make_model(3), 3, [12], maxlenratio=-1.0, minlenratio=-3.0) == [[]]


def test_no_frames_no_hypothesis():
    model, (out, _) = make_model(1), encoded(1, [6, 6])
    results = beam_search(out, torch.tensor([0, 6]), model.decoder, sos=EOS, eos=EOS, beam_size=3)
    assert results[0] == [] and len(results[1]) == 1


@given(st.lists(st.tuples(st.integers(0, 12), st.integers(-400, 0)), max_size=20), st.integers(0, 12))
def test_end_detection_is_espnets(ended, step):
    utterance = _Utterance(maxlen=100, minlen=0)
    for at, tenths in ended:
        utterance.end(Hypothesis((), tenths / 10, {}), at)
    theirs = [{"yseq": [0] * (at + 2), "score": tenths / 10} for at, tenths in ended]
    assert utterance.end_detected(step) == end_detect(theirs, step)


@pytest.mark.parametrize("scan", [False, True])
def test_ctc_prefix_scores_are_sums_over_alignments(scan):
    """Against Watanabe et al. 2017, eq. 44: all alignments, one by one."""
    torch.manual_seed(0)
    n_frames, vocab, blank, eos = 6, 4, 0, 3
    log_probs = torch.randn(1, n_frames, vocab).log_softmax(2)
    mass: dict[tuple[int, ...], float] = {}
    for path in itertools.product(range(vocab), repeat=n_frames):
        labels = tuple(token for token, _ in itertools.groupby(path) if token != blank)
        mass[labels] = mass.get(labels, 0.0) + math.exp(sum(float(log_probs[0, t, p]) for t, p in enumerate(path)))

    def prefix(labels: tuple[int, ...]) -> float:
        return sum(value for key, value in mass.items() if key[:len(labels)] == labels)

    scorer = CtcPrefixScorer(log_probs, torch.tensor([n_frames]), blank=blank, eos=eos, scan=scan)
    labels: tuple[int, ...] = ()
    one = torch.zeros(1, dtype=torch.long)
    for token in (1, 2, 2):
        scores = scorer.score(torch.tensor([[labels[-1] if labels else eos]]), None)[0, 0]
        for following in (1, 2):
            assert scores[following].item() == pytest.approx(math.log(prefix((*labels, following)) / prefix(labels)),
                                                             abs=1e-4)
        assert scores[eos].item() == pytest.approx(math.log(mass[labels] / prefix(labels)), abs=1e-4)
        scorer.select(one, one.view(1, 1), torch.tensor([[token]]))
        labels = (*labels, token)


def test_sums_over_frames_are_those_of_the_loop():
    """What a GPU computes in place of the loop, for utterances of several lengths and hypotheses of several tokens."""
    generator = torch.Generator().manual_seed(1)
    log_probs = (5 * torch.randn(3, 40, VOCAB, generator=generator)).log_softmax(2)
    scorers = [CtcPrefixScorer(log_probs, torch.tensor([40, 30, 20]), blank=0, eos=EOS, scan=scan)
               for scan in (False, True)]
    last = torch.full((3, 1), EOS)
    for step in range(8):
        candidates = None if step == 0 else torch.randint(1, VOCAB, (*last.shape, 6), generator=generator)
        loop, scan = (scorer.score(last, candidates) for scorer in scorers)
        possible = loop > -1e9
        assert torch.equal(possible, scan > -1e9) and bool(possible.any())
        assert torch.allclose(loop[possible], scan[possible], atol=2e-3)
        width = 4
        rows = torch.randint(last.size(1), (3, width), generator=generator)
        tokens = torch.randint(1, VOCAB, (3, width), generator=generator) if candidates is None else \
            candidates[torch.arange(3).unsqueeze(1), rows, torch.randint(6, (3, width), generator=generator)]
        for scorer in scorers:
            scorer.select(torch.arange(3), rows, tokens)
        last = tokens


def test_the_search_with_sums_over_frames_finds_the_same(monkeypatch):
    model, (out, lens) = make_model(3), encoded(3, [9, 14, 5])
    options = {"ctc": model.ctc, "ctc_weight": 0.4, "sos": EOS, "eos": EOS, "beam_size": 4, "nbest": 3}
    loop = beam_search(out, lens, model.decoder, **options)
    monkeypatch.setattr(beam, "CtcPrefixScorer", partial(CtcPrefixScorer, scan=True))
    scan = beam_search(out, lens, model.decoder, **options)
    assert [[one.tokens for one in nbest] for nbest in scan] == [[one.tokens for one in nbest] for nbest in loop]
    assert [[one.score for one in nbest] for nbest in scan] == \
        [pytest.approx([one.score for one in nbest], abs=1e-3) for nbest in loop]


def test_few_candidates_are_one_at_least():
    model, (out, lens) = make_model(1, eos_bias=-20.0), encoded(1, [9])
    options = {"ctc": model.ctc, "ctc_weight": 0.3, "sos": EOS, "eos": EOS, "beam_size": 3}
    one, fewer = (beam_search(out, lens, model.decoder, pre_beam_ratio=ratio, **options) for ratio in (0.4, 0.1))
    assert one == fewer and one[0][0].tokens


def test_what_attention_does_not_favour_is_found_by_ctc_alone_if_it_may():
    """The decoder never writes token 3, of which CTC is sure."""
    model, (out, lens) = make_model(1), encoded(1, [6])
    with torch.no_grad():
        model.decoder.output_layer.bias[3] = -30.0
        model.ctc.ctc_lo.bias[3] = 60.0
    options = {"ctc": model.ctc, "ctc_weight": 0.9, "sos": EOS, "eos": EOS, "beam_size": 2}
    few, all_of_them = (beam_search(out, lens, model.decoder, pre_beam_ratio=ratio, **options)[0][0].tokens
                        for ratio in (1.5, 20.0))
    assert 3 not in few and all_of_them == (3,)


@pytest.mark.parametrize("options, message", [
    ({"beam_size": VOCAB + 1}, "beam_size 18 is larger than the vocabulary"),
    ({"beam_size": 0}, "beam_size 0"),
    ({"beam_size": 3, "ctc_weight": 0.3}, "trained without CTC"),
    ({"beam_size": 3, "ctc_weight": 1.3}, "must lie between 0 and 1"),
    ({"beam_size": 3, "lm_weight": 0.3}, "lm_weight 0.3 must be 0, or more with a language model"),
    ({"beam_size": 3, "lm_weight": -0.3, "lm": make_lm(1)}, "lm_weight -0.3 must be 0"),
    ({"beam_size": 3, "lm_weight": 0.3, "lm": torch.nn.Linear(1, 1)}, "no step for language model class Linear"),
])
def test_wrong_options_are_named(options, message):
    model, (out, lens) = make_model(1), encoded(1, [6])
    with pytest.raises(ConfigError, match=message):
        beam_search(out, lens, model.decoder, sos=EOS, eos=EOS, **options)


def test_other_decoders_are_refused():
    out, lens = encoded(1, [6])
    with pytest.raises(ConfigError, match="no step for decoder class RNNDecoder"):
        beam_search(out, lens, RNNDecoder(VOCAB, SIZE), sos=EOS, eos=EOS, beam_size=2)
    with pytest.raises(ConfigError, match="input_layer: embed"):
        beam_search(out, lens, make_model(1, input_layer="linear").decoder, sos=EOS, eos=EOS, beam_size=2)


def test_broken_parameters_are_named():
    model, (out, lens) = make_model(1), encoded(1, [6])
    model.decoder.output_layer.bias.data[3] = math.nan
    with pytest.raises(DataError, match="not a number"):
        beam_search(out, lens, model.decoder, sos=EOS, eos=EOS, beam_size=2)
