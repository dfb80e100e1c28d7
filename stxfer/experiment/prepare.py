"""The options of stage 2, as an experiment file's ``prepare`` key or the command line gives them."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, model_validator
from typing_extensions import Self

from stxfer.core.mistakes import wrong
from stxfer.core.options import NoEffect, NotInFile, Options, options
from stxfer.experiment.types import (
    Amount,
    Flag,
    MaybeLanguage,
    Number,
    Positive,
    SetName,
    SplitNumbers,
    SplitWords,
    Unequal,
    Unit,
    Whole,
)

UNTRANSCRIBED = "tgt_untranscribed_train"  # the set of target speech whose transcripts nobody learns
MIN_SECONDS = 0.1  # shorter holds no word, and no frame after subsampling by 4
MAX_TEST_SECONDS = 600.0  # longer is a recording, not an utterance, and takes a worker's memory to decode


@options
class PrepareOptions(Options):
    """What stage 2 does besides normalising and checking."""

    source_lang: Annotated[MaybeLanguage, NotInFile] = ""
    """Language of ``src_*`` transcripts and of the bitext's source side."""
    target_lang: Annotated[MaybeLanguage, NotInFile] = ""
    """Language of ``tgt_*`` transcripts and of the bitext's target side."""
    max_seconds: Annotated[Number, Field(gt=MIN_SECONDS)] = 30.0
    """Longer utterances are dropped; from test sets only those longer than 10 minutes."""
    min_rate: Whole = 8000
    """Audio of a lower sampling rate, Hz, is dropped."""
    max_chars_per_second: Positive = 40.0
    """Transcripts with more characters a second cannot be what is said, and are dropped."""
    max_drop: Annotated[Unit, NoEffect] = 0.05
    """The share of a set that stages 1 and 2 may drop before it is an error."""
    leaks: Literal["remove", "report", "stop"] = "remove"
    """What becomes of dev and test sentences in training text."""
    audio_leaks: Literal["remove", "report", "stop"] = "remove"
    """What becomes of training utterances that have audio of dev or test sets: the same samples, or a part of the same
    recording that overlaps."""
    max_shared_speakers: Annotated[Unit, NoEffect] = 1.0
    """The share of a dev or test set's speakers that may speak in the training set of its side before it is an error;
    they are counted in leaks.json."""
    tgt_train_hours: Amount = 0.0
    """Take a seeded subset of this size of tgt_train; 0: all of it."""
    seed: Whole = 1
    """Of the subset."""
    untranscribed: Flag = False
    """What the subset leaves of tgt_train becomes a set tgt_untranscribed_train, without its transcripts."""
    speed_perturb: Annotated[tuple[Annotated[Number, Field(ge=0.5, le=2)], ...], SplitNumbers, Unequal] = ()
    """Speed factors, one copy of the set for each, e.g. 0.9 1.0 1.1; none: the audio as it is."""
    perturb_sets: Annotated[tuple[SetName, ...], SplitWords] = ("tgt_train",)
    """The sets to which they apply."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.source_lang and self.source_lang == self.target_lang:
            raise wrong(f"{self.target_lang!r} is the source language, too", key="target_lang")
        if self.untranscribed and not self.tgt_train_hours:
            raise wrong("needs tgt_train_hours, or all of tgt_train is transcribed", key="untranscribed")
        return self

    def language(self, set_name: str) -> str:
        """Return the language of a set's transcripts."""
        return self.source_lang if set_name.startswith("src_") else self.target_lang

    def without_effect(self, set_name: str) -> dict[str, Any]:
        """Return the options that change nothing of a set, with the values that its marker has."""
        values: dict[str, Any] = {"untranscribed": set_name == UNTRANSCRIBED}
        if set_name not in self.perturb_sets:
            values |= {"speed_perturb": [], "perturb_sets": []}
        if set_name not in ("tgt_train", UNTRANSCRIBED):
            values |= {"tgt_train_hours": 0.0, "seed": 0}
        if "train" not in set_name.split("_"):
            values |= {"leaks": "", "audio_leaks": None}
        return values
