"""Options as typed data: checked when they are made, and declared to decide a result or not.

A stage's marker records the options that the stage's result was made by. Which fields those are is said once, at the
field: all, but those annotated with :data:`NoEffect`. A field that a marker does not know has the value it had before
there was such a field, its default, unless it is annotated with :data:`Untold`.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import pydantic.dataclasses
from pydantic import ConfigDict, Field, GetCoreSchemaHandler, ValidationError, model_validator
from pydantic.fields import FieldInfo
from pydantic_core import ArgsKwargs, CoreSchema, core_schema
from typing_extensions import Self, dataclass_transform

from stxfer.core.errors import ConfigError
from stxfer.core.mistakes import first_mistake, unknown_key, wrong

# Descriptions of fields are the strings below them. Files call some fields otherwise (from, vocab), code never does.
CONFIG = ConfigDict(use_attribute_docstrings=True, allow_inf_nan=False, validate_by_name=True, validate_by_alias=True)
T = TypeVar("T")


class _Mark:
    """Says something of a field in its annotation."""


NoEffect = _Mark()  # the field changes no result, or what it names is an input of the stage
NotInFile = _Mark()  # code fills the field; a file that has it is wrong
Untold = _Mark()  # a marker without the field does not say how it was made; that is no difference


@dataclass(frozen=True)
class Formerly:
    """Annotates a field whose values had other names once; files and markers may still have those."""

    names: Mapping[str, str]

    def now(self, value: Any) -> Any:
        """Return what a value is called today."""
        return self.names.get(value, value) if isinstance(value, str) else value

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_before_validator_function(self.now, handler(source))


class Options:
    """Base of all options; a subclass is decorated with :func:`options`."""

    def effective(self) -> list[str]:
        """Return the names of the fields that decide a result."""
        return [name for name, field in option_fields(type(self)).items() if NoEffect not in field.metadata]

    @model_validator(mode="before")
    @classmethod
    def _refuse_unknown(cls, value: Any) -> Any:
        if isinstance(value, (ArgsKwargs, Options)):
            return value
        if not isinstance(value, Mapping):
            raise wrong("must be a mapping")
        known = file_keys(cls)
        for key in value:
            if key not in known:
                raise unknown_key(key, known)
        return value

    @classmethod
    def read(cls, value: Any, where: str, place: Sequence[str | int] = ()) -> Self:
        """Make options of a mapping that comes from a file.

        Args:
            value: the mapping.
            where: the file, for messages.
            place: keys and indices that lead to the mapping there.

        Raises:
            ConfigError: an unknown or missing key, or a wrong value. One line names file, key and what is allowed; of
                several mistakes, the first.
        """
        validator = cls.__pydantic_validator__  # type: ignore[attr-defined]
        try:
            made: Self = validator.validate_python(value)
        except ValidationError as error:
            raise ConfigError(first_mistake(error, where, place)) from None
        return made


@dataclass_transform(frozen_default=True, field_specifiers=(Field,))
def options(cls: type[T]) -> type[T]:
    """Make a frozen dataclass of a subclass of :class:`Options`; wrong values raise ConfigError."""
    made: Any = pydantic.dataclasses.dataclass(frozen=True, config=CONFIG)(cls)
    validate, names = made.__init__, list(option_fields(made))

    @functools.wraps(validate)
    def init(self: Any, *args: Any, **values: Any) -> None:
        if len(args) > len(names):
            raise TypeError(f"{made.__name__} has {len(names)} options, not {len(args)}")
        try:
            validate(self, **dict(zip(names, args, strict=False)), **values)
        except ValidationError as error:
            raise ConfigError(first_mistake(error, "")) from None

    made.__init__ = init
    for base in made.__mro__[1:]:  # pydantic takes descriptions from the class's own lines alone
        for name, field in option_fields(base).items() if "__pydantic_fields__" in vars(base) else ():
            inherited = option_fields(made)[name]
            inherited.description = inherited.description or field.description
    checked: type[T] = made
    return checked


def option_fields(cls: type[Any]) -> dict[str, FieldInfo]:
    """Return the fields of an options class with their descriptions, defaults and constraints."""
    found: dict[str, FieldInfo] = cls.__pydantic_fields__
    return found


def file_keys(cls: type[Any]) -> dict[str, str]:
    """Return what a file calls the fields of an options class, and their names."""
    return {str(field.validation_alias or name): name for name, field in option_fields(cls).items()
            if NotInFile not in field.metadata}


@dataclass(frozen=True)
class Spread:
    """Options whose fields stand beside others in a marker.

    Attributes:
        options: the options.
        others: entries of the marker that are none of their fields, or stand in place of one.
    """

    options: Options
    others: Mapping[str, Any]


def identity(value: Any) -> Any:
    """Return what of a value decides results, as JSON can hold it: of options, the fields that have an effect."""
    if isinstance(value, Spread):
        return identity(value.options) | identity(value.others)
    if isinstance(value, Options):
        return {name: identity(getattr(value, name)) for name in value.effective()}
    if isinstance(value, Mapping):
        return {key: identity(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [identity(item) for item in value]
    return value


def differences(recorded: Any, current: Any, name: str = "", written: Callable[[Any], Any] = lambda value: value
                ) -> Iterator[str]:
    """Yield ``phases[0].lr (0.002 -> 0.001)`` for each value of a marker that decides results and is another now.

    Args:
        recorded: what :func:`identity`, or ``dataclasses.asdict``, made of the value that was, read from JSON.
        current: the value that is.
        name: what the messages call the value.
        written: what a file holds in place of a value.
    """
    was = identity(recorded)
    if isinstance(current, Spread) and isinstance(was, dict):
        known = option_fields(type(current.options))
        others = {key: known[key].get_default(call_default_factory=True) for key in current.others if key in known}
        others |= {key: item for key, item in was.items() if key in current.others}
        fields = {key: item for key, item in was.items() if key not in current.others}
        yield from differences(others, current.others, name, written)
        yield from _fields_that_differ(fields, current.options, name, written, current.others.keys())
    elif isinstance(current, Options) and isinstance(was, dict):
        yield from _fields_that_differ(was, current, name, written)
    elif isinstance(current, Mapping) and isinstance(was, dict):
        now = {written(key): value for key, value in current.items()}
        for key in sorted({*was, *now}):
            yield from differences(was.get(key), now.get(key), f"{name}.{key}" if name else key, written)
    elif isinstance(current, (list, tuple)) and isinstance(was, list) and len(was) == len(current):
        for number, item in enumerate(current):
            yield from differences(was[number], item, f"{name}[{number}]", written)
    elif was != written(identity(current)):
        yield f"{name} ({_brief(was)} -> {_brief(identity(current))})"


def _brief(value: Any) -> str:
    return f"{len(value)} items" if isinstance(value, list) and value and isinstance(value[0], dict) else repr(value)


def _fields_that_differ(was: Mapping[str, Any], current: Options, name: str, written: Callable[[Any], Any],
                        apart: Collection[str] = ()) -> Iterator[str]:
    known = option_fields(type(current))
    prefix = f"{name}." if name else ""
    for key in (key for key in current.effective() if key not in apart):
        if key not in was and Untold in known[key].metadata:
            continue
        before = was[key] if key in was else known[key].get_default(call_default_factory=True)
        for mark in known[key].metadata:
            before = mark.now(before) if isinstance(mark, Formerly) else before
        yield from differences(before, getattr(current, key), f"{prefix}{key}", written)
    for key in sorted(was.keys() - known.keys()):
        if was[key]:  # an option that is no more; switched off, it changed nothing
            yield f"{prefix}{key} ({was[key]!r} -> no such option)"

