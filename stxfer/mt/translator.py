"""The protocol of translators, and how an experiment's label sources open theirs.

A translator takes sentences and gives translations with scores, best first. What decides its translations (kind,
model, options, versions) is its identity, which goes into the provenance of the labels it makes.
"""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol

from stxfer.core.errors import ConfigError, DataError
from stxfer.core.fileio import sha256
from stxfer.core.stage import digest
from stxfer.experiment.config import Experiment
from stxfer.experiment.labels import Label
from stxfer.experiment.layout import MODEL, human_text, mt_dir
from stxfer.experiment.translators import Apertium, CTranslate2, Human, Precomputed, Trained, Transliterate
from stxfer.text.words import count_words

log = logging.getLogger(__name__)
CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f-\x9f]")  # a tab is white space
MAX_WORDS = 1000  # more is no sentence, but a file whose line ends are lost


@dataclass(frozen=True)
class Translation:
    """A translation and its score (sum of log probabilities of its tokens; 0 where a translator has none)."""

    text: str
    score: float


class Translator(Protocol):
    """What every translator does."""

    @property
    def identity(self) -> Mapping[str, Any]:
        """What decides the translations, as JSON can hold it."""
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


class Pace:
    """Logs, now and then, how many of ``total`` sentences are translated, and how fast."""

    def __init__(self, total: int, every: float = 10.0) -> None:
        self.total, self.every, self.done = total, every, 0
        self.begun = self.shown = time.monotonic()

    def add(self, count: int = 1) -> None:
        """Count ``count`` more sentences."""
        self.done += count
        now = time.monotonic()
        if now - self.shown >= self.every:
            self.shown = now
            log.info("translated %d/%d sentences, %.0f/s", self.done, self.total, self.done / (now - self.begun))


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


def translator_inputs(name: str, experiment: Experiment, dump: Path, exp: Path) -> list[Path]:
    """Return the files and stages' directories that the translator of a label source reads: inputs of its labels.

    Raises:
        ConfigError: the label source is not declared.
        DataError: a file that its options name is not there.
    """
    options = _label(name, experiment).options
    if isinstance(options, Trained):
        return [mt_dir(exp, name)]
    if isinstance(options, CTranslate2):
        from stxfer.mt.translators.convert import read_model

        read_model(Path(options.model))
        return [Path(options.model)]
    if isinstance(options, Precomputed):
        return [Path(options.file)]
    if isinstance(options, Human):
        return human_tables(experiment, dump)
    if isinstance(options, Transliterate):
        from stxfer.mt.translators.transliterate import map_file

        return [map_file(options.map)]
    return []


def translator_identity(name: str, experiment: Experiment, dump: Path, exp: Path) -> dict[str, Any]:
    """Return the identity of a translator without opening it; opened, it may tell more of itself.

    Raises:
        ConfigError: the label source is not declared.
        DataError: its model is not there.
    """
    label = _label(name, experiment)
    identity: dict[str, Any] = {"kind": label.translator, "options": asdict(label.options)}
    for path in translator_inputs(name, experiment, dump, exp):
        made = digest(path)  # of a directory: of all in it, where it lies included, which is no matter here
        identity.setdefault("inputs", {})[str(path)] = sha256(path / MODEL) \
            if isinstance(label.options, Trained) else made
    if isinstance(label.options, (Trained, CTranslate2)):
        identity["decode"] = asdict(experiment.decode["mt"])
    return identity


def open_translator(name: str, experiment: Experiment, dump: Path, exp: Path, threads: int = 1) -> Translator:
    """Open the translator of a label source.

    Args:
        name: a key of ``labels`` in the experiment file.
        experiment: the experiment.
        dump: the directory of prepared data.
        exp: the directory of experiments, where trained translators lie.
        threads: processor cores to use.

    Raises:
        ConfigError: the label source is not declared or not translated, or an option of it is wrong.
        DataError: what the translator needs is not there.
    """
    options, decoding = _label(name, experiment).options, experiment.decode["mt"]
    identity = translator_identity(name, experiment, dump, exp)
    if isinstance(options, Trained):
        from stxfer.mt.translators import trained as translate

        return translate.TrainedTranslator(mt_dir(exp, name), decoding, threads, identity)
    if isinstance(options, CTranslate2):
        from stxfer.mt.translators.ctranslate2 import CTranslate2Translator

        return CTranslate2Translator(options, decoding, threads, identity)
    if isinstance(options, Apertium):
        from stxfer.mt.translators.apertium import ApertiumTranslator

        return ApertiumTranslator(options, identity)
    if isinstance(options, Transliterate):
        from stxfer.mt.translators.transliterate import Transliterator

        return Transliterator(options, identity)
    from stxfer.mt.translators.precomputed import PrecomputedTranslator

    return PrecomputedTranslator(translator_inputs(name, experiment, dump, exp), identity)


def human_tables(experiment: Experiment, dump: Path) -> list[Path]:
    """Return the tables of the corpus's own translations, of each set of the source corpus that has one."""
    tables = [human_text(dump, part, experiment.target_lang) for part in ("src_train", "src_dev", "src_test")]
    found = [path for path in tables if path.exists()]
    if not found:
        raise DataError(f"{tables[0]}: no such file; the source corpus has no translations of its own")
    return found


def _label(name: str, experiment: Experiment) -> Label:
    if name not in experiment.labels:
        raise ConfigError(f"unknown label {name!r}; declared: {' '.join(experiment.labels)}")
    label = experiment.labels[name]
    if label.options is None:
        raise ConfigError(f"label {name!r} is made of other labels, not translated")
    return label
