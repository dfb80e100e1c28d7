"""Which utterances of a set are trained on."""

from __future__ import annotations

from pathlib import Path

from stxfer.audio.ark import feature_size
from stxfer.core.errors import DataError
from stxfer.core.fileio import atomic_write
from stxfer.kaldi.table import iter_table
from stxfer.training.spec import Corpus, Fit


def feature_columns(spec: Fit) -> int:
    """Return how many numbers a frame of the input has: the features' dimension, 1 for words.

    Raises:
        DataError: the sets' features differ in dimension.
    """
    if spec.task == "mt":
        return 1
    train, dev = (feature_size(corpus.tables["speech"]) for corpus in (spec.train, spec.dev))
    if train != dev:
        raise DataError(f"{spec.dev.tables['speech']}: features of {dev} dimensions, those of the training set have "
                        f"{train}; run stage 3 again for both")
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
