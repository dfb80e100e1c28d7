"""Training data of several sets and texts as one: multi-task training, mixed fine-tuning."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

from stxfer.audio.ark import read_places
from stxfer.core.errors import DataError
from stxfer.core.workdir import WorkDir
from stxfer.experiment.layout import FEATS, FRAMES, TEXT
from stxfer.kaldi.table import read_table, write_table
from stxfer.training.spec import Corpus


def write_mixture(parts: Sequence[tuple[float, Corpus, str]], out: Path, final: Path, seed: int) -> Corpus:
    """Write the tables of a mixture: ``feats.scp``, ``text`` and ``utt2num_frames``.

    Utterance u of part i is named ``m<i>-u``: a set may be there twice, with different texts. Which utterances
    a share below 1 takes is decided by a hash of their names, so that a smaller share lies within a larger one.

    Args:
        parts: share, corpus, and what its texts begin with (a language tag, or nothing).
        out: directory to write into.
        final: where that directory lies in the end.
        seed: of the choice.

    Returns:
        The mixture as it will lie in ``final``.

    Raises:
        DataError: a part gives no utterance.
    """
    stored = WorkDir.of(final).stored
    tables: dict[str, dict[str, str]] = {FEATS: {}, TEXT: {}, FRAMES: {}}
    for number, (share, corpus, tag) in enumerate(parts):
        feats = {utt: stored(place) for utt, place in read_places(corpus.tables["speech"]).items()}
        text, frames = read_table(corpus.tables["text"]), read_table(corpus.lengths)
        utts = [utt for utt in text if utt in feats and text[utt] and _rank(utt, seed) < share]
        if not utts:
            raise DataError(f"{corpus.tables['text']}: a share of {share:g} of it is not a single utterance")
        for utt in utts:
            name = f"m{number}-{utt}"
            tables[FEATS][name] = feats[utt]
            tables[TEXT][name] = f"{tag} {text[utt]}".strip()
            tables[FRAMES][name] = frames[utt]
    for name, table in tables.items():
        write_table(out / name, table)
    return Corpus({"speech": final / FEATS, "text": final / TEXT}, final / FRAMES,
                  parts=tuple(corpus for _, corpus, _ in parts))


def part_of(corpus: Corpus, utt: str) -> tuple[Corpus, str]:
    """Return the corpus that an utterance of a corpus, mixture or not, was taken from, and its name there."""
    if not corpus.parts:
        return corpus, utt
    number, _, name = utt.removeprefix("m").partition("-")
    return corpus.parts[int(number)], name


def _rank(utt: str, seed: int) -> float:
    """Return a number of [0, 1) that stands for an utterance."""
    return int.from_bytes(hashlib.sha256(f"{seed} {utt}".encode()).digest()[:6], "big") / 2**48
