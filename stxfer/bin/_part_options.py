"""What the commands share that read tables whose columns say which part of an audio file is meant."""

from __future__ import annotations

import argparse
import shlex

from stxfer.corpora.parts import PartOptions


def add_part_options(parser: argparse.ArgumentParser) -> None:
    """Add ``--times --first-channel --ignore-columns``."""
    parser.add_argument("--times", choices=["s", "ms"],
                        help="unit of starts, ends and durations where the column's name tells none; None: seconds, "
                             "refused where they lie beyond the file's end and milliseconds would not")
    parser.add_argument("--first-channel", type=int, choices=[0, 1],
                        help="the number of a file's first channel; None: 0 where the table has a 0, refused where it "
                             "matters and cannot be told")
    parser.add_argument("--ignore-columns", type=_columns, default=(), metavar="'A B'",
                        help="columns called like a start, end, duration or channel that are something else")


def part_options(args: argparse.Namespace) -> PartOptions:
    """Return the options that were given."""
    return PartOptions(args.times, args.first_channel, args.ignore_columns)


def _columns(text: str) -> tuple[str, ...]:
    try:
        return tuple(shlex.split(text))
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r}: {str(error).lower()}") from None
