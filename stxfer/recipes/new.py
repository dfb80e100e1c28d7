"""A new recipe: corpora looked at, choices made and told, files written whole or not at all."""

from __future__ import annotations

import itertools
import re
import stat
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from stxfer.core.errors import ConfigError, DataError
from stxfer.core.fileio import atomic_dir
from stxfer.core.records import mistake
from stxfer.corpora.bitext.directory import PARTS
from stxfer.corpora.bitext.lines import Pair
from stxfer.corpora.bitext.parallel import find_sources
from stxfer.corpora.synthetic.spoken_bitext import split_bitext
from stxfer.experiment.data import SpokenBitextOptions
from stxfer.experiment.types import Language
from stxfer.recipes.checks import Amount, Finding, amounts, check_text, check_voice, shared
from stxfer.recipes.speech import Speech, find_speech
from stxfer.text.words import count_words

NAME = re.compile(r"[a-z][a-z0-9_]{1,40}")
PAIRS = 300_000  # of a bitext that are looked at
FEW_PAIRS = 3000  # too few for a translator to learn from
WORDS_A_SECOND = 2.0  # of the synthesiser at its usual rate


@dataclass(frozen=True)
class Asked:
    """What a recipe is made of.

    Attributes:
        name: of the recipe, ``egs2/<name>``.
        languages: codes of source and target.
        speech: speech of the target language.
        source_speech: of the source language; None: the synthesiser reads the bitext.
        bitext: parallel text; None: the translations of the speech are.
        covost: CoVoST 2's table of ``source_speech``.
        columns: what the table of ``speech`` calls our columns.
        source_columns: what that of ``source_speech`` calls them.
        audio_dir: folder that audio paths in the table of ``speech`` are relative to.
    """

    name: str
    languages: tuple[str, str]
    speech: Path
    source_speech: Path | None = None
    bitext: Path | None = None
    covost: Path | None = None
    columns: Mapping[str, str] = field(default_factory=dict)
    source_columns: Mapping[str, str] = field(default_factory=dict)
    audio_dir: Path | None = None


@dataclass
class Found:
    """What a recipe is written from.

    Attributes:
        asked: what was asked for.
        target, source: the corpora; no source: the synthesiser speaks.
        amounts: of the sets, by their names.
        pairs: of the bitext, by part.
        own_bitext: the bitext is the translations of a corpus of speech: ``tgt`` or ``src``; empty: it is not.
        whole_bitext: it has train, dev and test, as the commands want them.
        shared: the bitext holds transcripts of the speech.
        spoken: how the synthesiser chooses sentences; None: it speaks none.
        translator: whether a translator is trained.
        rules: for ``normalise``, by language.
        told: what was said.
    """

    asked: Asked
    target: Speech
    source: Speech | None
    amounts: dict[str, Amount]
    pairs: dict[str, int]
    own_bitext: str = ""
    whole_bitext: bool = False
    shared: bool = False
    spoken: SpokenBitextOptions | None = None
    translator: bool = False
    rules: dict[str, dict[str, object]] = field(default_factory=dict)
    told: list[tuple[str, list[Finding]]] = field(default_factory=list)

    @property
    def human(self) -> bool:
        """Whether source speech has human translations: spoken ones, or the corpus's own."""
        return self.spoken is not None or self.source is not None and self.source.translated


def look(asked: Asked) -> Found:
    """Look at the corpora.

    Raises:
        ConfigError: the name, a code or a combination of corpora is none that a recipe can be made of.
        DataError: a corpus is not there, malformed, or not of a known kind.
    """
    if not NAME.fullmatch(asked.name):
        raise ConfigError(f"{asked.name}: a recipe's name is of small letters, digits and _, as quechua_es")
    for option, code in zip(("--source", "--target"), asked.languages, strict=True):
        if problem := mistake(code, Language, option):
            raise ConfigError(problem)
    if asked.languages[0] == asked.languages[1]:
        raise ConfigError(f"{asked.languages[0]}: source and target are one language")
    source_lang, target_lang = asked.languages
    target = find_speech(asked.speech, (target_lang, source_lang), asked.columns, asked.audio_dir)
    source = None if asked.source_speech is None else find_speech(
        asked.source_speech, asked.languages, asked.source_columns, covost=asked.covost)
    found = Found(asked, target, source, {}, {})
    for prefix, speech in (("tgt", target), ("src", source)):
        if speech is not None:
            some, told = amounts(speech)
            found.amounts |= {f"{prefix}_{part}": amount for part, amount in some.items()}
            found.told.append((f"{speech.path}: {speech.kind}",
                               [*_columns(speech), *map(Finding, speech.told), *told, *_known(speech)]))
    pairs = _bitext(found)
    _texts(found, pairs)
    if source is None:
        found.told.append(("no source speech", [check_voice(source_lang), *_speak(found, pairs)]))
    return found


def _columns(speech: Speech) -> list[Finding]:
    columns = speech.columns
    if columns is None:
        return []
    told = [Finding("columns: " + " ".join(f"{ours}={theirs}" for ours, theirs in columns.named.items())
                    + (f"; not used: {' '.join(columns.unused)}" if columns.unused else ""))]
    if columns.split:
        told.append(Finding(f"column {columns.split} parts the sets: " + " ".join(
            f"{part}={value}" for part, value in columns.values.items())))
    if columns.left:
        told.append(Finding(f"column {columns.split}: rows of other values are not used: " + ", ".join(
            f"{value!r} {count}" for value, count in sorted(columns.left.items())[:5]), look=True))
    if "speaker" not in columns.named:
        told.append(Finding("no column seems to hold the speaker: each utterance is one of its own", look=True))
    return told


def _known(speech: Speech) -> list[Finding]:
    """Say how much of the test set is of speakers that are in training, too."""
    trained = {utterance.speaker for utterance in speech.sets["train"]} - {""}
    test = speech.sets.get("test", [])
    known = sum(utterance.speaker in trained for utterance in test)
    return [Finding(f"test: {known} of {len(test)} utterances are of speakers of train")] if known else []


def _bitext(found: Found) -> dict[str, list[Pair]]:
    """Find the parallel text; return its pairs, by part, and note them."""
    asked, told = found.asked, []
    pairs: dict[str, list[Pair]] = {}
    if asked.bitext is not None:
        sources = find_sources(asked.bitext, asked.languages)
        for source in sources:
            pairs[source.part] = list(itertools.islice(source.read(None), PAIRS))
        if not pairs.get("train"):
            raise DataError(f"{asked.bitext}: has no sentence pairs for training, the part train")
        suffixes = [asked.bitext / f"{part}.{code}" for part in PARTS for code in asked.languages]
        found.whole_bitext = all(path.is_file() for path in suffixes)
        what = f"{asked.bitext}: aligned text"
    elif found.source is not None and found.source.translated:
        told.append(Finding("no bitext: speech translation learns from the corpus's own translations"))
        what = "no bitext"
    elif found.target.translated:
        found.own_bitext = "tgt"
        pairs = {part: [(utterance.translation, utterance.text) for utterance in some if utterance.translation]
                 for part, some in found.target.sets.items()}
        what = f"{asked.speech}: its translations are the bitext"
    else:
        raise ConfigError("nothing tells how to translate: give --bitext, or speech with translations "
                          f"(--columns 'text.{asked.languages[0]}.human=NAME' for a table that has them)")
    found.pairs = {part: len(some) for part, some in pairs.items()}
    train = found.pairs.get("train", 0)
    found.translator = train >= FEW_PAIRS or bool(train) and found.source is not None and not found.source.translated
    if train:
        more = " or more" if train == PAIRS else ""
        told.append(Finding(", ".join(f"{part} {count}" for part, count in found.pairs.items()) + f" pairs{more}"))
        told.append(Finding(f"translator: {_advice(train)}", look=train < FEW_PAIRS))
    found.told.append((what, told))
    return pairs


def _advice(pairs: int) -> str:
    if pairs < FEW_PAIRS:
        return f"{pairs} pairs are too few to learn to translate; one that others have trained, such as NLLB-200 or " \
               "OPUS-MT, is better, if it knows the language (docs/label-sources.md)"
    if pairs < 20000:
        return "trained on these pairs, which is little: read the BLEU that stage 'labels' prints before you trust " \
               "its labels; NLLB-200 or OPUS-MT, if one knows the language, is likely better (docs/label-sources.md)"
    return "trained on these pairs; NLLB-200 or OPUS-MT may be better (docs/label-sources.md)"


def _texts(found: Found, pairs: Mapping[str, list[Pair]]) -> None:
    sides = zip(*itertools.islice(pairs.get("train", []), 20000), strict=True) if pairs.get("train") else ((), ())
    for language, speech, side in zip(found.asked.languages, (found.source, found.target), sides, strict=True):
        rules, told = check_text(language, speech.texts() if speech else (), side)
        if rules:
            found.rules[language] = rules
        if speech is not None and found.own_bitext == "":
            common = shared(speech.texts(), side)
            found.shared = found.shared or bool(common)
            told += common
        found.told.append((f"text of {language}", told))


def _speak(found: Found, pairs: Mapping[str, list[Pair]]) -> list[Finding]:
    """Choose how many sentences of the bitext are spoken; return what becomes of them, by reason."""
    train = len(pairs.get("train", []))
    seconds = found.amounts["tgt_train"].seconds
    words = max(14, round(1.5 * WORDS_A_SECOND * seconds))
    short = Counter(count_words(source) for source, _ in pairs["train"])
    at_least = 2 if sum(n for length, n in short.items() if length < 4) > 0.2 * train else 4
    held = max(1, min(200, train // 20))
    keep = train < 20000
    sizes = {part: min(200, len(pairs[part])) if part in pairs else held for part in ("dev", "test")}
    options = SpokenBitextOptions(
        train_sentences=min(5000, train if keep else train // 4), dev_sentences=sizes["dev"],
        test_sentences=sizes["test"], min_words=at_least, max_words=words, max_chars=8 * words, keep=keep)
    parts = dict(pairs)
    for part in PARTS:
        if part not in parts:  # prepare_bitext takes it from train
            parts[part], parts["train"] = parts["train"][:held], parts["train"][held:]
    split = split_bitext(parts, found.asked.languages, options)
    told = []
    for part in PARTS:
        if not split.spoken[part]:
            raise DataError(f"{found.asked.bitext or found.asked.speech}: no sentence of {part} can be spoken; left "
                            f"out: {_reasons(split.not_spoken[part])}")
        few = part == "train" and len(split.spoken[part]) < 0.3 * options.train_sentences
        told.append(Finding(f"{part}: {len(split.spoken[part])} of {len(parts[part])} pairs are spoken; the others: "
                            f"{_reasons(split.not_spoken[part])}", look=few))
    found.spoken = options
    return told


def _reasons(left: Sequence[tuple[str, Pair]]) -> str:
    count = Counter(reason for reason, _ in left)
    return ", ".join(f"{reason} {n}" for reason, n in count.most_common()) or "none"


def write(found: Found, files: Mapping[str, str], egs: Path) -> Path:
    """Write a recipe's files, by their paths in it.

    Raises:
        ConfigError: there is a recipe of that name.
    """
    out = egs / found.asked.name
    if out.exists():
        raise ConfigError(f"{out}: is there already; give another name, or remove it")
    with atomic_dir(out) as folder:
        for name, text in files.items():
            path = folder / "asr1" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
            if text.startswith("#!"):
                path.chmod(path.stat().st_mode | stat.S_IXUSR | stat.S_IXGRP | stat.S_IXOTH)
    return out / "asr1"
