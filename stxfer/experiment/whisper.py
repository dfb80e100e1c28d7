"""Whisper fine-tuned with its own decoder: what a system says that is trained so."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from stxfer.core.options import NoEffect, Options, Untold, options
from stxfer.experiment.types import Amount, BelowOne, Count, Flag, MaybeLanguage, Positive, Unit, Whole, Words


@options
class Whisper(Options):
    """A pretrained Whisper, and how it is fine-tuned."""

    model: Annotated[Words, Field(min_length=1)]
    """Its directory, as the Hugging Face hub has it."""
    tune: Literal["lora", "all", "nothing"] = "lora"
    """What learns: low-rank additions to the linear layers of encoder and decoder (lora), every parameter (all), or
    nothing: Whisper as it is."""
    language: MaybeLanguage = ""
    """The language that Whisper is told to write, where it does not know the one spoken: one near to it."""
    epochs: Count = 10
    """Times, at most, that the model is held against the development set."""
    steps: Count = 40
    """Optimiser steps of an epoch."""
    batch: Count = 8
    """Utterances computed at once, each of them 30 s to Whisper."""
    accum: Count = 1
    """Batches that make a step."""
    lr: Positive = 1e-3
    """The highest learning rate: it rises over ``warmup`` of all steps and then falls to 0 along a line. 1e-5 is usual
    with ``tune: all``."""
    warmup: BelowOne = 0.1
    """Share of all steps over which the learning rate rises."""
    clip: Positive = 1.0
    """The largest norm of a gradient."""
    weight_decay: Amount = 0.0
    """AdamW's."""
    dropout: BelowOne = 0.0
    """In all layers, and before the low-rank additions."""
    rank: Count = 16
    """Of the low-rank additions."""
    alpha: Positive = 32.0
    """They are multiplied by alpha / rank."""
    patience: Whole = 3
    """Training ends when the loss on the development set has not fallen for so many epochs; 0: never early. The best
    epoch is the result."""
    max_drop: Annotated[Unit, NoEffect] = 0.1
    """The largest share of training and development set that may be left out, each, because it does not fit Whisper's
    window: longer than 30 s, or of more tokens than it can write."""
    amp: Flag = False
    """Compute in bfloat16 where a GPU can."""
    threads: Annotated[Count, Untold] = 1
    """Threads that a process trains with on a CPU. More make a large model faster; the last digits of its sums, and so
    the model, depend on it, and not on --nj, which is how many threads all processes have together."""
