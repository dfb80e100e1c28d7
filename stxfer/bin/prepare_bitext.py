"""Stage 1: put parallel text of any format into data/bitext, checked."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from stxfer.bin._cli import add_stage_options, make_parser, run, seed_number
from stxfer.corpora.bitext.directory import PARTS
from stxfer.corpora.bitext.parallel import FORMATS
from stxfer.corpora.bitext.prepare import LEFT_OUT, N_HELD, prepare_bitext
from stxfer.experiment.layout import DATA, bitext_dir

CORPORA = """A corpus is a folder of train, dev and test, each as two aligned files (train.en beside train.sw), .tsv
(source, tab, target), .tmx or an OPUS .zip; or one such file, or the beginning of two files' names. Dev and test are
split off if no corpus has them. Cleaning is stage 2's work."""


def main(argv: Sequence[str] | None = None) -> None:
    """Write ``<out>/{train,dev,test}.{<source>,<target>}``."""
    parser = make_parser("prepare_bitext", f"{__doc__} {CORPORA}")
    parser.add_argument("--corpus", type=Path, action="append", required=True, help="may be given several times")
    parser.add_argument("--format", choices=FORMATS, default="auto", help="auto: by the names of the files")
    parser.add_argument("--source-lang", required=True, help="code of the source language, its files' suffix")
    parser.add_argument("--target-lang", required=True, help="code of the target language, its files' suffix")
    parser.add_argument("--dev-pairs", type=int, default=N_HELD, help="pairs to split off for dev, if no corpus has it")
    parser.add_argument("--test-pairs", type=int, default=N_HELD, help="the same for test")
    parser.add_argument("--seed", type=seed_number, default=1, help="of the pairs that are split off")
    parser.add_argument("--out", type=Path, default=bitext_dir(DATA), help="folder to write")
    add_stage_options(parser)
    args = parser.parse_args(argv)
    counts = prepare_bitext(args.corpus, args.out, (args.source_lang, args.target_lang), form=args.format,
                            dev=args.dev_pairs, test=args.test_pairs, seed=args.seed, force=args.force,
                            allow_stale=args.allow_stale)
    line = f"bitext in {args.out}: {', '.join(f'{part} {counts[part]}' for part in PARTS)} pairs"
    if counts.get("held_out"):
        line += f"; {counts['held_out']} more left out, as they share a sentence with dev or test"
    if counts.get("left_out"):
        line += f"; {counts['left_out']} could not be used, see {args.out / LEFT_OUT}"
    print(line)


if __name__ == "__main__":
    run(main)
