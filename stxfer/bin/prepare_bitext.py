"""Stage 1: copy a parallel text to data/bitext, checked."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from stxfer.bin._cli import add_stage_options, make_parser, run
from stxfer.corpora.bitext import prepare_bitext


def main(argv: Sequence[str] | None = None) -> None:
    """Write ``<out>/{train,dev,test}.{<source>,<target>}``."""
    parser = make_parser("prepare_bitext", __doc__ or "")
    parser.add_argument("--corpus", type=Path, required=True, help="folder of {train,dev,test}.<language>, aligned")
    parser.add_argument("--source-lang", required=True, help="code of the source language, its files' suffix")
    parser.add_argument("--target-lang", required=True, help="code of the target language, its files' suffix")
    parser.add_argument("--out", type=Path, default=Path("data/bitext"), help="folder to write")
    add_stage_options(parser)
    args = parser.parse_args(argv)
    counts = prepare_bitext(args.corpus, args.out, (args.source_lang, args.target_lang), force=args.force,
                            allow_stale=args.allow_stale)
    print(f"bitext in {args.out}: " + ", ".join(f"{part} {count}" for part, count in counts.items()) + " pairs")


if __name__ == "__main__":
    run(main)
