"""Stage 7: train the language models."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from stxfer.bin._cli import add_stage_options, cores, make_parser, run
from stxfer.experiment.config import load_experiment
from stxfer.experiment.layout import DUMP, EXP
from stxfer.training.language_models import dev_perplexities, train_language_model, train_language_models


def main(argv: Sequence[str] | None = None) -> None:
    """Parse arguments and train."""
    parser = make_parser("train_lm", "Train the language models that the experiment declares, on text without "
                         "sentences of dev and test sets. A killed training is resumed at its last epoch.")
    parser.add_argument("--config", type=Path, required=True, help="experiment YAML")
    parser.add_argument("--dump", type=Path, default=DUMP, help="directory of prepared data and vocabularies")
    parser.add_argument("--exp", type=Path, default=EXP, help="directory of experiments")
    parser.add_argument("--lm", default="", help="train this language model alone, in this process")
    parser.add_argument("--nj", type=cores, default=2, help="processor cores to use")
    add_stage_options(parser)
    args = parser.parse_args(argv)
    experiment = load_experiment(args.config)
    if args.lm:
        train_language_model(experiment, args.lm, args.dump, args.exp, force=args.force, allow_stale=args.allow_stale)
        return
    if not experiment.lm:
        print("no language model is declared")
        return
    trained = train_language_models(experiment, args.config, args.dump, args.exp, nj=args.nj, force=args.force,
                                    allow_stale=args.allow_stale)
    for name, dev in dev_perplexities(experiment, args.exp).items():
        print(f"language model {name}: perplexity {dev['perplexity']:.2f} a token, {dev['word_perplexity']:.1f} a "
              f"word, on {dev['sentences']} sentences of the development set")
    print(f"trained now: {', '.join(trained) if trained else 'nothing, all is up to date'}")


if __name__ == "__main__":
    run(main)
