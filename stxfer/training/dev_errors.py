"""Word errors of real decoding on the development set, while a model trains."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from stxfer.decoding.decode import UNKNOWN
from stxfer.decoding.search import beam_search
from stxfer.score.asr import word_errors
from stxfer.text.words import spread

BEAM_SIZE = 3  # wide enough to end sentences, narrow enough for every epoch


@dataclass(frozen=True)
class DevErrors:
    """Decodes some utterances of the development set and counts word errors.

    What ESPnet logs as accuracy is of the next token given the true ones; under pieces, its WER is not of words.

    Attributes:
        utterances: those decoded.
        tokens: the vocabulary.
        tokenizer: joins pieces to text.
        tag: what the texts begin with (``<sw>``); given to the search, and no word.
    """

    utterances: Collection[str]
    tokens: Sequence[str]
    tokenizer: Any
    tag: str = ""

    def __call__(self, model: Any, batches: Iterable[tuple[Sequence[str], Mapping[str, torch.Tensor]]],
                 together: bool = False) -> float:
        """Return the word error rate, 0 to 1 and above; of a script without spaces each character counts as a word.

        Args:
            model: an ``ESPnetASRModel`` in eval mode.
            batches: utterances and their ``speech`` (B, T, D), ``speech_lengths`` (B,) and ``text`` (B, U); those that
                are not decoded are passed over.
            together: each process of the default process group has its part of the set; the rate is that of all.
        """
        refs, hyps = self._decode(model, batches)
        counts = word_errors(refs, hyps, "").total if refs else None
        place = next(model.parameters()).device
        sums = torch.tensor([counts.errors, counts.n_ref] if counts else [0, 0], dtype=torch.int64, device=place)
        if together:
            torch.distributed.all_reduce(sums)
        errors, words = sums.tolist()
        return float(errors / words) if words else 0.0

    @torch.no_grad()
    def _decode(self, model: Any, batches: Iterable[tuple[Sequence[str], Mapping[str, torch.Tensor]]]
                ) -> tuple[dict[str, str], dict[str, str]]:
        place = next(model.parameters()).device
        index = {token: i for i, token in enumerate(self.tokens)}
        prefix = [index[piece] for piece in self.tokenizer.encode(self.tag, out_type=str)]
        refs: dict[str, str] = {}
        hyps: dict[str, str] = {}
        for utts, batch in batches:
            rows = [row for row, utt in enumerate(utts) if utt in self.utterances]
            if not rows:
                continue
            lengths = batch["speech_lengths"][rows]
            encoded, lens = model.encode(batch["speech"][rows, :int(lengths.max())].to(place), lengths.to(place))
            found = beam_search(encoded, lens, model.decoder, sos=model.sos, eos=model.eos, beam_size=BEAM_SIZE,
                                prefix=prefix)
            for row, nbest, ids in zip(rows, found, batch["text"][rows].tolist(), strict=True):
                refs[utts[row]] = self._words([i for i in ids if i >= 0], prefix)
                written = [i for i in nbest[0].tokens if self.tokens[i] != UNKNOWN] if nbest else []
                hyps[utts[row]] = self._words(written, prefix)
        return refs, hyps

    def _words(self, ids: Sequence[int], prefix: Sequence[int]) -> str:
        if list(ids[:len(prefix)]) == list(prefix):
            ids = ids[len(prefix):]
        return spread(" ".join(self.tokenizer.decode_pieces([self.tokens[i] for i in ids if i]).split()))
