"""Stage 11: decode the test sets."""

from __future__ import annotations

import argparse
import logging
from collections.abc import Sequence
from pathlib import Path

from stxfer.bin._cli import add_selection_options, add_stage_options, cores, make_parser, run, seed_number
from stxfer.decoding.systems import Job, decode_job, decode_systems
from stxfer.experiment.config import load_experiment
from stxfer.experiment.layout import DUMP, EXP


def main(argv: Sequence[str] | None = None) -> None:
    """Parse arguments and decode."""
    parser = make_parser("stxfer.bin.decode", "Decode the test set of every requested system and seed: source ASR and "
                         "ST src_test, target ASR tgt_test; with the options of its kind and with those of each "
                         "variant. Finished sets are not decoded again.")
    parser.add_argument("--config", type=Path, required=True, help="experiment file (YAML)")
    parser.add_argument("--dump", type=Path, default=DUMP, help="directory of the features")
    parser.add_argument("--exp", type=Path, default=EXP, help="directory of the trained systems")
    parser.add_argument("--nj", type=cores, default=2, help="processes, of one thread each")
    parser.add_argument("--job", nargs=2, metavar=("SYSTEM", "SEED"),
                        help="decode this one system in this process, done or not (what --nj starts)")
    parser.add_argument("--set", default="", metavar="NAME", help="with --job: decode this set, not the test set")
    add_selection_options(parser)
    add_stage_options(parser)
    args = parser.parse_args(argv)
    if args.set and not args.job:
        parser.error("--set belongs to --job")
    experiment = load_experiment(args.config)
    if args.job:
        logging.getLogger().setLevel(logging.WARNING)  # espnet speaks of every utterance
        logging.getLogger("stxfer").setLevel(logging.INFO)
        if args.job[0] not in experiment.decoded:
            parser.error(f"--job {args.job[0]}: no such system")
        try:
            number = seed_number(args.job[1])
        except argparse.ArgumentTypeError as error:
            parser.error(f"--job: {error}")
        decode_job(Job(experiment, experiment.decoded[args.job[0]], number, args.dump, args.exp, args.set))
        return
    done = decode_systems(experiment, args.config, args.dump, args.exp, systems=args.systems, seeds=args.seeds,
                          nj=args.nj, force=args.force, allow_stale=args.allow_stale)
    print(f"decoded now: {', '.join(name.removeprefix('decode ') for name in done) or 'nothing, all is up to date'}")


if __name__ == "__main__":
    run(main)
