"""README, docs and the recipes' READMEs: what they name is there, and the commands in them are ones that can be typed.

Every shell block is either run here (help, checks of experiment files) or says, in a comment before it, what it needs;
both are parsed by the parsers of the commands themselves. Every YAML block is read as part of an experiment file.
"""

from __future__ import annotations

import argparse
import ast
import importlib
import re
import subprocess
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Any, NoReturn

import pytest
import tiny_system
from documents import DOCUMENTS, RECIPES, ROOT, Block, Document

import stxfer.bin.__main__ as main
from stxfer.experiment.config import load_experiment

PAGES = [document for document in DOCUMENTS if document.path.parent == ROOT / "docs"]
MINI = ROOT / "egs2" / "mini_sw" / "asr1"
COMMANDS = sorted(path.stem for path in ROOT.glob("stxfer/bin/[a-z]*.py"))
TOPS = {".ci", "conf", "docs", "egs2", "local", "stxfer", "tests", "tools", "utils"}
FILES = re.compile(r"(run\.sh|[\w./-]+\.(md|toml|sh|ya?ml))")
MADE = {"RESULTS.md", "config.yaml", "meta.yaml", "tools/venv", "local/paths.sh"}  # by a run, or for one machine
PYTHON = re.compile(r"(.*/)?python3?|\$STXFER_PYTHON")
TOOLS = {"tools/test.sh", "tools/install.sh", ".ci/run"}
LINTERS = {f"tools/venv/bin/{name}" for name in ("ruff", "mypy", "lint-imports")}
OTHERS = {".", "cd", "cp", "git", "pip"}  # which need no check
QUICK = {"check_config"}  # commands that read an experiment file and nothing else

each_document = pytest.mark.parametrize("document", DOCUMENTS, ids=lambda document: document.name)


def each_block(language: str) -> pytest.MarkDecorator:
    """Run a test once for each fenced block of a language."""
    blocks = [(document, block) for document in DOCUMENTS for block in document.blocks if block.language == language]
    return pytest.mark.parametrize("document,block", blocks, ids=[f"{d.name}:{b.line}" for d, b in blocks])


class Parsed(Exception):
    """Ends a command after its command line has been parsed."""

    def __init__(self, parser: argparse.ArgumentParser) -> None:
        super().__init__()
        self.parser = parser


def stop_after_parsing(patch: pytest.MonkeyPatch, parse: bool) -> None:
    """Make every command end with :class:`Parsed`, after its own parser has read its arguments if ``parse``."""
    plain = argparse.ArgumentParser.parse_args

    def parse_args(self: argparse.ArgumentParser, args: Sequence[str] | None = None, _: Any = None) -> NoReturn:
        if parse:
            plain(self, args)
        raise Parsed(self)

    patch.setattr(argparse.ArgumentParser, "parse_args", parse_args)


def command_main(name: str) -> Any:
    """Return ``main`` of ``stxfer.bin.<name>``."""
    assert name in COMMANDS, f"no command stxfer.bin.{name}"
    return importlib.import_module(f"stxfer.bin.{name}").main


@cache
def command_options(name: str) -> frozenset[str]:
    """Return the options of a command, those of its tools included."""
    with pytest.MonkeyPatch.context() as patch:
        stop_after_parsing(patch, parse=False)
        with pytest.raises(Parsed) as parsed:
            command_main(name)([])
    return frozenset(_options(parsed.value.parser))


def _options(parser: argparse.ArgumentParser) -> Iterator[str]:
    for action in parser._actions:
        yield from action.option_strings
        if isinstance(action, argparse._SubParsersAction):
            for sub in action.choices.values():
                yield from _options(sub)


@cache
def recipe_help(recipe: Path) -> str:
    return subprocess.run([recipe / "run.sh", "--help"], capture_output=True, text=True, check=True).stdout


def check_recipe_command(recipe: Path, words: Sequence[str]) -> None:
    """The options of a ``run.sh`` are its own, the presets are there, and the stages have the names given."""
    text = recipe_help(recipe)
    known = set(re.findall(r"^  (--[\w-]+)", text, re.MULTILINE)) | {"--help"}
    for option, value in zip(words, [*words[1:], ""], strict=False):
        if option.startswith("--"):
            assert option in known, f"{recipe.parent.name}/run.sh has no option {option}"
        if option == "--preset":
            family = recipe.parents[1] / "TEMPLATE/common_voice"
            presets = (family if (recipe / "conf/language.yaml").exists() else recipe) / "conf"
            assert (presets / f"{value}.yaml").exists(), f"no preset {value}"
        if option in ("--stage", "--stop-stage"):
            assert re.search(rf"^ +({value}  |\d+  {value} )", text, re.MULTILINE), f"no stage {value}"


def script_options(script: Path) -> set[str]:
    """Return the options that a script declares, without importing what it measures."""
    return {node.value for node in ast.walk(ast.parse(script.read_text(encoding="utf-8")))
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value.startswith("--")}


def own_command(words: Sequence[str]) -> tuple[str, list[str]] | None:
    """Return a command of ``stxfer.bin`` and its arguments, where a line runs one; ``stxfer --help`` names none."""
    if words[0] == "stxfer" or words[0].endswith("/bin/stxfer"):
        first = words[1].replace("-", "_")
        return (first, list(words[2:])) if first in COMMANDS else ("", list(words[1:]))
    if words[0].endswith("utils/new_recipe.sh"):
        return "new_recipe", list(words[1:])
    if PYTHON.fullmatch(words[0]) and words[1] == "-m" and words[2].startswith("stxfer.bin."):
        return words[2].removeprefix("stxfer.bin."), list(words[3:])
    return None


def check_command(document: Document, words: Sequence[str]) -> bool:
    """Check a command line; return whether it takes no corpus and no time, so that it can be run here."""
    program, arguments = words[0], list(words[1:])
    if own := own_command(words):
        name, given = own
        if name and "--help" not in given:
            with pytest.MonkeyPatch.context() as patch:
                stop_after_parsing(patch, parse=True)
                with pytest.raises(Parsed):
                    command_main(name)(given)
        return name in QUICK or "--help" in given
    if program.endswith("run.sh"):
        directory = (document.base / program).parent if "/" in program.removeprefix("./") else document.base
        recipe = directory if directory in RECIPES else MINI
        check_recipe_command(recipe, arguments)
        return "--help" in arguments
    if PYTHON.fullmatch(program) and arguments[0].endswith(".py"):
        script = ROOT / arguments[0]
        assert script.is_file(), f"no script {script}"
        unknown = {word for word in arguments[1:] if word.startswith("--")} - script_options(script)
        assert not unknown, f"{arguments[0]} has no option {unknown}"
        return False
    assert program in TOOLS | LINTERS | OTHERS, f"cannot check the command {program!r}"
    assert program not in TOOLS or (ROOT / program).exists()
    return False


def run_command(document: Document, words: Sequence[str], patch: pytest.MonkeyPatch) -> None:
    """Run a command of a block in the directory in which its reader would type it."""
    patch.chdir(document.base)
    if words[0].endswith("run.sh"):
        assert "Stages:" in recipe_help((document.base / words[0]).parent)
        return
    name, given = own_command(words) or ("", [])
    try:
        if not name:
            main.make_parser().parse_args(given)
        command_main(name)(given)
    except SystemExit as end:  # of --help
        assert end.code == 0


@each_document
def test_links_lead_somewhere(document: Document) -> None:
    for target in document.links:
        name, _, anchor = target.partition("#")
        path = (document.path.parent / name).resolve() if name else document.path
        assert path.exists(), f"{document.name}: link to {target}"
        if anchor:
            assert anchor in Document(path).anchors, f"{document.name}: {target}: no such heading"


def exists(document: Document, name: str) -> bool:
    """Whether a path of a document is there: from the root, or in the document's or in some recipe's directory."""
    variants = [name]
    while found := next((v for v in variants if "{" in v), None):  # {a,b}: each of them
        variants.remove(found)
        match = re.search(r"\{([^{}]*)\}", found)
        assert match is not None, f"{document.name}: {name}"
        variants += [found[:match.start()] + part + found[match.end():] for part in match[1].split(",")]
    patterns = [re.sub(r"<[^>]*>", "*", variant).rstrip("/") for variant in variants]
    bases = [ROOT, document.path.parent, *RECIPES]
    return all(any(any(base.glob(pattern)) for base in bases) for pattern in patterns)


@each_document
def test_paths_in_the_text_are_there(document: Document) -> None:
    for code in document.code:
        if " " in code or code in MADE:
            continue
        if re.fullmatch(r"\w+\.py", code):
            assert any(ROOT.glob(f"stxfer/*/{code}")) or any(ROOT.glob(f"tools/*/{code}")), f"{document.name}: `{code}`"
        if "/" in code and code.partition("/")[0] in TOPS or FILES.fullmatch(code):
            made = code.partition("/")[0] in ("data", "dump", "exp")
            models = ROOT / "conf" / "models" / code
            assert made or exists(document, code) or models.exists(), f"{document.name}: `{code}` is not there"


@each_document
def test_modules_in_the_text_are_there(document: Document) -> None:
    for name in re.findall(r"\bstxfer(?!\.sh)(?:\.\w+)+", document.text):
        parts = name.split(".")
        path = next((p for n in range(len(parts), 0, -1) for p in (ROOT / "/".join(parts[:n]),)
                     if p.is_dir() or p.with_suffix(".py").is_file()), None)
        rest = parts[len(path.relative_to(ROOT).parts):] if path else parts
        source = path.with_suffix(".py").read_text(encoding="utf-8") if path and not path.is_dir() else ""
        assert not rest or re.search(rf"^(class|def) {rest[0]}\b|^{rest[0]}\b.* = ", source, re.MULTILINE), \
            f"{document.name}: no {name}"


@each_document
def test_commands_in_the_text_have_their_options(document: Document) -> None:
    for code in document.code:
        words = code.removeprefix("python -m stxfer.bin.").split()
        if words[0] in COMMANDS:
            unknown = {word for word in words if word.startswith("--")} - command_options(words[0])
            assert not unknown, f"{document.name}: `{code}`: {unknown}"
        elif words[0].endswith("run.sh"):
            check_recipe_command(document.base if document.base in RECIPES else MINI, words[1:])


@each_document
def test_blocks_say_their_language(document: Document) -> None:
    for block in document.blocks:
        assert block.language in {"bash", "python", "yaml", "text"}, f"{document.name}:{block.line}: {block.language!r}"


@each_block("bash")
def test_commands_can_be_typed(document: Document, block: Block, monkeypatch: pytest.MonkeyPatch) -> None:
    commands = list(block.commands())
    quick = [check_command(document, words) for words in commands]
    if all(quick):
        for words in commands:
            run_command(document, words, monkeypatch)
    else:
        assert block.comment.startswith("needs: "), \
            f"{document.name}:{block.line}: say what it needs: <!-- needs: ... --> on the line before the block"


@each_block("yaml")
def test_fragments_are_read(document: Document, block: Block, tmp_path: Path) -> None:
    """Laid over mini_sw's experiment, or as a whole file of a recipe."""
    over = "" if block.comment == "whole" else f"include: [{ROOT}/egs2/mini_sw/asr1/conf/mini.yaml]\n"
    path = tmp_path / "fragment.yaml"
    path.write_text(over + block.text.replace("../../../../conf", str(ROOT / "conf")), encoding="utf-8")
    load_experiment(path)


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A work directory with a trained system and ``talk.flac``, where the pages' Python is typed."""
    return tiny_system.make_work(tmp_path_factory.mktemp("work"))


@each_block("python")
def test_python_runs(document: Document, block: Block, work: Path, monkeypatch: pytest.MonkeyPatch,
                     capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(work)
    exec(compile(block.text, document.name, "exec"), {})
    assert capsys.readouterr().out.strip()


def test_readme_is_for_a_first_visit() -> None:
    assert len((ROOT / "README.md").read_text(encoding="utf-8").splitlines()) <= 120


def test_readme_names_every_page() -> None:
    readme = Document(ROOT / "README.md")
    assert {page.name for page in PAGES} <= set(readme.links)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.path.stem)
def test_a_page_says_whom_it_is_for_and_leads_on(page: Document) -> None:
    title, _, opening = page.text.splitlines()[:3]
    assert title.startswith("# ") and opening.startswith("For whoever "), page.name
    assert {link.partition("#")[0] for link in page.links} & {other.path.name for other in PAGES}, page.name


def test_no_fact_stands_twice() -> None:
    seen: dict[str, str] = {}
    for document in DOCUMENTS:
        if document.base != ROOT:
            continue
        for sentence in re.split(r"(?<=[.:;])\s+|\n\n|\n\| ", document.prose):
            words = " ".join(sentence.split())
            if len(words) > 60:
                assert words not in seen, f"{document.name} and {seen[words]}: {words!r}"
                seen[words] = document.name


def test_stages_are_the_drivers() -> None:
    names = re.findall(r"^ +\d+  (\w+)", recipe_help(MINI), re.MULTILINE)
    table = re.findall(r"^\| \d+ \| `(\w+)` ", (ROOT / "docs/stages.md").read_text(encoding="utf-8"), re.MULTILINE)
    readme = (ROOT / "README.md").read_text(encoding="utf-8").partition("## Stages")[2]
    assert table == names == re.findall(r"`(\w+)`", readme)[:len(names)]
