"""Stages 8-10: train the systems of one kind."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from stxfer.bin._cli import add_selection_options, add_stage_options, cores, make_parser, run
from stxfer.experiment.config import load_experiment
from stxfer.experiment.layout import DUMP, EXP
from stxfer.experiment.systems import KINDS
from stxfer.training.launch import train_systems


def main(argv: Sequence[str] | None = None) -> None:
    """Parse arguments and train."""
    parser = make_parser("train", "Train systems: source ASR, speech translation (ST) or target ASR. Systems that do "
                         "not depend on each other train side by side. A killed training is resumed at its last epoch.")
    parser.add_argument("--config", type=Path, required=True, help="experiment YAML")
    parser.add_argument("--kind", choices=KINDS, required=True, help="which kind of system")
    parser.add_argument("--dump", type=Path, default=DUMP, help="directory of features and vocabularies")
    parser.add_argument("--exp", type=Path, default=EXP, help="directory of experiments")
    parser.add_argument("--nj", type=cores, default=2, help="processor cores to use")
    parser.add_argument("--processes", type=cores, default=1,
                        help="processes that train each system together (torchrun): one a GPU, say")
    parser.add_argument("--nodes", type=cores, default=1,
                        help="machines of a cluster on which so many processes each train a system together")
    add_selection_options(parser)
    add_stage_options(parser)
    args = parser.parse_args(argv)
    trained = train_systems(load_experiment(args.config), args.config, args.kind, args.dump, args.exp,
                            systems=args.systems, seeds=args.seeds, nj=args.nj, processes=args.processes,
                            nodes=args.nodes, force=args.force, allow_stale=args.allow_stale)
    print(f"trained now: {', '.join(trained) if trained else 'nothing, all is up to date'}")


if __name__ == "__main__":
    run(main)
