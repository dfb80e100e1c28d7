"""What a language model learns from: texts of an experiment and other files, without dev and test sentences."""

from __future__ import annotations

import contextlib
import logging
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from stxfer.core.errors import DataError
from stxfer.core.fileio import atomic_write, write_json
from stxfer.core.workdir import WorkDir
from stxfer.experiment.config import Experiment
from stxfer.experiment.declared import LanguageModel
from stxfer.experiment.layout import TEXT, features_dir, prepared_dir, text_path, vocab_dir
from stxfer.experiment.types import is_named_text
from stxfer.kaldi.table import iter_table
from stxfer.prepare.texts import lines, named_sentences
from stxfer.text.leaks import held_out, stop_at_leaks
from stxfer.text.normalise import normalise
from stxfer.text.vocab import MODEL, open_pieces

LENGTHS = "lengths"
log = logging.getLogger(__name__)

def lm_language(experiment: Experiment, lm: LanguageModel) -> str:
    """Return the language of a language model: the source's with vocabulary ``source``, else the target's."""
    return experiment.source_lang if lm.vocab == "source" else experiment.target_lang


def lm_texts(experiment: Experiment, lm: LanguageModel, dump: Path) -> dict[str, Path]:
    """Return the files that a language model learns from, by the names that the experiment gives them."""
    language = lm_language(experiment, lm)
    return {text: text_path(text, language, experiment.labels, dump) if is_named_text(text) else Path(text)
            for text in lm.text}


def lm_dev_text(experiment: Experiment, lm: LanguageModel, dump: Path) -> Path:
    """Return the transcripts of the development set of a language model's language."""
    side = "src" if lm_language(experiment, lm) == experiment.source_lang else "tgt"
    return features_dir(dump, f"{side}_dev") / TEXT


def write_lm_text(experiment: Experiment, name: str, dump: Path, out: Path) -> None:
    """Write what a language model learns from, and its development set, as training reads them.

    ``train`` and ``dev`` get ``text`` and ``lengths`` (tokens, the end of the sentence included); ``dropped.tsv`` lists
    sentences of dev and test sets that stood in the texts (where, the sentence, the set), ``text.json`` counts by text,
    tokens without a piece (``unknown``) too, of which there is a warning. Sentences of files are normalised; those of
    the experiment's texts are already.

    Args:
        experiment: what is declared; its ``prepare.leaks`` says what becomes of such sentences.
        name: the language model.
        dump: directory of prepared texts and vocabularies.
        out: an existing directory.

    Raises:
        DataError: a file is absent or malformed, no text is left, or a leak where ``leaks`` is ``stop``.
    """
    lm = experiment.lm[name]
    held = held_out(prepared_dir(dump))
    tokenizer = open_pieces(vocab_dir(dump, lm.vocab) / MODEL)
    rules = experiment.profile(lm_language(experiment, lm))
    counts: dict[str, Counter[str]] = {}
    leaks: list[tuple[str, str]] = []
    with _table(out / "train", tokenizer) as table, atomic_write(out / "dropped.tsv") as dropped:
        for text, path in lm_texts(experiment, lm, dump).items():
            counts[text] = Counter(sentences=0, kept=0, empty=0, held_out=0, unknown=0)
            for where, raw in named_sentences(path) if is_named_text(text) else lines(path):
                sentence = raw if is_named_text(text) else normalise(raw, rules)
                counts[text]["sentences"] += 1
                if not sentence:
                    counts[text]["empty"] += 1
                    continue
                if sentence in held:
                    counts[text]["held_out"] += 1
                    leaks.append((sentence, held[sentence]))
                    dropped.write(f"{WorkDir.of(out).stored(path)}:{where}\t{sentence}\t{held[sentence]}\n")
                    if experiment.prepare.leaks != "report":
                        continue
                counts[text]["kept"] += 1
                counts[text]["unknown"] += table.add(sentence)
    if experiment.prepare.leaks == "stop":
        stop_at_leaks(f"language model {name}", leaks)
    if not table.size:
        total = sum(of["sentences"] for of in counts.values())
        raise DataError(f"language model {name}: no LM text left after leak removal: of {total} sentences in "
                        f"{', '.join(map(str, lm_texts(experiment, lm, dump).values()))}, {len(leaks)} are of dev and "
                        f"test sets and the others empty; give lm.{name}.text more")
    dev = lm_dev_text(experiment, lm, dump)
    with _table(out / "dev", tokenizer) as table:
        for _, sentence in iter_table(dev):
            if sentence:
                table.add(sentence)
    if not table.size:
        raise DataError(f"{dev}: no sentence to hold the language model against")
    for text, of in counts.items():
        if of["unknown"]:
            log.warning("language model %s: %d tokens of %s have no piece in vocabulary %s and are learnt as <unk>",
                        name, of["unknown"], text, lm.vocab)
    write_json(out / "text.json", {text: {"file": WorkDir.of(out).stored(path), **counts[text]}
                                   for text, path in lm_texts(experiment, lm, dump).items()})


class _Table:
    """A Kaldi table of sentences, and one of their lengths in tokens."""

    def __init__(self, text: IO[str], lengths: IO[str], tokenizer: Any) -> None:
        self.size = 0
        self._text, self._lengths, self._tokenizer = text, lengths, tokenizer

    def add(self, sentence: str) -> int:
        """Write a sentence; return how many of its tokens have no piece."""
        self.size += 1
        key = f"line-{self.size:09d}"
        ids = self._tokenizer.encode(sentence)
        self._text.write(f"{key} {sentence}\n")
        self._lengths.write(f"{key} {len(ids) + 1}\n")
        return int(ids.count(self._tokenizer.unk_id()))


@contextlib.contextmanager
def _table(directory: Path, tokenizer: Any) -> Iterator[_Table]:
    directory.mkdir()
    with atomic_write(directory / TEXT) as text, atomic_write(directory / LENGTHS) as lengths:
        yield _Table(text, lengths, tokenizer)
