"""Hypotheses beside references, aligned, as the page's script shows them: compact, and no more than a page holds."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from stxfer.report.comparisons import headline_metric
from stxfer.report.runs import Run
from stxfer.score.alignment import edits

Audio = Callable[[str, str], str]
"""Where the audio of a set's utterance is, as an address; empty where it is not."""
UNITS = {"wer": "word", "cer": "character"}


def utterance_groups(runs: Mapping[str, Sequence[Run]], durations: Mapping[str, Mapping[str, float]], audio: Audio,
                     most: int, pairs: Sequence[tuple[str, str]]) -> list[dict[str, Any]]:
    """Return the utterances of each test set and task with the hypotheses of all systems, of the first seed each.

    Args:
        runs: by system.
        durations: seconds of utterances, by set.
        audio: see :data:`Audio`.
        most: utterances of a set; of more, so many at even distances.
        pairs: systems and what they are held against; the first pair of a set is the one that is shown first.

    Returns:
        Of each set and task: ``set``, ``task``, ``unit`` that errors are counted in (``word``, ``character`` or, of
        translations, empty), ``systems``, ``seeds``, ``pair`` (numbers of two systems), ``total`` and
        ``utts``: name, speaker, seconds, audio, reference, and for each system 0 where it is right, else hypothesis
        and :func:`stxfer.score.alignment.edits`.
    """
    tasks: dict[tuple[str, str], list[Run]] = {}
    for of_system in runs.values():
        first = of_system[0]
        tasks.setdefault((first.score["set"], first.score["task"]), []).append(first)
    return [_group(name, task, of, durations.get(name, {}), audio, most, pairs)
            for (name, task), of in sorted(tasks.items(), key=lambda item: item[0][0] != "tgt_test")] if most else []


def _group(name: str, task: str, runs: Sequence[Run], durations: Mapping[str, float], audio: Audio, most: int,
           pairs: Sequence[tuple[str, str]]) -> dict[str, Any]:
    unit = UNITS.get(headline_metric(runs[0].score["metrics"]), "")
    systems = [run.name for run in runs]
    pair = next(([systems.index(one), systems.index(other)] for one, other in pairs if {one, other} <= {*systems}),
                [len(systems) - 1, 0])
    return {"set": name, "task": task, "unit": unit, "systems": systems, "seeds": [run.seed for run in runs],
            "pair": pair, "total": len(runs[0].utts),
            "utts": [_utterance(name, runs, number, unit, durations, audio)
                     for number in evenly(len(runs[0].utts), most)]}


def _utterance(name: str, runs: Sequence[Run], number: int, unit: str, durations: Mapping[str, float], audio: Audio
               ) -> list[Any]:
    utt = runs[0].utts[number]
    ref = _units(utt["ref"], unit)
    found: list[Any] = [utt["utt"], utt.get("speaker") or "", durations.get(utt["utt"], 0), audio(name, utt["utt"]),
                        utt["ref"]]
    for run in runs:
        hyp = run.utts[number]["hyp"]
        found.append(0 if hyp == utt["ref"] else [hyp, edits(ref, _units(hyp, unit)) if unit else ""])
    return found


def _units(text: str, unit: str) -> list[str]:
    return list("".join(text.split())) if unit == "character" else text.split()


def evenly(total: int, most: int) -> Iterator[int]:
    """Yield at most ``most`` numbers below ``total``, at even distances."""
    count = min(total, most)
    yield from (number * total // count for number in range(count))
