"""A prepared experiment small enough to train in seconds: a dump directory and its experiment file."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import kaldiio
import numpy as np
import yaml

from stxfer.core.fileio import sha256
from stxfer.experiment.config import Experiment, load_experiment
from stxfer.kaldi.table import write_table
from stxfer.prepare.vocab import make_vocabs

WORDS = {"the": "", "dog": "mbwa", "cat": "paka", "child": "mtoto", "woman": "mama", "sees": "anaona",
         "loves": "anapenda", "follows": "anafuata", "house": "nyumba", "book": "kitabu", "water": "maji"}
ENGLISH = [f"the {a} {v} the {b}" for a, v, b in itertools.product(
    ("dog", "cat", "child", "woman"), ("sees", "loves", "follows"), ("house", "book", "water", "dog"))]
SIZES = {"src_train": 24, "src_dev": 6, "tgt_train": 20, "tgt_dev": 6}
PHASE = {"epochs": 2, "steps": 3, "batch_frames": 600, "lr": 1e-2, "average": 2}
CONFIG: dict[str, Any] = {
    "name": "toy", "languages": {"source": "en", "target": "sw"}, "seeds": [1],
    "vocab": {"source": {"size": 30, "text": ["src_train"]}, "target": {"size": 30, "text": ["tgt_train", "bitext"]}},
    "labels": {"mt": {"pairs": 30}},
    "model": {
        "encoder": "s2t_conformer",
        "encoder_conf": {"output_size": 16, "attention_heads": 2, "linear_units": 16, "num_blocks": 1,
                         "conv_channels": 16, "conv_layers": 3, "cnn_module_kernel": 5, "macaron_style": True,
                         "use_cnn_module": True},
        "decoder": "transformer", "decoder_conf": {"attention_heads": 2, "linear_units": 16, "num_blocks": 1}},
    "mt": {
        "vocab": 30,
        "model": {
            "frontend": "embed", "frontend_conf": {"embed_dim": 16},
            "encoder": "transformer",
            "encoder_conf": {"output_size": 16, "attention_heads": 2, "linear_units": 16, "num_blocks": 1,
                             "input_layer": "linear"},
            "decoder": "transformer", "decoder_conf": {"attention_heads": 2, "linear_units": 16, "num_blocks": 1}},
        "train": [{**PHASE, "batch_frames": 60}]},
    "train": {"default": PHASE, "source": [{}], "target": [{}],
              "st": [{"ctc_weight": 0.0, "freeze": ["encoder"]}, {"ctc_weight": 0.0, "epochs": 3}]},
    "decode": {"mt": {"beam_size": 2, "ctc_weight": 0.0, "maxlenratio": 2.0, "batch_frames": 100}},
    "systems": {
        "source_asr": {"task": "asr", "data": "src_train", "text": "en"},
        "st_human": {"task": "st", "data": "src_train", "text": "sw.human",
                     "init": {"from": "source_asr", "parts": ["encoder"]}},
        "scratch": {"task": "asr", "data": "tgt_train", "text": "sw"},
        "xfer_human": {"task": "asr", "data": "tgt_train", "text": "sw", "init": {"from": "st_human"}}},
    "compare": [["xfer_human", "scratch"]],
}


def swahili(english: str) -> str:
    """Translate a sentence of ``ENGLISH`` word by word."""
    return " ".join(filter(None, (WORDS[word] for word in english.split())))


def make_dump(root: Path) -> None:
    """Write ``dump`` as stages 2, 3 and 6 leave it: a word is 10 frames around a mean of its own, and noise."""
    rng = np.random.default_rng(1)
    means = dict(zip([*WORDS, *WORDS.values()], rng.standard_normal((2 * len(WORDS), 80)), strict=True))
    order = rng.permutation(len(ENGLISH))
    for name, size in SIZES.items():
        directory = root / "dump" / "fbank" / name
        directory.mkdir(parents=True)
        english = {f"{name}-{i:02d}": ENGLISH[order[i % len(ENGLISH)]] for i in range(size)}
        target = {utt: swahili(text) for utt, text in english.items()}
        texts = {"text": english, "text.sw.human": target} if name.startswith("src") else {"text": target}
        frames = {}
        with kaldiio.WriteHelper(f"ark,scp:{directory}/feats.1.ark,{directory}/feats.scp") as writer:
            for utt, text in texts["text"].items():
                matrix = np.concatenate([np.tile(means[word], (10, 1)) for word in text.split()])
                matrix = np.concatenate([matrix, np.zeros((rng.integers(20), 80))])
                frames[utt] = str(len(matrix))
                writer(utt, (matrix + 0.3 * rng.standard_normal(matrix.shape)).astype(np.float32))
        write_table(directory / "utt2num_frames", frames)
        for table, values in texts.items():
            write_table(directory / table, values)
        (directory / "feats.sha256").write_text(sha256(directory / "feats.1.ark") + "  feats.1.ark\n")
    bitext = root / "dump" / "data" / "bitext"
    bitext.mkdir(parents=True)
    for part, rows in (("train", order[:36]), ("dev", order[36:42]), ("test", order[42:])):
        (bitext / f"{part}.en").write_text("".join(f"{ENGLISH[i]}\n" for i in rows), encoding="utf-8")
        (bitext / f"{part}.sw").write_text("".join(f"{swahili(ENGLISH[i])}\n" for i in rows), encoding="utf-8")


def make_experiment(root: Path, **changes: Any) -> tuple[Experiment, Path]:
    """Write the experiment file, with other values for some of its keys, and load it."""
    path = root / "toy.yaml"
    path.write_text(yaml.safe_dump({**CONFIG, **changes}), encoding="utf-8")
    return load_experiment(path), path


def make_world(root: Path) -> tuple[Experiment, Path]:
    """Write everything that training needs below ``root``."""
    make_dump(root)
    experiment, path = make_experiment(root)
    make_vocabs(experiment, root / "dump")
    return experiment, path
