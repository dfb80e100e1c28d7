"""YAML and JSON that run code or fill memory, and texts that end the report's blocks, cells and spans."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import torch

from hostile_cases.case import MARK, Hostile, Read
from hostile_cases.names import load

TAGS = ("!!python/object/apply:os.mkdir [{mark}]", "!!python/object/new:os.mkdir [{mark}]", "!!python/name:os.mkdir",
        "!!python/module:os", "!!binary x", "!evil x", "&a [*a]")


def _yaml() -> Iterator[Hostile]:
    from stxfer.corpora.must_c import read_parts
    from stxfer.model.load import load_model

    def model(folder: Path, text: str) -> Read:
        torch.save({"w": torch.zeros(1)}, folder / "model.pth")
        (folder / "model.json").write_text('{"task": "asr"}')
        (folder / "config.yaml").write_text(f"a: {text}\n")
        return lambda: load_model(folder)

    def parts(folder: Path, text: str) -> Read:
        (folder / "x.yaml").write_text(f"- {text}\n")
        return lambda: list(read_parts(folder / "x.yaml"))

    readers: dict[str, tuple[Callable[[Path, str], Read], str]] = {
        "an experiment": (lambda folder, text: load(folder, f"name: {text}\n".encode()), r"x\.yaml"),
        "a model": (model, r"config\.yaml"), "MuST-C": (parts, r"x\.yaml")}
    for (name, (read, message)), text in itertools.product(readers.items(), TAGS):
        yield Hostile(f"YAML, {name}: {text}", lambda folder, read=read, text=text: read(
            folder, text.format(mark=folder.parent / MARK)), message)
    bomb = "a0: &a0 [x]\n" + "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 12))
    def twice(folder: Path) -> Read:
        for number in range(40):
            (folder / f"{number}.yaml").write_text(f"include: [{number + 1}.yaml, {number + 1}.yaml]\n")
        (folder / "40.yaml").write_text("a: b\n")
        return load(folder, b"include: [0.yaml]\n")

    yield Hostile("YAML, an experiment of files that include each other twice", twice, "files that include each other")
    for name, content in {"aliases of aliases": bomb.encode(), "brackets": b"a: " + b"[" * 20_000, "a name of the file "
                          "itself": b"include: [x.yaml]\n", "a file outside": b"include: [/etc/passwd]\n", "a device":
                          b"include: [/dev/zero]\n", "bytes": b"\xff\xfe\0", "a long number":
                          b"seeds: [" + b"9" * 10_000 + b"]"}.items():
        yield Hostile(f"YAML, an experiment of {name}", lambda folder, content=content: load(folder, content),
                      "yaml|passwd|/dev/zero")


def _json() -> Iterator[Hostile]:
    from stxfer.core.fileio import read_json
    from stxfer.core.marker import read_marker

    for name, content in {"brackets": "[" * 100_000, "objects": '{"a":' * 100_000, "a long number": "9" * 100_000,
                          "nothing": "", "a lone surrogate's bytes": "\udce9"}.items():
        def make(folder: Path, content: str = content) -> Path:
            (folder / ".stage.json").write_bytes(content.encode(errors="surrogateescape"))
            return folder / ".stage.json"

        yield Hostile(f"JSON: {name}", lambda folder, make=make: lambda: read_json(make(folder)), "not JSON")
        yield Hostile(f"a marker: {name}", lambda folder, make=make: lambda: read_marker(make(folder).parent),
                      "not JSON")


TEXTS = ("a\u2028# b", "a\r```\x1b[2J", "\u202ea", "<script>alert(1)</script>", "a | b", "` b", "```",
         "[x](javascript:y)", "![](http://a/x)", "<img src=x onerror=y>", "&lt;", "a\n# b", "\\`", "*a* _b_", "https://a/x")


def _texts() -> Iterator[Hostile]:
    """Texts in the report: a heading, a cell, a code span, a sample: one line each, and no HTML or link."""
    from stxfer.report.escapes import code, in_cell, plain
    from stxfer.report.leaks import leak_lines
    from stxfer.report.markdown import _samples

    def heading(text: str) -> list[str]:
        return [plain(text)]

    def leaks(text: str) -> list[str]:
        near = {"n": 1, "examples": [{"sentence": text, "near": text, "in": text}]}
        lines = list(leak_lines({"leaks": "remove", "n": 1, "found_in": {text: {"n": 1, "near": near}}}))
        return [*lines[:1], re.sub(r"(`+) ?.*? ?\1(?!`)", "", lines[1].replace(code(text), ""))]

    def samples(text: str) -> list[str]:
        lines = "\n".join(_samples([[(text, ""), ("REF", text)]])).splitlines()
        fence = next(line for line in lines if line.startswith("```")).removesuffix("text")
        assert lines[-1] == fence and len([line for line in lines if line.strip() == fence]) == 1, lines
        return []

    def span(text: str) -> list[str]:
        shown = code(text)
        fence = re.match("`+", shown)
        assert fence is not None and shown.endswith(fence[0]), shown
        assert fence[0] not in re.findall("`+", shown[len(fence[0]):-len(fence[0])]), shown
        return [] if "\n" not in shown else [shown]

    def check(make: Callable[[str], list[str]], text: str) -> Read:
        def read() -> None:
            for line in make(text):
                assert len(line.splitlines()) <= 1 and line.isprintable(), line
                assert not re.search(r"<\w|(?<!\\)\]\(|\x1b", line), line
                assert make is not heading or not re.search(r"(?<!\\)[*`\[\]|]", line), line

        return read

    for name, make in {"a heading": heading, "a cell": lambda text: [in_cell(text).replace("](", "")], "leaks": leaks,
                       "samples": samples, "code": span}.items():
        for text in TEXTS:
            yield Hostile(f"text in {name}: {text!r}", lambda _, make=make, text=text: check(make, text), "")


def cases() -> Iterator[Hostile]:
    """Yield the cases."""
    yield from _yaml()
    yield from _json()
    yield from _texts()
