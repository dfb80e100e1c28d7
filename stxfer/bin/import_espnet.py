"""Take what an ESPnet experiment has decoded into the comparison."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from stxfer.bin._cli import add_stage_options, make_parser, run, seed_number
from stxfer.experiment.config import load_experiment
from stxfer.experiment.layout import DUMP, EXP
from stxfer.score.imported import import_espnet, origin_line


def main(argv: Sequence[str] | None = None) -> None:
    """Import the hypotheses, score them and print both figures."""
    parser = make_parser("stxfer.bin.import_espnet", "Score an ESPnet experiment's hypotheses of the target test set "
                         "as a system of this experiment; the report then compares target systems with it. The "
                         "utterances must have the names that they have here.")
    parser.add_argument("expdir", type=Path, metavar="EXPDIR",
                        help="ESPnet's exp/asr_train_..., with config.yaml and decode_*/<set>/text")
    parser.add_argument("--config", required=True, help="experiment file (YAML) of the comparison")
    parser.add_argument("--name", default="espnet", help="what the report calls the system")
    parser.add_argument("--seed", type=seed_number, default=1,
                        help="training seed that it counts as, one of the experiment")
    parser.add_argument("--hours", type=float, help="hours of speech it was trained on; as many as tgt_train has, "
                        "if they are not given")
    parser.add_argument("--hypotheses", default="", metavar="DECODE/SET",
                        help="which of EXPDIR's hypotheses, where several are for the test set")
    parser.add_argument("--dump", type=Path, default=DUMP, help="directory of the features and texts")
    parser.add_argument("--exp", type=Path, default=EXP, help="directory of the trained systems")
    add_stage_options(parser)
    args = parser.parse_args(argv)
    origin = import_espnet(load_experiment(args.config), args.expdir, args.name, dump=args.dump, exp=args.exp,
                           seed=args.seed, hours=args.hours, hypotheses=args.hypotheses, force=args.force,
                           allow_stale=args.allow_stale)
    print(origin_line(args.name, asdict(origin)))


if __name__ == "__main__":
    run(main)
