"""ESPnet's tasks with this project's classes registered, and models built from their configurations."""

from __future__ import annotations

import argparse
import contextlib
import logging
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

import stxfer.model.espnet  # noqa: F401  (before espnet)
from stxfer.model.berard import BerardDecoder, BerardEncoder
from stxfer.model.dropout import use_byte_dropout
from stxfer.model.encoder import S2TConformerEncoder, S2TEBranchformerEncoder, S2TTransformerEncoder
from stxfer.model.smoothing import SmoothedLoss
from stxfer.model.text_only import DeafModel
from stxfer.training.encoded import EncodedModel
from stxfer.training.trainer import Trainer

from espnet2.tasks import asr as _asr  # isort: skip
from espnet2.tasks import mt as _mt  # isort: skip

# A subclass of ASRTask with choices of its own does not work: build_model reads the module's.
_asr.encoder_choices.classes["s2t_transformer"] = S2TTransformerEncoder
_asr.encoder_choices.classes["s2t_conformer"] = S2TConformerEncoder
_asr.encoder_choices.classes["s2t_e_branchformer"] = S2TEBranchformerEncoder
_asr.encoder_choices.classes["berard"] = BerardEncoder
_asr.decoder_choices.classes["berard"] = BerardDecoder
_asr.model_choices.classes["deaf"] = DeafModel
_asr.model_choices.classes["encoded"] = EncodedModel


def _keep_statistics(model: torch.nn.Module, frozen: Sequence[str]) -> None:
    """Keep frozen parts' batch normalisation from updating its statistics: ESPnet freezes parameters alone."""
    for name in frozen:
        for module in model.get_submodule(name).modules():
            if isinstance(module, torch.nn.modules.batchnorm._BatchNorm):
                module.track_running_stats = False


class ASRTask(_asr.ASRTask):
    """ESPnet's ASR task; training on a CPU is faster."""

    trainer = Trainer

    @classmethod
    def build_model(cls, args: argparse.Namespace) -> torch.nn.Module:
        """Build ESPnet's model from its arguments."""
        model = super().build_model(args)
        use_byte_dropout(model)
        _keep_statistics(model, args.freeze_param)
        return model


class MTTask(_mt.MTTask):
    """ESPnet's MT task; training on a CPU is faster."""

    @classmethod
    def build_model(cls, args: argparse.Namespace) -> torch.nn.Module:
        """Build ESPnet's model from its arguments."""
        model = super().build_model(args)
        _scale_shared_embedding(model, args.model_conf)
        criterion = model.criterion_mt
        model.criterion_mt = SmoothedLoss(criterion.size, criterion.padding_idx, criterion.smoothing,
                                          criterion.normalize_length)
        use_byte_dropout(model)
        _keep_statistics(model, args.freeze_param)
        return model


def _scale_shared_embedding(model: torch.nn.Module, conf: Mapping[str, Any]) -> None:
    """Give an embedding that is also the output layer values small enough for logits: ESPnet's have variance 1."""
    if conf.get("share_decoder_input_output_embed"):
        with torch.no_grad():
            weight = model.decoder.embed[0].weight
            weight.mul_(weight.size(1) ** -0.5)


def task_class(task: str) -> Any:
    """Return ESPnet's task for ``asr``, ``st`` and ``lm`` (the same) or ``mt``."""
    return MTTask if task == "mt" else ASRTask


def build_model(task: str, config: Mapping[str, Any]) -> torch.nn.Module:
    """Build a model from an ESPnet training configuration; what it does not name has ESPnet's default."""
    cls = task_class(task)
    level, argv = logging.getLogger().level, sys.argv
    logging.getLogger().setLevel(logging.WARNING)
    sys.argv = argv[:1]  # get_default_config reads a --config from the command line
    try:
        return cls.build_model(argparse.Namespace(**{**cls.get_default_config(), **config}))
    finally:
        logging.getLogger().setLevel(level)
        sys.argv = argv


@contextlib.contextmanager
def atomic_torch_save() -> Iterator[None]:
    """Within the block ``torch.save`` to a path writes beside it and renames.

    ESPnet's trainer writes ``checkpoint.pth`` in place: a kill in that moment leaves a file that
    stops every later resume.
    """
    plain = torch.save

    def save(value: Any, target: Any, *args: Any, **kwargs: Any) -> None:
        if not isinstance(target, (str, os.PathLike)):
            return plain(value, target, *args, **kwargs)
        temporary = Path(f"{target}.tmp{os.getpid()}")
        try:
            plain(value, temporary, *args, **kwargs)
            os.replace(temporary, target)
        finally:
            temporary.unlink(missing_ok=True)

    torch.save = save
    try:
        yield
    finally:
        torch.save = plain
