"""Stage 5: translate the transcripts of the source corpus into labels for speech translation."""

from __future__ import annotations

import logging
from dataclasses import asdict
from pathlib import Path

from stxfer.config import Experiment
from stxfer.errors import DataError
from stxfer.fileio import atomic_dir, write_json
from stxfer.kaldi.table import read_table, write_table
from stxfer.mt.train import mt_dir
from stxfer.mt.translator import Translation, open_translator, translator_identity, translator_inputs
from stxfer.stage import Stage

log = logging.getLogger(__name__)
SETS = ("src_train", "src_dev")


def label_dir(dump: Path, label: str, name: str) -> Path:
    """Return where the labels of one source corpus set lie."""
    return dump / "labels" / label / name


def make_labels(experiment: Experiment, dump: Path, exp: Path, *, threads: int = 1, force: bool = False,
                allow_stale: bool = False) -> dict[str, int]:
    """Make ``dump/labels/<label>/<set>/text.<lang>.<label>`` of every label source; return how many each has.

    Beside each lies ``labels.json``: from which text, by which model and options, what was dropped,
    and a sample for human eyes.

    Raises:
        DataError: a set has no text, or none of its sentences has a translation that is not empty.
    """
    counts = {}
    for label in experiment.labels:
        translator = None
        for name in SETS:
            text = dump / "fbank" / name / "text"
            stage = Stage(f"labels {label} {name}", label_dir(dump, label, name),
                          [text, *translator_inputs(label, experiment, dump, exp)],
                          {"translator": translator_identity(label, experiment, dump, exp)})
            table = f"text.{experiment.target_lang}.{label}"
            if stage.needed(force=force, allow_stale=allow_stale):
                if translator is None:
                    translator = open_translator(label, experiment, dump, exp, threads)
                source = read_table(text)
                log.info("labels %s: translating %d sentences of %s", label, len(source), name)
                found = translator.translate(list(source.values()), keys=list(source))
                labels = {key: best[0] if best else Translation("", 0.0)
                          for key, best in zip(source, found, strict=True)}
                empty = [key for key, translation in labels.items() if not translation.text]
                if len(empty) == len(labels):
                    raise DataError(f"{text}: label source {label!r} translates no sentence of it; its translator is "
                                    "not trained well enough: more 'pairs' or more 'epochs'")
                with atomic_dir(stage.out) as out:
                    write_table(out / table, {key: t.text for key, t in labels.items() if t.text})
                    write_json(out / "labels.json", {
                        "label": label, "text": str(text), "translator": dict(translator.identity),
                        "sentences": len(source),
                        "dropped": {"empty translation": empty},
                        "sample": [{"utt": key, "source": source[key], "label": labels[key].text,
                                    "score": round(labels[key].score, 3)} for key in list(source)[:20]]})
                stage.finish([stage.out / table, stage.out / "labels.json"])
            counts[f"{label} {name}"] = len(read_table(stage.out / table))
    return counts


def evaluate_translator(experiment: Experiment, label: str, dump: Path, exp: Path, *, threads: int = 1,
                        force: bool = False, allow_stale: bool = False) -> dict[str, float]:
    """Translate the bitext's test part and write BLEU and chrF to ``exp/mt/<label>/score/score.json``."""
    from stxfer.fileio import read_json
    from stxfer.mt.train import read_bitext
    from stxfer.score.st import translation_scores
    from stxfer.text.normalise import profile

    bitext = dump / "data" / "bitext"
    languages = (experiment.source_lang, experiment.target_lang)
    stage = Stage(f"score of MT {label}", mt_dir(exp, label) / "score",
                  [mt_dir(exp, label), *(bitext / f"test.{lang}" for lang in languages)],
                  {"decode": asdict(experiment.decode["mt"])})
    if stage.needed(force=force, allow_stale=allow_stale):
        pairs = read_bitext(bitext, "test", languages)
        with open_translator(label, experiment, dump, exp, threads) as translator:
            found = translator.translate([pair[0] for pair in pairs])
        scores = translation_scores([pair[1] for pair in pairs], [best[0].text if best else "" for best in found],
                                    profile(experiment.target_lang).identity)
        write_json(stage.out / "score.json", {
            "label": label, "pairs": experiment.labels[label].pairs, "set": "bitext/test",
            "metrics": {name: score.as_json() for name, score in scores.items()}})
        stage.finish([stage.out / "score.json"])
    metrics = read_json(stage.out / "score.json")["metrics"]
    return {name: metric["value"] for name, metric in metrics.items()}
