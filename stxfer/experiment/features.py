"""What the models hear, as an experiment file's ``features`` key says."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from stxfer.core.errors import ConfigError
from stxfer.experiment.values import make

KINDS = ("fbank", "ssl")


@dataclass(frozen=True)
class FeatureOptions:
    """The features of stage 3.

    Attributes:
        kind: ``fbank``, or ``ssl``: a layer of a self-supervised encoder, see :mod:`stxfer.audio.ssl`.
        model: the encoder's directory.
        layer: the transformer layer whose output is taken, from 1; 0: three quarters of the way up.
        stride: how many successive frames, 50 a second, are averaged into one.
    """

    kind: str = "fbank"
    model: str = ""
    layer: int = 0
    stride: int = 2

    @classmethod
    def from_mapping(cls, value: Mapping[str, Any], where: str) -> FeatureOptions:
        """Check the values and make the options of them.

        Raises:
            ConfigError: an unknown key or a wrong value; names it and ``where`` it stands.
        """
        options = make(cls, value, where)
        if options.kind not in KINDS:
            raise ConfigError(f"{where}.kind: {options.kind!r} must be one of {' '.join(KINDS)}")
        if options.kind == "fbank" and options != cls():
            raise ConfigError(f"{where}: model, layer and stride are for kind ssl alone")
        if options.kind == "ssl" and not options.model:
            raise ConfigError(f"{where}.model: kind ssl needs the directory of an encoder")
        if options.layer < 0 or options.stride < 1:
            raise ConfigError(f"{where}: layer {options.layer} must not be negative and stride {options.stride} at "
                              "least 1")
        return options
