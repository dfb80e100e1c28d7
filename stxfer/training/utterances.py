"""Which utterances of a set are trained on, and how much speech they are."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from stxfer.audio.ark import feature_size
from stxfer.audio.perturb import distinct_seconds
from stxfer.core.errors import DataError
from stxfer.core.fileio import atomic_write
from stxfer.kaldi.table import iter_table, read_table
from stxfer.training.mixture import part_of
from stxfer.training.spec import Corpus, Fit


def feature_columns(spec: Fit) -> int:
    """Return how many numbers a frame of the input has: the features' dimension, 1 for words and tokens.

    Raises:
        DataError: the sets' features differ in dimension.
    """
    if "speech" not in spec.train.tables:
        return 1
    train, dev = (feature_size(corpus.tables["speech"]) for corpus in (spec.train, spec.dev))
    if train != dev:
        raise DataError(f"{spec.dev.tables['speech']}: features of {dev} dimensions, those of the training set have "
                        f"{train}; run stage 'features' again for both")
    return train


def write_shapes(corpus: Corpus, path: Path, columns: int) -> Path:
    """Write ESPnet's shape file, ``utt T[,D]``, of the utterances that every table of the corpus holds.

    Raises:
        DataError: there is none.
    """
    lengths = dict(iter_table(corpus.lengths, empty_values=False))
    keys = set(lengths)
    for table in corpus.tables.values():
        keys &= {key for key, value in iter_table(table) if value}
    if not keys:
        raise DataError(f"{corpus.lengths}: no utterance is in all of {', '.join(map(str, corpus.tables.values()))}")
    suffix = f",{columns}" if columns > 1 else ""
    with atomic_write(path) as handle:
        handle.writelines(f"{key} {lengths[key]}{suffix}\n" for key in sorted(keys, key=str.encode))
    return path


def amount(corpus: Corpus, shapes: Path) -> dict[str, Any]:
    """Return how much is trained on.

    Args:
        corpus: the set.
        shapes: what :func:`write_shapes` wrote of it.

    Returns:
        ``utterances`` and, where all durations are known, ``hours`` of distinct speech and ``hours_with_copies``, which
        counts an utterance's copies at other speeds and with other texts too.

    Raises:
        DataError: a duration is not a number.
    """
    utts = list(read_table(shapes))
    found: dict[str, Any] = {"utterances": len(utts)}
    tables: dict[Path, dict[str, float]] = {}  # seconds by utterance, of each set that the utterances come from
    trained: dict[Path, dict[str, float]] = {}
    total = 0.0
    for utt in utts:
        part, name = part_of(corpus, utt)
        path = part.durations
        if path is None or not path.exists():
            return found
        if path not in tables:
            tables[path] = _seconds(path)
        if name not in tables[path]:
            return found
        total += tables[path][name]
        trained.setdefault(path, {})[name] = tables[path][name]
    distinct = sum(distinct_seconds(durations) for durations in trained.values())
    return {**found, "hours": round(distinct / 3600, 4), "hours_with_copies": round(total / 3600, 4)}


def _seconds(path: Path) -> dict[str, float]:
    try:
        return {utt: float(value) for utt, value in read_table(path, empty_values=False).items()}
    except ValueError as error:
        raise DataError(f"{path}: durations must be seconds ({error})") from None
