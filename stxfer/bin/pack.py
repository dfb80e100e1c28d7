"""Pack a trained system as a directory or zip archive that transcribes anywhere, with a model card."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path

from stxfer.bin._cli import make_parser, run
from stxfer.experiment.config import load_experiment

EPILOG = """The pack holds the parameters as safetensors, the vocabulary, the rules of its text, the options of features
and search, its language model, README.md as a model card, and digests of all files: what is damaged is refused. 'stxfer
transcribe' opens it on any machine, and systems of other experiments start from it with init: {model: PACK}. Nothing is
uploaded."""


def main(argv: Sequence[str] | None = None) -> None:
    """Parse arguments and write the pack."""
    parser = make_parser("pack", __doc__ or "")
    parser.epilog = EPILOG
    parser.add_argument("system", type=Path, metavar="SYSTEM_DIR",
                        help="directory of a trained system in its work directory, exp/<system>/seed<n>")
    parser.add_argument("out", type=Path, metavar="OUT", help="directory to write, or zip archive if it ends in .zip; "
                        "another pack there is replaced")
    parser.add_argument("--variant", default="", help="variant of decoding, e.g. one with a language model, which "
                        "comes along; none: the usual way")
    parser.add_argument("--config", type=Path, help="experiment file, where it changes how text is normalised, or no "
                        "test set is decoded")
    parser.add_argument("--with-encoder", action="store_true",
                        help="put the pretrained encoder that the system hears with into the pack")
    parser.add_argument("--espnet", action="store_true", help="add what stock ESPnet's Speech2Text opens, which holds "
                        "the parameters once more")
    parser.add_argument("--licence", default="", metavar="NAME",
                        help="of the model, as the Hugging Face hub calls it, e.g. cc-by-4.0; none: the card says so")
    parser.add_argument("--name", default="", help="what the card calls the model; none: the system's name")
    args = parser.parse_args(argv)
    experiment = load_experiment(args.config) if args.config else None
    from stxfer.transcription.packing import write_pack  # torch: seconds to import

    digest = write_pack(args.system, args.out, variant=args.variant, experiment=experiment,
                        with_encoder=args.with_encoder, espnet=args.espnet, licence=args.licence, name=args.name)
    files = [args.out] if args.out.is_file() else [path for path in args.out.rglob("*") if path.is_file()]
    print(f"{args.out}: {sum(path.stat().st_size for path in files) / 1e6:.1f} MB, digest {digest}")
    if args.out.is_dir():
        print(f"to publish it: hf upload USER/{shlex.quote(args.out.resolve().name)} {shlex.quote(str(args.out))} .")


if __name__ == "__main__":
    run(main)
