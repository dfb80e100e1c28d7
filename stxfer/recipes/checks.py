"""What a person should know of a corpus before a recipe is made of it: audio, durations, letters, voice, translator."""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from stxfer.audio.io import decode, read_header
from stxfer.audio.recording import AudioError
from stxfer.core.errors import DataError
from stxfer.corpora.synthetic.espeak import SynthesisError, synthesise
from stxfer.recipes.speech import Speech, Utterance
from stxfer.text.lookalikes import differences
from stxfer.text.near import sentence_key
from stxfer.text.profiles import Profile, has_profile, of_bitext, profile
from stxfer.text.survey import Survey, script

SAMPLED = 100  # utterances of a set whose headers are read
DECODED = 8  # files of a set that are decoded
RATIO = 2.0  # of the sets' median durations, from which on they are called different
LINES = 20000  # of a bitext that are read
SHARED = 0.05  # of a bitext's sentences that are transcripts, from which on it is told
FOREIGN = 0.01  # share of letters of other scripts from which on they are told


@dataclass(frozen=True)
class Finding:
    """One line for the person; ``look`` where it needs an eye or an answer."""

    text: str
    look: bool = False


@dataclass(frozen=True)
class Amount:
    """How much a set is: utterances, speakers, hours, and seconds, of which those of time by ``SAMPLED`` utterances."""

    utterances: int
    speakers: int
    hours: float
    seconds: float
    longest: float


def amounts(speech: Speech) -> tuple[dict[str, Amount], list[Finding]]:
    """Return how much each set of a corpus is, and what is to be said of its audio.

    Raises:
        DataError: none of a set's sampled files can be read.
    """
    found, told = {}, []
    for part, utterances in speech.sets.items():
        if not utterances:
            raise DataError(f"{speech.path}: {part} has no utterances")
        sample = _evenly(utterances, SAMPLED)
        seconds, broken = [], []
        for utterance in sample:
            try:
                seconds.append(_seconds(utterance))
            except AudioError as error:
                broken.append(str(error))
        for utterance in _evenly(sample, DECODED):
            if utterance.audio and Path(utterance.audio).is_file():
                try:
                    decode(utterance.audio, *(utterance.span or ()))
                except AudioError as error:
                    broken.append(str(error))
        if not seconds:
            raise DataError(f"{speech.path}: no audio of {part} can be read; the first: {broken[0]}")
        if broken:
            told.append(Finding(f"{part}: {len(broken)} of {len(sample)} sampled files cannot be read, the first: "
                                f"{broken[0]}", look=True))
        speakers = {utterance.speaker for utterance in utterances} - {""}
        found[part] = Amount(len(utterances), len(speakers), sum(seconds) / len(seconds) * len(utterances) / 3600,
                             median(seconds), max(seconds))
    for part, amount in found.items():
        told.append(Finding(f"{part}: {amount.utterances} utterances, about {amount.hours:.2f} h, median "
                            f"{amount.seconds:.1f} s, {amount.speakers or 'unnamed'} speakers"))
    return found, told + list(_different_lengths(found))


def _different_lengths(found: Mapping[str, Amount]) -> Iterable[Finding]:
    train = found["train"].seconds
    for part, amount in found.items():
        if max(amount.seconds, train) > RATIO * min(amount.seconds, train):
            yield Finding(f"utterances of {part} last {amount.seconds:.1f} s, of train {train:.1f} s: a model writes "
                          "badly what is longer than what it has learnt; cut the longer ones at pauses, or mix "
                          "durations", look=True)


def _seconds(utterance: Utterance) -> float:
    if utterance.span:
        return utterance.span[1] - utterance.span[0]
    if utterance.audio.rstrip().endswith("|"):
        raise AudioError(utterance.audio, "command", "a command, which 'prepare_kaldi_dir --allow-pipes' runs")
    return read_header(utterance.audio).seconds


def _evenly(items: Sequence[Utterance], count: int) -> Sequence[Utterance]:
    return items if len(items) <= count else [items[k * len(items) // count] for k in range(count)]


def check_text(language: str, transcripts: Iterable[str], bitext: Iterable[str]) -> tuple[dict[str, object],
                                                                                          list[Finding]]:
    """Compare a language's transcripts with its side of a bitext, as its profile makes of both.

    Returns:
        Rules for the recipe's ``normalise``, and what is to be said.
    """
    rules = profile(language)
    heard, read = Survey(rules), Survey(of_bitext(rules))
    heard.add(transcripts)
    read.add(bitext)
    known = has_profile(language)
    told = [Finding(f"{language}: {'rules of its own' if known else 'no rules of its own, the default ones'} for "
                    f"normalising ({rules.identity})", look=not known)]
    told += _scripts(language, rules, heard, read if read.n_lines else None)
    advice: dict[str, object] = {rule: value for rule, value in heard.suggestions().items()
                                 if value != getattr(rules, rule)}
    replaced: dict[str, str] = {}
    for found in differences(heard.after, read.after):
        told.append(Finding(f"{language}: transcripts have {_named(found.one)} {found.n_one} times, the bitext has "
                            f"{_named(found.other)} {found.n_other} times; the recipe makes them one", look=True))
        if found.is_apostrophe:
            signs = str(advice.get("apostrophes", rules.apostrophes)) + found.one + found.other
            advice["apostrophes"] = "".join(dict.fromkeys(signs))
        else:
            replaced[found.other] = found.one
    if advice.get("apostrophe_after"):
        told.append(Finding(f"{language}: words end in an apostrophe, after {advice['apostrophe_after']}; the recipe "
                            "keeps those. If they are quotation marks, take the line out of conf/base.yaml", look=True))
    if replaced:
        advice["replace"] = {**dict(rules.replace), **replaced}
    lacking = _only_there(read.after, heard.after)
    if heard.n_lines and lacking:
        told.append(Finding(f"{language}: letters of the bitext that no transcript has: {' '.join(lacking)}; the model "
                            "cannot learn to hear them", look=True))
    return advice, told


def _scripts(language: str, rules: Profile, heard: Survey, read: Survey | None) -> Iterable[Finding]:
    own = {name.partition("_")[0] for name in rules.scripts}
    for what, survey in (("transcripts", heard), ("bitext", read)):
        if survey is None or not survey.after:
            continue
        count: Counter[str] = Counter()
        for char, n in survey.after.items():
            if char.isalpha() and unicodedata.category(char) != "Lm":
                count[script(char)] += n
        foreign = {name: n for name, n in count.items() if own and name not in own and n > FOREIGN * count.total()}
        if foreign or not own:
            yield Finding(f"{language}: {what} are in {', '.join(name for name, _ in count.most_common(3))} letters"
                          + (f", its rules know {' '.join(sorted(own))}" if own else ""), look=bool(foreign))


def _only_there(there: Counter[str], here: Counter[str]) -> list[str]:
    letters = Counter({char: n for char, n in there.items() if char.isalpha() and char not in here})
    return [char for char, n in letters.most_common(12) if n > 0.0005 * there.total()]


def _named(char: str) -> str:
    return f"{char} (U+{ord(char):04X} {unicodedata.name(char, 'without a name')})"


def shared(transcripts: Iterable[str], bitext: Sequence[str]) -> list[Finding]:
    """Say whether a bitext holds the sentences of the speech: those of its dev and test are then lost to training."""
    spoken = set(map(sentence_key, transcripts))
    count = sum(sentence_key(sentence) in spoken for sentence in bitext)
    if count <= SHARED * len(bitext):
        return []
    return [Finding(f"{count} of {len(bitext)} sentences of the bitext are transcripts of the speech: stage 'prepare' "
                    "takes the bitext's dev and test out of the training speech; the recipe makes them small, and a "
                    "dev and a test that the speech lacks would be better", look=True)]


def check_voice(language: str) -> Finding:
    """Say whether the synthesiser speaks a language.

    Raises:
        DataError: it does not.
    """
    try:
        synthesise("a e i o u 1 2 3", language)
    except SynthesisError as error:
        raise DataError(f"{language}: {error}. Without a voice there has to be source speech: "
                        "--source-speech") from None
    return Finding(f"{language}: the synthesiser has a voice")
