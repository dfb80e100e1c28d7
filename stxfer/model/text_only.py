"""The text-only control: an ASR model whose decoder hears nothing."""

from __future__ import annotations

import torch

import stxfer.model.espnet  # noqa: F401  (before espnet)

from espnet2.asr.espnet_model import ESPnetASRModel  # isort: skip


class DeafModel(ESPnetASRModel):
    """ESPnet's model with a single frame of zeros in place of the encoder's output.

    Its decoder becomes a language model of the text. Transferred to ASR, it shows what of a gain is owed to that
    text; only what speech translation gains over it is owed to translation. The encoder is not run and stays as it
    was; there is no CTC.
    """

    def encode(self, speech: torch.Tensor, speech_lengths: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Map (B, T, D), (B,) to zeros (B, 1, D'), ones (B,)."""
        return (speech.new_zeros(len(speech), 1, self.encoder.output_size()),
                torch.ones_like(speech_lengths))
