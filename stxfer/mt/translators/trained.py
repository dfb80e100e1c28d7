"""Translate sentences with a model trained here, see :mod:`stxfer.mt.train`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stxfer.core.fileio import sha256
from stxfer.core.progress import Progress
from stxfer.core.threads import use_threads
from stxfer.decoding.decode import UNKNOWN
from stxfer.decoding.memory import batch_frames, fitted, mixed_precision
from stxfer.experiment.layout import MODEL, mt_dir
from stxfer.experiment.training import MtDecoding
from stxfer.mt.translator import Closing, Translation, checked
from stxfer.mt.translators.kind import Kind, LabelSource

if TYPE_CHECKING:
    from stxfer.decoding.search.beam import Hypothesis


class TrainedTranslator(Closing):
    """A translator trained by stage 4, on this process's GPU where there is one.

    Args:
        directory: the model's directory.
        options: beam search options; ``batch_frames`` counts source tokens.
        identity: what decides its translations.
    """

    def __init__(self, directory: Path, options: MtDecoding, identity: Mapping[str, Any] | None = None) -> None:
        from stxfer.core.devices import device
        from stxfer.model.load import load_model  # imports ESPnet

        use_threads(1)
        self._device = device()
        self.loaded = load_model(directory, self._device)
        self.options = options
        self.identity: Mapping[str, Any] = identity or {}

    def translate(self, sentences: Sequence[str], nbest: int = 1,
                  keys: Sequence[str] = ()) -> list[list[Translation]]:
        """Translate sentences, batched by length; the order is the input's. An empty one has no translation.

        Raises:
            DataError: a sentence that is none, see :func:`stxfer.mt.translator.checked`.
        """
        assert self.loaded.source_tokenizer is not None and self.loaded.source_tokens is not None
        index = {token: i for i, token in enumerate(self.loaded.source_tokens)}
        unknown = index[UNKNOWN]
        ids = [[index.get(piece, unknown) for piece in self.loaded.source_tokenizer.encode(s, out_type=str)]
               for s in sentences]
        results: list[list[Translation]] = [[] for _ in sentences]
        filled = checked(sentences, keys)
        progress = Progress("translating", len(filled), "sentences", end=False)
        most = batch_frames(self.options.batch_frames, self._device)
        for batch, translated in fitted(batches(ids, most), lambda some: self._batch([ids[i] for i in some], nbest)):
            for position, found in zip(batch, translated, strict=True):
                results[position] = found
            progress.add(len(batch))
        return results

    def _batch(self, batch: Sequence[list[int]], nbest: int) -> list[list[Translation]]:
        import torch

        from stxfer.decoding.search.beam import beam_search

        model, options = self.loaded.model, self.options
        lengths = torch.tensor([len(ids) for ids in batch])
        padded = torch.full((len(batch), int(lengths.max())), model.ignore_id)
        for row, ids in zip(padded, batch, strict=True):
            row[: len(ids)] = torch.tensor(ids)
        with torch.inference_mode(), mixed_precision(options.amp, self._device):
            encoded, encoded_lengths = model.encode(padded.to(self._device), lengths.to(self._device))
            found = beam_search(encoded, encoded_lengths, model.decoder, sos=model.sos, eos=model.eos,
                                beam_size=options.beam_size, length_bonus=options.length_bonus,
                                maxlenratio=options.maxlenratio, minlenratio=options.minlenratio, nbest=nbest)
        return [[self._translation(hypothesis) for hypothesis in hypotheses] for hypotheses in found]

    def _translation(self, best: Hypothesis) -> Translation:
        # Nothing keeps an attention decoder from CTC's blank, id 0, which it never saw in training.
        pieces = [self.loaded.tokens[i] for i in best.tokens if i != 0]
        return Translation(self.loaded.tokenizer.decode_pieces([piece for piece in pieces if piece != UNKNOWN]),
                           float(best.score), UNKNOWN in pieces)


class TrainedKind(Kind):
    """``translator: trained``."""

    searches = by_process = True
    advice = "its translator is not trained well enough: more 'pairs' or more 'epochs'"

    def inputs(self, source: LabelSource) -> list[Path]:
        """Return the directory of the trained model."""
        return [mt_dir(source.exp, source.name)]

    def digest(self, path: Path) -> str:
        """Return that of the parameters: the directory's depends on where it lies, which is no matter here."""
        super().digest(path)  # raises unless its training has finished
        return sha256(path / MODEL)

    def open(self, source: LabelSource, identity: Mapping[str, Any], threads: int) -> TrainedTranslator:
        """Load the model."""
        return TrainedTranslator(mt_dir(source.exp, source.name), source.decoding, identity)


def batches(ids: Sequence[Sequence[int]], size: int) -> Iterator[list[int]]:
    """Yield positions of non-empty sentences, of like length together, about ``size`` tokens a batch."""
    order = sorted((i for i, tokens in enumerate(ids) if tokens), key=lambda i: len(ids[i]))
    batch: list[int] = []
    for i in order:
        if batch and (len(batch) + 1) * len(ids[i]) > size:
            yield batch
            batch = []
        batch.append(i)
    if batch:
        yield batch
