"""What every command shares: error lines, exit codes, common options."""

from __future__ import annotations

import argparse
import codecs
import datetime
import errno
import locale
import logging
import os
import re
import shlex
import sys
import tempfile
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NoReturn

import stxfer
from stxfer.bin._completion import complete
from stxfer.core.errors import StxferError
from stxfer.core.parent import follow_parent
from stxfer.core.quiet import quiet_libraries

_ADVICE = {errno.ENOSPC: "make room and run it again", errno.EDQUOT: "make room and run it again",
           errno.EROFS: "write to another folder", errno.EACCES: "change its permissions or use another folder",
           errno.EEXIST: "a folder is needed there; remove it or write to another",
           errno.ENOTDIR: "a folder is needed there; write to another",
           errno.EFBIG: "raise the size that a file may have with ulimit -f, and run it again",
           errno.EMFILE: "raise the number of files that may be open with ulimit -n"}
ERROR_LOG = "stxfer-error.log"  # of errors that no message was written for


class Parser(argparse.ArgumentParser):
    """A parser that completes the line where a shell asks for that, and whose errors are one line."""

    def parse_args(self, args: Any = None, namespace: Any = None) -> Any:
        """See ``argparse.ArgumentParser.parse_args``."""
        complete(self)
        return super().parse_args(args, namespace)

    def error(self, message: str) -> NoReturn:
        """See ``argparse.ArgumentParser.error``."""
        super().error(printable(message))


def make_parser(module: str, description: str) -> argparse.ArgumentParser:
    """Return a parser whose ``--help`` shows defaults."""
    called = sys.argv[0] if sys.argv[0].startswith("stxfer ") else f"python -m stxfer.bin.{module.rpartition('.')[2]}"
    return Parser(prog=called, description=description, formatter_class=argparse.ArgumentDefaultsHelpFormatter,
                  allow_abbrev=False)


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


def seed_number(text: str) -> int:
    """Return the value of ``--seed``, an argparse type."""
    numbers = _integers(text)
    if len(numbers) != 1:
        raise argparse.ArgumentTypeError(f"{text[:60]!r}: one whole number is needed")
    return numbers[0]


def cores(text: str) -> int:
    """Return the value of ``--nj``, an argparse type."""
    if not re.fullmatch("0*[1-9][0-9]{0,5}", text):
        raise argparse.ArgumentTypeError(f"{text[:60]!r}: a whole number of at least 1 is needed")
    return int(text)


def count(text: str) -> int:
    """Return the value of an option that says how many, 0 or more, an argparse type."""
    if not re.fullmatch("[0-9]{1,9}", text):
        raise argparse.ArgumentTypeError(f"{text[:60]!r}: a whole number, 0 or more, is needed")
    return int(text)


def _integers(text: str) -> list[int]:
    from stxfer.experiment.declared import SEEDS

    words = text.split()
    if not all(re.fullmatch("[0-9]{1,10}", word) for word in words):
        raise argparse.ArgumentTypeError(f"{text[:60]!r}: whole numbers separated by spaces are needed")
    numbers = [int(word) for word in words]
    if twice := [number for number in numbers if numbers.count(number) > 1]:
        raise argparse.ArgumentTypeError(f"{text!r}: {twice[0]} stands there twice")
    if max(numbers, default=0) >= SEEDS:
        raise argparse.ArgumentTypeError(f"{text!r}: {max(numbers)} must be less than {SEEDS}")
    return numbers


_OUT_OF_MEMORY = "error: out of memory; run it again with a smaller --nj, a smaller batch or more memory"
_NO_MEMORY = re.compile("can't allocate memory|CUDA out of memory")


def printable(message: str) -> str:
    """Return one line without control characters: data that a message quotes must not command the terminal."""
    return "".join(char if char.isprintable() or char == " " else repr(char)[1:-1] for char in message)


class _Formatter(logging.Formatter):
    """Messages of one line each, whatever the names that they quote hold."""

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 (logging's name)
        """Return the line."""
        record.message = printable(record.message)
        return super().formatMessage(record)


def _use_utf8() -> None:
    """Start this command again in Python's UTF-8 mode where the locale's texts and file names are not UTF-8."""
    encodings = {sys.getfilesystemencoding(), codecs.lookup(locale.getpreferredencoding()).name}
    if not sys.flags.utf8_mode and encodings != {"utf-8"} and os.environ.get("PYTHONUTF8") != "1":
        os.execve(sys.executable, [sys.executable, *sys.orig_argv[1:]],  # noqa: S606 (no shell)
                  {**os.environ, "PYTHONUTF8": "1"})


def run(main: Callable[[Sequence[str] | None], None], argv: Sequence[str] | None = None) -> None:
    """Call ``main`` and turn errors into one line and exit status 1.

    The traceback of an error that no message was written for is put into :data:`ERROR_LOG`, which the line names.
    Without ``argv`` this is the process's command, which starts again in UTF-8 mode where the locale is another.
    """
    if argv is None:
        _use_utf8()
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Formatter("%(asctime)s %(message)s", "%H:%M:%S"))
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)
    quiet_libraries()
    try:
        follow_parent()
        main(argv)
    except StxferError as error:
        sys.exit(f"error: {printable(str(error))}")
    except KeyboardInterrupt:
        sys.exit(130)
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] == "stxfer":
            sys.exit(_unexpected(main, error))
        sys.exit(f"error: {error.name} is not installed, which this needs: pip install 'stxfer[train]'")
    except OSError as error:
        where = f"{error.filename}: " if error.filename is not None else ""
        advice = f"; {_ADVICE[error.errno]}" if error.errno in _ADVICE else ""
        sys.exit(printable(f"error: {where}{error.strerror or error}{advice}"))
    except MemoryError:
        sys.exit(_OUT_OF_MEMORY)
    except Exception as error:
        if _NO_MEMORY.search(str(error)):  # what PyTorch raises on a processor has no class of its own
            sys.exit(_OUT_OF_MEMORY)
        sys.exit(_unexpected(main, error))


def _unexpected(main: Callable[[Sequence[str] | None], None], error: Exception) -> str:
    """Log the traceback of an error that no message was written for; return the line that says so."""
    text = "".join(traceback.format_exception(error))
    head = f"{datetime.datetime.now().astimezone():%Y-%m-%d %H:%M:%S %z}, stxfer {stxfer.__version__}, Python " \
           f"{sys.version.split()[0]}: {shlex.join(sys.argv)}\n"
    command = main.__module__.rpartition(".")[2]
    command = Path(sys.argv[0]).stem if command == "__main__" else command
    what = f"{type(error).__name__}: {error}".splitlines()[0][:200]
    for folder in (Path(), Path(tempfile.gettempdir())):
        path = (folder / ERROR_LOG).absolute()
        try:
            with path.open("a", encoding="utf-8", errors="backslashreplace") as handle:
                handle.write(f"{head}{text}\n")
        except OSError:
            continue
        return printable(f"error: {command}: unexpected {what}; the traceback is in {path}, please report it")
    return f"{text}error: {command}: unexpected {printable(what)}; please report the lines above"
