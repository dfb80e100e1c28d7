"""Checks of a set's utterances: audio that would spoil training, transcripts that cannot be what is said."""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from stxfer.audio.check import AudioReport, Limits, inspect_all
from stxfer.core.pool import Pool
from stxfer.core.progress import Progress
from stxfer.kaldi.datadir import DataDir
from stxfer.text.annotation import Marker, spoken
from stxfer.text.profiles import Profile
from stxfer.text.survey import Survey


def check_audio(data: DataDir, limits: Limits, pool: Pool) -> dict[str, AudioReport]:
    """Decode every utterance and return what was found, by utterance, sorted."""
    progress = Progress(f"check {data.path.name}", len(data))
    reports: dict[str, AudioReport] = {}
    for utt, report in inspect_all(data, limits, pool):
        reports[utt] = report
        progress.add(1, report.seconds)
    return dict(sorted(reports.items()))


def audio_summary(reports: Mapping[str, AudioReport]) -> dict[str, Any]:
    """Return how many utterances have which sampling rate, number of channels and problem, and what is wrong where.

    ``problems`` holds, by kind, ``n``, ``dropped`` (whether such utterances are) and ``utterances``, a sentence each.
    """
    problems: dict[str, dict[str, Any]] = {}
    for utt, report in reports.items():
        for problem in report.problems:
            entry = problems.setdefault(problem.kind, {"n": 0, "dropped": problem.fatal, "utterances": {}})
            entry["n"] += 1
            entry["utterances"][utt] = problem.message
    return {"utterances": len(reports), "hours": round(sum(report.seconds for report in reports.values()) / 3600, 4),
            "rates": _counts([report.rate for report in reports.values()]),
            "channels": _counts([report.channels for report in reports.values()]),
            "problems": dict(sorted(problems.items(), key=lambda item: -item[1]["n"]))}


def _counts(values: Sequence[int]) -> dict[str, int]:
    return {str(value): n for value, n in sorted(Counter(values).items()) if value}


def text_problem(raw: Mapping[str, str], text: Mapping[str, str], seconds: float, max_rate: float,
                 profiles: Mapping[str, Profile]) -> str | None:
    """Return ``<kind>: <detail>`` of what is wrong with an utterance's texts, None if nothing is.

    Args:
        raw: its transcript, as ``text``, and translations by file name, before normalising.
        text: the same, normalised.
        seconds: how long it is when played at its speed.
        max_rate: the most characters a second that its transcript can have.
        profiles: how each is normalised, by file name.
    """
    for file, value in text.items():
        if not raw[file].strip():
            return f"no_text: {file} is empty"
        if not value and any(map(str.isalnum, raw[file])) and (found := _annotation(raw[file], profiles[file])):
            return f"{found[0].kind if found[0].kind == 'placeholder' else 'annotation'}: {file} is nothing but " \
                   f"{_short(raw[file])!r}"
        if profiles[file].digits == "refuse" and any(map(str.isdigit, value)):
            return f"digits: {file} has some: {_short(value)!r}"
        if not any(unicodedata.category(char)[0] in "LN" for char in value):
            return f"no_words: {file} has no letter or digit left of {_short(raw[file])!r}"
    if len(text["text"]) > max_rate * seconds:
        return (f"too_much_text: {len(text['text'])} characters in {seconds:.2f} s, over {max_rate:g} a second: "
                f"{_short(text['text'])!r}")
    return None


def text_summary(texts: Mapping[str, tuple[Mapping[str, str], Profile]]) -> dict[str, Any]:
    """Return, by file, the annotation and the doubtful words of raw text, and ``advice`` where no profile knows them.

    See :meth:`stxfer.text.survey.Survey.summary`; ``advice`` is rules for the language's line under ``normalise``.
    """
    found = {}
    for file, (table, rules) in texts.items():
        survey = Survey(rules)
        survey.add(table.values())
        counts = {f"U+{ord(char):04X}": n for char, n in survey.apostrophes.most_common()}
        between = {f"U+{ord(char):04X}": n for char, n in survey.between.most_common()}
        found[file] = {**survey.summary(), "apostrophes": counts, "between_letters": between,
                       "advice": survey.suggestions() if rules.name == "default" else {}}
    return found


def _annotation(text: str, rules: Profile) -> list[Marker]:
    found: list[Marker] = []
    spoken(unicodedata.normalize("NFC", text), rules, found)
    return found


def _short(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= 40 else f"{text[:39]}…"
