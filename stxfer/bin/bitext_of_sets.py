"""Stage 1: parallel text from speech with translations, for MT and for synthetic speech."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from stxfer.bin._cli import add_stage_options, make_parser, run
from stxfer.corpora.bitext.directory import PARTS
from stxfer.corpora.bitext.of_sets import bitext_of_sets
from stxfer.experiment.layout import DATA, bitext_dir


def main(argv: Sequence[str] | None = None) -> None:
    """Write ``<out>/{train,dev,test}.{<source>,<target>}``."""
    parser = make_parser("bitext_of_sets", __doc__ or "")
    parser.add_argument("--data", type=Path, default=DATA, help="folder of data directories")
    parser.add_argument("--prefix", default="tgt",
                        help="the sets are <prefix>_train, _dev and _test: tgt, which is translated into the source "
                             "language, or src, the other way round")
    parser.add_argument("--source-lang", required=True, help="code of the source language")
    parser.add_argument("--target-lang", required=True, help="code of the target language")
    parser.add_argument("--out", type=Path, default=bitext_dir(DATA), help="folder to write")
    add_stage_options(parser)
    args = parser.parse_args(argv)
    counts = bitext_of_sets(args.data, args.out, (args.source_lang, args.target_lang), args.prefix, force=args.force,
                            allow_stale=args.allow_stale)
    print(f"bitext in {args.out}: {', '.join(f'{part} {counts[part]}' for part in PARTS)} pairs")


if __name__ == "__main__":
    run(main)
