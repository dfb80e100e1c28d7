"""Make ``import espnet2.tasks.*`` fast; import this module before any of espnet's.

Two imports cost 8-11 of 12-15 s and do nothing for us: typeguard re-instruments every decorated
function, and ``espnet2.text.phoneme_tokenizer`` imports g2p_en, which looks for nltk data on the
network. No recipe here uses phonemes.
"""

from __future__ import annotations

import importlib.util
import os
import sys
import types
from collections.abc import Callable
from typing import Any

import typeguard


def _pass_through(function: Callable[..., Any] | None = None, **_: Any) -> Callable[..., Any]:
    return function if function is not None else (lambda wrapped: wrapped)


if "espnet2" not in sys.modules:
    typeguard.typechecked = _pass_through  # type: ignore[assignment]
    if "g2p_en" not in sys.modules:
        stub = types.ModuleType("g2p_en")
        stub.__spec__ = importlib.util.spec_from_loader("g2p_en", loader=None)
        stub.G2p = None  # type: ignore[attr-defined]
        sys.modules["g2p_en"] = stub
    # ESPnet's trainer imports matplotlib; its font cache must not land in a read-only home.
    os.environ.setdefault("MPLBACKEND", "Agg")
