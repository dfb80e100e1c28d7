"""Stage 2: ``data/bitext`` normalised, its training part cleaned by :mod:`stxfer.corpora.bitext.rules`."""

from __future__ import annotations

import os
import unicodedata
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

from stxfer.core.errors import DataError
from stxfer.core.fileio import atomic_dir, atomic_write, write_json
from stxfer.core.fresh import Declared
from stxfer.core.marker import figures_of
from stxfer.core.stage import Stage
from stxfer.corpora.bitext.directory import PARTS, bitext_files, iter_pairs, raw_side, write_pairs
from stxfer.corpora.bitext.lines import Pair
from stxfer.corpora.bitext.rules import Seen, pair_hash, problem, raw_problem, scripts_of
from stxfer.experiment.clean import CleanOptions
from stxfer.text.annotation import Marker, spoken
from stxfer.text.leaks import N_EXAMPLES, leak_report, stop_at_leaks
from stxfer.text.normalise import normalise, written
from stxfer.text.profiles import PROFILES, Profile, of_bitext, profile

CHUNK = 20000  # pairs looked at together
SHOWN = 200  # characters of an example


def clean_bitext(raw: str | os.PathLike[str], out: str | os.PathLike[str], languages: Sequence[str],
                 held_out: Mapping[str, str], sources: Sequence[Path], *, leaks: str = "remove",
                 clean: CleanOptions | None = None, profiles: Mapping[str, Profile] = PROFILES, force: bool = False,
                 allow_stale: bool = False, declared: Declared | None = None) -> dict[str, Any]:
    """Normalise a bitext and clean its training part.

    Of dev and test only pairs with an empty side are dropped: what is scored is not chosen here. ``out``
    receives the six files, the source sides of dev and test as they were (:func:`raw_side`), and ``dropped.json``: by
    part the counts of what was dropped by reason, with examples, and by side the annotation that was taken out of
    sentences. The memory used grows by 8 bytes a training pair.

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
        allow_stale: see :class:`stxfer.core.stage.Stage`, as ``declared``.

    Returns:
        The number of pairs by part, and ``leaks``, see :func:`stxfer.text.leaks.leak_report`.

    Raises:
        DataError: malformed input (see :func:`stxfer.corpora.bitext.directory.iter_pairs`), nothing is left of a part,
            or a leak where ``leaks`` is ``stop``.
    """
    raw, out, clean = Path(raw), Path(out), clean or CleanOptions()
    rules = [of_bitext(profile(lang, profiles), clean.square) for lang in languages]
    stage = Stage("prepare bitext", out, [*bitext_files(raw, languages), *sources],
                  {"languages": list(languages), "profiles": [rule.identity for rule in rules], "leaks": leaks,
                   "clean": clean}, "prepare", declared=declared)
    if stage.needed(force=force, allow_stale=allow_stale):
        report: dict[str, Any] = {}
        forbidden = dict(held_out)
        parts: dict[str, list[Pair]] = {}
        with atomic_dir(out) as directory:
            for part in PARTS[1:]:
                as_it_is = list(iter_pairs(raw, part, languages))
                dropped = Dropped(rules)
                pairs = list(map(dropped.normalised, as_it_is))
                forbidden = {side: f"bitext/{part}" for pair in pairs for side in pair} | forbidden
                for given, pair in zip(as_it_is, pairs, strict=True):
                    if reason := nothing_left(given, pair):
                        dropped.add(reason, given)
                parts[part] = [pair for pair in pairs if all(pair)]
                report[part] = _report(len(pairs), write_pairs(directory, part, languages, parts[part]), dropped,
                                       languages, raw, part)
                with atomic_write(raw_side(directory, part, languages[0])) as handle:
                    handle.writelines(f"{written(a, rules[0])}\n"
                                      for (a, _), pair in zip(as_it_is, pairs, strict=True) if all(pair))
            scripts = [scripts_of(pair[side] for pairs in parts.values() for pair in pairs) for side in (0, 1)]
            cleaner = _Cleaner(rules, clean, scripts, forbidden, keep_leaks=leaks == "report")
            n_pairs = write_pairs(directory, "train", languages, cleaner.kept(iter_pairs(raw, "train", languages)))
            if leaks == "stop":
                stop_at_leaks(raw, cleaner.leaks)
            report = {"train": _report(cleaner.n_raw, n_pairs, cleaner.dropped, languages, raw, "train")} | report
            write_json(directory / "dropped.json", report)
        raws = [raw_side(out, part, languages[0]) for part in PARTS[1:]]
        stage.finish([*bitext_files(out, languages), *raws, out / "dropped.json"],
                     figures={**{part: report[part]["n_pairs"] for part in PARTS}, "leaks": leak_report(cleaner.leaks)})
    figures: dict[str, Any] = figures_of(stage.out, dict[str, Any])
    return figures


class Dropped:
    """What is dropped of a part of a bitext: pairs by reason, annotation by side and kind; counts, and a few of each.

    Args:
        rules: of both languages.
    """

    def __init__(self, rules: Sequence[Profile]) -> None:
        self.counts: Counter[str] = Counter()
        self._rules = rules
        self._examples: dict[str, list[Pair]] = {}
        self._annotation: tuple[dict[str, Counter[str]], dict[str, Counter[str]]] = {}, {}

    def normalised(self, pair: Pair) -> Pair:
        """Return a pair normalised, and note its annotation."""
        for side, rules, found in zip(pair, self._rules, self._annotation, strict=True):
            markers: list[Marker] = []
            spoken(unicodedata.normalize("NFC", side), rules, markers)
            for kind, text in markers:
                found.setdefault(kind, Counter())[text[:SHOWN]] += 1
        return normalise(pair[0], self._rules[0]), normalise(pair[1], self._rules[1])

    def add(self, reason: str, pair: Pair) -> None:
        """Count a pair that is dropped, as the corpus has it."""
        self.counts[reason] += 1
        if len(examples := self._examples.setdefault(reason, [])) < N_EXAMPLES:
            examples.append((pair[0][:SHOWN], pair[1][:SHOWN]))

    def report(self, languages: Sequence[str]) -> dict[str, Any]:
        """Return all of it, as JSON can hold it."""
        return {"dropped": dict(sorted(self.counts.items())), "examples": dict(sorted(self._examples.items())),
                "annotation": {lang: {kind: {"n": texts.total(), "examples": [
                    text for text, _ in texts.most_common(N_EXAMPLES)]} for kind, texts in sorted(found.items())}
                    for lang, found in zip(languages, self._annotation, strict=True)}}


def nothing_left(raw: Pair, pair: Pair) -> str | None:
    """Return why a side of a normalised pair is empty: there was ``annotation`` alone, or no word (``empty``)."""
    if pair[0] and pair[1]:
        return None
    lost = any(not side and any(map(str.isalnum, text)) for side, text in zip(pair, raw, strict=True))
    return "annotation" if lost else "empty"


def _report(n_raw: int, n_pairs: int, dropped: Dropped, languages: Sequence[str], raw: Path, part: str
            ) -> dict[str, Any]:
    if not n_pairs:
        raise DataError(f"{raw}: no pair of {part} is left of {n_raw} (dropped: {dict(dropped.counts)})")
    return {"n_raw": n_raw, "n_pairs": n_pairs, **dropped.report(languages)}


class _Cleaner:
    """Keeps the pairs that MT may learn from and counts the others by reason."""

    def __init__(self, rules: Sequence[Profile], options: CleanOptions, scripts: Sequence[frozenset[str]],
                 held_out: Mapping[str, str], *, keep_leaks: bool) -> None:
        self.rules, self.options, self.held_out, self.keep_leaks = rules, options, held_out, keep_leaks
        self.scripts = scripts if options.scripts else ()
        self.dropped = Dropped(rules)
        self.leaks: list[tuple[str, str]] = []
        self.n_raw = 0

    def kept(self, pairs: Iterator[Pair]) -> Iterator[Pair]:
        seen = Seen()
        while chunk := list(islice(pairs, CHUNK)):
            self.n_raw += len(chunk)
            good, origins = [], []
            for raw in chunk:
                pair = self.dropped.normalised(raw)
                reason = self._problem(raw, pair)
                if reason is None:
                    good.append(pair)
                    origins.append(raw)
                else:
                    self.dropped.add(reason, raw)
            if self.options.duplicates:
                new = seen.new([pair_hash(pair) for pair in good])
                for raw, first in zip(origins, new, strict=True):
                    if not first:
                        self.dropped.add("duplicate", raw)
                good = [pair for pair, first in zip(good, new, strict=True) if first]
            yield from good

    def _problem(self, raw: Pair, pair: Pair) -> str | None:
        if reason := nothing_left(raw, pair):
            return reason
        held = next((side for side in pair if side in self.held_out), None)
        if held is not None:
            self.leaks.append((held, self.held_out[held]))
            if not self.keep_leaks:
                return "held_out"
        return raw_problem(raw, self.options) or problem(pair, self.options, self.scripts)
