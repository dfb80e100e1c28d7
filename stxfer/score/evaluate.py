"""Scores of one decoded set of one system."""

from __future__ import annotations

import json
import logging
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from stxfer.audio.perturb import distinct_seconds
from stxfer.core.errors import DataError
from stxfer.core.fileio import atomic_write, write_json
from stxfer.core.marker import MARKER, is_expected, is_recorded
from stxfer.core.records import read_record
from stxfer.core.stage import Stage
from stxfer.experiment.config import Experiment
from stxfer.experiment.layout import (
    DURATIONS,
    INFO,
    SCORE,
    UTTERANCES,
    decode_dir,
    features_dir,
    score_dir,
    system_dir,
)
from stxfer.experiment.lineage import Lineage
from stxfer.experiment.records import ModelInfo, Score
from stxfer.experiment.variants import DecodedSystem
from stxfer.kaldi.table import read_table
from stxfer.score import asr, st
from stxfer.score.reference import reference_path
from stxfer.text.normalise import normalise
from stxfer.text.profiles import Profile

FIELDS = ["utt", "speaker", "ref", "hyp"]  # of a line of utts.jsonl, beside the counts
log = logging.getLogger(__name__)


def score_system(experiment: Experiment, decoded: DecodedSystem, seed: int, *, dump: Path, expdir: Path,
                 force: bool = False, allow_stale: bool = False) -> dict[str, Any]:
    """Score what a system has decoded in one way, unless that is done, and return the content of ``score.json``.

    ASR is scored by WER and CER against ``text``, by CER alone where the language is written without spaces; ST by
    BLEU and chrF against ``text.<target>.human`` of ``dump/fbank/<set>``. ``score.json`` holds system (``direct``, or
    ``direct+lm`` for a variant), seed, set, task, train_hours (distinct speech trained on), train_hours_with_copies (at
    other speeds, with other texts), speakers (None: not known), missing (utterances without a hypothesis, scored as
    empty) and metrics, each with its signature; ``utts.jsonl`` one object an utterance: utt, speaker (None: not known),
    ref, hyp and, for ASR, its counts by metric.

    Raises:
        DataError: not decoded; a file is absent; references are not normalised or hypotheses do not fit.
        StaleError: the hypotheses were decoded by a model that has changed since.
    """
    system = decoded.system
    hyp_dir, out = (where(expdir, system, seed, decoded.variant) for where in (decode_dir, score_dir))
    what, trained = f"{decoded.name} seed {seed}", system_dir(expdir, system.name, seed)
    if not (hyp_dir / MARKER).exists():
        raise DataError(f"{hyp_dir}: {what} is not decoded. Run stage decode first: "
                        f"--stage decode --systems {decoded.name} --seeds {seed}")
    is_st = system.task == "st"
    language = experiment.source_lang if system.kind == "source" else experiment.target_lang
    norm = experiment.profile(language)
    ref_path = reference_path(experiment, system, dump)
    dur_path, spk_path = features_dir(dump, system.data) / DURATIONS, ref_path.with_name("utt2spk")
    inputs = [hyp_dir, ref_path, dur_path, *([spk_path] if is_expected(spk_path) else [])]
    stage = Stage(f"score {what}", out, inputs=inputs,
                  options={"norm": norm.identity, "utterances": FIELDS,
                           "metrics": list(st.METRICS if is_st else asr.metrics(norm.spaced)),
                           **({"bleu": st.usable_tokeniser(norm.bleu)} if is_st else {})},
                  step="score", reads=[trained / INFO] if is_recorded(trained / INFO) else [],
                  declared=Lineage(experiment, dump, expdir))
    if not stage.needed(force=force, allow_stale=allow_stale):
        done: dict[str, Any] = read_record(out / SCORE, Score)
        return done
    refs = _read_references(ref_path, norm)
    hyps = read_table(hyp_dir / "text")
    try:
        paired, missing = asr.pair(refs, hyps)
    except DataError as error:
        raise DataError(f"{hyp_dir}/text against {ref_path}: {error}") from None
    if missing:
        log.warning("%s: %d of %d utterances have no hypothesis and count as empty, e.g. %s",
                    what, len(missing), len(refs), missing[0])
    speakers = _speakers(spk_path, refs)
    metrics, counts = (_score_st if is_st else _score_asr)(refs, paired, norm)
    score = {"system": decoded.name, "seed": seed, "set": system.test_set, "task": system.task,
             **_train_hours(trained, dur_path, what),
             "speakers": len(set(speakers.values())) if speakers else None, "missing": len(missing),
             "metrics": metrics}
    with atomic_write(out / UTTERANCES) as handle:
        for utt, ref in refs.items():
            line = {**dict(zip(FIELDS, (utt, speakers.get(utt), ref, paired[utt]), strict=True)), **counts.get(utt, {})}
            handle.write(json.dumps(line, ensure_ascii=False) + "\n")
    write_json(out / SCORE, score)
    stage.finish([out / SCORE, out / UTTERANCES])
    return score


def _score_asr(refs: Mapping[str, str], hyps: Mapping[str, str], norm: Profile
               ) -> tuple[dict[str, Any], dict[str, Any]]:
    rates = {"wer": asr.word_errors(refs, hyps, norm.identity)} if norm.spaced else {}
    rates["cer"] = asr.char_errors(refs, hyps, norm.identity, spaced=norm.spaced)
    return ({metric: rate.as_json() for metric, rate in rates.items()},
            {utt: {metric: rate.utts[utt].as_json() for metric, rate in rates.items()} for utt in refs})


def _score_st(refs: Mapping[str, str], hyps: Mapping[str, str], norm: Profile
              ) -> tuple[dict[str, Any], dict[str, Any]]:
    scores = st.translation_scores(list(refs.values()), [hyps[utt] for utt in refs], norm.identity, norm.bleu)
    return {metric: score.as_json() for metric, score in scores.items()}, {}


def _read_references(path: Path, norm: Profile) -> dict[str, str]:
    if not path.exists():
        raise DataError(f"{path}: no such file; the references come from stages 'data' to 'features'")
    refs = read_table(path, empty_values=False)
    for utt, ref in refs.items():
        if normalise(ref, norm) != ref:
            raise DataError(f"{path}: utterance {utt!r} is not normalised text ({ref!r}); "
                            "run stages 'prepare' and 'features' again")
    return refs


def _speakers(path: Path, utts: Collection[str]) -> dict[str, str]:
    """Return who speaks each utterance; nothing if ``utt2spk`` is not there.

    Raises:
        DataError: an utterance has no speaker.
    """
    table = read_table(path) if path.exists() else {}
    if table and (unknown := next((utt for utt in utts if utt not in table), None)):
        raise DataError(f"{path}: no speaker for utterance {unknown!r}; run stages 'prepare' and 'features' again")
    return {utt: table[utt] for utt in utts} if table else {}


def _train_hours(model: Path, durations: Path, what: str) -> dict[str, float]:
    """Return the hours that a model was trained on: as training has recorded them or, of older models, of the set."""
    trained = (read_record(model / INFO, ModelInfo) if (model / INFO).exists() else {}).get("train", {})
    if "hours" in trained:
        return {"train_hours": trained["hours"], "train_hours_with_copies": trained["hours_with_copies"]}
    log.warning("%s: %s does not say how much speech the model was trained on; train_hours is that of %s, mixtures and "
                "labels that were filtered out not regarded", what, model / INFO, durations.parent)
    try:
        seconds = {utt: float(value) for utt, value in read_table(durations, empty_values=False).items()}
    except ValueError as error:
        raise DataError(f"{durations}: durations must be seconds ({error})") from None
    return {"train_hours": round(distinct_seconds(seconds) / 3600, 4),
            "train_hours_with_copies": round(sum(seconds.values()) / 3600, 4)}
