"""Stage 13: the comparison tables, and a page to read, filter and listen."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path

from stxfer.bin._cli import add_selection_options, add_stage_options, count, make_parser, run
from stxfer.experiment.config import load_experiment
from stxfer.experiment.layout import DUMP, EXP
from stxfer.report.markdown import plain_text
from stxfer.report.report import UTTERANCES, make_report, recorded_command


def main(argv: Sequence[str] | None = None) -> None:
    """Write the report and print its tables."""
    parser = make_parser("stxfer.bin.report",
                         "Compare the scored systems: RESULTS.md, report.html, results.json, report.png.")
    parser.add_argument("--config", required=True, help="experiment file (YAML)")
    parser.add_argument("--dump", type=Path, default=DUMP,
                        help="directory of the texts: tells which systems have no reference")
    parser.add_argument("--exp", type=Path, default=EXP, help="directory of the trained systems")
    parser.add_argument("--command", help="the command that the report says reproduces it; none: that of the report "
                                          "which is there, or this one")
    parser.add_argument("--utterances", type=count, default=UTTERANCES,
                        help="of each test set that report.html has at most, of more at even distances; 0: none")
    parser.add_argument("--embed-audio", type=count, default=0, metavar="N",
                        help="put the audio of so many utterances of each test set into report.html, which otherwise "
                             "plays it from the work directory")
    parser.add_argument("--pictures", type=count, default=0, metavar="N",
                        help="show in report.html what each system attends to in so many utterances of tgt_test, and "
                             "where CTC finds the tokens; opens the models")
    add_selection_options(parser)
    add_stage_options(parser)
    args = parser.parse_args(argv)
    experiment = load_experiment(args.config)
    report = make_report(experiment, args.dump, args.exp, config=args.config,
                         command=args.command or recorded_command(args.exp) or _this(args.config),
                         systems=args.systems, seeds=args.seeds, utterances=args.utterances,
                         embed_audio=args.embed_audio, pictures=args.pictures, force=args.force,
                         allow_stale=args.allow_stale)
    print(plain_text(experiment, report.results))
    print(f"\nWhole report: {report.path / 'RESULTS.md'}, {report.path / 'report.html'}")


def _this(config: str) -> str:
    return shlex.join(["python", "-m", "stxfer.bin.report", "--config", config])


if __name__ == "__main__":
    run(main)
