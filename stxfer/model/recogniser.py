"""Trained models as decoding needs them, put together from ESPnet's layers without ESPnet's tasks.

Their parameters have the names, and their outputs the values, of ``espnet2.asr.espnet_model.ESPnetASRModel`` and
``espnet2.lm.espnet_model.ESPnetLanguageModel`` in evaluation mode; there are no losses.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn

from stxfer.model.espnet_layers import CTC
from stxfer.model.families import DECODERS, ENCODERS, FRONTENDS, LANGUAGE_MODELS
from stxfer.model.frontend import Frontend

# Parts of ESPnet's models, and options of its encoders, that these do not have: ESPnet's task builds what has one.
_OTHER_PARTS = ("preencoder", "postencoder", "normalize")
_OTHER_OPTIONS = ("interctc_use_conditioning", "ctc_trim")
_CTC_WEIGHT = 0.5  # of ESPnet's model, where a configuration does not say it


def recognises(config: Mapping[str, Any]) -> bool:
    """Tell whether :class:`Recogniser` can be made from an ESPnet configuration."""
    known = (config.get("frontend") in (None, *FRONTENDS) and config.get("encoder") in ENCODERS
             and config.get("decoder") in DECODERS and config.get("model", "espnet") == "espnet")
    conf = config.get("encoder_conf") or {}
    return known and not any(map(config.get, _OTHER_PARTS)) and not any(map(conf.get, _OTHER_OPTIONS))


class Recogniser(nn.Module):
    """Encoder, attention decoder and CTC of an ASR or ST model.

    Args:
        config: an ESPnet configuration that :func:`recognises` knows.

    Attributes:
        sos, eos: id of the start and the end of a sentence, one and the same.
        decoder, ctc: ``None`` where the model was trained without it.
    """

    def __init__(self, config: Mapping[str, Any]) -> None:
        super().__init__()
        size = len(config["token_list"])
        self.sos = self.eos = size - 1
        self.frontend = None
        input_size = config.get("input_size")
        if input_size is None:
            self.frontend = FRONTENDS[config["frontend"]](**config["frontend_conf"])
            if isinstance(self.frontend, Frontend):
                self.frontend.restore()
            input_size = self.frontend.output_size()
        self.encoder = ENCODERS[config["encoder"]](input_size=input_size, **(config.get("encoder_conf") or {}))
        width = self.encoder.output_size()
        # ESPnet's model keeps neither a CTC nor a decoder that has no part in its loss.
        weight = (config.get("model_conf") or {}).get("ctc_weight", _CTC_WEIGHT)
        self.decoder = None if weight == 1.0 else DECODERS[config["decoder"]](
            vocab_size=size, encoder_output_size=width, **(config.get("decoder_conf") or {}))
        self.ctc = None if weight == 0.0 else CTC(
            odim=size, encoder_output_size=width, **(config.get("ctc_conf") or {}))

    def encode(self, speech: Tensor, lengths: Tensor) -> tuple[Any, Tensor]:
        """Map features (B, T, D), (B,) to the encoder's output (B, T', D'), (B,).

        Raises:
            TooShortUttError: an utterance is too short for the encoder.
        """
        features, feature_lengths = speech[:, :int(lengths.max())], lengths
        if self.frontend is not None:
            features, feature_lengths = self.frontend(features, feature_lengths)
        encoded, encoded_lengths, _ = self.encoder(features, feature_lengths)
        return encoded, encoded_lengths


class LanguageModel(nn.Module):
    """The network of a language model, ``lm``.

    Args:
        config: an ESPnet configuration.
    """

    def __init__(self, config: Mapping[str, Any]) -> None:
        super().__init__()
        self.lm = LANGUAGE_MODELS[config["lm"]](len(config["token_list"]), **(config.get("lm_conf") or {}))
