"""Make the synthetic English-Swahili corpora: a grammar's sentences, spoken by espeak-ng."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from stxfer.bin._cli import add_stage_options, make_parser, run
from stxfer.corpora.synthetic import Options, prepare_synthetic
from stxfer.errors import ConfigError

_HELP = {"src": "English utterances of src_{}", "tgt": "Swahili utterances of tgt_{}",
         "bitext": "sentence pairs of the bitext's {}"}
_MORE = {"source_speakers": "English training speakers", "target_speakers": "Swahili training speakers",
         "dev_speakers": "speakers of each dev set", "test_speakers": "speakers of each test set",
         "rate": "words a minute", "seed": "another seed, other sentences and voices"}


def main(argv: Sequence[str] | None = None) -> None:
    parser = make_parser("prepare_synthetic", __doc__ or "")
    parser.add_argument("--out", type=Path, default=Path("data"), help="directory to fill")
    parser.add_argument("--config", type=Path, help="experiment file whose 'data' section gives these options")
    for field in dataclasses.fields(Options):
        kind, _, split = field.name.partition("_")
        parser.add_argument(f"--{field.name.replace('_', '-')}", type=int,
                            help=f"{_MORE.get(field.name) or _HELP[kind].format(split)} "
                                 f"(default: of the configuration, or {field.default})")
    parser.add_argument("--nj", type=int, default=2, help="processes")
    add_stage_options(parser)
    args = parser.parse_args(argv)
    values = _configured(args.config) if args.config else {}
    values |= {f.name: getattr(args, f.name) for f in dataclasses.fields(Options) if getattr(args, f.name) is not None}
    made = prepare_synthetic(args.out, Options(**values), nj=args.nj, force=args.force, allow_stale=args.allow_stale)
    print(f"synthetic corpora in {args.out}: {' '.join(path.name for path in made)}")


def _configured(path: Path) -> Mapping[str, Any]:
    from stxfer.config import load_experiment

    data = load_experiment(path).data
    known = {field.name for field in dataclasses.fields(Options)}
    for name, value in data.items():
        if name not in known:
            raise ConfigError(f"{path}: data.{name}: unknown; the synthetic corpora know {' '.join(sorted(known))}")
        if type(value) is not int:
            raise ConfigError(f"{path}: data.{name}: {value!r} is not a whole number")
    return dict(data)


if __name__ == "__main__":
    run(main)
