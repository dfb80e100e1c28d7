"""ESPnet's trainer with real word errors on the development set at the end of each epoch."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import torch

from stxfer.model.espnet import Trainer as EspnetTrainer
from stxfer.text.words import spread

BEAM_SIZE = 3  # wide enough to end sentences, narrow enough for every epoch


@dataclass(frozen=True)
class DevErrors:
    """Decodes the first utterances of the development set and counts word errors.

    What ESPnet logs as accuracy is of the next token given the true ones; under pieces, its WER is not of words.

    Attributes:
        utterances: how many are decoded.
        tokens: the vocabulary.
        tokenizer: joins pieces to text.
    """

    utterances: int
    tokens: list[str]
    tokenizer: Any

    @torch.no_grad()
    def __call__(self, model: Any, batches: Iterable[Any]) -> float:
        """Return the word error rate, 0 to 1 and above, of a model in eval mode.

        Of a script without spaces each character counts as a word.
        """
        from stxfer.decoding.search import beam_search
        from stxfer.score.asr import word_errors

        refs: dict[str, str] = {}
        hyps: dict[str, str] = {}
        for utts, batch in batches:
            device = next(model.parameters()).device
            encoded, lengths = model.encode(batch["speech"].to(device), batch["speech_lengths"].to(device))
            found = beam_search(encoded, lengths, model.decoder, sos=model.sos, eos=model.eos, beam_size=BEAM_SIZE)
            for utt, nbest, ids in zip(utts, found, batch["text"].tolist(), strict=True):
                refs[utt] = self._words([i for i in ids if i >= 0])
                hyps[utt] = self._words(nbest[0].tokens if nbest else ())
            if len(refs) >= self.utterances:
                break
        first = list(itertools.islice(refs, self.utterances))
        errors = word_errors({utt: refs[utt] for utt in first}, {utt: hyps[utt] for utt in first}, "")
        return errors.total.rate / 100

    def _words(self, ids: Iterable[int]) -> str:
        return spread(" ".join(self.tokenizer.decode_pieces([self.tokens[i] for i in ids if i]).split()))


class Trainer(EspnetTrainer):
    """ESPnet's trainer; ``dev_errors`` is set by what starts it."""

    dev_errors: DevErrors | None = None

    @classmethod
    def validate_one_epoch(cls, model: Any, iterator: Any, reporter: Any, options: Any,
                           distributed_option: Any) -> None:
        """Measure losses as ESPnet does and, on the first process, word errors."""
        super().validate_one_epoch(model, iterator, reporter, options, distributed_option)
        first = not distributed_option.distributed or distributed_option.dist_rank == 0
        if cls.dev_errors is not None and first:
            reporter.register({"wer": cls.dev_errors(getattr(model, "module", model), iterator)}, 1.0)
            reporter.next()
