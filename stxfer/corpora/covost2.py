"""CoVoST 2: translations of Common Voice 4, from English and into English.

Wang, Wu and Pino, "CoVoST 2 and Massively Multilingual Speech-to-Text Translation" (2020). Splits are those of its
``get_covost_splits.py``: ``train`` is the rows whose split is ``train`` or ``train_covost``.
"""

from __future__ import annotations

import logging
import os
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, MutableMapping, Sequence
from pathlib import Path

from stxfer.core.errors import ConfigError, DataError
from stxfer.corpora.collect import MAX_DROP, Counts, write_set
from stxfer.corpora.common_voice import SPLITS
from stxfer.corpora.entries import Entry
from stxfer.corpora.release import Clip, Release
from stxfer.corpora.rows import read_rows, sanitise

FROM_ENGLISH = ["ar", "ca", "cy", "de", "et", "fa", "id", "ja", "lv", "mn", "sl", "sv-SE", "ta", "tr", "zh-CN"]
INTO_ENGLISH = sorted([*FROM_ENGLISH, "es", "fr", "it", "nl", "pt", "ru"])
PAIRS = tuple([f"en_{lang}" for lang in FROM_ENGLISH] + [f"{lang}_en" for lang in INTO_ENGLISH])
_OWN_SPLITS = {"train": "train", "train_covost": "train", "dev": "dev", "test": "test"}
_CV_SPLITS = ("dev_covost", "test_covost")  # CoVoST 1's own, in no split of CoVoST 2
log = logging.getLogger(__name__)
_HINT = "CoVoST 2 belongs to Common Voice 4 (2019-12-10); later releases lack some of its clips"


def check_pair(pair: str) -> tuple[str, str]:
    """Return the source and the target language of a pair: ``en`` and ``tr`` of ``en_tr``, ``sv`` of ``en_sv-SE``.

    Raises:
        ConfigError: CoVoST 2 does not have it.
    """
    if pair not in PAIRS:
        raise ConfigError(f"--pair {pair}: CoVoST 2 has en_xx with xx one of {' '.join(FROM_ENGLISH)}, "
                          f"and xx_en with xx one of {' '.join(INTO_ENGLISH)}")
    source, target = (language.partition("-")[0] for language in pair.split("_"))
    return source, target


def prepare_covost2(corpus: str | os.PathLike[str], covost: str | os.PathLike[str], pair: str,
                    out: str | os.PathLike[str], prefix: str = "src", *, splits: Sequence[str] = SPLITS,
                    max_drop: float = MAX_DROP, force: bool = False, allow_stale: bool = False,
                    nj: int = 1) -> dict[str, Counts]:
    """Write ``<out>/<prefix>_<split>`` with the human translations as ``text.<target>.human``.

    Rows whose clip or transcript the release lacks, and those without a translation, are left out and listed.

    Args:
        corpus: Common Voice of the source language, see :func:`stxfer.corpora.common_voice.prepare_common_voice`.
        covost: ``covost_v2.<pair>.tsv`` (columns ``path translation split``), which is joined to the release's
            ``validated.tsv``; or the folder that holds it, or else ``covost_v2.<pair>.<split>.tsv`` (columns ``path
            sentence translation client_id``), which CoVoST's own script writes.
        pair: source and target language, ``en_tr``.
        out: folder of data directories.
        prefix: ``src`` or ``tgt``.
        splits: among ``train dev test``.
        max_drop: see :func:`stxfer.corpora.collect.write_set`.
        force: do it again although it is finished.
        allow_stale: see :class:`stxfer.core.stage.Stage`.
        nj: threads that read headers.

    Returns:
        Counts by set name.

    Raises:
        ConfigError: CoVoST 2 does not have the pair.
        DataError: a folder, a table or a column is absent, a row is malformed, or too few rows can be used.
    """
    check_pair(pair)
    release = Release(corpus)
    counts = {}
    for split in splits:
        dropped: dict[str, str] = {}
        tables, entries = read_split(release, Path(covost), pair, split, dropped)
        name = f"{prefix}_{split}"
        counts[name] = write_set(out, name, entries, dropped=dropped, inputs=[*tables, *release.duration_files],
                                 options={"clips": release.digest, "split": split, "pair": pair}, max_drop=max_drop,
                                 hint=_HINT, force=force, allow_stale=allow_stale, nj=nj)
    return counts


def read_split(release: Release, covost: Path, pair: str, split: str, dropped: MutableMapping[str, str]
               ) -> tuple[list[Path], Iterator[Entry]]:
    """Return the tables of a split and its utterances, with ``text.<target>.human``.

    Args:
        release: the folder of Common Voice 4.
        covost, pair, split: see :func:`prepare_covost2`.
        dropped: utterances that are left out, filled while the others are taken.
    """
    _, target = check_pair(pair)
    if (whole := _whole_table(covost, pair)) is not None:
        return [whole, release.table("validated")], _joined(release, whole, split, target, dropped)
    table = _table(covost / f"covost_v2.{pair}.{split}.tsv", pair)
    return [table], _complete(release, table, target, dropped)


def _whole_table(covost: Path, pair: str) -> Path | None:
    if covost.is_file():
        return covost
    whole = covost / f"covost_v2.{pair}.tsv"
    if not whole.is_file() and (covost / f"covost_v2.{pair}.train.tsv").is_file():
        return None
    return _table(whole, pair)


def _table(path: Path, pair: str) -> Path:
    if not path.is_file():
        raise DataError(f"{path}: no such file; `python -m stxfer.bin.download covost2 --pair {pair} "
                        "--out DIR` gets it")
    return path


def _stem(path: str) -> str:
    return path.removesuffix(".mp3")


def _joined(release: Release, whole: Path, split: str, target: str,
            dropped: MutableMapping[str, str]) -> Iterator[Entry]:
    """Yield the rows of ``validated.tsv`` that the table gives to the split."""
    translations: dict[str, str] = {}
    unknown: Counter[str] = Counter()
    for line, row in read_rows(whole, ("path", "translation", "split")):
        if row["split"] not in (*_OWN_SPLITS, *_CV_SPLITS):
            unknown[row["split"]] += 1
        elif _OWN_SPLITS.get(row["split"]) == split:
            if _stem(row["path"]) in translations:
                raise DataError(f"{whole}:{line}: {row['path']} has two rows; remove one")
            translations[_stem(row["path"])] = row["translation"]
    for name, count in sorted(unknown.items()):
        log.warning("%s: %d rows are of split %r, which CoVoST 2 does not know; they are left out", whole, count, name)
    found = set()

    def rows() -> Iterator[Clip]:
        for clip in release.rows("validated"):
            if _stem(clip.path) in translations:
                found.add(_stem(clip.path))
                yield clip

    yield from _translated(release, rows(), translations, target, dropped)
    for path in translations.keys() - found:
        dropped[sanitise(path)] = f"not in validated.tsv: {path}.mp3, a row of {whole.name}"


def _complete(release: Release, table: Path, target: str, dropped: MutableMapping[str, str]) -> Iterator[Entry]:
    """Yield the rows of a table that has transcripts and speakers of its own."""
    translations: dict[str, str] = {}
    clips = []
    for line, row in read_rows(table, ("path", "sentence", "translation", "client_id")):
        translations[_stem(row["path"])] = row["translation"]
        clips.append(Clip(str(table), line, row["client_id"], row["path"], row["sentence"]))
    yield from _translated(release, clips, translations, target, dropped)


def _translated(release: Release, clips: Iterable[Clip], translations: Mapping[str, str], target: str,
                dropped: MutableMapping[str, str]) -> Iterator[Entry]:
    label = f"text.{target}.human"
    for entry in release.entries(clips, dropped, texts=lambda clip: {label: translations[_stem(clip.path)]}):
        if entry.texts[label].strip():
            yield entry
        else:
            dropped[entry.utt] = f"no translation: {os.path.basename(entry.audio)} has an empty one"
