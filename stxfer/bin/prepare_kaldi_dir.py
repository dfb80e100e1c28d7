"""Stage 1: a data directory from one of another Kaldi or ESPnet recipe, data/<set> or dump/raw/org/<set>."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from stxfer.bin._cli import make_parser, run
from stxfer.bin._corpus_options import print_counts
from stxfer.bin._set_options import add_set_options, names
from stxfer.corpora.kaldi_dir import prepare_kaldi_dir


def main(argv: Sequence[str] | None = None) -> None:
    """Write ``<out>/<set>``."""
    parser = make_parser("prepare_kaldi_dir", __doc__ or "")
    parser.add_argument("--dir", type=Path, required=True, help="the other recipe's directory with wav.scp and text")
    parser.add_argument("--root", type=Path,
                        help="folder that paths and commands in wav.scp are relative to: the other recipe's; None: the "
                             "work directory that --dir lies in, the current directory where it lies in none")
    parser.add_argument("--texts", type=names, metavar="'OURS=FILE ...'",
                        help="files of texts, e.g. 'text=text.lc.rm.en text.fr.human=text.tc.fr'; None: text and every "
                             "text.<language>.<label>")
    parser.add_argument("--own-speakers", action="store_true",
                        help="without utt2spk and spk2utt, make each utterance a speaker of its own")
    parser.add_argument("--allow-pipes", action="store_true",
                        help="run the commands that wav.scp holds, each once, and keep their output in "
                             "<out>/audio/<set>; read them first")
    add_set_options(parser)
    args = parser.parse_args(argv)
    print_counts(args.out, {args.set: prepare_kaldi_dir(
        args.dir, args.out, args.set, root=args.root, texts=args.texts, own_speakers=args.own_speakers,
        allow_pipes=args.allow_pipes, max_drop=args.max_drop, force=args.force, allow_stale=args.allow_stale,
        nj=args.nj)})


if __name__ == "__main__":
    run(main)
