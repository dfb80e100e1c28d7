"""Stage 13: the comparison table."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from stxfer.bin._cli import add_selection_options, add_stage_options, make_parser, run
from stxfer.experiment.config import load_experiment
from stxfer.experiment.layout import DUMP, EXP
from stxfer.report.markdown import plain_text
from stxfer.report.report import make_report


def main(argv: Sequence[str] | None = None) -> None:
    """Write the report and print its tables."""
    parser = make_parser("stxfer.bin.report", "Compare the scored systems: RESULTS.md, results.json, report.png.")
    parser.add_argument("--config", required=True, help="experiment file (YAML)")
    parser.add_argument("--dump", type=Path, default=DUMP,
                        help="directory of the texts: tells which systems have no reference")
    parser.add_argument("--exp", type=Path, default=EXP, help="directory of the trained systems")
    parser.add_argument("--command", default="./run.sh", help="the command that the report says reproduces it")
    add_selection_options(parser)
    add_stage_options(parser)
    args = parser.parse_args(argv)
    experiment = load_experiment(args.config)
    report = make_report(experiment, args.dump, args.exp, config=args.config, command=args.command,
                         systems=args.systems, seeds=args.seeds, force=args.force, allow_stale=args.allow_stale)
    print(plain_text(experiment, report.results))
    print(f"\nWhole report: {report.path / 'RESULTS.md'}")


if __name__ == "__main__":
    run(main)
