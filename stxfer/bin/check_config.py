"""Before stage 1: is the experiment file, with the systems and seeds asked for, one that can be run?"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from stxfer.bin._cli import add_selection_options, make_parser, run
from stxfer.experiment.config import load_experiment


def main(argv: Sequence[str] | None = None) -> None:
    """Check the file and the names, and print the systems in the order of training."""
    parser = make_parser("check_config", "Check an experiment file and the systems and seeds asked for.")
    parser.add_argument("--config", type=Path, required=True, help="experiment file (YAML)")
    add_selection_options(parser)
    args = parser.parse_args(argv)
    experiment = load_experiment(args.config)
    systems = experiment.select(args.systems)
    seeds = args.seeds or experiment.seeds
    print(f"experiment {experiment.name}: {' '.join(system.name for system in systems)}; "
          f"seeds {' '.join(map(str, seeds))}")


if __name__ == "__main__":
    run(main)
