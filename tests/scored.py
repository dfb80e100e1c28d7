"""A made-up experiment for the tests of scoring and of the report: texts, hypotheses, markers."""

from __future__ import annotations

import random
from pathlib import Path

from stxfer.core.stage import Stage
from stxfer.kaldi.table import write_table

CONFIG = """
name: toy
languages: {source: en, target: sw}
vocab: {source: {}, target: {}}
labels: {mt: {}}
mt: {}
model: {}
train: {}
decode: {}
systems:
  source_asr: {task: asr, data: src_train, text: en}
  st_human:   {task: st, data: src_train, text: sw.human, init: {from: source_asr, parts: [encoder]}}
  st_mt:      {task: st, data: src_train, text: sw.mt, init: {from: source_asr, parts: [encoder]}}
  scratch:    {task: asr, data: tgt_train, text: sw}
  direct:     {task: asr, data: tgt_train, text: sw, init: {from: source_asr, parts: [encoder, decoder_body]}}
  xfer_human: {task: asr, data: tgt_train, text: sw, init: {from: st_human, parts: all}}
  xfer_mt:    {task: asr, data: tgt_train, text: sw, init: {from: st_mt, parts: all}}
compare: [[direct, scratch], [xfer_human, direct], [xfer_mt, direct], [xfer_mt, xfer_human]]
seeds: [1]
"""
ERROR = {"source_asr": 0.2, "st_human": 0.35, "st_mt": 0.4, "scratch": 0.9, "direct": 0.6,
         "xfer_human": 0.45, "xfer_mt": 0.46}
WORDS = ["mtoto", "anasoma", "kitabu", "kikubwa", "nyumbani", "kwetu", "watu", "wanapenda", "chakula", "leo",
         "asubuhi", "mwalimu", "alinunua", "matunda", "sokoni", "ng'ombe", "wawili", "walikimbia", "shambani"]


def make_dump(root: Path, n_utts: int = 40) -> None:
    """Write the reference texts and durations of ``root/dump/fbank``: half an hour of target training speech."""
    rng = random.Random(0)
    for name, lang in (("src_test", "en"), ("tgt_test", "sw")):
        folder = root / "dump" / "fbank" / name
        refs = {f"{lang}-{i:04d}": " ".join(rng.choices(WORDS, k=6)) for i in range(n_utts)}
        write_table(folder / "text", refs)
        outputs = [folder / "text"]
        if lang == "en":
            write_table(folder / "text.sw.human", {utt: " ".join(rng.choices(WORDS, k=6)) for utt in refs})
            outputs.append(folder / "text.sw.human")
        Stage(f"features {name}", folder).finish(outputs)
    for name, seconds in (("src_train", "36.0"), ("tgt_train", "18.0")):
        write_table(root / "dump" / "fbank" / name / "utt2dur", {f"u{i:03d}": seconds for i in range(100)})


def set_translations(root: Path, there: bool) -> None:
    """Make the features of ``src_test`` with the translations of its transcripts, or without."""
    folder = root / "dump" / "fbank" / "src_test"
    path, kept = folder / "text.sw.human", root / "kept"
    (kept if there else path).rename(path if there else kept)
    Stage("features src_test", folder).finish([folder / "text", *([path] if there else [])])


def decode(root: Path, system: str, seed: int = 1, error: float | None = None) -> Path:
    """Write hypotheses in which words are wrong at a rate of ``error``, with a marker; return their directory."""
    name = "tgt_test" if system in ("scratch", "direct", "xfer_human", "xfer_mt") else "src_test"
    text = "text.sw.human" if system.startswith("st_") else "text"
    rng, rate = random.Random(f"{system} {seed}"), ERROR[system] if error is None else error
    refs = (root / "dump" / "fbank" / name / text).read_text(encoding="utf-8").splitlines()
    folder = root / "exp" / system / f"seed{seed}" / "decode" / name
    write_table(folder / "text", {utt: " ".join(rng.choice(WORDS) if rng.random() < rate else word for word in words)
                                  for utt, *words in map(str.split, refs)})
    Stage(f"decode {system}", folder).finish([folder / "text"])
    return folder


def make_experiment(root: Path, seeds: tuple[int, ...] = (1,), n_utts: int = 40) -> Path:
    """Write the config, the texts and every system's hypotheses under ``root``; return the config's path."""
    make_dump(root, n_utts)
    for system in ERROR:
        for seed in seeds:
            decode(root, system, seed)
    config = root / "toy.yaml"
    config.write_text(CONFIG.replace("seeds: [1]", f"seeds: {list(seeds)}"), encoding="utf-8")
    return config
