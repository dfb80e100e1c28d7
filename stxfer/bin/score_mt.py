"""Score the translators of an experiment on its bitext's test part, and write a table."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from stxfer.bin._cli import add_stage_options, cores, make_parser, run
from stxfer.core.fileio import atomic_write
from stxfer.experiment.config import load_experiment
from stxfer.experiment.layout import DUMP, EXP, mt_dir
from stxfer.mt.quality import evaluate_translator
from stxfer.mt.results import describe, markdown


def main(argv: Sequence[str] | None = None) -> None:
    """Write ``<exp>/mt/RESULTS.md`` and print it."""
    parser = make_parser("score_mt", f"{__doc__} Labels with filters are scored by the translations they keep.")
    parser.add_argument("--config", type=Path, required=True, help="experiment YAML")
    parser.add_argument("--dump", type=Path, default=DUMP, help="directory of prepared data")
    parser.add_argument("--exp", type=Path, default=EXP, help="directory of experiments")
    parser.add_argument("--nj", type=cores, default=2, help="processor cores to use")
    add_stage_options(parser)
    args = parser.parse_args(argv)
    experiment = load_experiment(args.config)
    rows = []
    for label in experiment.labels:
        score = evaluate_translator(experiment, label, args.dump, args.exp, threads=args.nj, force=args.force,
                                    allow_stale=args.allow_stale)
        if score:
            rows.append(describe(experiment, label, args.exp, score))
    table = markdown(rows)
    with atomic_write(mt_dir(args.exp) / "RESULTS.md") as handle:
        handle.write(table)
    print(table, end="")


if __name__ == "__main__":
    run(main)
