"""Sentences of dev and test sets in training text: a model that has read the test's sentences is not measured by it.

A sentence is another's leak when both are the same after normalising.
"""

from __future__ import annotations

import os
from collections.abc import Hashable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from stxfer.core.errors import DataError
from stxfer.core.fileio import atomic_write, read_text

HELD_OUT = "held_out.tsv"
N_EXAMPLES = 5
Key = TypeVar("Key", bound=Hashable)


def write_held_out(directory: Path, sentences: Mapping[str, str]) -> None:
    """Write normalised sentences, each with the place it stands in, to ``<directory>/held_out.tsv``.

    A file that says the same is left alone, so that what was made from it stays up to date.
    """
    text = "".join(f"{sentence}\t{place}\n" for sentence, place in sorted(sentences.items()))
    path = directory / HELD_OUT
    if not path.exists() or path.read_bytes() != text.encode():
        with atomic_write(path) as handle:
            handle.write(text)


def held_out(directory: str | os.PathLike[str]) -> dict[str, str]:
    """Return the sentences that nothing may be trained on, each with the place it stands in, ``tgt_test/text``.

    They are the normalised transcripts and translations of the dev and test sets.

    Args:
        directory: what stage 2 has written, ``dump/data``; a stage that uses them has ``<directory>/held_out.tsv``
            for an input.

    Raises:
        DataError: it is not there, or not UTF-8.
    """
    path = Path(directory) / HELD_OUT
    if not path.exists():
        raise DataError(f"{path}: no such file; run stage 'prepare' first")
    rows = (line.partition("\t") for line in read_text(path).split("\n") if line)
    return {sentence: place for sentence, _, place in rows}


def find_leaks(texts: Mapping[Key, Iterable[str]], held: Mapping[str, str]) -> dict[Key, tuple[str, str]]:
    """Return the first held-out sentence among those of each key, and its place, for keys that have one."""
    found = {}
    for key, sentences in texts.items():
        sentence = next((sentence for sentence in sentences if sentence in held), None)
        if sentence is not None:
            found[key] = (sentence, held[sentence])
    return found


def leak_report(leaks: Sequence[tuple[str, str]]) -> dict[str, Any]:
    """Return the number of (sentence, where it is held out) found in training data, and some examples."""
    return {"n": len(leaks),
            "examples": [{"sentence": sentence, "in": place} for sentence, place in leaks[:N_EXAMPLES]]}


def stop_at_leaks(where: str | os.PathLike[str], leaks: Sequence[tuple[str, str]]) -> None:
    """Refuse training data with leaks.

    Raises:
        DataError: there are some; counts them, with an example.
    """
    if leaks:
        sentence, place = leaks[0]
        raise DataError(f"{where}: {len(leaks)} held-out sentences stand in this training text, e.g. {sentence!r} of "
                        f"{place}; take them out, or set leaks to remove or report")
