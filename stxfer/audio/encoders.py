"""Pretrained encoders as transformers runs them, cut after a layer, an utterance at a time."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from typing import Any

import numpy as np

from stxfer.audio.io import SAMPLE_RATE
from stxfer.core.errors import ConfigError

# model_type of config.json: the classes of transformers that read the encoder and prepare its input.
FAMILIES = {"wav2vec2": ("Wav2Vec2Model", "Wav2Vec2FeatureExtractor"),
            "hubert": ("HubertModel", "Wav2Vec2FeatureExtractor"),
            "wavlm": ("WavLMModel", "Wav2Vec2FeatureExtractor"),
            "wav2vec2-bert": ("Wav2Vec2BertModel", "SeamlessM4TFeatureExtractor"),
            "whisper": ("WhisperModel", "WhisperFeatureExtractor")}
# Frames, 50 a second. An utterance of more than WINDOW goes through in overlapping windows of so many, since
# attention takes memory by the square; each but the first and last gives its frames without CONTEXT on either side.
WINDOW, CONTEXT = 2000, 250
_SILENCE = 800  # samples after the speech of which energies are computed: two windows; the others are all the same
_UNUSED = ("masked_spec_embed", "adapter.", "intermediate_ffn.")  # no part of what leads to a layer's output


def open_encoder(family: str, directory: str, layer: int, *, padded: bool = False) -> Encoder:
    """Load an encoder.

    Args:
        family: its ``model_type``, a key of :data:`FAMILIES`.
        directory: where it lies, in the hub's layout.
        layer: whose output is wanted, from 1.
        padded: silence fills Whisper's window.

    Raises:
        ConfigError: its files cannot be read, or lack parameters.
    """
    return WhisperEncoder(directory, layer, padded) if family == "whisper" else SslEncoder(family, directory, layer)


class Encoder:
    """A network that hears one utterance at a time: no other utterance changes its output.

    Subclasses give the network's input, the size of a window, and a window's output.

    Attributes:
        least: samples that give one frame.
        window: frames that go through at once.
    """

    least: int
    window: int

    def __init__(self) -> None:
        import torch

        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")

    def __call__(self, samples: np.ndarray) -> np.ndarray:
        """Map float32 (n,) to the layer's output, float32 (T, size), 50 frames a second."""
        values = self.prepare(samples)
        frames = self.frames(values)
        if frames <= self.window:
            return self.hidden(values, 0, frames)
        parts = []
        core = self.window - 2 * CONTEXT
        for begin in range(0, frames, core):
            end = min(begin + core, frames)
            first, last = max(0, begin - CONTEXT), min(end + CONTEXT, frames)
            parts.append(self.hidden(values, first, last)[begin - first:end - first])
        return np.concatenate(parts)

    def prepare(self, samples: np.ndarray) -> np.ndarray:
        """Return what the network reads of an utterance."""
        raise NotImplementedError

    def frames(self, values: np.ndarray) -> int:
        """Return how many frames the network makes of its input."""
        raise NotImplementedError

    def hidden(self, values: np.ndarray, first: int, last: int) -> np.ndarray:
        """Return frames ``first`` to ``last`` of the output, float32 (last - first, size), heard by themselves."""
        raise NotImplementedError


class SslEncoder(Encoder):
    """The self-supervised encoders."""

    def __init__(self, family: str, directory: str, layer: int) -> None:
        super().__init__()
        import torch

        self.window = WINDOW
        self._processor, self._network = _load(family, directory)
        layers = self._network.encoder.layers[:layer]
        layers[-1].register_forward_hook(self._keep)
        self._network.encoder.layers = layers
        self._network.adapter = None
        self._network.to(self.device, torch.float32).eval()
        self._kept: Any = None
        config = self._network.config
        if family == "wav2vec2-bert":  # it reads rows of two frames of a filterbank
            self._hop, self._field, self.least = 1, 1, 560
        else:
            self._hop, self._field = math.prod(config.conv_stride), _field(config.conv_kernel, config.conv_stride)
            self.least = self._field

    def _keep(self, _layer: Any, _inputs: Any, output: Any) -> None:
        self._kept = output[0] if isinstance(output, tuple) else output

    def prepare(self, samples: np.ndarray) -> np.ndarray:
        """Return samples (n,), or rows of w2v-BERT's filterbank (T, 160)."""
        name = self._network.main_input_name
        # Without padding an odd frame of w2v-BERT's filterbank is left out, as its attention would leave it out.
        values: np.ndarray = self._processor(samples, sampling_rate=SAMPLE_RATE, padding=False,
                                             return_tensors="np")[name][0]
        return values

    def frames(self, values: np.ndarray) -> int:
        """See :meth:`Encoder.frames`."""
        return int(1 + (len(values) - self._field) // self._hop)

    def hidden(self, values: np.ndarray, first: int, last: int) -> np.ndarray:
        """See :meth:`Encoder.hidden`."""
        import torch

        part = values if (first, last) == (0, self.frames(values)) else \
            values[first * self._hop:(last - 1) * self._hop + self._field]
        with torch.inference_mode():
            self._network(torch.as_tensor(part, dtype=torch.float32, device=self.device)[None])
        frames: np.ndarray = self._kept[0].cpu().numpy()
        return frames


class WhisperEncoder(Encoder):
    """Whisper's encoder (Radford et al., "Robust speech recognition via large-scale weak supervision", 2022).

    It has learnt from windows of 30 s, filled up with silence. Without that silence its output is not the same: on
    clips of 5 to 23 s the last layer of Whisper base differs by 0.2 to 0.45 of a standard deviation, most on the
    shortest; a clip of 5 s costs a seventh.

    Args:
        directory: the model, encoder and decoder.
        layer: whose output is taken; that of the last one is normalised, as the decoder reads it.
        padded: silence fills the window.
    """

    least = 320

    def __init__(self, directory: str, layer: int, padded: bool) -> None:
        super().__init__()
        import torch

        self._processor, self._network = _load("whisper", directory)
        self.window = int(self._network.config.max_source_positions)
        self._normalised = layer == len(self._network.layers)
        self._network.layers = self._network.layers[:layer]
        self._network.to(self.device, torch.float32).eval()
        self._after = _SILENCE // 160 if padded else 0  # frames of it

    def prepare(self, samples: np.ndarray) -> np.ndarray:
        """Return log-mel energies (T, mel), 100 frames a second; the loudest one sets the floor of all."""
        after = np.zeros(160 * self._after, dtype=np.float32)
        values = self._processor(np.concatenate([samples, after]), sampling_rate=SAMPLE_RATE, padding=False,
                                 truncation=False, return_tensors="np")["input_features"][0]
        return np.ascontiguousarray(np.asarray(values, dtype=np.float32).T)

    def frames(self, values: np.ndarray) -> int:
        """See :meth:`Encoder.frames`."""
        return (len(values) - self._after) // 2

    def hidden(self, values: np.ndarray, first: int, last: int) -> np.ndarray:
        """See :meth:`Encoder.hidden`; positions are counted from the window's begin."""
        import torch
        from torch.nn.functional import gelu, pad

        net = self._network
        with torch.inference_mode():
            end = len(values) if last == self.frames(values) else 2 * last
            mel = torch.as_tensor(values[2 * first:min(end, 2 * (first + self.window))].T, device=self.device)[None]
            if self._after:
                silence = max(float(values.max()) - 2.0, -1.5)  # 8 decades below the loudest, or digital silence
                mel = pad(mel, (0, 2 * self.window - mel.shape[-1]), value=silence)
            hidden = gelu(net.conv2(gelu(net.conv1(mel)))).transpose(1, 2)
            hidden = hidden + net.embed_positions.weight[:hidden.shape[1]]
            for layer in net.layers:
                output = layer(hidden, None)
                hidden = output[0] if isinstance(output, tuple) else output
            if self._normalised:
                hidden = net.layer_norm(hidden)
            frames: np.ndarray = hidden[0, :last - first].cpu().numpy()
        return frames


def _load(family: str, directory: str) -> tuple[Any, Any]:
    """Return the processor and the network of a directory, the network without what no frame needs."""
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    import torch
    import transformers

    transformers.utils.logging.set_verbosity_error()  # type: ignore[no-untyped-call]
    transformers.utils.logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    network, processor = (getattr(transformers, name) for name in FAMILIES[family])
    options: dict[str, Any] = {}
    if family == "whisper":  # the decoder is most of the model, and is not read
        from transformers.models.whisper.modeling_whisper import WhisperEncoder as network

        options["key_mapping"] = {r"^(model\.)?encoder\.": ""}
    try:  # classes by name, which run no code that a directory brings
        read = processor.from_pretrained(directory, local_files_only=True)
        model, info = network.from_pretrained(directory, local_files_only=True, weights_only=True, dtype=torch.float32,
                                              output_loading_info=True, **options)
    except Exception as error:  # whatever the readers of configurations and weights stumble over
        raise ConfigError(f"{directory}: the encoder cannot be loaded: {' '.join(str(error).split())[:300]}") from None
    # transformers gives random values to what the files do not hold.
    if missing := sorted(name for name in info["missing_keys"] if not name.startswith(_UNUSED)):
        raise ConfigError(f"{directory}: the weights lack {len(missing)} parameters of the encoder, {missing[0]} "
                          "first; download the whole directory")
    return read, model


def _field(kernels: Sequence[int], strides: Sequence[int]) -> int:
    """Return how many samples a stack of convolutions sees at once."""
    samples = 1
    for kernel, stride in zip(reversed(kernels), reversed(strides), strict=True):
        samples = (samples - 1) * stride + kernel
    return samples
