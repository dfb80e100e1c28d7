"""Which of two languages a sentence is in: a naive Bayes classifier of character trigrams.

The method of Cavnar and Trenkle (1994) with probabilities in place of ranks; two languages that are known, and text
of both at hand, ask for no more.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable
from itertools import islice
from pathlib import Path

from stxfer.corpora.bitext.directory import iter_pairs

ORDER = 3
PAIRS = 20000  # of a bitext, to learn from
SMOOTHING = 0.5


class Identifier:
    """Tells two languages apart.

    Args:
        source, target: codes of the languages.
        pairs: sentences of both to learn from, normalised text.
    """

    def __init__(self, source: str, target: str, pairs: Iterable[tuple[str, str]]) -> None:
        self.source, self.target = source, target
        seen: tuple[Counter[str], Counter[str]] = Counter(), Counter()
        for pair in pairs:
            for count, sentence in zip(seen, pair, strict=True):
                count.update(_grams(sentence))
        grams = seen[0].keys() | seen[1].keys()
        totals = [count.total() + SMOOTHING * (len(grams) + 1) for count in seen]
        self._unknown = math.log(totals[0] / totals[1])
        self._weights = {gram: math.log((seen[1][gram] + SMOOTHING) / (seen[0][gram] + SMOOTHING)) + self._unknown
                         for gram in grams}

    def margin(self, sentence: str) -> float:
        """Return the mean log odds of the target language a trigram: negative for the source language."""
        grams = _grams(sentence)
        return sum(self._weights.get(gram, self._unknown) for gram in grams) / max(1, len(grams))

    def accuracy(self, pairs: Iterable[tuple[str, str]]) -> float:
        """Return the share of sentences of other pairs that are told rightly."""
        right = [hit for a, b in pairs for hit in (self.margin(a) < 0, self.margin(b) >= 0)]
        return sum(right) / max(1, len(right))


def bitext_identifier(bitext: Path, languages: tuple[str, str]) -> Identifier:
    """Return an identifier of a bitext's two languages, learnt from its training part.

    Raises:
        DataError: a side is missing or not UTF-8.
    """
    return Identifier(*languages, pairs=islice(iter_pairs(bitext, "train", languages), PAIRS))


def _grams(sentence: str) -> list[str]:
    padded = f" {sentence} "
    return [padded[i:i + ORDER] for i in range(len(padded) - ORDER + 1)]
