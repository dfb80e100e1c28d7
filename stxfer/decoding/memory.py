"""Batches as large as the GPU's memory holds."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, TypeVar

from stxfer.core.errors import StxferError

if TYPE_CHECKING:
    import torch

Item = TypeVar("Item")
Result = TypeVar("Result")
# What a frame of input takes at most in the search, by its largest tensors (CTC's lattice of a beam of 10 and its
# posteriors of 5,000 tokens), and the frames that are enough to keep a GPU busy.
FRAME_BYTES, ENOUGH = 2 ** 16, 200_000
log = logging.getLogger(__name__)


def batch_frames(asked: int, where: torch.device) -> int:
    """Return how many frames are searched together: so many as are asked for, on a GPU as many as its memory holds."""
    import torch

    if where.type != "cuda":
        return asked
    free = torch.cuda.mem_get_info(where)[0]
    return max(1, min(max(asked, ENOUGH), free // FRAME_BYTES))


def fitted(batches: Iterable[list[Item]], work: Callable[[list[Item]], Result]) -> Iterator[tuple[list[Item], Result]]:
    """Yield each batch and what is made of it; one that the GPU's memory does not hold is halved, and so are all after.

    Args:
        batches: none empty.
        work: raises ``torch.OutOfMemoryError`` where a batch does not fit.

    Raises:
        StxferError: a single item does not fit.
    """
    import torch

    parts = 1
    for batch in batches:
        todo = _parted(batch, parts)
        while todo:
            part = todo.pop(0)
            made: list[Result] = []
            with contextlib.suppress(torch.OutOfMemoryError):
                made.append(work(part))
            if made:
                yield part, made[0]
                continue
            if len(part) == 1:  # not in a handler, whose traceback keeps what has been computed
                raise StxferError("the GPU's memory does not hold a single utterance of a batch: give the GPU to fewer "
                                  "processes (--nj 1), lower beam_size, or hide it: CUDA_VISIBLE_DEVICES=")
            parts *= 2
            log.warning("the GPU's memory does not hold a batch of %d; halving it and those that follow", len(part))
            torch.cuda.empty_cache()
            todo = [half for one in (part, *todo) for half in _parted(one, 2)]


def mixed_precision(amp: bool, where: torch.device) -> contextlib.AbstractContextManager[object]:
    """Return a context in which a GPU computes in bfloat16, if that is asked for."""
    import torch

    return torch.autocast(where.type, torch.bfloat16) if amp and where.type == "cuda" else contextlib.nullcontext()


def _parted(batch: list[Item], parts: int) -> list[list[Item]]:
    """Return a batch in ``parts`` of about the same number of items, none empty."""
    size = -(-len(batch) // parts)
    return [batch[k:k + size] for k in range(0, len(batch), size)]
