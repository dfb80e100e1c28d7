"""Stage 6: learn the SentencePiece vocabularies."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from stxfer.bin._cli import add_stage_options, make_parser, run
from stxfer.experiment.config import load_experiment
from stxfer.experiment.layout import DUMP, vocab_dir
from stxfer.prepare.vocab import make_vocabs


def main(argv: Sequence[str] | None = None) -> None:
    """Parse arguments and make the vocabularies."""
    parser = make_parser("make_vocab", "Learn one SentencePiece vocabulary for source ASR and one for ST and "
                         "target ASR, from the texts that the experiment's 'vocab' section names.")
    parser.add_argument("--config", type=Path, required=True, help="experiment YAML")
    parser.add_argument("--dump", type=Path, default=DUMP, help="directory of prepared data")
    add_stage_options(parser)
    args = parser.parse_args(argv)
    for name, size in make_vocabs(load_experiment(args.config), args.dump, force=args.force,
                                  allow_stale=args.allow_stale).items():
        print(f"vocabulary {name}: {size} tokens in {vocab_dir(args.dump, name)}")


if __name__ == "__main__":
    run(main)
