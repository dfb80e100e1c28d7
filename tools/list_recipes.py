"""Check the list of all recipes, egs2/recipes.yaml, and write what is made of it.

    tools/venv/bin/python tools/list_recipes.py            write the table of egs2/README.md, and the recipes' figures
    tools/venv/bin/python tools/list_recipes.py --check    change nothing; fail if anything is wrong or out of date

Wrong is a recipe that the list lacks, an entry without a recipe, a result that the recipe's README.md does not have,
and a file of one recipe that equals another's: what recipes share stands in one place.
"""

from __future__ import annotations

import argparse
import hashlib
import re
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import yaml
from registry import LIST, ROOT, Registry, Result, directories, read_languages, read_registry, rounded

from stxfer.core.errors import ConfigError, StxferError
from stxfer.core.fileio import atomic_write
from stxfer.experiment.config import Experiment, load_experiment

README = Path("README.md")
MARKS = ("<!-- recipes: written by tools/list_recipes.py from recipes.yaml -->", "<!-- end of recipes -->")
FIGURES = ("<!-- figures: written by tools/list_recipes.py from recipes.yaml -->", "<!-- end of figures -->")
FAMILY, LANGUAGE = Path("TEMPLATE/common_voice"), Path("conf/language.yaml")
PRESET = "gpu"  # whose needs are told of a recipe that was not run
STEP_SECONDS = 0.2  # assumed of an optimiser step on a GPU; none has been measured
FEATURES_MB = 30  # an hour of speech: 80 channels, 100 frames a second, a byte each
ANY = "mul"  # the language of a recipe that an option gives one
STUB = 2  # lines besides comments that a file may share with another recipe's


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
    languages, there = read_languages(egs), directories(egs)
    for name, recipe in registry.recipes.items():
        source, target = (languages[code]["name"] if code != ANY else "any language" for code in recipe.languages)
        corpora = dict.fromkeys(f"{corpus.title} ({corpus.licence})" for corpus in
                                (registry.corpora[key] for key in recipe.corpora))
        lines.append(f"| [{name}]({there[name].relative_to(egs)}/{README}) | {source} to {target} | "
                     f"{', '.join(corpora)} | {registry.hours(recipe)} | {recipe.state} | {recipe.result or ''} |")
    return "\n".join(lines)


def is_of_family(directory: Path) -> bool:
    """Whether a recipe is one of Common Voice's family: what is its own is a language."""
    return (directory / LANGUAGE).is_file()


def read_experiment(directory: Path, preset: str, labels: str) -> Experiment:
    """Return the experiment of a recipe of the family, put together as ``TEMPLATE/common_voice/recipe.sh`` does."""
    conf = directory.parents[1] / FAMILY / "conf"
    parts = [conf / f"{preset}.yaml", conf / "labels" / f"{labels}.yaml", directory / LANGUAGE]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"{preset}.yaml"
        model = {labels: {"model": "converted"}} if labels in ("nllb", "opus_mt") else {}
        path.write_text(yaml.safe_dump({"include": [str(part.resolve()) for part in parts], "labels": model,
                                        "name": f"{directory.parent.name}_{preset}_{labels}"}), encoding="utf-8")
        return load_experiment(path)


def figures(egs: Path, name: str, registry: Registry) -> str:
    """Return the page's part of a recipe that was not run: amounts of data, and what a run would take, in Markdown."""
    recipe, directory = registry.recipes[name], directories(egs)[name]
    row = read_languages(egs)[recipe.languages[1]]
    labels = "bitext" if row["covost2"] == "-" else "human"
    experiment = read_experiment(directory, PRESET, labels)
    lines = ["| speech | archive | training, dev, test clips | training |", "|---|--:|---|--:|"]
    gb, hours = 0.0, 0.0
    for side, key in (("src", recipe.source), ("tgt", recipe.target)):
        corpus = registry.corpora[key]
        there = corpus.hours()
        if there is None or corpus.clips is None or corpus.gb is None:
            raise ConfigError(f"{egs / LIST}: corpora.{key}: {name} was not run; give gb, clips and seconds")
        lines.append(f"| {corpus.title}, {corpus.part} | {corpus.gb:.1f} GB | "
                     f"{', '.join(f'{clips:,}' for clips in corpus.clips)} | {rounded(there[0])} h |")
        gb += corpus.gb
        limits = (experiment.data.hours or {}).get
        hours += sum(min(amount, limits(f"{side}_{part}") or amount)
                     for part, amount in zip(("train", "dev", "test"), there, strict=True))
    steps = sum(phase.epochs * phase.steps for system in experiment.select()
                for phase in experiment.train[system.phases])
    steps += len(experiment.labels) * sum(phase.epochs * phase.steps for phase in experiment.mt.train)
    own = f"--common-voice-{row['common_voice'].lower()}"
    given = {"human": "--covost DIR", "bitext": "--bitext DIR"}[labels]
    pairs = row["opus_100"]
    text = f"OPUS-100 has {int(pairs):,} sentence pairs of training text." if pairs != "-" else \
        "No bitext is named here; bring one."
    download, features = rounded(gb), rounded(hours * FEATURES_MB / 1000)
    return "\n".join([
        *lines, "", f"For a translator trained here: {text}", "",
        f"**Not run yet.** Preset `{PRESET}` with labels `{labels}`: {download} GB to download and as much again",
        f"unpacked, {features} GB of features for {rounded(hours)} h of speech, about "
        f"{round(steps * STEP_SECONDS / 3600)} GPU hours for {steps:,} optimiser steps.", "",
        "<!-- needs: the corpora, a GPU -->", "```bash",
        f"./run.sh --preset {PRESET} --common-voice-en DIR {own} DIR {given}", "```"])


def pages(egs: Path, registry: Registry) -> Iterator[tuple[Path, str]]:
    """Yield each page that something is written to from the list, and what stands on it then.

    Raises:
        ConfigError: a page lacks the lines between which that goes, or the list a figure.
    """
    yield _page(egs / README, MARKS, table(egs, registry))
    for name, directory in directories(egs).items():
        if is_of_family(directory) and registry.recipes[name].state == "not run":
            yield _page(directory / README, FIGURES, figures(egs, name, registry))


def _page(path: Path, marks: tuple[str, str], made: str) -> tuple[Path, str]:
    return path, with_table(path.read_text(encoding="utf-8"), made, path, marks)


def with_table(page: str, made: str, path: Path, marks: tuple[str, str]) -> str:
    """Return a page with what stands between the marks replaced.

    Raises:
        ConfigError: the page lacks the marks.
    """
    before, first, rest = page.partition(marks[0])
    _, last, after = rest.partition(marks[1])
    if not first or not last:
        raise ConfigError(f"{path}: lacks the lines between which the table goes: {marks[0]} and {marks[1]}")
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
            for path, page in pages(egs, registry):
                if page == path.read_text(encoding="utf-8"):
                    continue
                if check:
                    wrongs.append(f"{path}: what it has from {LIST} is out of date; run tools/list_recipes.py")
                    continue
                with atomic_write(path) as handle:
                    handle.write(page)
    except StxferError as error:
        wrongs = [str(error)]
    for line in wrongs:
        print(f"error: {line}", file=sys.stderr)
    return int(bool(wrongs))


if __name__ == "__main__":
    sys.exit(main())
