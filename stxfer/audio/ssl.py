"""Features from a self-supervised speech encoder: wav2vec 2.0 and XLS-R, HuBERT, WavLM, w2v-BERT 2.0.

The encoder is frozen and stands before training, not in it: each utterance goes through it once, and what comes out
is kept like a filterbank. Every model family, transfer and search then works on it as it is, all systems that are
compared hear the same, and two cores can train on it: a step through an XLS-R of 300 M parameters would cost about a
hundred times one of the models here. What this gives up is adapting the encoder to the language.

By default the layer three quarters of the way up is taken, the 18th of 24. Phones and words are told best from the
middle and upper layers, while the last ones of wav2vec 2.0 turn back to the sound that it was trained to predict
(Pasad, Chou and Livescu, "Layer-wise analysis of a self-supervised speech representation model", ASRU 2021).
Pairs of frames are averaged: 25 a second halve the disk and the attention's work, and are still two a phone.
"""

from __future__ import annotations

import functools
import hashlib
import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from stxfer.audio.fbank import cmvn
from stxfer.audio.io import SAMPLE_RATE
from stxfer.core.errors import ConfigError, DataError
from stxfer.core.fileio import read_json, sha256
from stxfer.experiment.features import FeatureOptions

# model_type of config.json: the classes of transformers that read the encoder and prepare its input.
FAMILIES = {"wav2vec2": ("Wav2Vec2Model", "Wav2Vec2FeatureExtractor"),
            "hubert": ("HubertModel", "Wav2Vec2FeatureExtractor"),
            "wavlm": ("WavLMModel", "Wav2Vec2FeatureExtractor"),
            "wav2vec2-bert": ("Wav2Vec2BertModel", "SeamlessM4TFeatureExtractor")}
CONFIG, PREPROCESSOR = "config.json", "preprocessor_config.json"
WEIGHTS = ("model.safetensors", "model.safetensors.index.json", "pytorch_model.bin", "pytorch_model.bin.index.json")
MIN_SHARD = 64  # utterances: minutes of work on a core, all that a kill costs
# Frames, 50 a second. An utterance of more than WINDOW goes through in overlapping windows of so many, since
# attention takes memory by the square; each but the first and last gives its frames without CONTEXT on either side.
WINDOW, CONTEXT = 2000, 250
_UNUSED = ("masked_spec_embed", "adapter.", "intermediate_ffn.")  # no part of what leads to a layer's output


@dataclass(frozen=True)
class SslFeatures:
    """Features of one layer of an encoder; see :class:`stxfer.audio.dump.Extractor`.

    Attributes:
        model: the encoder's directory.
        family: its ``model_type``.
        layer: whose output is taken, from 1: ``hidden_states[layer]`` of transformers.
        stride: how many successive frames are averaged into one.
        size: dimension of the features.
        digest: of the files that decide what the encoder computes.
    """

    model: str
    family: str
    layer: int
    stride: int
    size: int
    digest: str

    @property
    def name(self) -> str:
        return f"{self.family} layer {self.layer}"

    @property
    def min_shard(self) -> int:
        return MIN_SHARD

    @property
    def options(self) -> Mapping[str, Any]:
        return {"kind": "ssl", "family": self.family, "layer": self.layer, "stride": self.stride,
                "model_sha256": self.digest, "window": [WINDOW, CONTEXT], "cmvn": "utterance", "resample": "soxr HQ"}

    def __call__(self, samples: np.ndarray, path: str) -> np.ndarray:
        """Return the features of an utterance, mean and variance normalised, float32 (T, size).

        Args:
            samples: float32 (n,) at 16 kHz, full scale +-1.
            path: where they come from; an error message names it.

        Raises:
            ConfigError: the model cannot be loaded.
            DataError: the utterance is shorter than a frame.
        """
        encoder = _encoder(self)
        if len(samples) < encoder.least:
            raise DataError(f"{path}: shorter than one frame of the encoder, {1000 * encoder.least / SAMPLE_RATE:g} ms")
        return cmvn(_averaged(encoder(samples), self.stride))


def open_ssl(options: FeatureOptions) -> SslFeatures:
    """Find out what an encoder's directory holds, in the hub's layout; nothing is fetched.

    Raises:
        ConfigError: a model that cannot be used, or that has no such layer.
        DataError: files are missing or broken.
    """
    directory = Path(options.model)
    if not directory.is_dir():
        raise DataError(f"{directory}: no such directory; download the model first, e.g. with 'hf download NAME "
                        "--local-dir DIR' (nothing is downloaded here)")
    config = read_json(directory / CONFIG)
    family, layers, size = (config.get(key) for key in ("model_type", "num_hidden_layers", "hidden_size"))
    if family not in FAMILIES:
        raise ConfigError(f"{directory / CONFIG}: model_type {family!r} is no speech encoder that can be used; known: "
                          f"{' '.join(FAMILIES)}")
    files = [directory / CONFIG, directory / PREPROCESSOR, *_weights(directory)]
    if missing := [path.name for path in files if not path.exists()]:
        raise DataError(f"{directory}: lacks {', '.join(missing)}; download the whole directory")
    rate = read_json(directory / PREPROCESSOR).get("sampling_rate", SAMPLE_RATE)
    if rate != SAMPLE_RATE:
        raise ConfigError(f"{directory / PREPROCESSOR}: the encoder hears {rate} Hz, but only encoders of "
                          f"{SAMPLE_RATE} Hz can be used")
    if not isinstance(layers, int) or not isinstance(size, int):
        raise DataError(f"{directory / CONFIG}: num_hidden_layers and hidden_size must be whole numbers")
    if options.layer > layers:
        raise ConfigError(f"{directory}: features.layer {options.layer}: the encoder has {layers} layers")
    digest = hashlib.sha256("".join(f"{path.name} {sha256(path)}\n" for path in files).encode()).hexdigest()
    return SslFeatures(str(directory), family, options.layer or max(1, round(0.75 * layers)), options.stride,
                       size, digest)


def _weights(directory: Path) -> list[Path]:
    """Return the files of the weights that transformers reads: safetensors before pickles of tensors."""
    found = next((name for name in WEIGHTS if (directory / name).exists()), WEIGHTS[0])
    if not found.endswith(".index.json"):
        return [directory / found]
    shards = sorted(set(read_json(directory / found)["weight_map"].values()))
    return [directory / found, *(directory / name for name in shards)]


def _averaged(frames: np.ndarray, stride: int) -> np.ndarray:
    """Average each ``stride`` successive rows; the last ones may be fewer."""
    starts = np.arange(0, len(frames), stride)
    counts = np.diff([*starts, len(frames)])[:, None]
    return (np.add.reduceat(frames, starts) / counts).astype(np.float32)


class Encoder:
    """A network cut after a layer, which hears one utterance at a time: padding changes nothing.

    Attributes:
        least: samples that give one frame.
    """

    def __init__(self, features: SslFeatures) -> None:
        os.environ.setdefault("HF_HUB_OFFLINE", "1")
        import torch
        import transformers

        transformers.utils.logging.set_verbosity_error()  # type: ignore[no-untyped-call]
        transformers.utils.logging.disable_progress_bar()  # type: ignore[no-untyped-call]
        network, processor = (getattr(transformers, name) for name in FAMILIES[features.family])
        try:  # classes by name, which run no code that a directory brings
            self._processor = processor.from_pretrained(features.model, local_files_only=True)
            self._network, info = network.from_pretrained(
                features.model, local_files_only=True, weights_only=True, dtype=torch.float32,
                output_loading_info=True)
        except Exception as error:  # whatever the readers of configurations and weights stumble over
            raise ConfigError(f"{features.model}: the encoder cannot be loaded: "
                              f"{' '.join(str(error).split())[:300]}") from None
        # transformers gives random values to what the files do not hold.
        if missing := sorted(name for name in info["missing_keys"] if not name.startswith(_UNUSED)):
            raise ConfigError(f"{features.model}: the weights lack {len(missing)} parameters of the encoder, "
                              f"{missing[0]} first; download the whole directory")
        self._device = "cuda" if torch.cuda.is_available() else "cpu"
        layers = self._network.encoder.layers[:features.layer]
        layers[-1].register_forward_hook(self._keep)
        self._network.encoder.layers = layers
        self._network.adapter = None
        self._network.to(self._device).eval()
        self._kept: Any = None
        config = self._network.config
        if features.family == "wav2vec2-bert":  # it reads rows of two frames of a filterbank
            self._hop, self._field, self.least = 1, 1, 560
        else:
            self._hop, self._field = math.prod(config.conv_stride), _field(config.conv_kernel, config.conv_stride)
            self.least = self._field

    def _keep(self, _layer: Any, _inputs: Any, output: Any) -> None:
        self._kept = output[0] if isinstance(output, tuple) else output

    def __call__(self, samples: np.ndarray) -> np.ndarray:
        """Map float32 (n,) to the layer's output, float32 (T, size), 50 frames a second."""
        name = self._network.main_input_name
        # Without padding an odd frame of w2v-BERT's filterbank is left out, as its attention would leave it out.
        values = self._processor(samples, sampling_rate=SAMPLE_RATE, padding=False, return_tensors="np")[name][0]
        frames = 1 + (len(values) - self._field) // self._hop
        if frames <= WINDOW:
            return self._hidden(values)
        parts = []
        core = WINDOW - 2 * CONTEXT
        for begin in range(0, frames, core):
            end = min(begin + core, frames)
            first, last = max(0, begin - CONTEXT), min(end + CONTEXT, frames)
            hidden = self._hidden(values[first * self._hop:(last - 1) * self._hop + self._field])
            parts.append(hidden[begin - first:end - first])
        return np.concatenate(parts)

    def _hidden(self, values: np.ndarray) -> np.ndarray:
        import torch

        with torch.inference_mode():
            self._network(torch.as_tensor(values, dtype=torch.float32, device=self._device)[None])
        hidden: np.ndarray = self._kept[0].cpu().numpy()
        return hidden


@functools.lru_cache(maxsize=1)
def _encoder(features: SslFeatures) -> Encoder:
    return Encoder(features)


def _field(kernels: Sequence[int], strides: Sequence[int]) -> int:
    """Return how many samples a stack of convolutions sees at once."""
    samples = 1
    for kernel, stride in zip(reversed(kernels), reversed(strides), strict=True):
        samples = (samples - 1) * stride + kernel
    return samples
