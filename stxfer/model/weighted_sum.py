"""What stands before the encoder where features are those of several layers of a pretrained encoder."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch

from stxfer.model.espnet_layers import AbsFrontend

NAME = "weighted_sum"
WEIGHTS = f"frontend.{NAME}"  # in a model's state dict


class WeightedSum(AbsFrontend):
    """A sum of layers by weights that are learnt and sum to one: the featurizer of SUPERB (Yang et al., 2021).

    Each layer's features are normalised before, so that the weights can be compared. At first all are equal.

    Args:
        layers: which layers of the pretrained encoder lie side by side in the input.
        size: dimension of each.
    """

    def __init__(self, layers: Sequence[int], size: int) -> None:
        super().__init__()
        self.layers, self.size = tuple(layers), size
        self.weighted_sum = torch.nn.Parameter(torch.zeros(len(self.layers)))

    def output_size(self) -> int:
        """Return the dimension of the sum."""
        return self.size

    def forward(self, input: torch.Tensor, input_lengths: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Map (B, T, layers * size) and lengths (B,) to (B, T, size) and the same lengths."""
        layers = input.reshape(*input.shape[:2], len(self.layers), self.size)
        return torch.einsum("btld,l->btd", layers, self.weighted_sum.softmax(dim=0)), input_lengths


def layer_weights(state: Mapping[str, torch.Tensor], layers: Sequence[int]) -> dict[str, float]:
    """Return what a model with a :class:`WeightedSum` has learnt: weights by layer, which sum to one."""
    weights = state[WEIGHTS].softmax(dim=0).tolist()
    return {str(layer): round(weight, 4) for layer, weight in zip(layers, weights, strict=True)}
