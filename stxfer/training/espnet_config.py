"""ESPnet training configurations, written from the experiment."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from stxfer.audio.hub import open_hub_model
from stxfer.core.devices import on_gpu
from stxfer.experiment.frontend import PRETRAINED
from stxfer.experiment.training import Phase
from stxfer.model.build import ENCODED, TEXT_ONLY
from stxfer.model.weighted_sum import NAME as WEIGHTED_SUM
from stxfer.training.checkpoint import averaged, criterion
from stxfer.training.spec import Text

# ESPnet leaves the CTC layer out of a model whose ctc_weight is 0. With this weight its loss counts for nothing and the
# layer stays, frozen, for the system that starts from this one.
KEEPS_CTC = 1e-6
FREQ_MASK = 0.2  # the widest of two masks: share of the features' dimension, 16 of 80 bands
# What the recurrent families call their dropout; they have no positions, so no dropout of them.
DROPOUT = {"berard": ("dropout_rate",), "rnn": ("dropout",), "vgg_rnn": ("dropout",),
           "s2t_blstm": ("dropout_rate",)}
LM_DROPOUT = {"seq_rnn": ("dropout_rate",),
              "transformer": ("dropout_rate", "positional_dropout_rate", "attention_dropout_rate")}


def model_config(task: str, model: Mapping[str, Any], phase: Phase, input_size: int, target: Text,
                 source: Text | None = None, layers: Sequence[int] = ()) -> dict[str, Any]:
    """Return the part of an ESPnet configuration that defines the model.

    Paths in it are absolute: ESPnet stores them as they are, and a model opened from another directory
    would fail at its first call.

    Args:
        task: ``asr``, ``st``, ``text``, ``mt`` or ``lm``.
        model: the experiment's words.
        phase: what it says of dropout, losses and masks.
        input_size: dimension of the features; MT has none.
        target: the side that is written.
        source: the side that is read, of MT.
        layers: of a pretrained encoder, several: their features lie side by side in the input.
    """
    words: dict[str, Any] = copy.deepcopy(dict(model))
    text = {"token_list": target.tokens, "token_type": "bpe", "bpemodel": str(target.pieces)}
    if task == "lm":
        dropouts = dict.fromkeys(LM_DROPOUT[words["lm"]], phase.dropout)
        return {**words, **text, "lm_conf": {**dropouts, **words["lm_conf"]}}
    for part in ("encoder", "decoder"):
        conf = words.setdefault(f"{part}_conf", {})
        for key in DROPOUT.get(words.get(part, ""), ("dropout_rate", "positional_dropout_rate")):
            conf.setdefault(key, phase.dropout)
    if pretrained := words.get("frontend") == PRETRAINED:
        found = open_hub_model(Path(words["frontend_conf"]["model"]))
        words["frontend_conf"] |= {"digest": found.digest(), "dropout_rate": phase.dropout}
    config: dict[str, Any] = {
        **words, **text, "init": model.get("init", "xavier_uniform")}
    if task == "mt":
        assert source is not None
        config |= {"src_token_list": source.tokens, "src_token_type": "bpe",
                   "src_bpemodel": str(source.pieces),
                   "model_conf": {**model.get("model_conf", {}), "lsm_weight": phase.label_smoothing,
                                  "report_bleu": False}}
        return config
    if pretrained:
        size = found.size
        config |= {"input_size": None}
    elif layers:
        size = input_size // len(layers)
        config |= {"frontend": WEIGHTED_SUM, "frontend_conf": {"layers": list(layers), "size": size},
                   "input_size": None}
    else:
        size = input_size
        config |= {"frontend": None, "input_size": size}
    ctc_weight = phase.ctc_weight or (KEEPS_CTC if "ctc" in phase.freeze else 0.0)
    config |= {"normalize": None,
               "model_conf": {"ctc_weight": ctc_weight, "lsm_weight": phase.label_smoothing,
                              "report_cer": False, "report_wer": False}}
    if task == "text":
        config["model"] = TEXT_ONLY
    elif phase.encode_once:
        config["model"] = ENCODED
    if phase.specaug:
        config |= {"specaug": "specaug", "specaug_conf": _specaug(size)}
    return config


def _specaug(input_size: int) -> dict[str, Any]:
    """Return the masks' sizes: shares of an utterance's frames and of the features' dimension.

    Dimensions of a self-supervised encoder have no order as bands have, but masking runs of them is what fine-tuning
    such encoders does too (wav2vec 2.0, appendix B).
    """
    return {"apply_time_warp": False, "apply_freq_mask": True,
            "freq_mask_width_range": [0, round(FREQ_MASK * input_size)], "num_freq_mask": 2,
            "apply_time_mask": True, "time_mask_width_ratio_range": [0.0, 0.05], "num_time_mask": 2}


def training_config(task: str, phase: Phase, *, columns: int, train: dict[str, Path], dev: dict[str, Path],
                    shapes: tuple[Path, Path], init: Path, out: Path, seed: int,
                    layers: Sequence[int] = (), pretrained: bool = False) -> dict[str, Any]:
    """Return the part of an ESPnet configuration that says how and on what to train.

    Args:
        task: what is trained.
        phase: the schedule.
        columns: numbers in a frame of the input: the features' dimension, 1 for a word.
        train: data name to file: ``speech`` (feats.scp), ``text``, ``src_text``.
        dev: the same of the development set.
        shapes: shape files of training and development set; the keys in them are used.
        init: a complete state dict to start from.
        out: the directory to train in.
        seed: of everything random.
        layers: see :func:`model_config`; what sums them is frozen with the encoder.
        pretrained: whether the model begins with a pretrained encoder, which has a learning rate of its own.
    """
    kinds = {"speech": "kaldi_ark", "text": "text", "src_text": "text"}
    total = phase.epochs * phase.steps
    frozen = [*phase.freeze, "frontend"] if layers and "encoder" in phase.freeze else list(phase.freeze)
    return {
        "output_dir": str(out), "seed": seed, "ngpu": int(on_gpu()), "resume": True,
        "init_param": [str(init)],
        "train_data_path_and_name_and_type": [[str(path), name, kinds[name]] for name, path in train.items()],
        "valid_data_path_and_name_and_type": [[str(path), name, kinds[name]] for name, path in dev.items()],
        "train_shape_file": [str(shapes[0])], "valid_shape_file": [str(shapes[1])],
        "batch_type": "numel", "batch_bins": phase.batch_frames * columns,
        "max_epoch": phase.epochs, "num_iters_per_epoch": phase.steps * phase.accum, "accum_grad": phase.accum,
        "patience": phase.patience or None, "early_stopping_criterion": list(criterion(task, phase)),
        "use_amp": phase.amp and on_gpu(),
        "optim": "adamw", "optim_conf": {"lr": phase.lr, "betas": [0.9, 0.98], "weight_decay": phase.weight_decay},
        "scheduler": "onecyclelr",
        "scheduler_conf": {"max_lr": [phase.lr, phase.lr * phase.frontend_lr] if pretrained else phase.lr,
                           "total_steps": total + 1, "pct_start": phase.warmup,
                           "cycle_momentum": False},
        "grad_clip": phase.clip, "freeze_param": frozen,
        "best_model_criterion": [list(criterion(task, phase))], "keep_nbest_models": [averaged(phase)],
        "num_workers": 0, "num_att_plot": 0, "use_matplotlib": False, "use_tensorboard": phase.tensorboard,
        "log_interval": max(1, phase.steps * phase.accum // 4),
    }
