"""A work directory with a trained system as stages 2 to 13 leave it, to be packed."""

from __future__ import annotations

from pathlib import Path

from untrained import make_lm, make_model, make_vocab

from stxfer.audio.shards import OPTIONS
from stxfer.core.fileio import write_json
from stxfer.core.stage import Stage
from stxfer.experiment.config import Experiment, load_experiment

PREPARED = {"source_lang": "en", "target_lang": "sw", "max_seconds": 20.0}
SYSTEM = {"task": "asr", "data": "tgt_train", "text": "sw", "tags": False}
INFO = {"seed": 1, "train": {"utterances": 9, "hours": 1.5}}
EXPERIMENT = """
name: packed
languages: {source: en, target: sw}
vocab: {source: {}, target: {}}
labels: {}
mt: {}
model: {}
train: {}
compare: []
seeds: [1]
systems:
  st: {task: st, data: src_train, text: sw.human}
  xfer: {task: asr, data: tgt_train, text: sw, init: {from: st, parts: [encoder, ctc]}}
lm: {rnn: {text: [tgt_train]}}
decode: {target: {beam_size: 3, ctc_weight: 0.3, maxlenratio: -6}}
variants: {lm: {target: {lm: rnn, lm_weight: 0.8}}}
"""


def make_work(root: Path) -> tuple[Path, Experiment]:
    """Return the directory of the system ``xfer``, which started from ``st``, and the experiment."""
    tokens = make_vocab(root / "vocab")
    for name in ("src_train", "tgt_train"):
        for kind, options in (("data", PREPARED), ("fbank", {**OPTIONS, "compression": "8bit"})):
            folder = root / "dump" / kind / name
            folder.mkdir(parents=True)
            Stage(kind, folder, options=options).finish([])
    st, xfer = root / "exp/st/seed1", root / "exp/xfer/seed1"
    heard = {**SYSTEM, "name": "st", "task": "st", "data": "src_train", "text": "sw.human"}
    make_model(st, root / "vocab", tokens, info={**INFO, "task": "st", "vocab": str(root / "vocab")},
               options={"system": heard, "seed": 1})
    init = {"source": "st", "parts": ["encoder", "ctc"], "vocabulary": "same", "model": ""}
    make_model(xfer, root / "vocab", tokens, info={**INFO, "vocab": str(root / "vocab")},
               options={"system": {**SYSTEM, "name": "xfer", "init": init}, "seed": 1})
    write_json(xfer / "transfer.json", {"source": "st/seed1", "parts": ["encoder", "ctc"], "share": 0.5})
    make_lm(root / "exp/lm/rnn", root / "vocab", tokens)
    scores, report = xfer / "decode/tgt_test/score", root / "exp/report"
    scores.mkdir(parents=True)
    stage = Stage("score", scores, [xfer])
    stage.begin()
    stage.finish([])
    row = {"system": "xfer", "set": "tgt_test", "seeds": [1, 2], "n_utts": 300}
    write_json(report / "results.json", {
        "name": "packed",
        "summary": [{**row, "metric": "wer", "value": 48.22, "ci_low": 45.4, "ci_high": 51.0},
                    {**row, "system": "other", "metric": "wer", "value": 99.0, "ci_low": 98.0, "ci_high": 100.0}],
        "signatures": {"wer tgt_test": "wer|norm:sw|jiwer:4.0.0"},
        "comparisons": [{"system": "xfer", "baseline": "scratch", "metric": "wer", "relative_reduction": 0.2,
                         "ci_low": 0.1, "ci_high": 0.3, "verdict": "better"}]})
    stage = Stage("report", report, [scores], options={"command": f"./run.sh --workdir {root}/work --preset mini",
                                                       "config": str(root / "conf/mini.yaml")})
    stage.begin()
    stage.finish([report / "results.json"])
    path = root / "packed.yaml"
    path.write_text(EXPERIMENT, encoding="utf-8")
    return xfer, load_experiment(path)
