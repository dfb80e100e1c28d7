"""Common Voice, every release from 4 on, and corpora in its form: ``train.tsv dev.tsv test.tsv`` and ``clips/``.

Ardila et al., "Common Voice: A Massively-Multilingual Speech Corpus" (LREC 2020). Releases have added columns
(``locale segment`` in 5, ``variant`` in 13, ``sentence_id sentence_domain`` in 17), renamed ``accent`` to
``accents``, and list the clips' durations in ``times.txt`` (14 to 16.0) or ``clip_durations.tsv`` (from 16.1 on).
"""

from __future__ import annotations

import os
from collections.abc import Sequence

from stxfer.corpora.collect import MAX_DROP, Counts, write_set
from stxfer.corpora.parts import BY_NAME, PartOptions
from stxfer.corpora.release import Release
from stxfer.corpora.spontaneous_speech import SpontaneousSpeech, find_table

SPLITS = ("train", "dev", "test")


def prepare_common_voice(corpus: str | os.PathLike[str], out: str | os.PathLike[str], prefix: str,
                         splits: Sequence[str] = SPLITS, *, train_from: str | None = None,
                         test_from: str | None = None, parts: PartOptions = BY_NAME, max_drop: float = MAX_DROP,
                         force: bool = False, allow_stale: bool = False, nj: int = 1) -> dict[str, Counts]:
    """Write a Kaldi data directory ``<out>/<prefix>_<split>`` for each split.

    Clips that are absent or have no readable header are left out and listed in ``dropped.tsv``. Headers are not
    read where the release tells the durations.

    Args:
        corpus: folder with ``clips/`` and ``<split>.tsv`` (columns ``client_id path sentence`` and, in other corpora of
            this form, those that say which part of the clip is meant, see :mod:`stxfer.corpora.parts`), or a folder
            that holds one such folder, as the archives do (``cv-corpus-17.0-2024-03-15/tr``). Or of spontaneous speech,
            see :mod:`stxfer.corpora.spontaneous_speech`, whose splits stand for tables.
        out: folder of data directories.
        prefix: ``src`` or ``tgt``.
        splits: names of the tables.
        train_from: a table, such as ``validated``, to take ``train`` from in place of ``train.tsv``: all its rows
            that share no speaker and no sentence with ``dev.tsv`` and ``test.tsv``, see
            :func:`stxfer.text.near.sentence_key`.
        test_from: a table, such as ``dev``, that gives the test set where there is no ``test.tsv``: half of its rows,
            whose speakers and sentences the other half lacks. That half stays what the table gives.
        parts: what is said of the columns that tell which part of a clip is meant.
        max_drop: see :func:`stxfer.corpora.collect.write_set`.
        force: do it again although it is finished.
        allow_stale: see :class:`stxfer.core.stage.Stage`.
        nj: threads that read headers.

    Returns:
        Counts by set name.

    Raises:
        DataError: the folder, a table or a column is absent, a row is malformed, a path leaves ``clips/``, two
            rows give one utterance id, too few clips of a split can be used, or the rows of ``test_from`` cannot be
            parted.
    """
    table = find_table(corpus)
    release = SpontaneousSpeech(table, test_from, parts) if table else Release(corpus, test_from, parts)
    tables = {split: [split] if split != "train" or train_from is None else [train_from, "dev", "test"]
              for split in splits}
    for names in tables.values():
        for name in names:
            release.table(name)
    counts = {}
    for split, names in tables.items():
        dropped: dict[str, str] = {}
        rows = release.rows(split) if len(names) == 1 else release.rows_apart(names[0], names[1:])
        counts[f"{prefix}_{split}"] = write_set(
            out, f"{prefix}_{split}", release.entries(rows, dropped), dropped=dropped,
            inputs=[*dict.fromkeys(map(release.table, names)), *release.duration_files],
            options=release.options(names), max_drop=max_drop, force=force, allow_stale=allow_stale, nj=nj)
    return counts
