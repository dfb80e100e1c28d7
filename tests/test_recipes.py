"""egs2/recipes.yaml: a list of all recipes, each of which runs from data to table on a miniature of its corpora."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import list_recipes
import pytest
import registry
import yaml
from miniatures import MINIATURES
from recipes import EGS

from stxfer.core.errors import ConfigError
from stxfer.text.profiles import profile

REGISTRY = registry.read_registry(EGS)
#: Recipes that a file of their own runs from data to table.
ELSEWHERE = {"mini_sw": "test_mini_recipe.py", "mafand_en_sw": "test_mafand_recipe.py",
             "mboshi_fr": "test_mboshi_recipe.py", "commonvoice_tr": "test_commonvoice_recipes.py",
             "commonvoice_sw": "test_commonvoice_recipes.py"}


def test_the_list_is_of_the_recipes_that_are_there() -> None:
    assert list(list_recipes.mistakes(EGS, REGISTRY)) == []
    assert list_recipes.main(["--check"]) == 0  # what is written from it is up to date


def test_every_recipe_is_run() -> None:
    for name, file in ELSEWHERE.items():
        text = (Path(__file__).parent / file).read_text(encoding="utf-8")
        assert f'MINIATURES["{name}"]' in text or f'"{name}" / "asr1" / "run.sh"' in text
    assert REGISTRY.recipes.keys() == {*MINIATURES, *ELSEWHERE}


@pytest.mark.parametrize("name", [name for name in REGISTRY.recipes if name not in ELSEWHERE])
def test_from_data_to_table(name: str, tmp_path: Path, python: Path) -> None:
    work = MINIATURES[name](tmp_path).made(python=python).work
    results = json.loads((work / "exp/report/results.json").read_text(encoding="utf-8"))
    table = (work / "exp/report/RESULTS.md").read_text(encoding="utf-8")
    scored = {row["system"] for row in results["rows"]}
    assert "direct" in scored and any(system.startswith("xfer_") for system in scored)
    assert all(f"| {system} |" in table for system in scored)
    assert results["comparisons"] and all(row["baseline"] == "direct" for row in results["comparisons"])
    target = REGISTRY.recipes[name].languages[1].replace(list_recipes.ANY, "sw")
    of_target = {metric: results["signatures"][f"{metric} tgt_test"] for metric in
                 sorted({row["metric"] for row in results["rows"] if row["set"] == "tgt_test"})}
    assert list(of_target) == (["cer", "wer"] if profile(target).spaced else ["cer"])
    assert all(f"|norm:{target}." in signature for signature in of_target.values())


@pytest.fixture
def egs(tmp_path: Path) -> Path:
    """Two recipes, their list and its page."""
    names, folder = ("mini_sw", "mboshi_fr"), tmp_path / "egs2"
    for name in names:
        shutil.copytree(EGS / name / "asr1", folder / name / "asr1",
                        ignore=shutil.ignore_patterns("data", "dump", "exp"))
    (folder / "TEMPLATE").mkdir()
    shutil.copy(EGS / registry.LANGUAGES, folder / registry.LANGUAGES)
    raw = yaml.safe_load((EGS / "recipes.yaml").read_text(encoding="utf-8"))
    write_list(folder, {**raw, "recipes": {name: raw["recipes"][name] for name in names}})
    (folder / "README.md").write_text("\n".join(["# Recipes", *list_recipes.MARKS, "The end.", ""]), encoding="utf-8")
    return folder


def write_list(egs: Path, raw: Any) -> None:
    (egs / "recipes.yaml").write_text(yaml.safe_dump(raw), encoding="utf-8")


def check(egs: Path, *arguments: str) -> int:
    return list_recipes.main([*arguments], egs)


def test_the_table_is_written_once(egs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert check(egs, "--check") == 1
    assert "README.md: what it has from recipes.yaml is out of date" in capsys.readouterr().err
    assert check(egs) == 0 == check(egs, "--check")
    page = (egs / "README.md").read_text(encoding="utf-8")
    assert page.startswith("# Recipes\n") and page.endswith("\nThe end.\n")
    (row,) = [line for line in page.splitlines() if line.startswith("| [mini_sw](mini_sw/asr1/README.md) |")]
    assert "| English to Swahili |" in row and "| measured | WER 46.1, `xfer_human` (direct 61.6) |" in row


@pytest.mark.parametrize(("damage", "message"), [
    (lambda egs: shutil.copytree(egs / "mini_sw", egs / "mini_xx"), "egs2/mini_xx/asr1: not in"),
    (lambda egs: shutil.rmtree(egs / "mini_sw"), "recipes.yaml: mini_sw: there is no such recipe"),
    (lambda egs: (egs / "mini_sw/asr1/README.md").unlink(), "mini_sw/asr1: has no README.md"),
    (lambda egs: (egs / "mini_sw/asr1/README.md").write_text("| xfer_human | 45.9 |\n| direct | 61.6 |\n"),
     "mini_sw/asr1/README.md: no line of a table has the result that recipes.yaml gives, WER 46.1"),
    (lambda egs: shutil.copy(egs / "mini_sw/asr1/conf/mini.yaml", egs / "mboshi_fr/asr1/conf/other.yaml"),
     "equals"),
    (lambda egs: (egs / "README.md").write_text("# Recipes\n"), "README.md: lacks the lines between which"),
])
def test_what_is_wrong_is_said(egs: Path, damage: Callable[[Path], object], message: str,
                               capsys: pytest.CaptureFixture[str]) -> None:
    damage(egs)
    for arguments in ([], ["--check"]):
        assert check(egs, *arguments) == 1
        errors = capsys.readouterr().err.splitlines()
        assert all(line.startswith("error: ") for line in errors) and any(message in line for line in errors)


def test_comments_and_stubs_do_not_count(egs: Path) -> None:
    first, second = egs / "mini_sw/asr1/local/one.sh", egs / "mboshi_fr/asr1/local/other.sh"
    three = ["set -e", "nj=1", "source ../run.sh"]
    for lines, equal in ((three[:2], False), (three, True)):
        first.write_text("\n".join(["# of the first", *lines]))
        second.write_text("\n".join([*lines, "", "  # of the second"]))
        found = list_recipes.equal_files(registry.directories(egs))
        assert found == ([(second, first)] if equal else [])  # by the recipes' names
    second.rename(first.with_name("same.sh"))
    assert list_recipes.equal_files(registry.directories(egs)) == []  # a recipe may have a file twice


@pytest.mark.parametrize(("change", "message"), [
    ({"state": "planned"}, "recipes.mini_sw.state: 'planned' must be"),
    ({"state": "not run"}, "recipes.mini_sw.result: a recipe that was measured has a result, and no other has one"),
    ({"languages": ["en"]}, "recipes.mini_sw.languages"),
    ({"other": ["the_web"]}, "corpora: 'the_web' of mini_sw is not there"),
    ({"hour": 1}, "recipes.mini_sw: unknown key 'hour'"),
])
def test_a_wrong_entry_is_refused(egs: Path, change: dict[str, Any], message: str) -> None:
    raw = yaml.safe_load((egs / "recipes.yaml").read_text(encoding="utf-8"))
    raw["recipes"]["mini_sw"].update(change)
    write_list(egs, raw)
    with pytest.raises(ConfigError) as error:
        registry.read_registry(egs)
    assert message in str(error.value)
