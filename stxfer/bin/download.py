"""Download a public corpus; without arguments, list those known, with their licences.

Nothing else in stxfer fetches anything. A transfer that stops is resumed when the command is run again.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Sequence
from pathlib import Path

from stxfer.bin._cli import make_parser, run
from stxfer.corpora.archive import MAX_RATIO, unpack
from stxfer.corpora.common_voice import SPLITS
from stxfer.corpora.download import fetch, file_name
from stxfer.corpora.sources import SOURCES, download_covost2, download_fleurs, refuse_by_hand


def main(argv: Sequence[str] | None = None) -> None:
    """List the corpora, or fetch one into ``--out``."""
    parser = make_parser("download", __doc__ or "")
    commands = parser.add_subparsers(dest="name", metavar="NAME", title="what to get")

    def command(name: str, text: str) -> argparse.ArgumentParser:
        added = commands.add_parser(name, help=text, description=text, allow_abbrev=False,
                                    formatter_class=argparse.ArgumentDefaultsHelpFormatter)
        added.add_argument("--out", type=Path, default=Path("downloads"), help="folder to write to")
        return added

    for source in SOURCES.values():
        added = command(source.name, f"{source.title} ({source.licence}; {source.size})")
        if source.name == "covost2":
            added.add_argument("--pair", required=True, help="source and target language, as en_tr")
        elif source.name == "fleurs":
            added.add_argument("--lang", required=True, help="language and country, as sw_ke")
            added.add_argument("--splits", default=" ".join(SPLITS), help="parts of it, in quotes")
    added = command("url", "any other file, by its address")
    added.add_argument("url", help="address that begins with https:// or http://")
    added.add_argument("--sha256", type=_sha256, help="its digest, checked where it is given")
    added.add_argument("--unpack", action="store_true", help="unpack the archive that it is into --out")
    added.add_argument("--max-ratio", type=float, default=MAX_RATIO,
                       help="how many times its own size the archive may unpack to; 100 MB are always allowed")
    args = parser.parse_args(argv)
    if args.name is None:
        _list()
    elif args.name == "covost2":
        print(download_covost2(args.pair, args.out))
    elif args.name == "fleurs":
        print(download_fleurs(args.lang, args.out, args.splits.split()))
    elif args.name == "url":
        path = fetch(args.url, args.out / file_name(args.url), digest=args.sha256)
        for made in unpack(path, args.out, max_ratio=args.max_ratio) if args.unpack else [path]:
            print(made)
    else:
        refuse_by_hand(args.name)


def _list() -> None:
    for source in SOURCES.values():
        print(f"{source.name}: {source.title}\n  licence  {source.licence}\n  size     {source.size}\n"
              f"  page     {source.page}" + (f"\n  by hand  {source.by_hand}" if source.by_hand else ""))


def _sha256(text: str) -> str:
    if not re.fullmatch(r"[0-9a-fA-F]{64}", text):
        raise argparse.ArgumentTypeError(f"{text!r}: 64 hexadecimal digits are needed")
    return text


if __name__ == "__main__":
    run(main)
