"""A work directory with a system of random parameters, as the stages leave it, and recordings of the synthesiser."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
from untrained import make_lm, make_model, make_vocab

from stxfer.audio.dump import dump_fbank
from stxfer.audio.io import SAMPLE_RATE, resample
from stxfer.core.stage import Stage
from stxfer.corpora.synthetic.espeak import synthesise
from stxfer.experiment.training import Decoding
from stxfer.kaldi.datadir import DataDir, table_files, write_datadir

SENTENCES = ("mtoto anasoma kitabu", "watoto wanasoma vitabu", "mama anapika chakula", "baba analima shamba")
FILES = ("model.pth", "config.yaml", "model.json")
BEAM = 3


def speak(text: str, voice: str = "sw") -> np.ndarray:
    """Return speech without the silence around it, float32 (n,) at 16 kHz."""
    samples = resample(synthesise(text, voice).astype(np.float32) / 32768, 22050, SAMPLE_RATE)
    loud = np.flatnonzero(np.abs(samples) > 0.01)
    return samples[loud[0]:loud[-1] + 1]


def joined(clips: list[np.ndarray], silence: float = 1.0) -> tuple[np.ndarray, list[tuple[float, float]]]:
    """Return clips with silence before, between and after them, and the seconds where each begins and ends."""
    gap = np.zeros(round(silence * SAMPLE_RATE), np.float32)
    parts, edges, position = [gap], [], len(gap)
    for clip in clips:
        edges.append((position / SAMPLE_RATE, (position + len(clip)) / SAMPLE_RATE))
        parts += [clip, gap]
        position += len(clip) + len(gap)
    return np.concatenate(parts), edges


def mark_system(directory: Path, **system: Any) -> None:
    """Write the marker of a trained system over the one there is."""
    options = {"system": {"task": "asr", "data": "tgt_train", "text": "sw", "tags": False, **system}, "seed": 1}
    Stage(f"training of {directory.parent.name} seed 1", directory, options=options).finish(
        [directory / name for name in FILES])


def mark_decoded(system: Path, variant: str, options: Decoding) -> None:
    """Write the marker of a decoded test set."""
    out = system / "decode" / (f"tgt_test+{variant}" if variant else "tgt_test")
    out.mkdir(parents=True)
    (out / "text").write_text("", encoding="utf-8")
    Stage(f"decode {out.name}", out, options=asdict(options)).finish([out / "text"])


def make_work(root: Path) -> Path:
    """Write ``dump`` and ``exp`` with the system ``direct``, a language model, and ``talk.flac``; return ``root``."""
    data = root / "dump/data/tgt_train"
    clips = {f"utt-{k}": speak(sentence) for k, sentence in enumerate(SENTENCES)}
    (root / "audio").mkdir(parents=True)
    for utt, samples in clips.items():
        soundfile.write(root / "audio" / f"{utt}.wav", samples, SAMPLE_RATE)
    write_datadir(data, DataDir(data, {utt: str(root / "audio" / f"{utt}.wav") for utt in clips},
                                dict(zip(clips, SENTENCES, strict=True)), {utt: utt for utt in clips},
                                {utt: len(samples) / SAMPLE_RATE for utt, samples in clips.items()}))
    Stage("prepare tgt_train", data, options={"max_seconds": 20.0}).finish(table_files(data))
    dump_fbank(data, root / "dump/fbank/tgt_train")
    tokens = make_vocab(root / "dump/vocab/target")
    direct = root / "exp/direct/seed1"
    make_model(direct, root / "dump/vocab/target", tokens)
    mark_system(direct)
    make_lm(root / "exp/lm/sw", root / "dump/vocab/target", tokens)
    mark_decoded(direct, "", Decoding(beam_size=BEAM, ctc_weight=0.3, maxlenratio=0.4))
    mark_decoded(direct, "lm", Decoding(beam_size=BEAM, ctc_weight=0.3, maxlenratio=0.4, lm="sw", lm_weight=0.5,
                                        length_bonus=0.2))
    soundfile.write(root / "talk.flac", joined(list(clips.values()))[0], SAMPLE_RATE)
    return root
