"""Stage 1: the synthetic English-Swahili corpora, sentences of a grammar spoken by espeak-ng."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from stxfer.bin._cli import add_stage_options, make_parser, run
from stxfer.bin._dataclass_options import add_options, read_options
from stxfer.corpora.synthetic import Options, prepare_synthetic
from stxfer.experiment.layout import DATA, bitext_dir
from stxfer.kaldi.datadir import read_datadir

HELP = {f"{kind}_{split}": f"{what} of {kind}_{split}"
        for kind, what in (("src", "English utterances"), ("tgt", "Swahili utterances"))
        for split in ("train", "dev", "test")}
HELP |= {f"bitext_{split}": f"sentence pairs of the bitext's {split}" for split in ("train", "dev", "test")}
HELP |= {"source_speakers": "speakers of src_train", "target_speakers": "speakers of tgt_train",
         "dev_speakers": "speakers of each dev set", "test_speakers": "speakers of each test set",
         "source_rate": "English words a minute, as espeak-ng counts them", "target_rate": "Swahili words a minute",
         "seed": "of sentences and voices"}


def main(argv: Sequence[str] | None = None) -> None:
    """Write ``<out>/{src,tgt}_{train,dev,test}``, ``<out>/audio`` and ``<out>/bitext``."""
    parser = make_parser("prepare_synthetic", __doc__ or "")
    parser.add_argument("--out", type=Path, default=DATA, help="folder of data directories")
    parser.add_argument("--config", type=Path, help="experiment file; its 'data' gives the options below")
    add_options(parser, Options, HELP)
    parser.add_argument("--nj", type=int, default=2, help="processes")
    add_stage_options(parser)
    args = parser.parse_args(argv)
    configured = {}
    if args.config:
        from stxfer.experiment.config import load_experiment

        configured = dict(load_experiment(args.config).data)
    options = read_options(args, Options, configured, f"{args.config}: data")
    for path in prepare_synthetic(args.out, options, nj=args.nj, force=args.force, allow_stale=args.allow_stale):
        if path == bitext_dir(args.out):
            print(f"{path}: {options.bitext_train} pairs, {options.bitext_dev} dev, {options.bitext_test} test")
        else:
            data = read_datadir(path)
            print(f"{path}: {len(data)} utterances, {data.hours * 60:.1f} min, {len(data.spk2utt)} speakers")


if __name__ == "__main__":
    run(main)
