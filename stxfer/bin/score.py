"""Stage 12: score the decoded test sets."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from stxfer.bin._cli import add_selection_options, add_stage_options, make_parser, run
from stxfer.experiment.config import load_experiment
from stxfer.experiment.layout import DUMP, EXP
from stxfer.report.headlines import NAMES
from stxfer.score.evaluate import score_system
from stxfer.score.reference import scorable


def main(argv: Sequence[str] | None = None) -> None:
    """Score every requested system and seed that has a reference, and print a line for each."""
    parser = make_parser("stxfer.bin.score", "Score decoded test sets: WER and CER of ASR, BLEU and chrF of ST.")
    parser.add_argument("--config", required=True, help="experiment file (YAML)")
    parser.add_argument("--dump", type=Path, default=DUMP, help="directory of the features and texts")
    parser.add_argument("--exp", type=Path, default=EXP, help="directory of the trained systems")
    add_selection_options(parser)
    add_stage_options(parser)
    args = parser.parse_args(argv)
    experiment = load_experiment(args.config)
    seeds = args.seeds or experiment.seeds
    scores = [score_system(experiment, decoded, seed, dump=args.dump, expdir=args.exp,
                           force=args.force, allow_stale=args.allow_stale)
              for decoded in scorable(experiment, experiment.select_decoded(args.systems), args.dump)
              for seed in seeds]
    for score in scores:
        figures = "  ".join(f"{NAMES[name]} {metric['value']:.2f}" for name, metric in score["metrics"].items())
        print(f"{score['system']:<16} seed {score['seed']}  {score['set']:<9} {figures}")


if __name__ == "__main__":
    run(main)
