"""What the models hear, as an experiment file's ``features`` key says."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, model_validator
from typing_extensions import Self

from stxfer.core.mistakes import wrong
from stxfer.core.options import Options, options
from stxfer.experiment.types import Count, Flag, Whole, Words


def _renamed(kind: Any) -> Any:
    return "pretrained" if kind == "ssl" else kind  # what it was called before there were other encoders


@options
class FeatureOptions(Options):
    """The features of stage 3."""

    kind: Annotated[Literal["fbank", "pretrained"], BeforeValidator(_renamed)] = "fbank"
    """fbank, a filterbank; or pretrained, a layer of an encoder that has learnt from much speech."""
    model: Words = ""
    """The encoder's directory."""
    layer: Whole = 0
    """The transformer layer whose output is taken, from 1; 0: Whisper's last, three quarters of the way up of other
    encoders."""
    stride: Count = 2
    """So many successive frames, 50 a second, are averaged into one."""
    padded: Flag = False
    """Fill up Whisper's window of 30 s with silence, as it was trained: up to ten times as slow."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.kind == "fbank" and (self.model, self.layer, self.stride, self.padded) != ("", 0, 2, False):
            raise wrong("model, layer, stride and padded are for kind pretrained alone", key="kind")
        if self.kind == "pretrained" and not self.model:
            raise wrong("kind pretrained needs the directory of an encoder", key="model")
        return self
