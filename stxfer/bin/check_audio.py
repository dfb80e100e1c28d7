"""Report audio that is broken or would spoil training: cut short, silent, clipped, of a low sampling rate and so on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from stxfer.audio.check import Limits, inspect_all
from stxfer.bin._cli import cores, make_parser, run
from stxfer.core.fileio import atomic_write, write_json
from stxfer.core.pool import worker_pool
from stxfer.core.progress import Progress
from stxfer.kaldi.datadir import read_datadir


def main(argv: Sequence[str] | None = None) -> None:
    """Write ``<out>``, a line a problem, and the same with ``.json`` for ``.tsv``: how many there are of each kind."""
    parser = make_parser("check_audio", __doc__ or "")
    default = Limits()
    parser.add_argument("--data", type=Path, required=True, help="a Kaldi data directory")
    parser.add_argument("--nj", type=cores, default=2, help="processes")
    parser.add_argument("--out", type=Path, help="report to write: utterance, kind, message, with tabs between them; "
                                                 "a summary goes beside it; none: audio_check.tsv in --data")
    parser.add_argument("--min-seconds", type=float, default=default.min_seconds, help="shorter is too_short")
    parser.add_argument("--max-seconds", type=float, default=default.max_seconds, help="longer is too_long")
    parser.add_argument("--min-rate", type=int, default=default.min_rate, help="a lower sampling rate is low_rate")
    parser.add_argument("--max-clipped", type=float, default=default.max_clipped,
                        help="a larger share of samples at full scale is clipped")
    args = parser.parse_args(argv)
    limits = Limits(args.min_seconds, args.max_seconds, args.min_rate, args.max_clipped)
    data, out = read_datadir(args.data), args.out or args.data / "audio_check.tsv"
    progress = Progress(f"check {args.data.name}", len(data))
    kinds: Counter[str] = Counter()
    good, seconds, lines = 0, 0.0, []
    with worker_pool(args.nj) as pool:
        for utt, report in inspect_all(data, limits, pool):
            progress.add(1, report.seconds)
            kinds.update(problem.kind for problem in report.problems)
            lines += [(utt, problem.kind, problem.message) for problem in report.problems]
            if report.fatal is None:
                good, seconds = good + 1, seconds + report.seconds
    with atomic_write(out) as handle:
        handle.writelines("\t".join(line) + "\n" for line in sorted(lines))
    write_json(out.with_suffix(".json"), {
        "data": str(args.data), "utterances": len(data), "usable": good, "hours_usable": round(seconds / 3600, 4),
        "problems": dict(sorted(kinds.items()))})
    found = ", ".join(f"{kind} {n}" for kind, n in sorted(kinds.items())) or "no problems"
    print(f"{args.data}: {good} of {len(data)} utterances usable, {seconds / 3600:.2f} h; {found} ({out})")


if __name__ == "__main__":
    run(main)
