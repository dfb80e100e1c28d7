"""BLEU and chrF of translations, through sacrebleu.

Both sides are normalised text (lower case, no punctuation), which the signature says by the
normalisation's identity: figures compare with others of this project, not with cased, punctuated BLEU.
BLEU: Papineni et al. 2002; chrF: Popovic 2015; signatures: Post 2018.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from sacrebleu.metrics import BLEU, CHRF

from stxfer.core.errors import DataError

METRICS = ("bleu", "chrf")


@dataclass(frozen=True)
class TranslationScore:
    """A corpus score in percent; ``n_ref`` counts reference tokens (BLEU) or characters without spaces (chrF)."""

    value: float
    n_utts: int
    n_ref: int
    signature: str

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def translation_scores(refs: Sequence[str], hyps: Sequence[str], norm: str) -> dict[str, TranslationScore]:
    """Return corpus ``bleu`` (tokeniser 13a) and ``chrf`` (chrF2) of sentences against one reference each.

    Args:
        refs, hyps: normalised sentences, side by side; a hypothesis may be empty.
        norm: identity of the normalisation that both sides went through, for the signature.

    Raises:
        DataError: no sentences, or numbers that differ.
    """
    if not refs or len(refs) != len(hyps):
        raise DataError(f"{len(hyps)} translations for {len(refs)} references; there must be one for each")
    bleu, chrf = BLEU(), CHRF()
    bleu_score = bleu.corpus_score(hyps, [refs])
    chrf_score = chrf.corpus_score(hyps, [refs])
    n_chars = sum(len("".join(ref.split())) for ref in refs)
    return {"bleu": TranslationScore(bleu_score.score, len(refs), bleu_score.ref_len,
                                     f"bleu|{norm}|{bleu.get_signature()}"),
            "chrf": TranslationScore(chrf_score.score, len(refs), n_chars,
                                     f"chrf|{norm}|{chrf.get_signature()}")}


def sentence_statistics(metric: str, refs: Sequence[str], hyps: Sequence[str]) -> np.ndarray:
    """Return each sentence's sufficient statistics, (sentences, k) integers; sums give corpus scores.

    sacrebleu's own paired tests go through the same method; it has no public one.
    """
    return np.asarray(_METRIC[metric]._extract_corpus_statistics(hyps, [refs]), dtype=np.int64)


def scores_of_sums(metric: str, sums: np.ndarray) -> np.ndarray:
    """Return the corpus score in percent of each row of summed statistics, (n, k) -> (n,)."""
    return np.array([_METRIC[metric]._compute_score_from_stats(row.tolist()).score for row in sums])


_METRIC = {"bleu": BLEU(), "chrf": CHRF()}
