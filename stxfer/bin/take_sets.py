"""Stage 1: take as much of each set as an experiment uses; a large corpus need not be decoded as a whole."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from stxfer.bin._cli import add_stage_options, make_parser, run
from stxfer.bin._corpus_options import print_counts
from stxfer.corpora.take import take_sets
from stxfer.experiment.config import load_experiment
from stxfer.experiment.layout import DATA


def main(argv: Sequence[str] | None = None) -> None:
    """Write ``<out>/<set>`` for each set of ``--whole``."""
    parser = make_parser("take_sets", __doc__ or "")
    parser.add_argument("--config", type=Path, required=True,
                        help="experiment file: data.hours says how many hours to take of which set, at most; "
                             "data.seed which")
    parser.add_argument("--whole", type=Path, default=DATA / "whole", help="folder of whole data directories")
    parser.add_argument("--out", type=Path, default=DATA, help="folder of data directories")
    add_stage_options(parser)
    args = parser.parse_args(argv)
    data = load_experiment(args.config).data
    print_counts(args.out, take_sets(args.whole, args.out, data.hours, seed=data.seed,
                                     force=args.force, allow_stale=args.allow_stale))


if __name__ == "__main__":
    run(main)
