"""Decode a set with stock ESPnet: ``espnet2.bin.asr_inference`` in a process of its own."""

from __future__ import annotations

import logging
import time
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import yaml

from stxfer.audio.ark import read_places
from stxfer.core.devices import on_gpu
from stxfer.core.errors import DataError
from stxfer.core.fileio import atomic_dir, atomic_write
from stxfer.core.modules import run_module
from stxfer.core.workdir import WorkDir
from stxfer.decoding.decode import write_hypotheses
from stxfer.experiment.espnet import SEARCH
from stxfer.experiment.layout import CONFIG, FEATS, STOCK, STOCK_MODEL
from stxfer.experiment.training import Decoding
from stxfer.kaldi.table import read_table
from stxfer.model.transfer import load_state
from stxfer.score.espnet import check_utterances
from stxfer.text.normalise import normalise
from stxfer.text.profiles import Profile

MODULE = "espnet2.bin.asr_inference"
BEST = "1best_recog"
log = logging.getLogger(__name__)


def decode_with_stock(model: Path, data: Path, out: Path, options: Decoding, profile: Profile, *,
                      name: str = "decode") -> dict[str, Any]:
    """Decode every utterance of a set's features.

    Args:
        model: the system's directory, see :func:`stxfer.training.stock.train_stock`.
        data: the set's features.
        out: directory for the tables and ``decode.json`` that :func:`stxfer.decoding.decode.decode_dataset` writes, and
            for ESPnet's own tables, ``espnet/``; texts are normalised.
        options: of which those of :data:`stxfer.experiment.espnet.SEARCH` count.
        profile: how the references were normalised.
        name: what messages call it.

    Returns:
        The content of ``decode.json``.

    Raises:
        DataError: features cannot be read, or ESPnet leaves out utterances.
        TransferError: the parameters are absent or hold more than numbers.
        StxferError: ESPnet's command fails; with the last line that it has printed.
    """
    utts = read_places(data / FEATS)  # ESPnet's readers would run commands in it, and code in the parameters
    load_state(model / STOCK / STOCK_MODEL)
    started = time.monotonic()
    found = out / STOCK
    with atomic_dir(found) as made:
        _infer(model, data, made, options)
    tables = read_hypotheses(found / BEST, utts)
    text = {utt: normalise(tables["text"][utt], profile) for utt in utts}
    return write_hypotheses(out, text, {utt: (tables["token"][utt].split(), _score(tables["score"][utt]))
                                        for utt in utts}, {}, name=name, seconds=time.monotonic() - started,
                            options={option: getattr(options, option) for option in SEARCH})


def read_hypotheses(directory: Path, utts: Collection[str]) -> dict[str, Mapping[str, str]]:
    """Return ESPnet's tables ``text``, ``token`` and ``score`` of the best hypotheses.

    Raises:
        DataError: a table is absent, or has not one row for each utterance.
    """
    tables: dict[str, Mapping[str, str]] = {}
    for name in ("text", "token", "score"):
        path = directory / name
        if not path.exists():
            raise DataError(f"{path}: ESPnet has left no such file; run the same command again")
        tables[name] = read_table(path)
        check_utterances(path, tables[name], utts)
    return tables


def _infer(model: Path, data: Path, out: Path, options: Decoding) -> None:
    work = WorkDir.of(out)
    config = {**{theirs: getattr(options, ours) for ours, theirs in SEARCH.items()},
              "ngpu": int(on_gpu()), "num_workers": 0,
              "asr_train_config": work.stored((model / STOCK / CONFIG).absolute()),
              "asr_model_file": work.stored((model / STOCK / STOCK_MODEL).absolute())}
    with atomic_write(out / "decode.yaml") as handle:
        yaml.safe_dump(config, handle, allow_unicode=True, sort_keys=False)
    arguments = {"config": work.stored((out / "decode.yaml").absolute()), "output_dir": work.stored(out.absolute()),
                 "data_path_and_name_and_type": f"{work.stored((data / FEATS).absolute())},speech,kaldi_ark"}
    run_module(MODULE, [word for name, value in arguments.items() for word in (f"--{name}", value)],
               Path(work.root or Path.cwd()))


def _score(value: str) -> float:
    """Return the score of a hypothesis, which ESPnet writes as PyTorch shows a tensor; what is no number is 0."""
    number, *_ = value.removeprefix("tensor(").removesuffix(")").split(",")  # a device follows, if it is a GPU
    try:
        return float(number)
    except ValueError:
        return 0.0
