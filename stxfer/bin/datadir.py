"""Tools for Kaldi data directories: validate, fix, combine, take subsets, count.

The directories may be of Kaldi's, ESPnet's or this project's making: wav.scp, text and utt2spk, with or without
segments, utt2dur, translations (text.<lang>.<label>) and further tables by utterance (utt2*, feats.scp), recording
(reco2*) or speaker (spk2*, cmvn.scp).
"""

from __future__ import annotations

import argparse
import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path

from stxfer.bin._cli import make_parser, run, seed_number
from stxfer.core.errors import ConfigError, DataError
from stxfer.kaldi.check import check_datadir
from stxfer.kaldi.combine import combine_datadirs
from stxfer.kaldi.fix import fix_datadir
from stxfer.kaldi.stats import Stats, datadir_stats
from stxfer.kaldi.subset import subset_datadir
from stxfer.text.words import tokens


def main(argv: Sequence[str] | None = None) -> None:
    """Run one tool."""
    args = _parser().parse_args(argv)
    args.action(args)


def _parser() -> argparse.ArgumentParser:
    parser = make_parser("datadir", __doc__ or "")
    tools = parser.add_subparsers(required=True, metavar="TOOL")

    def add(name: str, text: str, detail: str = "") -> argparse.ArgumentParser:
        return tools.add_parser(name, help=text, description=f"{text[0].upper()}{text[1:]}. {detail}",
                                formatter_class=argparse.ArgumentDefaultsHelpFormatter, allow_abbrev=False)

    tool = add("validate", "check directories, as utils/validate_data_dir.sh does",
               "Prints what is wrong; exits with 1 if anything is. Warnings are printed and pass.")
    tool.add_argument("dirs", nargs="+", type=Path, metavar="DIR", help="data directory")
    tool.set_defaults(action=_validate)

    tool = add("fix", "mend a directory, as utils/fix_data_dir.sh does",
               "Sorts tables, mends line ends, byte-order marks, blank and repeated lines, makes spk2utt anew, and "
               "drops utterances that are not in every table or cannot be used; dropped.tsv lists them with reasons.")
    tool.add_argument("dir", type=Path, metavar="DIR", help="data directory")
    _add_out(tool, "; may be DIR itself")
    tool.add_argument("--max-drop", type=float, default=0.05, metavar="SHARE",
                      help="share of the utterances that may be dropped before it is an error")
    tool.set_defaults(action=_fix)

    tool = add("combine", "write several directories as one, as utils/combine_data.sh does",
               "An utterance id that stands in two of them is an error. Tables that not all have are left out.")
    tool.add_argument("dirs", nargs="+", type=Path, metavar="DIR", help="data directory")
    _add_out(tool)
    tool.set_defaults(action=_combine)

    tool = add("subset", "write a part of a directory, as utils/subset_data_dir.sh does",
               "Speakers get equal shares as far as they go; with one seed, a smaller part lies within a larger one.")
    tool.add_argument("dir", type=Path, metavar="DIR", help="data directory with utt2dur")
    size = tool.add_mutually_exclusive_group(required=True)
    size.add_argument("--hours", type=float, default=argparse.SUPPRESS, help="take at most so many hours of speech")
    size.add_argument("--utterances", type=int, default=argparse.SUPPRESS, metavar="N", help="take so many utterances")
    tool.add_argument("--seed", type=seed_number, default=1, help="which part")
    tool.add_argument("--rest", type=Path, default=argparse.SUPPRESS, metavar="DIR",
                      help="directory for what the part leaves, say as speech without transcripts for self-training")
    _add_out(tool)
    tool.set_defaults(action=_subset)

    tool = add("stats", "count speech, speakers, words and characters",
               "Of a script without spaces between words, such as Chinese or Thai, each character is a word.")
    tool.add_argument("dirs", nargs="+", type=Path, metavar="DIR", help="data directory")
    tool.add_argument("--against", type=Path, default=argparse.SUPPRESS, metavar="DIR",
                      help="give the share of words that the texts of this directory lack (out of vocabulary)")
    tool.add_argument("--json", action="store_true", help="print JSON instead of a table")
    tool.set_defaults(action=_stats)
    return parser


def _add_out(parser: argparse.ArgumentParser, more: str = "") -> None:
    parser.add_argument("--out", type=Path, required=True, default=argparse.SUPPRESS, metavar="DIR",
                        help=f"directory to write, replaced if it is a data directory{more}")


def _validate(args: argparse.Namespace) -> None:
    wrong = []
    for path in args.dirs:
        report = check_datadir(path)
        for kind, messages in (("error", report.errors), ("warning", report.warnings)):
            for message in messages:
                print(f"{kind}: {message}")
        if report.errors:
            wrong.append(str(path))
        else:
            print(f"{path}: valid, {report.n_utts} utterances")
    if wrong:
        raise DataError(f"{' '.join(wrong)}: not valid; 'python -m stxfer.bin.datadir fix' mends what can be mended")


def _fix(args: argparse.Namespace) -> None:
    if not 0 <= args.max_drop <= 1:
        raise ConfigError(f"--max-drop {args.max_drop:g}: must be a share between 0 and 1")
    fixed = fix_datadir(args.dir, args.out, max_drop=args.max_drop)
    for name, counts in fixed.mended.items():
        print(f"{args.dir / name}: mended {', '.join(f'{what} ({n})' for what, n in sorted(counts.items()))}")
    if fixed.others:
        print(f"{args.dir}: not carried over, no tables: {' '.join(fixed.others)}")
    print(f"{args.out}: {fixed.n_utts} utterances, {len(fixed.dropped)} dropped"
          + (f" (see {args.out / 'dropped.tsv'})" if fixed.dropped else ""))


def _combine(args: argparse.Namespace) -> None:
    combined = combine_datadirs(args.dirs, args.out)
    for name, path in combined.left_out.items():
        print(f"{name}: left out, {path} has none")
    print(f"{args.out}: {combined.n_utts} utterances")


def _subset(args: argparse.Namespace) -> None:
    n_utts = subset_datadir(args.dir, args.out, hours=getattr(args, "hours", None),
                            n_utts=getattr(args, "utterances", None), seed=args.seed, rest=getattr(args, "rest", None))
    print(f"{args.out}: {n_utts} utterances")


def _stats(args: argparse.Namespace) -> None:
    found = {str(path): datadir_stats(path, getattr(args, "against", None), words=tokens) for path in args.dirs}
    if args.json:
        print(json.dumps({path: dataclasses.asdict(stats) for path, stats in found.items()}, ensure_ascii=False,
                         indent=2))
        return
    for path, stats in found.items():
        print("\n".join([path, *(f"  {name:32}{value:>14}" for name, value in _rows(stats))]))


def _rows(stats: Stats) -> list[tuple[str, str]]:
    rows = [("utterances", f"{stats.utterances:,}"), ("speakers", f"{stats.speakers:,}"),
            ("hours", "unknown" if stats.hours is None else f"{stats.hours:,.2f}")]
    rows += [(f"seconds, {name}", f"{value:.2f}") for name, value in stats.seconds.items()]
    for name, text in stats.texts.items():
        rows += [(f"{name}: words", f"{text.words:,}"), (f"{name}: distinct words", f"{text.distinct_words:,}"),
                 (f"{name}: characters", f"{text.characters:,}"),
                 (f"{name}: distinct characters", f"{text.distinct_characters:,}")]
        if text.oov is not None and text.oov_distinct is not None:
            rows += [(f"{name}: words OOV", f"{text.oov:.2%}"),
                     (f"{name}: distinct words OOV", f"{text.oov_distinct:.2%}")]
    return rows


if __name__ == "__main__":
    run(main)
