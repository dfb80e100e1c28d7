"""Sentence pairs from speech whose transcripts are translated: the only parallel text that some languages have."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from stxfer.core.errors import DataError
from stxfer.core.fileio import atomic_dir
from stxfer.core.marker import figures_of
from stxfer.core.stage import Stage
from stxfer.corpora.bitext.directory import PARTS, bitext_files, write_pairs
from stxfer.corpora.bitext.lines import Pair
from stxfer.kaldi.table import read_table


def bitext_of_sets(data: str | os.PathLike[str], out: str | os.PathLike[str], languages: tuple[str, str],
                   prefix: str = "tgt", *, force: bool = False, allow_stale: bool = False) -> dict[str, int]:
    """Write the transcripts of ``<data>/<prefix>_{train,dev,test}`` with their translations as a bitext.

    A pair that several utterances have is written once; utterances without a translation have none.

    Args:
        data: folder of data directories.
        out: folder to write, ``{train,dev,test}.<lang>``; it is replaced as a whole.
        languages: source and target. ``tgt_`` sets speak the target and are translated into the source,
            ``text.<source>.human``; ``src_`` sets the other way round.
        prefix: of the sets' names, ``tgt``, ``src`` or longer.
        force: do it again although it is finished.
        allow_stale: see :class:`stxfer.core.stage.Stage`.

    Returns:
        Numbers of pairs by part.

    Raises:
        DataError: a set or its translations are absent, or a part has no pair.
    """
    spoken = 0 if prefix.startswith("src") else 1
    tables = {part: [Path(data) / f"{prefix}_{part}" / name for name in ("text", f"text.{languages[1 - spoken]}.human")]
              for part in PARTS}
    for path in (path for both in tables.values() for path in both):
        if not path.is_file():
            raise DataError(f"{path}: no such file; prepare this set with its translations first")
    out = Path(out)
    stage = Stage(f"bitext of {prefix}", out, [path for both in tables.values() for path in both],
                  {"languages": list(languages), "prefix": prefix}, "data")
    if stage.needed(force=force, allow_stale=allow_stale):
        pairs = {part: _pairs(both, spoken) for part, both in tables.items()}
        with atomic_dir(out) as directory:
            for part, some in pairs.items():
                write_pairs(directory, part, languages, some)
        stage.finish(bitext_files(out, languages), figures={part: len(some) for part, some in pairs.items()})
    figures: dict[str, int] = figures_of(stage.out, dict[str, int])
    return figures


def _pairs(tables: Sequence[Path], spoken: int) -> list[Pair]:
    text, translations = map(read_table, tables)
    found = [(said, translations[utt]) for utt, said in text.items() if said and translations.get(utt)]
    if not found:
        raise DataError(f"{tables[1]}: no utterance has a translation")
    return list(dict.fromkeys(found if spoken == 0 else [(there, said) for said, there in found]))
