"""The protocol of translators: sentences in, translations with scores out, best first.

:mod:`stxfer.mt.translators` has the kinds of translators, :mod:`stxfer.mt.open` opens that of a label source.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Protocol

from stxfer.core.errors import DataError
from stxfer.text.words import count_words

CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f-\x9f]")  # a tab is white space
MAX_WORDS = 1000  # more is no sentence, but a file whose line ends are lost


@dataclass(frozen=True)
class Translation:
    """A translation.

    Attributes:
        text: what it says.
        score: sum of log probabilities of its tokens; 0 where a translator has none.
        unknown: the model wrote ``<unk>``, which is no word and is left out of the text.
    """

    text: str
    score: float
    unknown: bool = False


class Translator(Protocol):
    """What every translator does."""

    @property
    def identity(self) -> Mapping[str, Any]:
        """What decides the translations (kind, model, options, versions), as JSON can hold it: their provenance."""
        ...

    def translate(self, sentences: Sequence[str], nbest: int = 1,
                  keys: Sequence[str] = ()) -> list[list[Translation]]:
        """Return at most ``nbest`` translations of each sentence, best first; none of an empty one.

        Args:
            sentences: in any order; the results are in the same.
            nbest: translations wanted; a translator that knows one gives one.
            keys: the utterances the sentences belong to, one each, for a translator that looks them up.
        """
        ...

    def close(self) -> None:
        """End what the translator has started. Translating is over."""
        ...

    def __enter__(self) -> Translator: ...

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 trace: TracebackType | None) -> None: ...


class Closing:
    """Makes a context manager of a translator; it starts nothing that would have to be ended."""

    def close(self) -> None:
        """Do nothing."""

    def __enter__(self) -> Any:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 trace: TracebackType | None) -> None:
        self.close()


def checked(sentences: Sequence[str], keys: Sequence[str] = ()) -> list[int]:
    """Return the positions of the sentences that are not empty.

    Args:
        sentences: what is to be translated.
        keys: their utterances, for messages.

    Raises:
        DataError: a sentence holds a control character (a line feed too) or more than 1,000 words.
    """
    filled = []
    for number, sentence in enumerate(sentences):
        if (control := CONTROL.search(sentence)) is not None:
            raise DataError(f"{_place(number, keys)}: holds the control character U+{ord(control[0]):04X}; remove it")
        words = count_words(sentence)
        if words > MAX_WORDS:
            raise DataError(f"{_place(number, keys)}: {words} words, and a sentence has at most {MAX_WORDS}; split it, "
                            f"or remove it ({sentence[:40]!r} ...)")
        if words:
            filled.append(number)
    return filled


def too_long(number: int, keys: Sequence[str], length: int, limit: int) -> DataError:
    """Return the error of a sentence that a model has no positions for."""
    return DataError(f"{_place(number, keys)}: {length} tokens, and the model takes at most {limit}; split it, or "
                     "remove it")


def _place(number: int, keys: Sequence[str]) -> str:
    return f"utterance {keys[number]}" if keys else f"sentence {number + 1}"
