"""Stage 2: normalise texts, check audio, take subsets, perturb speed, remove held-out sentences from training text."""

from __future__ import annotations

import argparse
import json
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from stxfer.bin._cli import add_stage_options, cores, make_parser, run
from stxfer.bin._options import add_options, read_options
from stxfer.core.errors import ConfigError
from stxfer.experiment.config import Experiment, load_experiment
from stxfer.experiment.layout import DATA, DUMP, prepared_dir
from stxfer.experiment.lineage import Lineage
from stxfer.experiment.prepare import PrepareOptions
from stxfer.prepare.sets import prepare
from stxfer.text.profiles import PROFILES

log = logging.getLogger(__name__)
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
    add_options(parser, PrepareOptions)
    add_stage_options(parser)
    args = parser.parse_args(argv)
    configured, profiles, clean, lineage = PrepareOptions(), PROFILES, None, None
    if "config" in args:
        experiment = load_experiment(args.config)
        configured, profiles, clean = experiment.prepare, experiment.profiles, experiment.mt.clean
        lineage = Lineage(experiment, args.out.parent)
        _warn_of_missing_sets(experiment, args.data)
    options = read_options(args, configured)
    for name in ("source_lang", "target_lang"):
        if not getattr(options, name):
            raise ConfigError(f"give --{name.replace('_', '-')}, or --config with an experiment that says it")
    figures = prepare(args.data, args.out, options, profiles=profiles, clean=clean, nj=args.nj, force=args.force,
                      allow_stale=args.allow_stale, declared=lineage)
    for name, of in figures.items():
        line = f"{of['train']} + {of['dev']} + {of['test']} pairs" if name == "bitext" else _set_line(of)
        if n := of.get("leaks", {}).get("n"):
            line += f"; {n} held-out sentences {'removed' if options.leaks == 'remove' else 'found'}"
        if n := of.get("audio_leaks", {}).get("n"):
            done = "removed" if options.audio_leaks == "remove" else "found"
            line += f"; {n} utterances with audio of dev or test {done}"
        print(f"{args.out / name}: {line}")
    if any(of.get("dropped") or of.get("warnings") for of in figures.values()):
        print(f"Each set's dropped.tsv and audio.json in {args.out} say which and why")


def _warn_of_missing_sets(experiment: Experiment, data: Path) -> None:
    """Log which training sets systems name that stage 1 has not made: hours before training would say so."""
    for system in experiment.systems.values():
        for name in {system.data, *(part.data for part in system.mix)}:
            if not (data / name).is_dir():
                log.warning("systems.%s learns from %s, which %s does not have; leave it out with --systems, or make "
                            "the set in stage 'data'", system.name, name, data)


def _set_line(figures: Mapping[str, Any]) -> str:
    stats = figures["stats"]
    text = stats["texts"]["text"]
    line = (f"{figures['n_utts']} utterances, {figures['hours']:.2f} h, {stats['speakers']} speakers, "
            f"{text['words']} words, {text['characters']} characters")
    if text["oov"] is not None:
        line += f", {100 * text['oov']:.1f} % of words not in training text"
    for file, kinds in figures.get("annotation", {}).items():
        line += f"; annotation removed from {file}: " + ", ".join(f"{kind} {n}" for kind, n in kinds.items())
    for file, rules in figures.get("advice", {}).items():
        line += f"; no profile for the language of {file}; its text suggests {json.dumps(rules, ensure_ascii=False)}"
    for what in ("dropped", "warnings"):
        if figures[what]:
            line += f"; {what}: " + ", ".join(f"{kind} {n}" for kind, n in figures[what].items())
    return line


if __name__ == "__main__":
    run(main)
