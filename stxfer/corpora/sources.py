"""Where public corpora come from, under which licence, and how to get them."""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from stxfer.core.errors import ConfigError, DataError
from stxfer.corpora.archive import unpack
from stxfer.corpora.common_voice import SPLITS
from stxfer.corpora.covost2 import check_pair
from stxfer.corpora.download import fetch

log = logging.getLogger(__name__)
COVOST2_HOST = "https://dl.fbaipublicfiles.com/covost"
FLEURS_HOST = "https://huggingface.co/datasets/google/fleurs/resolve/main/data"
_FLEURS_LANGUAGE = re.compile(r"[a-z]{2,3}(_[a-z]+)?_[a-z0-9]{2,3}")


@dataclass(frozen=True)
class Source:
    """A public corpus.

    Attributes:
        name: the command's name for it.
        title: what it is.
        licence: of the data.
        size: of the download, about.
        page: where it is described.
        by_hand: how to get it, where its terms must be accepted first; empty: the command gets it.
    """

    name: str
    title: str
    licence: str
    size: str
    page: str
    by_hand: str = ""


SOURCES = {source.name: source for source in (
    Source("covost2", "CoVoST 2: translations of Common Voice 4, 15 pairs from English and 21 into it",
           "CC0 1.0", "10 to 20 MB a pair, without the speech", "https://github.com/facebookresearch/covost"),
    Source("fleurs", "FLEURS: read speech, 102 languages, the same sentences in all",
           "CC BY 4.0", "1 to 3 GB a language", "https://huggingface.co/datasets/google/fleurs"),
    Source("common_voice", "Common Voice: read speech, over 100 languages",
           "CC0 1.0; one must agree not to identify speakers", "20 MB to 90 GB a language",
           "https://commonvoice.mozilla.org/datasets",
           "choose language and release there (CoVoST 2 needs release 4, 2019-12-10; new ones are at "
           "https://mozilladatacollective.com), agree to the terms, unpack the archive with tar -xzf, and give its "
           "folder to prepare_common_voice --corpus"),
    Source("must_c", "MuST-C: TED talks in English with translations into 14 languages",
           "CC BY-NC-ND 4.0", "20 to 60 GB a pair", "https://mt.fbk.eu/must-c/",
           "ask for it there, agree to the terms, unpack the archive with tar -xzf, and give its folder to "
           "prepare_must_c --corpus"))}


def refuse_by_hand(name: str) -> None:
    """Say how to get a corpus whose terms must be accepted first.

    Raises:
        ConfigError: always.
    """
    source = SOURCES[name]
    raise ConfigError(f"{source.title} ({source.licence}): cannot be fetched from here. Go to {source.page}, "
                      f"{source.by_hand}")


def download_covost2(pair: str, out: str | os.PathLike[str]) -> Path:
    """Get ``<out>/covost_v2.<pair>.tsv``.

    Raises:
        ConfigError: CoVoST 2 does not have the pair.
        StxferError: see :func:`stxfer.corpora.download.fetch` and :func:`stxfer.corpora.archive.unpack`.
    """
    check_pair(pair)
    table = Path(out) / f"covost_v2.{pair}.tsv"
    _fetch_unpacked(f"{COVOST2_HOST}/{table.name}.tar.gz", table)
    return table


def download_fleurs(language: str, out: str | os.PathLike[str], splits: Sequence[str] = SPLITS) -> Path:
    """Get ``<out>/<language>/<split>.tsv`` and ``<out>/<language>/audio/<split>/``.

    Args:
        language: FLEURS's name for it, ``sw_ke``.
        out: folder of the languages.
        splits: among ``train dev test``.

    Returns:
        The folder of the language.

    Raises:
        ConfigError: the language has another form.
        StxferError: see :func:`stxfer.corpora.download.fetch` and :func:`stxfer.corpora.archive.unpack`.
    """
    if not _FLEURS_LANGUAGE.fullmatch(language):
        raise ConfigError(f"--lang {language}: FLEURS names a language and a country, as sw_ke, en_us or cmn_hans_cn; "
                          f"see {SOURCES['fleurs'].page}")
    folder = Path(out) / language
    for split in splits:
        fetch(f"{FLEURS_HOST}/{language}/{split}.tsv", folder / f"{split}.tsv")
        _fetch_unpacked(f"{FLEURS_HOST}/{language}/audio/{split}.tar.gz", folder / "audio" / split)
    return folder


def _fetch_unpacked(url: str, made: Path) -> None:
    """Download an archive and unpack it to ``made``, the one thing that it holds; the archive is then removed."""
    if made.exists():
        log.info("%s: there already", made)
        return
    archive = fetch(url, made.parent / url.rpartition("/")[2])
    held = unpack(archive, made.parent)
    if not made.exists():
        raise DataError(f"{archive}: holds {', '.join(path.name for path in held)} and no {made.name}: the corpus has "
                        "another layout now")
    archive.unlink()
