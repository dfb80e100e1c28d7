"""The protocol of translators, and how an experiment's label sources open theirs.

A translator takes sentences and gives translations with scores, best first. What decides its translations (kind,
model, options, versions) is its identity, which goes into the provenance of the labels it makes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol

from stxfer.config import Experiment, Label
from stxfer.errors import ConfigError
from stxfer.stage import digest


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


def translator_inputs(name: str, experiment: Experiment, dump: Path, exp: Path) -> list[Path]:
    """Return the files and stages' directories that the translator of a label source reads: inputs of its labels.

    Raises:
        ConfigError: the label source is not declared.
    """
    from stxfer.mt.train import mt_dir

    _label(name, experiment)
    return [mt_dir(exp, name)]


def translator_identity(name: str, experiment: Experiment, dump: Path, exp: Path) -> dict[str, Any]:
    """Return the identity that :func:`open_translator` will give the translator, without opening it.

    Raises:
        ConfigError: the label source is not declared.
        DataError: its model is not there.
    """
    from stxfer.mt.train import mt_dir

    label = _label(name, experiment)
    return {"kind": label.translator, "model": digest(mt_dir(exp, name)), "options": asdict(experiment.decode["mt"])}


def open_translator(name: str, experiment: Experiment, dump: Path, exp: Path, threads: int = 1) -> Translator:
    """Open the translator of a label source.

    Args:
        name: a key of ``labels`` in the experiment file.
        experiment: the experiment.
        dump: the directory of prepared data.
        exp: the directory of experiments, where trained translators lie.
        threads: processor cores to use.

    Raises:
        ConfigError: the label source is not declared, or an option of it is wrong.
        DataError: what the translator needs is not there.
    """
    from stxfer.mt.train import mt_dir
    from stxfer.mt.translate import TrainedTranslator

    identity = translator_identity(name, experiment, dump, exp)
    return TrainedTranslator(mt_dir(exp, name), experiment.decode["mt"], threads, identity)


def _label(name: str, experiment: Experiment) -> Label:
    if name not in experiment.labels:
        raise ConfigError(f"unknown label {name!r}; declared: {' '.join(experiment.labels)}")
    return experiment.labels[name]
