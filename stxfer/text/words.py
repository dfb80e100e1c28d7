"""How long a sentence is, whether or not its script puts spaces between words.

A Chinese, Thai or Khmer sentence is one "word" to ``str.split``. Lengths that are compared or bounded (the two sides of
a sentence pair, the sentences of a batch) are told here by the script of each character, so that text of several
scripts, and of a language that no profile describes, is measured too. Which languages are *scored* by characters is
said by ``words`` in ``profiles.yaml``.
"""

from __future__ import annotations

import math
import re

_IDEOGRAPHS = "\u3005-\u3007\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
# Thai and Lao, Tibetan, Burmese, Khmer, New Tai Lue, Tai Tham, kana.
_LETTERS = ("\u0e01-\u0fff\u1000-\u109f\ua9e0-\ua9ff\uaa60-\uaa7f\u1780-\u17ff\u1980-\u19df"
            "\u1a20-\u1aaf\u3041-\u30ff\u31f0-\u31ff\uff66-\uff9f")
_IDEOGRAPH, _LETTER = re.compile(f"[{_IDEOGRAPHS}]"), re.compile(f"[{_LETTERS}]")
_UNSPACED = re.compile(f"[{_IDEOGRAPHS}{_LETTERS}]")
_SPACE = re.compile(f"(?<=[{_IDEOGRAPHS}{_LETTERS}]) +| +(?=[{_IDEOGRAPHS}{_LETTERS}])")
# What stands for one English word in parallel sentences: 1.5 to 2 ideographs, 4 to 8 letters of the other scripts.
IDEOGRAPHS_A_WORD, LETTERS_A_WORD = 1.8, 6.0


def count_words(text: str) -> int:
    """Return the number of words; of a script without spaces, that of English words that take as long to say it."""
    if text.isascii() or not _UNSPACED.search(text):
        return len(text.split())
    text, ideographs = _IDEOGRAPH.subn(" ", text)
    text, letters = _LETTER.subn(" ", text)
    others = sum(any(map(str.isalnum, word)) for word in text.split())  # words of other scripts, not full stops
    return others + math.ceil(ideographs / IDEOGRAPHS_A_WORD + letters / LETTERS_A_WORD)


def count_tokens(text: str) -> int:
    """Return about how many tokens a model reads: words, and each character of a script without spaces."""
    if text.isascii():
        return len(text.split())
    text, characters = _UNSPACED.subn(" ", text)
    return len(text.split()) + characters


def tokens(text: str) -> list[str]:
    """Return the words of a text; of a script without spaces, each character."""
    return spread(text).split()


def spread(text: str) -> str:
    """Return the text with each character of a script without spaces as a word of its own."""
    return text if text.isascii() else " ".join(_UNSPACED.sub(r" \g<0> ", text).split())


def join(text: str) -> str:
    """Return the text without the spaces beside characters of scripts that put none between words."""
    return text if text.isascii() else _SPACE.sub("", text)
