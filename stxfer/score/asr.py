"""Word and character error rates with counts.

Alignments are Levenshtein's (unit costs), by rapidfuzz: of equally short ones the one that jiwer counts, too. NIST's
sclite aligns with costs 4/3/3, so in rare cases it splits errors otherwise; the rate never exceeds sclite's. Characters
are code points, and the space between two words is one of them, as in ESPnet's and sclite's CER (``<space>`` tokens).
Of a language written without spaces only characters are counted, and spaces are ignored.
Texts are compared as they are: normalise both sides first.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

from rapidfuzz.distance import Levenshtein

import stxfer
from stxfer.core.errors import DataError
from stxfer.score.alignment import numbered


def metrics(spaced: bool) -> tuple[str, ...]:
    """Return what a language is scored by, the headline first: words can be counted only where spaces part them."""
    return ("wer", "cer") if spaced else ("cer",)


@dataclass(frozen=True)
class ErrorCounts:
    """Errors of a hypothesis against ``n_ref`` reference words or characters of ``n_utts`` utterances."""

    n_utts: int
    n_ref: int
    sub: int
    del_: int
    ins: int

    @property
    def errors(self) -> int:
        """Substitutions, deletions and insertions."""
        return self.sub + self.del_ + self.ins

    @property
    def rate(self) -> float:
        """Errors in percent of the reference; may exceed 100. Against an empty reference: 0 or infinite."""
        if self.n_ref == 0:
            return float("inf") if self.errors else 0.0
        return 100.0 * self.errors / self.n_ref

    def __add__(self, other: ErrorCounts) -> ErrorCounts:
        return ErrorCounts(self.n_utts + other.n_utts, self.n_ref + other.n_ref, self.sub + other.sub,
                           self.del_ + other.del_, self.ins + other.ins)

    def as_json(self) -> dict[str, int]:
        """Return the counts."""
        return {"n_utts": self.n_utts, "n_ref": self.n_ref, "sub": self.sub, "del": self.del_, "ins": self.ins}


@dataclass(frozen=True)
class ErrorRate:
    """Counts of a set and of each of its utterances (in the order of the references)."""

    total: ErrorCounts
    utts: Mapping[str, ErrorCounts]
    signature: str

    def as_json(self) -> dict[str, Any]:
        """Return the rate, the counts of the set and the signature."""
        return {"value": self.total.rate, **self.total.as_json(), "signature": self.signature}


def pair(refs: Mapping[str, str], hyps: Mapping[str, str]) -> tuple[dict[str, str], list[str]]:
    """Return a hypothesis for every reference (empty where there is none), and who had none.

    Raises:
        DataError: there is no reference, or a hypothesis is for an utterance that has none.
    """
    if not any(ref.strip() for ref in refs.values()):
        raise DataError("no reference holds a word; nothing can be scored against it")
    for utt in hyps:
        if utt not in refs:
            raise DataError(f"a hypothesis for utterance {utt!r}, which the references ({len(refs)} utterances) "
                            "do not have; decode the set that is scored")
    return {utt: hyps.get(utt, "") for utt in refs}, [utt for utt in refs if utt not in hyps]


def word_errors(refs: Mapping[str, str], hyps: Mapping[str, str], norm: str) -> ErrorRate:
    """Return the word error rate of ``hyps`` (utterance -> words); a missing one is all deletions.

    Args:
        norm: identity of the normalisation that both sides went through, for the signature.

    Raises:
        DataError: see :func:`pair`.
    """
    paired, _ = pair(refs, hyps)
    ids: dict[str, int] = {}
    return _error_rate({utt: _count(numbered(ref.split(), ids), numbered(paired[utt].split(), ids))
                        for utt, ref in refs.items()}, f"wer|{norm}")


def char_errors(refs: Mapping[str, str], hyps: Mapping[str, str], norm: str, *, spaced: bool = True) -> ErrorRate:
    """Return the character error rate; see :func:`word_errors`.

    Args:
        spaced: spaces part words, and are counted; false: they are ignored on both sides.
    """
    paired, _ = pair(refs, hyps)
    space = " " if spaced else ""
    return _error_rate({utt: _count(space.join(ref.split()), space.join(paired[utt].split()))
                        for utt, ref in refs.items()}, f"cer|space:{'counted' if spaced else 'ignored'}|{norm}")


def _error_rate(counts: Mapping[str, ErrorCounts], name: str) -> ErrorRate:
    signature = f"{name}|rapidfuzz:{version('rapidfuzz')}|stxfer:{stxfer.__version__}"
    return ErrorRate(sum(counts.values(), start=ErrorCounts(0, 0, 0, 0, 0)), counts, signature)


def _count(ref: str | list[int], hyp: str | list[int]) -> ErrorCounts:
    edits = Counter(tag for tag, _, _ in Levenshtein.editops(ref, hyp).as_list()) if ref != hyp else Counter()
    return ErrorCounts(1, len(ref), edits["replace"], edits["delete"], edits["insert"])
