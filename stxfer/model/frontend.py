"""A pretrained speech encoder as part of the model, from waveforms to the input of the model's own encoder.

What it computes is that of the features of :mod:`stxfer.audio.pretrained`, but that it can learn.

A parameter that never learns, whatever a phase freezes, is read from the encoder's directory whenever a model is
built, and is in no checkpoint and no result: with LoRA on Whisper base these are 4 MB in place of 80. The digest of the
directory is part of the model's configuration, so that other weights are refused.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from stxfer.audio.encoders import UNUSED, open_encoder
from stxfer.audio.hub import open_hub_model
from stxfer.audio.waveform import SHIFT, samples_of
from stxfer.audio.windows import Window
from stxfer.core.errors import ConfigError
from stxfer.experiment.frontend import PretrainedFrontend
from stxfer.model.espnet_layers import AbsFrontend, TooShortUttError
from stxfer.model.lora import import_peft, lora_config

_TINY = 1e-6  # the least variance that features are divided by, as those of stage 3
# What LoRA is added to. WavLM's attention reads its weights without calling the layers that hold them.
_ATTENTION, _FEED_FORWARD = ("q_proj", "k_proj", "v_proj", "out_proj"), ("intermediate_dense", "output_dense")
LORA_TARGETS = {"whisper": (*_ATTENTION, "fc1", "fc2"), "wav2vec2": (*_ATTENTION, *_FEED_FORWARD),
                "hubert": (*_ATTENTION, *_FEED_FORWARD), "wavlm": _FEED_FORWARD,
                "wav2vec2-bert": ("linear_q", "linear_k", "linear_v", "linear_out", *_FEED_FORWARD)}


class Frontend(AbsFrontend):
    """The encoder, and mean and variance normalisation over the utterance, under the name ``pretrained``.

    Args:
        digest: of the files that decide what the encoder computes; a model that is new has none.
        dropout_rate: of what LoRA adds, before it.
        options: see :class:`stxfer.experiment.frontend.PretrainedFrontend`.

    Raises:
        ConfigError: the directory holds another model than the digest says, or has no such layer.
        DataError: files are missing or broken.
    """

    def __init__(self, digest: str = "", dropout_rate: float = 0.0, **options: Any) -> None:
        super().__init__()
        conf = PretrainedFrontend(**options)
        found = open_hub_model(Path(conf.model))
        if digest and found.digest() != digest:
            raise ConfigError(f"{conf.model}: not the encoder that the model was trained with: its files have changed")
        layer = conf.layer or found.usual
        found.check_layer(layer, "model.frontend_conf.layer")
        if conf.padded and found.family != "whisper":
            raise ConfigError(f"{conf.model}: model.frontend_conf.padded is for Whisper; leave it out with "
                              f"{found.family}")
        if conf.tune == "top" and conf.top > layer:
            raise ConfigError(f"{conf.model}: model.frontend_conf.top {conf.top}: {layer} layers are in use")
        self._encoder = open_encoder(found.family, conf.model, [layer], padded=conf.padded)
        self.network = self._encoder.network.cpu()
        self.network.config.layerdrop = 0.0  # layers and frames are left out at random in pretraining
        self.network.config.apply_spec_augment = False
        self._size = found.size
        self._choose(conf, found.family, dropout_rate)
        self._fixed = {f"network.{name}" for name, value in self.network.named_parameters() if not value.requires_grad}
        self._pretrained: dict[str, Tensor] | None = {
            name: value.detach().clone() for name, value in self.network.state_dict().items()}
        self.register_state_dict_post_hook(_without_fixed)
        self.register_load_state_dict_pre_hook(_with_fixed)

    def _choose(self, conf: PretrainedFrontend, family: str, dropout: float) -> None:
        """Let learn what is to learn."""
        net = self.network
        whisper = family == "whisper"
        layers = net.layers if whisper else net.encoder.layers
        net.requires_grad_(conf.tune == "all")
        if conf.tune == "top":
            layers[len(layers) - conf.top:].requires_grad_(True)
        elif conf.tune == "lora":
            import_peft().inject_adapter_in_model(
                lora_config(conf.rank, conf.alpha, dropout, LORA_TARGETS[family]), net)
        if whisper:
            net.embed_positions.requires_grad_(False)  # sinusoids
            last = len(layers) == net.config.encoder_layers  # whose output alone is normalised
            net.layer_norm.requires_grad_(last and conf.tune in ("all", "top"))
            return
        if hasattr(net, "feature_extractor"):
            net.feature_extractor._freeze_parameters()
        if getattr(net.config, "do_stable_layer_norm", False):
            net.encoder.layer_norm.requires_grad_(False)  # behind the layer that is taken
        for name, value in net.named_parameters():
            if name.startswith(UNUSED):
                value.requires_grad_(False)

    def restore(self) -> None:
        """Give the encoder what it has learnt in pretraining: ESPnet gives random values to whatever it builds."""
        if self._pretrained is not None:
            self.network.load_state_dict(self._pretrained)
            self._pretrained = None

    def train(self, mode: bool = True) -> Frontend:
        """Switch dropout on or off; it stays off where nothing of the encoder learns."""
        super().train(mode)
        self.network.train(mode and any(value.requires_grad for value in self.network.parameters()))
        return self

    def output_size(self) -> int:
        """Return the dimension of the output."""
        return self._size

    def forward(self, input: Tensor, input_lengths: Tensor) -> tuple[Tensor, Tensor]:
        """Map rows of samples (B, T, 160), (B,) to (B, T', output_size), (B,), 50 frames a second.

        Whatever is longer than the encoder's window goes through in overlapping windows; utterances and windows are a
        batch.

        Raises:
            TooShortUttError: an utterance is shorter than a frame.
        """
        if input.size(2) != SHIFT:
            raise RuntimeError(f"a pretrained encoder in the model hears waveforms, rows of {SHIFT} samples")
        encoder = self._encoder
        windows, kept = [], []
        for rows, length in zip(input, input_lengths.tolist(), strict=True):
            samples = samples_of(rows[:length].float().cpu().numpy())
            if len(samples) < encoder.least:
                raise TooShortUttError(f"{length} rows are less than a frame of the encoder", length,
                                       -(-encoder.least // SHIFT))
            values = encoder.prepare(samples)
            spans = encoder.spans(encoder.frames(values))
            windows += [Window(encoder.cut(values, first, last), last - first) for first, last, _, _ in spans]
            kept.append([slice(begin - first, end - first) for first, _, begin, end in spans])
        # An encoder that has not learnt from padded batches hears each window alone.
        batches = [windows] if encoder.pads else [[window] for window in windows]
        heard = iter([frames for batch in batches for frames in encoder.layers(batch)[0]])
        utts = [_normalised(torch.cat([next(heard)[part] for part in own])) for own in kept]
        lengths = torch.tensor([len(utt) for utt in utts], device=input_lengths.device)
        return nn.utils.rnn.pad_sequence(utts, batch_first=True), lengths


def _normalised(frames: Tensor) -> Tensor:
    """Return (T, D) with mean 0 and variance 1 in each dimension."""
    centred = frames - frames.mean(dim=0)
    return centred / centred.square().mean(dim=0).clamp(min=_TINY).sqrt()


def _without_fixed(module: Any, state: dict[str, Any], prefix: str, _metadata: Any) -> None:
    for name in module._fixed:
        state.pop(prefix + name, None)


def _with_fixed(module: Any, state: dict[str, Any], prefix: str, *_others: Any) -> None:
    own = dict(module.named_parameters())
    for name in module._fixed:
        state.setdefault(prefix + name, own[name].detach())
