"""What the models hear, as an experiment file's ``features`` key says."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from stxfer.core.errors import ConfigError
from stxfer.experiment.values import make

KINDS = ("fbank", "pretrained")


@dataclass(frozen=True)
class FeatureOptions:
    """The features of stage 3.

    Attributes:
        kind: ``fbank``, or ``pretrained`` (``ssl`` is read too): a layer of a pretrained encoder, see
            :mod:`stxfer.audio.pretrained`.
        model: the encoder's directory.
        layer: the transformer layer whose output is taken, from 1; 0: Whisper's last, three quarters of the way up
            of others.
        stride: how many successive frames, 50 a second, are averaged into one.
        padded: fill up Whisper's window of 30 s with silence, as it was trained: up to ten times as slow.
    """

    kind: str = "fbank"
    model: str = ""
    layer: int = 0
    stride: int = 2
    padded: bool = False

    @classmethod
    def from_mapping(cls, value: Mapping[str, Any], where: str) -> FeatureOptions:
        """Check the values and make the options of them.

        Raises:
            ConfigError: an unknown key or a wrong value; names it and ``where`` it stands.
        """
        options = make(cls, value, where)
        if options.kind == "ssl":
            options = replace(options, kind="pretrained")
        if options.kind not in KINDS:
            raise ConfigError(f"{where}.kind: {options.kind!r} must be one of {' '.join(KINDS)}")
        if options.kind == "fbank" and options != cls():
            raise ConfigError(f"{where}: model, layer, stride and padded are for kind pretrained alone")
        if options.kind == "pretrained" and not options.model:
            raise ConfigError(f"{where}.model: kind pretrained needs the directory of an encoder")
        if options.layer < 0 or options.stride < 1:
            raise ConfigError(f"{where}: layer {options.layer} must not be negative and stride {options.stride} at "
                              "least 1")
        return options
