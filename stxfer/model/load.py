"""Open a trained model for decoding."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import sentencepiece as spm
import torch

from stxfer.core.devices import device
from stxfer.core.errors import ConfigError, DataError, TransferError
from stxfer.core.records import read_record
from stxfer.experiment.frontend import PRETRAINED
from stxfer.experiment.layout import CONFIG, FRONTEND, INFO, parameters
from stxfer.experiment.records import OpenedInfo
from stxfer.model.config import buildable, read_config
from stxfer.model.espnet_patches import quiet_builds
from stxfer.model.recogniser import LanguageModel, Recogniser, recognises
from stxfer.model.transfer import load_state
from stxfer.text.vocab import open_pieces

CPU = torch.device("cpu")


@dataclass(frozen=True)
class LoadedModel:
    """A model in evaluation mode with its vocabularies (``source_tokenizer`` for MT alone)."""

    model: Any
    tokens: list[str]
    tokenizer: spm.SentencePieceProcessor
    config: Mapping[str, Any]
    task: str
    source_tokens: list[str] | None = None
    source_tokenizer: spm.SentencePieceProcessor | None = None


def load_model(directory: Path, where: torch.device = CPU, *, encoder: Path | None = None
               ) -> LoadedModel:
    """Open the model of a system's directory.

    Args:
        directory: what training or :mod:`stxfer.model.export` has left.
        where: the device that the model computes on, e.g. :func:`stxfer.core.devices.device`.
        encoder: directory of the pretrained encoder that the model begins with, where it is not where it was.

    Raises:
        DataError: the directory holds no finished model, or its vocabulary has been removed.
        TransferError: the parameters cannot be read or do not fit the configuration.
    """
    task = read_record(directory / INFO, OpenedInfo)["task"]
    state = parameters(directory)
    config = read_config(directory)
    if task == "lm" and "encoder" in config:
        task = "text"  # what earlier versions called the control of text alone
    beside = directory / FRONTEND  # an exported model brings its own
    if config.get("frontend") == PRETRAINED and (encoder or beside.exists()):
        config["frontend_conf"]["model"] = str(encoder or beside)
    try:
        model = _network(task, config)
    except ConfigError as error:
        raise DataError(f"{directory / CONFIG}: {error}") from None
    try:
        model.load_state_dict(load_state(state), strict=True)
    except RuntimeError as error:
        raise TransferError(f"{state}: does not fit {CONFIG} beside it: "
                            f"{' '.join(str(error).split())[:200]}") from None
    model.to(where).eval()
    for parameter in model.parameters():
        parameter.requires_grad_(False)
    source = config.get("src_bpemodel")
    return LoadedModel(model, list(config["token_list"]), _tokenizer(directory, config["bpemodel"]),
                       config, task, list(config["src_token_list"]) if source else None,
                       _tokenizer(directory, source) if source else None)


def open_models(model: Path, lm_model: Path | None, *, encoder: Path | None = None) -> tuple[LoadedModel, Any]:
    """Open a system and a language model on this process's device.

    Args:
        model: the system's directory.
        lm_model: that of a language model; None: without one.
        encoder: that of the pretrained encoder that the system's model begins with, where it is not where it was.

    Returns:
        The system, and the language model, an ``AbsLM`` in eval mode, or None.

    Raises:
        ConfigError: the language model has another vocabulary than the system.
        DataError: a directory holds no finished model, or a vocabulary has been removed.
        TransferError: parameters cannot be read.
    """
    loaded = load_model(model, device(), encoder=encoder)
    if lm_model is None:
        return loaded, None
    lm = load_model(lm_model, device())
    if lm.tokens != loaded.tokens:
        raise ConfigError(f"{lm_model}: its vocabulary is not that of {model}; train the language model again")
    return loaded, lm.model.lm


def _network(task: str, config: Mapping[str, Any]) -> torch.nn.Module:
    with quiet_builds(), buildable(task):
        if task == "lm":
            return LanguageModel(config)
        if task in ("asr", "st") and recognises(config):
            return Recogniser(config)
    from stxfer.model.build import build_model  # ESPnet's tasks: seconds to import

    return build_model(task, config)


def _tokenizer(directory: Path, path: str) -> spm.SentencePieceProcessor:
    beside = directory / Path(path).name  # an exported model brings its own, wherever it was moved
    found = beside if beside.exists() else Path(path)
    if not found.exists():
        raise DataError(f"{path}: no such file; the model needs the vocabulary it was trained with")
    return open_pieces(found)
