"""Every change that this package makes to other packages while it runs, and what it reads of their internals.

Patches, each a function of this module:

======================  ==============================================================================================
:func:`fast_imports`    ``typeguard.typechecked`` does nothing; ``g2p_en`` is a stub; ``transformers`` and ``nltk`` are
                        hidden while ESPnet is imported; what it prints is swallowed; ``MPLBACKEND`` is ``Agg``
:func:`quiet_builds`    the root logger's level and ``sys.argv`` while a model is built
:func:`quiet_training`  warnings that ESPnet's trainer gives of itself are not shown
======================  ==============================================================================================

Beside these, :mod:`stxfer.model.build` adds classes to ESPnet's ``encoder_choices``, ``decoder_choices`` and
``model_choices``, and :mod:`stxfer.model.safe_reads` replaces ``torch.load`` and ESPnet's reader of features
while it trains, :mod:`stxfer.model.saves` ``torch.save``. ``INTERNALS`` lists what else is read. All of it was
checked against the versions in ``CHECKED``, and ``tests/test_espnet_patches.py`` fails when one of those packages
changes underneath.
"""

from __future__ import annotations

import contextlib
import importlib.util
import io
import logging
import os
import sys
import types
import warnings
from collections.abc import Iterator
from typing import Any

import typeguard

from stxfer.core.errors import ConfigError

CHECKED = {"espnet": "202511", "torch": "2.11.0", "typeguard": "4.6.0"}
UNUSED = ("transformers", "nltk")  # which ESPnet imports for wrappers and scores that no recipe here uses

# Module of this package: what it reads of ESPnet beyond documented calls.
INTERNALS = {
    "stxfer.decoding.search.transformer": (
        "TransformerDecoder: embed, decoders, normalize_before, after_norm, output_layer",
        "DecoderLayer: self_attn, src_attn, feed_forward, norm1-3, concat_after, concat_linear1-2, normalize_before",
        "MultiHeadedAttention: h, linear_q, linear_k, linear_v, linear_out, q_norm, k_norm"),
    "stxfer.decoding.search.attention": (
        "MultiHeadedAttention: h, d_k, linear_q, linear_k, linear_v, linear_out, q_norm, k_norm",
        "PositionalEncoding: pe, extend_pe, xscale; ScaledPositionalEncoding: pe, extend_pe, alpha"),
    "stxfer.decoding.search.lm": (
        "SequentialRNNLM: forward, decoder; TransformerLM: embed, encoder, decoder",
        "Encoder: embed, encoders, after_norm; EncoderLayer: self_attn, feed_forward, norm1-2"),
    "stxfer.model.encoder": ("encoders with input_layer None: embed is None, then a positional encoding",),
    "stxfer.model.smoothing": ("LabelSmoothingLoss: size, padding_idx, smoothing, normalize_length",),
    "stxfer.model.frontend": ("ASRTask.build_model: frontend.output_size is the encoder's input_size if that is None",),
    "stxfer.model.recogniser": ("ESPnetASRModel: frontend, encoder, decoder, ctc, encode; ESPnetLanguageModel: lm",),
    "stxfer.training.run_espnet": ("AbsTask.build_optimizers: returns one optimiser of args.optim_conf",),
    "stxfer.model.build": ("ESPnetMTModel: criterion_mt, decoder.embed[0] shared with decoder.output_layer",),
    "stxfer.model.berard": ("initialize: calls espnet_initialization_fn of modules last",),
    "stxfer.training.checkpoint": (
        "Trainer.run: checkpoint.pth before <n>epoch.pth; keys model, reporter, ... ; reporter: epoch, stats",
        "average_nbest_models: ave_<n>best.pth of n epochs, ave_1best.pth alone where there are fewer"),
}


@contextlib.contextmanager
def needed(what: str, extra: str = "") -> Iterator[None]:
    """Turn an import that fails within the block into a line that says how to install what is missing.

    Args:
        what: it is that is imported.
        extra: packages to install beside ESPnet, which comes without those that it lists itself.

    Raises:
        ConfigError: the import fails.
    """
    try:
        yield
    except ImportError as error:
        first = f"pip install '{extra}' and " if extra else ""
        raise ConfigError(f"{what} is not installed ({error}): {first}pip install --no-deps "
                          f"espnet=={CHECKED['espnet']}") from None


@contextlib.contextmanager
def fast_imports() -> Iterator[None]:
    """Within the block ``import espnet2...`` takes 3 s in place of 13 to 16.

    The imports left out do nothing for ASR, ST and MT: typeguard instruments every decorated function anew,
    ``espnet2.text.phoneme_tokenizer`` imports g2p_en, which looks for nltk data on the network, and wrappers of Hugging
    Face models import half of transformers. Pretrained encoders are run by :mod:`stxfer.audio.encoders`,
    so that transformers is not lost: it can be imported afterwards. typeguard and g2p_en stay as
    they are left here. Does nothing if ESPnet's tasks are imported already.
    """
    if "espnet2.tasks.asr" in sys.modules:
        yield
        return
    typeguard.typechecked = _pass_through  # type: ignore[assignment]
    if "g2p_en" not in sys.modules:
        stub = types.ModuleType("g2p_en")
        stub.__spec__ = importlib.util.spec_from_loader("g2p_en", loader=None)
        stub.G2p = None  # type: ignore[attr-defined]
        sys.modules["g2p_en"] = stub
    os.environ.setdefault("MPLBACKEND", "Agg")  # ESPnet imports matplotlib: no window, no display
    with _hidden(*UNUSED), contextlib.redirect_stdout(io.StringIO()):  # ESPnet prints that flash_attn is absent
        yield


def _pass_through(function: Any = None, **_: Any) -> Any:
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


@contextlib.contextmanager
def quiet_builds() -> Iterator[None]:
    """Within the block ESPnet does not log how it builds a model, and sees no command line.

    ``AbsTask.get_default_config`` parses ``sys.argv`` and would read a ``--config`` that is this package's.
    """
    root, argv = logging.getLogger(), sys.argv
    level = root.level
    root.setLevel(logging.WARNING)
    sys.argv = argv[:1]
    try:
        yield
    finally:
        root.setLevel(level)
        sys.argv = argv


@contextlib.contextmanager
def quiet_training() -> Iterator[None]:
    """Within the block ESPnet's trainer does not warn of PyTorch calls of its own, nor of figures not measured."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", r"`torch\.cuda\.amp", FutureWarning)
        warnings.filterwarnings("ignore", "No valid stats found", UserWarning)  # CER, say
        yield
