"""FLEURS: some twelve hours of read sentences in each of 102 languages, the same sentences in all of them.

Conneau et al., "FLEURS: Few-shot Learning Evaluation of Universal Representations of Speech" (SLT 2022).
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, MutableMapping, Sequence
from pathlib import Path
from typing import Literal

from stxfer.core.errors import ConfigError, DataError
from stxfer.corpora.collect import MAX_DROP, Counts, list_folder, write_set
from stxfer.corpora.common_voice import SPLITS
from stxfer.corpora.entries import Entry
from stxfer.corpora.paths import inside, listed
from stxfer.corpora.rows import read_rows, sanitise

COLUMNS = ("id", "file", "raw", "normalised", "characters", "num_samples", "gender")  # the tables do not name them
SAMPLE_RATE = 16000
_HINT = "Not every language has every sentence"
Text = Literal["raw", "normalised"]


def prepare_fleurs(corpus: str | os.PathLike[str], out: str | os.PathLike[str], prefix: str,
                   splits: Sequence[str] = SPLITS, *, translations: Sequence[str | os.PathLike[str]] = (),
                   text: Text = "raw", max_drop: float = MAX_DROP, force: bool = False, allow_stale: bool = False,
                   nj: int = 1) -> dict[str, Counts]:
    """Write a Kaldi data directory ``<out>/<prefix>_<split>`` for each split.

    FLEURS does not tell who speaks: each recording counts as a speaker of its own, and a speaker-balanced subset
    is one of random recordings. A sentence has up to three recordings, whose ids begin with the sentence's number.

    Args:
        corpus: folder of one language (``sw_ke``) with ``<split>.tsv`` and ``audio/<split>/``.
        out: folder of data directories.
        prefix: ``src`` or ``tgt``.
        splits: names of the tables.
        translations: folders of other languages, whose ``<split>.tsv`` give ``text.<language>.human`` by the
            sentences' numbers; recordings of sentences that one of them lacks are left out and listed.
        text: ``raw``, with capitals and punctuation, or as FLEURS has ``normalised`` it.
        max_drop: see :func:`stxfer.corpora.collect.write_set`.
        force: do it again although it is finished.
        allow_stale: see :class:`stxfer.core.stage.Stage`.
        nj: threads that read headers.

    Returns:
        Counts by set name.

    Raises:
        ConfigError: two of the translations are of one language.
        DataError: a folder or a table is absent, a row is malformed, a path leaves the folder of the audio, two
            rows name one file, or too few recordings of a split can be used.
    """
    corpus = Path(os.path.abspath(corpus))
    others = {language_of(folder): Path(folder) for folder in translations}
    if len(others) < len(translations):
        raise ConfigError(f"--translations {' '.join(map(str, translations))}: two folders of one language; give one")
    counts = {}
    for split in splits:
        for folder in (corpus, *others.values()):
            if not (folder / f"{split}.tsv").is_file():
                raise DataError(f"{folder}/{split}.tsv: no such file; give the folder of one language of FLEURS, as "
                                f"`python -m stxfer.bin.download fleurs --lang {folder.name} --out DIR` makes it")
        tables = {language: folder / f"{split}.tsv" for language, folder in others.items()}
        names, digest = list_folder(corpus / "audio" / split)
        dropped: dict[str, str] = {}
        counts[f"{prefix}_{split}"] = write_set(
            out, f"{prefix}_{split}", _entries(corpus, split, names, tables, text, dropped), dropped=dropped,
            inputs=[corpus / f"{split}.tsv", *tables.values()],
            options={"audio": digest, "text": text, "translations": sorted(tables)}, max_drop=max_drop,
            hint=_HINT if tables else "", force=force, allow_stale=allow_stale, nj=nj)
    return counts


def language_of(folder: str | os.PathLike[str]) -> str:
    """Return the code of the language of a folder: ``sw`` of ``sw_ke``, ``zh`` of ``cmn_hans_cn``."""
    name = Path(folder).name.partition("_")[0]
    return "zh" if name == "cmn" else name


def _rows(path: Path) -> Iterator[tuple[int, dict[str, str]]]:
    return read_rows(path, COLUMNS, form="tsv", header=COLUMNS)


def _entries(corpus: Path, split: str, names: frozenset[str], tables: Mapping[str, Path], text: Text,
             dropped: MutableMapping[str, str]) -> Iterator[Entry]:
    table, folder = corpus / f"{split}.tsv", str(corpus / "audio" / split)
    translations = {language: {row["id"]: row[text] for _, row in _rows(path)} for language, path in tables.items()}
    for line, row in _rows(table):
        where = f"{table}:{line}"
        audio = inside(folder, row["file"], where)
        if not row["num_samples"].isdecimal() or not row["id"].isdecimal():
            raise DataError(f"{where}: {row['id']!r} and {row['num_samples']!r} must be numbers, of the sentence and "
                            "of its samples")
        utt = f"{int(row['id']):05d}-{sanitise(row['file'].rpartition('.')[0] or row['file'])}"
        lacking = [language for language, sentences in translations.items() if not sentences.get(row["id"])]
        if (stored := listed(row["file"], names)) is None:
            dropped[utt] = f"missing: {audio}: no such audio file"
        elif lacking:
            dropped[utt] = f"no translation: {tables[lacking[0]]} has no sentence {row['id']}"
        else:
            texts = {f"text.{language}.human": found[row["id"]] for language, found in translations.items()}
            yield Entry(utt, f"{folder}/{stored}", row[text], utt, seconds=int(row["num_samples"]) / SAMPLE_RATE,
                        texts=texts, table=str(table), line=line)
