"""Check the list of all recipes, egs2/recipes.yaml, and write what is made of it.

    tools/venv/bin/python tools/list_recipes.py            write the table of egs2/README.md
    tools/venv/bin/python tools/list_recipes.py --check    change nothing; fail if anything is wrong or out of date

Wrong is a recipe that the list lacks, an entry without a recipe, a result that the recipe's README.md does not have, and
a file of one recipe that equals another's: what recipes share stands in one place.
"""

from __future__ import annotations

import argparse
import hashlib
import re
import sys
from collections.abc import Iterator
from dataclasses import field
from pathlib import Path
from typing import Annotated, Literal

import yaml
from pydantic import Field, model_validator
from typing_extensions import Self

ROOT = Path(__file__).resolve().parents[1]
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))

from stxfer.core.errors import ConfigError, StxferError  # noqa: E402
from stxfer.core.fileio import atomic_write  # noqa: E402
from stxfer.core.mistakes import wrong  # noqa: E402
from stxfer.core.options import Options, options  # noqa: E402
from stxfer.experiment.types import Language, Words  # noqa: E402

LIST, README = Path("recipes.yaml"), Path("README.md")
MARKS = ("<!-- recipes: written by tools/list_recipes.py from recipes.yaml -->", "<!-- end of recipes -->")
STUB = 2  # lines besides comments that a file may share with another recipe's
Text = Annotated[str, Field(min_length=1)]


@options
class Corpus(Options):
    """A corpus that recipes use."""

    title: Text
    """What tables call it."""
    licence: Text
    """Of the data."""


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
    corpora: Annotated[tuple[Text, ...], Field(min_length=1)]
    """Keys of the list's corpora."""
    state: Literal["measured", "not run"]
    """Whether it was trained at full size."""
    hours: float | None = None
    """Of the target's training speech."""
    result: Result | None = None
    """Of a recipe that was measured."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        if (self.state == "measured") != (self.result is not None):
            raise wrong("a recipe that was measured has a result, and no other has one", key="result")
        return self


@options
class Registry(Options):
    """The whole list."""

    languages: dict[Language, Text]
    """Their names."""
    corpora: dict[Text, Corpus]
    """By the names that recipes call them."""
    recipes: dict[Text, Recipe] = field(default_factory=dict)
    """By the names of their directories."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        for name, recipe in self.recipes.items():
            for kind, known, used in (("languages", self.languages, recipe.languages),
                                      ("corpora", self.corpora, recipe.corpora)):
                if unknown := [key for key in used if key not in known]:
                    raise wrong(f"{unknown[0]!r} of {name} is not there", key=kind)
        return self


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


def directories(egs: Path) -> dict[str, Path]:
    """Return the recipes that are there, by their names: directories with a ``run.sh`` such as ``mini_sw/asr1``."""
    return {path.parent.parent.name: path.parent for path in sorted(egs.glob("*/*/run.sh"))}


def mistakes(egs: Path, registry: Registry) -> Iterator[str]:
    """Yield what is wrong with the recipes of a folder and their list, a line each."""
    there = directories(egs)
    for name in sorted(there.keys() - registry.recipes.keys()):
        yield f"{there[name]}: not in {egs / LIST}; add an entry under 'recipes'"
    for name, recipe in registry.recipes.items():
        if name not in there:
            yield f"{egs / LIST}: {name}: there is no such recipe, {egs / name}/*/run.sh"
        elif not (there[name] / README).is_file():
            yield f"{there[name]}: has no {README}"
        elif recipe.result is not None and not _stands_in(recipe.result, (there[name] / README).read_text("utf-8")):
            yield f"{there[name] / README}: no line of a table has the result that {LIST} gives, {recipe.result}"
    for first, second in equal_files(there):
        yield f"{second}: equals {first}; what recipes share stands in one place"


def _stands_in(result: Result, page: str) -> bool:
    """Whether a page's tables have the values beside their systems' names."""
    rows = [[re.sub(r"[*`]|\s*±.*", "", cell).strip() for cell in line.split("|")[1:-1]] for line in page.splitlines()
            if line.startswith("|")]
    wanted = [(result.system, result.value), (result.baseline, result.of_baseline)]
    return all(any(row[0] == name and f"{value:.1f}" in row for row in rows) for name, value in wanted
               if value is not None)


def equal_files(recipes: dict[str, Path]) -> list[tuple[Path, Path]]:
    """Return the pairs of files of different recipes that are the same, comments aside, and are more than a stub."""
    seen: dict[str, tuple[str, Path]] = {}
    found = []
    for name, directory in recipes.items():
        for path in sorted(_files(directory)):
            content = [line.strip() for line in path.read_bytes().splitlines()
                       if line.strip() and not line.lstrip().startswith(b"#")]
            if len(content) <= STUB:
                continue
            digest = hashlib.sha256(b"\n".join(content)).hexdigest()
            owner, first = seen.setdefault(digest, (name, path))
            if owner != name:
                found.append((first, path))
    return found


def _files(directory: Path) -> Iterator[Path]:
    """Yield a recipe's own files: not what its runs have made."""
    yield from (path for path in directory.iterdir() if path.is_file() and not path.name.startswith("."))
    for part in ("conf", "local"):
        yield from (path for path in (directory / part).rglob("*") if path.is_file())


def table(egs: Path, registry: Registry) -> str:
    """Return the table of all recipes, in Markdown."""
    lines = ["| recipe | languages | corpora | hours | state | result |", "|---|---|---|--:|---|---|"]
    for name, recipe in registry.recipes.items():
        directory = directories(egs)[name].relative_to(egs)
        source, target = (registry.languages[code] for code in recipe.languages)
        corpora = ", ".join(f"{corpus.title} ({corpus.licence})" for corpus in map(registry.corpora.get, recipe.corpora)
                            if corpus is not None)
        hours = "" if recipe.hours is None else f"{recipe.hours:g}"
        lines.append(f"| [{name}]({directory}/{README}) | {source} to {target} | {corpora} | {hours} | {recipe.state} | "
                     f"{recipe.result or ''} |")
    return "\n".join(lines)


def with_table(page: str, made: str, path: Path) -> str:
    """Return a page with what stands between the marks replaced.

    Raises:
        ConfigError: the page lacks the marks.
    """
    before, first, rest = page.partition(MARKS[0])
    _, last, after = rest.partition(MARKS[1])
    if not first or not last:
        raise ConfigError(f"{path}: lacks the lines between which the table goes: {MARKS[0]} and {MARKS[1]}")
    return f"{before}{first}\n{made}\n{last}{after}"


def main(arguments: list[str] | None = None, egs: Path = ROOT / "egs2") -> int:
    """Check, and write unless ``--check``; return the exit status."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--check", action="store_true", help="change nothing; fail if a file would change")
    check = parser.parse_args(arguments).check
    try:
        registry = read_registry(egs)
        wrongs = list(mistakes(egs, registry))
        if not wrongs:
            path = egs / README
            page = path.read_text(encoding="utf-8")
            new = with_table(page, table(egs, registry), path)
            if new != page and check:
                wrongs.append(f"{path}: its table is not that of {LIST}; run tools/list_recipes.py")
            elif new != page:
                with atomic_write(path) as handle:
                    handle.write(new)
    except StxferError as error:
        wrongs = [str(error)]
    for line in wrongs:
        print(f"error: {line}", file=sys.stderr)
    return int(bool(wrongs))


if __name__ == "__main__":
    sys.exit(main())
