"""Completion of command lines in shells, by argcomplete."""

from __future__ import annotations

import argparse
import os

ASKED = "_ARGCOMPLETE"  # set by a shell that wants a line completed: which word begins what is parsed


def complete(parser: argparse.ArgumentParser) -> None:
    """Answer a shell that wants a line completed, and end; does nothing where a command is to run."""
    if ASKED in os.environ:
        import argcomplete

        argcomplete.autocomplete(parser)
