"""Before stage 1: is the experiment file, with the systems and seeds asked for, one that can be run?"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from stxfer.bin._cli import add_selection_options, make_parser, run
from stxfer.experiment.config import load_experiment
from stxfer.experiment.schema import experiment_schema


def main(argv: Sequence[str] | None = None) -> None:
    """Check the file and the names, and print the systems in the order of training; or print the schema."""
    parser = make_parser("check_config", "Check an experiment file and the systems and seeds asked for.")
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--config", type=Path, help="experiment file (YAML)")
    what.add_argument("--schema", action="store_true",
                      help="print the JSON schema of experiment files, for editors that complete and check them")
    add_selection_options(parser)
    args = parser.parse_args(argv)
    if args.schema:
        print(json.dumps(experiment_schema(), indent=2, ensure_ascii=False))
        return
    experiment = load_experiment(args.config)
    if experiment.features.kind == "pretrained":
        _ = experiment.features.directory  # named, as every command that reads the encoder wants it
    systems = experiment.select(args.systems)
    seeds = args.seeds or experiment.seeds
    print(f"experiment {experiment.name}: {' '.join(system.name for system in systems)}; "
          f"seeds {' '.join(map(str, seeds))}")


if __name__ == "__main__":
    run(main)
