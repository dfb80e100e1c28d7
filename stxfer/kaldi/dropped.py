"""Utterances left out of a set, each with ``<kind>: <detail>``: their list, and the limit to their share."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

from stxfer.core.errors import DataError
from stxfer.core.fileio import atomic_write, read_text

_LINE_BREAKS = re.compile(r"[\r\n]+")  # a path may hold one

def write_dropped(path: Path, dropped: Mapping[str, str]) -> None:
    """Write ``<utterance><tab><reason>`` lines, sorted."""
    with atomic_write(path) as handle:
        handle.writelines(f"{utt}\t{_LINE_BREAKS.sub(' ', reason)}\n" for utt, reason in sorted(dropped.items()))


def read_dropped(path: Path) -> dict[str, str]:
    """Read such lines; none where there is no file.

    Raises:
        DataError: it is not UTF-8.
    """
    if not path.exists():
        return {}
    rows = (line.partition("\t") for line in read_text(path).split("\n") if line)
    return {utt: reason for utt, _, reason in rows}


def kind(reason: str) -> str:
    """Return the kind of a reason; the stage that left the utterance out and a tab may precede it."""
    return reason.rpartition("\t")[2].partition(":")[0]


def check_share(what: str, n_kept: int, dropped: Mapping[str, str], max_drop: float, listing: Path,
                hint: str = "", option: str = "--max-drop") -> None:
    """Check that no more than a share of a set is left out; if it is, leave the list of it at ``listing``.

    Args:
        what: the set, for the message.
        n_kept: utterances that stay.
        dropped: those that do not, and why.
        max_drop: the share.
        listing: a file beside the set, removed where all is well.
        hint: what may be the cause, for the message.
        option: what sets the share, for the message.

    Raises:
        DataError: the share is larger, or nothing stays; counts the kinds, gives an example and names the list.
    """
    total = n_kept + len(dropped)
    if n_kept and len(dropped) <= max_drop * total:
        if listing.exists():
            listing.unlink()
        return
    if not total:
        raise DataError(f"{what}: holds no utterances")
    write_dropped(listing, dropped)
    kinds = Counter(map(kind, dropped.values()))
    counts = ", ".join(f"{name} {n}" for name, n in kinds.most_common())
    limit = f"more than {option} {max_drop:g} allows" if n_kept else "none is left"
    raise DataError(f"{what}: {len(dropped)} of {total} utterances cannot be used, {limit} ({counts}); "
                    f"e.g. {min(dropped)}: {dropped[min(dropped)].replace(chr(9), ': ')}; all are listed in {listing}. "
                    + (f"{hint}. " if hint else "") + "Mend the data" + (f" or raise {option}" if n_kept else ""))
