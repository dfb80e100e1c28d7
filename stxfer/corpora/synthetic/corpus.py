"""The synthetic English-Swahili corpora: source speech with translations, target speech, and a bitext."""

from __future__ import annotations

import os
from collections.abc import Collection
from dataclasses import asdict
from pathlib import Path

from stxfer.core.fileio import atomic_dir
from stxfer.core.pool import worker_pool
from stxfer.core.stage import Stage
from stxfer.corpora.bitext.directory import PARTS, bitext_files, write_pairs
from stxfer.corpora.bitext.lines import Pair
from stxfer.corpora.synthetic.grammar import key, sample_pairs
from stxfer.corpora.synthetic.speakers import split_speakers
from stxfer.corpora.synthetic.speech import Room, speak_set
from stxfer.experiment.data import SyntheticOptions
from stxfer.experiment.layout import bitext_dir

SOURCE, TARGET = "en", "sw"
DEFAULTS = SyntheticOptions()
HELD = ("src_test", "src_dev", "tgt_test", "tgt_dev", "bitext_test", "bitext_dev")


def _keys(pairs: Collection[Pair]) -> set[str]:
    return {key(side) for pair in pairs for side in pair}


def sample_sets(options: SyntheticOptions) -> dict[str, list[Pair]]:
    """Sample all sets so that no sentence of a dev or test set, of either language, is in another set.

    The bitext for training MT has no sentence of ``src_train`` either: MT translates text that is new to it.
    A target sentence of ``tgt_train`` may be in the bitext, as a low-resource language's text may.
    """
    sizes = asdict(options)
    sets: dict[str, list[Pair]] = {}
    held: set[str] = set()
    for name in HELD:
        sets[name] = sample_pairs(sizes[name], f"{options.seed} {name}", held)
        held |= _keys(sets[name])
    for name in ("src_train", "tgt_train"):
        sets[name] = sample_pairs(sizes[name], f"{options.seed} {name}", held)
    sets["bitext_train"] = sample_pairs(sizes["bitext_train"], f"{options.seed} bitext_train",
                                        held | _keys(sets["src_train"]))
    return sets


def prepare_synthetic(out: str | os.PathLike[str], options: SyntheticOptions = DEFAULTS, *, nj: int = 1,
                      force: bool = False, allow_stale: bool = False) -> list[Path]:
    """Make the Kaldi data directories ``src_*`` and ``tgt_*`` and the bitext under ``out``.

    Args:
        out: the data directory of the recipe.
        options: how much.
        nj: processes; the result does not depend on it.
        force: make everything again.
        allow_stale: see :meth:`stxfer.core.stage.Stage.needed`.

    Returns:
        The directories.

    Raises:
        ConfigError: too many speakers are held out.
        StxferError: the synthesiser fails.
    """
    out = Path(out)
    sets = sample_sets(options)
    made = [bitext_dir(out)]
    stage = Stage("synthetic bitext", made[0], options=options, step="data")
    if stage.needed(force=force, allow_stale=allow_stale):
        with atomic_dir(made[0]) as folder:
            for part in PARTS:
                write_pairs(folder, part, (SOURCE, TARGET), sets[f"bitext_{part}"])
        stage.finish(bitext_files(made[0], (SOURCE, TARGET)))
    with worker_pool(nj) as pool:
        for prefix, language, many, rate in (("src", SOURCE, options.source_speakers, options.source_rate),
                                             ("tgt", TARGET, options.target_speakers, options.target_rate)):
            people = split_speakers(language, many, options.dev_speakers, options.test_speakers, options.seed)
            for split in PARTS:
                pairs = sets[f"{prefix}_{split}"]
                english, swahili = [pair[0] for pair in pairs], [pair[1] for pair in pairs]
                texts = {f"text.{TARGET}.human": swahili} if prefix == "src" else {}
                made.append(speak_set(
                    out, f"{prefix}_{split}", english if prefix == "src" else swahili, people[split], texts=texts,
                    room=Room(rate=rate), seed=options.seed, pool=pool, force=force, allow_stale=allow_stale))
    return made
