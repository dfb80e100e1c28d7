"""Stage 1: corpora of sentence pairs to ``data/bitext``; dev and test are split off where no corpus has them."""

from __future__ import annotations

import heapq
import logging
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from stxfer.core.errors import ConfigError, DataError
from stxfer.core.fileio import atomic_dir, atomic_write
from stxfer.core.marker import figures_of
from stxfer.core.stage import Stage
from stxfer.corpora.bitext.directory import PARTS, bitext_files, iter_pairs, write_pairs
from stxfer.corpora.bitext.lines import LeftOut, Pair
from stxfer.corpora.bitext.parallel import find_sources
from stxfer.corpora.bitext.rules import pair_hash, problem, raw_problem
from stxfer.experiment.clean import CleanOptions

N_HELD = 1000  # pairs split off for dev and for test
LEFT_OUT = "left_out.tsv"
log = logging.getLogger(__name__)


def prepare_bitext(corpora: Sequence[str | os.PathLike[str]], out: str | os.PathLike[str], languages: Sequence[str], *,
                   form: str = "auto", dev: int = N_HELD, test: int = N_HELD, seed: int = 1, force: bool = False,
                   allow_stale: bool = False) -> dict[str, int]:
    """Put corpora of parallel text together in ``out``, which is replaced as a whole.

    Where no corpus has a dev or a test part, it is split off: pairs drawn by the seed, of which neither side stands in
    what is left for training.

    Args:
        corpora: see :func:`stxfer.corpora.bitext.parallel.find_sources`.
        out: folder to write, ``data/bitext``.
        languages: codes of the source and the target language, the files' suffixes.
        form: the corpora's format.
        dev: pairs to split off for dev, if no corpus has any.
        test: the same for test.
        seed: of the drawing.
        force: do it again although it is finished.
        allow_stale: see :class:`stxfer.core.stage.Stage`.

    Returns:
        The number of pairs in each part, of those ``held_out``, left out as they stand in what was split off, and of
        those ``left_out`` by the readers, which ``<out>/left_out.tsv`` lists (see
        :func:`stxfer.corpora.bitext.tmx.read_tmx`).

    Raises:
        ConfigError: no pairs are to be split off where that is needed.
        DataError: a file is absent, damaged, not UTF-8 or holds no pair, the sides differ in length, or the corpora
            are too small to split.
    """
    out = Path(out)
    sources = [source for corpus in corpora for source in find_sources(corpus, languages, form)]
    wanted = {part: n for part, n in (("dev", dev), ("test", test)) if all(source.part != part for source in sources)}
    for part, n in wanted.items():
        if n < 1:
            raise ConfigError(f"no corpus has a part {part}; give --{part}-pairs at least 1 to split it off")
    if all(source.part != "train" for source in sources):
        raise DataError(f"{' '.join(map(str, corpora))}: no part train")
    stage = Stage("bitext", out, [path for source in sources for path in source.files],
                  {"languages": list(languages), "split": wanted, "seed": seed if wanted else 0,
                   "parts": [source.part for source in sources]}, "data")
    if stage.needed(force=force, allow_stale=allow_stale):
        counts: dict[str, int] = {}
        with atomic_dir(out) as directory:
            with atomic_write(directory / LEFT_OUT) as handle:
                left_out = LeftOut(handle)
                for part in PARTS:
                    if part in wanted:
                        continue
                    found = [(source, source.read(left_out)) for source in sources if source.part == part]
                    counts[part] = write_pairs(directory, part, languages, (
                        pair for source, pairs in found for pair in _some(pairs, source.files)))
            if left_out.counts:
                counts["left_out"] = left_out.counts.total()
                log.warning("%s: %d sentence pairs are left out (%s), listed in %s", out, counts["left_out"], left_out,
                            LEFT_OUT)
            else:
                (directory / LEFT_OUT).unlink()
            if wanted:
                counts |= _split_off(directory, languages, wanted, seed)
        stage.finish(bitext_files(out, languages), figures={part: counts[part] for part in sorted(counts)})
    figures: dict[str, int] = figures_of(stage.out, dict[str, int])
    return figures


def _some(pairs: Iterator[Pair], files: Sequence[Path]) -> Iterator[Pair]:
    """Yield the pairs, of which there has to be one."""
    first = next(pairs, None)
    if first is None:
        raise DataError(f"{files[0]}: holds no sentences")
    yield first
    yield from pairs


def _split_off(directory: Path, languages: Sequence[str], wanted: Mapping[str, int], seed: int) -> dict[str, int]:
    """Move pairs from train to the parts wanted: those whose digests, with the seed, are the smallest."""
    rules, needed = CleanOptions(scripts=False), sum(wanted.values())
    total = 0

    def ranked() -> Iterator[tuple[int, Pair]]:
        nonlocal total
        for pair in iter_pairs(directory, "train", languages):
            total += 1
            if all(pair) and not raw_problem(pair, rules) and not problem(pair, rules):
                yield pair_hash((f"{seed} {pair[0]}", pair[1])), pair

    drawn: dict[str, list[Pair]] = {part: [] for part in wanted}
    sides: set[str] = set()
    for _, pair in heapq.nsmallest(2 * needed + 100, ranked()):  # more than needed: some are the same or share a side
        part = next((part for part, n in wanted.items() if len(drawn[part]) < n), None)
        if part is not None and sides.isdisjoint(map(_folded, pair)):
            drawn[part].append(pair)
            sides.update(map(_folded, pair))
    if sum(map(len, drawn.values())) < needed or 2 * needed > total:
        raise DataError(f"{needed} pairs cannot be split off for {' and '.join(wanted)} from {total} pairs; give "
                        "corpora with these parts, or smaller --dev-pairs and --test-pairs")
    for part, pairs in drawn.items():
        write_pairs(directory, part, languages, pairs)
    left = (pair for pair in iter_pairs(directory, "train", languages) if sides.isdisjoint(map(_folded, pair)))
    count = write_pairs(directory, "train", languages, left)
    return {part: len(pairs) for part, pairs in drawn.items()} | {"train": count, "held_out": total - needed - count}


def _folded(sentence: str) -> str:
    return sentence.casefold().strip(" .!?\"'")
