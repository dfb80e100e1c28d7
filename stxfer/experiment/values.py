"""Values of a configuration, checked against the dataclass they are for."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from typing import Any, TypeVar

from stxfer.core.errors import ConfigError

T = TypeVar("T")


def refuse_unknown(value: Any, known: Iterable[str], where: str) -> None:
    """Raise ConfigError unless ``value`` is a mapping whose keys are all known."""
    if not isinstance(value, Mapping):
        raise ConfigError(f"{where}: must be a mapping, not {value!r}")
    unknown = sorted(set(map(str, value)) - set(known))
    if unknown:
        raise ConfigError(f"{where}: unknown key {unknown[0]!r}; known: {' '.join(sorted(known))}")


def make(cls: type[T], value: Mapping[str, Any], where: str) -> T:
    """Make a dataclass of a mapping; a default says what type its value has to be.

    Raises:
        ConfigError: an unknown key or a value of the wrong type; names the key and ``where`` it stands.
    """
    fields = {f.name: f for f in dataclasses.fields(cls)}  # type: ignore[arg-type]
    refuse_unknown(value, fields, where)
    checked: dict[str, Any] = {}
    for key, item in value.items():
        default = fields[key].default
        if isinstance(default, float) and isinstance(item, (int, str)) and not isinstance(item, bool):
            try:
                item = float(item)  # YAML 1.1 reads 1e-3 as a string
            except ValueError:
                raise ConfigError(f"{where}.{key}: {item!r} is not a number") from None
        if isinstance(default, tuple) and isinstance(item, list):
            item = tuple(item)
        if default is not dataclasses.MISSING and type(item) is not type(default):
            raise ConfigError(f"{where}.{key}: {item!r} must be {type(default).__name__}")
        checked[key] = item
    return cls(**checked)
