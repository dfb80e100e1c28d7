"""The translator of a label source: its inputs and its identity, and the translator itself when it is called for."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import Any

from stxfer.core.errors import ConfigError
from stxfer.experiment.config import Experiment
from stxfer.experiment.labels import Label
from stxfer.experiment.lineage import Lineage
from stxfer.mt.translator import Translator
from stxfer.mt.translators.apertium import ApertiumKind
from stxfer.mt.translators.ctranslate2 import CTranslate2Kind
from stxfer.mt.translators.kind import Kind, LabelSource
from stxfer.mt.translators.precomputed import HumanKind, PrecomputedKind
from stxfer.mt.translators.trained import TrainedKind
from stxfer.mt.translators.transliterate import TransliterateKind

KINDS: Mapping[str, Kind] = {
    "trained": TrainedKind(), "ctranslate2": CTranslate2Kind(), "apertium": ApertiumKind(),
    "precomputed": PrecomputedKind(), "human": HumanKind(), "transliterate": TransliterateKind()}


def kind_of(label: Label) -> Kind | None:
    """Return the kind of a label's translator; None for a label that is made of others."""
    return KINDS[label.translator] if label.translator else None


def reads_raw(label: Label) -> bool:
    """Whether a label source's translator reads transcripts as the corpus has them."""
    kind = kind_of(label)
    return kind is not None and kind.reads_raw(label.options)


class Opener:
    """A label source's translator, opened when it is first called for and closed at the end of the block.

    Args:
        name: a key of ``labels`` in the experiment file.
        experiment: the experiment.
        dump: the directory of prepared data.
        exp: the directory of experiments, where trained translators lie.
        threads: processor cores to use; the translations do not depend on it.

    Raises:
        ConfigError: the label source is not declared, or translates nothing.
    """

    def __init__(self, name: str, experiment: Experiment, dump: Path, exp: Path, threads: int = 1) -> None:
        if name not in experiment.labels:
            raise ConfigError(f"unknown label {name!r}; declared: {' '.join(experiment.labels)}")
        self.label = experiment.labels[name]
        kind = kind_of(self.label)
        if kind is None:
            raise ConfigError(f"label {name!r} is made of other labels, not translated")
        self.kind = kind
        self.source = LabelSource(name, self.label, experiment.decode_mt, experiment.target_lang, dump, exp)
        self.declared = Lineage(experiment, dump, exp)
        self.threads = threads
        self._translator: Translator | None = None

    @cached_property
    def identity(self) -> Mapping[str, Any]:
        """What decides the translations; the translator is not opened for it.

        Raises:
            DataError: its model, or a file that its options name, is not there.
        """
        return self.kind.identity(self.source)

    @property
    def inputs(self) -> list[Path]:
        """The files and stages' directories that the translator reads.

        Raises:
            DataError: one that its options name is not there.
        """
        return self.kind.inputs(self.source)

    def __call__(self) -> Translator:
        """Return the translator.

        Raises:
            ConfigError: an option of it is wrong.
            DataError: what it needs is not there.
        """
        if self._translator is None:
            self._translator = self.kind.open(self.source, self.identity, self.threads)
        return self._translator

    def __enter__(self) -> Opener:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 trace: TracebackType | None) -> None:
        if self._translator is not None:
            self._translator.close()
