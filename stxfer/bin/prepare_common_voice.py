"""Stage 1: data directories of a speech corpus in Common Voice's form."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from stxfer.bin._cli import add_stage_options, make_parser, run
from stxfer.corpora.common_voice import SPLITS, prepare_common_voice


def main(argv: Sequence[str] | None = None) -> None:
    """Write ``<out>/<prefix>_<split>`` for each split."""
    parser = make_parser("prepare_common_voice", __doc__ or "")
    parser.add_argument("--corpus", type=Path, required=True, help="folder that holds train.tsv and clips/")
    parser.add_argument("--prefix", choices=["src", "tgt"], required=True, help="source or target language")
    parser.add_argument("--splits", default=" ".join(SPLITS), help="names of the tables, in quotes")
    parser.add_argument("--out", type=Path, default=Path("data"), help="folder of data directories")
    add_stage_options(parser)
    args = parser.parse_args(argv)
    counts = prepare_common_voice(args.corpus, args.out, args.prefix, args.splits.split(), force=args.force,
                                  allow_stale=args.allow_stale)
    for name, count in counts.items():
        left_out = f", {count.n_dropped} left out (see {args.out / name}/dropped.tsv)" if count.n_dropped else ""
        print(f"{args.out / name}: {count.n_utts} utterances, {count.hours:.2f} h{left_out}")


if __name__ == "__main__":
    run(main)
