"""The list of all recipes, egs2/recipes.yaml, as data."""

from __future__ import annotations

import csv
import sys
from dataclasses import field
from pathlib import Path
from typing import Annotated, Literal

import yaml
from pydantic import Field, model_validator
from typing_extensions import Self

ROOT = Path(__file__).resolve().parents[1]
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))

from stxfer.core.errors import ConfigError  # noqa: E402
from stxfer.core.mistakes import wrong  # noqa: E402
from stxfer.core.options import Options, options  # noqa: E402
from stxfer.experiment.types import Language, Words  # noqa: E402

LIST, LANGUAGES = Path("recipes.yaml"), Path("TEMPLATE/languages.tsv")
Text = Annotated[str, Field(min_length=1)]


@options
class Corpus(Options):
    """A corpus that recipes use."""

    title: Text
    """What tables call it."""
    licence: Text
    """Of the data."""
    part: str = ""
    """Of the corpus: a language, a release."""
    gb: float | None = None
    """Of the archive, in 10^9 bytes."""
    clips: tuple[int, int, int] | None = None
    """Of training, development and test."""
    seconds: float | None = None
    """Of a mean clip."""

    def hours(self) -> tuple[float, float, float] | None:
        """Return the hours of training, development and test, from the mean clip; None if they are not known."""
        if self.clips is None or self.seconds is None:
            return None
        train, dev, test = (clips * self.seconds / 3600 for clips in self.clips)
        return train, dev, test


@options
class Result(Options):
    """A figure of a recipe's README.md."""

    preset: Words
    """By which it was trained."""
    system: Words
    """Which was scored."""
    metric: Literal["WER", "CER", "BLEU"]
    """By what."""
    value: float
    """Of the system, in percent or BLEU points."""
    baseline: Words = ""
    """What it is compared with."""
    of_baseline: float | None = None
    """The baseline's."""

    def __str__(self) -> str:
        compared = f" ({self.baseline} {self.of_baseline:.1f})" if self.of_baseline is not None else ""
        return f"{self.metric} {self.value:.1f}, `{self.system}`{compared}"


@options
class Recipe(Options):
    """What is known of a recipe."""

    languages: tuple[Language, Language]
    """Source and target."""
    state: Literal["measured", "not run"]
    """Whether it was trained at full size."""
    source: str = ""
    """Key of the corpus of the source's speech."""
    target: str = ""
    """Key of the corpus of the target's speech."""
    other: tuple[str, ...] = ()
    """Keys of further corpora."""
    hours: float | None = None
    """Of the target's training speech, where the corpus has no figures."""
    result: Result | None = None
    """Of a recipe that was measured."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        if (self.state == "measured") != (self.result is not None):
            raise wrong("a recipe that was measured has a result, and no other has one", key="result")
        return self

    @property
    def corpora(self) -> list[str]:
        """Keys of all corpora, the target's first."""
        return list(dict.fromkeys(key for key in (self.target, self.source, *self.other) if key))


@options
class Registry(Options):
    """The whole list."""

    corpora: dict[Text, Corpus]
    """By the names that recipes call them."""
    recipes: dict[Text, Recipe] = field(default_factory=dict)
    """By the names of their directories."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        for name, recipe in self.recipes.items():
            if unknown := [key for key in recipe.corpora if key not in self.corpora]:
                raise wrong(f"{unknown[0]!r} of {name} is not there", key="corpora")
        return self

    def hours(self, recipe: Recipe) -> str:
        """Return the hours of the target's training speech, nothing for a recipe without speech."""
        if recipe.hours is not None:
            return f"{recipe.hours:g}"
        found = self.corpora[recipe.target].hours() if recipe.target else None
        return rounded(found[0]) if found else ""


def rounded(number: float) -> str:
    """Return a number with a decimal below 10, and without above."""
    return f"{number:.1f}" if number < 10 else f"{round(number):,}"


def read_registry(egs: Path) -> Registry:
    """Read ``recipes.yaml`` of a folder of recipes.

    Raises:
        ConfigError: it is no such list; the message names the key.
    """
    path = egs / LIST
    try:
        raw = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ConfigError(f"{path}: cannot be read: {' '.join(str(error).split())}") from None
    return Registry.read(raw, str(path))


def read_languages(egs: Path) -> dict[str, dict[str, str]]:
    """Return the rows of ``TEMPLATE/languages.tsv`` by the languages' codes."""
    lines = (egs / LANGUAGES).read_text(encoding="utf-8").splitlines()
    return {row["code"]: row for row in csv.DictReader((line for line in lines if not line.startswith("#")),
                                                       delimiter="\t")}


def directories(egs: Path) -> dict[str, Path]:
    """Return the recipes that are there, by their names: directories with a ``run.sh`` such as ``mini_sw/asr1``."""
    return {path.parent.parent.name: path.parent for path in sorted(egs.glob("*/*/run.sh"))}
