"""Sequences that follow themselves: what a decoder writes that has lost its way, and what people do not say."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from stxfer.text.words import join

# In a row. Languages double words to mean more of them (Swahili pole pole, sana sana) and speakers say no, no, no.
WORD_TIMES = 4
LETTER_TIMES = 5  # of a part of one word: hahaha is one


class Repetition(NamedTuple):
    """A sequence and how often it follows itself; once, and nothing repeats."""

    times: int
    sequence: tuple[str, ...]


def most_repeated(units: Sequence[str], longest: int) -> Repetition:
    """Return the sequence of at most ``longest`` units that stands most often in a row, of equals the shortest."""
    most = Repetition(1, ())
    if len(set(units)) == len(units):
        return most
    for size in range(1, longest + 1):
        run = 0
        for end, (a, b) in enumerate(zip(units, units[size:], strict=False), size + 1):
            run = run + 1 if a == b else 0
            if run // size + 1 > most.times:
                most = Repetition(run // size + 1, tuple(units[end - size:end]))
    return most


def loop(text: str) -> str:
    """Return what a text repeats as nobody would, ``7 times 'na kwa'``; empty if it is ordinary.

    That is a sequence of words, however long, that stands at least four times in a row, or one of letters at least five
    times within a word, which in scripts without spaces is the whole text.
    """
    words = join(text).split()
    found, space = most_repeated(words, len(words) // WORD_TIMES), " "
    if found.times < WORD_TIMES:
        parts = (most_repeated(word, len(word) // LETTER_TIMES) for word in words if len(word) >= LETTER_TIMES)
        found, space = max((part for part in parts if any(map(str.isalpha, part.sequence))),
                           default=Repetition(1, ()), key=lambda part: part.times), ""
        if found.times < LETTER_TIMES:
            return ""
    return f"{found.times} times {space.join(found.sequence)!r}"
