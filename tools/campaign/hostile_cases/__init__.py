"""Hostile inputs: each would run code, write outside its folder, fill memory or end a document where it is trusted.

A case makes its files in a folder and returns what reads them. That has to raise one line that says what is wrong,
or, where a text is merely shown, to show it harmlessly. Nothing may make the folder ``mark`` or write beside ``in`` and
``out``.
"""

from __future__ import annotations

from hostile_cases import archives, documents, features, models, names, parameters
from hostile_cases.case import MARK, Hostile, attempt

__all__ = ["MARK", "Hostile", "attempt", "cases"]


def cases() -> list[Hostile]:
    """Return all cases; their names are unique."""
    return [case for module in (features, parameters, models, archives, names, documents) for case in module.cases()]
