"""Features from a pretrained speech encoder: Whisper, wav2vec 2.0 and XLS-R or MMS, HuBERT, WavLM, w2v-BERT 2.0.

The encoder is frozen and stands before training, not in it: each utterance goes through it once, and what comes out
is kept like a filterbank. Every model family, transfer and search then works on it as it is, all systems that are
compared hear the same, and two cores can train on it: a step through an XLS-R of 300 M parameters would cost about a
hundred times one of the models here. What this gives up is adapting the encoder to the language.

Of a self-supervised encoder the layer three quarters of the way up is taken by default, the 18th of 24. Phones and
words are told best from the middle and upper layers, while the last ones of wav2vec 2.0 turn back to the sound that it
was trained to predict (Pasad, Chou and Livescu, "Layer-wise analysis of a self-supervised speech representation model",
ASRU 2021). Whisper's encoder is trained to be read by a decoder: its last layer, behind the final normalisation, is the
default.
Pairs of frames are averaged: 25 a second halve the disk and the attention's work, and are still two a phone.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from stxfer.audio.encoders import open_encoder
from stxfer.audio.fbank import cmvn
from stxfer.audio.hub import digest, open_hub_model
from stxfer.audio.windows import CONTEXT, Encoder, milliseconds
from stxfer.core.errors import ConfigError, DataError
from stxfer.core.fresh import watch
from stxfer.core.marker import MARKER, read_marker
from stxfer.experiment.features import FeatureOptions

MIN_SHARD = 64  # utterances: minutes of work on a core, all that a kill costs


@dataclass(frozen=True)
class PretrainedFeatures:
    """Features of layers of an encoder; see :class:`stxfer.audio.shards.Extractor`.

    Attributes:
        model: the encoder's directory.
        family: its ``model_type``.
        layers: whose outputs are taken, from 1: ``hidden_states[layer]`` of transformers; those of several lie side by
            side.
        stride: how many successive frames are averaged into one.
        width: dimension of a layer's output.
        digest: of the files that decide what the encoder computes.
        padded: silence fills up Whisper's window.
        files: those files, as :func:`stxfer.core.fresh.watch` has seen them.
    """

    model: str
    family: str
    layers: tuple[int, ...]
    stride: int
    width: int
    digest: str
    padded: bool = False
    files: Mapping[str, Mapping[str, Any]] = field(default_factory=dict, compare=False)

    @property
    def name(self) -> str:
        """What messages call the features."""
        return f"{self.family} layer{'s' * (len(self.layers) > 1)} {' '.join(map(str, self.layers))}"

    @property
    def size(self) -> int:
        """Dimension of the features."""
        return self.width * len(self.layers)

    @property
    def min_shard(self) -> int:
        """Utterances of a shard, at least."""
        return MIN_SHARD

    @property
    def at_once(self) -> float:
        """Seconds of speech that the encoder takes at once."""
        return _encoder(self).at_once

    @property
    def options(self) -> Mapping[str, Any]:
        """What decides the features, as JSON can hold it."""
        return {"kind": "pretrained", "family": self.family,
                "layer": self.layers[0] if len(self.layers) == 1 else list(self.layers), "stride": self.stride,
                "model_sha256": self.digest, "context": CONTEXT, "padded": self.padded, "cmvn": "utterance",
                "resample": "soxr HQ"}

    def __call__(self, samples: Sequence[np.ndarray], names: Sequence[str]) -> list[np.ndarray]:
        """Return the features of utterances, mean and variance normalised, each float32 (T, size).

        Args:
            samples: float32 (n,) each, at 16 kHz, full scale +-1.
            names: what an error message calls them.

        Raises:
            ConfigError: the model cannot be loaded.
            DataError: an utterance is shorter than a frame.
            StxferError: the GPU's memory is too small.
        """
        encoder = _encoder(self)
        for one, name in zip(samples, names, strict=True):
            if len(one) < encoder.least:
                raise DataError(f"{name}: shorter than one frame of the encoder, {milliseconds(encoder.least)}")
        return [cmvn(_averaged(frames, self.stride)) for frames in encoder(samples)]


def open_pretrained(options: FeatureOptions) -> PretrainedFeatures:
    """Find out what an encoder's directory holds, in the hub's layout; nothing is fetched.

    Raises:
        ConfigError: a model that cannot be used, or that has no such layer.
        DataError: files are missing or broken.
    """
    model = open_hub_model(options.directory)
    if options.padded and model.family != "whisper":
        raise ConfigError(f"{model.directory}: features.padded is for Whisper; leave it out with {model.family}")
    chosen = tuple(range(1, model.layers + 1)) if isinstance(options.layer, str) else \
        options.layer or (model.usual,)
    model.check_layer(chosen[-1], "features.layer")
    seen = watch(model.files)
    return PretrainedFeatures(str(model.directory), model.family, chosen, options.stride, model.size, digest(seen),
                              options.padded, seen)


def dumped_layers(directory: Path) -> tuple[int, ...]:
    """Return which layers lie side by side in a set's features; none where there is one, or a filterbank."""
    if not (directory / MARKER).exists():
        return ()
    layer = read_marker(directory)["options"].get("layer")
    return tuple(layer) if isinstance(layer, list) else ()


def _averaged(frames: np.ndarray, stride: int) -> np.ndarray:
    """Average each ``stride`` successive rows; the last ones may be fewer."""
    starts = np.arange(0, len(frames), stride)
    counts = np.diff([*starts, len(frames)])[:, None]
    return (np.add.reduceat(frames, starts) / counts).astype(np.float32)


@functools.lru_cache(maxsize=1)
def _encoder(features: PretrainedFeatures) -> Encoder:
    return open_encoder(features.family, features.model, features.layers, padded=features.padded)
