"""TMX, the exchange format of translation memories: a stream of units, each with a segment a language.

Read with expat, a piece at a time. Entities, which can grow without bound or name other files, are refused; the
document type that TMX files name is not fetched. Format: TMX 1.4b, Localization Industry Standards Association.
"""

from __future__ import annotations

import codecs
import logging
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, Any
from xml.parsers import expat

from stxfer.core.errors import DataError
from stxfer.corpora.bitext.lines import MAX_BYTES, LeftOut, Pair, open_binary

log = logging.getLogger(__name__)
CHUNK = 1 << 16
CODES = {"bpt", "ept", "it", "ph", "ut"}  # elements whose content is markup of the document, not text
LANG = "http://www.w3.org/XML/1998/namespace lang"
_MARK = "\x7f"  # stands for what XML does not allow; a control character that it does
SHOWN = "\ufffd"  # for the mark, in lists
_ILLEGAL = re.compile(rb"[\x00-\x08\x0b\x0c\x0e-\x1f]|\xef\xbf[\xbe\xbf]|\xed[\xa0-\xbf][\x80-\xbf]")
_REFERENCE = re.compile(rb"&#(?:x([0-9a-fA-F]{1,8})|([0-9]{1,10}));")
_UNFINISHED = re.compile(rb"(?:&#?x?[0-9a-fA-F]{0,10}|\xef\xbf?|\xed[\xa0-\xbf]?)\Z")


def read_tmx(path: Path, languages: Sequence[str], left_out: LeftOut | None = None) -> Iterator[Pair]:
    """Yield the sentence pairs of the units that have both languages, white space collapsed.

    A language code is met by itself in any case and by its regional variants (``en`` by ``EN-US``): by the one of them
    that most segments are of, in the whole file. Inline codes leave a space. Read twice: what it holds, and its pairs.

    Args:
        path: the file.
        languages: codes of the source and the target language.
        left_out: receives units with control characters (``control``), and those that have both languages, but not
            in the variants read (``variant``).

    Raises:
        DataError: not XML, cut short, with entities, or no unit has both languages; names the languages it has.
    """
    content = _Content()
    for _ in _parsed(path, content):
        pass
    if content.root != "tmx":
        raise DataError(f"{path}: its outermost element is <{content.root}>, where TMX has <tmx>")
    reader = _Reader([_variant(path, language, content.seen) for language in languages], languages,
                     left_out or LeftOut(), path)
    n_pairs = 0
    for _ in _parsed(path, reader):
        yield from reader.pairs
        n_pairs += len(reader.pairs)
        reader.pairs.clear()
    if not n_pairs:
        raise DataError(f"{path}: no unit has both {languages[0]} and {languages[1]}; its languages are "
                        f"{', '.join(f'{lang} ({n})' for lang, n in content.seen.most_common(8)) or 'none'}")


def _code(language: str) -> str:
    return language.lower().replace("_", "-")


def _is_of(code: str, language: str) -> bool:
    return code == _code(language) or code.startswith(f"{_code(language)}-")


def _variant(path: Path, language: str, seen: Counter[str]) -> str:
    """Return the code of a language that most segments have, itself if as many as any; says what is not read."""
    found = Counter({code: n for code, n in seen.items() if _is_of(code, language)})
    if len(found) < 2:
        return next(iter(found), "")
    chosen = max(found, key=lambda code: (found[code], code == _code(language), code))
    others = ", ".join(f"{code} ({n})" for code, n in found.most_common() if code != chosen)
    log.warning("%s: of %s the %d segments of %s are read, not those of %s; give a code of these as the language to "
                "read them", path, language, found[chosen], chosen, others)
    return chosen


def _parsed(path: Path, reader: _Content) -> Iterator[None]:
    """Feed a file to a reader, a chunk at each step."""
    with open_binary(path) as handle:
        parser: Any = None
        try:
            for chunk, encoding in _legal(handle):
                if parser is None:
                    parser = expat.ParserCreate(encoding, namespace_separator=" ")
                    parser.EntityDeclHandler, parser.buffer_text = _refuse, True
                    reader.attach(parser)
                parser.Parse(chunk)
                yield
            if parser is None:
                raise DataError(f"{path}: is empty")
            parser.Parse(b"", True)
            yield
        except (expat.ExpatError, EOFError, OSError) as error:
            raise DataError(f"{path}: not XML, or cut short ({error}), after {reader.units} units; "
                            "fetch it again") from None
        except _Refused as error:
            raise DataError(f"{path}:{parser.CurrentLineNumber}: {error}") from None


def _legal(handle: IO[bytes]) -> Iterator[tuple[bytes, str | None]]:
    """Yield a file's bytes with a mark for each character that XML does not allow, and their encoding if it is known.

    A parser stops at the first of these, and would lose all that follows.
    """
    decoder, rest = None, b""
    first = True
    while raw := handle.read(CHUNK):
        if first and (encoding := _utf16(raw)):
            decoder = codecs.getincrementaldecoder(encoding)(errors="replace")
        first = False
        raw = rest + (decoder.decode(raw).encode("utf-8", "replace") if decoder else raw)
        unfinished = _UNFINISHED.search(raw, max(0, len(raw) - 16))
        cut = unfinished.start() if unfinished else len(raw)
        raw, rest = raw[:cut], raw[cut:]
        yield _REFERENCE.sub(_referred, _ILLEGAL.sub(_MARK.encode(), raw)), "utf-8" if decoder else None
    if rest:
        yield rest, None


def _utf16(start: bytes) -> str | None:
    if start.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    return {b"<\0": "utf-16-le", b"\0<": "utf-16-be"}.get(start[:2])


def _referred(match: re.Match[bytes]) -> bytes:
    code = int(match[1], 16) if match[1] else int(match[2])
    legal = code in (9, 10, 13) or 32 <= code < 0xd800 or 0xe000 <= code < 0xfffe or 0x10000 <= code < 0x110000
    return match[0] if legal else _MARK.encode()


class _Refused(Exception):
    """Content that is not read for safety's sake."""


def _refuse(name: str, *_: Any) -> None:
    raise _Refused(f"declares the entity {name!r}; entities are not read, replace them by their text")


class _Content:
    """Counts the segments of each language code, in lower case."""

    def __init__(self) -> None:
        self.seen: Counter[str] = Counter()
        self.root = ""
        self.units = 0
        self._language = ""
        self._parser: Any = None

    def attach(self, parser: Any) -> None:
        """Have a parser call the methods."""
        parser.StartElementHandler = self.start
        self._parser = parser

    def start(self, name: str, attributes: dict[str, str]) -> None:
        name = name.rpartition(" ")[2]
        self.root = self.root or name
        if name == "tu":
            self.units += 1
        elif name == "tuv":
            self._language = _code(attributes.get(LANG, attributes.get("lang", "")))
            self.seen[self._language] += 1


class _Reader(_Content):
    """Follows the elements and gathers the pairs of finished units."""

    def __init__(self, codes: Sequence[str], languages: Sequence[str], left_out: LeftOut, path: Path) -> None:
        super().__init__()
        self.codes, self.languages, self.left_out, self.path = codes, languages, left_out, path
        self.pairs: list[Pair] = []
        self._unit: dict[str, str] = {}
        self._segment: list[str] | None = None
        self._size = self._codes = 0

    def attach(self, parser: Any) -> None:
        super().attach(parser)
        parser.EndElementHandler, parser.CharacterDataHandler = self.end, self.characters

    def start(self, name: str, attributes: dict[str, str]) -> None:
        super().start(name, attributes)
        name = name.rpartition(" ")[2]
        if name == "tu":
            self._unit = {}
        elif name == "seg":
            self._segment, self._size, self._codes = [], 0, 0
        elif name in CODES:
            self._codes += 1
            if self._segment is not None:
                self._segment.append(" ")

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
            self._finish()

    def _finish(self) -> None:
        source, target = (self._unit.get(code) for code in self.codes)
        place = f"{self.path}:{self._parser.CurrentLineNumber}"
        if source is not None and target is not None:
            if _MARK in source or _MARK in target:
                self.left_out.add(place, "control", (source.replace(_MARK, SHOWN), target.replace(_MARK, SHOWN)))
            else:
                self.pairs.append((source, target))
        elif all(any(_is_of(code, language) for code in self._unit) for language in self.languages):
            others = [next(text for code, text in self._unit.items() if _is_of(code, language))
                      for language in self.languages]
            self.left_out.add(place, "variant", (others[0], others[1]))
