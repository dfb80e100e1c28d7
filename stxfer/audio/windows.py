"""Speech through an encoder: utterances in windows, windows in batches."""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from stxfer.audio.io import SAMPLE_RATE
from stxfer.core.errors import StxferError

if TYPE_CHECKING:
    import torch

FRAME_RATE = 50  # frames a second of every encoder
# Frames. An utterance of more than WINDOW goes through in overlapping windows of so many, since attention takes memory
# by the square; each but the first and last gives its frames without CONTEXT on either side.
WINDOW, CONTEXT = 2000, 250
# On a GPU: what a frame of a batch takes at most (the convolutions of wav2vec 2.0 make 64 columns of 512 numbers of a
# frame, and several copies of them), and the frames that are enough to keep it busy.
FRAME_BYTES, ENOUGH = 2 ** 20, 20000
log = logging.getLogger(__name__)


class Window(NamedTuple):
    """What goes through the network at once: its input, and how many frames of output are wanted of it."""

    values: np.ndarray
    frames: int


class Encoder(ABC):
    """A network that gives the outputs of some of its layers; no other utterance changes an utterance's output.

    On a CPU each window goes through by itself. On a GPU windows go through in batches that fit its memory.

    Subclasses give the network's input, the size of a window, and the outputs of some windows.

    Attributes:
        network: of transformers, in evaluation mode.
        least: samples that give one frame.
        window: frames that go through at once.
        pads: whether windows of different lengths may be one batch.
        fills: whether every window is filled up with silence.
        limit: padded frames of a batch; 0: a window at a time.
    """

    network: Any
    least: int
    window: int
    pads, fills = True, False

    def __init__(self) -> None:
        from stxfer.core.devices import device

        self.device = device()
        self.limit = 0

    def __call__(self, utterances: Sequence[np.ndarray]) -> list[np.ndarray]:
        """Map utterances, float32 (n,), to the layers' outputs side by side, each float32 (T, layers * size).

        Raises:
            StxferError: a single window does not fit the GPU's memory.
        """
        inputs = [self.prepare(samples) for samples in utterances]
        spans = [(k, *span) for k, values in enumerate(inputs) for span in self.spans(self.frames(values))]
        outputs = self._outputs([Window(self.cut(inputs[k], first, last), last - first)
                                 for k, first, last, _, _ in spans])
        parts: list[list[np.ndarray]] = [[] for _ in inputs]
        for (k, first, _, begin, end), output in zip(spans, outputs, strict=True):
            parts[k].append(output[begin - first:end - first])
        return [of_one[0] if len(of_one) == 1 else np.concatenate(of_one) for of_one in parts]

    @property
    def place(self) -> torch.device:
        """Where the network is."""
        found: torch.device = next(self.network.parameters()).device
        return found

    @property
    def at_once(self) -> float:
        """How many seconds of speech to give it in one call."""
        return self.limit / FRAME_RATE

    def fit_memory(self) -> None:
        """Choose the size of batches by the memory that is free; to be called when the network is on its device."""
        import torch

        if self.device.type == "cuda":
            self.limit = min(ENOUGH, torch.cuda.mem_get_info(self.device)[0] // FRAME_BYTES)

    def spans(self, frames: int) -> list[tuple[int, int, int, int]]:
        """Return each window's first and last frame, and those of its output that are kept."""
        if frames <= self.window:
            return [(0, frames, 0, frames)]
        core = self.window - 2 * CONTEXT
        ends = [(begin, min(begin + core, frames)) for begin in range(0, frames, core)]
        return [(max(0, begin - CONTEXT), min(end + CONTEXT, frames), begin, end) for begin, end in ends]

    def _outputs(self, windows: Sequence[Window]) -> list[np.ndarray]:
        """Return the windows' outputs; a batch that does not fit is halved, and so are those after it."""
        import torch

        found: dict[int, np.ndarray] = {}
        sizes = [self.window if self.fills else window.frames for window in windows]
        todo = sorted(range(len(windows)), key=lambda k: -sizes[k])  # what does not fit shows at once
        while todo:
            batch = todo[:self._count([sizes[k] for k in todo])]
            try:
                outputs = self.hidden([windows[k] for k in batch])
            except torch.OutOfMemoryError:
                outputs = []
            if not outputs:  # not in the handler, whose traceback keeps what has been computed
                self._halve(len(batch), sizes[batch[0]])
                continue
            found.update(zip(batch, outputs, strict=True))
            todo = todo[len(batch):]
        return [found[k] for k in range(len(windows))]

    def _count(self, lengths: Sequence[int]) -> int:
        """Return how many of the windows, longest first, are one batch."""
        most = max(1, self.limit // lengths[0])
        return most if self.pads else min(most, lengths.count(lengths[0]))

    def _halve(self, count: int, longest: int) -> None:
        import torch

        seconds = f"{longest / FRAME_RATE:.1f} s"
        if count == 1:
            raise StxferError(f"the encoder does not fit the GPU's memory with {seconds} of speech: give it less to "
                              "share the GPU with (--nj 1), or hide it: CUDA_VISIBLE_DEVICES=")
        self.limit = longest * (count // 2)
        log.warning("the GPU's memory does not hold %d windows of up to %s at once; trying %d", count, seconds,
                    count // 2)
        torch.cuda.empty_cache()

    @abstractmethod
    def prepare(self, samples: np.ndarray) -> np.ndarray:
        """Return what the network reads of an utterance."""

    @abstractmethod
    def frames(self, values: np.ndarray) -> int:
        """Return how many frames the network makes of its input."""

    @abstractmethod
    def cut(self, values: np.ndarray, first: int, last: int) -> np.ndarray:
        """Return the part of the input that frames ``first`` to ``last`` are heard in by themselves."""

    def hidden(self, windows: Sequence[Window]) -> list[np.ndarray]:
        """Return each window's output, float32 (frames, layers * size)."""
        import torch

        with torch.inference_mode():
            layers = self.layers(windows)
            return [np.concatenate([layer[k, :window.frames].float().cpu().numpy() for layer in layers], axis=1)
                    for k, window in enumerate(windows)]

    @abstractmethod
    def layers(self, windows: Sequence[Window]) -> list[torch.Tensor]:
        """Return the layers' outputs, each (B, T, size), from which gradients lead to the network's parameters."""


def milliseconds(samples: int) -> str:
    """Return a number of samples as time, for messages."""
    return f"{1000 * samples / SAMPLE_RATE:g} ms"
