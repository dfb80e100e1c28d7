"""What systems learn from and are tested on, beside their scores: labels that repeat, lengths, and where words are."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stxfer.core.errors import DataError
from stxfer.core.marker import is_expected
from stxfer.experiment.config import Experiment
from stxfer.experiment.layout import DURATIONS, TEXT, features_dir, text_file
from stxfer.experiment.systems import System
from stxfer.experiment.variants import DecodedSystem
from stxfer.kaldi.table import read_table
from stxfer.report.exposure import training_texts

MAX_EXAMPLE = 60  # characters of a label that is shown
Pairs = Mapping[tuple[str, str], tuple[Path, Path]]


@dataclass(frozen=True)
class Materials:
    """Files that the report reads beside scores, those that are there, or are missing where a stage has left them.

    Attributes:
        labels: see :func:`label_files`.
        lengths: see :func:`length_files`.
        texts: see :func:`stxfer.report.exposure.training_texts`.
    """

    labels: Pairs
    lengths: Pairs
    texts: Mapping[str, Sequence[Path]]

    def files(self) -> list[Path]:
        """Return all of them."""
        pairs = [path for of in (self.labels, self.lengths) for both in of.values() for path in both]
        return sorted({*pairs, *(path for paths in self.texts.values() for path in paths)})


def find_materials(experiment: Experiment, trained: Sequence[System], targets: Iterable[DecodedSystem], dump: Path,
                   exp: Path) -> Materials:
    """Return the files about the systems of a report.

    Args:
        experiment: what is declared.
        trained: all of its systems.
        targets: its target systems, each with how it is decoded.
        dump: directory of texts, labels and durations.
        exp: directory of the language models.
    """
    return Materials(label_files(trained, dump), length_files(trained, dump),
                     training_texts(experiment, targets, dump, exp))


def label_files(systems: Iterable[System], dump: Path) -> dict[tuple[str, str], tuple[Path, Path]]:
    """Return labels and transcripts of every label source and set that systems learn from, where there are both."""
    found: dict[tuple[str, str], tuple[Path, Path]] = {}
    for system in systems:
        for part in system.mixture:
            paths = text_file(part, dump), features_dir(dump, part.data) / TEXT
            if part.label and all(map(is_expected, paths)):
                found[part.label, part.data] = paths
    return found


def label_facts(files: Pairs) -> list[dict[str, Any]]:
    """Return how far labels repeat.

    Returns:
        ``label``, ``set``, ``n_utts`` that have one, ``repeated`` (whose label another transcript has, too), and
        ``most_frequent``: how many utterances have the label that most have, and which that is (``example``).
    """
    rows = []
    for (label, name), (labels, transcripts) in files.items():
        said = read_table(transcripts)
        sources: dict[str, dict[str, int]] = {}
        for utt, text in read_table(labels).items():
            of_text = sources.setdefault(text, {})
            source = said.get(utt, "")
            of_text[source] = of_text.get(source, 0) + 1
        sizes = {text: sum(of.values()) for text, of in sources.items()}
        most = max(sizes, key=lambda text: sizes[text], default="")
        rows.append({"label": label, "set": name, "n_utts": sum(sizes.values()),
                     "repeated": sum(sizes[text] for text, of in sources.items() if len(of) > 1),
                     "most_frequent": sizes.get(most, 0),
                     "example": most if len(most) <= MAX_EXAMPLE else f"{most[:MAX_EXAMPLE]}..."})
    return rows


def length_files(systems: Iterable[System], dump: Path) -> dict[tuple[str, str], tuple[Path, Path]]:
    """Return the durations of each training set and the test set that goes with it, where there are both."""
    pairs = {(system.data, system.test_set): tuple(features_dir(dump, name) / DURATIONS
                                                   for name in (system.data, system.test_set))
             for system in systems if system.task != "text"}
    return {pair: (train, test) for pair, (train, test) in pairs.items() if is_expected(train) and is_expected(test)}


def length_facts(files: Pairs) -> list[dict[str, Any]]:
    """Return the median duration, in seconds, of each training set and of its test set.

    Raises:
        DataError: a duration is not a number.
    """
    rows = []
    for (train, test), (of_train, of_test) in files.items():
        rows.append({"train": train, "test": test, "train_median": _median(of_train), "test_median": _median(of_test)})
    return rows


def _median(path: Path) -> float:
    try:
        return statistics.median(float(value) for value in read_table(path, empty_values=False).values())
    except (ValueError, statistics.StatisticsError) as error:
        raise DataError(f"{path}: durations must be seconds ({error})") from None
