"""Pretrained encoders as transformers runs them, cut after a layer."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from stxfer.audio.io import SAMPLE_RATE
from stxfer.audio.windows import WINDOW, Encoder, Window
from stxfer.core.errors import ConfigError

if TYPE_CHECKING:
    import torch

# model_type of config.json: the classes of transformers that read the encoder and prepare its input.
FAMILIES = {"wav2vec2": ("Wav2Vec2Model", "Wav2Vec2FeatureExtractor"),
            "hubert": ("HubertModel", "Wav2Vec2FeatureExtractor"),
            "wavlm": ("WavLMModel", "Wav2Vec2FeatureExtractor"),
            "wav2vec2-bert": ("Wav2Vec2BertModel", "SeamlessM4TFeatureExtractor"),
            "whisper": ("WhisperModel", "WhisperFeatureExtractor")}
_SILENCE = 800  # samples after the speech of which energies are computed: two windows; the others are all the same
UNUSED = ("masked_spec_embed", "adapter.", "intermediate_ffn.")  # no part of what leads to a layer's output
# oneDNN keeps what it has compiled for each length of an utterance, up to 1,024 of some MB, and each length is seen
# once: a process would grow by a gigabyte.
_COMPILED = {"ONEDNN_PRIMITIVE_CACHE_CAPACITY": "16"}


def open_encoder(family: str, directory: str, layers: Sequence[int], *, padded: bool = False) -> Encoder:
    """Load an encoder.

    Args:
        family: its ``model_type``, a key of :data:`FAMILIES`.
        directory: where it lies, in the hub's layout.
        layers: whose outputs are wanted, from 1.
        padded: silence fills Whisper's window.

    Raises:
        ConfigError: its files cannot be read, or lack parameters.
    """
    encoder = WhisperEncoder(directory, layers, padded) if family == "whisper" else \
        SslEncoder(family, directory, layers)
    encoder.fit_memory()
    return encoder


class SslEncoder(Encoder):
    """The self-supervised encoders."""

    def __init__(self, family: str, directory: str, layers: Sequence[int]) -> None:
        super().__init__()
        import torch

        self.window = WINDOW
        self._processor, self.network = _load(family, directory, num_hidden_layers=max(layers))
        self.network.adapter = None
        self._kept: dict[int, torch.Tensor] = {}
        for number in layers:
            self.network.encoder.layers[number - 1].register_forward_hook(partial(self._keep, number))
        self._layers = tuple(layers)
        self.network.to(self.device, torch.float32).eval()
        self.pads = bool(self._processor.return_attention_mask)  # it has learnt from batches with masks
        config = self.network.config
        if family == "wav2vec2-bert":  # it reads rows of two frames of a filterbank
            self._hop, self._field, self.least = 1, 1, 560
        else:
            self._hop, self._field = math.prod(config.conv_stride), _field(config.conv_kernel, config.conv_stride)
            self.least = self._field

    def _keep(self, number: int, _layer: Any, _inputs: Any, output: Any) -> None:
        self._kept[number] = output[0] if isinstance(output, tuple) else output

    def prepare(self, samples: np.ndarray) -> np.ndarray:
        """Return samples (n,), or rows of w2v-BERT's filterbank (T, 160)."""
        name = self.network.main_input_name
        # Without padding an odd frame of w2v-BERT's filterbank is left out, as its attention would leave it out.
        values: np.ndarray = self._processor(samples, sampling_rate=SAMPLE_RATE, padding=False,
                                             return_tensors="np")[name][0]
        return values

    def frames(self, values: np.ndarray) -> int:
        """See :meth:`Encoder.frames`."""
        return int(1 + (len(values) - self._field) // self._hop)

    def cut(self, values: np.ndarray, first: int, last: int) -> np.ndarray:
        """See :meth:`Encoder.cut`."""
        if (first, last) == (0, self.frames(values)):
            return values
        return values[first * self._hop:(last - 1) * self._hop + self._field]

    def layers(self, windows: Sequence[Window]) -> list[torch.Tensor]:
        """See :meth:`Encoder.layers`."""
        values, lengths = _padded([window.values for window in windows], self.place)
        mask = {}
        if len(windows) > 1 and self.pads:
            mask["attention_mask"] = _before(lengths, values.shape[1]).long()
        self.network(values, **mask)
        return [self._kept.pop(number) for number in self._layers]


class WhisperEncoder(Encoder):
    """Whisper's encoder (Radford et al., "Robust speech recognition via large-scale weak supervision", 2022).

    It has learnt from windows of 30 s, filled up with silence. Without that silence its output is not the same: on
    clips of 5 to 23 s the last layer of Whisper base differs by 0.2 to 0.45 of a standard deviation, most on the
    shortest; a clip of 5 s costs a seventh.

    Args:
        directory: the model, encoder and decoder.
        layers: whose outputs are taken; that of the last one is normalised, as the decoder reads it.
        padded: silence fills the window.
    """

    least = 320

    def __init__(self, directory: str, layers: Sequence[int], padded: bool) -> None:
        super().__init__()
        import torch

        self._processor, self.network = _load("whisper", directory)
        self.window = int(self.network.config.max_source_positions)
        self._layers, self._last = tuple(layers), len(self.network.layers)
        self.network.layers = self.network.layers[:max(layers)]
        self.network.to(self.device, torch.float32).eval()
        self.fills = padded
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

    def cut(self, values: np.ndarray, first: int, last: int) -> np.ndarray:
        """See :meth:`Encoder.cut`."""
        end = len(values) if last == self.frames(values) else 2 * last
        part = values[2 * first:min(end, 2 * (first + self.window))]
        if not self._after:
            return part
        silence = max(float(values.max()) - 2.0, -1.5)  # 8 decades below the loudest, or digital silence
        return np.pad(part, ((0, 2 * self.window - len(part)), (0, 0)), constant_values=silence)

    def layers(self, windows: Sequence[Window]) -> list[torch.Tensor]:
        """See :meth:`Encoder.layers`; positions are counted from the window's begin."""
        import torch
        from torch.nn.functional import dropout, gelu

        net = self.network
        mel, lengths = _padded([window.values for window in windows], self.place)
        kept = {}
        hidden, mask = gelu(net.conv1(mel.transpose(1, 2))), None
        if len(set(lengths.tolist())) > 1:  # what follows an utterance must be what follows it by itself: nothing
            hidden = hidden * _before(lengths, hidden.shape[2])[:, None]
            seen = _before((lengths + 1) // 2, (hidden.shape[2] + 1) // 2)[:, None, None]
            mask = torch.zeros(seen.shape, device=self.place).masked_fill(~seen, torch.finfo(torch.float32).min)
        hidden = gelu(net.conv2(hidden)).transpose(1, 2)
        hidden = dropout(hidden + net.embed_positions.weight[:hidden.shape[1]], net.dropout, net.training)
        for number, layer in enumerate(net.layers, 1):
            output = layer(hidden, mask)
            hidden = output[0] if isinstance(output, tuple) else output
            if number in self._layers:
                kept[number] = net.layer_norm(hidden) if number == self._last else hidden
        return [kept[number] for number in self._layers]


def _padded(windows: Sequence[np.ndarray], device: torch.device) -> tuple[torch.Tensor, torch.Tensor]:
    """Return inputs as one batch that zeros fill, and their lengths."""
    import torch

    tensors = [torch.as_tensor(values, dtype=torch.float32, device=device) for values in windows]
    batch = tensors[0][None] if len(tensors) == 1 else torch.nn.utils.rnn.pad_sequence(tensors, batch_first=True)
    return batch, torch.tensor([len(values) for values in windows], device=device)


def _before(lengths: torch.Tensor, size: int) -> torch.Tensor:
    """Return (B, size): true before each length."""
    import torch

    return torch.arange(size, device=lengths.device) < lengths[:, None]


def _load(family: str, directory: str, **options: Any) -> tuple[Any, Any]:
    """Return the processor and the network of a directory, with options over its configuration's."""
    for name, value in {"HF_HUB_OFFLINE": "1", **_COMPILED}.items():
        os.environ.setdefault(name, value)
    import torch
    import transformers

    transformers.utils.logging.set_verbosity_error()  # type: ignore[no-untyped-call]
    transformers.utils.logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    network, processor = (getattr(transformers, name) for name in FAMILIES[family])
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
    if missing := sorted(name for name in info["missing_keys"] if not name.startswith(UNUSED)):
        raise ConfigError(f"{directory}: the weights lack {len(missing)} parameters of the encoder, {missing[0]} "
                          "first; download the whole directory")
    return read, model


def _field(kernels: Sequence[int], strides: Sequence[int]) -> int:
    """Return how many samples a stack of convolutions sees at once."""
    samples = 1
    for kernel, stride in zip(reversed(kernels), reversed(strides), strict=True):
        samples = (samples - 1) * stride + kernel
    return samples
