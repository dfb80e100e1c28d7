"""From the samples of pieces to hypotheses, with the search of the test sets."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple, Protocol

import numpy as np

from stxfer.audio.ark import as_stored
from stxfer.audio.io import SAMPLE_RATE
from stxfer.decoding.decode import BLANK, Decoded, batches, encode, prefix_ids, search_nbest
from stxfer.decoding.memory import batch_frames, fitted, mixed_precision
from stxfer.experiment.prepare import MIN_SECONDS
from stxfer.text.normalise import normalise
from stxfer.transcription.system import SpeechSystem
from stxfer.transcription.words import Word, align, likelihood, spell

if TYPE_CHECKING:
    from torch import Tensor

    from stxfer.decoding.search import Hypothesis

log = logging.getLogger(__name__)


class Heard(NamedTuple):
    """A hypothesis of a piece.

    Attributes:
        words: their times count from the piece's first sample.
        score: what the search ranks hypotheses by.
        confidence: the geometric mean of the words'; 0 without words.
        cut: the length limit ended it.
    """

    words: tuple[Word, ...]
    score: float
    confidence: float
    cut: bool = False

    @property
    def text(self) -> str:
        """The words, as the system's references are normalised."""
        return " ".join(word.text for word in self.words)


class Recogniser(Protocol):
    """What hears pieces."""

    def __call__(self, samples: Sequence[np.ndarray], nbest: int = 1) -> list[list[Heard]]:
        """Return the hypotheses of each piece, float32 (n,) at 16 kHz, best first; none if it is too short."""


def recogniser(system: SpeechSystem) -> Recogniser:
    """Return what hears with a system."""
    from stxfer.model.whisper import WhisperModel  # torch: seconds to import

    return WhisperRecogniser(system) if isinstance(system.model, WhisperModel) else SearchRecogniser(system)


class SearchRecogniser:
    """The models whose tokens are searched by :mod:`stxfer.decoding.search`.

    A piece's features are those that stage 3 stores and its hypotheses those of stage 11. The confidence of a word is
    the probability of its tokens, each after those before it, as the weights of the search mix decoder, CTC and
    language model; the length bonus is left out. Words of translations have no times: they may stand in another order
    than what is said.
    """

    def __init__(self, system: SpeechSystem) -> None:
        from stxfer.model.load import LoadedModel

        assert isinstance(system.model, LoadedModel) and system.extractor is not None
        self._system, self._loaded, self._extractor = system, system.model, system.extractor
        self._prefix = prefix_ids(self._loaded.tokens, self._loaded.tokenizer, system.tag)
        self._aligns = system.task == "asr" and getattr(self._loaded.model, "ctc", None) is not None

    def __call__(self, samples: Sequence[np.ndarray], nbest: int = 1) -> list[list[Heard]]:
        """See :class:`Recogniser`."""
        long = {f"{k:06d}": one for k, one in enumerate(samples) if len(one) >= MIN_SECONDS * SAMPLE_RATE}
        made = self._extractor(list(long.values()), [f"piece {key}" for key in long]) if long else []
        features = {key: as_stored(matrix, self._system.compression) for key, matrix in zip(long, made, strict=True)}
        found: dict[str, list[Heard]] = {}
        options, lm = self._system.decoding, self._system.lm
        model, where = self._loaded.model, next(self._loaded.model.parameters()).device

        def work(batch: list[str]) -> list[list[Heard]]:
            with mixed_precision(options.amp, where):
                encoded = [encode(model, key, features[key]) for key in batch]
                results = search_nbest(model, encoded, options, self._prefix, lm, nbest)
                return [[self._heard(one, frames, len(long[key]) / SAMPLE_RATE) for one in hypotheses]
                        for key, frames, hypotheses in zip(batch, encoded, results, strict=True)]

        frames = {key: len(matrix) for key, matrix in features.items()}
        for batch, heard in fitted(batches(frames, batch_frames(options.batch_frames, where)), work):
            found.update(zip(batch, heard, strict=True))
        return [found.get(f"{k:06d}", []) for k in range(len(samples))]

    def _heard(self, found: Hypothesis, encoded: Tensor, seconds: float) -> Heard:
        options = self._system.decoding
        mixed = 1 + (options.lm_weight if options.lm else 0.0)
        skip = len(self._prefix)
        pairs = [(token, (gain - options.length_bonus) / mixed)
                 for token, gain in zip(found.tokens[skip:], found.gains[skip:], strict=True) if token != BLANK]
        tokens, gains = [token for token, _ in pairs], [gain for _, gain in pairs]
        times = align(self._loaded.model.ctc, encoded, tokens, seconds) if self._aligns else []
        words = [Word(text, likelihood([gains[k] for k in of]),
                      *((times[of[0]][0], times[of[-1]][1]) if times else (None, None)))
                 for text, of in spell([self._loaded.tokens[token] for token in tokens])]
        return Heard(tuple(words), found.score, _mean(words), found.cut)


class WhisperRecogniser:
    """Fine-tuned Whisper: one hypothesis of each piece, whose words have no times."""

    def __init__(self, system: SpeechSystem) -> None:
        from stxfer.model.whisper import WhisperModel

        assert isinstance(system.model, WhisperModel)
        self._system, self._whisper = system, system.model

    def __call__(self, samples: Sequence[np.ndarray], nbest: int = 1) -> list[list[Heard]]:
        """See :class:`Recogniser`."""
        from stxfer.decoding.whisper import search_whisper

        found: dict[int, list[Heard]] = {}
        long = [k for k, one in enumerate(samples) if len(one) >= MIN_SECONDS * SAMPLE_RATE]
        beam = self._system.decoding.beam_size
        where = next(self._whisper.network.parameters()).device

        def work(batch: list[int]) -> list[Decoded]:
            with mixed_precision(self._system.decoding.amp, where):
                return search_whisper(self._whisper, [samples[k] for k in batch], beam)

        size = self._system.batch
        for batch, results in fitted((long[k:k + size] for k in range(0, len(long), size)), work):
            found.update((k, [self._heard(one)]) for k, one in zip(batch, results, strict=True))
        return [found.get(k, []) for k in range(len(samples))]

    def _heard(self, found: Decoded) -> Heard:
        """Normalise what was written; where that joins or parts words, each is as sure as the piece."""
        profile, whisper = self._system.profile, self._whisper
        text = normalise(whisper.text(found.tokens), profile).split()
        pieces = whisper.tokenizer.convert_ids_to_tokens(found.tokens)
        written = spell([piece.replace("Ġ", "▁") for piece in pieces])
        words = [Word(part, likelihood([found.gains[k] for k in of])) for _, of in written
                 for part in normalise(whisper.text([found.tokens[k] for k in of]), profile).split()]
        if [word.text for word in words] != text:
            mean = likelihood([sum(found.gains) / max(1, len(text))])
            words = [Word(part, mean) for part in text]
        return Heard(tuple(words), found.score, _mean(words), found.cut)


def _mean(words: Sequence[Word]) -> float:
    if not words:
        return 0.0
    return float(np.exp(np.mean(np.log([max(word.confidence, 1e-30) for word in words]))))
