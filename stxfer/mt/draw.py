"""Which label each utterance has in a mixture of labels."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping


def draw(utts: Iterable[str], shares: Mapping[str, float], seed: int) -> dict[str, str]:
    """Return a label for each utterance, drawn with the shares.

    The draw depends on the utterance's name and the seed alone: whatever else is in the set, an utterance keeps its
    label, and a larger share of the first label only adds to it.
    """
    total = sum(shares.values())
    drawn = {}
    for utt in utts:
        digest = hashlib.blake2b(f"{seed} {utt}".encode(), digest_size=8).digest()
        place = int.from_bytes(digest, "big") / 2 ** 64 * total
        for label, share in shares.items():
            drawn[utt] = label
            place -= share
            if place < 0:
                break
    return drawn
