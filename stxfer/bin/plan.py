"""What a run of a recipe would do: stages, what is there, what is made, made again or refused and why; inputs; disk."""

from __future__ import annotations

import argparse
import glob
import shutil
from collections.abc import Sequence
from pathlib import Path

from stxfer.bin._cli import add_selection_options, add_stage_options, cores, make_parser, run
from stxfer.cluster.settings import Settings
from stxfer.core.devices import devices
from stxfer.experiment.config import Experiment, load_experiment
from stxfer.experiment.layout import DATA, DUMP, EXP, beside
from stxfer.recipes.plan import DONE, REFUSED, STAGES, Item, lines, plan, sets_of

SUBMITTED = ("features", "mt", "labels", "lm", "source_asr", "st", "target_asr", "decode")  # where there is a cluster
GIVEN = "options"  # in the folder of raw data: the corpora that it was made from, as the driver takes them


def main(argv: Sequence[str] | None = None) -> None:
    """Print the plan; ends with status 0 whatever it is."""
    parser = make_parser("plan", __doc__ or "")
    parser.add_argument("--config", type=Path, required=True, help="experiment file (YAML)")
    parser.add_argument("--dump", type=Path, default=DUMP, help="directory of prepared data, features and labels")
    parser.add_argument("--exp", type=Path, default=EXP, help="directory of models and results")
    parser.add_argument("--stages", type=str.split, default=" ".join(STAGES), metavar="'A B'",
                        help="those that would run")
    parser.add_argument("--corpus", type=_corpus, action="append", default=[], metavar="OPTION=PATH",
                        help="a corpus that stage 'data' reads, empty where it is not given; may be given again")
    parser.add_argument("--given", default="", help="the options of the corpora, as stage 'data' keeps them")
    parser.add_argument("--nj", type=cores, default=2, help="parallel jobs")
    parser.add_argument("--estimate", choices=["true", "false"], default="true",
                        help="time steps of the models on this machine, some seconds, and say how long all takes")
    add_selection_options(parser)
    add_stage_options(parser)
    args = parser.parse_args(argv)
    experiment = load_experiment(args.config)
    items = plan(experiment, args.dump, args.exp, stages=args.stages, systems=args.systems, seeds=args.seeds,
                 force=args.force, allow_stale=args.allow_stale)
    print(f"\nplan of {experiment.name}; nothing is done\n")
    print("\n".join(lines(items)))
    print("\ninputs:" if args.corpus else "\ninputs: none")
    needs = "not given; stage 'data' says if it needs it" if any(
        item.stage == "data" and item.state != DONE for item in items) else "not given"
    for option, path in args.corpus:
        there = needs if not path else "found" if _is_there(Path(path)) else "MISSING"
        print(f"  --{option.replace('_', '-')} {path}{' ' if path else ''}({there})")
    before = beside(args.dump, DATA) / GIVEN
    if before.exists() and (had := before.read_text(encoding="utf-8", errors="replace").strip()) != args.given.strip():
        print(f"  LOOK data/ was made with other corpora: {had or 'none'}")
    if experiment.features.kind == "pretrained":
        encoder = experiment.features.directory
        print(f"  encoder {encoder} ({'found' if encoder.is_dir() else 'MISSING'})")
    where = next(path for path in (args.exp.absolute(), *args.exp.absolute().parents) if path.exists())
    free = shutil.disk_usage(where).free / 1e9
    print(f"here: {args.nj} jobs side by side, {len(devices()) or 'no'} GPU; {free:.1f} GB are free for "
          f"{args.exp.absolute().parent}")
    site = Settings.of_environment()
    if site.backend == "slurm":
        submitted = [stage for stage in SUBMITTED if any(item.stage == stage and item.state not in (DONE, REFUSED)
                                                         for item in items)]
        print(f"submitted to Slurm: {', '.join(submitted) or 'nothing'}; "
              + ", ".join(f"{kind}_cmd '{words}'" for kind, words in site.given.items()))
    if args.estimate == "true" and any(item.state not in (DONE, REFUSED) for item in items):
        _print_costs(experiment, items, args.dump, [Path(path) for _, path in args.corpus if path], args.nj)
    todo = sum(item.state != DONE for item in items)
    refused = [item.name for item in items if item.state == REFUSED]
    print(f"{todo} of {len(items)} things to make" + (f"; it would stop at {refused[0]}" if refused else ""))


def _print_costs(experiment: Experiment, items: Sequence[Item], dump: Path, corpora: Sequence[Path], nj: int) -> None:
    from stxfer.recipes.amounts import amounts_of
    from stxfer.recipes.cost import costs, duration

    amounts = amounts_of(experiment, sets_of(experiment), dump, corpora)
    found = costs(experiment, items, amounts, dump, nj=nj)
    guessed = "" if all(amount.known for amount in amounts.values()) else "; the sizes of sets are guessed"
    print(f"\nabout, if nothing else runs on this machine's processor{guessed}"
          f"{'; a GPU is not in it' if devices() else ''} (docs/stages.md: how far off that is):")
    for stage, cost in found.items():
        disk = f", {cost.disk / 1e6:,.0f} MB" if cost.disk > 5e6 else ""
        memory = f", {cost.memory / 1e9:.1f} GB of memory" if cost.memory else ""
        print(f"{STAGES.index(stage) + 1:2d} {stage:10}  "
              + (f"not known: {cost.unknown}" if cost.unknown else f"{duration(cost.seconds):>7}{disk}{memory}"))
    seconds, disk = (sum(getattr(cost, key) for cost in found.values()) for key in ("seconds", "disk"))
    print(f"   together    {duration(seconds):>7}, {disk / 1e6:,.0f} MB; at most "
          f"{max((cost.memory for cost in found.values()), default=0) / 1e9:.1f} GB of memory")


def _is_there(corpus: Path) -> bool:
    """Whether a file or folder is there, or files whose names begin so: aligned text is given by what they share."""
    return corpus.exists() or any(corpus.parent.glob(f"{glob.escape(corpus.name)}.*"))


def _corpus(text: str) -> tuple[str, str]:
    option, equals, path = text.partition("=")
    if not equals:
        raise argparse.ArgumentTypeError(f"{text!r}: OPTION=PATH is needed")
    return option, path


if __name__ == "__main__":
    run(main)
