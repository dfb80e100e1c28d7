"""Stage 3: filterbank features, those of a pretrained encoder, or waveforms, of the prepared sets."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from stxfer.audio.ark import COMPRESSIONS
from stxfer.audio.dump import begin_dump, dump_fbank, dump_part
from stxfer.audio.pretrained import open_pretrained
from stxfer.audio.shards import FBANK, Extractor
from stxfer.audio.waveform import Waveform
from stxfer.bin._cli import add_stage_options, cores, make_parser, run
from stxfer.cluster.parts import away, part_number, run_parts
from stxfer.core.errors import DataError
from stxfer.core.pool import worker_pool
from stxfer.experiment.config import load_experiment
from stxfer.experiment.features import FeatureOptions
from stxfer.experiment.layout import DUMP, features_dir, prepared_dir
from stxfer.experiment.lineage import Lineage
from stxfer.kaldi.datadir import find_sets

EXTRACTORS: dict[str, Extractor] = {"fbank": FBANK, "waveform": Waveform()}
WAVEFORM = "16bit"


def main(argv: Sequence[str] | None = None) -> None:
    """Write ``<out>/<set>`` for every set of ``--data``."""
    parser = make_parser("dump_fbank", __doc__ or "")
    parser.add_argument("--config", type=Path, help="experiment file whose 'features' says which; none: filterbank")
    parser.add_argument("--data", type=Path, default=prepared_dir(DUMP), help="folder of Kaldi data directories")
    parser.add_argument("--out", type=Path, default=features_dir(DUMP), help="folder to write")
    parser.add_argument("--sets", default="", help="names of sets, in quotes; none: all")
    parser.add_argument("--nj", type=cores, default=2, help="processes; each holds the encoder, if one is used")
    parser.add_argument("--compression", choices=COMPRESSIONS, help="of the arks; none given: as the file says")
    parser.add_argument("--part", type=part_number, metavar="K/N",
                        help="make every N-th shard of the sets alone, from the K-th on (what jobs of a cluster do)")
    add_stage_options(parser)
    args = parser.parse_args(argv)
    found = find_sets(args.data)
    sets = args.sets.split() or found
    if unknown := [name for name in sets if name not in found]:
        raise DataError(f"{args.data / unknown[0]}: no such set; there are: {' '.join(found)}")
    experiment = load_experiment(args.config) if args.config else None
    options = experiment.features if experiment else FeatureOptions()
    lineage = Lineage(experiment, args.data.parent) if experiment else None
    extractor: Extractor = open_pretrained(options) if options.kind == "pretrained" else EXTRACTORS[options.kind]
    compression = args.compression or (WAVEFORM if options.kind == "waveform" else options.compression)
    if args.part:
        for name in sets:
            count = dump_part(args.data / name, args.out / name, args.part.slice, extractor=extractor,
                              compression=compression)
            print(f"{args.out / name}: shards of {count} utterances")
        return
    force = args.force
    if away():
        todo = [name for name in sets if begin_dump(args.data / name, args.out / name, extractor=extractor,
                                                    compression=compression, force=force,
                                                    allow_stale=args.allow_stale, declared=lineage)]
        if todo:
            run_parts("features", "dump_fbank", {
                **({"config": args.config} if args.config else {}), "data": args.data, "out": args.out,
                "sets": " ".join(todo), "compression": compression}, args.out, args.nj, step="features",
                resources="cuda" if options.kind == "pretrained" else "train")
        force = False
    with worker_pool(args.nj) as pool:
        counts = {name: dump_fbank(args.data / name, args.out / name, extractor=extractor, pool=pool,
                                   compression=compression, force=force, allow_stale=args.allow_stale,
                                   declared=lineage)
                  for name in sets}
    print(f"features in {args.out}: " + ", ".join(f"{name} {count}" for name, count in counts.items()) + " utterances")


if __name__ == "__main__":
    run(main)
