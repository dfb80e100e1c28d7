"""The files of a set of labels."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stxfer.core.errors import DataError
from stxfer.core.fileio import atomic_write, write_json
from stxfer.experiment.layout import SAMPLE
from stxfer.kaldi.table import read_table, write_table
from stxfer.mt.filters import Candidate, counts, kind
from stxfer.mt.translator import Translation

SCORES = "scores"
N_KEPT, N_DROPPED, N_EXAMPLES = 100, 10, 5  # sample: labels kept, and dropped for each reason; test sentences named


@dataclass(frozen=True)
class LabelSet:
    """All that is known of the labels of one set.

    Attributes:
        label, language: they name the text, ``text.<language>.<label>``.
        source: every utterance's transcript.
        candidates: the labels before filtering.
        dropped: utterances without a label, each with its reason.
        nbest: translations of each utterance, best first; empty if only the best are wanted.
        leaks: utterances whose label is a test sentence, each with the place it stands in.
        human: human translations, if there are any, for comparison.
        origin: what the labels were made from and by.
    """

    label: str
    language: str
    source: Mapping[str, str]
    candidates: Sequence[Candidate]
    dropped: Mapping[str, str]
    nbest: Mapping[str, Sequence[Translation]]
    leaks: Mapping[str, str]
    human: Mapping[str, str]
    origin: Mapping[str, Any]


def write_labels(directory: Path, labels: LabelSet) -> list[str]:
    """Write the files of a set of labels, and return their names.

    ``text.<lang>.<label>`` has exactly the utterances kept; ``scores`` (where there are any) the same ones;
    ``dropped.tsv`` has the others, with the reason and what the label was; ``sample.tsv`` shows source, label,
    score and human translation side by side; ``nbest.jsonl`` has further translations, if wanted; ``labels.json``
    says where the labels come from and counts what was dropped.
    """
    kept = [candidate for candidate in labels.candidates if candidate.utt not in labels.dropped]
    table = f"text.{labels.language}.{labels.label}"
    names = [table, "dropped.tsv", SAMPLE, "labels.json"]
    write_table(directory / table, {c.utt: c.text for c in kept})
    if any(c.score is not None for c in kept):
        names.append(SCORES)
        write_table(directory / SCORES, {c.utt: f"{c.score:.4f}" for c in kept if c.score is not None})
    texts = {c.utt: c.text for c in labels.candidates}
    with atomic_write(directory / "dropped.tsv") as handle:
        for utt in sorted(labels.dropped):
            handle.write(f"{utt}\t{labels.dropped[utt]}\t{labels.source[utt]}\t{texts.get(utt, '')}\n")
    if labels.nbest:
        names.append("nbest.jsonl")
        with atomic_write(directory / "nbest.jsonl") as handle:
            for c in kept:
                row = {"utt": c.utt, "nbest": [[t.text, t.score] for t in labels.nbest[c.utt]]}
                handle.write(json.dumps(row, ensure_ascii=False) + "\n")
    with atomic_write(directory / SAMPLE) as handle:
        handle.write("utt\tsource\tlabel\tscore\thuman\tdropped\n")
        for c in _sample(labels, kept):
            score = "" if c.score is None else f"{c.score:.3f}"
            handle.write(f"{c.utt}\t{c.source}\t{c.text}\t{score}\t{labels.human.get(c.utt, '')}\t"
                         f"{labels.dropped.get(c.utt, '')}\n")
    leaks = {utt: place for utt, place in labels.leaks.items() if utt not in labels.dropped}
    write_json(directory / "labels.json", {
        "label": labels.label, **labels.origin, "utterances": len(labels.source), "kept": len(kept),
        "dropped": counts(labels.dropped), "dropped_list": "dropped.tsv",
        "test_sentences_kept": {"n": len(leaks), "examples": [
            {"utt": utt, "label": texts[utt], "in": place} for utt, place in sorted(leaks.items())[:N_EXAMPLES]]},
        "sample": SAMPLE})
    return names


def scores_of(directory: Path) -> dict[str, float]:
    """Return the scores of labels, empty where there are none.

    Raises:
        DataError: a score is not a number.
    """
    path = directory / SCORES
    if not path.exists():
        return {}
    try:
        return {utt: float(value) for utt, value in read_table(path).items()}
    except ValueError as error:
        raise DataError(f"{path}: scores must be numbers ({error})") from None


def _sample(labels: LabelSet, kept: Sequence[Candidate]) -> list[Candidate]:
    """Return some of the labels kept, drawn by their utterances' names, and some dropped for each reason."""
    def drawn(candidates: Sequence[Candidate], n: int) -> list[Candidate]:
        return sorted(sorted(candidates, key=lambda c: hashlib.blake2b(c.utt.encode()).digest())[:n],
                      key=lambda c: c.utt)

    reasons: dict[str, list[Candidate]] = {}
    for candidate in labels.candidates:
        if candidate.utt in labels.dropped:
            reasons.setdefault(kind(labels.dropped[candidate.utt]), []).append(candidate)
    return drawn(kept, N_KEPT) + [c for reason in sorted(reasons) for c in drawn(reasons[reason], N_DROPPED)]
