"""Stage 4: train the translators that make pseudo-labels."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from stxfer.bin._cli import add_stage_options, cores, make_parser, run
from stxfer.experiment.config import load_experiment
from stxfer.experiment.layout import DUMP, EXP
from stxfer.mt.train import train_translator, train_translators


def main(argv: Sequence[str] | None = None) -> None:
    """Parse arguments and train."""
    parser = make_parser("train_mt", "Train a Transformer translator on the bitext for each label source of the "
                         "experiment. A killed training is resumed at its last epoch.")
    parser.add_argument("--config", type=Path, required=True, help="experiment YAML")
    parser.add_argument("--dump", type=Path, default=DUMP, help="directory of prepared data")
    parser.add_argument("--exp", type=Path, default=EXP, help="directory of experiments")
    parser.add_argument("--label", default="", help="train this label's translator alone, in this process")
    parser.add_argument("--nj", type=cores, default=2, help="processor cores to use")
    add_stage_options(parser)
    args = parser.parse_args(argv)
    experiment = load_experiment(args.config)
    if args.label:
        train_translator(experiment, args.label, args.dump, args.exp, force=args.force, allow_stale=args.allow_stale)
        return
    trained = train_translators(experiment, args.config, args.dump, args.exp, nj=args.nj, force=args.force,
                                allow_stale=args.allow_stale)
    print(f"trained now: {', '.join(trained) if trained else 'nothing, all is up to date'}")


if __name__ == "__main__":
    run(main)
