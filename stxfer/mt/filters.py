"""Which labels are not worth training on, and why. What is switched on is :class:`stxfer.experiment.labels.Filters`."""

from __future__ import annotations

import functools
import statistics
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import regex

from stxfer.core.errors import ConfigError
from stxfer.experiment.labels import Filters
from stxfer.mt.language import Identifier
from stxfer.text.repetition import most_repeated
from stxfer.text.words import tokens

SHORT = 10  # characters added to both lengths, so that the ratio of short sentences is forgiven
LONGEST = 4  # words of a sequence that repeats itself
UNSPACED = 15  # characters a word on the average: more, and the script is written without spaces


@dataclass(frozen=True)
class Candidate:
    """A label of an utterance, before filtering; ``score`` is None where its translator has none."""

    utt: str
    source: str
    text: str
    score: float | None = None


def kind(reason: str) -> str:
    """Return what a reason is counted under: ``length ratio`` of ``length ratio: 3.1 times the usual``."""
    return reason.partition(":")[0]


def dropped_labels(candidates: Sequence[Candidate], filters: Filters, *, held_out: Mapping[str, str] | None = None,
                   identifier: Identifier | None = None, where: str = "labels") -> dict[str, str]:
    """Return which utterances' labels are dropped, each with the first reason that holds.

    Args:
        candidates: all labels of a set; empty ones are always dropped.
        filters: what is switched on.
        held_out: test sentences, each with the place it stands in.
        identifier: tells the target from the source language; needed for the filter ``language``.
        where: what messages call the labels.

    Raises:
        ConfigError: ``score_percentile`` for labels without scores.
    """
    usual = statistics.median([len(c.text) / len(c.source) for c in candidates if c.text and c.source] or [1.0])
    held_out = held_out or {}
    checks: list[Callable[[Candidate], str | None]] = [_empty]
    if filters.length_ratio:
        checks.append(lambda c: _length(c, usual, filters.length_ratio))
    if filters.repetition:
        checks.append(lambda c: _repetition(c, filters.repetition))
    if filters.copied:
        checks.append(lambda c: _copied(c, filters.copied))
    if filters.script:
        checks.append(lambda c: _script(c, filters.script))
    if filters.language:
        assert identifier is not None
        checks.append(lambda c: _language(c, identifier))
    if filters.held_out:
        checks.append(lambda c: f"test sentence: stands in {held_out[c.text]}" if c.text in held_out else None)
    dropped: dict[str, str] = {}
    for candidate in candidates:
        reason = next(filter(None, (check(candidate) for check in checks)), None)
        if reason:
            dropped[candidate.utt] = reason
    if filters.score_percentile:
        kept = [candidate for candidate in candidates if candidate.utt not in dropped]
        dropped |= _low_scores(kept, filters.score_percentile, where)
    return dropped


def counts(dropped: Mapping[str, str]) -> dict[str, int]:
    """Return how many labels each filter dropped, the commonest reason first."""
    return dict(Counter(map(kind, dropped.values())).most_common())


def repetitions(text: str) -> int:
    """Return how often a sequence follows itself at most: 1 if none does.

    Sequences are of 1 to 4 words, or characters of a text written without spaces.
    """
    words: Sequence[str] = text.split()
    if len(text) > UNSPACED * len(words):
        words = text.replace(" ", "")
    return most_repeated(words, LONGEST).times


def _empty(candidate: Candidate) -> str | None:
    return None if candidate.text else "empty translation"


def _length(candidate: Candidate, usual: float, limit: float) -> str | None:
    expected = len(candidate.source) * usual + SHORT
    ratio = (len(candidate.text) + SHORT) / expected
    if max(ratio, 1 / ratio) > limit:
        return f"length ratio: {ratio:.2f} times the usual"
    return None


def _repetition(candidate: Candidate, limit: int) -> str | None:
    times = repetitions(candidate.text)
    if times >= limit and times > repetitions(candidate.source):
        return f"repetition: {times} times the same"
    return None


def _copied(candidate: Candidate, limit: float) -> str | None:
    words = Counter(tokens(candidate.text))
    common = (words & Counter(tokens(candidate.source))).total()
    if common > limit * words.total():
        return f"copied source: {common} of {words.total()} words"
    return None


def _script(candidate: Candidate, script: str) -> str | None:
    if script == "Latin" and candidate.text.isascii():
        return None
    letters, own = _letters(script)
    total = len(letters.findall(candidate.text))
    right = len(own.findall(candidate.text))
    if 2 * right < total:
        return f"wrong script: {right} of {total} letters are {script}"
    return None


@functools.cache
def _letters(script: str) -> tuple[regex.Pattern[str], regex.Pattern[str]]:
    return regex.compile(r"\p{L}"), regex.compile(rf"(?=\p{{L}})\p{{Script={script}}}")


def _language(candidate: Candidate, identifier: Identifier) -> str | None:
    margin = identifier.margin(candidate.text)
    return f"wrong language: reads like {identifier.source} ({margin:.2f})" if margin < 0 else None


def _low_scores(kept: Iterable[Candidate], percentile: float, where: str) -> dict[str, str]:
    scores = {}
    for candidate in kept:
        if candidate.score is None:
            raise ConfigError(f"{where}: filters.score_percentile needs scores, and these labels have none")
        scores[candidate.utt] = candidate.score / (len(candidate.text) + 1)
    worst = sorted(scores, key=lambda utt: (scores[utt], utt))[:int(percentile / 100 * len(scores))]
    return {utt: f"low score: {scores[utt]:.3f} a character" for utt in worst}
