"""Stages 8-11 as one graph of jobs: train and decode every system and seed, each as soon as what it needs is there."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

from stxfer.bin._cli import add_selection_options, add_stage_options, cores, make_parser, run
from stxfer.cluster.shown import jobs_in_queue
from stxfer.cluster.table import rendered
from stxfer.experiment.config import load_experiment
from stxfer.experiment.layout import DUMP, EXP
from stxfer.training.launch import TrainingLog
from stxfer.training.plan import STEPS, Choice, described, planned_jobs, run_planned


def main(argv: Sequence[str] | None = None) -> None:
    """Parse arguments; run the jobs, or print them."""
    parser = make_parser("jobs", "Train and decode as one graph of jobs: where cmd.sh says slurm, all are submitted at "
                         "once, each after those it needs. What is in the queue is not submitted again.")
    parser.add_argument("--config", type=Path, help="experiment YAML; not needed for --show")
    parser.add_argument("--dump", type=Path, default=DUMP, help="directory of features and vocabularies")
    parser.add_argument("--exp", type=Path, default=EXP, help="directory of experiments")
    parser.add_argument("--stage", choices=STEPS, default=STEPS[0], help="first stage")
    parser.add_argument("--stop-stage", choices=STEPS, default=STEPS[-1], help="last stage")
    parser.add_argument("--nj", type=cores, default=2, help="processor cores to use, where jobs run on this machine")
    parser.add_argument("--processes", type=cores, default=1, help="processes that train each system together")
    parser.add_argument("--nodes", type=cores, default=1,
                        help="machines of the cluster on which so many processes each train a system together")
    parser.add_argument("--dry-run", action="store_true", help="print the jobs that would run and what they wait for")
    parser.add_argument("--show", action="store_true", help="print the table of this work directory's jobs")
    add_selection_options(parser)
    add_stage_options(parser)
    args = parser.parse_args(argv)
    if args.show:
        size = shutil.get_terminal_size()
        print("\n".join(rendered(jobs_in_queue(TrainingLog), rows=10_000, columns=max(size.columns, 80))))
        return
    if args.config is None:
        parser.error("--config is needed")
    first, last = STEPS.index(args.stage), STEPS.index(args.stop_stage)
    if first > last:
        parser.error(f"--stage {args.stage} comes after --stop-stage {args.stop_stage}")
    experiment = load_experiment(args.config)
    choice = Choice(STEPS[first:last + 1], args.systems, args.seeds, args.processes, args.nodes, args.force,
                    args.allow_stale)
    if args.dry_run:
        jobs = planned_jobs(experiment, args.config, args.dump, args.exp, choice)
        print("\n".join(described(jobs, force=args.force, allow_stale=args.allow_stale)))
        return
    done = run_planned(experiment, args.config, args.dump, args.exp, choice, args.nj)
    print(f"done now: {', '.join(done) if done else 'nothing, all is up to date'}")


if __name__ == "__main__":
    run(main)
