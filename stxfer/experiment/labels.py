"""Label sources as an experiment file declares them."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Annotated, Any, Literal

import regex
from pydantic import AfterValidator, BeforeValidator, Discriminator, Field, Tag, model_validator
from typing_extensions import Self

from stxfer.core.errors import ConfigError
from stxfer.core.mistakes import located, nearest, shown, wrong
from stxfer.core.options import Options, option_fields, options
from stxfer.experiment.translators import (
    OPTIONS,
    Apertium,
    CTranslate2,
    Human,
    Precomputed,
    Trained,
    Transliterate,
)
from stxfer.experiment.types import (
    Amount,
    BelowOne,
    Count,
    Flag,
    LabelName,
    MaybeLanguage,
    Number,
    Portion,
    Whole,
    Words,
)

HUMAN = "human"  # the corpus's own translations: a label that needs no declaration


def _script(name: str) -> str:
    try:
        regex.compile(rf"\p{{Script={name}}}" if name else "")
    except regex.error:
        raise wrong("is not a Unicode script, e.g. Latin, Cyrillic, Arabic, Devanagari, Ethiopic") from None
    return name


@options
class Filters(Options):
    """Which labels are dropped; 0, an empty string or false switches a filter off."""

    length_ratio: Amount = 0.0
    """Longer or shorter by this factor than is usual (the set's median) for a source of its length."""
    repetition: Whole = 0
    """A word or a sequence of up to 4 words that follows itself this often."""
    copied: BelowOne = 0.0
    """Share of the label's words that stand in the source."""
    script: Annotated[Words, AfterValidator(_script)] = ""
    """The Unicode script that most of the label's letters must be of, e.g. Latin."""
    language: MaybeLanguage = ""
    """The target language's code; what reads like the source language is dropped (needs a bitext)."""
    score_percentile: Annotated[Number, Field(ge=0, lt=100)] = 0.0
    """This share, in percent, with the lowest scores a character, of what passes the other filters."""
    held_out: Flag = False
    """Labels that are a sentence of a test set; without it they are only counted."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        if 0 < self.length_ratio <= 1:
            raise wrong(f"{self.length_ratio} must be more than 1, or 0 for none", key="length_ratio")
        if self.repetition == 1:
            raise wrong("1 must be at least 2, or 0 for none", key="repetition")
        return self


@options
class Label(Options):
    """A source of labels: a translator with its options, another label's translations, or a mixture."""

    translator: str = "trained"
    """Its kind, a key of :data:`stxfer.experiment.translators.OPTIONS`; empty for ``from`` and ``mix``."""
    options: Any = Trained()
    """The options of that kind."""
    source: str = ""
    """The label whose translations are taken (key ``from``)."""
    mix: dict[str, float] = Field(default_factory=dict)
    """Labels and the share of utterances that each gives; the shares sum to 1."""
    seed: int = 1
    """Of a mixture's draw."""
    filters: Filters = Filters()
    """What is dropped."""
    nbest: int = 1
    """Translations kept of each utterance, in ``nbest.jsonl``; the label is the best one."""

    @property
    def parents(self) -> tuple[str, ...]:
        """The labels that this one is made of."""
        return (self.source,) if self.source else tuple(self.mix)


@options
class _Declared(Options, ABC):
    """What every label source may say."""

    filters: Filters = Filters()
    """What is dropped."""

    @abstractmethod
    def label(self) -> Label:
        """Return the label that is declared."""


@options
class _Translated(_Declared):
    """What every translator's label source may say."""

    nbest: Count = 1
    """Translations kept of each utterance, in ``nbest.jsonl``; the label is the best one."""

    def label(self) -> Label:
        kind: str = self.translator  # type: ignore[attr-defined]
        own = {name: getattr(self, name) for name in option_fields(OPTIONS[kind])}
        return Label(kind, OPTIONS[kind](**own), filters=self.filters, nbest=self.nbest)


@options
class _Trained(_Translated, Trained):
    """Labels of MT trained here."""

    translator: Literal["trained"] = "trained"
    """MT trained here."""


@options
class _CTranslate2(_Translated, CTranslate2):
    """Labels of a pretrained model."""

    translator: Literal["ctranslate2"] = "ctranslate2"
    """A pretrained model."""


@options
class _Apertium(_Translated, Apertium):
    """Labels of the rule-based engine."""

    translator: Literal["apertium"] = "apertium"
    """The rule-based engine."""


@options
class _Precomputed(_Translated, Precomputed):
    """Labels from a file."""

    translator: Literal["precomputed"] = "precomputed"
    """Translations from a file."""


@options
class _Human(_Translated, Human):
    """The corpus's own translations as labels."""

    translator: Literal["human"] = "human"
    """The corpus's own translations."""


@options
class _Transliterated(_Translated, Transliterate):
    """Labels that are the transcript in the target's script."""

    translator: Literal["transliterate"] = "transliterate"
    """The transcript in the target's script."""


@options
class _From(_Declared):
    """Another label's translations, filtered otherwise."""

    source: LabelName = Field(default="", validation_alias="from")
    """The label whose translations are taken."""

    def label(self) -> Label:
        return Label("", None, source=self.source, filters=self.filters)


@options
class _Mix(_Declared):
    """A mixture of other labels."""

    mix: Annotated[dict[LabelName, Portion], Field(min_length=1)] = Field(default_factory=dict)
    """Labels and the share of utterances that each gives, e.g. {human: 0.5, mt: 0.5}."""
    seed: Count = 1
    """Of the draw."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        total = sum(self.mix.values())
        if not math.isclose(total, 1, abs_tol=1e-3):
            raise wrong(f"the shares sum to {total:g}; they must sum to 1", key="mix")
        return self

    def label(self) -> Label:
        return Label("", None, mix=self.mix, seed=self.seed, filters=self.filters)


def _name(name: str) -> str:
    if name == HUMAN:
        raise wrong("is the corpus's own translations; give this label another name")
    return name


def _translator(value: Any) -> Any:
    if isinstance(value, Mapping) and not {"from", "mix"} & value.keys():
        kind = value.get("translator", "trained")
        if not isinstance(kind, str) or kind not in OPTIONS:
            raise wrong(f"{shown(kind)} must be one of {' '.join(OPTIONS)}{nearest(kind, OPTIONS)}; or give 'from' or "
                        "'mix' in its place", key="translator")
    return value


def _tag(value: Any) -> str:
    if not isinstance(value, Mapping):
        return "<trained>"  # which says that a mapping is needed
    kind = "from" if "from" in value else "mix" if "mix" in value else value.get("translator", "trained")
    return f"<{kind}>"


Declarations = dict[
    Annotated[LabelName, AfterValidator(_name)],
    Annotated[
        Annotated[_Trained, Tag("<trained>")] | Annotated[_CTranslate2, Tag("<ctranslate2>")]
        | Annotated[_Apertium, Tag("<apertium>")] | Annotated[_Precomputed, Tag("<precomputed>")]
        | Annotated[_Human, Tag("<human>")] | Annotated[_Transliterated, Tag("<transliterate>")]
        | Annotated[_From, Tag("<from>")] | Annotated[_Mix, Tag("<mix>")],
        Discriminator(_tag), BeforeValidator(_translator)]]


def read_labels(declared: Declarations, target: str, where: str) -> dict[str, Label]:
    """Check what labels are made of; the result has each label after those it is made of.

    Args:
        declared: the key ``labels``.
        target: the target language.
        where: the file, for messages.

    Raises:
        ConfigError: an unknown label, labels made of each other in a circle, or a filter of another language.
    """
    labels = {name: declaration.label() for name, declaration in declared.items()}
    ordered: dict[str, Label] = {}

    def visit(name: str, path: tuple[str, ...]) -> None:
        if name in path:
            raise ConfigError(located(where, ("labels", name),
                                      f"made of each other in a circle: {' <- '.join((*path, name))}"))
        for parent in labels[name].parents:
            if parent in labels:
                visit(parent, (*path, name))
            elif parent != HUMAN:
                raise ConfigError(located(where, ("labels", name), f"unknown label {parent!r}; known: "
                                          f"{' '.join([HUMAN, *labels])}{nearest(parent, [HUMAN, *labels])}"))
        ordered.setdefault(name, labels[name])

    for name, label in labels.items():
        if label.filters.language not in ("", target):
            raise ConfigError(located(where, ("labels", name, "filters", "language"),
                                      f"{label.filters.language!r} is not {target!r}, the target language"))
        visit(name, ())
    return ordered
