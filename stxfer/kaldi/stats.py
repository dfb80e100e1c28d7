"""Statistics of a data directory: speech, speakers, words, characters, durations, and words another text lacks."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from stxfer.core.errors import DataError
from stxfer.kaldi.segments import parse_segment
from stxfer.kaldi.table import iter_table
from stxfer.kaldi.tables import list_tables

QUANTILES = {"min": 0.0, "5 %": 0.05, "25 %": 0.25, "median": 0.5, "75 %": 0.75, "95 %": 0.95, "max": 1.0}


@dataclass(frozen=True)
class TextStats:
    """Counts of one text, characters are code points other than white space.

    Attributes:
        words: running words, as :func:`datadir_stats` was told to find them.
        distinct_words: different ones.
        characters: running characters.
        distinct_characters: different ones.
        oov: share of the running words that do not stand in the other directory's text; None without one.
        oov_distinct: the same of the distinct words.
    """

    words: int
    distinct_words: int
    characters: int
    distinct_characters: int
    oov: float | None = None
    oov_distinct: float | None = None


@dataclass(frozen=True)
class Stats:
    """Figures of a data directory.

    Attributes:
        utterances: their number.
        speakers: their number.
        hours: of speech; None when no table says how long the utterances are.
        seconds: quantiles of the utterances' durations by name; empty without durations.
        texts: by file name, ``text`` and ``text.<lang>.<label>``.
    """

    utterances: int
    speakers: int
    hours: float | None
    seconds: dict[str, float]
    texts: dict[str, TextStats]


def datadir_stats(path: str | os.PathLike[str], against: str | os.PathLike[str] | None = None, *,
                  words: Callable[[str], Iterable[str]] = str.split) -> Stats:
    """Count what a data directory holds; its tables need not be sorted.

    Durations are those of ``utt2dur``, or else of ``segments`` if each says where it ends.

    Args:
        path: the directory.
        against: another, usually a training set, for the rate of out-of-vocabulary words of each text that both have.
        words: gives the words of a text; by default those between white space.

    Raises:
        DataError: a table is absent or malformed.
    """
    layout = list_tables(path)
    seconds = sorted(_durations(layout.path, layout.names))
    names = [name for name in layout.utterance if name == "text" or name.startswith("text.")]
    others = list_tables(against).path if against is not None else None
    texts = {}
    for name in names:
        known = _words(others / name, words) if others is not None and (others / name).is_file() else None
        texts[name] = text_stats(_words(layout.path / name, words), known)
    utts = dict(iter_table(layout.path / "utt2spk", empty_values=False))
    return Stats(len(utts), len(set(utts.values())), sum(seconds) / 3600 if seconds else None,
                 {name: _quantile(seconds, share) for name, share in QUANTILES.items()} if seconds else {}, texts)


def text_stats(words: Mapping[str, int], known: Mapping[str, int] | None = None) -> TextStats:
    """Return the counts of a text, given how often each word stands in it, and in the text that it is held against."""
    total = sum(words.values())
    oov = oov_distinct = None
    if known is not None and total:
        unknown = words.keys() - known.keys()
        oov, oov_distinct = sum(words[word] for word in unknown) / total, len(unknown) / len(words)
    return TextStats(total, len(words), sum(len(word) * n for word, n in words.items()), len(set().union(*words)),
                     oov, oov_distinct)


def _words(path: Path, words: Callable[[str], Iterable[str]]) -> Counter[str]:
    found: Counter[str] = Counter()
    for _, text in iter_table(path):
        found.update(words(text))
    return found


def _durations(directory: Path, names: set[str]) -> list[float]:
    if "utt2dur" in names:
        try:
            return [float(value) for _, value in iter_table(directory / "utt2dur", empty_values=False)]
        except ValueError as error:
            raise DataError(f"{directory}/utt2dur: {error}") from None
    if "segments" not in names:
        return []
    path = directory / "segments"
    segments = [parse_segment(path, utt, value) for utt, value in iter_table(path, empty_values=False)]
    known = [segment.end - segment.start for segment in segments if segment.end is not None]
    return known if len(known) == len(segments) else []


def _quantile(values: Sequence[float], share: float) -> float:
    """Return the nearest-rank quantile of sorted values."""
    return values[round(share * (len(values) - 1))]
