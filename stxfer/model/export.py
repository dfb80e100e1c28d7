"""A trained model as a directory that can be moved, opened here and in stock ESPnet, and started from elsewhere."""

from __future__ import annotations

import shutil
from pathlib import Path

import yaml

from stxfer.audio.hub import open_hub_model
from stxfer.core.errors import ConfigError, DataError
from stxfer.core.fileio import atomic_dir, atomic_write, sha256, write_json
from stxfer.core.records import read_record
from stxfer.core.workdir import WorkDir
from stxfer.experiment.frontend import PRETRAINED
from stxfer.experiment.layout import CONFIG, EXPORTED, FRONTEND, INFO, MODEL, parameters
from stxfer.experiment.records import ModelInfo
from stxfer.model.config import VOCABULARIES, read_config
from stxfer.model.transfer import fingerprint, load_state


def export_model(model: Path, out: Path) -> dict[str, str]:
    """Write ``model.safetensors``, ``config.yaml``, the SentencePiece models and ``model.json``.

    Safetensors hold numbers alone, no code (https://github.com/huggingface/safetensors). ``config.yaml`` names the
    vocabulary where it lies in ``out``; after a move, ``stxfer`` finds it beside the parameters, and stock ESPnet's
    ``Speech2Text`` once that path is mended. ``model.pth`` lies beside for it: ESPnet reads no safetensors.
    The pretrained encoder that a model begins with, which ESPnet does not know, comes along in ``frontend``.

    Args:
        model: directory of a trained system, or of an exported one.
        out: directory to write, replaced as a whole.

    Returns:
        What ``model.json`` says beside the training's record: digest of the parameters, vocabulary's fingerprint.

    Raises:
        ConfigError: ``model`` is a fine-tuned Whisper.
        DataError: ``model`` holds no finished model, or its vocabulary has been removed.
        TransferError: its parameters cannot be read.
    """
    import torch
    from safetensors.torch import save_file

    info = read_record(model / INFO, ModelInfo)
    if "whisper" in info:
        raise ConfigError(f"{model}: a fine-tuned Whisper, which transformers and peft open as it is")
    config = read_config(model)
    state = load_state(parameters(model))
    with atomic_dir(out) as directory:
        save_file({name: tensor.contiguous() for name, tensor in state.items()}, directory / EXPORTED,
                  metadata={"format": "pt"})
        torch.save(state, directory / MODEL)
        for key in VOCABULARIES:
            if path := config.get(key):
                found = model / Path(path).name if (model / Path(path).name).exists() else Path(path)
                if not found.exists():
                    raise DataError(f"{path}: no such file; the model needs the vocabulary it was trained with")
                name = "bpe.model" if key == "bpemodel" else "src_bpe.model"
                shutil.copyfile(found, directory / name)
                config[key] = str(out.absolute() / name)
        if config.get("frontend") == PRETRAINED:
            (directory / FRONTEND).mkdir()
            for path in open_hub_model(Path(config["frontend_conf"]["model"])).files:
                shutil.copyfile(path, directory / FRONTEND / path.name)
            config["frontend_conf"]["model"] = str(out.absolute() / FRONTEND)
        with atomic_write(directory / CONFIG) as handle:
            yaml.safe_dump(WorkDir.of(out).portable(config), handle, allow_unicode=True, sort_keys=False)
        identity = {"sha256": sha256(directory / EXPORTED),
                    "vocabulary": fingerprint(config["token_list"])}
        write_json(directory / INFO, {**info, **identity})
    return identity
