"""Stage 5: labels for speech translation, from the transcripts of the source corpus."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

from stxfer.core.errors import DataError
from stxfer.core.fileio import atomic_dir
from stxfer.core.fresh import digest
from stxfer.core.marker import is_expected
from stxfer.core.stage import Stage
from stxfer.core.workdir import WorkDir
from stxfer.corpora.bitext.directory import iter_pairs
from stxfer.experiment.config import Experiment
from stxfer.experiment.labels import HUMAN, Label
from stxfer.experiment.layout import (
    TEXT,
    clean_bitext_dir,
    features_dir,
    human_text,
    label_dir,
    label_text,
    prepared_dir,
    translations_dir,
)
from stxfer.experiment.lineage import Lineage
from stxfer.kaldi.datadir import raw_text
from stxfer.kaldi.table import read_table
from stxfer.mt.draw import draw
from stxfer.mt.filters import Candidate, dropped_labels
from stxfer.mt.label_files import LabelSet, scores_of, write_labels
from stxfer.mt.language import bitext_identifier
from stxfer.mt.open import Opener, kind_of, reads_raw
from stxfer.mt.translations import MAX_WORDS, SHARD, Translations, make_translations, translate_part
from stxfer.mt.translator import Translation
from stxfer.mt.translators.kind import Kind
from stxfer.text.leaks import HELD_OUT, held_out
from stxfer.text.normalise import normalise
from stxfer.text.profiles import Profile

log = logging.getLogger(__name__)
SETS = ("src_train", "src_dev")
SAID = 60  # characters of a translation that a reason quotes


def make_labels(experiment: Experiment, dump: Path, exp: Path, *, threads: int = 1, shard: int = SHARD,
                force: bool = False, allow_stale: bool = False,
                elsewhere: Callable[[str, str, int], None] | None = None) -> dict[str, int]:
    """Make ``dump/labels/<label>/<set>/text.<lang>.<label>`` of every label source; return how many each has.

    Beside each lies ``labels.json``: from which text, by which model and options, what was dropped. See
    :func:`stxfer.mt.label_files.write_labels` for the other files. Translations are kept apart, in
    ``dump/translations``: other filters translate nothing again.

    Args:
        experiment: the experiment.
        dump: the directory of prepared data.
        exp: the directory of experiments.
        threads: processor cores to use.
        shard: sentences that a kill may cost.
        force: make them again although they are done.
        allow_stale: see :class:`stxfer.core.stage.Stage`.
        elsewhere: has other machines translate: it is told a label, a set and its number of shards, and calls
            :func:`make_part` there. Only translators that are faster in several processes are used so.

    Raises:
        DataError: a set has no text, or none of its utterances is left with a label.
        StxferError: a translator failed; what it had finished is kept.
    """
    counts = {}
    data = prepared_dir(dump)
    needed = any(declared.filters.held_out for declared in experiment.labels.values())
    held = is_expected(data / HELD_OUT)
    tests = test_sentences(data, experiment.target_lang) if needed or held else {}
    if not tests:
        log.warning("%s: no test sentences; labels that are one go unnoticed", data / HELD_OUT)
    for label, declared in experiment.labels.items():
        if declared.translator:
            with Opener(label, experiment, dump, exp, threads) as opener:
                for name in SETS:
                    there = partial(elsewhere, label, name) if elsewhere and opener.kind.by_process else None
                    make_translations(f"labels {label} {name}", spoken_text(experiment, label, dump, name), read_table,
                                      translations_dir(dump, label, name), opener, shard=shard, force=force,
                                      allow_stale=allow_stale, elsewhere=there)
        for name in SETS:
            counts[f"{label} {name}"] = _make(experiment, label, name, dump, exp, tests, force, allow_stale)
    return counts


def make_part(experiment: Experiment, label: str, name: str, dump: Path, exp: Path, part: slice, *,
              shard: int = SHARD) -> None:
    """Translate a part of a set's shards, see :func:`stxfer.mt.translations.translate_part`.

    Raises:
        ConfigError: the label source is not declared, or translates nothing.
        StxferError: the translator failed; what it had finished is kept.
    """
    with Opener(label, experiment, dump, exp) as opener:
        translate_part(f"labels {label} {name}", spoken_text(experiment, label, dump, name), read_table,
                       translations_dir(dump, label, name), opener, part, shard=shard)


def test_sentences(data: Path, target: str) -> dict[str, str]:
    """Return the target language's sentences of the test sets that stage 2 has held out, each with its place."""
    return {sentence: place for sentence, place in held_out(data).items()
            if _is_target_test(*place.split("/"), target=target)}


def _is_target_test(name: str, file: str, *, target: str) -> bool:
    spoken = file == "text" and name.startswith("tgt_")
    return "test" in name.split("_") and (spoken or file.startswith(f"text.{target}."))


@dataclass
class _Proposal:
    """What a label offers before filtering, and why it offers nothing for some utterances."""

    origin: Mapping[str, Any]
    candidates: list[Candidate] = field(default_factory=list)
    dropped: dict[str, str] = field(default_factory=dict)
    nbest: dict[str, list[Translation]] = field(default_factory=dict)


def spoken_text(experiment: Experiment, label: str, dump: Path, name: str) -> Path:
    """Return the transcripts that a label source translates."""
    table = raw_text(experiment.source_lang) if reads_raw(experiment.labels[label]) else TEXT
    return features_dir(dump, name) / table


def _make(experiment: Experiment, label: str, name: str, dump: Path, exp: Path, tests: Mapping[str, str],
          force: bool, allow_stale: bool) -> int:
    declared, target = experiment.labels[label], experiment.target_lang
    kind = kind_of(declared)
    text = features_dir(dump, name) / TEXT
    out = label_dir(dump, label, name)
    origins = [translations_dir(dump, label, name)] if kind else \
        [_label_source(parent, name, dump, target) for parent in declared.parents]
    bitext = clean_bitext_dir(dump)
    languages = (experiment.source_lang, target)
    learnt_from = [bitext / f"train.{lang}" for lang in languages] if declared.filters.language else []
    options = {"filters": declared.filters, "mix": dict(declared.mix), "seed": declared.seed,
               "normalisation": experiment.profile(target).identity, "max_words": MAX_WORDS,
               "tests": hashlib.sha256("\n".join(sorted(tests)).encode()).hexdigest()}
    spoken = spoken_text(experiment, label, dump, name)
    stage = Stage(f"labels {label} {name}", out, list(dict.fromkeys([text, spoken, *origins, *learnt_from])), options,
                  "labels", reads=[prepared_dir(dump) / HELD_OUT] if tests else [],
                  declared=Lineage(experiment, dump, exp))
    table = out / f"text.{target}.{label}"
    if not stage.needed(force=force, allow_stale=allow_stale):
        return len(read_table(table))
    source = read_table(text)
    if kind:
        proposal = _translated(kind, source, read_table(spoken), origins[0], experiment.profile(target))
    else:
        proposal = _derived(declared, source, name, dump, target)
    identifier, accuracy = None, {}
    if declared.filters.language:
        identifier = bitext_identifier(bitext, languages)
        accuracy = {"identifier": {"trained on": "bitext/train", "dev accuracy":
                                   round(identifier.accuracy(iter_pairs(bitext, "dev", languages)), 4)}}
    filtered = dropped_labels(proposal.candidates, declared.filters, held_out=tests, identifier=identifier,
                              where=f"labels {label} {name}")
    dropped = proposal.dropped | {utt: why for utt, why in filtered.items() if utt not in proposal.dropped}
    if len(dropped) == len(source):
        utt = min(dropped)
        raise DataError(f"{text}: label source {label!r} has a label for no utterance of it, e.g. {utt}: "
                        f"{dropped[utt]}; {kind.advice if kind else Kind.advice}")
    leaks = {c.utt: tests[c.text] for c in proposal.candidates if c.text in tests}
    human = human_text(dump, name, target)
    with atomic_dir(out) as directory:
        outputs = write_labels(directory, LabelSet(
            label=label, language=target, source=source, candidates=proposal.candidates, dropped=dropped,
            nbest=proposal.nbest if declared.nbest > 1 else {}, leaks=leaks,
            human=read_table(human) if human.exists() else {},
            origin={"set": name, "text": WorkDir.of(out).stored(text), "text_sha256": digest(text), **proposal.origin,
                    "filters": asdict(declared.filters), **accuracy}))
    stage.finish([out / file for file in outputs])
    return len(source) - len(dropped)


def _label_source(label: str, name: str, dump: Path, target: str) -> Path:
    return human_text(dump, name, target) if label == HUMAN else label_dir(dump, label, name)


def _translated(kind: Kind, source: Mapping[str, str], spoken: Mapping[str, str], directory: Path,
                rules: Profile) -> _Proposal:
    """Join the utterances with the translations of what was translated of them."""
    translations = Translations(directory, kind)
    proposal = _Proposal({"translator": translations.identity, "translations": digest(directory),
                          "distinct": len(translations)})
    unknown = 0
    for utt, sentence in source.items():
        found = translations.of(utt, spoken[utt])
        if isinstance(found, str):
            proposal.dropped[utt] = found
            continue
        proposal.nbest[utt] = [Translation(normalise(t.text, rules), t.score) for t in found]
        best = proposal.nbest[utt][0] if found else Translation("", 0.0)
        unknown += bool(found) and found[0].unknown
        if not best.text:
            proposal.dropped[utt] = why_empty(found, rules)
        proposal.candidates.append(Candidate(utt, sentence, best.text, best.score if translations.scored else None))
    if unknown:
        log.warning("%s: %d of %d translations hold <unk>, which is no word and is left out of the text", directory,
                    unknown, len(proposal.candidates))
    return replace(proposal, origin={**proposal.origin, "unknown": unknown})


def why_empty(found: Sequence[Translation], rules: Profile) -> str:
    """Return the reason why an utterance's translations give an empty label: what the translator said, if anything."""
    if not found:
        return "empty translation: the translator has none"
    said = " ".join(found[0].text.split())
    if said:
        return f"empty translation: {said[:SAID]!r} has nothing that is spoken, by the rules of {rules.name}"
    return f"empty translation: the translator wrote {'nothing but <unk>' if found[0].unknown else 'nothing'}"


def _derived(label: Label, source: Mapping[str, str], name: str, dump: Path, target: str) -> _Proposal:
    """Take over what other labels have kept: all of one, or of each utterance the one drawn for it."""
    texts, scores = {}, {}
    for parent in label.parents:
        path = _label_source(parent, name, dump, target)
        texts[parent] = read_table(label_text(dump, parent, name, target))
        scores[parent] = {} if parent == HUMAN else scores_of(path)
    shares = label.mix or {label.source: 1.0}
    drawn = draw(source, shares, label.seed)
    used = {parent: digest(_label_source(parent, name, dump, target)) for parent in label.parents}
    proposal = _Proposal({"mix" if label.mix else "from": used, "shares": dict(shares)})
    for utt, sentence in source.items():
        parent = drawn[utt]
        if utt in texts[parent]:
            proposal.candidates.append(Candidate(utt, sentence, texts[parent][utt], scores[parent].get(utt)))
        else:
            proposal.dropped[utt] = f"not in {parent}"
    return proposal
