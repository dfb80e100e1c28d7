"""Train one system with one seed (what ``train`` starts for each; useful alone on a cluster)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from stxfer.bin._cli import add_stage_options, make_parser, run, seed_number
from stxfer.experiment.config import load_experiment
from stxfer.experiment.layout import DUMP, EXP


def main(argv: Sequence[str] | None = None) -> None:
    """Parse arguments and train one system."""
    parser = make_parser("train_system", "Train one system with one seed in this process. Started by torchrun, "
                         "several processes, on one machine or more, train it together.")
    parser.add_argument("--config", type=Path, required=True, help="experiment YAML")
    parser.add_argument("--system", required=True, help="the system's name")
    parser.add_argument("--seed", type=seed_number, default=1, help="random seed")
    parser.add_argument("--dump", type=Path, default=DUMP, help="directory of features and vocabularies")
    parser.add_argument("--exp", type=Path, default=EXP, help="directory of experiments")
    add_stage_options(parser)
    args = parser.parse_args(argv)
    experiment = load_experiment(args.config)
    (system,) = experiment.select([args.system])
    from stxfer.training.fit_system import fit_system  # espnet: seconds to import
    from stxfer.training.ranks import Leader, rank
    from stxfer.training.run_espnet import take_part

    if rank():
        take_part()
        return
    leader = Leader()
    try:
        fit_system(experiment, system, args.seed, args.dump, args.exp, force=args.force, allow_stale=args.allow_stale,
                   leader=leader)
    finally:
        leader.end()


if __name__ == "__main__":
    run(main)
