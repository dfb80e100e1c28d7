"""Directories of pretrained speech models in the layout of the Hugging Face hub: what they hold, before it is read."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stxfer.audio.encoders import FAMILIES
from stxfer.audio.io import SAMPLE_RATE
from stxfer.core.digests import file_digest
from stxfer.core.errors import ConfigError, DataError
from stxfer.core.records import read_record
from stxfer.experiment.records import HubConfig, Preprocessor, WeightIndex

CONFIG, PREPROCESSOR = "config.json", "preprocessor_config.json"
TOKENIZER, GENERATION = "tokenizer.json", "generation_config.json"  # of Whisper
WEIGHTS = ("model.safetensors", "model.safetensors.index.json", "pytorch_model.bin", "pytorch_model.bin.index.json")
AGAIN = "download it again"


@dataclass(frozen=True)
class HubModel:
    """A pretrained speech model.

    Attributes:
        directory: where it lies.
        family: its ``model_type``, a key of :data:`stxfer.audio.encoders.FAMILIES`.
        layers: Transformer layers of its encoder.
        size: dimension of their output.
        files: those that decide what the encoder computes.
    """

    directory: Path
    family: str
    layers: int
    size: int
    files: tuple[Path, ...]

    def digest(self) -> str:
        """Return a digest of the files."""
        return files_digest(self.files)

    @property
    def usual(self) -> int:
        """The layer whose output is taken unless another is asked for: Whisper's last, others' three quarters up."""
        return self.layers if self.family == "whisper" else max(1, round(0.75 * self.layers))

    def check_layer(self, number: int, key: str) -> None:
        """Raise ConfigError if there is no such layer; ``key`` is what an experiment file calls it."""
        if number > self.layers:
            raise ConfigError(f"{self.directory}: {key} {number}: the encoder has {self.layers} layers")


def digest(seen: Mapping[str, Mapping[str, Any]]) -> str:
    """Return a digest of files that :func:`stxfer.core.fresh.watch` has seen, wherever they lie."""
    return hashlib.sha256("".join(f"{Path(path).name} {file['sha256']}\n" for path, file in seen.items()).encode()
                          ).hexdigest()


def files_digest(files: Iterable[Path]) -> str:
    """Return the same digest of files that are there; each is read once in a process."""
    return digest({str(path): {"sha256": file_digest(path)} for path in files})


def open_hub_model(directory: Path) -> HubModel:
    """Find out what a directory holds; nothing is fetched.

    Raises:
        ConfigError: a model that cannot be used.
        DataError: files are missing or broken.
    """
    if not directory.is_dir():
        raise DataError(f"{directory}: no such directory; download the model first, e.g. with 'hf download NAME "
                        "--local-dir DIR' (nothing is downloaded here)")
    config = read_record(directory / CONFIG, HubConfig, AGAIN)
    family = config.get("model_type")
    if family not in FAMILIES:
        raise ConfigError(f"{directory / CONFIG}: model_type {family!r} is no speech encoder that can be used; known: "
                          f"{' '.join(FAMILIES)}")
    names = ("encoder_layers", "d_model") if family == "whisper" else ("num_hidden_layers", "hidden_size")
    layers, size = (config.get(name) for name in names)
    files = (directory / CONFIG, directory / PREPROCESSOR, *_weights(directory))
    if missing := [path.name for path in files if not path.exists()]:
        raise DataError(f"{directory}: lacks {', '.join(missing)}; download the whole directory")
    for path in files:
        check_whole(path)
    rate = read_record(directory / PREPROCESSOR, Preprocessor, AGAIN).get("sampling_rate", SAMPLE_RATE)
    if rate != SAMPLE_RATE:
        raise ConfigError(f"{directory / PREPROCESSOR}: the encoder hears {rate} Hz, but only encoders of "
                          f"{SAMPLE_RATE} Hz can be used")
    if not isinstance(layers, int) or not isinstance(size, int):
        raise DataError(f"{directory / CONFIG}: {' and '.join(names)} must be whole numbers")
    return HubModel(directory, family, layers, size, files)


def whisper_files(directory: Path) -> list[Path]:
    """Return the files that decide what a Whisper computes.

    Raises:
        ConfigError: the directory holds another model.
        DataError: files are missing.
    """
    model = open_hub_model(directory)
    if model.family != "whisper":
        raise ConfigError(f"{directory}: a {model.family} has no decoder to fine-tune; give a Whisper, or put it under "
                          "the experiment's own decoder with model.frontend")
    own = [directory / name for name in (TOKENIZER, GENERATION)]
    if missing := [path.name for path in own if not path.exists()]:
        raise DataError(f"{directory}: lacks {', '.join(missing)}; download the whole directory")
    return [*model.files, *own]


def _weights(directory: Path) -> list[Path]:
    """Return the files of the weights that transformers reads: safetensors before pickles of tensors."""
    found = next((name for name in WEIGHTS if (directory / name).exists()), WEIGHTS[0])
    if not found.endswith(".index.json"):
        return [directory / found]
    shards = sorted(set(read_record(directory / found, WeightIndex, AGAIN)["weight_map"].values()))
    return [directory / found, *(directory / name for name in shards)]


def check_whole(path: Path) -> None:
    """Raise DataError for a safetensors file that was cut short, by a broken download say; others are not read."""
    from safetensors import SafetensorError, safe_open

    if path.suffix == ".safetensors":
        try:
            with safe_open(path, framework="numpy"):
                pass
        except (OSError, SafetensorError) as error:
            raise DataError(f"{path}: not a whole file of weights ({error}); download it again") from None
