"""Beam search that returns what ESPnet 202511's returns, many utterances at a time.

``espnet.nets.batch_beam_search.BatchBeamSearch``, as ``espnet2.bin.asr_inference.Speech2Text`` and
``espnet2.bin.mt_inference.Text2Text`` construct it, searches one utterance; its rules are kept to the
letter, the pre-selection of candidates for CTC, the length limits and the end detection included. Three
things differ. A search stops as soon as no running hypothesis can enter the n-best list. The eos that
ESPnet appends at the length limit is not among the tokens. Which of several hypotheses that CTC rules
out (scores of -1e10) comes first is chance, there and here.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from stxfer.core.errors import ConfigError, DataError
from stxfer.decoding.search.ctc import CtcPrefixScorer
from stxfer.decoding.search.lm import LmScorer
from stxfer.decoding.search.step import Step, decoder_step

BLANK = 0
PRE_BEAM_RATIO = 1.5  # of ESPnet
END_M, END_D = 3, -10.0  # end detection: Watanabe et al. 2017, eq. 50
ROUNDING = 0.1  # more than the rounding errors of a hypothesis's score


@dataclass(frozen=True)
class Hypothesis:
    """A finished hypothesis.

    ``tokens`` are without sos and eos; ``score`` is the weighted total that hypotheses are ranked
    by; ``scores`` are the unweighted sums of each scorer (``decoder``, ``length_bonus``, ``lm``, ``ctc``); ``gains``:
    what each token added to ``score``; ``cut``: the length limit ended it, not eos.
    """

    tokens: tuple[int, ...]
    score: float
    scores: dict[str, float]
    gains: tuple[float, ...] = ()
    cut: bool = False


@dataclass(frozen=True)
class _Search:
    """The options that do not change during a search."""

    sos: int
    eos: int
    beam_size: int
    weights: dict[str, float]
    maxlenratio: float
    max_len: int | None
    nbest: int
    prefix: tuple[int, ...]
    pre_beam_ratio: float


@dataclass
class _Utterance:
    """The length limits and finished hypotheses of one utterance."""

    maxlen: int
    minlen: int
    ended: list[Hypothesis] = field(default_factory=list)
    best_of_length: dict[int, float] = field(default_factory=dict)

    def end(self, hypothesis: Hypothesis, step: int) -> None:
        if step >= self.minlen:
            self.ended.append(hypothesis)
            # ESPnet's length counts sos and eos
            self.best_of_length[step + 2] = max(hypothesis.score, self.best_of_length.get(step + 2, -math.inf))

    def end_detected(self, step: int) -> bool:
        """Whether the finished hypotheses of the last lengths all lie far below the best one."""
        if not self.ended:
            return False
        best = max(self.best_of_length.values())
        lengths = range(step - END_M + 1, step + 1)
        return all(self.best_of_length.get(n, math.inf) - best < END_D for n in lengths)

    def nbest(self, count: int) -> list[Hypothesis]:
        return sorted(self.ended, key=lambda hypothesis: hypothesis.score, reverse=True)[:count]

    def settled(self, bound: float, count: int) -> bool:
        """Whether no hypothesis with a total of at most ``bound`` can enter the n-best list."""
        best = self.nbest(count)
        return len(best) == count and best[-1].score > bound + ROUNDING


@torch.no_grad()
def beam_search(encoder_out: Tensor, encoder_lens: Tensor, decoder: Any, *, sos: int, eos: int, beam_size: int,
                ctc: Any = None, ctc_weight: float = 0.0, length_bonus: float = 0.0, maxlenratio: float = 0.0,
                minlenratio: float = 0.0, max_len: int | None = None, nbest: int = 1, prefix: Sequence[int] = (),
                lm: Any = None, lm_weight: float = 0.0,
                pre_beam_ratio: float = PRE_BEAM_RATIO) -> list[list[Hypothesis]]:
    """Search the best token sequences of a batch of utterances.

    Args:
        encoder_out: the encoder's output, (B, T, D).
        encoder_lens: frames of each utterance, (B,).
        decoder: an ESPnet decoder, in eval mode.
        sos, eos: ids of the start and the end of a sentence (one and the same in ESPnet).
        beam_size: hypotheses kept of each utterance.
        ctc: the model's ``espnet2.asr.ctc.CTC``; needed for a ``ctc_weight`` above 0.
        ctc_weight: weight of CTC's score; that of the decoder is ``1 - ctc_weight``.
        length_bonus: added for every token (ESPnet's ``penalty``).
        maxlenratio: most tokens for each encoder frame; 0: as many as frames, with end detection;
            negative: its absolute value is the most tokens.
        minlenratio: fewest tokens for each encoder frame; negative: its absolute value.
        max_len: most tokens whatever the ratio gives.
        nbest: hypotheses returned.
        prefix: tokens that every hypothesis begins with, a language tag; they are no text that ``lm`` reads.
        lm: an ESPnet language model of the same vocabulary, in eval mode; needed for an ``lm_weight`` above 0.
        lm_weight: weight of the language model's score, added to those of decoder and CTC (shallow fusion).
        pre_beam_ratio: CTC scores so many tokens, times ``beam_size``, of each hypothesis: those that decoder and
            language model favour; the others count as impossible. Without a decoder CTC scores all.

    Returns:
        For each utterance at most ``nbest`` hypotheses, best first; none if no hypothesis can be
        long enough (``minlenratio`` is lowered by 0.1 until one is, as in ESPnet).

    Raises:
        ConfigError: an option out of range, or a decoder class the search has no step for.
        DataError: the model's output is not a number.
    """
    if not 0.0 <= ctc_weight <= 1.0:
        raise ConfigError(f"ctc_weight {ctc_weight} must lie between 0 and 1")
    if ctc_weight > 0.0 and ctc is None:
        raise ConfigError(f"ctc_weight {ctc_weight}, but the model was trained without CTC; use 0")
    if lm_weight < 0.0 or (lm_weight > 0.0 and lm is None):
        raise ConfigError(f"lm_weight {lm_weight} must be 0, or more with a language model")
    if beam_size < 1 or nbest < 1:
        raise ConfigError(f"beam_size {beam_size} and nbest {nbest} must be at least 1")
    weights = {"decoder": 1.0 - ctc_weight, "length_bonus": length_bonus, "lm": lm_weight, "ctc": ctc_weight}
    options = _Search(sos=sos, eos=eos, beam_size=beam_size, maxlenratio=maxlenratio, max_len=max_len, nbest=nbest,
                      prefix=tuple(prefix), pre_beam_ratio=pre_beam_ratio,
                      weights={name: weight for name, weight in weights.items() if weight != 0.0})
    results: list[list[Hypothesis]] = [[] for _ in range(len(encoder_out))]
    encoder_out, encoder_lens = _full(encoder_out), encoder_lens.to(encoder_out.device)
    left = [i for i, frames in enumerate(encoder_lens.tolist()) if frames > 0]
    while left:
        lens = encoder_lens[left]
        found = _search(encoder_out[left, :int(lens.max())], lens, decoder, ctc, lm, minlenratio, options)
        for i, hypotheses in zip(left, found, strict=True):
            results[i] = hypotheses
        left = [i for i in left if not results[i]] if minlenratio >= 0.1 else []
        minlenratio = max(0.0, minlenratio - 0.1)
    return results


def _search(encoder_out: Tensor, lens: Tensor, decoder: Any, ctc: Any, lm: Any, minlenratio: float,
            options: _Search) -> list[list[Hypothesis]]:
    """One search, with one ``minlenratio``; see :func:`beam_search`."""
    utterances = [_limits(frames, minlenratio, options) for frames in lens.tolist()]
    attention = decoder_step(decoder, encoder_out, lens) if "decoder" in options.weights else None
    prefix_scorer = CtcPrefixScorer(_full(ctc.log_softmax(encoder_out)), lens, blank=BLANK, eos=options.eos) \
        if "ctc" in options.weights else None
    language = LmScorer(lm, sos=options.sos, skip=len(options.prefix)) if "lm" in options.weights else None
    active = utterances
    prefixes = torch.full((len(active), 1, 1), options.sos, device=encoder_out.device)
    totals = encoder_out.new_zeros(len(active), 1)
    sums = encoder_out.new_zeros(len(active), 1, len(options.weights))
    history = encoder_out.new_zeros(len(active), 1, 1)  # the totals of the prefixes' beginnings
    for step in range(max(utterance.maxlen for utterance in utterances)):
        forced = options.prefix[step] if step < len(options.prefix) else None
        scores = _score(prefixes[:, :, -1], attention, prefix_scorer, language, options, forced)
        weighted = sum(options.weights[name] * score for name, score in scores.items()) + totals.unsqueeze(2)
        if forced is not None:
            others = torch.arange(weighted.size(2), device=weighted.device) != forced
            weighted = weighted.masked_fill(others, -math.inf)
        vocab = weighted.size(2)
        if options.beam_size > vocab:
            raise ConfigError(f"beam_size {options.beam_size} is larger than the vocabulary ({vocab})")
        totals, best = weighted.flatten(1).topk(options.beam_size)
        rows, tokens = best // vocab, best % vocab
        if bool(totals.isnan().any()):
            raise DataError("the model's output is not a number; its parameters are broken, train it again")
        every = torch.arange(len(active), device=best.device).unsqueeze(1)
        gains = [score[every, rows, tokens] for score in scores.values()]
        sums = sums[every, rows] + torch.stack(gains, dim=2)
        prefixes = torch.cat([prefixes[every, rows], tokens.unsqueeze(2)], dim=2)
        history = torch.cat([history[every, rows], totals.unsqueeze(2)], dim=2)

        running = _end(step, active, prefixes, totals, sums, history, options)
        keep = [j for j, alive in enumerate(running) if alive]
        if not keep:
            break
        width = max(len(running[j]) for j in keep)
        # An utterance with fewer running hypotheses is filled up with ones that cannot win.
        chosen = torch.tensor([running[j] + [0] * (width - len(running[j])) for j in keep], device=best.device)
        filling = torch.tensor([[k >= len(running[j]) for k in range(width)] for j in keep], device=best.device)
        utts = torch.tensor(keep, device=best.device)
        at = utts.unsqueeze(1)
        if attention is not None:
            attention.select(utts, rows[at, chosen])
        if language is not None:
            language.select(utts, rows[at, chosen])
        if prefix_scorer is not None:
            prefix_scorer.select(utts, rows[at, chosen], tokens[at, chosen])
        prefixes, sums, history = prefixes[at, chosen], sums[at, chosen], history[at, chosen]
        totals = totals[at, chosen].masked_fill(filling, -math.inf)
        active = [active[j] for j in keep]
    return [utterance.nbest(options.nbest) for utterance in utterances]


def _limits(frames: int, minlenratio: float, options: _Search) -> _Utterance:
    if options.maxlenratio == 0:
        maxlen = frames
    elif options.maxlenratio < 0:
        maxlen = -int(options.maxlenratio)
    else:
        maxlen = max(1, int(options.maxlenratio * frames))
    if options.max_len is not None:
        maxlen = min(maxlen, options.max_len)
    minlen = -int(minlenratio) if minlenratio < 0 else int(minlenratio * frames)
    return _Utterance(maxlen=maxlen, minlen=minlen)


def _score(last: Tensor, attention: Step | None, prefix_scorer: CtcPrefixScorer | None,
           language: LmScorer | None, options: _Search, forced: int | None) -> dict[str, Tensor]:
    """Return each scorer's log probabilities of the next token, (B, K, V), in the order ESPnet adds them."""
    scores: dict[str, Tensor] = {}
    if attention is not None:
        scores["decoder"] = _full(attention.score(last))
    if "length_bonus" in options.weights:
        scores["length_bonus"] = torch.ones(1, 1, 1, device=last.device)
    if language is not None:
        scores["lm"] = _full(language.score(last))
    if prefix_scorer is not None:
        candidates = None
        pre_beam = max(1, int(options.pre_beam_ratio * options.beam_size))
        if forced is not None:
            candidates = torch.full((*last.shape, 1), forced, device=last.device)
        elif "decoder" in scores and pre_beam < scores["decoder"].size(2):
            candidates = _without_ctc(scores, options).topk(pre_beam)[1]
        scores["ctc"] = prefix_scorer.score(last, candidates)
        scores = {name: score.expand_as(scores["ctc"]) for name, score in scores.items()}
    else:
        scores = {name: score.expand_as(scores["decoder"]) for name, score in scores.items()}
    return scores


def _full(scores: Tensor) -> Tensor:
    """Return log probabilities that a network has computed in half precision in single: sums of them need it."""
    return scores.float() if scores.dtype in (torch.bfloat16, torch.float16) else scores


def _without_ctc(scores: dict[str, Tensor], options: _Search) -> Tensor:
    """Return what CTC's candidates are chosen by."""
    if "lm" not in scores:
        return scores["decoder"]  # a length bonus does not change the order
    weighted: Tensor = sum(options.weights[name] * score for name, score in scores.items())  # type: ignore[assignment]
    return weighted


def _end(step: int, active: Sequence[_Utterance], prefixes: Tensor, totals: Tensor, sums: Tensor, history: Tensor,
         options: _Search) -> list[list[int]]:
    """Record the hypotheses that end at ``step``; return each utterance's running ones, none if it is done."""
    at_eos = (prefixes[:, :, -1] == options.eos).tolist()
    running: list[list[int]] = []
    for j, (utterance, scores) in enumerate(zip(active, totals.tolist(), strict=True)):
        alive = []
        for k, score in enumerate(scores):
            if score == -math.inf:
                continue  # descends from a filling
            if at_eos[j][k] or step == utterance.maxlen - 1:
                tokens = tuple(t for t in prefixes[j, k].tolist() if t not in (options.sos, options.eos))
                parts = dict(zip(options.weights, sums[j, k].tolist(), strict=True))
                gains = tuple(history[j, k].diff().tolist()[:len(tokens)])  # sos and eos are the first and the last
                utterance.end(Hypothesis(tokens, score, parts, gains, cut=not at_eos[j][k]), step)
            else:
                alive.append(k)
        if alive:
            # No scorer but the length bonus can raise a score, so what ESPnet goes on to search is known to lose.
            bound = scores[alive[0]] + max(0.0, options.weights.get("length_bonus", 0.0)) * (utterance.maxlen - step)
            if utterance.settled(bound, options.nbest) \
                    or (options.maxlenratio == 0 and utterance.end_detected(step)):
                alive = []
        running.append(alive)
    return running
