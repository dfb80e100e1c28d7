"""The packages import in one direction, and the pictures of docs/architecture.md show what the code does."""

from __future__ import annotations

import html
import importlib.util
import re
from pathlib import Path
from types import ModuleType

import pytest

pytest.importorskip("importlinter", reason="import-linter is not installed")
import importlinter.api  # noqa: E402,F401  (sets up what follows)
from importlinter.application.use_cases import lint_imports  # noqa: E402  (its command ends all logging)

ROOT = Path(__file__).resolve().parents[1]
CONTRACTS = re.findall(r'^id = "(\w+)"', (ROOT / "pyproject.toml").read_text(encoding="utf-8"), re.MULTILINE)


@pytest.fixture(scope="module")
def drawing() -> ModuleType:
    """``tools/draw_architecture.py``."""
    spec = importlib.util.spec_from_file_location("draw_architecture", ROOT / "tools" / "draw_architecture.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("contract", CONTRACTS)
def test_contract_is_kept(contract: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """``lint-imports`` of pyproject.toml: its report, in the test's output, names the imports that run back up."""
    monkeypatch.chdir(ROOT)
    monkeypatch.syspath_prepend(ROOT)
    assert lint_imports(limit_to_contracts=(contract,), cache_dir=None, no_logo=True), capsys.readouterr().out


@pytest.mark.parametrize("name", ["packages.svg", "data.svg"])
def test_picture_is_of_this_code(name: str, drawing: ModuleType) -> None:
    """Of the packages: their layers, their docstrings and who imports whom."""
    assert (ROOT / "docs" / name).read_text(encoding="utf-8") == drawing.PICTURES[name](), \
        f"docs/{name} is not what the code says: run python tools/draw_architecture.py and look at the picture"


def test_the_page_names_the_layers(drawing: ModuleType) -> None:
    page = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    listed = re.findall(r"^ *\d+\. (.*)$", page.partition("## Packages")[2].partition("\n## ")[0], re.MULTILINE)
    assert [re.findall(r"`(\w+)`", line) for line in listed] == drawing.layers()


def test_way_of_the_data_has_the_drivers_stages_and_the_layouts_paths(drawing: ModuleType) -> None:
    words = [html.unescape(word) for word in re.findall(r">([^<>]+)</text>", drawing.data())]
    driver = (ROOT / "egs2" / "TEMPLATE" / "asr1" / "stxfer.sh").read_text(encoding="utf-8")
    names = re.search(r"^names=\((.*)\)$", driver, re.MULTILINE)
    assert names is not None
    triples = zip(words, words[1:], words[2:], strict=False)
    drawn = sorted((int(number), name, package) for number, name, package in triples if number.isdigit())
    assert [name for _, name, _ in drawn] == names[1].split()
    packages = {package for _, _, which in drawn for package in which.split(", ")}
    assert packages <= {name for layer in drawing.layers() for name in layer}
    layout = (ROOT / "stxfer" / "experiment" / "layout.py").read_text(encoding="utf-8")
    for path in [word.removeprefix("…") for word in words if word.endswith("/")]:
        assert path in layout, path


def test_modules_are_short() -> None:
    lengths = {path: len(path.read_text(encoding="utf-8").splitlines()) for path in (ROOT / "stxfer").rglob("*.py")}
    assert {str(path.relative_to(ROOT)): n for path, n in lengths.items() if n > 300} == {}
