"""``config.yaml`` of a trained model, ESPnet's configuration, read as far as is needed to open the model."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml
from typing_extensions import NotRequired, TypedDict

from stxfer.core.errors import DataError
from stxfer.core.records import mistake
from stxfer.core.workdir import WorkDir
from stxfer.experiment.frontend import PRETRAINED
from stxfer.experiment.layout import CONFIG

VOCABULARIES = ("bpemodel", "src_bpemodel")  # keys of the SentencePiece models
_ADVICE = "remove the model's directory and train it again"


class ModelConfig(TypedDict):
    """What a configuration holds at least."""

    token_list: list[str]
    bpemodel: str
    src_token_list: NotRequired[list[str] | None]
    src_bpemodel: NotRequired[str | None]
    frontend: NotRequired[str | None]
    frontend_conf: NotRequired[dict[str, Any] | None]


def read_config(directory: Path) -> dict[str, Any]:
    """Return a model's configuration; files that the model needs are named from here.

    Raises:
        DataError: it is absent, is not YAML, or lacks what opens the model.
    """
    path = directory / CONFIG
    try:
        config: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise DataError(f"{path}: no such file; train that system first") from None
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        reason = " ".join(str(error).split())[:200]
        raise DataError(f"{path}: not YAML that can be read ({reason}); {_ADVICE}") from None
    if wrong := mistake(config, ModelConfig, str(path)):
        raise DataError(f"{wrong}; {_ADVICE}")
    located = WorkDir.of(directory).located
    for key in VOCABULARIES:
        if config.get(key):
            config[key] = located(config[key])
    if config.get("frontend") == PRETRAINED:
        config["frontend_conf"]["model"] = located(config["frontend_conf"]["model"])
    return config
