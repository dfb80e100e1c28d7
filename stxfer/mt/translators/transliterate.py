"""The source transcript written in the target's script: a label that knows nothing of the target language.

It is the cheap rival of translation: a recogniser that learns to write what it hears in the target's letters, by rules
alone, needs no translator at all.
"""

from __future__ import annotations

import hashlib
import json
import re
import unicodedata
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from stxfer.core.errors import ConfigError, DataError
from stxfer.experiment.translators import Transliterate
from stxfer.mt.translator import Closing, Translation, checked
from stxfer.mt.translators.kind import Kind, LabelSource

BEGIN, END, NEVER = r"(?<![^\W_])", r"(?![^\W_])", r"(?!)"  # of a word; what matches nowhere
MAPS = Path(__file__).with_name("maps")


class Transliterator(Closing):
    """Rewrites letters by the longest rule that matches.

    Args:
        options: ``map``, the name of a built-in table (see :func:`built_in`) or a file like one.
        identity: what decides the result.

    Raises:
        ConfigError: no such table, or it is malformed.
    """

    def __init__(self, options: Transliterate, identity: Mapping[str, Any] | None = None) -> None:
        self.table = load_map(map_file(options.map))
        self.identity: Mapping[str, Any] = identity or {}

    def translate(self, sentences: Sequence[str], nbest: int = 1,
                  keys: Sequence[str] = ()) -> list[list[Translation]]:
        """Rewrite each sentence, with score 0; nothing where no letter is left.

        Raises:
            DataError: a sentence that is none, see :func:`stxfer.mt.translator.checked`.
        """
        results: list[list[Translation]] = [[] for _ in sentences]
        for i in checked(sentences, keys):
            text = self.table.rewrite(sentences[i])
            if any(char.isalpha() for char in text):
                results[i] = [Translation(text, 0.0)]
        return results


class TransliterateKind(Kind):
    """``translator: transliterate``."""

    def inputs(self, source: LabelSource) -> list[Path]:
        """Return the file of the rules, unless they are built in."""
        path = map_file(source.label.options.map)
        return [] if path.parent == MAPS else [path]

    def identity(self, source: LabelSource) -> dict[str, Any]:
        """Return the options, and what stands for the rules.

        Of built-in ones that is not the file, which lies elsewhere in another installation.
        """
        identity = super().identity(source)
        if not self.inputs(source):
            identity["rules"] = load_map(map_file(source.label.options.map)).digest
        return identity

    def open(self, source: LabelSource, identity: Mapping[str, Any], threads: int) -> Transliterator:
        """Read the rules."""
        return Transliterator(source.label.options, identity)


class Table:
    """Rules, and the letters that a result may hold.

    Args:
        rules: what is replaced (a leading ``^``: at the start of a word, a trailing ``$``: at its end), by what.
        alphabet: letters of the target; others lose their marks, or are left out. Empty: all.
    """

    def __init__(self, rules: Mapping[str, str], alphabet: str) -> None:
        self._rules = {unicodedata.normalize("NFC", key): value for key, value in rules.items()}
        ordered = sorted(self._rules, key=lambda key: (-len(key.strip("^$")), -len(key)))
        self._pattern = re.compile("|".join(
            f"(?P<r{i}>{BEGIN * key.startswith('^')}{re.escape(key.strip('^$'))}{END * key.endswith('$')})"
            for i, key in enumerate(ordered)) or NEVER)
        self._values = {f"r{i}": self._rules[key] for i, key in enumerate(ordered)}
        self._alphabet = set(alphabet)

    @property
    def digest(self) -> str:
        """What stands for the rules and the alphabet."""
        return hashlib.sha256(json.dumps([sorted(self._rules.items()), sorted(self._alphabet)]).encode()).hexdigest()

    def rewrite(self, text: str) -> str:
        """Return ``text`` in lower case, rewritten."""
        text = unicodedata.normalize("NFC", text.lower())
        text = self._apply(text)
        if self._alphabet:
            text = "".join(map(self._fit, text))
        return " ".join(text.split())

    def _apply(self, text: str) -> str:
        return self._pattern.sub(lambda match: self._values[str(match.lastgroup)], text)

    def _fit(self, char: str) -> str:
        """Return a character of the alphabet, without its marks if need be; nothing where there is none."""
        if char in self._alphabet or not unicodedata.category(char).startswith(("L", "M")):
            return char
        plain = "".join(c for c in unicodedata.normalize("NFKD", char) if not unicodedata.combining(c))
        return "".join(c for c in self._apply(plain.lower()) if c in self._alphabet)


def built_in() -> list[str]:
    """Return the names of the tables that come with the project, ``<from>-<to>`` by script or language."""
    return sorted(path.stem for path in MAPS.glob("*.yaml"))


def map_file(name: str) -> Path:
    """Return the file of a table.

    Raises:
        ConfigError: neither a built-in table nor a file.
    """
    for path in (MAPS / f"{name}.yaml", Path(name)):
        if path.is_file():
            return path
    raise ConfigError(f"map {name!r}: no such file, and no built-in table; built-in: {' '.join(built_in())}")


def load_map(path: Path) -> Table:
    """Read a table: YAML with ``rules`` (a mapping) and ``alphabet``, or, for another suffix, ``from<TAB>to`` lines.

    A table may begin from a built-in one, named by ``base``.

    Raises:
        ConfigError: malformed.
        DataError: not UTF-8.
    """
    text = _text(path)
    if path.suffix not in (".yaml", ".yml"):
        rules = {}
        for number, line in enumerate(text.splitlines(), 1):
            fields = line.split("\t")
            if line and (len(fields) != 2 or not fields[0].strip("^$")):
                raise ConfigError(f"{path}:{number}: {line!r} must be from<TAB>to")
            if line:
                rules[fields[0]] = fields[1]
        return Table(rules, "")
    return Table(*_read(path, text, ()))


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: not UTF-8 ({error.reason} at byte {error.start}); convert it with iconv") from None


def _read(path: Path, text: str, seen: tuple[Path, ...]) -> tuple[dict[str, str], str]:
    """Return the rules and the alphabet of a YAML table, those of its base included."""
    try:
        raw = yaml.safe_load(text)
    except (yaml.YAMLError, ValueError, RecursionError) as error:  # ValueError: of dates and numbers
        raise ConfigError(f"{path}: not YAML: {' '.join(str(error).split())}") from None
    if not isinstance(raw, dict) or raw.keys() - {"base", "rules", "alphabet"}:
        raise ConfigError(f"{path}: must be a mapping of base, rules and alphabet, no other key")
    rules: dict[str, str] = {}
    alphabet = ""
    if "base" in raw:
        base = map_file(str(raw["base"]))
        if base in seen:
            raise ConfigError(f"{path}: base {raw['base']!r}: tables made of each other in a circle")
        rules, alphabet = _read(base, _text(base), (*seen, path))
    own = raw.get("rules") or {}
    if not isinstance(own, dict):
        raise ConfigError(f"{path}: rules: must be a mapping, not {own!r}")
    for key, value in own.items():
        if not isinstance(key, str) or not isinstance(value, str) or not key.strip("^$"):
            raise ConfigError(f"{path}: rules: {key!r}: {value!r}: both must be text; put y, n, on and numbers in "
                              "quotation marks")
    letters = raw.get("alphabet", alphabet)
    if not isinstance(letters, str):
        raise ConfigError(f"{path}: alphabet: must be text, not {letters!r}")
    return {**rules, **own}, letters
