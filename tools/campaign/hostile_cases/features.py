"""Tables and audio that hold commands, pickles, devices and pipes."""

from __future__ import annotations

import itertools
import os
import pickle
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from hostile_cases.case import MARK, Hostile, Mark, Read


def _values(folder: Path) -> dict[str, str]:
    """Return values of a table that make ``mark``, or wait for ever, where they are trusted."""
    mark = folder.parent / MARK
    pickled, objects, fifo = folder / "pickle.ark", folder / "objects.ark", folder / "fifo"
    pickled.write_bytes(b"u PKL" + pickle.dumps(Mark(mark)))
    np.save(folder / "objects.npy", np.array([[Mark(mark)]], dtype=object), allow_pickle=True)
    array = (folder / "objects.npy").read_bytes()
    objects.write_bytes(b"u NPY" + bytes([4]) + len(array).to_bytes(4, "little") + array)
    os.mkfifo(fifo)
    (folder / "cut.ark").write_bytes(b"u \0BFM \4\xff\xff\xff\x7f\4\xff\xff\xff\x7f12")
    return {"a command before": f"mkdir {mark} |", "a command behind": f"| mkdir {mark}",
            "a command and a space": f"mkdir {mark} | ", "a command with an offset": f"mkdir {mark} |:0",
            "a pickle": f"{pickled}:2", "objects of numpy": f"{objects}:2", "standard input": "-",
            "a pipe of the file system": f"{fifo}", "a device": "/dev/zero:0", "a folder": str(folder),
            "a matrix cut short": f"{folder / 'cut.ark'}:2"}


VALUES = ("a command before", "a command behind", "a command and a space", "a command with an offset", "a pickle",
          "objects of numpy", "standard input", "a pipe of the file system", "a device", "a folder",
          "a matrix cut short")


def espnet_features(table: Path) -> Any:
    """Read the features of ``u`` as ESPnet's data loader does."""
    from espnet2.train.dataset import ESPnetDataset

    from stxfer.model.safe_reads import safe_reads

    with safe_reads():
        return ESPnetDataset([(str(table), "speech", "kaldi_ark")], max_cache_fd=32)["u"]


def _features() -> Iterator[Hostile]:
    from stxfer.audio.ark import FeatureTable, feature_size, read_matrix
    from stxfer.decoding.decode import load_features

    readers: dict[str, Callable[[Path, str], object]] = {
        "one matrix": lambda table, value: read_matrix(table, "u", value.strip()),
        "decoding": lambda table, value: load_features("u", value.strip(), table),
        "their size": lambda table, _: feature_size(table), "a table": lambda table, _: FeatureTable(table)["u"],
        "ESPnet": lambda table, _: espnet_features(table)}

    def make(folder: Path, kind: str, read: Callable[[Path, str], object]) -> Read:
        value, table = _values(folder)[kind], folder / "feats.scp"
        table.write_text(f"u {value}\n", encoding="utf-8")
        return lambda: read(table, value)

    for (name, read), kind in itertools.product(readers.items(), VALUES):
        yield Hostile(f"features, {name}: {kind}", lambda folder, kind=kind, read=read: make(folder, kind, read),
                      "feats.scp: .*utterance 'u'")


def _audio() -> Iterator[Hostile]:
    from stxfer.audio.recording import Recording
    from stxfer.corpora.kaldi_dir import prepare_kaldi_dir

    def recording(folder: Path, kind: str) -> Read:
        value = _values(folder)[kind]
        return lambda: Recording(value.partition(":")[0]).close()

    def kaldi(folder: Path, kind: str) -> Read:
        value = _values(folder)[kind]
        for name, line in (("wav.scp", value), ("text", "moja mbili"), ("utt2spk", "u")):
            (folder / name).write_text(f"u {line}\n", encoding="utf-8")
        return lambda: prepare_kaldi_dir(folder, folder.parent / "out", "tgt_train", max_drop=0.0)

    for kind in VALUES:
        yield Hostile(f"audio: {kind}", lambda folder, kind=kind: recording(folder, kind), "audio|decod|device|pipe")
        yield Hostile(f"a Kaldi directory's wav.scp: {kind}", lambda folder, kind=kind: kaldi(folder, kind),
                      "wav.scp|tgt_train")


def cases() -> Iterator[Hostile]:
    """Yield the cases."""
    yield from _features()
    yield from _audio()
