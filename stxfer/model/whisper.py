"""Whisper with its own decoder and tokenizer, as transformers runs it (Radford et al., ICML 2023)."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from stxfer.audio.hub import AGAIN, GENERATION, whisper_files
from stxfer.audio.io import SAMPLE_RATE
from stxfer.core.errors import ConfigError
from stxfer.core.records import read_record
from stxfer.experiment.records import Generation
from stxfer.experiment.whisper import Whisper
from stxfer.model.lora import import_peft

TASK = "transcribe"
# Linear layers of encoder and decoder.
LORA_TARGETS = ("q_proj", "k_proj", "v_proj", "out_proj", "fc1", "fc2")


@dataclass(frozen=True)
class WhisperModel:
    """A Whisper, and what goes in and comes out of it.

    Attributes:
        network: a ``WhisperForConditionalGeneration``, or peft's model around one.
        processor: gives log-mel energies.
        tokenizer: gives tokens and text.
        prompt: tokens that all texts begin with: start, language, task, no times.
    """

    network: Any
    processor: Any
    tokenizer: Any
    prompt: tuple[int, ...]

    @property
    def window(self) -> int:
        """Samples that it hears at once."""
        return int(self.processor.n_samples)

    @property
    def seconds(self) -> float:
        """Seconds that it hears at once."""
        return self.window / SAMPLE_RATE

    @property
    def most_tokens(self) -> int:
        """Tokens that it can write, prompt and end included."""
        return int(self.network.config.max_target_positions)

    def energies(self, samples: Sequence[np.ndarray]) -> torch.Tensor:
        """Return log-mel energies of utterances that fit the window, (B, mel, frames), silence after them."""
        features: torch.Tensor = self.processor(list(samples), sampling_rate=SAMPLE_RATE,
                                                return_tensors="pt")["input_features"]
        return features

    def tokens(self, text: str) -> list[int]:
        """Return the tokens of a text with prompt and end; a space is before the first word, as in training."""
        return [*self.prompt, *self.tokenizer.encode(f" {text}", add_special_tokens=False),
                self.tokenizer.eos_token_id]

    def text(self, tokens: Sequence[int]) -> str:
        """Return the text of tokens, without special ones."""
        return " ".join(str(self.tokenizer.decode(list(tokens), skip_special_tokens=True)).split())


def open_whisper(options: Whisper, language: str, tuned: Path | None = None) -> WhisperModel:
    """Load a Whisper, on the CPU and in evaluation mode.

    Args:
        options: of the system; its ``language`` comes before the one spoken.
        language: the one spoken.
        tuned: directory that :func:`stxfer.training.whisper.tune_whisper` has left, none for Whisper as it is.

    Raises:
        ConfigError: the model cannot be read or does not know the language.
        DataError: files are missing.
    """
    directory = Path(options.model)
    whisper_files(directory)
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    import transformers

    transformers.utils.logging.set_verbosity_error()  # type: ignore[no-untyped-call]
    transformers.utils.logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    prompt = _prompt(directory, options.language or language)
    whole = tuned if tuned is not None and options.tune == "all" else directory
    try:  # classes by name, which run no code that a directory brings
        cls: Any = transformers.WhisperForConditionalGeneration
        network, info = cls.from_pretrained(whole, local_files_only=True, weights_only=True, dtype=torch.float32,
                                            output_loading_info=True)
        processor = transformers.WhisperFeatureExtractor.from_pretrained(directory, local_files_only=True)
        tokenizer = transformers.WhisperTokenizer.from_pretrained(directory, local_files_only=True)
    except Exception as error:  # whatever the readers of configurations and weights stumble over
        raise ConfigError(f"{whole}: Whisper cannot be loaded: {' '.join(str(error).split())[:300]}") from None
    if missing := sorted(name for name in info["missing_keys"] if name != "proj_out.weight"):  # the embedding's
        raise ConfigError(f"{whole}: the weights lack {len(missing)} parameters of Whisper, {missing[0]} first; "
                          "download the whole directory")
    if tuned is not None and options.tune == "lora":
        network = import_peft().PeftModel.from_pretrained(network, str(tuned)).merge_and_unload()
    return WhisperModel(network.eval(), processor, tokenizer, prompt)


def _prompt(directory: Path, language: str) -> tuple[int, ...]:
    config = read_record(directory / GENERATION, Generation, AGAIN)
    try:
        languages, tasks = config["lang_to_id"], config["task_to_id"]
        start, silent = config["decoder_start_token_id"], config["no_timestamps_token_id"]
        task = tasks[TASK]
    except KeyError as error:
        raise ConfigError(f"{directory / GENERATION}: has no {error}: only multilingual Whispers can be fine-tuned "
                          "here") from None
    token = f"<|{language.partition('-')[0]}|>"
    if token not in languages:
        known = " ".join(sorted(name.strip("<|>") for name in languages))
        raise ConfigError(f"{directory}: Whisper does not know the language {language!r}; set whisper.language to one "
                          f"near to it, of: {known}")
    return start, languages[token], task, silent
