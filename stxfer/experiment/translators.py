"""What an experiment file may say of a label source, by translator. Imports nothing, as the configuration reads it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Trained:
    """MT trained here on the first ``pairs`` pairs of the bitext; 0: all."""

    pairs: int = 0


@dataclass(frozen=True)
class CTranslate2:
    """A pretrained model that ``stxfer.bin.convert_mt`` has converted; the beam is that of ``decode.mt``.

    ``source`` and ``target`` are the model's own language codes (``eng_Latn``, ``sw``), where it has any.
    ``text`` is what it reads: ``raw``, the transcript as the corpus has it, with the case and punctuation that such
    models are trained on; or ``normalised``. ``compute_type`` auto is int8 on a CPU and float16 on a GPU.
    ``length_penalty`` divides scores by a power of the length.
    """

    model: str = ""
    source: str = ""
    target: str = ""
    text: str = "raw"
    compute_type: str = "auto"
    device: str = "auto"
    length_penalty: float = 1.0


@dataclass(frozen=True)
class Apertium:
    """The rule-based engine in one of its modes, e.g. ``spa-cat``.

    ``unknown`` says what becomes of a word it does not know: ``keep`` it as it is, ``mark`` it with ``*`` as
    Apertium does, or ``drop`` it. ``text`` is as :class:`CTranslate2`'s.
    """

    mode: str = ""
    unknown: str = "keep"
    text: str = "raw"


@dataclass(frozen=True)
class Precomputed:
    """Translations read from ``file``: ``utterance translation``, or ``source<TAB>target`` by sentence (.tsv)."""

    file: str = ""


@dataclass(frozen=True)
class Human:
    """The corpus's own translations, ``text.<target>.human``."""


@dataclass(frozen=True)
class Transliterate:
    """The source transcript written in the target's script, by the rules of ``map``: a file, or a built-in's name."""

    map: str = ""


OPTIONS = {"trained": Trained, "ctranslate2": CTranslate2, "apertium": Apertium, "precomputed": Precomputed,
           "human": Human, "transliterate": Transliterate}
TEXTS = ("raw", "normalised")
REQUIRED = {"ctranslate2": ("model",), "apertium": ("mode",), "precomputed": ("file",), "transliterate": ("map",)}
