"""Translate many sentences so that a kill costs one shard: what is finished is kept, nothing is done twice."""

from __future__ import annotations

import json
import logging
import shutil
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

from stxfer.core.errors import StxferError
from stxfer.core.fileio import atomic_write, locked, read_json, write_json
from stxfer.core.progress import Progress
from stxfer.core.records import read_rows
from stxfer.experiment.records import TranslatedSentence
from stxfer.mt.translator import Translation

PLAN = "plan.json"
log = logging.getLogger(__name__)


class Unit(NamedTuple):
    """What is translated once: a sentence; of a translator that looks utterances up, an utterance's sentence."""

    sentence: str
    key: str = ""


Translate: TypeAlias = "Callable[[Sequence[Sequence[Unit]]], Iterable[tuple[Sequence[Unit], list[list[Translation]]]]]"


def translate_units(units: Sequence[Unit], translate: Translate, work: Path, *, identity: Mapping[str, Any],
                    nbest: int = 1, shard: int = 1000, what: str = "labels") -> dict[Unit, list[Translation]]:
    """Translate distinct units, the longest first, a shard at a time; a killed run is resumed.

    Args:
        units: what to translate, each once.
        translate: yields shards with their translations, in any order; called only if something is left to do.
        work: directory of the finished shards. The caller removes it when the result is safe elsewhere.
        identity: what decides the translations; shards of another one are thrown away.
        nbest: translations wanted of each.
        shard: units a shard.
        what: how messages call the work.

    Returns:
        The translations of every unit, best first, possibly none.

    Raises:
        StxferError: the translator failed, or another process is at work in ``work``.
    """
    with locked(work):
        begin_work(work, identity, nbest, what)
        done: dict[Unit, list[Translation]] = {}
        for path in sorted(work.glob("*.jsonl")):  # each was written whole or not at all
            done |= read_translations(path)
        if done:
            log.info("%s: %d of %d sentences were translated before", what, sum(u in done for u in units), len(units))
        left = [unit for unit in units if unit not in done]
        shards = shards_of(left, shard)
        number = len(list(work.glob("*.jsonl")))
        progress = Progress(what, len(units), "sentences", done=len(units) - len(left))
        try:
            for batch, found in translate(shards) if shards else ():
                done |= zip(batch, found, strict=True)
                write_translations(work / f"{number:06d}.jsonl", {unit: done[unit] for unit in batch})
                number += 1
                progress.add(len(batch))
        except StxferError as error:
            raise type(error)(f"{what}: after {len(done)} of {len(units)} sentences {error}; what is translated is "
                              "kept, the same command resumes there") from error.__cause__
    return {unit: done[unit] for unit in units}


def begin_work(work: Path, identity: Mapping[str, Any], nbest: int, what: str) -> None:
    """Write down what decides the translations in ``work``; shards of something else are thrown away."""
    plan = json.loads(json.dumps({"translator": dict(identity), "nbest": nbest}))
    if (work / PLAN).exists() and read_json(work / PLAN) != plan:
        log.info("%s: begun with another translator, starts again", what)
        for path in work.glob("*.jsonl"):
            path.unlink()
    write_json(work / PLAN, plan)


def shards_of(units: Iterable[Unit], shard: int) -> list[list[Unit]]:
    """Return the units in shards of so many, the longest first."""
    ordered = sorted(units, key=lambda unit: (-len(unit.sentence), unit))
    return [ordered[start:start + shard] for start in range(0, len(ordered), shard)]


def translate_some(numbered: Sequence[tuple[int, Sequence[Unit]]], translate: Translate, work: Path) -> None:
    """Translate shards of a work directory that :func:`begin_work` has begun, those that are not there yet.

    Args:
        numbered: shards, with their numbers.
        translate: see :func:`translate_units`.
        work: where each becomes a file that :func:`translate_units` finds.
    """
    todo = {tuple(units): path for number, units in numbered if not (path := work / f"part{number:06d}.jsonl").exists()}
    for batch, found in translate(list(todo)) if todo else ():
        write_translations(todo[tuple(batch)], dict(zip(batch, found, strict=True)))


def remove_work(work: Path) -> None:
    """Remove the finished shards, once what was made of them is safe."""
    shutil.rmtree(work, ignore_errors=True)


def write_translations(path: Path, found: Mapping[Unit, Sequence[Translation]]) -> None:
    """Write units with their translations, a JSON object a line."""
    with atomic_write(path) as handle:
        for unit, best in found.items():
            row = {**unit._asdict(), "translations": [[t.text, t.score, *[True] * t.unknown] for t in best]}
            handle.write(json.dumps(row, ensure_ascii=False) + "\n")


def read_translations(path: Path) -> dict[Unit, list[Translation]]:
    """Return what :func:`write_translations` wrote.

    Raises:
        DataError: a line is not as it writes them.
    """
    return {Unit(row["sentence"], row["key"]): [Translation(*found) for found in row["translations"]]
            for row in read_rows(path, TranslatedSentence)}
