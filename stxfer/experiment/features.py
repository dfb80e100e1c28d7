"""What the models hear, as an experiment file's ``features`` key says."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, WithJsonSchema, model_validator
from typing_extensions import Self

from stxfer.core.errors import ConfigError
from stxfer.core.mistakes import wrong
from stxfer.core.options import Options, options
from stxfer.experiment.types import LARGEST, Count, Flag, Words

Compression = Literal["8bit", "16bit", "none"]
ALL = "all"
_LAYER = {"type": "integer", "minimum": 1, "maximum": LARGEST}
_VARIABLE = re.compile(r"\$(\w+)")


def _renamed(kind: Any) -> Any:
    return "pretrained" if kind == "ssl" else kind  # what it was called before there were other encoders


def _layers(value: Any) -> Any:
    """Return layers in order: none for 0, ``all`` as it is."""
    if value in (ALL, 0) and value is not False:
        return value or ()
    layers = list(value) if isinstance(value, (list, tuple)) else [value]
    if not all(type(layer) is int and 1 <= layer <= LARGEST for layer in layers):
        raise wrong("must be a layer's number, from 1, or several, or all", (ALL,))
    if len(set(layers)) < len(layers):
        raise wrong("has a layer twice")
    return tuple(sorted(layers))


@options
class FeatureOptions(Options):
    """The features of stage 3."""

    kind: Annotated[Literal["fbank", "pretrained", "waveform"], BeforeValidator(_renamed)] = "fbank"
    """fbank, a filterbank; pretrained, a layer of an encoder that has learnt from much speech; or waveform, what an
    encoder hears that is a part of the model, see ``model.frontend``."""
    model: Words = ""
    """The encoder's directory; $NAME is what the environment variable NAME holds."""
    layer: Annotated[tuple[int, ...] | Literal["all"], BeforeValidator(_layers), WithJsonSchema(
        {"anyOf": [{**_LAYER, "minimum": 0}, {"type": "array", "items": _LAYER}, {"const": ALL}]})] = ()
    """The transformer layer whose output is taken, from 1; of several, or all, the model learns a weighted sum.
    0: Whisper's last, three quarters of the way up of other encoders."""
    stride: Count = 2
    """So many successive frames, 50 a second, are averaged into one."""
    padded: Flag = False
    """Fill up Whisper's window of 30 s with silence, as it was trained: up to ten times as slow."""
    compression: Compression = "8bit"
    """How features are stored: 8 or 16 bits a value, or none, 32. A waveform has 16."""

    @property
    def directory(self) -> Path:
        """The encoder's directory, its environment variable looked up.

        Raises:
            ConfigError: the variable is not set.
        """
        variable = _VARIABLE.fullmatch(self.model)
        if not variable:
            return Path(self.model)
        found = os.environ.get(variable[1])
        if not found:
            raise ConfigError(f"features.model: {self.model}: the environment variable {variable[1]} is not set; give "
                              "the directory of the encoder with --encoder, or by the variable")
        return Path(found)

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.kind != "pretrained" and (self.model, self.layer, self.stride, self.padded) != ("", (), 2, False):
            raise wrong("model, layer, stride and padded are for kind pretrained alone", key="kind")
        if self.kind == "pretrained" and not self.model:
            raise wrong("kind pretrained needs the directory of an encoder", key="model")
        return self
