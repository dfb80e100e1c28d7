"""An experiment file as it is written: YAML, included files, and what of them counts.

A file may come from anywhere: only YAML's plain values are read, and aliases may not make more of a file than it is.
"""

from __future__ import annotations

import datetime
import math
from collections.abc import Callable, Hashable, Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from stxfer.core.errors import ConfigError
from stxfer.core.mistakes import located, shown

MAX_BYTES = 2 ** 20
MAX_VALUES = 50_000  # of a file, its aliases written out
MAX_DEPTH = 40
MAX_FILES = 100  # that are included, as often as they are
MAX_BITS = 63  # of a whole number
Place = tuple[str | int, ...]


class _Loader(yaml.SafeLoader):
    """Reads plain values; a key that stands twice in a mapping is an error, where YAML's readers take the last."""

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Hashable, Any]:
        seen: set[Any] = set()
        for key, _ in node.value if isinstance(node, yaml.MappingNode) else ():
            name = (key.tag, key.value) if isinstance(key, yaml.ScalarNode) else id(key)
            if name in seen and key.tag != "tag:yaml.org,2002:merge":
                raise yaml.constructor.ConstructorError(None, None, f"key {shown(key.value)} stands twice",
                                                        key.start_mark)
            seen.add(name)
        return super().construct_mapping(node, deep)


def read_file(path: Path) -> dict[str, Any]:
    """Read an experiment file and those that it includes.

    ``include: [files]`` (relative to it) are read first and overridden by it. Mappings are merged key by key; ``null``
    removes an included key. Where a key names another class than the included one (``encoder``, ``decoder``), that
    one's options (``encoder_conf``) go with it.

    Raises:
        ConfigError: a file is absent, not UTF-8 or not YAML, includes itself, or has a value that no key can have.
    """
    merged: dict[str, Any] = _without_nulls(_read(path, (), iter(range(MAX_FILES))))
    return merged


def _read(path: Path, seen: tuple[Path, ...], left: Iterator[int]) -> dict[str, Any]:
    if next(left, None) is None:
        raise ConfigError(f"{path}: one of more than {MAX_FILES} files that include each other")
    raw = _plain(_parsed(path), path)
    if path.resolve() in seen:
        raise ConfigError(f"{path}: includes itself")
    included = raw.pop("include", [])
    if not isinstance(included, list) or not all(isinstance(name, str) and name.isprintable() for name in included):
        raise ConfigError(f"{path}: include: {shown(included)} must be a list of files")
    merged: dict[str, Any] = {}
    for name in included:
        _merge(merged, _read(path.parent / name, (*seen, path.resolve()), left))
    _merge(merged, raw)
    return merged


def _parsed(path: Path) -> Any:
    try:
        with path.open("rb") as handle:
            content = handle.read(MAX_BYTES + 1)  # a device may have no end
        if len(content) > MAX_BYTES:
            raise ConfigError(f"{path}: more than {MAX_BYTES} bytes, more than an experiment file has")
        return yaml.load(content.decode("utf-8-sig"), _Loader)  # noqa: S506 (a safe loader)
    except FileNotFoundError:
        raise ConfigError(f"{path}: no such configuration") from None
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: not UTF-8 ({error.reason} at byte {error.start})") from None
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from None
    except yaml.YAMLError as error:
        raise ConfigError(f"{path}: not YAML: {_printable(error)}") from None
    except RecursionError:
        raise ConfigError(f"{path}: values stand in each other too deep") from None
    except (ValueError, OverflowError, TypeError, AttributeError) as error:  # of a date or number that is none
        raise ConfigError(f"{path}: not YAML: a value cannot be read: {_printable(error)}") from None


def _printable(error: Exception) -> str:
    text = " ".join(str(error).split())
    return "".join(char if char.isprintable() else "?" for char in text)


def _plain(value: Any, path: Path) -> dict[str, Any]:
    """Return a copy of a file's mapping in which no two places share a value.

    Raises:
        ConfigError: the value is not such a mapping, or holds what no key can have.
    """
    if not isinstance(value, dict):
        raise ConfigError(f"{path}: must be a YAML mapping")
    copy: dict[str, Any] = _copied(value, (), str(path), iter(range(MAX_VALUES)))
    return copy


def _copied(value: Any, place: Place, path: str, left: Iterator[int]) -> Any:
    if next(left, None) is None or len(place) > MAX_DEPTH:
        raise ConfigError(located(path, place[:5], f"aliases make more than {MAX_VALUES} values of the file, or values "
                                                   f"stand more than {MAX_DEPTH} deep in each other"))
    if isinstance(value, dict):
        copy = {}
        for key, item in value.items():
            if not isinstance(key, str):
                raise ConfigError(located(path, place, f"key {shown(key)} must be a string; quote it (YAML takes no, "
                                                       "yes, on and off for truth values)"))
            copy[key] = _copied(item, (*place, key), path, left)
        return copy
    if isinstance(value, list):
        return [_copied(item, (*place, number), path, left) for number, item in enumerate(value)]
    for kinds, is_wrong, what in _NEVER:
        if isinstance(value, kinds) and is_wrong(value):
            raise ConfigError(located(path, place, f"{shown(value)} {what}"))
    return value


_NEVER: tuple[tuple[tuple[type, ...], Callable[[Any], bool], str], ...] = (
    ((float,), lambda value: not math.isfinite(value), "must be a finite number"),
    ((int,), lambda value: value.bit_length() > MAX_BITS, "is too large a number"),
    ((datetime.date,), lambda value: True, "is a date to YAML; quote it"),
    ((bytes, set, tuple), lambda value: True, "must be a string, a number, a list or a mapping"))


def _merge(base: dict[str, Any], over: Mapping[str, Any]) -> None:
    """Lay values over others; a null stays, to remove what another file that is included before says."""
    for key, value in over.items():
        if f"{key}_conf" in base and value != base.get(key):
            del base[f"{key}_conf"]  # options of one class (encoder: conformer) are not another's
    for key, value in over.items():
        if isinstance(value, dict):
            if not isinstance(base.get(key), dict):
                base[key] = {}
            _merge(base[key], value)
        else:
            base[key] = value


def _without_nulls(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_nulls(item) for key, item in value.items() if item is not None}
    return value
