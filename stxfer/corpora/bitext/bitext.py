"""Parallel text: ``{train,dev,test}.<source>`` beside ``.<target>``, one sentence a line, aligned."""

from __future__ import annotations

import heapq
import os
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict
from itertools import islice
from pathlib import Path
from typing import Any

from stxfer.core.errors import ConfigError, DataError
from stxfer.core.fileio import atomic_dir, atomic_write, read_json, write_json
from stxfer.core.stage import Stage
from stxfer.corpora.bitext.clean import CleanOptions, Seen, digest, problem, raw_problem, scripts_of
from stxfer.corpora.bitext.lines import Pair, read_sides
from stxfer.corpora.bitext.parallel import PARTS, find_sources
from stxfer.text.leaks import leak_report, stop_at_leaks
from stxfer.text.normalise import PROFILES, Profile, normalise, profile

CHUNK = 20000  # pairs looked at together
N_HELD = 1000  # pairs split off for dev and for test


def bitext_files(directory: str | os.PathLike[str], languages: Sequence[str]) -> list[Path]:
    """Return the files of a bitext, both sides of train, dev and test.

    Raises:
        DataError: one is absent.
    """
    files = [Path(directory) / f"{part}.{lang}" for part in PARTS for lang in languages]
    for path in files:
        if not path.is_file():
            raise DataError(f"{path}: no such file; a bitext is {{{','.join(PARTS)}}}.{{{','.join(languages)}}}, "
                            "one sentence a line")
    return files


def iter_pairs(directory: str | os.PathLike[str], part: str, languages: Sequence[str]) -> Iterator[Pair]:
    """Yield the sentence pairs of one part, white space collapsed; either side may be empty.

    Raises:
        DataError: a file is absent or not UTF-8, or the sides differ in their number of lines.
    """
    source, target = (Path(directory) / f"{part}.{lang}" for lang in languages)
    return read_sides((source, target))


def read_pairs(directory: str | os.PathLike[str], part: str, languages: Sequence[str]) -> list[Pair]:
    """Return all that :func:`iter_pairs` yields."""
    return list(iter_pairs(directory, part, languages))


def write_pairs(directory: Path, part: str, languages: Sequence[str], pairs: Iterable[Pair]) -> int:
    """Write one part's two files and return the number of pairs."""
    count = 0
    with ExitStack() as stack:
        handles = [stack.enter_context(atomic_write(directory / f"{part}.{lang}")) for lang in languages]
        for pair in pairs:
            for handle, side in zip(handles, pair, strict=True):
                handle.write(f"{side}\n")
            count += 1
    return count


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
        The number of pairs in each part, and of those ``held_out``, left out as they stand in what was split off.

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
                   "parts": [source.part for source in sources]})
    if stage.needed(force=force, allow_stale=allow_stale):
        counts: dict[str, int] = {}
        with atomic_dir(out) as directory:
            for part in PARTS:
                if part in wanted:
                    continue
                found = [(source, source.read()) for source in sources if source.part == part]
                counts[part] = write_pairs(directory, part, languages,
                                           (pair for source, pairs in found for pair in _some(pairs, source.files)))
            if wanted:
                counts |= _split_off(directory, languages, wanted, seed)
        stage.finish(bitext_files(out, languages), figures={part: counts[part] for part in sorted(counts)})
    figures: dict[str, int] = read_json(stage.marker)["figures"]
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
                yield digest((f"{seed} {pair[0]}", pair[1])), pair

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


def raw_side(directory: Path, part: str, language: str) -> Path:
    """Return where the source side of dev or test lies as the corpus has it, for translators that want it so."""
    return directory / f"{part}.raw.{language}"


def clean_bitext(raw: str | os.PathLike[str], out: str | os.PathLike[str], languages: Sequence[str],
                 held_out: Mapping[str, str], sources: Sequence[Path], *, leaks: str = "remove",
                 clean: CleanOptions | None = None, profiles: Mapping[str, Profile] = PROFILES, force: bool = False,
                 allow_stale: bool = False) -> dict[str, Any]:
    """Normalise a bitext and clean its training part.

    Of dev and test only pairs with an empty side are dropped: what is scored is not chosen here. ``out``
    receives the six files, the source sides of dev and test as they were (:func:`raw_side`), and ``dropped.json``, the
    counts by part and reason. The memory used grows by 8 bytes a
    training pair.

    Args:
        raw: folder of ``{train,dev,test}.<lang>``.
        out: folder to write, replaced as a whole.
        languages: codes of the source and the target language.
        held_out: normalised sentences that the training part must not hold, each with the file it stands in;
            those of the bitext's own dev and test are added.
        sources: the files that ``held_out`` was read from.
        leaks: what becomes of pairs with such a sentence: ``remove``, ``report`` or ``stop``.
        clean: what else is dropped; none given: the defaults.
        profiles: how text is normalised, by language.
        force: do it again although it is finished.
        allow_stale: see :class:`stxfer.core.stage.Stage`.

    Returns:
        The number of pairs by part, and ``leaks``, see :func:`stxfer.text.leaks.leak_report`.

    Raises:
        DataError: malformed input (see :func:`prepare_bitext`), nothing is left of a part, or a leak where
            ``leaks`` is ``stop``.
    """
    raw, out, clean = Path(raw), Path(out), clean or CleanOptions()
    rules = [profile(lang, profiles) for lang in languages]
    stage = Stage("prepare bitext", out, [*bitext_files(raw, languages), *sources],
                  {"languages": list(languages), "profiles": [rule.identity for rule in rules], "leaks": leaks,
                   "clean": asdict(clean)})
    if stage.needed(force=force, allow_stale=allow_stale):
        report: dict[str, Any] = {}
        forbidden = dict(held_out)
        parts: dict[str, list[Pair]] = {}
        with atomic_dir(out) as directory:
            for part in PARTS[1:]:
                as_it_is = list(iter_pairs(raw, part, languages))
                pairs = [(normalise(a, rules[0]), normalise(b, rules[1])) for a, b in as_it_is]
                forbidden = {side: f"bitext/{part}" for pair in pairs for side in pair} | forbidden
                parts[part] = [pair for pair in pairs if all(pair)]
                report[part] = _report(len(pairs), write_pairs(directory, part, languages, parts[part]),
                                       {"empty": len(pairs) - len(parts[part])}, raw, part)
                with atomic_write(raw_side(directory, part, languages[0])) as handle:
                    handle.writelines(f"{a}\n" for (a, _), pair in zip(as_it_is, pairs, strict=True) if all(pair))
            scripts = [scripts_of(pair[side] for pairs in parts.values() for pair in pairs) for side in (0, 1)]
            cleaner = _Cleaner(rules, clean, scripts, forbidden, keep_leaks=leaks == "report")
            n_pairs = write_pairs(directory, "train", languages, cleaner.kept(iter_pairs(raw, "train", languages)))
            if leaks == "stop":
                stop_at_leaks(raw, cleaner.leaks)
            report = {"train": _report(cleaner.n_raw, n_pairs, cleaner.dropped, raw, "train")} | report
            write_json(directory / "dropped.json", report)
        raws = [raw_side(out, part, languages[0]) for part in PARTS[1:]]
        stage.finish([*bitext_files(out, languages), *raws, out / "dropped.json"],
                     figures={**{part: report[part]["n_pairs"] for part in PARTS}, "leaks": leak_report(cleaner.leaks)})
    figures: dict[str, Any] = read_json(stage.marker)["figures"]
    return figures


def _report(n_raw: int, n_pairs: int, dropped: Mapping[str, int], raw: Path, part: str) -> dict[str, Any]:
    if not n_pairs:
        raise DataError(f"{raw}: no pair of {part} is left of {n_raw} (dropped: {dict(dropped)})")
    return {"n_raw": n_raw, "n_pairs": n_pairs, "dropped": {reason: dropped[reason] for reason in sorted(dropped)}}


class _Cleaner:
    """Keeps the pairs that MT may learn from and counts the others by reason."""

    def __init__(self, rules: Sequence[Profile], options: CleanOptions, scripts: Sequence[frozenset[str]],
                 held_out: Mapping[str, str], *, keep_leaks: bool) -> None:
        self.rules, self.options, self.held_out, self.keep_leaks = rules, options, held_out, keep_leaks
        self.scripts = scripts if options.scripts else ()
        self.dropped: Counter[str] = Counter()
        self.leaks: list[tuple[str, str]] = []
        self.n_raw = 0

    def kept(self, pairs: Iterator[Pair]) -> Iterator[Pair]:
        seen = Seen()
        while chunk := list(islice(pairs, CHUNK)):
            self.n_raw += len(chunk)
            good = []
            for raw in chunk:
                pair = normalise(raw[0], self.rules[0]), normalise(raw[1], self.rules[1])
                reason = self._problem(raw, pair)
                if reason is None:
                    good.append(pair)
                else:
                    self.dropped[reason] += 1
            if self.options.duplicates:
                new = seen.new([digest(pair) for pair in good])
                if len(good) > new.sum():
                    self.dropped["duplicate"] += len(good) - int(new.sum())
                good = [pair for pair, first in zip(good, new, strict=True) if first]
            yield from good

    def _problem(self, raw: Pair, pair: Pair) -> str | None:
        if not (pair[0] and pair[1]):
            return "empty"
        held = next((side for side in pair if side in self.held_out), None)
        if held is not None:
            self.leaks.append((held, self.held_out[held]))
            if not self.keep_leaks:
                return "held_out"
        return raw_problem(raw, self.options) or problem(pair, self.options, self.scripts)
