"""Words of a hypothesis: how sure the search is of each, and when CTC heard it."""

from __future__ import annotations

import functools
import logging
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from stxfer.decoding.decode import BLANK, UNKNOWN

if TYPE_CHECKING:
    from torch import Tensor

log = logging.getLogger(__name__)
SPACE = "\u2581"  # of SentencePiece, before a word's first piece


class Word(NamedTuple):
    """A word; ``confidence`` lies between 0 and 1, times are seconds (None: the model has no CTC to tell them)."""

    text: str
    confidence: float
    start: float | None = None
    end: float | None = None

    def later(self, seconds: float) -> Word:
        """Return the word so much later."""
        if self.start is None or self.end is None:
            return self
        return self._replace(start=self.start + seconds, end=self.end + seconds)


def spell(pieces: Sequence[str]) -> list[tuple[str, list[int]]]:
    """Return the words that pieces spell, and which pieces each is made of; what has no piece is left out."""
    words: list[tuple[str, list[int]]] = []
    for number, piece in enumerate(pieces):
        if piece == UNKNOWN:
            continue
        begins = piece.startswith(SPACE) or not words
        if begins and not (words and not words[-1][0]):  # a space alone belongs to the word behind it
            words.append(("", []))
        text, of = words[-1]
        words[-1] = (text + piece.replace(SPACE, ""), [*of, number])
    return [word for word in words if word[0]]


def likelihood(gains: Sequence[float]) -> float:
    """Return the probability of tokens, each given those before it, from what their log probabilities are."""
    return math.exp(min(0.0, math.fsum(gains)))


@functools.cache
def _tell(why: str) -> None:
    """Say once that times are missing."""
    log.warning("words have no times: torchaudio cannot be loaded (%s)", " ".join(why.split())[:200])


def align(ctc: Any, encoded: Tensor, tokens: Sequence[int], seconds: float) -> list[tuple[float, float]]:
    """Return when each token begins and ends, by CTC's best path through a hypothesis.

    ``torchaudio.functional.forced_align``; see Kürzinger et al., "CTC-segmentation of large corpora" (SPECOM 2020).

    Args:
        ctc: the model's ``espnet2.asr.ctc.CTC``.
        encoded: the encoder's output, (T, D).
        tokens: the hypothesis, without blanks.
        seconds: duration of what was encoded.

    Returns:
        Seconds; none if the frames are too few for the tokens, or torchaudio cannot be loaded.
    """
    import torch

    try:
        from torchaudio.functional import forced_align, merge_tokens
    except (ImportError, OSError) as error:  # not installed, or made for another torch
        _tell(str(error))
        return []
    repeats = sum(one == other for one, other in zip(tokens, tokens[1:], strict=False))
    if not tokens or len(encoded) < len(tokens) + repeats:
        return []
    log_probs = ctc.log_softmax(encoded.unsqueeze(0)).float().cpu()
    path, scores = forced_align(log_probs, torch.tensor([list(tokens)]), blank=BLANK)
    frame = seconds / len(encoded)
    return [(span.start * frame, span.end * frame) for span in merge_tokens(path[0], scores[0], blank=BLANK)]
