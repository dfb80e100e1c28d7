"""A synchronous grammar of English and Swahili: pairs of sentences that translate each other.

The sentences are simple but the map is not word for word: Swahili puts adjectives, numerals, possessives
and demonstratives after the noun and makes them, and the verb, agree with its class; subjects, objects,
tense and negation are parts of one verb; articles have no counterpart; some English words have two
translations and some Swahili words two sources.
"""

from __future__ import annotations

import functools
from collections import Counter, defaultdict
from collections.abc import Callable, Collection

from stxfer.corpora.bitext.lines import Pair
from stxfer.corpora.synthetic import nominal, verbal
from stxfer.corpora.synthetic.phrases import Chooser

MIN_WORDS, MAX_WORDS = 4, 9  # of the English side
RULES: dict[Callable[[Chooser], Pair], float] = {  # and how often each is used
    verbal.transitive: 30, verbal.intransitive: 14, verbal.ditransitive: 8, verbal.passive: 7, verbal.modal: 7,
    verbal.question: 6, verbal.compound: 6, verbal.command: 4,
    nominal.predicate: 9, nominal.located: 7, nominal.possession: 4, nominal.existence: 4}


def key(sentence: str) -> str:
    """Return a sentence without case and final punctuation, for comparing."""
    return " ".join("".join(c for c in sentence.lower() if c not in ".,?!").split())


def _dress(sentence: str) -> str:
    """Capital letter first and punctuation last, as text comes."""
    return sentence[0].upper() + sentence[1:] + ("" if sentence.endswith("?") else ".")


def sample_pairs(n: int, seed: int | str, exclude: Collection[str] = frozenset()) -> list[Pair]:
    """Return ``n`` distinct sentence pairs (English, Swahili).

    Args:
        n: how many.
        seed: the same seed gives the same pairs; a prefix is not affected by ``n``.
        exclude: keys (:func:`key`) of sentences of either language that must not occur.
    """
    choose = Chooser(f"grammar {seed}")
    rules, weights = list(RULES), list(RULES.values())
    seen: set[str] = set()
    pairs: list[Pair] = []
    while len(pairs) < n:
        en, sw = choose.one(rules, weights)(choose)
        if not MIN_WORDS <= len(en.split()) <= MAX_WORDS or len(sw.split()) < 2:
            continue
        keys = key(en), key(sw)
        if any(k in seen or k in exclude for k in keys):
            continue
        seen.update(keys)
        pairs.append((_dress(en), _dress(sw)))
    return pairs


@functools.lru_cache(maxsize=4)
def distinct_sentences(samples: int = 20000, seed: int = 0) -> int:
    """Estimate from below how many English sentences the grammar makes.

    Of N independent samples, c pairs coincide. N(N-1)/2c estimates the inverse Simpson index, the number of
    equally likely sentences that would coincide as often; it is at most the number of sentences. Sentences of
    different lengths are counted apart, as the few short ones coincide most.
    """
    choose = Chooser(f"count {seed}")
    rules, weights = list(RULES), list(RULES.values())
    seen: defaultdict[int, Counter[str]] = defaultdict(Counter)
    for _ in range(samples):
        en, _ = choose.one(rules, weights)(choose)
        if MIN_WORDS <= len(en.split()) <= MAX_WORDS:
            seen[len(en.split())][en] += 1
    total = 0
    for counts in seen.values():
        n = counts.total()
        coincide = sum(count * (count - 1) // 2 for count in counts.values())
        total += n * (n - 1) // 2 // max(coincide, 1)
    return total
