"""Command-line options from a dataclass of whole numbers, whose values a configuration may give."""

from __future__ import annotations

import argparse
import dataclasses
from collections.abc import Mapping
from typing import Any, TypeVar

from stxfer.core.errors import ConfigError

T = TypeVar("T")


def add_options(parser: argparse.ArgumentParser, cls: type[Any], help_of: Mapping[str, str]) -> None:
    """Add ``--field-name`` for each field; an option not given is None."""
    for field in dataclasses.fields(cls):
        parser.add_argument(f"--{field.name.replace('_', '-')}", type=int, metavar="N", default=argparse.SUPPRESS,
                            help=f"{help_of[field.name]} (default: of the configuration, or {field.default})")


def read_options(args: argparse.Namespace, cls: type[T], configured: Mapping[str, Any], where: str) -> T:
    """Return the options given, over those of the configuration, over the defaults.

    Raises:
        ConfigError: the configuration names an option that does not exist, or a value that is not a whole number.
    """
    names = [field.name for field in dataclasses.fields(cls)]  # type: ignore[arg-type]
    for name, value in configured.items():
        if name not in names:
            raise ConfigError(f"{where}.{name}: unknown option; known: {' '.join(names)}")
        if type(value) is not int:
            raise ConfigError(f"{where}.{name}: {value!r} is not a whole number")
    given = {name: getattr(args, name) for name in names if hasattr(args, name)}
    return cls(**{**configured, **given})
