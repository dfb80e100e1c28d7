"""BLEU and chrF of translations, through sacrebleu.

Both sides are normalised text (lower case, no punctuation), which the signature says by the
normalisation's identity: figures compare with others of this project, not with cased, punctuated BLEU.
BLEU counts the tokens of one of sacrebleu's tokenisers, which the signature names (``tok:13a``); a language written
without spaces needs another one than a language with them.
BLEU: Papineni et al. 2002; chrF: Popovic 2015; signatures: Post 2018.
"""

from __future__ import annotations

import functools
import logging
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from sacrebleu.metrics.bleu import BLEU
from sacrebleu.metrics.chrf import CHRF

from stxfer.core.errors import ConfigError, DataError
from stxfer.text.words import join

METRICS = ("bleu", "chrf")
TOKENISER = "13a"
_FALLBACK = {"ja-mecab": "char"}  # a tokeniser of its own package: what stands in where that is not installed
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class TranslationScore:
    """A corpus score in percent.

    ``n_ref`` counts reference tokens (BLEU) or characters without spaces (chrF); ``tokeniser`` is BLEU's, empty of
    chrF.
    """

    value: float
    n_utts: int
    n_ref: int
    signature: str
    tokeniser: str = ""

    def as_json(self) -> dict[str, Any]:
        """Return all of it."""
        return {key: value for key, value in asdict(self).items() if key != "tokeniser" or value}


@functools.cache
def usable_tokeniser(name: str) -> str:
    """Return the tokeniser, or what stands in for it: ``char`` for ``ja-mecab`` where MeCab is not installed.

    Raises:
        ConfigError: it needs a package that is not installed, or a download that fails.
    """
    try:
        BLEU(tokenize=name)
    except (RuntimeError, ImportError, OSError) as error:  # sacrebleu: not installed; not downloaded
        reason = " ".join(str(error).split())
        if name not in _FALLBACK:
            raise ConfigError(f"BLEU's tokeniser {name} cannot be used ({reason}); install what it needs, or set "
                              "'bleu: char' in the language's normalise") from None
        log.warning("BLEU's tokeniser %s cannot be used, %s counts instead: for figures that compare with others', "
                    "pip install 'sacrebleu[ja]'", name, _FALLBACK[name])
        return _FALLBACK[name]
    return name


def translation_scores(refs: Sequence[str], hyps: Sequence[str], norm: str,
                       tokeniser: str = TOKENISER) -> dict[str, TranslationScore]:
    """Return corpus ``bleu`` and ``chrf`` (chrF2) of sentences against one reference each.

    Args:
        refs, hyps: normalised sentences, side by side; a hypothesis may be empty.
        norm: identity of the normalisation that both sides went through, for the signature.
        tokeniser: one of sacrebleu's, for BLEU.

    Raises:
        ConfigError: see :func:`usable_tokeniser`.
        DataError: no sentences, or numbers that differ.
    """
    if not refs or len(refs) != len(hyps):
        raise DataError(f"{len(hyps)} translations for {len(refs)} references; there must be one for each")
    tokeniser = usable_tokeniser(tokeniser)
    bleu, chrf = BLEU(tokenize=tokeniser), CHRF()
    bleu_score = bleu.corpus_score(_sides(hyps, tokeniser), [_sides(refs, tokeniser)])
    chrf_score = chrf.corpus_score(hyps, [refs])
    n_chars = sum(len("".join(ref.split())) for ref in refs)
    return {"bleu": TranslationScore(bleu_score.score, len(refs), bleu_score.ref_len,
                                     f"bleu|{norm}|{bleu.get_signature()}", tokeniser),
            "chrf": TranslationScore(chrf_score.score, len(refs), n_chars,
                                     f"chrf|{norm}|{chrf.get_signature()}")}


def _sides(sentences: Sequence[str], tokeniser: str) -> Sequence[str]:
    """Return sentences as a tokeniser should see them: what cuts words itself must not be led by stray spaces."""
    return sentences if tokeniser in (TOKENISER, "intl") else [join(sentence) for sentence in sentences]


def sentence_statistics(metric: str, refs: Sequence[str], hyps: Sequence[str],
                        tokeniser: str = TOKENISER) -> np.ndarray:
    """Return each sentence's sufficient statistics, (sentences, k) integers; sums give corpus scores.

    sacrebleu's own paired tests go through the same method; it has no public one.
    """
    if metric == "bleu":
        refs, hyps = _sides(refs, tokeniser), _sides(hyps, tokeniser)
    return np.asarray(_metric(metric, tokeniser)._extract_corpus_statistics(hyps, [refs]), dtype=np.int64)


def scores_of_sums(metric: str, sums: np.ndarray) -> np.ndarray:
    """Return the corpus score in percent of each row of summed statistics, (n, k) -> (n,)."""
    return np.array([_metric(metric)._compute_score_from_stats(row.tolist()).score for row in sums])


@functools.cache
def _metric(name: str, tokeniser: str = TOKENISER) -> Any:
    return BLEU(tokenize=tokeniser) if name == "bleu" else CHRF()
