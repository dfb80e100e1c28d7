"""What training shares with dev and test: sentences, nearly the same sentences, audio, recordings, speakers."""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from stxfer.audio.check import AudioReport
from stxfer.audio.perturb import COPY
from stxfer.core.errors import DataError
from stxfer.experiment.prepare import PrepareOptions
from stxfer.kaldi.datadir import DataDir
from stxfer.kaldi.table import iter_table
from stxfer.prepare.held_audio import HELD_AUDIO, Found, HeldAudio, read_held_audio
from stxfer.text.leaks import N_EXAMPLES, find_leaks, leak_report, stop_at_leaks
from stxfer.text.near import NearIndex

REMOVED = "leak"  # the kind of what is dropped for it
_STAGE = "prepare"


def leaks_of(data: DataDir, utts: Sequence[str], held: Mapping[str, str], audio: HeldAudio,
             reports: Mapping[str, AudioReport], options: PrepareOptions) -> tuple[dict[str, str], dict[str, Any]]:
    """Find what a training set shares with dev and test sets.

    Args:
        data: the training set, its texts normalised.
        utts: its utterances that can be used.
        held: the sentences of dev and test sets, each with where it stands.
        audio: the audio of dev and test sets.
        reports: what was found in the training set's audio.
        options: what becomes of leaks.

    Returns:
        Why utterances are dropped, and figures: of sentences (``leaks``, see :func:`stxfer.text.leaks.leak_report`,
        with those nearly the same under ``near``) and of audio (``audio_leaks``: ``n``, ``recordings`` that have other
        parts in dev and test, ``examples``).

    Raises:
        DataError: there are leaks, and an option is ``stop``.
    """
    texts = {utt: (data.text[utt], *(table[utt] for table in data.texts.values())) for utt in utts}
    sentences = find_leaks(texts, held)
    if options.leaks == "stop":
        stop_at_leaks(data.path, list(sentences.values()))
    heard = {utt: found for utt in utts if (found := audio.find(data.audio(utt), reports[utt].digest))}
    if options.audio_leaks == "stop" and heard:
        first = min(heard)
        raise DataError(f"{data.path}: {len(heard)} utterances have audio of dev or test, e.g. {first}: "
                        f"{_said(heard[first])}; take them out, or set audio_leaks to remove or report")
    dropped = {}
    if options.audio_leaks == "remove":
        dropped = {utt: f"{_STAGE}\t{REMOVED}: {_said(found)}" for utt, found in heard.items()}
    if options.leaks == "remove":
        dropped |= {utt: f"{_STAGE}\t{REMOVED}: {sentence!r} stands in {place}"
                    for utt, (sentence, place) in sentences.items()}
    near = _near({utt: some for utt, some in texts.items() if utt not in sentences}, held)
    shared = audio.recordings & {data.audio(utt).path for utt in utts if utt not in heard}
    return dropped, {
        "leaks": {**leak_report(list(sentences.values())), "near": near},
        "audio_leaks": {"n": len(heard), "recordings": len(shared), "examples": [
            {"utterance": utt, "audio": _said(heard[utt])} for utt in sorted(heard)[:N_EXAMPLES]]}}


def _said(found: Found) -> str:
    return f"{found.how} {found.place}"


def _near(texts: Mapping[str, Sequence[str]], held: Mapping[str, str]) -> dict[str, Any]:
    """Count the utterances that have a sentence nearly the same as a held-out one, with examples."""
    if not held:
        return {"n": 0, "examples": []}
    index, n = NearIndex(held), 0
    examples: list[dict[str, str]] = []
    for sentences in texts.values():
        found = next(((sentence, other) for sentence in sentences if (other := index.find(sentence))), None)
        if found is None:
            continue
        n += 1
        if len(examples) < N_EXAMPLES:
            examples.append({"sentence": found[0], "near": found[1], "in": held[found[1]]})
    return {"n": n, "examples": examples}


def shared_speakers(out: Path, sets: Collection[str]) -> dict[str, dict[str, Any]]:
    """Return which speakers of each dev and test set speak in the training sets of its side, of a test set in dev, too.

    Args:
        out: the folder of prepared sets.
        sets: their names.

    Returns:
        By dev and test set: ``speakers``, their number, None where each utterance is a speaker of its own, and
        ``shared``: by the other set ``n`` speakers, the ``utterances`` of theirs in the dev or test set, ``examples``.
    """
    found = {}
    speakers_of = {name: set(_speakers(out / name).values()) for name in sets}
    for name in sets:
        if _is(name, "train"):
            continue
        utt2spk = _speakers(out / name)
        known = any(utt != speaker for utt, speaker in utt2spk.items())
        speakers = speakers_of[name] if known else set()
        shared = {}
        for other, theirs in speakers_of.items():
            if other.partition("_")[0] == name.partition("_")[0] and (
                    _is(other, "train") or _is(other, "dev") and _is(name, "test")):
                both = speakers & theirs
                shared[other] = {"n": len(both), "utterances": sum(spk in both for spk in utt2spk.values()),
                                 "examples": sorted(both)[:N_EXAMPLES]}
        found[name] = {"speakers": len(speakers) if known else None, "shared": shared}
    return found


def check_speakers(out: str | os.PathLike[str], speakers: Mapping[str, Mapping[str, Any]], limit: float) -> None:
    """Check that no more than a share of a dev or test set's speakers speaks in a training set.

    Args:
        out: the folder of prepared sets, for the message.
        speakers: see :func:`shared_speakers`.
        limit: the share.

    Raises:
        DataError: one has more; counts them, with examples.
    """
    for name, of in speakers.items():
        for other, shared in of["shared"].items():
            if _is(other, "train") and shared["n"] > limit * (of["speakers"] or 0):
                raise DataError(f"{Path(out) / name}: {shared['n']} of its {of['speakers']} speakers speak in {other}, "
                                f"too, more than max_shared_speakers {limit:g} allows, e.g. "
                                f"{' '.join(shared['examples'])}; take sets that share none, or raise the limit")


def dev_in_test(out: Path, held_out: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Count the audio of test sets in dev sets, which is left there, with examples.

    Args:
        out: the folder of prepared sets.
        held_out: the dev and test sets.
    """
    tests = HeldAudio(out, [name for name in held_out if _is(name, "test")])
    found = {}
    for name in held_out:
        if not _is(name, "test"):
            heard = {utt: some for utt, digest, audio in read_held_audio(out / name / HELD_AUDIO)
                     if (some := tests.find(audio, digest))}
            found[name] = {"n": len(heard), "examples": [{"utterance": utt, "audio": _said(some)}
                                                         for utt, some in list(heard.items())[:N_EXAMPLES]]}
    return found


def _is(name: str, part: str) -> bool:
    return part in name.split("_")


def _speakers(directory: Path) -> dict[str, str]:
    """Return the speaker of each utterance, copies at other speeds counted as what they are copies of."""
    def original(name: str) -> str:
        copy = COPY.fullmatch(name) if name.startswith("sp") else None
        return copy[2] if copy else name

    return {original(utt): original(speaker)
            for utt, speaker in iter_table(directory / "utt2spk", empty_values=False)}


def leak_summary(options: PrepareOptions, figures: Mapping[str, Mapping[str, Any]],
                 speakers: Mapping[str, Mapping[str, Any]], in_dev: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """Return what ``leaks.json`` says.

    Args:
        options: what became of leaks.
        figures: of sets and bitext.
        speakers: see :func:`shared_speakers`.
        in_dev: see :func:`dev_in_test`.
    """
    text = {name: of["leaks"] for name, of in figures.items() if "leaks" in of}
    audio = {name: of["audio_leaks"] for name, of in figures.items() if "audio_leaks" in of}
    return {"leaks": options.leaks, "n": sum(leak["n"] for leak in text.values()), "found_in": text,
            "audio": {"leaks": options.audio_leaks, "n": sum(leak["n"] for leak in audio.values()), "found_in": audio,
                      "dev_in_test": in_dev},
            "speakers": speakers}
