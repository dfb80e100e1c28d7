"""ESPnet's reading of files, made to run nothing that they hold."""

from __future__ import annotations

import contextlib
import datetime
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch

from stxfer.audio.ark import FeatureTable
from stxfer.core.errors import StxferError, first_line
from stxfer.model.espnet import DATA_TYPES, AdapterForSoundScpReader


def _harmless() -> list[Any]:
    """Return what ESPnet's ``checkpoint.pth`` holds beside tensors: durations and numpy numbers."""
    return [datetime.timedelta, np.dtype, *(type(np.dtype(kind)) for kind in ("float32", "float64", "int64")),
            np.float64(0).__reduce__()[0]]


@contextlib.contextmanager
def safe_reads() -> Iterator[None]:
    """Within the block ``torch.load`` refuses what is not numbers, and ESPnet's ``kaldi_ark`` what is not matrices.

    ESPnet reads parameters and checkpoints with ``weights_only=False``, which runs what a pickle names, and features
    by kaldiio, which runs commands in ``feats.scp`` and pickles in archives.

    Raises:
        StxferError: ``torch.load`` refuses a file, or it is damaged.
    """
    plain = torch.load
    reader = DATA_TYPES["kaldi_ark"]["func"]

    def load(source: Any, *args: Any, **options: Any) -> Any:
        try:
            with torch.serialization.safe_globals(_harmless()):
                return plain(source, *args, **{**options, "weights_only": True})
        except FileNotFoundError:
            raise
        except Exception as error:  # torch raises several kinds for damaged or unsafe files
            raise StxferError(f"{source}: damaged, or holds more than numbers, which could run code and is not read "
                              f"({first_line(error)}); remove {Path(str(source)).parent} and train again"
                              ) from None

    def features(path: Any, float_dtype: Any = None, **_: Any) -> Any:
        return AdapterForSoundScpReader(FeatureTable(path), float_dtype)

    torch.load = load  # type: ignore[assignment]  # the same calls, fewer files
    DATA_TYPES["kaldi_ark"]["func"] = features
    try:
        yield
    finally:
        torch.load = plain
        DATA_TYPES["kaldi_ark"]["func"] = reader
