"""Stock ESPnet as a system: ``espnet2.bin.asr_train`` on the sets, vocabulary and number of steps of the others.

ESPnet's command runs in a process of its own, into which nothing of this package is loaded. What differs from ESPnet's
recipes: features are those of ``dump/fbank``, normalised over the utterance (their ``feats_normalize=utterance_mvn``),
a batch is counted in frames of features alone (the text is not counted in), and as many epochs are averaged as for the
other systems.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import yaml

from stxfer.audio.ark import feature_size, read_places
from stxfer.core.devices import on_gpu
from stxfer.core.errors import StxferError
from stxfer.core.fileio import atomic_write, write_json
from stxfer.core.modules import run_module
from stxfer.core.records import read_record
from stxfer.core.threads import use_threads
from stxfer.core.workdir import WorkDir
from stxfer.experiment.espnet import StockModel, stock_schedule
from stxfer.experiment.layout import CURVE, INFO, STOCK, STOCK_MODEL
from stxfer.experiment.records import ModelInfo
from stxfer.experiment.training import Phase
from stxfer.model.transfer import load_state
from stxfer.training import checkpoint
from stxfer.training.curve import epoch_rows, plot_curve
from stxfer.training.launch import most_threads
from stxfer.training.spec import Corpus, Text
from stxfer.training.utterances import amount, write_shapes

MODULE = "espnet2.bin.asr_train"
_WRITTEN = re.compile(r"(\d+epoch|latest|checkpoint|valid\..*)\.pth")


def train_stock(model: StockModel, phases: Sequence[Phase], train: Corpus, dev: Corpus, text: Text, out: Path,
                seed: int) -> dict[str, Any]:
    """Train a model by ESPnet's commands, or let them resume after a kill; return the contents of ``model.json``.

    Leaves ``model.json``, ``curve.png`` and ``espnet/``, ESPnet's experiment directory, whose ``config.yaml`` and
    ``valid.acc.ave.pth`` its own ``asr_inference`` opens in the root of the work directory.

    Args:
        model: the model and how ESPnet trains it.
        phases: what :func:`stxfer.experiment.espnet.stock_schedule` takes of them counts.
        train: what is learnt from.
        dev: what decides which epochs are averaged.
        text: the vocabulary.
        out: directory to train in.
        seed: ESPnet's.

    Raises:
        DataError: features or texts cannot be read.
        StxferError: ESPnet's command fails, or training diverged; with the last line that ESPnet has printed.
    """
    out = Path(out).absolute()
    directory, root = out / STOCK, Path(WorkDir.of(out).root or Path.cwd())
    info: dict[str, Any]
    if not (out / INFO).exists():
        directory.mkdir(parents=True, exist_ok=True)
        use_threads(most_threads(phases))
        schedule = stock_schedule(phases)
        for corpus in (train, dev):
            read_places(corpus.tables["speech"])  # no commands: ESPnet's reader would run them
        config = _config(model, schedule, {"train": train, "valid": dev}, text, directory) | {"seed": seed}
        checkpoint.mend(directory)
        plain = directory / "train.yaml"
        with atomic_write(plain) as handle:
            yaml.safe_dump(config, handle, allow_unicode=True, sort_keys=False)
        run_module(MODULE, ["--config", _stored(plain)], root)
        checkpoint.check_learnt(directory)
        checkpoint.check_finite(directory / STOCK_MODEL)
        state = load_state(directory / STOCK_MODEL)
        info = {"task": "asr", "seed": seed, "vocab": WorkDir.of(out).stored(text.vocab),
                "espnet": {"version": version("espnet"), "encoder": model.encoder,
                           "parameters": sum(value.numel() for value in state.values()),
                           "steps": schedule["epochs"] * schedule["steps"]},
                "train": amount(train, directory / "train_shape"), "stopped_early": False,
                "epochs": epoch_rows([directory])}
        plot_curve(out / CURVE, info["epochs"])
        write_json(out / INFO, info)
    _tidy(directory)
    info = read_record(out / INFO, ModelInfo)
    return info


def _config(model: StockModel, schedule: Mapping[str, Any], sets: Mapping[str, Corpus], text: Text,
            directory: Path) -> dict[str, Any]:
    """Return ESPnet's configuration, and write the shape files that it names."""
    columns = feature_size(sets["train"].tables["speech"])
    data: dict[str, Any] = {}
    for part, corpus in sets.items():
        data[f"{part}_data_path_and_name_and_type"] = [
            [_stored(corpus.tables["speech"]), "speech", "kaldi_ark"], [_stored(corpus.tables["text"]), "text", "text"]]
        data[f"{part}_shape_file"] = [_stored(write_shapes(corpus, directory / f"{part}_shape", columns))]
    words = model.words(schedule["epochs"] * schedule["steps"])
    return {
        **words, **data, "output_dir": _stored(directory),
        "model_conf": {"report_cer": False, "report_wer": False, **words["model_conf"]},  # not those of a search
        "frontend": None, "input_size": columns, "normalize": "utterance_mvn",
        "token_type": "bpe", "bpemodel": _stored(text.pieces), "token_list": text.tokens,
        "ngpu": int(on_gpu()), "num_workers": 0, "resume": True,
        "batch_type": "numel", "batch_bins": schedule["batch_frames"] * columns, "accum_grad": schedule["accum"],
        "max_epoch": schedule["epochs"], "num_iters_per_epoch": schedule["steps"] * schedule["accum"],
        "best_model_criterion": [["valid", "acc", "max"]],
        "keep_nbest_models": min(schedule["average"], schedule["epochs"]),
        "use_amp": schedule["amp"] and on_gpu(), "num_att_plot": 0, "use_matplotlib": False, "use_tensorboard": False,
        "log_interval": max(1, schedule["steps"] * schedule["accum"] // 4)}


def _stored(path: Path) -> str:
    """Return a path as ESPnet's files name it: so that they are found after the work directory was moved."""
    return WorkDir.of(path).stored(path.absolute())


def _tidy(directory: Path) -> None:
    """Keep the averaged parameters alone, as a file where ESPnet has a link, and the configuration."""
    result = directory / STOCK_MODEL
    if result.is_symlink():
        result.resolve().replace(result)
    if not result.is_file():
        raise StxferError(f"{result}: ESPnet has left no such file; remove {directory.parent} and train again")
    for path in directory.glob("*.pth"):
        if path.name != STOCK_MODEL and _WRITTEN.fullmatch(path.name):
            path.unlink()
