"""Errors of a test set by kinds of words and of utterances, and the words that two systems recognise unequally."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from stxfer.score.alignment import Alignment

FREQUENCIES = ("0", "1", "2-9", "10-99", "100+")
LENGTHS = ("1-4", "5-9", "10-19", "20+")


@dataclass(frozen=True)
class WordGroup:
    """Words of references, over all seeds, and how many of them are substituted or deleted."""

    n: int
    wrong: int

    def as_json(self) -> dict[str, Any]:
        """Return the counts and the share that is wrong, in percent; None where there are no words."""
        return {"n": self.n, "wrong": self.wrong, "value": 100 * self.wrong / self.n if self.n else None}


@dataclass(frozen=True)
class Changed:
    """A word that two systems recognise unequally often.

    Attributes:
        word: which.
        n: how often it is said.
        system, baseline: how often each recognises it, the mean over its seeds.
    """

    word: str
    n: int
    system: float
    baseline: float


def by_word(refs: Sequence[str], alignments: Iterable[Alignment], kind: Callable[[str], str],
            kinds: Sequence[str]) -> dict[str, WordGroup]:
    """Return how many words of each kind are wrong, insertions left aside, which belong to no word.

    Args:
        refs: the references.
        alignments: of the hypotheses of each seed with them.
        kind: word to its kind.
        kinds: all there are, in order.
    """
    index = {name: number for number, name in enumerate(kinds)}
    of_word = np.array([index[kind(word)] for ref in refs for word in ref.split()], dtype=np.int64)
    n, wrong = np.zeros(len(kinds), dtype=np.int64), np.zeros(len(kinds), dtype=np.int64)
    for alignment in alignments:
        n += np.bincount(of_word, minlength=len(kinds))
        wrong += np.bincount(of_word[alignment.wrong], minlength=len(kinds))
    return {name: WordGroup(int(n[i]), int(wrong[i])) for name, i in index.items()}


def by_utterance(groups: Sequence[Hashable], counts: Iterable[Sequence[Mapping[str, int]]]) -> dict[Any, dict[str,
    int]]:
    """Return errors and reference words of each group of utterances, summed over seeds.

    Args:
        groups: the group of each utterance.
        counts: of each seed, ``sub``, ``del``, ``ins`` and ``n_ref`` of each utterance.
    """
    found: dict[Any, dict[str, int]] = {}
    sizes = Counter(groups)
    for of_seed in counts:
        for group, count in zip(groups, of_seed, strict=True):
            row = found.setdefault(group, {"n_utts": sizes[group], "n_ref": 0, "errors": 0})
            row["n_ref"] += count["n_ref"]
            row["errors"] += count["sub"] + count["del"] + count["ins"]
    return found


def changed_words(refs: Sequence[str], system: Sequence[Alignment], baseline: Sequence[Alignment],
                  most: int) -> tuple[list[Changed], list[Changed]]:
    """Return the words that ``system`` recognises more often than ``baseline``, and less often, ``most`` of each."""
    words = [word for ref in refs for word in ref.split()]
    said, right = Counter(words), []
    for alignments in (system, baseline):
        share = 1 - np.mean([alignment.wrong for alignment in alignments], axis=0)
        times: Counter[str] = Counter()
        for word, part in zip(words, share.tolist(), strict=True):
            times[word] += part
        right.append(times)
    changes = [Changed(word, n, right[0][word], right[1][word]) for word, n in said.items()
               if abs(right[0][word] - right[1][word]) > 1e-9]
    changes.sort(key=lambda change: (change.baseline - change.system, change.word))
    gained = [change for change in changes if change.system > change.baseline][:most]
    lost = [change for change in reversed(changes) if change.system < change.baseline][:most]
    return gained, lost


def frequency(count: int) -> str:
    """Return which of :data:`FREQUENCIES` a word has that stands ``count`` times in a text."""
    return FREQUENCIES[sum(count >= least for least in (1, 2, 10, 100))]


def length(n_words: int) -> str:
    """Return which of :data:`LENGTHS` an utterance of so many words has."""
    return LENGTHS[sum(n_words >= least for least in (5, 10, 20))]
