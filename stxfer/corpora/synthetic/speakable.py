"""Which sentence pairs have a source side that a synthesiser reads as it is written."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence

from stxfer.corpora.bitext.lines import Pair
from stxfer.experiment.data import SpokenBitextOptions
from stxfer.text.characters import is_tone
from stxfer.text.normalise import normalise
from stxfer.text.profiles import Profile
from stxfer.text.survey import COMMON, script
from stxfer.text.words import count_words, spread

MIN_LETTERS = 0.7  # share of letters among the characters that are not white space
RATIO = 2.0  # of the sides' lengths, at most
_ADDRESS = re.compile(r"https?:|www\.|\w\.(?:com|org|net)\b")
_SYMBOL = re.compile(r"[@#<>{}\[\]|\\_*=~^$%&+/\u2022\u2023\u00b7\u2020\u2021\u00a7\u00b6\u203b\u2030\u2032-\u2037]")
_PUNCTUATION = frozenset(".,;:!?'\"()-\u2010\u2011\u2012\u2013\u2014\u201a\u201b\u201e\u201f")
_INVERTED = frozenset({"es", "gl", "ast", "gn", "qu"})  # languages that open questions and exclamations
_UNFINISHED = re.compile(r"\.\.\.|\u2026")


def why_not_spoken(pair: Pair, options: SpokenBitextOptions, rules: Sequence[Profile],
                   scripts: frozenset[str]) -> str | None:
    """Return why a pair is not spoken, None if it is: short, clean, its sides not very different in length.

    Args:
        pair: both sides without annotation, see :func:`stxfer.text.normalise.written`.
        options: how long a sentence may be.
        rules: of both languages.
        scripts: those that the spoken language is written in.

    Returns:
        ``empty``, ``words`` (too few or too many of the source side), ``long``, ``identical``, ``ratio`` (of the sides'
        lengths), and of either side ``address``, ``unfinished``, ``capitals`` (words that are spelt or not, who
        knows), ``letters`` (too few of them), ``symbol``; of the source side ``script``.
    """
    source, target = pair
    if not source or not target:
        return "empty"
    if not options.min_words <= count_words(source) <= options.max_words:
        return "words"
    if max(len(source), len(target)) > options.max_chars:
        return "long"
    if normalise(source, rules[0]) == normalise(target, rules[1]):
        return "identical"
    # Characters of scripts without spaces are no measure of those of others.
    length = len if spread(source) == source and spread(target) == target else count_words
    if not 1 / RATIO <= length(target) / length(source) <= RATIO or count_words(target) < 2:
        return "ratio"
    if reason := _not_prose(source, rules[0]) or _not_prose(target, rules[1], spoken=False):
        return reason
    foreign = any(char.isalpha() and unicodedata.category(char) != "Lm" and script(char) not in scripts
                  for char in source)
    return "script" if foreign else None


def spoken_scripts(sentences: Iterable[str], rules: Profile) -> frozenset[str]:
    """Return the scripts of a language by its profile, or else those that more than a few letters of a text are of."""
    if rules.scripts:
        return frozenset(name.partition("_")[0] for name in rules.scripts)
    count: Counter[str] = Counter()
    for char, n in Counter(char for sentence in sentences for char in sentence).items():
        if char.isalpha():
            count[script(char)] += n
    return frozenset(name for name, n in count.items() if n >= COMMON * count.total())


def _not_prose(text: str, rules: Profile, *, spoken: bool = True) -> str | None:
    if _ADDRESS.search(text):
        return "address"
    if _UNFINISHED.search(text):
        return "unfinished"
    if any(len(word) > 1 and word.isupper() for word in text.split()):
        return "capitals"
    # A modifier letter, such as an apostrophe that is a consonant, and marks are letters of words.
    letters = sum(char.isalpha() or char in rules.letters or is_tone(char) or unicodedata.category(char)[0] == "M"
                  for char in text)
    if letters < MIN_LETTERS * len("".join(text.split())):
        return "letters"
    return "symbol" if _SYMBOL.search(text) or not all(_is_written(char, rules, spoken) for char in text) \
        else None


def _is_written(char: str, rules: Profile, spoken: bool) -> bool:
    """Whether a character stands in sentences of a language: a space, letter, mark, digit or a sign of punctuation.

    A sign that opens a question is foreign to most languages in Latin letters, and a synthesiser names it. What is not
    spoken may be in a language that nothing is known of.
    """
    category = unicodedata.category(char)
    if char == " " or char.isalnum() or category[0] == "M" or char in rules.letters or is_tone(char):
        return True
    if char in _PUNCTUATION or category in ("Pi", "Pf"):
        return True
    if rules.scripts == ("Latin",) or not rules.scripts:
        return char in "¿¡" and (not spoken or rules.name in _INVERTED)
    return category[0] == "P"
