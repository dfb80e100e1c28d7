"""What one training is given: the sets, the texts, the phases, the model to start from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from stxfer.core.fileio import read_text
from stxfer.experiment.training import Phase


@dataclass(frozen=True)
class Text:
    """A text side of a model: its vocabulary directory (absolute)."""

    vocab: Path

    @property
    def tokens(self) -> list[str]:
        """The pieces, in the order of their ids."""
        return read_text(self.vocab / "tokens.txt").splitlines()

    @property
    def pieces(self) -> Path:
        """The SentencePiece model."""
        return self.vocab / "bpe.model"


@dataclass(frozen=True)
class Corpus:
    """What one set gives to training.

    Attributes:
        tables: data name (``speech``, ``text``, ``src_text``) to table.
        lengths: table ``utt T``: frames, words of the source side for MT, or tokens for language models.
        durations: table ``utt seconds``, of speech; it need not be there.
        parts: of a mixture, the corpora it was made of: utterance ``m<i>-<utt>`` is ``<utt>`` of part i.
    """

    tables: Mapping[str, Path]
    lengths: Path
    durations: Path | None = None
    parts: tuple[Corpus, ...] = ()


@dataclass(frozen=True)
class Start:
    """The trained model that another one starts from.

    Attributes:
        model: its directory.
        parts: which parameters are loaded, see :func:`stxfer.model.transfer.transfer`.
        vocabulary: what becomes of rows of another vocabulary: ``same``, ``map`` or ``reinit``.
    """

    model: Path
    parts: tuple[str, ...]
    vocabulary: str = "same"


@dataclass(frozen=True)
class Fit:
    """Everything that decides what a trained model is.

    Attributes:
        task: ``asr``, ``st``, ``text``, ``mt`` or ``lm`` (a language model).
        out: the directory to train in.
        train: what is learnt from.
        dev: what decides which epochs are averaged, and when to stop.
        target: the side that is written.
        phases: trainings, each from the last one's result.
        model: encoder and decoder, in the experiment's words.
        source: the side that is read, of MT.
        init: the model to start from.
        seed: of everything random.
        tag: what the texts of the development set begin with (``<sw>``), given to the search and not searched.
        layers: of a pretrained encoder, whose features lie side by side in the input; the model sums them by weights.
    """

    task: str
    out: Path
    train: Corpus
    dev: Corpus
    target: Text
    phases: Sequence[Phase]
    model: Mapping[str, Any] = field(default_factory=dict)
    source: Text | None = None
    init: Start | None = None
    seed: int = 1
    tag: str = ""
    layers: tuple[int, ...] = ()
