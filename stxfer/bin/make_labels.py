"""Stage 5: translate the source corpus's transcripts into pseudo-labels."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from stxfer.bin._cli import add_stage_options, cores, make_parser, run
from stxfer.cluster.parts import away, part_number, run_parts
from stxfer.experiment.config import load_experiment
from stxfer.experiment.layout import DUMP, EXP, translations_dir
from stxfer.mt.labels import make_labels, make_part
from stxfer.mt.quality import evaluate_translator
from stxfer.mt.translations import SHARD


def main(argv: Sequence[str] | None = None) -> None:
    """Parse arguments, make labels and print the translators' quality."""
    parser = make_parser("make_labels", "Translate the transcripts of the source corpus with each label source's "
                         "translator, and score the translators on the bitext's test part.")
    parser.add_argument("--config", type=Path, required=True, help="experiment YAML")
    parser.add_argument("--dump", type=Path, default=DUMP, help="directory of features and labels")
    parser.add_argument("--exp", type=Path, default=EXP, help="directory of experiments")
    parser.add_argument("--shard", type=cores, default=SHARD, help="sentences translated between two savings")
    parser.add_argument("--nj", type=cores, default=2, help="processor cores to use")
    parser.add_argument("--part", type=part_number, metavar="K/N",
                        help="translate every N-th shard of --of alone, from the K-th on (what jobs of a cluster do)")
    parser.add_argument("--of", nargs=2, metavar=("LABEL", "SET"), help="what --part is a part of")
    add_stage_options(parser)
    args = parser.parse_args(argv)
    if (args.part is None) != (args.of is None):
        parser.error("--part and --of belong together")
    experiment = load_experiment(args.config)
    if args.part:
        label, name = args.of
        make_part(experiment, label, name, args.dump, args.exp, args.part.slice, shard=args.shard)
        return

    def elsewhere(label: str, name: str, shards: int) -> None:
        run_parts(f"labels {label} {name}", "make_labels",
                  {"config": args.config, "dump": args.dump, "exp": args.exp, "shard": args.shard,
                   "of": [label, name]}, translations_dir(args.dump, label, name).parent, min(args.nj, shards),
                  step="labels")

    for name, count in make_labels(experiment, args.dump, args.exp, threads=args.nj, shard=args.shard,
                                   force=args.force, allow_stale=args.allow_stale,
                                   elsewhere=elsewhere if away() else None).items():
        print(f"labels {name}: {count} utterances")
    for label in experiment.labels:
        score = evaluate_translator(experiment, label, args.dump, args.exp, threads=args.nj, force=args.force,
                                    allow_stale=args.allow_stale)
        if "metrics" in score:
            kept = "" if score["kept"] == score["pairs"] else f" ({score['kept']} of {score['pairs']} kept)"
            print(f"MT {label} on the bitext's test part{kept}: " +
                  ", ".join(f"{name} {metric['value']:.1f}" for name, metric in score["metrics"].items()))


if __name__ == "__main__":
    run(main)
