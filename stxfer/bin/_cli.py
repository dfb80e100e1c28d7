"""What every command shares: error lines, exit codes, common options."""

from __future__ import annotations

import argparse
import codecs
import errno
import locale
import logging
import os
import sys
from collections.abc import Callable, Sequence

from stxfer.core.errors import StxferError
from stxfer.core.jobs import follow_parent

_ADVICE = {errno.ENOSPC: "make room and run it again", errno.EDQUOT: "make room and run it again",
           errno.EROFS: "write to another folder", errno.EACCES: "change its permissions or use another folder",
           errno.EEXIST: "a folder is needed there; remove it or write to another",
           errno.ENOTDIR: "a folder is needed there; write to another",
           errno.EMFILE: "raise the number of files that may be open with ulimit -n"}

def make_parser(module: str, description: str) -> argparse.ArgumentParser:
    """Return a parser whose ``--help`` shows defaults."""
    return argparse.ArgumentParser(
        prog=f"python -m stxfer.bin.{module.rpartition('.')[2]}", description=description,
        formatter_class=argparse.ArgumentDefaultsHelpFormatter, allow_abbrev=False)


def add_stage_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of a command that is a stage: ``--force`` and ``--allow-stale``."""
    parser.add_argument("--force", action="store_true", help="do the work again even if it is finished")
    parser.add_argument("--allow-stale", action="store_true",
                        help="use inputs although what they were made from has changed since")


def add_selection_options(parser: argparse.ArgumentParser) -> None:
    """Add ``--systems`` (a list of names) and ``--seeds`` (a list of integers); empty: all of the config."""
    parser.add_argument("--systems", type=str.split, default="", metavar="'A B'",
                        help="systems, separated by spaces; empty: all; direct+lm: only with variant lm of decoding")
    parser.add_argument("--seeds", type=_integers, default="", metavar="'1 2'",
                        help="training seeds, separated by spaces; empty: those of the config")


def cores(text: str) -> int:
    """Return the value of ``--nj``, an argparse type."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r}: a whole number of at least 1 is needed")
    return int(text)


def _integers(text: str) -> list[int]:
    try:
        return [int(word) for word in text.split()]
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r}: whole numbers separated by spaces are needed") from None


def printable(message: str) -> str:
    """Return one line without control characters: data that a message quotes must not command the terminal."""
    return "".join(char if char.isprintable() or char == " " else repr(char)[1:-1] for char in message)


def _use_utf8() -> None:
    """Start this command again in Python's UTF-8 mode where the locale's texts and file names are not UTF-8."""
    encodings = {sys.getfilesystemencoding(), codecs.lookup(locale.getpreferredencoding()).name}
    if not sys.flags.utf8_mode and encodings != {"utf-8"} and os.environ.get("PYTHONUTF8") != "1":
        os.execve(sys.executable, [sys.executable, *sys.orig_argv[1:]],  # noqa: S606 (no shell)
                  {**os.environ, "PYTHONUTF8": "1"})


def run(main: Callable[[Sequence[str] | None], None], argv: Sequence[str] | None = None) -> None:
    """Call ``main`` and turn errors a user can mend into one line and exit status 1.

    Without ``argv`` this is the process's command, which starts again in UTF-8 mode where the locale is another.
    """
    if argv is None:
        _use_utf8()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", datefmt="%H:%M:%S",
                        stream=sys.stderr, force=True)
    follow_parent()
    try:
        main(argv)
    except StxferError as error:
        sys.exit(f"error: {printable(str(error))}")
    except KeyboardInterrupt:
        sys.exit(130)
    except OSError as error:
        where = f"{error.filename}: " if error.filename is not None else ""
        advice = f"; {_ADVICE[error.errno]}" if error.errno in _ADVICE else ""
        sys.exit(printable(f"error: {where}{error.strerror or error}{advice}"))
