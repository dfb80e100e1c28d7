"""Check that all files of a work directory are what its stages have left, and up to date."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from stxfer.bin._cli import make_parser, run
from stxfer.core.errors import DataError
from stxfer.core.verify import verify
from stxfer.experiment.config import load_experiment
from stxfer.experiment.layout import DUMP, EXP
from stxfer.experiment.lineage import Lineage

EPILOG = """Every stage records the digests of what it leaves; here all are compared, whichever stage reads them. Ends
with status 1 if anything is wrong, after a line for each problem that names the file and the stage to run again."""


def main(argv: Sequence[str] | None = None) -> None:
    """Print a line for each problem, and how much was looked at."""
    parser = make_parser("verify", __doc__ or "")
    parser.epilog = EPILOG
    parser.add_argument("--dir", type=Path, default=Path(), help="work directory, that of data, dump and exp")
    parser.add_argument("--config", type=Path, help="experiment file whose options the stages' are compared with")
    parser.add_argument("--again", action="store_true",
                        help="read every file again, also those whose date, size and inode have not changed")
    args = parser.parse_args(argv)
    lineage = Lineage(load_experiment(args.config), DUMP, EXP) if args.config else None
    if not args.dir.is_dir():
        raise DataError(f"{args.dir}: no such directory")
    os.chdir(args.dir)  # markers name what a stage was made from as seen from there
    found = verify(Path(), lineage, again=args.again)
    if not found.stages:
        raise DataError(f"{args.dir}: no stage has finished here")
    for problem in found.problems:
        print(problem)
    counted = f"{found.stages} stages, {found.files} files, {found.bytes / 1e6:.1f} MB"
    if found.problems:
        raise DataError(f"{args.dir}: {len(found.problems)} problems in {counted}")
    print(f"{args.dir}: all as it was made, {counted}")


if __name__ == "__main__":
    run(main)
