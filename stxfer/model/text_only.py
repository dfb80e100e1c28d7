"""The text-only control: an ASR model whose decoder is given no speech."""

from __future__ import annotations

import torch

from stxfer.model.espnet import ESPnetASRModel


class TextOnlyModel(ESPnetASRModel):
    """ESPnet's model with a single frame of zeros in place of the encoder's output.

    Its decoder becomes a language model of the text. Transferred to ASR, it shows how much of a gain comes from that
    text alone; what speech translation gains over it comes from translation. The encoder is not run and stays as it
    was; CTC learns nothing.
    """

    def encode(self, speech: torch.Tensor, speech_lengths: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Map (B, T, D), (B,) to zeros (B, 1, D'), ones (B,)."""
        return (speech.new_zeros(len(speech), 1, self.encoder.output_size()),
                torch.ones_like(speech_lengths))
