"""Parts of a corpus that share no speaker and no sentence."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Collection, Sequence

from stxfer.core.errors import DataError


def hold_out(rows: Sequence[Collection[str]], share: float, what: str) -> frozenset[int]:
    """Choose about a share of some rows to be held out: no key of theirs stands in another row.

    Rows that share a key, directly or through others, stay together. Such groups are taken in the order of a digest of
    their keys while they fit, so that a row more or less moves few others.

    Args:
        rows: the keys of each row, such as its speaker and its sentence; equal strings are one key.
        share: of the rows, above 0 and below 1; what is held out is not more, and one row at least.
        what: names the rows in the message.

    Returns:
        Numbers of the rows held out.

    Raises:
        DataError: every group is larger than the share.
    """
    wanted = max(1.0, share * len(rows))
    chosen: list[int] = []
    groups = _groups(rows)
    for group in sorted(groups, key=lambda group: min(_digest(key) for row in group for key in rows[row])):
        if len(chosen) + len(group) <= wanted and len(chosen) + len(group) < len(rows):
            chosen += group
    if not chosen:
        smallest = min(map(len, groups), default=0)
        raise DataError(f"{what}: {len(rows)} rows cannot be parted, for the smallest group that shares nothing with "
                        f"the others has {smallest} of them; give a corpus with a set of its own")
    return frozenset(chosen)


def _groups(rows: Sequence[Collection[str]]) -> list[list[int]]:
    """Return the connected components of rows under shared keys (union-find with path halving)."""
    parent = list(range(len(rows)))

    def root(row: int) -> int:
        while parent[row] != row:
            parent[row] = row = parent[parent[row]]
        return row

    first: dict[str, int] = {}
    for row, keys in enumerate(rows):
        for key in keys:
            parent[root(row)] = root(first.setdefault(key, row))
    groups: defaultdict[int, list[int]] = defaultdict(list)
    for row in range(len(rows)):
        groups[root(row)].append(row)
    return list(groups.values())


def _digest(key: str) -> bytes:
    return hashlib.sha256(key.encode(errors="surrogatepass")).digest()
