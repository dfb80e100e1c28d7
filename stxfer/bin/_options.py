"""Command-line options from a class of options, whose values an experiment file may give."""

from __future__ import annotations

import argparse
from dataclasses import replace
from typing import Any, TypeVar, get_args

from stxfer.core.options import Options, option_fields

T = TypeVar("T", bound=Options)


def add_options(parser: argparse.ArgumentParser, cls: type[Options]) -> None:
    """Add ``--field-name`` for each field, with the field's description; an option not given is None."""
    for name, field in option_fields(cls).items():
        default = " ".join(map(str, field.default)) if isinstance(field.default, tuple) else field.default
        kind = type(default) if isinstance(default, (int, float)) else str
        words = [word for word in get_args(field.annotation) if isinstance(word, str)]
        metavar = "|".join(words) or {int: "N", float: "X"}.get(kind, "WORDS")
        text = (field.description or "").replace("%", "%%").replace("\n", " ").rstrip(".")
        parser.add_argument(f"--{name.replace('_', '-')}", type=kind, metavar=metavar, default=argparse.SUPPRESS,
                            help=f"{text} (default: of the experiment, or {'none' if default == '' else default})")


def read_options(args: argparse.Namespace, configured: T) -> T:
    """Return the options given, over those of the experiment file.

    Raises:
        ConfigError: an option has a value that it cannot have.
    """
    given: dict[str, Any] = {name: getattr(args, name) for name in option_fields(type(configured))
                             if hasattr(args, name)}
    return replace(configured, **given)  # type: ignore[type-var]
