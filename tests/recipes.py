"""Runs of recipes on miniature corpora."""

from __future__ import annotations

import csv
import os
import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

EGS = Path(__file__).resolve().parents[1] / "egs2"
CORPUS_VARIABLES = re.compile("(COMMON_VOICE|BITEXT)_.*|COVOST|MAFAND_EN_SW|MBOSHI_FR|FRENCH_SPEECH|VOA_SW|FLEURS")
ENV = {"STXFER_PYTHON": sys.executable, **{name: value for name, value in os.environ.items()
                                           if not CORPUS_VARIABLES.fullmatch(name)}}
Pair = tuple[str, str]


def language_table() -> dict[str, dict[str, str]]:
    """Return the rows of the recipes' table of languages, by their codes."""
    lines = (EGS / "TEMPLATE/languages.tsv").read_text(encoding="utf-8").splitlines()
    rows = csv.DictReader((line for line in lines if not line.startswith("#")), delimiter="\t")
    return {row["code"]: row for row in rows}


def tables(sentences: Sequence[str], prefix: str, **sizes: int) -> dict[str, list[tuple[str, str]]]:
    """Deal sentences out to tables, each with speakers of its own."""
    rest = iter(sentences)
    return {name: [(f"{prefix} {name} {k % 4}", next(rest)) for k in range(size)] for name, size in sizes.items()}


def write_bitext(folder: Path, languages: tuple[str, str], pairs: Sequence[Pair]) -> Path:
    """Write a bitext whose dev and test hold 10 pairs each."""
    folder.mkdir()
    for part, some in (("train", pairs[20:]), ("dev", pairs[:10]), ("test", pairs[10:20])):
        for side, language in enumerate(languages):
            (folder / f"{part}.{language}").write_text("".join(f"{pair[side]}\n" for pair in some), encoding="utf-8")
    return folder


class Recipe:
    """A recipe's run.sh, with a working directory and its corpora.

    Args:
        name: of its directory in egs2.
        root: a folder for all of it.
        options: further ones.
        corpora: by the options that name them.
    """

    def __init__(self, name: str, root: Path, *options: str, **corpora: Path) -> None:
        (self.script,) = (EGS / name).glob("*/run.sh")
        self.root, self.options, self.corpora, self.python = root, options, corpora, Path(ENV["STXFER_PYTHON"])

    def run(self, *arguments: str, workdir: str = "work", nj: int = 1) -> subprocess.CompletedProcess[str]:
        """Run it with the preset tiny; later arguments win."""
        named = [word for option, path in self.corpora.items() for word in (f"--{option}", str(path))]
        return subprocess.run([self.script, "--preset", "tiny", "--nj", str(nj), "--workdir", str(self.root / workdir),
                               *self.options, *named, *arguments], env={**ENV, "STXFER_PYTHON": str(self.python)},
                              capture_output=True, text=True)

    def made(self, *arguments: str, python: Path) -> Recipe:
        """Run it by a Python and return it; it must succeed."""
        self.python = python
        result = self.run(*arguments)
        assert result.returncode == 0, result.stderr[-3000:]
        return self

    @property
    def work(self) -> Path:
        """Its working directory."""
        return self.root / "work"

    def column(self, name: str, column: int, *sets: str, top: str = "dump/data") -> set[str]:
        """Return a column of a table of data directories."""
        return {line.split(maxsplit=1)[column].strip() for part in sets
                for line in (self.work / top / part / name).read_text(encoding="utf-8").splitlines()}
