"""The project's Markdown documents: their links, code, commands and headings."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
RECIPES = sorted(path.parent for path in ROOT.glob("egs2/*/*/run.sh"))
_FENCE = re.compile(r"^( *)```(\S*)\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)
_COMMENT = re.compile(r"<!-- (.*?) -->\s*\Z")
_LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
_CODE = re.compile(r"`([^`\n]+)`")
_SEPARATORS = {"&&", "||", "|", ";"}


@dataclass(frozen=True)
class Block:
    """A fenced block: its language, its text, and the HTML comment that stands right before it (``needs: ...``)."""

    line: int
    language: str
    text: str
    comment: str

    def commands(self) -> Iterator[list[str]]:
        """Yield the words of each command of a shell block."""
        for line in self.text.replace("\\\n", " ").splitlines():
            command: list[str] = []
            for word in shlex.split(line, comments=True):
                if word in _SEPARATORS:
                    yield command
                    command = []
                else:
                    command.append(word)
            if command:
                yield command


@dataclass(frozen=True)
class Document:
    """A Markdown file."""

    path: Path

    @property
    def name(self) -> str:
        """The path in the repository."""
        return str(self.path.relative_to(ROOT))

    @property
    def base(self) -> Path:
        """The directory in which its commands are typed: a recipe's, or the repository's root."""
        return self.path.parent if self.path.parent in RECIPES else ROOT

    @cached_property
    def text(self) -> str:
        """All of it."""
        return self.path.read_text(encoding="utf-8")

    @cached_property
    def prose(self) -> str:
        """All but the fenced blocks."""
        return _FENCE.sub("", self.text)

    @cached_property
    def blocks(self) -> list[Block]:
        """The fenced blocks."""
        found = []
        for match in _FENCE.finditer(self.text):
            comment = _COMMENT.search(self.text[:match.start()])
            found.append(Block(self.text.count("\n", 0, match.start()) + 1, match[2], match[3],
                               comment[1] if comment else ""))
        return found

    @cached_property
    def links(self) -> list[str]:
        """Targets of links and images, web addresses left out."""
        return [target for target in _LINK.findall(_CODE.sub("", self.prose)) if "://" not in target]

    @cached_property
    def code(self) -> list[str]:
        """The code that stands within text, also as the text of links."""
        return _CODE.findall(self.prose)

    @cached_property
    def anchors(self) -> set[str]:
        """What ``#...`` of a link may name, as GitHub makes it of headings."""
        headings = re.findall(r"^#+ (.*)$", self.prose, re.MULTILINE)
        return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


DOCUMENTS = [Document(path) for path in sorted({*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"),
                                                *ROOT.glob("egs2/README.md"), *ROOT.glob("egs2/*/*/README.md")})]
