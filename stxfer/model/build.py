"""ESPnet's tasks with this project's classes registered, and models built from their configurations."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch.nn.modules.batchnorm import _BatchNorm

from stxfer.model.config import buildable
from stxfer.model.dropout import use_byte_dropout
from stxfer.model.encoded import EncodedModel
from stxfer.model.espnet import asr_task, lm_task, mt_task
from stxfer.model.espnet_patches import quiet_builds
from stxfer.model.families import FRONTENDS, OWN_DECODERS, OWN_ENCODERS
from stxfer.model.frontend import Frontend
from stxfer.model.smoothing import SmoothedLoss
from stxfer.model.text_only import TextOnlyModel

# Values of ``model`` in configurations of this project; ESPnet's own is "espnet".
ESPNET, ENCODED, TEXT_ONLY = "espnet", "encoded", "text_only"

# A subclass of ASRTask with choices of its own does not work: build_model reads the module's.
asr_task.frontend_choices.classes |= FRONTENDS
asr_task.encoder_choices.classes |= OWN_ENCODERS
asr_task.decoder_choices.classes |= OWN_DECODERS
asr_task.model_choices.classes |= {
    ENCODED: EncodedModel, TEXT_ONLY: TextOnlyModel,
    "deaf": TextOnlyModel}  # what configurations of models trained by earlier versions call it


class ASRTask(asr_task.ASRTask):
    """ESPnet's ASR task; training on a CPU is faster."""

    @classmethod
    def build_model(cls, args: argparse.Namespace) -> torch.nn.Module:
        """Build ESPnet's model from its arguments."""
        model: torch.nn.Module = super().build_model(args)
        if isinstance(model.frontend, Frontend):
            model.frontend.restore()
        use_byte_dropout(model)
        _keep_statistics(model, args.freeze_param)
        return model


class MTTask(mt_task.MTTask):
    """ESPnet's MT task; training on a CPU is faster."""

    @classmethod
    def build_model(cls, args: argparse.Namespace) -> torch.nn.Module:
        """Build ESPnet's model from its arguments."""
        model: Any = super().build_model(args)
        _scale_shared_embedding(model, args.model_conf)
        criterion = model.criterion_mt
        model.criterion_mt = SmoothedLoss(criterion.size, criterion.padding_idx, criterion.smoothing,
                                          criterion.normalize_length)
        use_byte_dropout(model)
        _keep_statistics(model, args.freeze_param)
        return model  # type: ignore[no-any-return]


class LMTask(lm_task.LMTask):
    """ESPnet's language model task; training on a CPU is faster."""

    @classmethod
    def build_model(cls, args: argparse.Namespace) -> torch.nn.Module:
        """Build ESPnet's model from its arguments."""
        model: torch.nn.Module = super().build_model(args)
        use_byte_dropout(model)
        return model


def task_class(task: str) -> Any:
    """Return ESPnet's task for ``asr``, ``st`` and ``text`` (the same), ``mt`` or ``lm``."""
    return {"mt": MTTask, "lm": LMTask}.get(task, ASRTask)


def build_model(task: str, config: Mapping[str, Any]) -> torch.nn.Module:
    """Build a model on the CPU from an ESPnet training configuration.

    Args:
        task: ``asr``, ``st``, ``text``, ``mt`` or ``lm``.
        config: what it does not name has ESPnet's default.

    Raises:
        ConfigError: no model can be built of that.
    """
    cls = task_class(task)
    with quiet_builds(), buildable(task):
        model: torch.nn.Module = cls.build_model(argparse.Namespace(**{**cls.get_default_config(), **config}))
    return model


def _keep_statistics(model: torch.nn.Module, frozen: Sequence[str]) -> None:
    """Keep frozen parts' batch normalisation from updating its statistics: ESPnet freezes parameters alone."""
    for name in frozen:
        for module in model.get_submodule(name).modules():
            if isinstance(module, _BatchNorm):
                module.track_running_stats = False


def _scale_shared_embedding(model: Any, conf: Mapping[str, Any]) -> None:
    """Give an embedding that is also the output layer values small enough for logits: ESPnet's have variance 1."""
    if conf.get("share_decoder_input_output_embed"):
        with torch.no_grad():
            weight = model.decoder.embed[0].weight
            weight.mul_(weight.size(1) ** -0.5)
