"""``config.yaml`` of a trained model, ESPnet's configuration, read as far as is needed to open the model."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml
from typing_extensions import NotRequired, TypedDict

from stxfer.core.errors import ConfigError, DataError, StxferError
from stxfer.core.records import mistake
from stxfer.core.workdir import WorkDir
from stxfer.experiment.frontend import PRETRAINED
from stxfer.experiment.layout import CONFIG, STOCK, STOCK_MODEL

# Keys of the SentencePiece models, and what these are called beside an exported model.
VOCABULARIES = {"bpemodel": "bpe.model", "src_bpemodel": "src_bpe.model"}
_ADVICE = "remove the model's directory and train it again"


class ModelConfig(TypedDict):
    """What a configuration holds at least."""

    token_list: list[str]
    bpemodel: str
    src_token_list: NotRequired[list[str] | None]
    src_bpemodel: NotRequired[str | None]
    frontend: NotRequired[str | None]
    frontend_conf: NotRequired[dict[str, Any] | None]


@contextlib.contextmanager
def buildable(task: str) -> Iterator[None]:
    """Turn what stops a model from being built within the block into a line that names the model's options.

    Raises:
        ConfigError: anything but an error of this package, or of memory, was raised.
    """
    try:
        yield
    except (StxferError, MemoryError):
        raise
    except Exception as error:  # of an option that a class does not have, of sizes that do not fit each other
        reason = " ".join(str(error).split())[:300]
        raise ConfigError(f"no {task} model can be built: {type(error).__name__}: {reason}; correct 'model' of the "
                          "experiment file") from error


def read_config(directory: Path) -> dict[str, Any]:
    """Return a model's configuration; files that the model needs are named from here.

    Raises:
        DataError: it is absent, is not YAML, or lacks what opens the model.
    """
    path = directory / CONFIG
    try:
        config: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        if (directory / STOCK / STOCK_MODEL).exists():
            raise DataError(f"{directory}: stock ESPnet has trained this system, and its own commands alone open it, "
                            f"from {directory / STOCK}") from None
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
        encoder = (config.get("frontend_conf") or {}).get("model")
        if not isinstance(encoder, str):
            raise DataError(f"{path}: frontend_conf.model: must name the pretrained encoder's directory; {_ADVICE}")
        config["frontend_conf"]["model"] = located(encoder)
    return config
