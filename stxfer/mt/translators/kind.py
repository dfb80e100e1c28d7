"""What is known of a label source's translator before it is opened: which files it reads, what decides its output."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, ClassVar

from stxfer.core.fresh import digest
from stxfer.core.workdir import WorkDir
from stxfer.experiment.labels import Label
from stxfer.experiment.training import MtDecoding
from stxfer.mt.translator import Translator


@dataclass(frozen=True)
class LabelSource:
    """A label source that translates, and where what its translator may read lies.

    Attributes:
        name: its key under ``labels``.
        label: its declaration; ``label.options`` are of its kind's class in :mod:`stxfer.experiment.translators`.
        decoding: ``decode.mt``, the beam search of translators that have one.
        target: code of the target language.
        dump: the directory of prepared data.
        exp: the directory of experiments.
    """

    name: str
    label: Label
    decoding: MtDecoding
    target: str
    dump: Path
    exp: Path


class Kind(ABC):
    """A kind of translators.

    Attributes:
        searches: a beam search as ``decode.mt`` says makes the translations.
        by_process: it computes with one thread; several processes with one each are faster.
        by_utterance: it looks up the translations of the corpus's own utterances, and knows no other sentence.
        advice: what helps where a label source has no translation at all.
    """

    searches: ClassVar[bool] = False
    by_process: ClassVar[bool] = False
    by_utterance: ClassVar[bool] = False
    advice: ClassVar[str] = "other filters, or another translator"

    def reads_raw(self, options: Any) -> bool:
        """Whether it reads transcripts as the corpus has them, in place of normalised ones."""
        return False

    def inputs(self, source: LabelSource) -> list[Path]:
        """Return the files and stages' directories that the translator reads: inputs of its labels.

        Raises:
            DataError: one that its options name is not there.
        """
        return []

    def digest(self, path: Path) -> str:
        """Return what stands for an input in the identity.

        Raises:
            DataError: it is not there, or not finished.
        """
        return digest(path)

    def identity(self, source: LabelSource) -> dict[str, Any]:
        """Return what decides the translations, as far as it is known without the translator.

        It does not depend on the machine: a GPU where there was none makes no label stale.

        Raises:
            DataError: an input is not there, or not finished.
        """
        identity: dict[str, Any] = {"kind": source.label.translator, "options": asdict(source.label.options)}
        if inputs := self.inputs(source):
            stored = WorkDir.of(source.exp).stored
            identity["inputs"] = {stored(path): self.digest(path) for path in inputs}
        if self.searches:
            identity["decode"] = asdict(source.decoding)
        return identity

    @abstractmethod
    def open(self, source: LabelSource, identity: Mapping[str, Any], threads: int) -> Translator:
        """Open the translator.

        Args:
            source: what to open.
            identity: of :meth:`identity`; the translator may add to it.
            threads: processor cores to use, if the translations do not depend on it.

        Raises:
            ConfigError: an option is wrong.
            DataError: what the translator needs is not there.
        """
