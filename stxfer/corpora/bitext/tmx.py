"""TMX, the exchange format of translation memories: a stream of units, each with a segment a language.

Read with expat, a piece at a time. Entities, which can grow without bound or name other files, are refused; the
document type that TMX files name is not fetched. Format: TMX 1.4b, Localization Industry Standards Association.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any
from xml.parsers import expat

from stxfer.core.errors import DataError
from stxfer.corpora.bitext.lines import MAX_BYTES, Pair, open_binary

CHUNK = 1 << 16
CODES = {"bpt", "ept", "it", "ph", "ut"}  # elements whose content is markup of the document, not text
LANG = "http://www.w3.org/XML/1998/namespace lang"


def read_tmx(path: Path, languages: Sequence[str]) -> Iterator[Pair]:
    """Yield the sentence pairs of the units that have both languages, white space collapsed.

    A language code is met by itself in any case and by its regional variants (``en`` by ``EN-US``).

    Raises:
        DataError: not XML, cut short, with entities, or no unit has both languages; names the languages it has.
    """
    reader = _Reader(languages)
    parser = expat.ParserCreate(namespace_separator=" ")
    parser.StartElementHandler, parser.EndElementHandler = reader.start, reader.end
    parser.CharacterDataHandler = reader.characters
    parser.EntityDeclHandler = _refuse
    parser.buffer_text = True
    n_pairs = 0
    try:
        with open_binary(path) as handle:
            while chunk := handle.read(CHUNK):
                parser.Parse(chunk)
                yield from reader.pairs
                n_pairs += len(reader.pairs)
                reader.pairs.clear()
            parser.Parse(b"", True)
    except (expat.ExpatError, EOFError, OSError) as error:
        raise DataError(f"{path}: not XML, or cut short ({error}), after {n_pairs} pairs; fetch it again") from None
    except _Refused as error:
        raise DataError(f"{path}:{parser.CurrentLineNumber}: {error}") from None
    if reader.root != "tmx":
        raise DataError(f"{path}: its outermost element is <{reader.root}>, where TMX has <tmx>")
    if not n_pairs:
        raise DataError(f"{path}: no unit has both {languages[0]} and {languages[1]}; its languages are "
                        f"{', '.join(f'{lang} ({n})' for lang, n in reader.seen.most_common(8)) or 'none'}")


class _Refused(Exception):
    """Content that is not read for safety's sake."""


def _refuse(name: str, *_: Any) -> None:
    raise _Refused(f"declares the entity {name!r}; entities are not read, replace them by their text")


class _Reader:
    """Follows the elements and gathers the pairs of finished units."""

    def __init__(self, languages: Sequence[str]) -> None:
        self.languages = [lang.lower().replace("_", "-") for lang in languages]
        self.pairs: list[Pair] = []
        self.seen: Counter[str] = Counter()
        self.root = ""
        self._unit: dict[str, str] = {}
        self._language = ""
        self._segment: list[str] | None = None
        self._size = self._codes = 0

    def start(self, name: str, attributes: dict[str, str]) -> None:
        name = name.rpartition(" ")[2]
        self.root = self.root or name
        if name == "tu":
            self._unit = {}
        elif name == "tuv":
            self._language = attributes.get(LANG, attributes.get("lang", "")).lower().replace("_", "-")
            self.seen[self._language] += 1
        elif name == "seg":
            self._segment, self._size, self._codes = [], 0, 0
        elif name in CODES:
            self._codes += 1

    def characters(self, text: str) -> None:
        if self._segment is not None and not self._codes:
            self._size += len(text)
            if self._size > MAX_BYTES:
                raise _Refused(f"a segment of more than {MAX_BYTES >> 20} MiB is no sentence")
            self._segment.append(text)

    def end(self, name: str) -> None:
        name = name.rpartition(" ")[2]
        if name in CODES:
            self._codes -= 1
        elif name == "seg" and self._segment is not None:
            self._unit.setdefault(self._language, " ".join("".join(self._segment).split()))
            self._segment = None
        elif name == "tu":
            sides = [self._side(language) for language in self.languages]
            if sides[0] is not None and sides[1] is not None:
                self.pairs.append((sides[0], sides[1]))

    def _side(self, language: str) -> str | None:
        if language in self._unit:
            return self._unit[language]
        return next((text for code, text in self._unit.items() if code.startswith(f"{language}-")), None)
