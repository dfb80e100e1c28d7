"""The files that stock ESPnet opens a packed model from.

``meta.yaml`` names them as ``espnet2.main_funcs.pack_funcs`` and the model zoo read it, from a zip archive or from a
repository of the Hugging Face hub, and both put the vocabulary's path into the configurations where they unpack them.
ESPnet reads no safetensors, so that the parameters stand in these files a second time.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from stxfer.core.fileio import atomic_write
from stxfer.experiment.layout import CONFIG, MODEL, parameters
from stxfer.model.config import VOCABULARIES, read_config
from stxfer.model.transfer import load_state

META, FOLDER = "meta.yaml", "espnet"


def write_espnet(pack: Path, lm: Path | None) -> None:
    """Write ``meta.yaml`` and ``espnet/`` into the directory of a pack.

    Args:
        pack: holds what :func:`stxfer.model.export.write_model` has written.
        lm: directory of the language model in it, if there is one.
    """
    import torch

    (pack / FOLDER).mkdir()
    files, yaml_files = {}, {}
    for task, directory, file, config in (("asr", pack, "asr_model_file", "asr_train_config"),
                                          ("lm", lm, "lm_file", "lm_train_config")):
        if directory is not None:
            files[file], yaml_files[config] = f"{FOLDER}/{task}_{MODEL}", f"{FOLDER}/{task}_{CONFIG}"
            torch.save(load_state(parameters(directory)), pack / files[file])
            _write_yaml(pack / yaml_files[config], _complete(task, directory))
    _write_yaml(pack / META, {"files": files, "yaml_files": yaml_files, "torch": str(torch.__version__)})


def _complete(task: str, directory: Path) -> dict[str, Any]:
    """Return the model's configuration with ESPnet's defaults for what it does not say."""
    from stxfer.model.build import task_class  # ESPnet's tasks: seconds to import
    from stxfer.model.espnet_patches import quiet_builds

    with quiet_builds():
        defaults = task_class(task).get_default_config()
    own = read_config(directory)
    return {**defaults, **own, **{key: name for key, name in VOCABULARIES.items() if key in own}}


def _write_yaml(path: Path, content: dict[str, Any]) -> None:
    with atomic_write(path) as handle:
        yaml.safe_dump(content, handle, allow_unicode=True, sort_keys=False)
