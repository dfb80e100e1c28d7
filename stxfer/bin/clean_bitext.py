"""Normalise and clean parallel text: what stage 2 does to data/bitext, where there is no speech to prepare."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from stxfer.bin._cli import add_stage_options, make_parser, run
from stxfer.core.fileio import read_json
from stxfer.corpora.bitext.clean import clean_bitext
from stxfer.corpora.bitext.directory import PARTS
from stxfer.experiment.config import load_experiment
from stxfer.experiment.layout import DATA, DUMP, bitext_dir, clean_bitext_dir


def main(argv: Sequence[str] | None = None) -> None:
    """Write ``<out>/{train,dev,test}.<lang>`` and ``<out>/dropped.json``."""
    parser = make_parser("clean_bitext", f"{__doc__} The experiment's 'mt.clean' says what is dropped.")
    parser.add_argument("--config", type=Path, required=True, help="experiment YAML")
    parser.add_argument("--data", type=Path, default=bitext_dir(DATA), help="folder of the raw text")
    parser.add_argument("--out", type=Path, default=clean_bitext_dir(DUMP), help="folder to write")
    add_stage_options(parser)
    args = parser.parse_args(argv)
    experiment = load_experiment(args.config)
    counts = clean_bitext(args.data, args.out, (experiment.source_lang, experiment.target_lang), {}, [],
                          clean=experiment.mt.clean, profiles=experiment.profiles, force=args.force,
                          allow_stale=args.allow_stale)
    dropped = read_json(args.out / "dropped.json")["train"]["dropped"]
    print(f"{args.out}: {', '.join(f'{part} {counts[part]}' for part in PARTS)} pairs; dropped of train: " +
          (", ".join(f"{reason} {n}" for reason, n in dropped.items()) or "none"))


if __name__ == "__main__":
    run(main)
