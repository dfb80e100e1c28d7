"""Sentences that are nearly the same: but for case, punctuation or spaces, or one word more, less, moved or another."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping

from stxfer.text.words import spread

MIN_WORDS, MIN_LETTERS = 4, 12  # that two sentences must share when a word differs; fewer are a common phrase


class _Letters(dict[int, int | str | None]):
    """A table for str.translate, filled as characters come, that deletes punctuation, symbols and controls."""

    def __init__(self, space: str | None) -> None:
        self._space = space

    def __missing__(self, code: int) -> int | str | None:
        category = unicodedata.category(chr(code))[0]
        self[code] = self._space if category == "Z" or chr(code).isspace() else None if category in "PSC" else code
        return self[code]


_KEY, _WORDS = _Letters(None), _Letters(" ")


def sentence_key(sentence: str) -> str:
    """Return what sentences are compared by: no case, punctuation, symbols or white space.

    The Turkish letters i and ı, which case folding cannot tell apart without knowing the language, count as one.
    """
    return _fold(sentence).translate(_KEY)


def _fold(sentence: str) -> str:
    if sentence.isascii():
        return sentence.casefold()
    return unicodedata.normalize("NFKC", sentence).casefold().replace("i\u0307", "i").replace("ı", "i")


class NearIndex:
    """Finds which of some sentences another one nearly is.

    Of each sentence, what is left without one of its words is kept: two sentences that have such a rest in common, or
    of which one is the other's, differ by one word (deletion neighbourhoods, as Mor and Fraenkel, "A hash code method
    for detecting and correcting spelling errors", 1982, have them for letters). Characters of a script without spaces
    count as words.

    Args:
        sentences: the sentences, each with where it stands.
    """

    def __init__(self, sentences: Mapping[str, str]) -> None:
        self._keys: dict[str, str] = {}
        self._words: dict[str, str] = {}  # whole, and without one word
        for sentence in sorted(sentences):
            words = _words(sentence)
            self._keys.setdefault(words.replace(" ", ""), sentence)
            self._words.setdefault(words, sentence)
        for sentence in sorted(sentences):
            for rest in _rests(_words(sentence)):
                self._words.setdefault(rest, sentence)

    def find(self, sentence: str) -> str | None:
        """Return a sentence that the given one nearly, or exactly, is."""
        words = _words(sentence)
        if not words:
            return None
        found = self._keys.get(words.replace(" ", "")) or self._words.get(words)
        return found or next(filter(None, map(self._words.get, _rests(words))), None)


def _words(sentence: str) -> str:
    return spread(" ".join(_fold(sentence).translate(_WORDS).split()))


def _rests(words: str) -> list[str]:
    """Return words without one of them, where enough is left."""
    n = words.count(" ")
    least = MIN_LETTERS + n - 1  # with the spaces of what is left
    if n < MIN_WORDS or len(words) - 2 < least:
        return []
    end = words.index(" ")
    rests = [words[end + 1:]]
    while end >= 0:
        begin, end = end, words.find(" ", end + 1)
        rests.append(words[:begin] + words[end:] if end >= 0 else words[:begin])
    return [rest for rest in rests if len(rest) >= least]
