"""Draw the pictures of docs/architecture.md: the packages with their imports, and the way of the data.

    tools/venv/bin/python tools/draw_architecture.py

The layers are those of the contract in pyproject.toml, the words the packages' docstrings, the dots the imports that
stand in the code. The stages of the way of the data are the driver's; a test draws both pictures again and compares.
"""

from __future__ import annotations

import ast
import html
import os
import sys
import textwrap
from pathlib import Path

import grimp
from importlinter.api import read_configuration

ROOT = Path(__file__).resolve().parents[1]
STYLE = """
  text { font: 14px 'Segoe UI', 'Helvetica Neue', Arial, sans-serif; fill: #22303c }
  .title { font-size: 18px; font-weight: 600 }
  .note { font-size: 12.5px; fill: #5b6b78 }
  .name { font: 600 15px 'SFMono-Regular', Consolas, 'DejaVu Sans Mono', monospace }
  .path { font: 600 13px 'SFMono-Regular', Consolas, 'DejaVu Sans Mono', monospace }
  .small { font-size: 12px; fill: #5b6b78 }
  .number { font-size: 13px; font-weight: 700; fill: #ffffff; text-anchor: middle }
  .middle { text-anchor: middle }
"""
BLUE, PALE, LINE, ORANGE = "#1f6f8b", "#eef4f7", "#c9d7df", "#d9822b"
BOX, TALL = 196, 56  # of a directory


def text(x: float, y: float, content: str, kind: str = "", transform: str = "") -> str:
    """Return a line of text."""
    attributes = (f' class="{kind}"' if kind else "") + (f' transform="{transform}"' if transform else "")
    return f'<text x="{x:g}" y="{y:g}"{attributes}>{html.escape(content)}</text>'


def svg(width: int, height: int, title: str, parts: list[str]) -> str:
    """Return a picture on a white sheet, so that it reads on a dark page too."""
    marker = (f'<marker id="tip" viewBox="0 0 10 10" refX="9" refY="5" markerWidth="8" markerHeight="8" orient="auto">'
              f'<path d="M0 1 L9 5 L0 9 z" fill="{BLUE}"/></marker>')
    return "\n".join([
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" '
        'role="img">', f"<title>{html.escape(title)}</title>", f"<style>{STYLE}</style>", f"<defs>{marker}</defs>",
        f'<rect width="{width}" height="{height}" rx="10" fill="#ffffff"/>', *parts, "</svg>", ""])


def layers() -> list[list[str]]:
    """Return the packages of each layer of the contract, the highest first."""
    contracts = read_configuration(str(ROOT / "pyproject.toml"))["contracts_options"]
    contract = next(contract for contract in contracts if contract["id"] == "layers")
    return [[name.strip() for name in layer.split("|")] for layer in contract["layers"]]


def imports() -> set[tuple[str, str]]:
    """Return the pairs of packages of which the first imports the second."""
    sys.path.insert(0, str(ROOT))
    graph = grimp.build_graph("stxfer", cache_dir=None)
    pairs = set()
    for importer in graph.modules:
        for imported in graph.find_modules_directly_imported_by(importer):
            ends = [name.split(".")[1] if "." in name else "" for name in (importer, imported)]
            if all(ends) and ends[0] != ends[1]:
                pairs.add((ends[0], ends[1]))
    return pairs


def purpose(package: str) -> str:
    """Return the first sentence of a package's docstring."""
    source = (ROOT / "stxfer" / package / "__init__.py").read_text(encoding="utf-8")
    docstring = ast.get_docstring(ast.parse(source)) or ""
    return " ".join(docstring.partition("\n\n")[0].split()).removesuffix(".").replace("``", "")


def packages() -> str:
    """Draw the layers from top to bottom; a dot in a package's row says that it imports the package of the column."""
    rows, left, grid, cell, top = layers(), 40, 560, 27, 132
    names = [name for layer in rows for name in layer]
    taken = imports()
    width, height = grid + cell * len(names) + 40, top + 44 * len(names) + 6 * len(rows) + 58
    parts = [text(left, 42, "The packages of stxfer", "title"),
             text(left, 64, "An import goes down this list, never up: every dot lies right of the diagonal.", "note")]
    parts += [text(0, 0, name, "small", f"translate({grid + cell * k + 18} {top - 12}) rotate(-60)")
              for k, name in enumerate(names)]
    y = top
    for layer in rows:
        tall = 44 * len(layer)
        parts.append(f'<rect x="{left - 16}" y="{y}" width="{width - 2 * left + 32}" height="{tall}" rx="8" '
                     f'fill="{PALE}"/>')
        for k, name in enumerate(layer):
            middle = y + 44 * k + 22
            lines = textwrap.wrap(purpose(name), 62)
            parts.append(text(left, middle + 5, name, "name"))
            parts += [text(left + 108, middle + 4.5 + 15 * (i - (len(lines) - 1) / 2), line, "small")
                      for i, line in enumerate(lines)]
            for column, other in enumerate(names):
                x = grid + cell * column + cell / 2
                if other == name:
                    parts.append(f'<rect x="{x - 8:g}" y="{middle - 8}" width="16" height="16" rx="3" fill="{LINE}"/>')
                elif (name, other) in taken:
                    colour = BLUE if column > names.index(name) else ORANGE
                    parts.append(f'<circle cx="{x:g}" cy="{middle}" r="6" fill="{colour}"/>')
                else:
                    parts.append(f'<circle cx="{x:g}" cy="{middle}" r="1.5" fill="{LINE}"/>')
        y += tall + 6
    parts.append(text(left, y + 24, "Packages of one band import nothing of each other. A dot: the package of the row "
                                    "imports that of the column.", "note"))
    return svg(width, height, "The packages of stxfer and their imports", parts)


def arrow(path: str) -> str:
    """Return a line with a tip along an SVG path."""
    return f'<path d="{path}" fill="none" stroke="{BLUE}" stroke-width="1.6" marker-end="url(#tip)"/>'


def box(x: float, y: float, name: str, note: str, fill: str = PALE) -> list[str]:
    """Return a directory."""
    return [f'<rect x="{x:g}" y="{y:g}" width="{BOX}" height="{TALL}" rx="8" fill="{fill}" stroke="{LINE}"/>',
            text(x + BOX / 2, y + 24, name, "path middle"), text(x + BOX / 2, y + 43, note, "small middle")]


def stage(x: float, y: float, number: int, name: str, package: str, *, beside: bool = False) -> list[str]:
    """Return a stage: its number on an arrow; its name and its package above and below, or beside it."""
    words = [text(x + 20, y - 2, name, "path"), text(x + 20, y + 14, package, "small")] if beside else \
        [text(x, y - 19, name, "path middle"), text(x, y + 29, package, "small middle")]
    return [f'<circle cx="{x:g}" cy="{y:g}" r="13" fill="{BLUE}"/>', text(x, y + 4.5, str(number), "number"), *words]


def data() -> str:
    """Draw the directories of an experiment and the stages that make them."""
    column = [40 + (BOX + 122) * k for k in range(4)]
    middle = [x + BOX / 2 for x in column]
    first, second, bus, third, last = 104, 282, 394, 526, 668
    end = column[3] + BOX
    parts = [text(40, 42, "The way of the data", "title"),
             text(40, 64, "A box is a directory, a circle a stage, with its name and the package that does the work.",
                  "note")]

    def across(y: float, left: float, right: float, *words: str | int) -> list[str]:
        number, name, package = words
        return [arrow(f"M{left} {y} H{right - 3}"),
                *stage((left + right) / 2, y, int(number), str(name), str(package))]

    # From the corpora to features.
    parts += box(column[0], first, "corpora", "as they are published", "#ffffff")
    parts += box(column[1], first, "data/", "Kaldi data directories, bitext")
    parts += box(column[2], first, "dump/data/", "normalised, checked, cut")
    parts += box(column[3], first, "dump/fbank/", "features and their texts")
    for k, words in enumerate([(1, "data", "corpora"), (2, "prepare", "prepare"), (3, "features", "audio")]):
        parts += across(first + TALL / 2, column[k] + BOX, column[k + 1], *words)
    # Vocabularies, translators and labels.
    parts += box(column[1], second, "dump/vocab/<name>/", "of transcripts and bitext")
    parts += box(column[2], second, "exp/mt/<label>/", "translators, from the bitext")
    parts += box(column[3], second, "dump/labels/<label>/", "translated, filtered")
    parts += box(column[0], second, "exp/lm/<name>/", "language models, for decoding")
    left = (column[0] + BOX + column[1]) / 2
    parts += [arrow(f"M{column[1]} {second + TALL / 2} H{column[0] + BOX + 3}"),
              *stage(left, second + TALL / 2, 7, "lm", "training")]
    turn = first + TALL + 66
    parts.append(arrow(f"M{column[2] + 36} {first + TALL} V{turn} H{middle[1]} V{second - 3}"))
    parts += stage(column[2] - 61, turn, 6, "vocab", "prepare")
    parts.append(arrow(f"M{middle[2]} {first + TALL} V{second - 3}"))
    parts += stage(middle[2], turn + 2, 4, "mt", "mt, training", beside=True)
    parts += across(second + TALL / 2, column[2] + BOX, column[3], 5, "labels", "mt")
    parts += [arrow(f"M{middle[3]} {first + TALL} V{second - 3}"),
              text(middle[3] + 10, turn - 4, "transcripts", "small")]
    # What training reads.
    parts.append(f'<rect x="{column[0]}" y="{bus}" width="{end - column[0]}" height="34" rx="17" fill="{PALE}" '
                 f'stroke="{LINE}"/>')
    parts.append(text((column[0] + end) / 2, bus + 22, "features  +  transcripts or labels  +  a vocabulary", "middle"))
    parts += [arrow(f"M{middle[k]} {second + TALL} V{bus - 3}") for k in (1, 3)]
    parts.append(arrow(f"M{end} {first + TALL / 2} H{end + 24} V{bus + 17} H{end + 3}"))
    # Training.
    group = column[2] + BOX + 16
    parts.append(f'<rect x="{column[0] - 16}" y="{third - 34}" width="{group - column[0] + 16}" height="{TALL + 72}" '
                 f'rx="12" fill="none" stroke="{LINE}" stroke-dasharray="5 4"/>')
    parts.append(text(column[0], third + TALL + 26, "exp/<system>/seed<n>/", "path"))
    parts.append(text(column[0] + 192, third + TALL + 26, "a box a system: parameters, what was transferred, learning "
                                                         "curve", "small"))
    for k, (name, note) in enumerate([("source ASR", "from nothing"), ("speech translation", "from source ASR"),
                                      ("target ASR", "from speech translation")]):
        parts += box(column[k], third, name, note)
        parts.append(arrow(f"M{middle[k]} {bus + 34} V{third - 3}"))
    parts += stage(middle[0], bus + 62, 8, "source_asr", "training", beside=True)
    for k, words in enumerate([(9, "st", "training"), (10, "target_asr", "training")]):
        parts += across(third + TALL / 2, column[k] + BOX, column[k + 1], *words)
    # From hypotheses to the report.
    parts += box(column[3], third, "…/decode/<set>/", "hypotheses")
    parts += across(third + TALL / 2, group, column[3], 11, "decode", "decoding")
    parts += box(column[3], last, "…/decode/<set>/score/", "error rates, BLEU, chrF")
    parts.append(arrow(f"M{middle[3]} {third + TALL} V{last - 3}"))
    parts += stage(middle[3], (third + TALL + last) / 2, 12, "score", "score", beside=True)
    parts += box(column[2], last, "exp/report/", "tables, page, JSON")
    y = last + TALL / 2
    parts.append(arrow(f"M{column[3]} {y} H{column[2] + BOX + 3}"))
    parts += stage(column[3] - 61, y, 13, "report", "report")
    return svg(int(end + 64), last + TALL + 36, "The directories of an experiment and the stages that make them", parts)


PICTURES = {"packages.svg": packages, "data.svg": data}


def main() -> None:
    """Write the pictures."""
    os.chdir(ROOT)
    for name, draw in PICTURES.items():
        (ROOT / "docs" / name).write_text(draw(), encoding="utf-8")


if __name__ == "__main__":
    main()
