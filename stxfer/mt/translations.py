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
from stxfer.mt.shards import Unit, read_translations, remove_work, translate_units, write_translations
from stxfer.mt.translator import Translation
from stxfer.mt.translators.kind import Kind
from stxfer.mt.workers import translate_shards
from stxfer.text.words import count_words

FILE = "translations.jsonl"
MADE_BY = "made_by.json"  # beside the shards
SHARD = 1000  # sentences
MAX_WORDS = 400  # of a sentence to translate: two minutes of fast speech


def make_translations(what: str, text: Path, read: Callable[[Path], Mapping[str, str]], out: Path, opener: Opener, *,
                      shard: int = SHARD, force: bool = False, allow_stale: bool = False) -> None:
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
    units = list(dict.fromkeys(unit(opener.kind, utt, sentence) for utt, sentence in read(text).items()
                               if sentence and count_words(sentence) <= MAX_WORDS))
    work = out.with_name(f".{out.name}.shards")
    if force:
        remove_work(work)

    def translate(shards: Sequence[Sequence[Unit]]) -> Iterator[tuple[Sequence[Unit], list[list[Translation]]]]:
        for done, translations, made_by in translate_shards(opener, shards, label.nbest, what):
            write_json(work / MADE_BY, made_by)  # a killed run may have translated all
            yield done, translations

    found = translate_units(units, translate, work, identity=identity, nbest=label.nbest, shard=shard, what=what)
    with atomic_dir(out) as directory:
        write_translations(directory / FILE, found)
    made_by = read_record(work / MADE_BY, Translated) if (work / MADE_BY).exists() else {"translator": identity}
    stage.finish([out / FILE], **{"computed": {}, **made_by})
    remove_work(work)


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
