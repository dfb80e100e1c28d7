# PYTHON_ARGCOMPLETE_OK
"""The command ``stxfer``: every command of ``stxfer.bin`` under its name, ``stxfer check-config`` or ``check_config``.

Each runs as ``python -m stxfer.bin.<name>`` does. Help and a mistyped name load no command.
"""

from __future__ import annotations

import argparse
import ast
import importlib
import os
import pkgutil
import sys
from collections.abc import Sequence
from pathlib import Path

import stxfer
import stxfer.bin
from stxfer.bin._completion import ASKED, complete

PROGRAM = "stxfer"
FIRST = ("transcribe", "pack")  # what those look for who have a trained model
EPILOG = """stxfer COMMAND --help says what a command does. Completion in bash and zsh, once a shell:
  eval "$(register-python-argcomplete stxfer)" """


def commands() -> dict[str, str]:
    """Return the commands, each with a line on what it does: the first of its module's docstring, not imported."""
    found = {}
    for module in pkgutil.iter_modules(stxfer.bin.__path__):
        if not module.name.startswith("_"):
            path = Path(stxfer.bin.__path__[0]) / f"{module.name}.py"
            text = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
            found[module.name] = text.partition("\n")[0]
    order = [*(name for name in FIRST if name in found), *sorted(found.keys() - set(FIRST))]
    return {name: found[name] for name in order}


def make_parser() -> argparse.ArgumentParser:
    """Return the parser of the first word; what follows belongs to the command."""
    known = commands()
    width = max(map(len, known))
    lines = "\n".join(f"  {name.replace('_', '-'):{width}}  {text}" for name, text in known.items())
    parser = argparse.ArgumentParser(
        prog=PROGRAM, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False,
        usage=f"{PROGRAM} [-h] [--version] COMMAND ...", epilog=EPILOG,
        description=f"Speech recognition for languages with little transcribed speech.\n\ncommands:\n{lines}")
    parser.add_argument("--version", action="version", version=f"{PROGRAM} {stxfer.__version__}")
    parser.add_argument("command", metavar="COMMAND", choices=[name.replace("_", "-") for name in known],
                        help=argparse.SUPPRESS)
    return parser


def _completed() -> Sequence[str]:
    """Return the words of a line that a shell wants completed, ours first."""
    return os.environ["COMP_LINE"][:int(os.environ["COMP_POINT"])].split()


def main() -> None:
    """Run the command that the first word names."""
    words = sys.argv[1:]
    if ASKED in os.environ:
        typed = _completed()
        if len(typed) < 2 or (len(typed) == 2 and not os.environ["COMP_LINE"].endswith(" ")):
            complete(make_parser())
            return
        os.environ[ASKED] = str(int(os.environ[ASKED]) + 1)  # the command's own parser begins a word later
        words = list(typed[1:])
    name = words[0].replace("-", "_") if words else ""
    known = commands()
    if name not in known:
        if name and not words[0].startswith("-"):
            from stxfer.core.mistakes import nearest  # pydantic

            names = [known_name.replace("_", "-") for known_name in known]
            sys.exit(f"error: no command {words[0]!r}{nearest(words[0], names)}; {PROGRAM} --help lists them")
        make_parser().parse_args(words or ["--help"])
        return
    sys.argv = [f"{PROGRAM} {name.replace('_', '-')}", *words[1:]]
    from stxfer.bin._cli import run  # pydantic: half a second

    run(lambda given: importlib.import_module(f"stxfer.bin.{name}").main(given))


if __name__ == "__main__":
    main()
