"""Tokens of pretrained translators, as each family's own tokenizer makes them, through SentencePiece alone.

Families are told by ``model_type`` of the hub's ``config.json``: Marian (OPUS-MT), M2M-100 (NLLB-200 too) and T5
(MADLAD-400). What they share is that SentencePiece cuts the text; they differ in where the languages are named:

========  ==================  ==========================================  ==================
family    languages           source tokens                               first target token
========  ==================  ==========================================  ==================
Marian    none or a target    ``[>>swa<<] pieces </s>``
M2M-100   both, ``__sw__``    ``__en__ pieces </s>``                      ``__sw__``
NLLB-200  both, ``swh_Latn``  ``eng_Latn pieces </s>``                    ``swh_Latn``
T5        a target            ``pieces of "<2sw> text" </s>``
========  ==================  ==========================================  ==================
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from stxfer.core.errors import ConfigError
from stxfer.text.vocab import open_pieces

EOS = "</s>"


@dataclass(frozen=True)
class Family:
    """What the models of a family have in common.

    Attributes:
        name: how messages call it.
        pieces: the SentencePiece models of source and target, by their names on the hub.
        files: what else a directory must hold to be converted.
        language: what a language code looks like in the vocabulary; its group 1 is what a user writes.
        both: the source language is named too.
    """

    name: str
    pieces: tuple[str, str]
    files: tuple[str, ...]
    language: str
    both: bool = False


_SHARED = ("sentencepiece.bpe.model", "sentencepiece.bpe.model")
MARIAN = Family("Marian", ("source.spm", "target.spm"), ("vocab.json",), r">>([\w-]+)<<")
M2M = Family("M2M-100", _SHARED, ("vocab.json",), r"__([a-z]{2,3})__", both=True)
NLLB = Family("NLLB-200", _SHARED, (), r"([a-z]{3}_[A-Z][a-z]{3})", both=True)
T5 = Family("T5", ("spiece.model", "spiece.model"), (), r"<2(\w+)>")
FAMILIES = {family.name: family for family in (MARIAN, M2M, NLLB, T5)}


def family_of(config: Mapping[str, object], directory: Path) -> Family:
    """Return the family of a model by its ``config.json``.

    Raises:
        ConfigError: a family whose tokens are not known here.
    """
    kind = config.get("model_type")
    if kind == "m2m_100":  # NLLB has no configuration class of its own, nor the vocabulary file of M2M-100
        return M2M if (directory / "vocab.json").exists() else NLLB
    if kind in ("t5", "mt5", "umt5"):
        return T5
    if kind == "marian":
        return MARIAN
    raise ConfigError(f"{directory}/config.json: model_type {kind!r} is no translator that can be converted; known: "
                      "marian (OPUS-MT), m2m_100 (M2M-100, NLLB-200), t5 (MADLAD-400)")


class Pieces:
    """Source text to tokens and target tokens to text, for one pair of languages.

    Args:
        directory: where the SentencePiece models lie.
        family: of the model.
        vocabulary: the model's tokens.
        source: the source language's code, empty where the family has none.
        target: the target language's code, empty where the model knows one language alone.

    Raises:
        ConfigError: the model does not know a language, or needs one that is not given.
        DataError: a SentencePiece model is not there or cannot be read.
    """

    def __init__(self, directory: Path, family: Family, vocabulary: Sequence[str], source: str, target: str) -> None:
        self._source, self._target = (open_pieces(directory / name) for name in family.pieces)
        known = languages(family, vocabulary)
        if source and not family.both:
            raise ConfigError(f"{directory}: source {source!r}: a {family.name} model is not told the source language; "
                              "leave 'source' out")
        first = _language(directory, "source", source, known) if family.both else ""
        second = _language(directory, "target", target, known)
        self.target_prefix = [second] if family.both else []
        self._text_prefix = f"{second} " if family is T5 and second else ""
        self._prefix = [first] if family.both else [second] if family is MARIAN and second else []

    def encode(self, sentences: Sequence[str]) -> list[list[str]]:
        """Return the tokens of each sentence, languages and end of sentence included."""
        pieces = self._source.encode([self._text_prefix + sentence for sentence in sentences], out_type=str)
        return [[*self._prefix, *sentence, EOS] for sentence in pieces]

    def decode(self, tokens: Sequence[Sequence[str]]) -> list[str]:
        """Return the text of each translation, without the tokens that are not text."""
        return [self._text(sentence[len(self.target_prefix):]) for sentence in tokens]

    def _text(self, tokens: Sequence[str]) -> str:
        text = "".join(tokens)
        if "<" in text:  # <unk>, </s>, bytes: pieces that do not stand for themselves
            text = self._target.decode([token for token in tokens if token != EOS])
        return text.replace("▁", " ").strip()


def languages(family: Family, vocabulary: Sequence[str]) -> dict[str, str]:
    """Return the languages a model knows: code to token."""
    found = ((re.fullmatch(family.language, token), token) for token in vocabulary)
    return {match[1]: token for match, token in found if match}


def _language(directory: Path, side: str, code: str, known: Mapping[str, str]) -> str:
    """Return the token of a language code."""
    for token in (code, known.get(code)):
        if token is not None and token in known.values():
            return token
    if not known and not code:
        return ""
    if not known:
        raise ConfigError(f"{directory}: {side} {code!r}: the model translates into one language and names none; "
                          f"leave {side!r} out")
    if not code:
        raise ConfigError(f"{directory}: the model knows {len(known)} languages: give {side!r}, one of "
                          f"{' '.join(sorted(known)[:8])} ...")
    near = difflib.get_close_matches(code, known, n=5, cutoff=0.5)
    near += sorted(other for other in known if other[:2].lower() == code[:2].lower() and other not in near)[:5]
    meant = f"did you mean {' '.join(near)}?" if near else f"it knows {' '.join(sorted(known)[:8])} ..."
    raise ConfigError(f"{directory}: {side} {code!r}: the model knows {len(known)} languages, not this one; {meant}")
