"""CTC prefix probabilities of many hypotheses of many utterances at once.

Algorithm 2 of Watanabe et al., "Hybrid CTC/Attention Architecture for End-to-End Speech
Recognition" (IEEE JSTSP 11(8), 2017), vectorised as in Seki et al., "Vectorized Beam Search for
CTC-Attention-Based Speech Recognition" (Interspeech 2019). Agrees with ESPnet's
``CTCPrefixScoreTH``, also in what it gives to impossible prefixes (``LOG_ZERO``).
"""

from __future__ import annotations

import torch
from torch import Tensor

LOG_ZERO = -1e10


class CtcPrefixScorer:
    """Scores of the next token, log psi(g, c) - log psi(g), for prefixes g and tokens c.

    Args:
        log_probs: CTC's log posteriors, (B, T, V); frames from ``lens`` on are ignored.
        lens: frames of each utterance, (B,).
        blank: the blank's id.
        eos: the end-of-sentence id; its score is that of the whole label sequence g.
        scan: compute the recursion over frames by prefix sums; None: on a GPU, which would wait for the launches of a
            loop.
    """

    def __init__(self, log_probs: Tensor, lens: Tensor, *, blank: int, eos: int, scan: bool | None = None) -> None:
        self._scans = log_probs.is_cuda if scan is None else scan
        frames = torch.arange(log_probs.size(1), device=log_probs.device)
        padding = frames >= lens.unsqueeze(1)
        # Padding that surely emits blank leaves every prefix probability as it is.
        log_probs = log_probs.masked_fill(padding.unsqueeze(2), LOG_ZERO)
        log_probs[..., blank].masked_fill_(padding, 0.0)
        self._blank, self._eos = blank, eos
        self._lens = lens
        self._emissions = log_probs.transpose(0, 1).contiguous()  # (T, B, V)
        self._probabilities: Tensor | None = None  # of all tokens, where all are scored
        self._length = 0
        by_blank = self._emissions[..., blank].cumsum(0).unsqueeze(2)
        # Forward probabilities of the prefix, ending in a label or in blank: (T, 2, B, K).
        self._forward = torch.stack([torch.full_like(by_blank, LOG_ZERO), by_blank], dim=1)
        self._prefix = log_probs.new_zeros(log_probs.size(0), 1)  # log psi(g): (B, K)

    def score(self, last: Tensor, candidates: Tensor | None) -> Tensor:
        """Score every next token.

        Args:
            last: the prefixes' last tokens, (B, K).
            candidates: the tokens worth scoring, (B, K, S); ``None`` means all. The others, except
                eos, count as impossible.

        Returns:
            Log probabilities, (B, K, V).
        """
        total = torch.logsumexp(self._forward, dim=1)  # (T, B, K)
        psi = self._psi_of_all(total, last) if candidates is None else self._psi_of(candidates, total, last)
        ends = (self._lens - 1).view(1, -1, 1).expand(1, *last.shape)
        psi[..., self._eos] = total.gather(0, ends).squeeze(0)
        if self._eos != self._blank:
            psi[..., self._blank] = LOG_ZERO
        self._next = last, total, psi
        return psi - self._prefix.unsqueeze(2)

    def _psi_of(self, candidates: Tensor, total: Tensor, last: Tensor) -> Tensor:
        """Return log psi of every prefix and token, (B, K, V), given candidates (B, K, S); the others are impossible.

        It is phi times the token's probability, summed over frames: no recursion.
        """
        x, start = self._emissions, max(self._length, 1)
        labels = x.gather(2, candidates.reshape(1, len(candidates), -1).expand(len(x), -1, -1)).view(
            len(x), *candidates.shape)
        again = candidates == last.unsqueeze(2)  # the same label again needs a blank between
        phi = torch.where(again, self._forward[:, 1].unsqueeze(3), total.unsqueeze(3))
        psi = torch.logsumexp(phi[start - 1:-1] + labels[start:], dim=0)
        if self._length == 0:
            psi = torch.logaddexp(psi, labels[0])
        return psi.new_full((*last.shape, x.size(2)), LOG_ZERO).scatter_(2, candidates, psi)

    def _psi_of_all(self, total: Tensor, last: Tensor) -> Tensor:
        """Return what :meth:`_psi_of` returns of all tokens, to rounding, by a product of matrices.

        All tokens cost next to nothing so. Double precision holds what is up to 300 orders of magnitude less probable
        than the prefix.
        """
        if self._probabilities is None:
            self._probabilities = self._emissions.double().exp()
        start, frames = max(self._length, 1), self._emissions.size(0)
        psi = total.new_full((*last.shape, self._emissions.size(2)), LOG_ZERO)
        if start < frames:
            phi = total[start - 1:-1]
            best = phi.amax(0)
            sums = torch.einsum("tbk,tbv->bkv", (phi - best).double().exp(), self._probabilities[start:])
            psi = (sums.log() + best.unsqueeze(2)).clamp(min=LOG_ZERO).to(total.dtype)
            again = self._emissions[start:].gather(2, last.expand(frames - start, *last.shape))
            psi.scatter_(2, last.unsqueeze(2),
                         torch.logsumexp(self._forward[start - 1:-1, 1] + again, dim=0).unsqueeze(2))
        return torch.logaddexp(psi, self._emissions[0].unsqueeze(1)) if self._length == 0 else psi

    def select(self, utts: Tensor, rows: Tensor, tokens: Tensor) -> None:
        """Append ``tokens`` (B', K') to hypotheses ``rows`` (B', K') of ``utts`` (B',)."""
        last, total, psi = self._next
        utterance = utts.unsqueeze(1)
        self._lens = self._lens[utts]
        frames = int(self._lens.max())
        fewer = utts.numel() < self._emissions.size(1)
        self._emissions = self._emissions[:frames, utts] if fewer else self._emissions[:frames]
        if self._probabilities is not None:
            self._probabilities = self._probabilities[:frames, utts] if fewer else self._probabilities[:frames]
        repeats = tokens == last[utterance, rows]
        phi = torch.where(repeats, self._forward[:frames, 1, utterance, rows], total[:frames, utterance, rows])
        labels = self._emissions.gather(2, tokens.expand(frames, *tokens.shape))
        self._forward = (self._scan if self._scans else self._recursion)(labels, phi)
        self._prefix = psi[utterance, rows, tokens]
        self._length += 1

    def _recursion(self, labels: Tensor, phi: Tensor) -> Tensor:
        """Return the forward probabilities of prefixes and a token after each, (T, 2, B, K), given (T, B, K) each."""
        frames, shape = labels.size(0), labels.shape[1:]
        blanks = self._emissions[..., self._blank].unsqueeze(2).expand_as(labels)
        emitted = torch.stack([labels, blanks], dim=1).unbind(0)
        # Slots: label, phi, blank. A frame's two sums read slots 1-2 and write slots 0 and 2, so that
        # one logaddexp and one addition do a frame: the loop over frames is what the search waits for.
        lattice = phi.new_full((frames, 3, *shape), LOG_ZERO)
        lattice[:, 1] = phi
        if self._length == 0:
            lattice[0, 0] = labels[0]
        label, right, out = lattice[:, 0:1].unbind(0), lattice[:, 1:3].unbind(0), lattice[:, 0::2].unbind(0)
        both = phi.new_empty((2, *shape))
        for t in range(max(self._length, 1), frames):
            torch.logaddexp(label[t - 1], right[t - 1], out=both)
            torch.add(both, emitted[t], out=out[t])
        return lattice[:, 0::2]

    def _scan(self, labels: Tensor, phi: Tensor) -> Tensor:
        """Return what :meth:`_recursion` returns, to rounding, in a dozen operations whatever the number of frames.

        r(t) = logaddexp(r(t-1), u(t-1)) + x(t) is X(t) + log sum over s <= t of exp(u(s-1) - X(s-1)), where X are the
        sums of x. They nearly cancel: double precision.
        """
        start, frames = max(self._length, 1), labels.size(0)
        forward = phi.new_full((frames, 2, *labels.shape[1:]), LOG_ZERO)
        if self._length == 0:
            forward[0, 0] = labels[0]
        if start >= frames:
            return forward
        blanks = self._emissions[start:, :, self._blank].double().unsqueeze(2)
        label = _first_order(labels[start:].double(), phi[start - 1:-1].double(), forward[start - 1, 0].double())
        forward[start:, 0] = label.to(forward.dtype)
        before = torch.cat([forward[start - 1:start, 0].double(), label[:-1]])
        forward[start:, 1] = _first_order(blanks.expand_as(label), before, forward[start - 1, 1].double()).to(
            forward.dtype)
        return forward


def _first_order(x: Tensor, u: Tensor, first: Tensor) -> Tensor:
    """Return r(t) = logaddexp(r(t-1), u(t)) + x(t) for all t, (T, ...), with ``first`` (...) before the first."""
    sums = x.cumsum(0)
    terms = torch.cat([torch.logaddexp(u[:1], first.unsqueeze(0)), u[1:] - sums[:-1]])
    return sums + torch.logcumsumexp(terms, 0)
