"""A pretrained encoder inside training, as an experiment file's ``model.frontend_conf`` says it."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator
from typing_extensions import Self

from stxfer.core.mistakes import wrong
from stxfer.core.options import Options, options
from stxfer.experiment.types import Count, Flag, Positive, Whole, Words

PRETRAINED = "pretrained"


@options
class PretrainedFrontend(Options):
    """Which encoder, and what of it learns."""

    model: Annotated[Words, Field(min_length=1)]
    """Its directory, as the Hugging Face hub has it."""
    layer: Whole = 0
    """The Transformer layer whose output the model's encoder takes, see ``features.layer``."""
    padded: Flag = False
    """See ``features.padded``."""
    tune: Literal["nothing", "lora", "top", "all"] = "lora"
    """What learns where a phase does not freeze it: nothing; low-rank additions to all Transformer layers (lora); the
    topmost Transformer layers (top); or all of it but the convolutions of self-supervised encoders, which are left as
    they are in wav2vec 2.0, too."""
    top: Count = 2
    """So many topmost layers, with ``tune: top``."""
    rank: Count = 16
    """Of the low-rank additions."""
    alpha: Positive = 32.0
    """They are multiplied by alpha / rank."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        for key, usual, of in (("top", 2, "top"), ("rank", 16, "lora"), ("alpha", 32.0, "lora")):
            if getattr(self, key) != usual and self.tune != of:
                raise wrong(f"is for 'tune: {of}' alone", key=key)
        return self
