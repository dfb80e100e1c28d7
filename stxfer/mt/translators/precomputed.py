"""Translations that are there already: of each utterance, or of each sentence."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from stxfer.core.errors import DataError
from stxfer.experiment.layout import human_text
from stxfer.kaldi.table import iter_table
from stxfer.mt.translator import Closing, Translation, checked
from stxfer.mt.translators.kind import Kind, LabelSource

log = logging.getLogger(__name__)


class PrecomputedTranslator(Closing):
    """Looks translations up.

    A file is a Kaldi table, ``utterance translation``, or, where it is called ``*.tsv``, ``source<TAB>target`` by
    sentence. A file serves whatever sets have entries in it; ``missing`` counts the sentences that had none.

    Args:
        files: all of one kind.
        identity: what decides the translations.

    Raises:
        DataError: a file is not there or malformed, or gives two translations of one sentence.
    """

    def __init__(self, files: Iterable[Path], identity: Mapping[str, Any] | None = None) -> None:
        self.files = [Path(path) for path in files]
        self.by_sentence = any(path.suffix == ".tsv" for path in self.files)
        self.identity: Mapping[str, Any] = identity or {}
        self.missing = 0
        self._table: dict[str, str] = {}
        for path in self.files:
            self._table.update(_read_pairs(path) if self.by_sentence else iter_table(path))

    def translate(self, sentences: Sequence[str], nbest: int = 1,
                  keys: Sequence[str] = ()) -> list[list[Translation]]:
        """Return the translation of each sentence that has one, with score 0; by utterance, ``keys`` are needed.

        Raises:
            DataError: a sentence that is none, see :func:`stxfer.mt.translator.checked`; or no sentence has a
                translation.
        """
        results: list[list[Translation]] = [[] for _ in sentences]
        wanted = [" ".join(sentence.split()) for sentence in sentences] if self.by_sentence else keys
        filled = checked(sentences, keys) if wanted else []
        missing = []
        for i in filled:
            text = self._table.get(wanted[i], "")
            if text:
                results[i] = [Translation(text, 0.0)]
            else:
                missing.append(wanted[i])
        self.missing += len(missing)
        if missing and len(missing) == len(filled):
            raise DataError(f"{self.files[0]}: has none of the {len(filled)} translations wanted, e.g. of "
                            f"{missing[0]!r}; it must be "
                            + ("source<TAB>target, the source as in 'text'" if self.by_sentence
                               else "a table 'utterance translation'; by sentence it must be called *.tsv"))
        if missing:
            log.warning("%s: no translation of %d of %d, the first is %r", self.files[0], len(missing), len(filled),
                        missing[0])
        return results


class PrecomputedKind(Kind):
    """``translator: precomputed``."""

    by_utterance = True

    def inputs(self, source: LabelSource) -> list[Path]:
        """Return the file that the options name."""
        return [Path(source.label.options.file)]

    def open(self, source: LabelSource, identity: Mapping[str, Any], threads: int) -> PrecomputedTranslator:
        """Read the translations."""
        return PrecomputedTranslator(self.inputs(source), identity)


class HumanKind(PrecomputedKind):
    """``translator: human``: the corpus's own translations."""

    def inputs(self, source: LabelSource) -> list[Path]:
        """Return their tables, of each set of the source corpus that has one.

        Raises:
            DataError: no set has one.
        """
        tables = [human_text(source.dump, name, source.target) for name in ("src_train", "src_dev", "src_test")]
        found = [path for path in tables if path.exists()]
        if not found:
            raise DataError(f"{tables[0]}: no such file; the source corpus has no translations of its own")
        return found


def _read_pairs(path: Path) -> dict[str, str]:
    """Read ``source<TAB>target`` lines."""
    pairs: dict[str, str] = {}
    try:
        with path.open(encoding="utf-8-sig", newline="\n") as handle:
            for number, line in enumerate(handle, 1):
                fields = line.rstrip("\r\n").split("\t")
                if fields == [""]:
                    continue
                if len(fields) != 2:
                    raise DataError(f"{path}:{number}: {len(fields)} columns; a line is source<TAB>target")
                source, target = (" ".join(field.split()) for field in fields)
                if pairs.setdefault(source, target) != target:
                    raise DataError(f"{path}:{number}: another translation of {source!r} stands further up; "
                                    "keep one of them")
    except FileNotFoundError:
        raise DataError(f"{path}: no such file") from None
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: not UTF-8 ({error.reason} at byte {error.start}); convert it with iconv") from None
    return pairs
