"""Stage 1: a data directory from a table, TSV, CSV or JSON lines.

It has columns audio and text, and, where there are, utt, speaker, text.<language>.<label> (translations) and those that
say which part of the file is meant: a start (start, begin_time, offset, start_ms ...), an end or a duration, a channel.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from stxfer.bin._cli import make_parser, run
from stxfer.bin._corpus_options import print_counts
from stxfer.bin._part_options import add_part_options, part_options
from stxfer.bin._set_options import add_set_options, names, set_name
from stxfer.corpora.manifest import HeldOut, prepare_manifest


def main(argv: Sequence[str] | None = None) -> None:
    """Write ``<out>/<set>``."""
    parser = make_parser("prepare_manifest", __doc__ or "")
    parser.add_argument("--manifest", type=Path, required=True, help="the table: .tsv, .csv or .jsonl")
    parser.add_argument("--columns", type=names, default="", metavar="'OURS=THEIRS ...'",
                        help="what the table calls our columns, e.g. 'text=sentence audio=path speaker=client_id "
                             "text.fr.human=sentence_fr'; quote a name that holds a space")
    parser.add_argument("--audio-dir", type=Path,
                        help="folder that audio paths are relative to; None: the manifest's")
    parser.add_argument("--allow-outside", action="store_true", help="take absolute audio paths, and paths with ..")
    parser.add_argument("--rows", type=names, default="", metavar="'THEIRS=VALUE ...'",
                        help="take the rows alone that have these values, e.g. 'split=train', where one table holds "
                             "several sets; all if empty")
    parser.add_argument("--hold-out", type=set_name, action="append", default=[], metavar="NAME",
                        help="make a part of the table another set, tgt_dev; may be given again for a further part")
    parser.add_argument("--hold-out-share", type=float, default=HeldOut.share, metavar="SHARE",
                        help="how much of the table each such part is, at most")
    parser.add_argument("--apart", type=str.split, default=" ".join(HeldOut.apart), metavar="'OURS ...'",
                        help="columns in which the two sets share no value: speaker, text, text.<language>.<label>")
    add_part_options(parser)
    add_set_options(parser)
    args = parser.parse_args(argv)
    held_out = [HeldOut(name, args.hold_out_share, tuple(args.apart)) for name in args.hold_out]
    print_counts(args.out, prepare_manifest(
        args.manifest, args.out, args.set, columns=args.columns, rows=args.rows, parts=part_options(args),
        audio_dir=args.audio_dir, allow_outside=args.allow_outside, held_out=held_out, max_drop=args.max_drop,
        force=args.force, allow_stale=args.allow_stale, nj=args.nj))


if __name__ == "__main__":
    run(main)
