"""How models are trained and decoded, as an experiment file says it."""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import Annotated, Literal

from pydantic import model_validator
from typing_extensions import Self

from stxfer.core.mistakes import wrong
from stxfer.core.options import NoEffect, Options, Untold, option_fields, options
from stxfer.experiment.types import Amount, BelowOne, Count, Flag, MaybeName, Number, Positive, Unit, Whole, Words


@options
class Phase(Options):
    """One training run of a system; a system is one or more phases, each starting from the last one's result."""

    epochs: Count = 10
    """Times that the result is held against the development set."""
    steps: Count = 100
    """Optimiser steps of an epoch."""
    batch_frames: Count = 8000
    """About so many input frames make a batch (MT: source tokens; language models: tokens)."""
    lr: Positive = 1.5e-3
    """The highest learning rate: it rises over ``warmup`` of all steps and then falls to 0 along a cosine."""
    frontend_lr: Positive = 0.1
    """A pretrained encoder in the model (model.frontend) learns with ``lr`` times this."""
    warmup: BelowOne = 0.15
    """Share of all steps over which the learning rate rises."""
    clip: Positive = 5.0
    """The largest norm of a gradient."""
    weight_decay: Amount = 1e-6
    """AdamW's."""
    label_smoothing: BelowOne = 0.1
    """Of the attention decoder's loss."""
    dropout: BelowOne = 0.1
    """In encoder and decoder, unless their own options say otherwise."""
    ctc_weight: BelowOne = 0.3
    """w gives the loss w CTC + (1 - w) attention. It is below 1: attention alone tells how good an epoch is."""
    specaug: Flag = False
    """SpecAugment: bands of frames and of features are masked."""
    freeze: tuple[Words, ...] = ()
    """Parts held fixed, e.g. encoder; ctc, without ctc_weight: it stays for a system that starts from this one."""
    encode_once: Flag = False
    """The frozen encoder runs once over the data, before the first step, without dropout and SpecAugment, and the rest
    learns from what it gave."""
    average: Count = 3
    """So many best epochs, by the criterion, make the phase's result."""
    accum: Count = 1
    """Batches that make a step."""
    criterion: Literal["accuracy", "wer"] = "accuracy"
    """What tells on the development set how good an epoch is: accuracy of the next token given the true ones, or the
    word errors of decoding ``dev_wer`` utterances."""
    patience: Whole = 0
    """The phase ends when more than so many epochs in a row were no better than the best, by the criterion; 0: never
    early."""
    amp: Flag = False
    """Compute in bfloat16 where a GPU can."""
    threads: Annotated[Count, Untold] = 1
    """Threads that a process trains with on a CPU. More make a large model faster; the last digits of its sums, and so
    the model, depend on it, and not on --nj, which is how many threads all processes have together."""
    dev_wer: Annotated[Whole, NoEffect] = 0
    """Utterances of the development set that are decoded after each epoch, for the log and the criterion ``wer``."""
    tensorboard: Annotated[Flag, NoEffect] = False
    """Write TensorBoard's files beside the checkpoints."""

    def effective(self) -> list[str]:
        """Return the names of the fields that decide what is trained: ``dev_wer`` does where word errors choose."""
        return [*Options.effective(self), *(["dev_wer"] if self.criterion == "wer" else [])]


@options
class BeamSearch(Options):
    """Beam search options, with ESPnet's meanings."""

    beam_size: Count = 5
    """Hypotheses kept at each token."""
    ctc_weight: Unit = 0.3
    """w gives the score w CTC + (1 - w) attention."""
    length_bonus: Number = 0.0
    """Added to the score for each token."""
    maxlenratio: Number = 0.0
    """The longest hypothesis, in tokens a frame of the encoder's output; 0: as many as frames; negative: so many."""
    minlenratio: Number = 0.0
    """The shortest hypothesis, likewise."""
    # Each utterance is encoded alone and scored by itself: the batch decides the speed.
    batch_frames: Annotated[Count, NoEffect] = 20000
    """About so many frames are searched together; on a GPU at least as many as keep it busy, if its memory holds
    them."""
    amp: Flag = False
    """Compute in bfloat16 where a GPU can."""


@options
class Tune(Options):
    """Values of decoding options that are tried on the development set, each with each, before the test set."""

    lm_weight: tuple[Amount, ...] = ()
    """Of ``lm_weight``; none: the option's own."""
    length_bonus: tuple[Number, ...] = ()
    """Of ``length_bonus``."""
    ctc_weight: tuple[Unit, ...] = ()
    """Of ``ctc_weight``."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        if not any(getattr(self, name) for name in option_fields(Tune)):
            raise wrong("has no values to try", key="")
        return self


@options
class Decoding(BeamSearch):
    """Beam search of speech models."""

    lm: MaybeName = ""
    """The language model of the experiment that scores each token too (shallow fusion)."""
    lm_weight: Amount = 0.3
    """w adds w times the language model's log probability to the score."""
    pre_beam_ratio: Positive = 1.5
    """CTC scores so many tokens, times ``beam_size``, of each hypothesis: those that the decoder and the language model
    favour. ESPnet's value suits a decoder that attends; one that has not learnt to leaves CTC the wrong ones."""
    tune: Tune | None = None
    """What is tuned on the development set, for each system; what is best there decodes the test set."""

    def candidates(self) -> list[Decoding]:
        """Return the options that ``tune`` has tried, the first the best of equals; without it, these alone."""
        if self.tune is None:
            return [self]
        axes = {name: values for name in option_fields(Tune) if (values := getattr(self.tune, name))}
        return [replace(self, tune=None, **dict(zip(axes, values, strict=True)))
                for values in itertools.product(*axes.values())]


@options
class MtDecoding(BeamSearch):
    """Beam search of translators; each batch is encoded as one, so that its size may move the last bits of a score."""

    batch_frames: Count = 20000
    """About so many source tokens are searched together."""
