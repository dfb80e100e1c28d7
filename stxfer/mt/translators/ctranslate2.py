"""Translate sentences with a pretrained model, through CTranslate2."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from stxfer.core.errors import ConfigError, DataError
from stxfer.core.progress import Progress
from stxfer.decoding.decode import UNKNOWN
from stxfer.experiment.training import MtDecoding
from stxfer.experiment.translators import CTranslate2
from stxfer.mt.translator import Closing, Translation, checked, too_long
from stxfer.mt.translators.convert import read_model
from stxfer.mt.translators.families import Pieces
from stxfer.mt.translators.kind import Kind, LabelSource

CLASSES = (32, 64, 128, 256)  # source tokens: a limit to what sentences up to so long become
SLACK = 10  # tokens of a translation that no ratio takes away


class CTranslate2Translator(Closing):
    """A model that :func:`stxfer.mt.translators.convert.convert_model` has converted.

    Args:
        options: the label source's options.
        decoding: ``beam_size``; ``batch_frames``, source tokens of a batch, padding included; ``maxlenratio``, most
            tokens for each source token (0: twice as many).
        threads: batches translated side by side, each on a core.
        identity: what decides its translations; what they are computed with is added.

    Raises:
        ConfigError: a language that the model does not know, a device or computation that is not there.
        DataError: files of the model are missing.
    """

    def __init__(self, options: CTranslate2, decoding: MtDecoding, threads: int = 1,
                 identity: Mapping[str, Any] | None = None) -> None:
        import ctranslate2

        directory = Path(options.model)
        family, vocabulary, info = read_model(directory)
        self.pieces = Pieces(directory, family, vocabulary, options.source, options.target)
        self.options, self.decoding, self._positions = options, decoding, int(info["positions"])
        device = _device(options.device)
        try:
            self.model = ctranslate2.Translator(str(directory), device=device, inter_threads=threads, intra_threads=1,
                                                compute_type=_compute_type(options.compute_type, device))
        except (RuntimeError, ValueError) as error:
            raise DataError(f"{directory}: CTranslate2 cannot open it: {' '.join(str(error).split())[:200]}") from None
        self.identity: Mapping[str, Any] = {
            **(identity or {}), "device": device, "computed_in": self.model.compute_type,
            "versions": {"ctranslate2": ctranslate2.__version__}}

    def translate(self, sentences: Sequence[str], nbest: int = 1,
                  keys: Sequence[str] = ()) -> list[list[Translation]]:
        """Translate sentences, batched by length; the order is the input's. An empty one has no translation.

        Raises:
            DataError: a sentence that is none (see :func:`stxfer.mt.translator.checked`) or has more tokens than the
                model has positions.
        """
        results: list[list[Translation]] = [[] for _ in sentences]
        filled = checked(sentences, keys)
        tokens = dict(zip(filled, self.pieces.encode([sentences[i] for i in filled]), strict=True))
        for i in filled:
            if len(tokens[i]) > self._positions:
                raise too_long(i, keys, len(tokens[i]), self._positions)
        progress = Progress("translating", len(filled), "sentences", end=False)
        bounds = [*(bound for bound in CLASSES if bound < self._positions), self._positions]
        order = sorted(filled, key=lambda i: len(tokens[i]))
        for bound, group in itertools.groupby(order, key=lambda i: next(b for b in bounds if len(tokens[i]) <= b)):
            positions = list(group)
            found = self._search([tokens[i] for i in positions], bound, nbest)
            for i, result in zip(positions, found, strict=True):
                texts = self.pieces.decode(result.hypotheses)
                unknown = [UNKNOWN in hypothesis for hypothesis in result.hypotheses]
                results[i] = list(map(Translation, texts, result.scores, unknown))
                progress.add()
        return results

    def _search(self, tokens: list[list[str]], bound: int, nbest: int) -> Iterator[Any]:
        """Translate token sequences of at most ``bound`` tokens; yields results in their order."""
        decoding, prefix = self.decoding, self.pieces.target_prefix
        limit = math.ceil((decoding.maxlenratio or 2.0) * bound) + SLACK
        found: Iterator[Any] = self.model.translate_iterable(
            tokens, [prefix] * len(tokens) if prefix else None, max_batch_size=decoding.batch_frames,
            batch_type="tokens", beam_size=max(decoding.beam_size, nbest), num_hypotheses=nbest, return_scores=True,
            length_penalty=self.options.length_penalty, max_input_length=0,
            max_decoding_length=min(limit, self._positions - 1))
        return found

    def close(self) -> None:
        """Free the model's memory."""
        self.model.unload_model()


class CTranslate2Kind(Kind):
    """``translator: ctranslate2``."""

    searches = True

    def reads_raw(self, options: CTranslate2) -> bool:
        """By option; raw text unless it says otherwise."""
        return options.text == "raw"

    def inputs(self, source: LabelSource) -> list[Path]:
        """Return the directory of the converted model."""
        directory = Path(source.label.options.model)
        read_model(directory)
        return [directory]

    def open(self, source: LabelSource, identity: Mapping[str, Any], threads: int) -> CTranslate2Translator:
        """Load the model, to a GPU where there is one and the options do not say otherwise."""
        return CTranslate2Translator(source.label.options, source.decoding, threads, identity)


def _device(name: str) -> str:
    from ctranslate2 import get_cuda_device_count

    gpus = get_cuda_device_count()
    if name == "auto":
        return "cuda" if gpus else "cpu"
    if name not in ("cpu", "cuda"):
        raise ConfigError(f"device {name!r} must be auto, cpu or cuda")
    if name == "cuda" and not gpus:
        raise ConfigError("device 'cuda': there is no GPU here; use cpu, or auto")
    return name


def _compute_type(name: str, device: str) -> str:
    from ctranslate2 import get_supported_compute_types

    known = get_supported_compute_types(device)
    if name == "auto":
        name = "float16" if device == "cuda" and "float16" in known else "int8"
    if name not in known:
        raise ConfigError(f"compute_type {name!r}: not possible on this machine's {device}; possible: auto "
                          f"{' '.join(sorted(known))}")
    return name
