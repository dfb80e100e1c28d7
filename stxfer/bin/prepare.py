"""Stage 2: normalise texts, check audio, take subsets, perturb speed, remove test sentences from training sets."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from stxfer.bin._cli import add_stage_options, make_parser, run
from stxfer.config import load_experiment
from stxfer.errors import ConfigError
from stxfer.prepare import PrepareOptions, prepare

SETTINGS = {
    "source_lang": (str, "code of the source language (default: the experiment's)"),
    "target_lang": (str, "code of the target language (default: the experiment's)"),
    "max_seconds": (float, "longer utterances are dropped, but never from test sets (default: 30)"),
    "max_drop": (float, "share of a set that may be dropped before it is an error (default: 0.05)"),
    "tgt_train_hours": (float, "take a subset of this size of tgt_train; 0: all of it (default: 0)"),
    "seed": (int, "of the subset (default: 1)"),
    "speed_perturb": (str, "speed factors, in quotes, e.g. '0.9 1.0 1.1' (default: the audio as it is)"),
    "perturb_sets": (str, "sets whose speed is perturbed, in quotes (default: tgt_train)"),
}


def main(argv: Sequence[str] | None = None) -> None:
    """Write ``<out>/<set>``, ``<out>/bitext`` and ``<out>/leaks.json``."""
    parser = make_parser("prepare", f"{__doc__} Options go before the experiment's 'prepare' key.")
    parser.add_argument("--config", type=Path, default=argparse.SUPPRESS,
                        help="experiment file: its languages and its 'prepare' key")
    parser.add_argument("--data", type=Path, default=Path("data"), help="folder of raw data directories and bitext")
    parser.add_argument("--out", type=Path, default=Path("dump/data"), help="folder to write")
    parser.add_argument("--nj", type=int, default=2, help="threads that decode audio")
    for name, (kind, text) in SETTINGS.items():
        parser.add_argument(f"--{name.replace('_', '-')}", type=kind, default=argparse.SUPPRESS, help=text)
    add_stage_options(parser)
    args = parser.parse_args(argv)
    if args.nj < 1:
        raise ConfigError(f"--nj {args.nj}: must be at least 1")
    given = vars(args)
    settings: dict[str, Any] = {}
    where = "options"
    if "config" in given:
        experiment = load_experiment(args.config)
        settings = {"source_lang": experiment.source_lang, "target_lang": experiment.target_lang, **experiment.prepare}
        where = f"{args.config}: prepare"
    settings |= {name: given[name] for name in SETTINGS if name in given}
    for name in ("source_lang", "target_lang"):
        if name not in settings:
            raise ConfigError(f"give --{name.replace('_', '-')}, or --config with an experiment that says it")
    options = PrepareOptions.from_mapping(settings, where)
    figures = prepare(args.data, args.out, options, nj=args.nj, force=args.force, allow_stale=args.allow_stale)
    for name, of in figures.items():
        if name == "bitext":
            line = f"{of['train']} + {of['dev']} + {of['test']} pairs"
        else:
            line = f"{of['n_utts']} utterances, {of['hours']:.2f} h"
            if of["n_dropped"]:
                line += f", {of['n_dropped']} dropped (see {args.out / name}/dropped.tsv)"
        if of.get("leaks", {}).get("n"):
            line += f", {of['leaks']['n']} held-out sentences removed (see {args.out}/leaks.json)"
        print(f"{args.out / name}: {line}")


if __name__ == "__main__":
    run(main)
