"""What the commands that prepare a corpus share."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path

from stxfer.bin._cli import add_stage_options, cores
from stxfer.corpora.collect import MAX_DROP, Counts
from stxfer.experiment.layout import DATA


def add_corpus_options(parser: argparse.ArgumentParser, *, prefix: bool = True) -> None:
    """Add ``--prefix --out --max-drop --nj --force --allow-stale``."""
    if prefix:
        parser.add_argument("--prefix", choices=["src", "tgt"], required=True, help="source or target language")
    parser.add_argument("--out", type=Path, default=DATA, help="folder of data directories")
    parser.add_argument("--max-drop", type=_share, default=MAX_DROP,
                        help="the largest share of a set that may be left out, 0 to 1")
    parser.add_argument("--nj", type=cores, default=1, help="threads that read the headers of audio files")
    add_stage_options(parser)


def print_counts(out: Path, counts: Mapping[str, Counts]) -> None:
    """Print a line for each set."""
    for name, count in counts.items():
        left_out = f", {count.n_dropped} left out (see {out / name}/dropped.tsv)" if count.n_dropped else ""
        print(f"{out / name}: {count.n_utts} utterances, {count.hours:.2f} h{left_out}")


def _share(text: str) -> float:
    try:
        share = float(text)
    except ValueError:
        share = -1.0
    if not 0 <= share <= 1:
        raise argparse.ArgumentTypeError(f"{text!r}: a share from 0 to 1 is needed")
    return share
