"""Choose decoding options of a trained system on its development set."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from stxfer.bin._cli import make_parser, run, seed_number
from stxfer.core.errors import ConfigError
from stxfer.decoding.systems import Job, tune_system
from stxfer.experiment.config import load_experiment
from stxfer.experiment.layout import DUMP, EXP, TUNING, tuning_dir
from stxfer.experiment.systems import MARK
from stxfer.experiment.training import Tune


def grid(text: str) -> Tune:
    """Return what ``lm_weight=0,0.3 length_bonus=0,1`` stands for, an argparse type."""
    try:
        values = {key: [float(value) for value in of.split(",")]
                  for key, _, of in (word.partition("=") for word in text.split())}
        return Tune.read(values, "--grid")
    except (ValueError, ConfigError) as error:
        raise argparse.ArgumentTypeError(f"{text!r}: {error}; it must be like 'lm_weight=0,0.3 length_bonus=0,1'"
                                         ) from None


def main(argv: Sequence[str] | None = None) -> None:
    """Parse arguments, decode the development set with every combination, and print the table."""
    parser = make_parser("tune_decoding", "Decode the development set of a trained system with every combination of a "
                         "grid of lm_weight, length_bonus and ctc_weight, and print what each gives, and the best. "
                         "The test set is not read. Stage decode does the same for what has 'tune' in the experiment "
                         "file.")
    parser.add_argument("--config", type=Path, required=True, help="experiment file (YAML)")
    parser.add_argument("--dump", type=Path, default=DUMP, help="directory of the features")
    parser.add_argument("--exp", type=Path, default=EXP, help="directory of the trained systems")
    parser.add_argument("--system", required=True, help="the system's name")
    parser.add_argument("--variant", default="", help="variant of decoding; none: the usual decoding of its kind")
    parser.add_argument("--seed", type=seed_number, help="its training seed; none: the first of the experiment")
    parser.add_argument("--grid", type=grid, metavar="'NAME=VALUE,... ...'",
                        help="values to try, e.g. 'lm_weight=0,0.3 length_bonus=0,1'; none: those of 'tune' in the "
                             "experiment file")
    args = parser.parse_args(argv)
    experiment = load_experiment(args.config)
    name = f"{args.system}{MARK}{args.variant}" if args.variant else args.system
    experiment.select_decoded([name])  # names the nearest where there is none
    decoded = experiment.decoded[name]
    if args.grid:
        decoded = replace(decoded, options=replace(decoded.options, tune=args.grid))
    seed = experiment.seeds[0] if args.seed is None else args.seed
    out = tuning_dir(args.exp, decoded.system, seed, decoded.variant)
    tuning = tune_system(Job(experiment, decoded, seed, args.dump, args.exp), out)
    for row in tuning["grid"]:
        print("  ".join(f"{key} {value:<6g}" for key, value in row.items()).rstrip())
    print(f"best on {tuning['set']}: {', '.join(f'{key}: {value:g}' for key, value in tuning['chosen'].items())}")
    print(f"the grid: {out / TUNING}")


if __name__ == "__main__":
    run(main)
