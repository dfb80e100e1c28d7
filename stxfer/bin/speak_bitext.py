"""Stage 1: source speech from parallel text, its short sentences spoken by espeak-ng; the other pairs stay for MT."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from stxfer.bin._cli import add_stage_options, cores, make_parser, run
from stxfer.bin._options import add_options, read_options
from stxfer.core.errors import ConfigError
from stxfer.corpora.bitext.directory import PARTS
from stxfer.corpora.synthetic.spoken_bitext import LEFT_OUT, speak_bitext
from stxfer.experiment.config import load_experiment
from stxfer.experiment.data import SpokenBitextOptions
from stxfer.experiment.layout import DATA, bitext_dir
from stxfer.text.profiles import PROFILES


def main(argv: Sequence[str] | None = None) -> None:
    """Write ``<out>/<prefix>_{train,dev,test}``, ``<out>/audio`` and ``<out>/bitext``."""
    parser = make_parser("speak_bitext", __doc__ or "")
    parser.add_argument("--bitext", type=Path, required=True, help="folder of {train,dev,test}.<language>, aligned")
    parser.add_argument("--out", type=Path, default=DATA, help="folder of data directories")
    parser.add_argument("--config", type=Path,
                        help="experiment file; its 'languages' and 'data.speak_bitext' give the options below")
    parser.add_argument("--lang", help="source language: the bitext's suffix and espeak-ng's voice (default: of the "
                                       "configuration)")
    parser.add_argument("--target-lang", help="target language: the bitext's suffix (default: of the configuration)")
    parser.add_argument("--prefix", default="src", help="beginning of the sets' names, e.g. src_tts beside real speech")
    add_options(parser, SpokenBitextOptions)
    parser.add_argument("--nj", type=cores, default=2, help="processes")
    add_stage_options(parser)
    args = parser.parse_args(argv)
    configured, source, target, profiles = SpokenBitextOptions(), args.lang, args.target_lang, PROFILES
    if args.config:
        experiment = load_experiment(args.config)
        configured = experiment.data.speak_bitext
        source, target = source or experiment.source_lang, target or experiment.target_lang
        profiles = experiment.profiles
    if not source or not target:
        raise ConfigError("--lang and --target-lang are needed, or --config")
    options = read_options(args, configured)
    counts = speak_bitext(args.bitext, args.out, (source, target), options, prefix=args.prefix,
                          profiles=profiles, nj=args.nj, force=args.force, allow_stale=args.allow_stale)
    sets = ", ".join(f"{args.prefix}_{part} {counts[part]}" for part in PARTS)
    print(f"spoken from {args.bitext}: {sets} utterances; {counts['bitext']} pairs left for MT in "
          f"{bitext_dir(args.out)}, {counts['held_out']} are not, as a side of theirs is spoken or held out; what is "
          f"not spoken, and why: {bitext_dir(args.out) / LEFT_OUT}")


if __name__ == "__main__":
    run(main)
