"""Stage 1: the synthetic English-Swahili corpora, sentences of a grammar spoken by espeak-ng."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from stxfer.bin._cli import add_stage_options, cores, make_parser, run
from stxfer.bin._options import add_options, read_options
from stxfer.corpora.synthetic import prepare_synthetic
from stxfer.experiment.config import load_experiment
from stxfer.experiment.data import SyntheticOptions
from stxfer.experiment.layout import DATA, bitext_dir
from stxfer.kaldi.datadir import read_datadir


def main(argv: Sequence[str] | None = None) -> None:
    """Write ``<out>/{src,tgt}_{train,dev,test}``, ``<out>/audio`` and ``<out>/bitext``."""
    parser = make_parser("prepare_synthetic", __doc__ or "")
    parser.add_argument("--out", type=Path, default=DATA, help="folder of data directories")
    parser.add_argument("--config", type=Path, help="experiment file; its 'data' gives the options below")
    add_options(parser, SyntheticOptions)
    parser.add_argument("--nj", type=cores, default=2, help="processes")
    add_stage_options(parser)
    args = parser.parse_args(argv)
    configured = load_experiment(args.config).data.synthetic if args.config else SyntheticOptions()
    options = read_options(args, configured)
    for path in prepare_synthetic(args.out, options, nj=args.nj, force=args.force, allow_stale=args.allow_stale):
        if path == bitext_dir(args.out):
            print(f"{path}: {options.bitext_train} pairs, {options.bitext_dev} dev, {options.bitext_test} test")
        else:
            data = read_datadir(path)
            print(f"{path}: {len(data)} utterances, {data.hours * 60:.1f} min, {len(data.spk2utt)} speakers")


if __name__ == "__main__":
    run(main)
