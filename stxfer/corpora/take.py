"""As much of each set of a large corpus as an experiment uses, before any audio is decoded."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from stxfer.core.errors import ConfigError
from stxfer.core.marker import read_entries
from stxfer.core.stage import Stage
from stxfer.corpora.collect import Counts
from stxfer.experiment.records import DataCounts
from stxfer.kaldi.datadir import find_sets, table_files
from stxfer.kaldi.subset import subset_datadir
from stxfer.kaldi.table import read_table

log = logging.getLogger(__name__)


def take_sets(whole: str | os.PathLike[str], out: str | os.PathLike[str], hours: Mapping[str, Any], *, seed: int = 1,
              force: bool = False, allow_stale: bool = False) -> dict[str, Counts]:
    """Write ``<out>/<set>`` for each set of ``whole``: all of it, or a seeded, speaker-balanced part.

    With one seed a smaller part lies within every larger one, see :func:`stxfer.kaldi.subset.subset`.

    Args:
        whole: folder of data directories with durations.
        out: folder of data directories.
        hours: of speech to take, by set, at most; all of a set that is not named or has less.
        seed: which part.
        force: do it again although it is finished.
        allow_stale: see :class:`stxfer.core.stage.Stage`.

    Returns:
        What was taken, by set.

    Raises:
        ConfigError: ``hours`` names a set that is not there, or not a positive number.
        DataError: there are no sets, or a table is malformed.
    """
    sets = find_sets(whole)
    for name, wanted in hours.items():
        if name not in sets:
            raise ConfigError(f"hours.{name}: no such set in {whole}; there are: {' '.join(sets)}")
        if isinstance(wanted, bool) or not isinstance(wanted, (int, float)) or not wanted > 0:
            raise ConfigError(f"hours.{name}: {wanted!r} must be a number over 0")
    counts = {}
    for name in sets:
        source, wanted = Path(whole) / name, hours.get(name)
        stage = Stage(f"take {name}", Path(out) / name, [source], {"hours": wanted, "seed": seed if wanted else None},
                      "data", also=("spk2utt",))
        if stage.needed(force=force, allow_stale=allow_stale):
            there = _hours(source)
            part = wanted is not None and wanted < there
            if wanted is not None and not part:
                log.warning("%s: has %.2f h, less than the %g h wanted; all of it is taken", source, there, wanted)
            size = {"hours": wanted} if part else {"n_utts": len(read_table(source / "utt2spk"))}
            n_utts = subset_datadir(source, stage.out, seed=seed, **size)
            stage.finish(table_files(stage.out), n_utts=n_utts, hours=round(_hours(stage.out), 4))
        marker = read_entries(stage.out, DataCounts)
        counts[name] = Counts(marker["n_utts"], 0, marker["hours"])
    return counts


def _hours(directory: Path) -> float:
    return sum(map(float, read_table(directory / "utt2dur").values())) / 3600
