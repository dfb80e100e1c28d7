"""Make ``import espnet2.tasks.*`` fast; import this module before any of espnet's.

Imports that cost 10-13 of 13-16 s do nothing for us: typeguard re-instruments every decorated function,
``espnet2.text.phoneme_tokenizer`` imports g2p_en, which looks for nltk data on the network, and wrappers of Hugging
Face models import half of transformers where it is installed. No recipe here uses phonemes, nltk's BLEU or those
wrappers: self-supervised encoders are run when features are made.
"""

from __future__ import annotations

import contextlib
import importlib.util
import io
import os
import sys
import types
from collections.abc import Callable, Iterator
from typing import Any

import typeguard

UNUSED = ("transformers", "nltk")


def _pass_through(function: Callable[..., Any] | None = None, **_: Any) -> Callable[..., Any]:
    return function if function is not None else (lambda wrapped: wrapped)


@contextlib.contextmanager
def _hidden(*names: str) -> Iterator[None]:
    """Within the block these modules, unless imported before, are empty ones that lack whatever is asked for."""
    stubs = {name: types.ModuleType(name) for name in names if name not in sys.modules}
    sys.modules.update(stubs)
    try:
        yield
    finally:
        for name in stubs:
            del sys.modules[name]


if "espnet2" not in sys.modules:
    typeguard.typechecked = _pass_through  # type: ignore[assignment]
    if "g2p_en" not in sys.modules:
        stub = types.ModuleType("g2p_en")
        stub.__spec__ = importlib.util.spec_from_loader("g2p_en", loader=None)
        stub.G2p = None  # type: ignore[attr-defined]
        sys.modules["g2p_en"] = stub
    # ESPnet's trainer imports matplotlib; its font cache must not land in a read-only home.
    os.environ.setdefault("MPLBACKEND", "Agg")
    # It prints that flash_attn is absent.
    with _hidden(*UNUSED), contextlib.redirect_stdout(io.StringIO()):
        import espnet2.tasks.asr
        import espnet2.tasks.mt  # noqa: F401
