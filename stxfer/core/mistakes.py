"""One line for what is wrong with a value that a file or a command gives: its key, the value, what is allowed."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Sequence
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails, PydanticCustomError

LONGEST = 60  # characters of a value that a message shows
_TAG = re.compile(r"<\w+>")  # which member of a union a value was taken for; no key looks so
_NUMBERS = {"greater_than_equal": ("at least", "ge"), "greater_than": ("more than", "gt"),
            "less_than_equal": ("at most", "le"), "less_than": ("less than", "lt")}
_TYPES = {"int": "a whole number", "float": "a number", "finite": "a finite number", "bool": "true or false",
          "string": "a string", "tuple": "a list", "list": "a list", "dict": "a mapping", "dataclass": "a mapping"}


def wrong(what: str, allowed: Iterable[str] = (), *, key: str | None = None) -> PydanticCustomError:
    """Return the error that a validator raises for a value.

    Args:
        what: the end of a sentence that begins with the value, ``must be ...``; with ``key`` a whole sentence.
        allowed: words among which the nearest one is looked for.
        key: of a mapping, the key that the message is about; empty: about more than one.
    """
    return PydanticCustomError("wrong", "wrong", {"what": what, "allowed": list(allowed), "key": key})


def unknown_key(key: str, known: Iterable[str]) -> PydanticCustomError:
    """Return the error of a mapping that has a key too many."""
    return PydanticCustomError("unknown_key", "unknown key", {"key": key, "known": sorted(known)})


def nearest(word: Any, known: Iterable[str]) -> str:
    """Return ``; did you mean 'x'?`` for the known word that is much like ``word``, or nothing."""
    found = difflib.get_close_matches(word, list(known), 1) if isinstance(word, str) else []
    return f"; did you mean {found[0]!r}?" if found else ""


def shown(value: Any) -> str:
    """Return a value as a message shows it, on one line and not too long."""
    try:
        text = repr(value)
    except ValueError:  # an integer of thousands of digits
        text = "a number of thousands of digits"
    return text if len(text) <= LONGEST else f"{text[:LONGEST - 3]}..."


def dotted(place: Iterable[str | int]) -> str:
    """Return ``systems.x.mix[0].share`` of a key's place."""
    text = ""
    for part in place:
        if isinstance(part, int):
            text += f"[{part}]"
        elif part and not _TAG.fullmatch(part):
            part = part if part.isprintable() else repr(part)[1:-1]
            text += f".{part}" if text else part
    return text


def located(where: str, place: Sequence[str | int], what: str) -> str:
    """Return ``<where>: <dotted key>: <what>``."""
    return ": ".join(filter(None, (where, dotted(place), what)))


def first_mistake(error: ValidationError, where: str, place: Sequence[str | int] = ()) -> str:
    """Return one line for the first of several mistakes: an unknown key if there is one, as others follow from it.

    Args:
        error: what validation found.
        where: the file.
        place: of what was validated, in the file.
    """
    details = error.errors(include_url=False)
    first = min(details, key=lambda detail: detail["type"] != "unknown_key")
    return _line(first, where, (*place, *first["loc"]))


def _line(detail: ErrorDetails, where: str, place: tuple[str | int, ...]) -> str:
    kind, value, context = detail["type"], detail["input"], detail.get("ctx", {})
    if place and place[-1] == "[key]":
        place = place[:-1]
    if kind == "unknown_key":
        known, key = context["known"], context["key"]
        return located(where, place, f"unknown key {shown(key)}; known: {' '.join(known)}{nearest(key, known)}")
    if kind == "missing":
        return located(where, place, "is missing")
    if kind == "wrong" and context["key"] is not None:
        return located(where, (*place, context["key"]), context["what"])
    if kind == "wrong":
        return located(where, place, f"{shown(value)} {context['what']}{nearest(value, context['allowed'])}")
    return located(where, place, f"{shown(value)} {_expected(kind, value, context, detail['msg'])}")


def _expected(kind: str, value: Any, context: dict[str, Any], message: str) -> str:
    if kind in _NUMBERS:
        words, key = _NUMBERS[kind]
        return f"must be {words} {context[key]}"
    if kind == "literal_error":
        allowed = re.findall(r"'([^']*)'", context["expected"])
        return f"must be one of {' '.join(allowed)}{nearest(value, allowed)}"
    if kind == "too_short":
        return "must not be empty" if context["min_length"] == 1 else f"must have {context['min_length']} items"
    if kind == "too_long":
        return f"must have no more than {context['max_length']} items"
    expected = _TYPES.get(kind.partition("_")[0])
    return f"must be {expected}" if expected else message.replace("Input should be", "must be")
