"""Shards of sentences translated by several processes, each with a translator of its own and one thread.

A shard is translated by itself, so that how many processes there are changes no translation.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple, TypeAlias

from stxfer.core.devices import devices
from stxfer.core.errors import DataError, StxferError
from stxfer.core.pool import worker_pool
from stxfer.core.threads import computed_on
from stxfer.mt.open import Opener, kind_of
from stxfer.mt.shards import Unit
from stxfer.mt.translator import Translation, Translator
from stxfer.mt.translators.kind import LabelSource

Translated: TypeAlias = "tuple[Sequence[Unit], list[list[Translation]], dict[str, Any]]"


class Job(NamedTuple):
    """A shard, and the translator that translates it."""

    units: Sequence[Unit]
    source: LabelSource
    identity: Mapping[str, Any]
    nbest: int


def translate_shards(opener: Opener, shards: Sequence[Sequence[Unit]], nbest: int, what: str) -> Iterator[Translated]:
    """Yield each shard with its translations and what has made them, as it is done.

    The last holds the identity of the ``translator`` that was opened, and what its process has ``computed`` on, see
    :func:`stxfer.core.threads.computed_on`.

    Args:
        opener: the label source's translator, and how many processes it may be opened in.
        shards: what to translate.
        nbest: translations wanted of each sentence.
        what: how messages call the work.

    Raises:
        StxferError: the translator failed, or a process was killed.
    """
    processes = min(opener.threads, len(shards)) if opener.kind.by_process and not devices() else 1
    if processes <= 1:
        for units in shards:
            yield units, translate_shard(units, opener(), nbest), _made_by(opener())
        return
    jobs = [Job(units, opener.source, opener.identity, nbest) for units in shards]
    with worker_pool(processes) as pool:
        yield from pool.run(_run, jobs, what=what)


def _run(job: Job) -> Translated:
    translator = _translator(job.source, job.identity)
    return job.units, translate_shard(job.units, translator, job.nbest), _made_by(translator)


def _made_by(translator: Translator) -> dict[str, Any]:
    return {"translator": dict(translator.identity), "computed": computed_on()}


_opened: list[tuple[LabelSource, Mapping[str, Any], Translator]] = []


def _translator(source: LabelSource, identity: Mapping[str, Any]) -> Translator:
    """Return a label source's translator, opened once in a process."""
    if not _opened or _opened[0][:2] != (source, identity):
        kind = kind_of(source.label)
        assert kind is not None
        _opened[:] = [(source, identity, kind.open(source, identity, 1))]
    return _opened[0][2]


def translate_shard(units: Sequence[Unit], translator: Translator, nbest: int) -> list[list[Translation]]:
    """Return the translations of each unit of a shard.

    Raises:
        StxferError: the translator failed.
    """
    keys = [unit.key for unit in units]
    try:
        found = translator.translate([unit.sentence for unit in units], nbest, keys if all(keys) else ())
    except (StxferError, OSError, RuntimeError) as error:  # RuntimeError: the libraries', out of memory say
        raise StxferError(f"the translator failed: {' '.join(str(error).split())}") from error
    if len(found) != len(units):
        raise DataError(f"the translator gave {len(found)} translations of {len(units)}")
    return [list(best)[:nbest] for best in found]
