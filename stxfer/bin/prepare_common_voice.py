"""Stage 1: data directories of a speech corpus in Common Voice's form."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from stxfer.bin._cli import make_parser, run
from stxfer.bin._corpus_options import add_corpus_options, print_counts
from stxfer.bin._part_options import add_part_options, part_options
from stxfer.corpora.common_voice import SPLITS, prepare_common_voice


def main(argv: Sequence[str] | None = None) -> None:
    """Write ``<out>/<prefix>_<split>`` for each split."""
    parser = make_parser("prepare_common_voice", __doc__ or "")
    parser.add_argument("--corpus", type=Path, required=True,
                        help="folder that holds train.tsv and clips/, or, of spontaneous speech, "
                             "ss-corpus-<language>.tsv and audios/; or one above it")
    parser.add_argument("--splits", default=" ".join(SPLITS),
                        help="names of the tables, of spontaneous speech of the splits, in quotes")
    parser.add_argument("--train-from", metavar="TABLE",
                        help="take the training set from this table (validated), without the speakers and sentences "
                             "of dev and test")
    parser.add_argument("--test-from", metavar="TABLE",
                        help="where there is no test.tsv, take the test set from this table (dev): half of its rows, "
                             "whose speakers and sentences the other half lacks")
    add_part_options(parser)
    add_corpus_options(parser)
    args = parser.parse_args(argv)
    print_counts(args.out, prepare_common_voice(
        args.corpus, args.out, args.prefix, args.splits.split(), train_from=args.train_from,
        test_from=args.test_from, parts=part_options(args), max_drop=args.max_drop, force=args.force,
        allow_stale=args.allow_stale, nj=args.nj))


if __name__ == "__main__":
    run(main)
