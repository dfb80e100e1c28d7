"""How much the sets of an experiment are: counted where they are there, guessed from the configuration where not."""

from __future__ import annotations

import contextlib
import itertools
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from stxfer.core.errors import StxferError
from stxfer.experiment import layout
from stxfer.experiment.config import Experiment
from stxfer.experiment.data import SpokenBitextOptions
from stxfer.kaldi.table import iter_table

CHARACTERS = 13.0  # a second, in either language of the recipes
SECONDS = 5.0  # of an utterance of which nothing is known
_SAMPLE = 300  # utterances whose text tells how long it is
# Bits a second of the formats that corpora come in, to guess hours from bytes.
_RATES = {".wav": 256e3, ".flac": 130e3, ".mp3": 48e3, ".opus": 24e3, ".ogg": 32e3, ".m4a": 64e3}


@dataclass(frozen=True)
class Amount:
    """What is known of a set: utterances, seconds of all of them, characters a second.

    ``known`` if it is there, ``spoken`` if the synthesiser will make it.
    """

    utterances: float
    seconds: float
    characters: float = CHARACTERS
    known: bool = False
    spoken: bool = False

    @property
    def length(self) -> float:
        """Seconds of an utterance."""
        return self.seconds / max(1.0, self.utterances)


def amounts_of(experiment: Experiment, sets: Sequence[str], dump: Path, corpora: Sequence[Path]) -> dict[str, Amount]:
    """Return how much each set is.

    Args:
        experiment: the experiment.
        sets: their names.
        dump: the directory of prepared data.
        corpora: those that stage ``data`` reads; what their audio files weigh tells how much the sets are, together.
    """
    raw = layout.beside(dump, layout.DATA)
    places = {name: (raw / name, layout.prepared_dir(dump, name)) for name in sets}  # of both the prepared one counts
    found = {name: amount for name, folders in places.items() for folder in folders
             if (amount := _counted(folder)) is not None}
    for name in sets:
        if name not in found and (spoken := _spoken(experiment, name)) is not None:
            found[name] = spoken
    missing = [name for name in sets if name not in found]
    if missing:
        share = _weighed(corpora) / len(missing)
        weights = {name: 8.0 if name.endswith("train") else 1.0 for name in missing}
        for name in missing:
            seconds = share * len(missing) * weights[name] / sum(weights.values())
            hours = experiment.data.hours.get(name)
            seconds = min(seconds, hours * 3600) if hours and seconds else hours * 3600 if hours else seconds
            found[name] = Amount(seconds / SECONDS, seconds)
    return found


def _counted(folder: Path) -> Amount | None:
    try:
        durations = {utt: float(value) for utt, value in iter_table(folder / "utt2dur")}
        texts = dict(itertools.islice(iter_table(folder / "text"), _SAMPLE))
    except (StxferError, ValueError):
        return None
    said = {utt: durations[utt] for utt in texts if utt in durations}
    characters = sum(len(texts[utt]) for utt in said) / (sum(said.values()) or 1.0)
    return Amount(len(durations), sum(durations.values()), characters or CHARACTERS, known=True)


def _spoken(experiment: Experiment, name: str) -> Amount | None:
    """Return the amount of a set that the synthesiser will speak, if the configuration tells."""
    data, part = experiment.data, name.rpartition("_")[2]
    speak = data.speak_bitext
    if speak != SpokenBitextOptions() and name.startswith("src_"):
        words = (speak.min_words + min(speak.max_words, 24)) / 2
        count = getattr(speak, f"{part}_sentences", 0)
        return Amount(count, count * words * 60 / speak.rate, spoken=True) if count else None
    usual = type(data)()
    if data.synthetic != usual.synthetic and hasattr(data, name):
        count = getattr(data, name)
        return Amount(count, count * 2.5, 11.0, spoken=True)
    return None


def _weighed(corpora: Iterable[Path]) -> float:
    """Return about how many seconds the audio files of corpora last; each counts once, and no more than 200,000.

    They lie in a corpus's folder, or up to three levels below; of a table, beside it or in a folder there.
    """
    weighed: dict[str, float] = {}
    for corpus in corpora:
        level = [str((corpus if corpus.is_dir() else corpus.parent).resolve())]
        for _ in range(4 if corpus.is_dir() else 2):
            entries = [entry for folder in level for entry in _entries(folder)]
            level = [entry.path for entry in entries if entry.is_dir()]
            audio = ((entry, rate) for entry in entries if (rate := _RATES.get(Path(entry.name).suffix.lower())))
            for entry, rate in itertools.islice(audio, max(0, 200_000 - len(weighed))):
                with contextlib.suppress(OSError):  # a link to nowhere
                    weighed[entry.path] = 8 * entry.stat().st_size / rate
    return sum(weighed.values())


def _entries(folder: str) -> list[os.DirEntry[str]]:
    """Return what a folder holds; nothing, if it is none, or not to be read."""
    try:
        with os.scandir(folder) as entries:
            return list(entries)
    except OSError:
        return []


@dataclass(frozen=True)
class Bitext:
    """Pairs that train a translator, words of a source sentence, characters of the longer side."""

    pairs: int = 10_000
    words: float = 15.0
    characters: float = 90.0


def bitext_of(dump: Path, experiment: Experiment) -> Bitext:
    """Return how much the bitext is; what is usual where it is not there yet."""
    for folder in (layout.clean_bitext_dir(dump), layout.bitext_dir(layout.beside(dump, layout.DATA))):
        sides = [folder / f"train.{language}" for language in (experiment.source_lang, experiment.target_lang)]
        if all(path.is_file() for path in sides):
            some = []
            for path in sides:
                with path.open(encoding="utf-8", errors="replace") as handle:
                    some.append(list(itertools.islice(handle, 2000)))
            with sides[0].open("rb") as binary:
                pairs = sum(1 for _ in binary)
            count = max(1, len(some[0]))
            return Bitext(pairs, max(1.0, sum(len(line.split()) for line in some[0]) / count),
                          max(1.0, *(sum(map(len, lines)) / count for lines in some)))
    return Bitext()


def total(amounts: Mapping[str, Amount]) -> float:
    """Return the seconds of all sets."""
    return sum(amount.seconds for amount in amounts.values())
