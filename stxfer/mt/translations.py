"""A text's translations by one label source, made once and kept: what labels and scores are made of."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from stxfer.core.fileio import atomic_dir, write_json
from stxfer.core.marker import read_entries
from stxfer.core.records import read_record
from stxfer.core.stage import Stage
from stxfer.experiment.records import Translated
from stxfer.mt.open import Opener
from stxfer.mt.shards import (
    Unit,
    begin_work,
    read_translations,
    remove_work,
    shards_of,
    translate_some,
    translate_units,
    write_translations,
)
from stxfer.mt.translator import Translation
from stxfer.mt.translators.kind import Kind
from stxfer.mt.workers import translate_shards
from stxfer.text.words import count_words

FILE = "translations.jsonl"
MADE_BY = "made_by.json"  # beside the shards
SHARD = 1000  # sentences
MAX_WORDS = 400  # of a sentence to translate: two minutes of fast speech


def make_translations(what: str, text: Path, read: Callable[[Path], Mapping[str, str]], out: Path, opener: Opener, *,
                      shard: int = SHARD, force: bool = False, allow_stale: bool = False,
                      elsewhere: Callable[[int], None] | None = None) -> None:
    """Translate a text into ``<out>/translations.jsonl``, unless that is done; a killed run is resumed.

    Equal sentences are translated once. What is empty or over 400 words long is not translated.

    Args:
        what: how messages call the work, e.g. ``labels mt src_train``.
        text: a file of sentences.
        read: gives the file's sentences by utterance.
        out: directory to write.
        opener: the label source's translator.
        shard: sentences that a kill may cost.
        force: translate again although it is done.
        allow_stale: see :class:`stxfer.core.stage.Stage`.
        elsewhere: has other machines call :func:`translate_part` for the number of shards that it is told.

    Raises:
        StxferError: the translator failed; what it had finished is kept.
    """
    label, identity = opener.label, opener.identity
    declared = {key: options for key, options in (("options", label.options), ("decode", opener.source.decoding))
                if key in identity}
    stage = Stage(f"translations of {what}", out, [text, *opener.inputs],
                  {"translator": {**identity, **declared}, "nbest": label.nbest, "max_words": MAX_WORDS},
                  "labels", declared=opener.declared)
    if not stage.needed(force=force, allow_stale=allow_stale):
        return
    units, work = _units(text, read, opener), _work(out)
    if force:
        remove_work(work)
    if elsewhere is not None:
        begin_work(work, identity, label.nbest, what)
        elsewhere(-(-len(units) // shard))
    found = translate_units(units, lambda shards: _translated(shards, opener, work, what), work, identity=identity,
                            nbest=label.nbest, shard=shard, what=what)
    with atomic_dir(out) as directory:
        write_translations(directory / FILE, found)
    made_by = read_record(work / MADE_BY, Translated) if (work / MADE_BY).exists() else {"translator": identity}
    stage.finish([out / FILE], **{"computed": {}, **made_by})
    remove_work(work)


def translate_part(what: str, text: Path, read: Callable[[Path], Mapping[str, str]], out: Path, opener: Opener,
                   part: slice, *, shard: int = SHARD) -> None:
    """Translate some of the shards of a text for :func:`make_translations`, which has begun and waits for them.

    Args:
        what: how messages call the work; see :func:`make_translations`, also for the others.
        text: a file of sentences.
        read: gives the file's sentences by utterance.
        out: the directory to be written.
        opener: the label source's translator.
        part: which of the shards.
        shard: sentences of each.

    Raises:
        StxferError: the translator failed; what it had finished is kept.
    """
    numbered = list(enumerate(shards_of(_units(text, read, opener), shard)))[part]
    work = _work(out)
    translate_some(numbered, lambda shards: _translated(shards, opener, work, what), work)


def _translated(shards: Sequence[Sequence[Unit]], opener: Opener, work: Path, what: str
                ) -> Iterator[tuple[Sequence[Unit], list[list[Translation]]]]:
    """Yield shards with their translations, and write down what they are made by."""
    for done, translations, made_by in translate_shards(opener, shards, opener.label.nbest, what):
        write_json(work / MADE_BY, made_by)  # a killed run may have translated all
        yield done, translations


def _units(text: Path, read: Callable[[Path], Mapping[str, str]], opener: Opener) -> list[Unit]:
    return list(dict.fromkeys(unit(opener.kind, utt, sentence) for utt, sentence in read(text).items()
                              if sentence and count_words(sentence) <= MAX_WORDS))


def _work(out: Path) -> Path:
    return out.with_name(f".{out.name}.shards")


class Translations:
    """What :func:`make_translations` left in a directory.

    Args:
        directory: its ``out``.
        kind: of the translator.

    Attributes:
        identity: the translator's.
        scored: its translations have scores.
    """

    def __init__(self, directory: Path, kind: Kind) -> None:
        self._found, self._kind = read_translations(directory / FILE), kind
        self.identity: Mapping[str, Any] = read_entries(directory, Translated)["translator"]
        self.scored = any(t.score for best in self._found.values() for t in best)

    def __len__(self) -> int:
        return len(self._found)

    def of(self, utt: str, sentence: str) -> list[Translation] | str:
        """Return the translations of an utterance's sentence, best first, or why it was not translated."""
        found = self._found.get(unit(self._kind, utt, sentence))
        if found is None:
            words = count_words(sentence)
            return f"source too long: {words} words, over {MAX_WORDS}" if words else "empty source"
        return found


def unit(kind: Kind, utt: str, sentence: str) -> Unit:
    """Return what is translated once for an utterance."""
    return Unit(sentence, utt if kind.by_utterance else "")
