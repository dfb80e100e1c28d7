"""Make a recipe of your own corpora: look at them, say what is found, write a recipe that runs at once."""

from __future__ import annotations

import argparse
import logging
from collections.abc import Sequence
from pathlib import Path

from stxfer.bin._cli import make_parser, run
from stxfer.bin._set_options import names
from stxfer.core.errors import ConfigError
from stxfer.recipes.files import corpora_of, recipe_files
from stxfer.recipes.new import Asked, look, write
from stxfer.recipes.readme import readme

EGS = Path(__file__).resolve().parents[2] / "egs2"


def main(argv: Sequence[str] | None = None) -> None:
    """Write ``<egs>/<name>/asr1``."""
    parser = make_parser("new_recipe", __doc__ or "")
    parser.add_argument("name", metavar="NAME", help="of the recipe: egs2/NAME")
    parser.add_argument("--source", required=True, metavar="CODE", help="language that has much speech, or a voice")
    parser.add_argument("--target", required=True, metavar="CODE", help="language that has little")
    parser.add_argument("--speech", type=_path, required=True, metavar="PATH",
                        help="speech of the target language: a table (.tsv, .csv, .jsonl) or a folder of them, of "
                             "Common Voice, FLEURS, MuST-C or of Kaldi's data directories")
    parser.add_argument("--source-speech", type=_path, metavar="PATH",
                        help="the same of the source language; None: the synthesiser reads the bitext")
    parser.add_argument("--bitext", type=_path, metavar="PATH",
                        help="aligned text, as prepare_bitext takes it; None: the translations of the speech")
    parser.add_argument("--covost", type=_path, metavar="PATH",
                        help="CoVoST 2's table, or its folder, where --source-speech is Common Voice 4")
    parser.add_argument("--columns", type=names, default="", metavar="'OURS=THEIRS ...'",
                        help="what the table of --speech calls our columns, where the guess is wrong: audio text "
                             "speaker text.<language>.human")
    parser.add_argument("--source-columns", type=names, default="", metavar="'OURS=THEIRS ...'",
                        help="the same of --source-speech")
    parser.add_argument("--audio-dir", type=_path, metavar="DIR",
                        help="folder that the audio paths of --speech are relative to; None: the table's, or one in it")
    parser.add_argument("--egs", type=Path, default=EGS, metavar="DIR",
                        help="folder of the recipes: egs2 of a checkout")
    args = parser.parse_args(argv)
    if args.covost and not args.source_speech:
        raise ConfigError("--covost: needs its Common Voice as --source-speech")
    if args.egs == EGS and not EGS.is_dir():
        raise ConfigError("recipes lie in a checkout, which this installed package is not: give --egs DIR")
    if not (args.egs / "TEMPLATE/asr1/recipe.sh").is_file():
        raise ConfigError(f"--egs {args.egs}: holds no TEMPLATE, by which recipes run: give egs2 of a checkout")
    if (args.egs / args.name).exists():
        raise ConfigError(f"{args.egs / args.name}: is there already; give another name, or remove it")
    asked = Asked(args.name, (args.source, args.target), args.speech, args.source_speech, args.bitext, args.covost,
                  args.columns or {}, args.source_columns or {}, args.audio_dir)
    package = logging.getLogger("stxfer")
    package.setLevel(logging.WARNING)  # what is counted on the way is printed below
    try:
        found = look(asked)
    finally:
        package.setLevel(logging.NOTSET)
    for what, findings in found.told:
        print(what)
        for finding in findings:
            print(f"  {'LOOK' if finding.look else '    '} {finding.text}")
    files = recipe_files(found)
    files["README.md"] = readme(found, [corpus[:3] for corpus in corpora_of(found)])
    made = write(found, files, args.egs)
    looks = sum(finding.look for _, findings in found.told for finding in findings)
    print(f"\n{made}: written" + (f"; lines marked LOOK: {looks}" if looks else "") + ". Next:\n"
          f"  {made}/run.sh --dry-run true           # the plan, and how long it takes\n"
          f"  {made}/run.sh --stop-stage prepare     # data and texts, checked\n"
          f"  {made}/run.sh                          # all of it\n"
          f"Its README.md has places for where the corpora come from and their licences.")


def _path(text: str) -> Path:
    if not text:
        raise argparse.ArgumentTypeError("a path is needed")
    return Path(text).absolute()


if __name__ == "__main__":
    run(main)
