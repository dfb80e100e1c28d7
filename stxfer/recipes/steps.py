"""How long a training step takes on this machine: the model is built, and a step of it on made-up input is timed.

The clock is that of the processor's time on one thread, which other work on the machine disturbs less than it does a
clock on the wall. A step is timed on a part of a batch and scaled up: it costs what its frames cost.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from stxfer.core.threads import use_threads
from stxfer.experiment.training import Phase
from stxfer.model.build import build_model
from stxfer.training.espnet_config import model_config
from stxfer.training.spec import Text

SAMPLE = 3000  # frames, or tokens of text, of the part of a batch that is timed
MORE, LONG = 2, 0.5  # times that a step is timed again, if it takes less than so many seconds
MATRIX = 768  # side of the matrices whose product tells how fast the processor is


@dataclass(frozen=True)
class Vocabulary(Text):
    """A vocabulary of so many pieces, which need not have been learnt."""

    size: int = 0

    @property
    def tokens(self) -> list[str]:
        """Names for the pieces."""
        return ["<blank>", "<unk>", *(f"p{k}" for k in range(self.size - 3)), "<sos/eos>"]


@dataclass(frozen=True)
class Training:
    """What a step's time depends on.

    Attributes:
        task: ``asr``, ``st``, ``text``, ``mt`` or ``lm``.
        model: the experiment's words.
        phase: the schedule.
        columns: dimension of the features; 0 of text.
        frames: of an utterance.
        tokens: of its text.
        vocab: pieces of the vocabulary.
        length: of an utterance, as ``batch_frames`` counts: frames, words of MT's source side, tokens.
    """

    task: str
    model: Mapping[str, Any]
    phase: Phase
    columns: int
    frames: int
    tokens: int
    vocab: int
    length: float


@dataclass(frozen=True)
class Step:
    """Processor seconds of a step on one thread, and of encoding once what it learns from.

    Attributes:
        seconds: of a step.
        encode: of the encoder's forward pass over a step's batch.
        parameters: of the model.
    """

    seconds: float
    encode: float
    parameters: int


def gigaflops() -> float:
    """Return how many billion operations a second one thread multiplies matrices with."""
    use_threads(1)
    left, right = torch.randn(MATRIX, MATRIX), torch.randn(MATRIX, MATRIX)
    best = min(_clock(lambda: torch.mm(left, right)) for _ in range(10))
    return 2 * MATRIX ** 3 / best / 1e9


def time_step(training: Training) -> Step:
    """Time a step.

    Raises:
        ConfigError: no model can be built of what the experiment says.
    """
    use_threads(1)
    torch.manual_seed(0)
    phase, vocabulary = training.phase, Vocabulary(Path(), training.vocab)
    task = "asr" if training.task in ("st", "text") else training.task
    config = model_config(task, training.model, phase, training.columns, vocabulary,
                          vocabulary if task == "mt" else None)
    config.pop("model", None)  # that of encoded input: the encoder is timed, and its time taken off
    model: Any = build_model(task, config).train()
    for name, parameter in model.named_parameters():
        if any(name.startswith(f"{part}.") for part in phase.freeze):
            parameter.requires_grad_(requires_grad=False)
    learnt = [parameter for parameter in model.parameters() if parameter.requires_grad]
    optimiser = torch.optim.AdamW(learnt)
    of_batch = phase.batch_frames / max(1.0, training.length)
    count = max(1, min(round(of_batch), SAMPLE // max(1, training.frames or training.tokens)))
    batch = _batch(task, training, count)

    def step() -> None:
        optimiser.zero_grad()
        loss, _, _ = model(**batch)
        loss.backward()
        optimiser.step()

    step()
    scale = max(1.0, of_batch / count) * phase.accum
    seconds = _clock(step)
    for _ in range(MORE):
        if seconds < LONG:
            seconds = min(seconds, _clock(step))
    encode = 0.0
    if training.columns and (phase.encode_once or training.task == "text"):
        with torch.no_grad():
            encode = _clock(lambda: model.encode(batch["speech"], batch["speech_lengths"]))
        seconds = max(0.1 * seconds, seconds - encode)
    return Step(seconds * scale, encode * scale, sum(parameter.numel() for parameter in model.parameters()))


def _batch(task: str, training: Training, count: int) -> dict[str, torch.Tensor]:
    text = torch.randint(2, training.vocab - 1, (count, max(1, training.tokens)))
    batch = {"text": text, "text_lengths": torch.full((count,), text.size(1))}
    if task == "mt":
        batch |= {"src_text": text.clone(), "src_text_lengths": batch["text_lengths"].clone()}
    elif task == "asr":
        batch |= {"speech": torch.randn(count, training.frames, training.columns),
                  "speech_lengths": torch.full((count,), training.frames)}
    return batch


def _clock(what: Callable[[], object]) -> float:
    begun = time.process_time()
    what()
    return time.process_time() - begun
