"""Sentence pairs that MT should not learn from.

The rules are those of the usual cleaning of web text (Koehn et al. 2020, WMT's shared task on parallel corpus
filtering, describes most): cheap ones that need no model.
"""

from __future__ import annotations

import functools
import hashlib
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence

import numpy as np

from stxfer.corpora.bitext.lines import Pair
from stxfer.experiment.clean import CleanOptions
from stxfer.text.words import count_words

SHORT = 8  # words: the ratio of shorter sides says nothing
COMMON = 0.05  # share of letters from which on a script is one that a language is written in
_CONTROL = re.compile("[\x00-\x08\x0e-\x1b\x7f-\x84\x86-\x9f\ufffd\ufffe\uffff]")  # C0, C1, what decoding replaced
_ADDRESS = re.compile(r"(?:(?:https?|ftp)://|www\.)\S+|\S+@\S+\.\S+", re.IGNORECASE)


def raw_problem(pair: Pair, options: CleanOptions) -> str | None:
    """Return what is wrong with a pair before it is normalised, which would hide it."""
    for side in pair:
        if options.control and _CONTROL.search(side):
            return "control"
        if options.addresses and ("." in side) and " " not in side and _ADDRESS.fullmatch(side):
            return "address"
    return None


def problem(pair: Pair, options: CleanOptions, scripts: Sequence[frozenset[str]] = ()) -> str | None:
    """Return what is wrong with a pair of normalised sentences that are not empty.

    Args:
        pair: source and target sentence.
        options: the rules.
        scripts: of each side, the scripts it may be in; none: not looked at.
    """
    if options.identical and pair[0] == pair[1]:
        return "identical"
    short, long = count_words(pair[0]), count_words(pair[1])
    if short > long:
        short, long = long, short
    if options.max_words and long > options.max_words:
        return "long"
    if options.max_chars and (len(pair[0]) > options.max_chars or len(pair[1]) > options.max_chars):
        return "long"
    if options.max_ratio and long > SHORT and long > options.max_ratio * short:
        return "ratio"
    for side, known in zip(pair, scripts, strict=False):
        if not ("LATIN" in known and side.isascii()):
            letters = list(filter(str.isalpha, side))
            if 2 * sum(script_of(letter) in known for letter in letters) < len(letters):
                return "script"
    return None


def scripts_of(sentences: Iterable[str]) -> frozenset[str]:
    """Return the scripts that more than a few letters of a text are of."""
    count: Counter[str] = Counter()
    for sentence in sentences:
        count.update(map(script_of, filter(str.isalpha, sentence)))
    return frozenset(script for script, n in count.items() if n >= COMMON * count.total())


@functools.cache
def script_of(letter: str) -> str:
    """Return the script of a letter, the first word of its name in Unicode: ``LATIN``, ``CYRILLIC``, ``CJK``."""
    return unicodedata.name(letter, "UNNAMED").partition(" ")[0]


def pair_hash(pair: Pair) -> int:
    """Return 64 bits that stand for a pair: two different ones of ten million agree with a probability of 3e-6."""
    text = f"{pair[0]}\t{pair[1]}".encode()
    return int.from_bytes(hashlib.blake2b(text, digest_size=8).digest(), "little")


class Seen:
    """Which hashes were there before, in 8 bytes each.

    They lie in sorted runs, each more than twice as long as the next, that are merged as they grow.
    """

    def __init__(self) -> None:
        self._runs: list[np.ndarray] = []

    def new(self, hashes: Sequence[int]) -> np.ndarray:
        """Return, of each hash, whether it is there for the first time, and remember them; shape (len(hashes),)."""
        values, first = np.unique(np.asarray(hashes, dtype=np.uint64), return_index=True)
        unseen = np.ones(len(values), dtype=bool)
        for run in self._runs:
            places = np.minimum(np.searchsorted(run, values), len(run) - 1)
            unseen &= run[places] != values
        result = np.zeros(len(hashes), dtype=bool)
        result[first[unseen]] = True
        if unseen.any():
            self._runs.append(values[unseen])
        while len(self._runs) > 1 and len(self._runs[-2]) <= 2 * len(self._runs[-1]):
            merged = np.concatenate([self._runs.pop(), self._runs.pop()])
            merged.sort(kind="stable")
            self._runs.append(merged)
        return result
