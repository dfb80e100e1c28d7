"""Transcribe or translate audio with a trained system."""

from __future__ import annotations

import argparse
import logging
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from stxfer.bin._cli import make_parser, printable, run
from stxfer.core.errors import ConfigError
from stxfer.experiment.config import load_experiment
from stxfer.transcription.formats import FORMATS
from stxfer.transcription.inputs import find_sources
from stxfer.transcription.system import variant_with_lm
from stxfer.transcription.transcriber import AT_ONCE, PAUSE, Transcriber
from stxfer.transcription.write import Output, write_events


def main(argv: Sequence[str] | None = None) -> None:
    """Parse arguments and transcribe."""
    parser = make_parser("stxfer.bin.transcribe", "Write what is said in audio of any length with a trained system; "
                         "one of speech translation writes the translation. Results come in the order of the inputs, "
                         "as soon as they are there; a file that cannot be read is named, and the others go on.")
    parser.add_argument("model", type=Path, help="a trained system, exp/<system>/seed<n>, or a pack")
    parser.add_argument("inputs", nargs="+", metavar="INPUT",
                        help="an audio file; a folder of them or a Kaldi data directory; FILE.scp, a Kaldi table; "
                        "@FILE, a list of inputs, one a line (@-: on standard input); -, audio on standard input")
    parser.add_argument("--format", type=str.split, default="text", metavar="'A B'",
                        help=f"of {' '.join(FORMATS)}; with --out several")
    parser.add_argument("--out", type=Path, metavar="DIR", help="write a file for each input and format")
    parser.add_argument("--nbest", type=int, default=1, metavar="N", help="hypotheses of each piece, in tsv and json")
    parser.add_argument("--lm", action="store_true", help="decode with the language model of the experiment's variant")
    parser.add_argument("--variant", default="", metavar="NAME", help="decode as this variant of the experiment")
    parser.add_argument("--config", type=Path, help="the experiment file, for variants that no test set was decoded "
                        "with and changed rules of normalisation")
    parser.add_argument("--encoder", type=Path, metavar="DIR",
                        help="the pretrained encoder that the system hears with, where it is not where it was")
    parser.add_argument("--pause", type=float, default=PAUSE, metavar="S",
                        help="seconds without speech that part two pieces")
    parser.add_argument("--longest", type=float, metavar="S",
                        help="seconds of the longest piece; none: what the system was trained on")
    parser.add_argument("--whole", action="store_true",
                        help="look for no speech: an input is cut only if it is longer than a piece")
    parser.add_argument("--at-once", type=float, default=AT_ONCE, metavar="S",
                        help="seconds of speech that are heard together: more are faster and take more memory")
    parser.add_argument("--amp", action="store_true", help="compute in bfloat16 where a GPU can")
    args = parser.parse_args(argv)
    _check(parser, args)
    experiment = load_experiment(args.config) if args.config else None
    logging.getLogger().setLevel(logging.WARNING)  # espnet speaks of every utterance
    logging.getLogger("stxfer").setLevel(logging.INFO)
    with tempfile.TemporaryDirectory(prefix="stxfer-") as spool:
        sources = find_sources(args.inputs, Path(spool))
        chosen = [FORMATS[name]() for name in args.format]
        if args.out is None and chosen[0].one and len(sources) > 1:
            raise ConfigError(f"--format {args.format[0]} of {len(sources)} files needs a file for each: give --out")
        variant = variant_with_lm(args.model, experiment) if args.lm else args.variant
        transcriber = Transcriber.from_pretrained(
            args.model, variant=variant, experiment=experiment, encoder=args.encoder, nbest=args.nbest,
            at_once=args.at_once, pause=args.pause, longest=args.longest, whole=args.whole, amp=args.amp)
        write_events(transcriber.stream(sources), len(sources), Output(chosen, args.out, sys.stdout),
                     lambda line: print(printable(f"error: {line}"), file=sys.stderr, flush=True))


def _check(parser: argparse.ArgumentParser, args: argparse.Namespace) -> None:
    """End with a usage message where options do not go together."""
    if unknown := [name for name in args.format if name not in FORMATS]:
        parser.error(f"--format {unknown[0]}: it is one of {' '.join(FORMATS)}")
    if not args.format or (len(args.format) > 1 and args.out is None):
        parser.error("--format: one is needed, and several need --out")
    if args.out is not None and "kaldi" in args.format:
        parser.error("--format kaldi is one table of all inputs; leave out --out")
    if args.nbest > 1 and not {"tsv", "json"} & {*args.format}:
        parser.error(f"--nbest {args.nbest}: --format tsv and json hold several hypotheses")
    if args.lm and args.variant:
        parser.error("--lm and --variant: give one of them")


if __name__ == "__main__":
    run(main)
