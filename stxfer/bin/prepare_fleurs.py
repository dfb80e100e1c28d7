"""Stage 1: data directories of one language of FLEURS."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from stxfer.bin._cli import make_parser, run
from stxfer.bin._corpus_options import add_corpus_options, print_counts
from stxfer.corpora.common_voice import SPLITS
from stxfer.corpora.fleurs import prepare_fleurs


def main(argv: Sequence[str] | None = None) -> None:
    """Write ``<out>/<prefix>_<split>`` for each split."""
    parser = make_parser("prepare_fleurs", __doc__ or "")
    parser.add_argument("--corpus", type=Path, required=True,
                        help="folder of one language (sw_ke) with train.tsv and audio/train/")
    parser.add_argument("--splits", default=" ".join(SPLITS), help="names of the tables, in quotes")
    parser.add_argument("--translations", type=Path, nargs="+", default=[], metavar="DIR",
                        help="folders of other languages: their sentences become text.<language>.human")
    parser.add_argument("--text", choices=["raw", "normalised"], default="raw",
                        help="sentences with capitals and punctuation, or as FLEURS has normalised them")
    add_corpus_options(parser)
    args = parser.parse_args(argv)
    print_counts(args.out, prepare_fleurs(
        args.corpus, args.out, args.prefix, args.splits.split(), translations=args.translations, text=args.text,
        max_drop=args.max_drop, force=args.force, allow_stale=args.allow_stale, nj=args.nj))


if __name__ == "__main__":
    run(main)
