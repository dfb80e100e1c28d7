"""A trained model as files that can be moved: parameters as safetensors, what defines it, its vocabulary."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from stxfer.audio.hub import open_hub_model
from stxfer.core.errors import DataError
from stxfer.core.fileio import atomic_write, sha256, write_json
from stxfer.core.records import read_record
from stxfer.experiment.frontend import PRETRAINED
from stxfer.experiment.layout import CONFIG, EXPORTED, FRONTEND, INFO, parameters
from stxfer.experiment.records import ModelInfo
from stxfer.model.config import VOCABULARIES, read_config
from stxfer.model.transfer import fingerprint, load_state

# Of ESPnet's configuration: what defines the model. The rest, paths among it, is how it was trained.
_TEXT = ("token_list", "token_type", "src_token_list", "src_token_type")
_PARTS = ("frontend", "specaug", "normalize", "preencoder", "encoder", "postencoder", "decoder", "lm", "ctc", "model")


def write_model(model: Path, out: Path, *, encoder: bool = True) -> dict[str, str]:
    """Write ``model.safetensors``, ``config.yaml``, ``model.json`` and the SentencePiece models into a directory.

    Safetensors hold numbers alone, no code (https://github.com/huggingface/safetensors). No file holds a path of this
    machine: the vocabulary is called by its name, beside the configuration, and so is the pretrained encoder that a
    model begins with, which comes along in ``frontend``.

    Args:
        model: directory of a trained system, or one that this function has written.
        out: an empty directory.
        encoder: copy the pretrained encoder that the model begins with; if not, ``config.yaml`` has its digest.

    Returns:
        What ``model.json`` says beside the training's record: digest of the parameters, vocabulary's fingerprint.

    Raises:
        DataError: ``model`` holds no finished model, or its vocabulary has been removed.
        TransferError: its parameters cannot be read.
    """
    from safetensors.torch import save_file

    info = read_record(model / INFO, ModelInfo)
    config = definition(read_config(model))
    save_file({name: tensor.contiguous() for name, tensor in load_state(parameters(model)).items()}, out / EXPORTED,
              metadata={"format": "pt"})
    for key, name in VOCABULARIES.items():
        if path := config.get(key):
            found = model / Path(path).name if (model / Path(path).name).exists() else Path(path)
            if not found.exists():
                raise DataError(f"{path}: no such file; the model needs the vocabulary it was trained with")
            shutil.copyfile(found, out / name)
            config[key] = name
    if config.get("frontend") == PRETRAINED:
        conf = config["frontend_conf"]
        beside = model / FRONTEND
        found = beside if beside.exists() else Path(conf["model"])
        conf["model"] = FRONTEND if encoder else found.name
        if encoder:
            copy_encoder(found, out / FRONTEND)
    with atomic_write(out / CONFIG) as handle:
        yaml.safe_dump(config, handle, allow_unicode=True, sort_keys=False)
    identity = {"sha256": sha256(out / EXPORTED), "vocabulary": fingerprint(config["token_list"])}
    write_json(out / INFO, {**{key: value for key, value in info.items() if key != "vocab"}, **identity})
    return identity


def definition(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return what of an ESPnet configuration defines the model."""
    kept = {*_TEXT, *VOCABULARIES, "init", "input_size", *_PARTS, *(f"{part}_conf" for part in _PARTS)}
    return {key: value for key, value in config.items() if key in kept}


def copy_encoder(directory: Path, out: Path) -> None:
    """Copy the files that decide what a pretrained encoder computes into a new directory."""
    out.mkdir()
    for path in open_hub_model(directory).files:
        shutil.copyfile(path, out / path.name)
