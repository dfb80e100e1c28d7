"""What an experiment file may say of a label source, by translator. Imports nothing that translates."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from stxfer.core.options import Options, options
from stxfer.experiment.types import Number, Whole, Words

Reads = Literal["raw", "normalised"]
Needed = Annotated[Words, Field(min_length=1)]


@options
class Trained(Options):
    """MT trained here on the bitext."""

    pairs: Whole = 0
    """On the first so many pairs of the bitext; 0: all."""


@options
class CTranslate2(Options):
    """A pretrained model that ``stxfer.bin.convert_mt`` has converted; the beam is that of ``decode.mt``."""

    model: Needed
    """The converted model's directory."""
    source: Words = ""
    """The model's own code of the source language (``eng_Latn``, ``sw``), where it has any."""
    target: Words = ""
    """The model's own code of the target language."""
    text: Reads = "raw"
    """What it reads: ``raw``, the transcript as the corpus has it, with the case and punctuation that such models are
    trained on; or ``normalised``."""
    compute_type: Literal["auto", "default", "int8", "int8_float32", "int8_float16", "int8_bfloat16", "int16",
                          "float16", "bfloat16", "float32"] = "auto"
    """auto is int8 on a CPU and float16 on a GPU."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    """auto is a GPU where there is one."""
    length_penalty: Number = 1.0
    """Divides scores by this power of the length."""


@options
class Apertium(Options):
    """The rule-based engine."""

    mode: Needed
    """One of its modes, e.g. ``spa-cat``."""
    unknown: Literal["keep", "mark", "drop"] = "keep"
    """What becomes of a word it does not know: ``keep`` it as it is, ``mark`` it with ``*`` as Apertium does, or
    ``drop`` it."""
    text: Reads = "raw"
    """What it reads, as of :class:`CTranslate2`."""


@options
class Precomputed(Options):
    """Translations from a file."""

    file: Needed
    """``utterance translation``, or ``source<TAB>target`` by sentence (.tsv)."""


@options
class Human(Options):
    """The corpus's own translations, ``text.<target>.human``."""


@options
class Transliterate(Options):
    """The source transcript written in the target's script, by rules."""

    map: Needed
    """The rules: a file, or a built-in's name."""


OPTIONS: dict[str, type[Options]] = {
    "trained": Trained, "ctranslate2": CTranslate2, "apertium": Apertium, "precomputed": Precomputed, "human": Human,
    "transliterate": Transliterate}
