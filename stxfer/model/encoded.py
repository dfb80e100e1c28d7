"""The model that a decoder is trained in when its frozen encoder has run already."""

from __future__ import annotations

import torch

from stxfer.model.espnet import ESPnetASRModel


class EncodedModel(ESPnetASRModel):
    """ESPnet's model whose input is what its encoder has made of the speech already.

    The encoder is not run and stays as it was; there is no dropout in it and no SpecAugment before it.
    """

    def encode(self, speech: torch.Tensor, speech_lengths: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the encoder outputs (B, T', D') and their lengths (B,) as they are."""
        return speech[:, :int(speech_lengths.max())], speech_lengths
