"""Stage 1: data directories of MuST-C, English talks with transcripts and translations."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from stxfer.bin._cli import make_parser, run
from stxfer.bin._corpus_options import add_corpus_options, print_counts
from stxfer.corpora.must_c import SPLITS, prepare_must_c


def main(argv: Sequence[str] | None = None) -> None:
    """Write ``<out>/<prefix>_<split>`` for each split."""
    parser = make_parser("prepare_must_c", __doc__ or "")
    parser.add_argument("--corpus", type=Path, required=True, help="folder that holds en-xx/data")
    parser.add_argument("--pair", required=True, help="languages of speech and of translations, e.g. en-de")
    parser.add_argument("--splits", default=" ".join(SPLITS), help="in quotes; tst-COMMON becomes test")
    add_corpus_options(parser)
    args = parser.parse_args(argv)
    print_counts(args.out, prepare_must_c(
        args.corpus, args.out, args.pair, args.prefix, args.splits.split(), max_drop=args.max_drop, force=args.force,
        allow_stale=args.allow_stale, nj=args.nj))


if __name__ == "__main__":
    run(main)
