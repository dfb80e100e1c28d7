"""Decoding options chosen on the development set."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stxfer.audio.ark import read_places
from stxfer.core.errors import DataError
from stxfer.core.options import option_fields
from stxfer.core.progress import Progress
from stxfer.decoding.decode import (
    Decoded,
    batches,
    encode,
    frame_counts,
    load_features,
    prefix_ids,
    search_encoded,
    written,
)
from stxfer.decoding.memory import batch_frames, fitted, mixed_precision
from stxfer.experiment.training import Decoding, Tune
from stxfer.kaldi.table import read_table
from stxfer.score import asr, st
from stxfer.text.profiles import Profile

if TYPE_CHECKING:
    from stxfer.model.load import LoadedModel


@dataclass(frozen=True)
class Measure:
    """What hypotheses are judged by: ``wer``, ``cer`` or ``bleu``, in percent."""

    name: str
    score: Callable[[Mapping[str, str], Mapping[str, str]], float]

    def cost(self, value: float) -> float:
        """Return a number that is lower for a better value."""
        return -value if self.name == "bleu" else value


@dataclass(frozen=True)
class Tuning:
    """A grid of options, and what each gives on the development set."""

    measure: Measure
    tried: Sequence[Decoding]
    values: Sequence[float]

    @property
    def best(self) -> Decoding:
        """The best options; of equals those that were named first."""
        costs = [self.measure.cost(value) for value in self.values]
        return self.tried[costs.index(min(costs))]

    def as_json(self) -> dict[str, Any]:
        """Return ``measure``, the ``grid`` and what is ``chosen`` of it."""
        grid = [{**axes(options), self.measure.name: round(value, 4)}
                for options, value in zip(self.tried, self.values, strict=True)]
        return {"measure": self.measure.name, "grid": grid, "chosen": axes(self.best)}


def axes(options: Decoding) -> dict[str, float]:
    """Return the values of the options that can be tuned."""
    return {name: getattr(options, name) for name in option_fields(Tune) if options.lm or name != "lm_weight"}


def measure_of(task: str, profile: Profile) -> Measure:
    """Return what a system is tuned by: BLEU for ST, WER for ASR, CER where words are not spaced."""
    if task == "st":
        return Measure("bleu", lambda refs, hyps: st.translation_scores(
            list(refs.values()), [hyps.get(utt, "") for utt in refs], profile.identity, profile.bleu)["bleu"].value)
    if profile.spaced:
        return Measure("wer", lambda refs, hyps: asr.word_errors(refs, hyps, profile.identity).total.rate)
    return Measure("cer", lambda refs, hyps: asr.char_errors(refs, hyps, profile.identity, spaced=False).total.rate)


def tune(loaded: LoadedModel, lm: Any, feats_scp: Path, reference: Path, options: Decoding, *, measure: Measure,
         tag: str = "", name: str = "tuning") -> Tuning:
    """Decode a set with every combination that ``options.tune`` names. Each utterance is encoded once.

    Args:
        loaded: the system.
        lm: the language model that the options name.
        feats_scp: features of the development set.
        reference: table of what is said in it.
        options: what is tried, and what stays as it is.
        measure: what hypotheses are judged by.
        tag: what texts begin with.
        name: what progress lines call it.

    Raises:
        DataError: features cannot be read, or no utterance has a reference.
    """
    refs = read_table(reference)
    paths = {utt: path for utt, path in read_places(feats_scp).items() if refs.get(utt)}
    if not paths:
        raise DataError(f"{feats_scp}: no utterance has a reference in {reference}; options cannot be tuned on it")
    prefix = prefix_ids(loaded.tokens, loaded.tokenizer, tag)
    tried = options.candidates()
    hyps: list[dict[str, str]] = [{} for _ in tried]
    progress = Progress(f"{name}, {len(tried)} combinations", len(paths))
    where = next(loaded.model.parameters()).device

    def work(batch: list[str]) -> list[list[Decoded]]:
        with mixed_precision(options.amp, where):
            encoded = [encode(loaded.model, utt, load_features(utt, paths[utt], feats_scp)) for utt in batch]
            return [search_encoded(loaded.model, encoded, candidate, prefix, lm) for candidate in tried]

    frames = frame_counts(feats_scp, list(paths))
    for batch, results in fitted(batches(frames, batch_frames(options.batch_frames, where)), work):
        for found, those in zip(hyps, results, strict=True):
            for utt, best in zip(batch, those, strict=True):
                found[utt] = written(loaded.tokenizer, [loaded.tokens[i] for i in best.tokens])
        progress.add(len(batch))
    heard = {utt: refs[utt] for utt in paths}
    return Tuning(measure, tried, [measure.score(heard, found) for found in hyps])
