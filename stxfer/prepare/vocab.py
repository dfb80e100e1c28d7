"""Stage 6: make the vocabularies that an experiment declares."""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path

from stxfer.core.errors import DataError
from stxfer.core.fileio import read_text
from stxfer.core.marker import is_expected
from stxfer.core.stage import Stage
from stxfer.experiment.config import Experiment
from stxfer.experiment.layout import TEXT, features_dir, text_file, text_path, vocab_dir
from stxfer.experiment.lineage import Lineage
from stxfer.experiment.systems import language_tag
from stxfer.prepare.texts import named_sentences
from stxfer.text.vocab import MODEL, TOKENS, describe, train_vocab, unknown_characters

log = logging.getLogger(__name__)


def make_vocabs(experiment: Experiment, dump: Path, *, force: bool = False,
                allow_stale: bool = False) -> dict[str, int]:
    """Make ``dump/vocab/<name>`` of each that is declared; return the number of tokens of each.

    For the texts they are learnt from see :func:`stxfer.experiment.layout.text_path`. An experiment file that names
    test or dev text is refused when it is read. Whatever else systems of a vocabulary learn has to be written in it,
    too; a text of theirs that is not there yet is left to their training to miss.

    Raises:
        DataError: a text is not there, or is empty, or a character that a system learns has no piece.
    """
    sizes = {}
    for name, vocab in experiment.vocab.items():
        language = experiment.source_lang if name == "source" else experiment.target_lang
        paths = [text_path(text, language, experiment.labels, dump) for text in vocab.text]
        out = vocab_dir(dump, name)
        learnt = _learnt(experiment, name, dump, paths)
        stage = Stage(f"vocab {name}", out, [*paths, *learnt], vocab, "vocab", declared=Lineage(experiment, dump))
        if stage.needed(force=force, allow_stale=allow_stale):
            out.mkdir(parents=True, exist_ok=True)
            stage.marker.unlink(missing_ok=True)  # of the vocabulary that is replaced
            train_vocab(_sentences(paths), vocab.size, vocab.type, out, [language_tag(tag) for tag in vocab.tags])
            for path, systems in learnt.items():
                if lost := unknown_characters(_sentences([path]), out):
                    raise DataError(
                        f"{path}: {lost.total()} characters of it have no piece in vocabulary {name!r}, that of "
                        f"{' '.join(systems)}: {describe(lost)}; add this text to vocab.{name}.text, or take the "
                        "characters out with 'normalise'")
            stage.finish([out / MODEL, out / TOKENS])
            _report_unknown(name, experiment, dump)
        sizes[name] = len(read_text(out / TOKENS).splitlines())
    return sizes


def _learnt(experiment: Experiment, name: str, dump: Path, paths: Collection[Path]) -> dict[Path, list[str]]:
    """Return the texts beside ``paths`` that systems of a vocabulary learn, each with these systems' names."""
    found: dict[Path, list[str]] = {}
    for system in experiment.systems.values():
        for path in (text_file(part, dump) for part in system.mixture if not part.by):
            if system.vocab == name and path not in paths and is_expected(path):
                found.setdefault(path, []).append(system.name)
    return found


def _report_unknown(name: str, experiment: Experiment, dump: Path) -> None:
    """Log the characters of dev and test transcripts that a vocabulary has no piece for; nothing is refused."""
    side = "src" if name == "source" else "tgt"
    for part in ("dev", "test"):
        path = features_dir(dump, f"{side}_{part}") / TEXT
        found = unknown_characters(_sentences([path]), vocab_dir(dump, name)) if path.exists() else None
        if found:
            log.warning("vocab %s: %d characters of %s have no piece and cannot be written: %s", name, found.total(),
                        path, describe(found))


def _sentences(paths: Iterable[Path]) -> Iterator[str]:
    return (sentence for path in paths for _, sentence in named_sentences(path))
