"""Low-rank additions to a network (Hu et al., "LoRA", ICLR 2022), by the package peft.

On every linear layer and not on attention alone, a low rank reaches what tuning everything does (Dettmers et al.,
"QLoRA", NeurIPS 2023).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from stxfer.core.errors import ConfigError


def import_peft() -> Any:
    """Return peft; an environment of the user's own need not have it.

    Raises:
        ConfigError: it is not installed.
    """
    try:
        import peft
    except ImportError as error:
        raise ConfigError(f"to fine-tune with LoRA, or Whisper, the packages peft and accelerate are needed ({error}); "
                          "pip install 'stxfer[pretrained]' installs them, and so does tools/install.sh") from None
    return peft


def lora_config(rank: int, alpha: float, dropout: float, targets: Sequence[str]) -> Any:
    """Return peft's configuration.

    Args:
        rank: of each addition.
        alpha: what is added is multiplied by alpha / rank.
        dropout: before it.
        targets: last parts of the names of the linear layers.
    """
    return import_peft().LoraConfig(r=rank, lora_alpha=alpha, lora_dropout=dropout, target_modules=list(targets))
