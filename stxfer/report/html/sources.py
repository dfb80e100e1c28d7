"""Files that the page reads beside what the other parts of the report are made of."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from typing_extensions import NotRequired, TypedDict

from stxfer.core.errors import DataError
from stxfer.core.marker import is_expected
from stxfer.core.records import read_record
from stxfer.experiment.labels import HUMAN
from stxfer.experiment.layout import DURATIONS, SAMPLE, STATS, features_dir, label_dir, prepared_dir
from stxfer.experiment.records import Count, Number
from stxfer.kaldi.table import read_table
from stxfer.report.html.tables import Table, table

AUDIO_TABLES = ("wav.scp", "segments")
SAMPLES = 25  # labels of a source that are shown


class TextFigures(TypedDict):
    """A text of a set in ``stats.json``."""

    words: Count
    distinct_words: Count
    oov: NotRequired[Number | None]


class SetStats(TypedDict):
    """A set in ``stats.json``."""

    utterances: Count
    speakers: NotRequired[Count]
    hours: NotRequired[Number | None]
    seconds: NotRequired[dict[str, Number]]
    texts: NotRequired[dict[str, TextFigures]]


@dataclass(frozen=True)
class Sources:
    """The files that are there.

    Attributes:
        stats: figures of the prepared sets; none or one.
        samples: some labels with their source, by label and set.
        durations: seconds of utterances, by test set.
        audio: where the audio of test sets is.
    """

    stats: tuple[Path, ...]
    samples: dict[tuple[str, str], Path]
    durations: dict[str, Path]
    audio: tuple[Path, ...]

    def files(self) -> list[Path]:
        """Return all of them."""
        return [*self.stats, *self.samples.values(), *self.durations.values(), *self.audio]

    def figures(self) -> dict[str, Any]:
        """Return the figures of the prepared sets by name."""
        found: dict[str, Any] = {}
        for path in self.stats:
            found |= read_record(path, dict[str, SetStats])
        return found

    def seconds(self) -> dict[str, dict[str, float]]:
        """Return the durations of utterances by test set.

        Raises:
            DataError: one is not a number.
        """
        try:
            return {name: {utt: float(value) for utt, value in read_table(path).items()}
                    for name, path in self.durations.items()}
        except ValueError as error:
            raise DataError(f"durations must be seconds ({error}): {', '.join(map(str, self.durations.values()))}"
                            ) from None

    def label_samples(self) -> list[Table]:
        """Return a table of some labels for each source and set."""
        found = []
        for (label, name), path in self.samples.items():
            with path.open(encoding="utf-8", errors="replace") as handle:
                rows = [line.rstrip("\n").split("\t") for line in islice(handle, SAMPLES + 1)]
            width = len(rows[0]) if rows else 0
            rows = [(row + [""] * width)[:width] for row in rows]
            used = [number for number in range(width) if number < 3 or any(row[number] for row in rows[1:])]
            if len(rows) > 1:
                shown = [[row[number] for number in used] for row in rows]
                found.append(table(f"Some labels {label} of {name}", shown))
        return found


def find_sources(labels: Iterable[tuple[str, str]], test_sets: Collection[str], dump: Path) -> Sources:
    """Return the files about label sources and test sets.

    Args:
        labels: label sources, each with a set that has labels of it.
        test_sets: names of the test sets.
        dump: directory of prepared sets, labels and features.
    """
    stats = prepared_dir(dump) / STATS
    samples = {(label, name): path for label, name in labels
               if label != HUMAN and is_expected(path := label_dir(dump, label, name) / SAMPLE)}
    durations = {name: path for name in test_sets if is_expected(path := features_dir(dump, name) / DURATIONS)}
    tables = (prepared_dir(dump, name) / of for name in test_sets for of in AUDIO_TABLES)
    audio = tuple(filter(is_expected, tables))
    return Sources((stats,) if is_expected(stats) else (), samples, durations, audio)
