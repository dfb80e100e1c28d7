"""Where target recognition goes wrong: errors by kind, speaker, length, and by where words have been met before."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from stxfer.report.exposure import HEARD, READ_LM, READ_ST, word_counts
from stxfer.report.runs import Run
from stxfer.score.breakdown import FREQUENCIES, LENGTHS, by_utterance, by_word, changed_words, frequency, length

NEVER = "never"
MET = (HEARD, READ_ST, READ_LM, NEVER)
MOST_CHANGED = 10
SHOWN = 5
SHOWN_MET = {HEARD: "heard", READ_ST: "read by ST", READ_LM: "read by LM", NEVER: "never seen"}


def break_down(runs: Mapping[str, Sequence[Run]], texts: Mapping[str, Sequence[Path]],
               pairs: Sequence[tuple[str, str]]) -> dict[str, Any]:
    """Return the breakdowns of the target systems whose words are counted.

    ``errors``: of a system each, ``sub``, ``del``, ``ins``, ``n_ref``, summed over seeds. ``words``: of a system and a
    kind of word each, ``n``, ``wrong`` and ``value`` (percent), by ``met`` (``heard`` in target training, read only in
    ST's text ``st``, only by a language model ``lm``, ``never``; of all systems together, so that rows are of the same
    words) and ``frequency`` in target training. ``utterances``: of a system and a group each, by ``speaker`` and by
    ``length`` (words), ``n_utts``, ``n_ref``, ``errors`` and ``value`` (WER). ``changed``: of a pair each, the words
    ``gained`` and ``lost``, with how often they are said, and recognised by both.

    Args:
        runs: target systems.
        texts: see :func:`stxfer.report.exposure.training_texts`.
        pairs: systems and baselines; those that are not both there are left out.
    """
    counted = {name: of for name, of in runs.items() if "wer" in of[0].score["metrics"]}
    counts = {where: word_counts(paths) for where, paths in texts.items()}
    found: dict[str, Any] = {"errors": [], "words": [], "utterances": [], "changed": []}
    for name, of_system in counted.items():
        sums = {key: sum(run.score["metrics"]["wer"][key] for run in of_system)
                for key in ("sub", "del", "ins", "n_ref")}
        found["errors"].append({"system": name, "set": of_system[0].score["set"], **sums})
        found["words"] += _words(name, of_system, counts)
        found["utterances"] += _utterances(name, of_system)
    for name, baseline in pairs:
        if name in counted and baseline in counted:
            found["changed"].append(_changed(counted[name], counted[baseline]))
    return found


def _words(name: str, of_system: Sequence[Run], counts: Mapping[str, Mapping[str, int]]) -> list[dict[str, Any]]:
    refs, alignments = [utt["ref"] for utt in of_system[0].utts], [run.alignment for run in of_system]

    def met(word: str) -> str:
        return next((where for where in MET[:-1] if word in counts[where]), NEVER)

    kinds = {"met": by_word(refs, alignments, met, MET),
             "frequency": by_word(refs, alignments, lambda word: frequency(counts[HEARD].get(word, 0)), FREQUENCIES)}
    return [{"system": name, "by": by, "kind": kind, **group.as_json()}
            for by, groups in kinds.items() for kind, group in groups.items()]


def _utterances(name: str, of_system: Sequence[Run]) -> list[dict[str, Any]]:
    lengths = [length(len(utt["ref"].split())) for utt in of_system[0].utts]
    groups = {"length": lengths} | ({"speaker": of_system[0].speakers} if of_system[0].speakers else {})
    rows = []
    for by, of_utterances in groups.items():
        found = by_utterance(of_utterances, ([utt["wer"] for utt in run.utts] for run in of_system))
        order = LENGTHS if by == "length" else sorted(found)
        rows += [{"system": name, "by": by, "kind": kind, **found[kind],
                  "value": 100 * found[kind]["errors"] / found[kind]["n_ref"] if found[kind]["n_ref"] else None}
                 for kind in order if kind in found]
    return rows


def _changed(system: Sequence[Run], baseline: Sequence[Run]) -> dict[str, Any]:
    gained, lost = changed_words([utt["ref"] for utt in system[0].utts], [run.alignment for run in system],
                                 [run.alignment for run in baseline], MOST_CHANGED)
    return {"system": system[0].name, "baseline": baseline[0].name, "gained": [asdict(word) for word in gained],
            "lost": [asdict(word) for word in lost]}


def errors_table(breakdowns: Mapping[str, Any]) -> list[list[str]]:
    """Return a row (the first is the header) for each system: kinds of errors, of words, and the range of speakers."""
    words = {(row["system"], row["kind"]): row for row in breakdowns["words"] if row["by"] == "met"}
    speakers: dict[str, list[float]] = {}
    for row in breakdowns["utterances"]:
        if row["by"] == "speaker" and row["value"] is not None:
            speakers.setdefault(row["system"], []).append(row["value"])
    shown = [kind for kind in MET if any(row["n"] for (_, of), row in words.items() if of == kind)]
    table = [["system", "sub %", "del %", "ins %", *(f"{SHOWN_MET[kind]} %" for kind in shown), "speakers %"]]
    for row in breakdowns["errors"]:
        name, of = row["system"], [words[row["system"], kind]["value"] for kind in shown]
        each = speakers.get(name, [])
        table.append([name, *(f"{100 * row[key] / row['n_ref']:.1f}" for key in ("sub", "del", "ins")),
                      *(f"{value:.1f}" for value in of),
                      f"{min(each):.1f} to {max(each):.1f}" if len(each) > 1 else "-"])
    return table


def met_line(breakdowns: Mapping[str, Any]) -> str:
    """Say how many of the test set's words were met where; empty where no words are counted."""
    first = breakdowns["errors"][0]["system"] if breakdowns["errors"] else ""
    sizes = {row["kind"]: row["n"] for row in breakdowns["words"] if (row["system"], row["by"]) == (first, "met")}
    total = sum(sizes.values())
    if not total:
        return ""
    said = {HEARD: "heard in target training", READ_ST: "read only in ST's text",
            READ_LM: "read only by a language model", NEVER: "never seen"}
    parts = [f"{100 * sizes[kind] / total:.1f} % {said[kind]}" for kind in MET if sizes[kind]]
    return (f"Of the test set's words, {', '.join(parts)}; {100 * (1 - sizes[HEARD] / total):.1f} % are out of the "
            "vocabulary of target training.")


def changed_lines(breakdowns: Mapping[str, Any]) -> list[str]:
    """Say which words each pair gained and lost most, with how often baseline and system recognise them."""
    return [f"{pair['system']} against {pair['baseline']}: gained {_listed(pair['gained'])}; "
            f"lost {_listed(pair['lost'])}" for pair in breakdowns["changed"]]


def _listed(words: Sequence[Mapping[str, Any]]) -> str:
    return ", ".join(f"{word['word']} {word['baseline']:.3g} to {word['system']:.3g} of {word['n']}"
                     for word in words[:SHOWN]) or "none"
