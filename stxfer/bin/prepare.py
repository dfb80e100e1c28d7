"""Stage 2: normalise texts, check audio, take subsets, perturb speed, remove test sentences from training sets."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from stxfer.bin._cli import add_stage_options, make_parser, run
from stxfer.config import load_experiment
from stxfer.errors import ConfigError
from stxfer.prepare import PrepareOptions, prepare

SETTINGS = {
    "source_lang": (str, "code of the source language (the experiment's languages.source)"),
    "target_lang": (str, "code of the target language (the experiment's languages.target)"),
    "max_seconds": (float, "longer utterances are dropped, but never from test sets"),
    "max_drop": (float, "share of a set that may be dropped before it is an error"),
    "tgt_train_hours": (float, "take a subset of this size of tgt_train; 0: all of it"),
    "seed": (int, "of the subset"),
    "speed_perturb": (str.split, "speed factors, in quotes, e.g. '0.9 1.0 1.1'"),
    "perturb_sets": (str.split, "sets whose speed is perturbed, in quotes"),
}


def main(argv: Sequence[str] | None = None) -> None:
    """Write ``<out>/<set>``, ``<out>/bitext`` and ``<out>/leaks.json``."""
    parser = make_parser("prepare", f"{__doc__} Settings come from the experiment's 'prepare' key; options go before.")
    parser.add_argument("--config", type=Path, help="experiment file")
    parser.add_argument("--data", type=Path, default=Path("data"), help="folder of raw data directories and bitext")
    parser.add_argument("--out", type=Path, default=Path("dump/data"), help="folder to write")
    parser.add_argument("--nj", type=int, default=2, help="threads that decode audio")
    for name, (kind, text) in SETTINGS.items():
        parser.add_argument(f"--{name.replace('_', '-')}", type=kind, help=text)
    add_stage_options(parser)
    args = parser.parse_args(argv)
    if args.nj < 1:
        raise ConfigError(f"--nj {args.nj}: must be at least 1")
    settings: dict[str, Any] = {}
    if args.config:
        experiment = load_experiment(args.config)
        settings = {"source_lang": experiment.source_lang, "target_lang": experiment.target_lang, **experiment.prepare}
    settings |= {name: getattr(args, name) for name in SETTINGS if getattr(args, name) is not None}
    for name in ("source_lang", "target_lang"):
        if name not in settings:
            raise ConfigError(f"give --{name.replace('_', '-')}, or --config with an experiment that says it")
    options = PrepareOptions.from_mapping(settings, f"{args.config}: prepare" if args.config else "options")
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
