"""What the commands that prepare one set of a corpus share."""

from __future__ import annotations

import argparse
import re
import shlex

from stxfer.bin._corpus_options import add_corpus_options


def add_set_options(parser: argparse.ArgumentParser) -> None:
    """Add ``--set`` and the options of every corpus."""
    parser.add_argument("--set", type=set_name, required=True, metavar="NAME",
                        help="the set to write: src_ or tgt_, then train, dev or test")
    add_corpus_options(parser, prefix=False)


def names(text: str) -> dict[str, str]:
    """Return ``{"a": "b", "c": "d e"}`` of ``a=b c='d e'``, an argparse type.

    Raises:
        argparse.ArgumentTypeError: a word without ``=``, a name without a value or twice, an open quotation mark.
    """
    try:
        pairs = [word.partition("=") for word in shlex.split(text)]
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r}: {str(error).lower()}") from None
    found: dict[str, str] = {}
    for ours, _, theirs in pairs:
        if not ours or not theirs:
            raise argparse.ArgumentTypeError(f"{text!r}: words of the form OURS=THEIRS are needed")
        if ours in found:
            raise argparse.ArgumentTypeError(f"{text!r}: {ours} is given twice")
        found[ours] = theirs
    return found


def set_name(text: str) -> str:
    """Return the name of a set, an argparse type.

    Raises:
        argparse.ArgumentTypeError: it is none.
    """
    if not re.fullmatch(r"(src|tgt)_[A-Za-z0-9_-]+", text):
        raise argparse.ArgumentTypeError(f"{text!r}: a name as src_train or tgt_dev is needed")
    return text
