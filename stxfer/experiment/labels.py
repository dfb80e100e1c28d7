"""Label sources as an experiment file declares them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import regex

from stxfer.core.errors import ConfigError
from stxfer.experiment.translators import OPTIONS, REQUIRED, TEXTS, Trained
from stxfer.experiment.values import make, refuse_unknown

HUMAN = "human"  # the corpus's own translations: a label that needs no declaration


@dataclass(frozen=True)
class Filters:
    """Which labels are dropped; 0, an empty string or false switches a filter off.

    Attributes:
        length_ratio: longer or shorter by this factor than is usual (the set's median) for a source of its length.
        repetition: a word or a sequence of up to 4 words that follows itself this often.
        copied: share of the label's words that stand in the source.
        script: the Unicode script that most of the label's letters must be of, e.g. Latin.
        language: the target language's code; what reads like the source language is dropped (needs a bitext).
        score_percentile: this share, in percent, with the lowest scores a character, of what passes the other filters.
        held_out: labels that are a sentence of a test set; without it they are only counted.
    """

    length_ratio: float = 0.0
    repetition: int = 0
    copied: float = 0.0
    script: str = ""
    language: str = ""
    score_percentile: float = 0.0
    held_out: bool = False

    def check(self, target: str, where: str) -> None:
        """Raise ConfigError for a value that no filter can have."""
        if self.length_ratio and not self.length_ratio > 1:
            raise ConfigError(f"{where}.length_ratio: {self.length_ratio} must be more than 1, or 0 for none")
        if self.repetition and self.repetition < 2:
            raise ConfigError(f"{where}.repetition: {self.repetition} must be at least 2, or 0 for none")
        if not 0 <= self.copied < 1:
            raise ConfigError(f"{where}.copied: {self.copied} must be at least 0 and less than 1")
        if not 0 <= self.score_percentile < 100:
            raise ConfigError(f"{where}.score_percentile: {self.score_percentile} must be at least 0 and less than 100")
        if self.script:
            try:
                regex.compile(rf"\p{{Script={self.script}}}")
            except regex.error:
                raise ConfigError(f"{where}.script: {self.script!r} is not a Unicode script, e.g. Latin, Cyrillic, "
                                  "Arabic, Devanagari, Ethiopic") from None
        if self.language and self.language != target:
            raise ConfigError(f"{where}.language: {self.language!r} is not {target!r}, the target language")


@dataclass(frozen=True)
class Label:
    """A source of labels: a translator with its options, another label's translations, or a mixture.

    Attributes:
        translator: its kind, a key of :data:`stxfer.experiment.translators.OPTIONS`; empty for ``from`` and ``mix``.
        options: the options of that kind.
        source: the label whose translations are taken (key ``from``).
        mix: labels and the share of utterances that each gives; the shares sum to 1.
        seed: of a mixture's draw.
        filters: what is dropped.
        nbest: translations kept of each utterance, in ``nbest.jsonl``; the label is the best one.
    """

    translator: str = "trained"
    options: Any = Trained()
    source: str = ""
    mix: Mapping[str, float] = field(default_factory=dict)
    seed: int = 1
    filters: Filters = Filters()
    nbest: int = 1

    @property
    def parents(self) -> tuple[str, ...]:
        """The labels that this one is made of."""
        return (self.source,) if self.source else tuple(self.mix)


def read_labels(raw: Mapping[str, Any], target: str, where: str) -> dict[str, Label]:
    """Check the key ``labels``; the result has each label after those it is made of.

    Raises:
        ConfigError: an unknown key, kind or label, a wrong value, or labels made of each other in a circle.
    """
    if not isinstance(raw, Mapping):
        raise ConfigError(f"{where}: must be a mapping, not {raw!r}")
    labels = {name: _label(name, value, target, f"{where}.{name}") for name, value in raw.items()}
    ordered: dict[str, Label] = {}

    def visit(name: str, path: tuple[str, ...]) -> None:
        if name in path:
            raise ConfigError(f"{where}: made of each other in a circle: {' <- '.join((*path, name))}")
        for parent in labels[name].parents:
            if parent in labels:
                visit(parent, (*path, name))
            elif parent != HUMAN:
                raise ConfigError(f"{where}.{name}: unknown label {parent!r}; known: {' '.join([HUMAN, *labels])}")
        ordered.setdefault(name, labels[name])

    for name in labels:
        visit(name, ())
    return ordered


def _label(name: str, raw: Any, target: str, where: str) -> Label:
    if not isinstance(name, str) or not name or not name.replace("_", "").replace("-", "").isalnum():
        raise ConfigError(f"{where}: a label's name is made of letters, digits, '_' and '-'")
    if not isinstance(raw, Mapping):
        raise ConfigError(f"{where}: must be a mapping, not {raw!r}")
    if name == HUMAN:
        raise ConfigError(f"{where}: {HUMAN!r} is the corpus's own translations; give this label another name")
    value = dict(raw)
    filters = make(Filters, value.pop("filters", {}), f"{where}.filters")
    filters.check(target, f"{where}.filters")
    if "from" in value:
        refuse_unknown(value, {"from"}, where)
        return Label("", None, source=str(value["from"]), filters=filters)
    if "mix" in value:
        refuse_unknown(value, {"mix", "seed"}, where)
        return Label("", None, mix=_shares(value["mix"], f"{where}.mix"), filters=filters,
                     seed=_integer(value.get("seed", 1), f"{where}.seed"))
    kind = value.pop("translator", "trained")
    if kind not in OPTIONS:
        raise ConfigError(f"{where}.translator: {kind!r} is unknown; known: {' '.join(OPTIONS)}; "
                          "or give 'from' or 'mix' in its place")
    nbest = _integer(value.pop("nbest", 1), f"{where}.nbest")
    options = make(OPTIONS[kind], value, where)
    for key in REQUIRED.get(kind, ()):
        if not getattr(options, key):
            raise ConfigError(f"{where}: translator {kind!r} needs {key!r}")
    if getattr(options, "text", TEXTS[0]) not in TEXTS:
        raise ConfigError(f"{where}.text: {options.text!r} must be one of {' '.join(TEXTS)}")
    if isinstance(options, Trained) and options.pairs < 0:
        raise ConfigError(f"{where}.pairs: {options.pairs} must not be negative; 0 is all")
    return Label(kind, options, filters=filters, nbest=nbest)


def _shares(raw: Any, where: str) -> dict[str, float]:
    if not isinstance(raw, Mapping) or not raw:
        raise ConfigError(f"{where}: must map labels to shares, e.g. {{human: 0.5, mt: 0.5}}, not {raw!r}")
    for label, share in raw.items():
        if isinstance(share, bool) or not isinstance(share, (int, float)) or not 0 < share <= 1:
            raise ConfigError(f"{where}.{label}: {share!r} must be more than 0 and at most 1")
    if not math.isclose(sum(raw.values()), 1, abs_tol=1e-3):
        raise ConfigError(f"{where}: the shares sum to {sum(raw.values()):g}; they must sum to 1")
    return {str(label): float(share) for label, share in raw.items()}


def _integer(value: Any, where: str) -> int:
    if type(value) is not int or value < 1:
        raise ConfigError(f"{where}: {value!r} must be a whole number of at least 1")
    return value
