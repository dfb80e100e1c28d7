"""Dropout that costs a fifth of PyTorch's on a CPU, where a Transformer's training spends a quarter on it.

PyTorch draws each element by itself from its generator; here one 64-bit draw decides eight elements.
``tools/bench/train_step.py`` measures both.
"""

from __future__ import annotations

import torch
from torch import nn

LEVELS = 256  # a byte an element: the probability is a multiple of 1/256


class ByteDropout(nn.Dropout):
    """``nn.Dropout`` with the probability rounded to a multiple of 1/256 on a CPU; the same on a GPU.

    What is kept is scaled by the rounded probability, so that the expectation is exact. The random
    numbers come from PyTorch's generator: ``torch.manual_seed`` holds.
    """

    def forward(self, input: torch.Tensor) -> torch.Tensor:
        """Drop elements of a tensor of any shape while training."""
        dropped = round(self.p * LEVELS)
        if not self.training or dropped == 0:
            return input
        if input.device.type != "cpu" or input.dtype != torch.float32 or dropped == LEVELS:
            return super().forward(input)
        words = torch.empty((input.numel() + 7) // 8, dtype=torch.int64).random_(-(2**63), None)
        noise = words.view(torch.uint8)[: input.numel()].view(input.shape)
        mask = torch.ge(noise, dropped, out=torch.empty(input.shape)).mul_(LEVELS / (LEVELS - dropped))
        return input * mask


def use_byte_dropout(module: nn.Module) -> None:
    """Replace every ``nn.Dropout`` below ``module``; parameters and their names stay as they are."""
    for name, child in module.named_children():
        if type(child) is nn.Dropout:
            setattr(module, name, ByteDropout(child.p))
        else:
            use_byte_dropout(child)
