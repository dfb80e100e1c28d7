"""How good a label source's translations are: BLEU and chrF on the bitext's test part."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from stxfer.core.errors import DataError
from stxfer.core.fileio import write_json
from stxfer.core.records import read_record
from stxfer.core.stage import Stage
from stxfer.corpora.bitext.directory import raw_side, read_pairs
from stxfer.corpora.bitext.lines import iter_lines, open_binary
from stxfer.experiment.config import Experiment
from stxfer.experiment.labels import Filters
from stxfer.experiment.layout import SCORE, clean_bitext_dir, mt_dir, mt_score_dir
from stxfer.experiment.lineage import Lineage
from stxfer.experiment.records import TranslatorScore
from stxfer.mt.filters import Candidate, counts, dropped_labels
from stxfer.mt.language import bitext_identifier
from stxfer.mt.open import Opener, kind_of, reads_raw
from stxfer.mt.translations import Translations, make_translations
from stxfer.mt.translator import Translation
from stxfer.text.normalise import normalise
from stxfer.text.profiles import Profile

PART = "test"
log = logging.getLogger(__name__)


def evaluate_translator(experiment: Experiment, label: str, dump: Path, exp: Path, *, threads: int = 1,
                        force: bool = False, allow_stale: bool = False) -> dict[str, Any]:
    """Translate the bitext's test part and write BLEU and chrF to ``exp/mt/<label>/score/score.json``.

    The score of a label with filters is that of the translations they keep, of which the file says how many they are,
    beside the score of all. A label made ``from`` another one has the other's translations.

    Returns:
        The content of ``score.json``; empty if the label source translates nothing new, or there is no bitext.

    Raises:
        DataError: a side of the test part is missing, or they differ in length.
        StxferError: the translator failed.
    """
    bitext = clean_bitext_dir(dump)
    languages = (experiment.source_lang, experiment.target_lang)
    chain = _chain(experiment, label)
    if not chain or not bitext.is_dir():
        return {}
    directory = mt_dir(exp, chain[0]) / PART
    given = raw_side(bitext, PART, languages[0]) if reads_raw(experiment.labels[chain[0]]) else \
        bitext / f"{PART}.{languages[0]}"
    with Opener(chain[0], experiment, dump, exp, threads) as opener:
        make_translations(f"MT {chain[0]} bitext {PART}", given,
                          _sources, directory, opener, force=force and chain[0] == label,
                          allow_stale=allow_stale)
    norm = experiment.profile(experiment.target_lang)
    used = [experiment.labels[name].filters for name in chain]
    learnt_from = [bitext / f"train.{lang}" for lang in languages] if any(f.language for f in used) else []
    stage = Stage(f"score of MT {label}", mt_score_dir(exp, label),
                  [directory, given, *(bitext / f"{PART}.{lang}" for lang in languages), *learnt_from],
                  {"filters": used, "normalisation": norm.identity, "bleu": norm.bleu}, "labels",
                  declared=Lineage(experiment, dump, exp))
    if stage.needed(force=force, allow_stale=allow_stale):
        pairs = read_pairs(bitext, PART, languages)
        if not pairs:
            raise DataError(f"{bitext}/{PART}.{languages[0]}: empty; run stage 'prepare' again")
        translations = Translations(directory, opener.kind)
        candidates = []
        unknown = 0
        for number, ((source, _), sentence) in enumerate(zip(pairs, _sources(given).values(), strict=True)):
            found = translations.of("", sentence)
            best = found[0] if found and not isinstance(found, str) else Translation("", 0.0)
            unknown += best.unknown
            candidates.append(Candidate(f"{number:08d}", source, normalise(best.text, norm),
                                        best.score if translations.scored else None))
        dropped: dict[str, str] = {}
        for filters in used:
            if filters != Filters():
                identifier = bitext_identifier(bitext, languages) if filters.language else None
                left = [candidate for candidate in candidates if candidate.utt not in dropped]
                dropped |= dropped_labels(left, filters, identifier=identifier, where=f"labels.{label}")
        kept = [number for number, candidate in enumerate(candidates) if candidate.utt not in dropped]
        record = {"label": label, "set": f"bitext/{PART}", "translator": translations.identity, "pairs": len(pairs),
                  "kept": len(kept), "dropped": counts(dropped), "unknown": unknown}
        if unknown:
            log.warning("%s: %d of %d translations hold <unk>, which is no word and is left out of the text",
                        stage.name, unknown, len(pairs))
        hyps, refs = [c.text for c in candidates], [pair[1] for pair in pairs]
        if dropped:
            record["all"] = _scores(refs, hyps, norm)
        if kept:
            record["metrics"] = _scores([refs[n] for n in kept], [hyps[n] for n in kept], norm)
        write_json(stage.out / SCORE, record)
        stage.finish([stage.out / SCORE])
    score: dict[str, Any] = read_record(stage.out / SCORE, TranslatorScore)
    return score


def _chain(experiment: Experiment, label: str) -> list[str]:
    """Return the labels from the one that translates to this one; none if that is not one alone."""
    chain = [label]
    while (kind := kind_of(declared := experiment.labels[chain[0]])) is None:
        if declared.source not in experiment.labels:
            return []
        chain.insert(0, declared.source)
    return [] if kind.by_utterance else chain


def _sources(path: Path) -> dict[str, str]:
    with open_binary(path) as handle:
        return {str(number): line for number, line in enumerate(iter_lines(handle, str(path)))}


def _scores(refs: Sequence[str], hyps: Sequence[str], norm: Profile) -> dict[str, Any]:
    from stxfer.score.st import translation_scores  # imports sacrebleu

    return {name: score.as_json() for name, score in translation_scores(refs, hyps, norm.identity,
                                                                             norm.bleu).items()}
