"""Stage 2: normalise texts, check audio, take subsets, perturb speed, remove held-out sentences from training text."""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from stxfer.bin._cli import add_stage_options, cores, make_parser, run
from stxfer.core.errors import ConfigError
from stxfer.experiment.config import load_experiment
from stxfer.experiment.layout import DATA, DUMP, prepared_dir
from stxfer.experiment.prepare import LEAKS, PrepareOptions
from stxfer.prepare.sets import prepare
from stxfer.text.profiles import PROFILES

SETTINGS = {
    "source_lang": (str, "LANG", "code of the source language"),
    "target_lang": (str, "LANG", "code of the target language"),
    "max_seconds": (float, "S", "drop longer utterances; from test sets only those over 10 minutes"),
    "min_rate": (int, "HZ", "drop audio of a lower sampling rate"),
    "max_chars_per_second": (float, "N", "drop utterances with more of transcript than this"),
    "max_drop": (float, "SHARE", "of a set that stages 1 and 2 may drop before it is an error"),
    "leaks": (str, "|".join(LEAKS), "what to do about sentences of dev and test sets in training text"),
    "tgt_train_hours": (float, "H", "take a subset of this size of tgt_train; 0: all of it"),
    "seed": (int, "N", "of the subset"),
    "speed_perturb": (str, "FACTORS", "speed factors, in quotes, e.g. '0.9 1.0 1.1'; none: the audio as it is"),
    "perturb_sets": (str, "SETS", "whose speed is perturbed, in quotes"),
}
EPILOG = """Options go before the experiment's 'prepare' key, which has the same names; their defaults are those where
neither says anything. The experiment's 'normalise' key changes how text is normalised. Writes OUT/<set> with
dropped.tsv, audio.json and survey.json, OUT/bitext, held_out.tsv, leaks.json and stats.json."""


def main(argv: Sequence[str] | None = None) -> None:
    """Write ``<out>/<set>``, ``<out>/bitext`` and what was found in them, and print the figures."""
    parser = make_parser("prepare", __doc__ or "")
    parser.epilog = EPILOG
    parser.add_argument("--config", type=Path, default=argparse.SUPPRESS,
                        help="experiment file: its languages, its 'prepare' and its 'normalise' key")
    parser.add_argument("--data", type=Path, default=DATA, help="folder of raw data directories and bitext")
    parser.add_argument("--out", type=Path, default=prepared_dir(DUMP), help="folder to write")
    parser.add_argument("--nj", type=cores, default=2, help="processes that decode audio")
    defaults = PrepareOptions.defaults()
    for name, (kind, metavar, text) in SETTINGS.items():
        default = defaults.get(name, "the experiment's")
        if isinstance(default, tuple):
            default = " ".join(default) or "none"
        parser.add_argument(f"--{name.replace('_', '-')}", type=kind, metavar=metavar, default=argparse.SUPPRESS,
                            help=f"{text} (default: {default})")
    add_stage_options(parser)
    args = parser.parse_args(argv)
    given = vars(args)
    settings: dict[str, Any] = {}
    where, profiles, clean = "options", PROFILES, None
    if "config" in given:
        experiment = load_experiment(args.config)
        settings = {"source_lang": experiment.source_lang, "target_lang": experiment.target_lang, **experiment.prepare}
        where, profiles, clean = f"{args.config}: prepare", experiment.profiles, experiment.mt.clean
    settings |= {name: given[name] for name in SETTINGS if name in given}
    for name in ("source_lang", "target_lang"):
        if name not in settings:
            raise ConfigError(f"give --{name.replace('_', '-')}, or --config with an experiment that says it")
    options = PrepareOptions.from_mapping(settings, where)
    figures = prepare(args.data, args.out, options, profiles=profiles, clean=clean, nj=args.nj, force=args.force,
                      allow_stale=args.allow_stale)
    for name, of in figures.items():
        line = f"{of['train']} + {of['dev']} + {of['test']} pairs" if name == "bitext" else _set_line(of)
        if n := of.get("leaks", {}).get("n"):
            line += f"; {n} held-out sentences {'removed' if options.leaks == 'remove' else 'found'}"
        print(f"{args.out / name}: {line}")
    if any(of.get("dropped") or of.get("warnings") for of in figures.values()):
        print(f"Each set's dropped.tsv and audio.json in {args.out} say which and why")


def _set_line(figures: Mapping[str, Any]) -> str:
    stats = figures["stats"]
    text = stats["texts"]["text"]
    line = (f"{figures['n_utts']} utterances, {figures['hours']:.2f} h, {stats['speakers']} speakers, "
            f"{text['words']} words, {text['characters']} characters")
    if text["oov"] is not None:
        line += f", {100 * text['oov']:.1f} % of words not in training text"
    for file, kinds in figures["annotation"].items():
        line += f"; annotation removed from {file}: " + ", ".join(f"{kind} {n}" for kind, n in kinds.items())
    for file, rules in figures["advice"].items():
        line += f"; no profile for the language of {file}; its text suggests {json.dumps(rules, ensure_ascii=False)}"
    for what in ("dropped", "warnings"):
        if figures[what]:
            line += f"; {what}: " + ", ".join(f"{kind} {n}" for kind, n in figures[what].items())
    return line


if __name__ == "__main__":
    run(main)
