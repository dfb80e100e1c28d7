"""Stage 1: data directories of CoVoST 2, Common Voice with human translations."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from stxfer.bin._cli import make_parser, run
from stxfer.bin._corpus_options import add_corpus_options, print_counts
from stxfer.corpora.covost2 import prepare_covost2


def main(argv: Sequence[str] | None = None) -> None:
    """Write ``<out>/<prefix>_{train,dev,test}``."""
    parser = make_parser("prepare_covost2", __doc__ or "")
    parser.add_argument("--corpus", type=Path, required=True,
                        help="Common Voice 4 of the source language: the folder of validated.tsv and clips/")
    parser.add_argument("--covost", type=Path, required=True,
                        help="covost_v2.PAIR.tsv, or the folder that holds it or its three splits")
    parser.add_argument("--pair", required=True, help="source and target language, as en_tr or fr_en")
    add_corpus_options(parser)
    args = parser.parse_args(argv)
    print_counts(args.out, prepare_covost2(
        args.corpus, args.covost, args.pair, args.out, args.prefix, max_drop=args.max_drop, force=args.force,
        allow_stale=args.allow_stale, nj=args.nj))


if __name__ == "__main__":
    run(main)
