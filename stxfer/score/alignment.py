"""Which words of references are recognised, and where words are inserted, by Levenshtein's alignment.

Of equally short alignments it is the one of rapidfuzz, as everywhere in :mod:`stxfer.score`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from rapidfuzz.distance import Levenshtein


@dataclass(frozen=True)
class Alignment:
    """Hypotheses of a test set aligned with its references, whose words stand one after the other.

    Attributes:
        first: number of each utterance's first word, and of all words, (utterances + 1,).
        wrong: words that are substituted or deleted, (words,) bool.
        inserted: words inserted before each word, and after the last one of each utterance; an utterance of n words has
            n + 1 such places, (words + utterances,).
    """

    first: NDArray[np.int64]
    wrong: NDArray[np.bool_]
    inserted: NDArray[np.int64]


def align(refs: Sequence[str], hyps: Sequence[str]) -> Alignment:
    """Align hypotheses with references side by side, as sequences of words."""
    ids: dict[str, int] = {}
    sides = [[text.split() for text in side] for side in (refs, hyps)]
    first = np.cumsum([0, *map(len, sides[0])])
    wrong = np.zeros(first[-1], dtype=np.bool_)
    inserted = np.zeros(first[-1] + len(refs), dtype=np.int64)
    for number, (ref, hyp) in enumerate(zip(*sides, strict=True)):
        start = int(first[number])
        for edit in Levenshtein.editops(numbered(ref, ids), numbered(hyp, ids)) if ref != hyp else ():
            if edit.tag == "insert":
                inserted[start + number + edit.src_pos] += 1
            else:
                wrong[start + edit.src_pos] = True
    return Alignment(first, wrong, inserted)


def edits(ref: Sequence[str], hyp: Sequence[str]) -> str:
    """Return a letter for each step of an alignment: ``=`` right, ``s`` substituted, ``d`` deleted, ``i`` inserted."""
    ids: dict[str, int] = {}
    said, at = "", 0
    for edit in Levenshtein.editops(numbered(ref, ids), numbered(hyp, ids)):
        said += "=" * (edit.src_pos - at) + {"replace": "s", "delete": "d", "insert": "i"}[edit.tag]
        at = edit.src_pos + (edit.tag != "insert")
    return said + "=" * (len(ref) - at)


def numbered(words: Sequence[str], ids: dict[str, int]) -> list[int]:
    """Return words as numbers, which are quick to compare; ``ids`` gets those that it does not have."""
    return [ids.setdefault(word, len(ids)) for word in words]
