"""Sentences that are nearly the same: but for case, punctuation or spaces, or one word more, less, moved or another."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Mapping

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
        self._whole: dict[str, str] = {}
        self._keys: dict[str, str] = {}
        self._rests: dict[str, str] = {}
        for sentence in sorted(sentences):
            words = _words(sentence)
            self._keys.setdefault(words.replace(" ", ""), sentence)
            self._whole.setdefault(words, sentence)
            for rest in _rests(words):
                self._rests.setdefault(rest, sentence)

    def find(self, sentence: str) -> str | None:
        """Return a sentence that the given one nearly, or exactly, is."""
        words = _words(sentence)
        if not words:
            return None
        found = self._keys.get(words.replace(" ", "")) or self._rests.get(words)
        if found is not None:
            return found
        for rest in _rests(words):
            found = self._rests.get(rest) or self._whole.get(rest)
            if found is not None:
                return found
        return None


def _words(sentence: str) -> str:
    return spread(" ".join(_fold(sentence).translate(_WORDS).split()))


def _rests(words: str) -> Iterator[str]:
    """Yield words without one of them, where enough is left."""
    spaces = [k for k, char in enumerate(words) if char == " "]
    if len(spaces) < MIN_WORDS or len(words) - len(spaces) < MIN_LETTERS:
        return
    for begin, end in zip([-1, *spaces], [*spaces, len(words)], strict=True):
        rest = words[:max(begin, 0)] + (words[end:] if begin >= 0 else words[end + 1:])
        if len(rest) - len(spaces) + 1 >= MIN_LETTERS:
            yield rest
