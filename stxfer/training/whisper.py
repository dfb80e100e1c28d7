"""Fine-tune Whisper with its own decoder, by transformers' trainer.

What a user would do who has no rich language to transfer from: the rival of every system here. It learns the same
normalised transcripts of the same speech as the others.
"""

from __future__ import annotations

import logging
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from stxfer.audio.hub import check_whole
from stxfer.audio.io import SAMPLE_RATE
from stxfer.audio.perturb import distinct_seconds
from stxfer.audio.shards import Reader
from stxfer.core.errors import DataError, StxferError
from stxfer.core.fileio import atomic_dir, read_json, write_json
from stxfer.core.records import read_record
from stxfer.core.threads import use_threads
from stxfer.core.workdir import WorkDir
from stxfer.experiment.layout import CURVE, INFO, TUNED
from stxfer.experiment.records import ModelInfo
from stxfer.experiment.whisper import Whisper
from stxfer.kaldi.datadir import DataDir, read_datadir
from stxfer.kaldi.dropped import check_share, write_dropped
from stxfer.model.lora import import_peft, lora_config
from stxfer.model.saves import intact
from stxfer.model.whisper import LORA_TARGETS, WhisperModel, open_whisper
from stxfer.training.curve import plot_curve

CHECKPOINTS = "checkpoints"
STATE = "trainer_state.json"  # the last file of a checkpoint
IGNORED = -100  # transformers' label of what no loss is taken of
log = logging.getLogger(__name__)


def tune_whisper(options: Whisper, language: str, train: Path, dev: Path, out: Path, seed: int) -> dict[str, Any]:
    """Fine-tune a Whisper, or go on where a killed run stopped; return the contents of ``model.json``.

    Leaves ``model.json`` and ``whisper/``: LoRA's additions alone, to be read with the model that they were trained
    on, or with ``tune: all`` a whole model in the hub's layout; ``dropped.tsv`` lists utterances that do not fit
    Whisper's window. While it trains, ``checkpoints/`` holds the last and the best epoch.

    Args:
        options: of the system.
        language: the one spoken.
        train: prepared data directory to learn from.
        dev: the one that decides which epoch is the result, and when to stop.
        out: directory to train in.
        seed: of the order of utterances, dropout and LoRA's additions.

    Raises:
        ConfigError: see :func:`stxfer.model.whisper.open_whisper`.
        DataError: audio cannot be read, or more utterances than allowed do not fit.
        StxferError: training diverged.
    """
    info: dict[str, Any]
    out.mkdir(parents=True, exist_ok=True)
    checkpoints = out / CHECKPOINTS
    use_threads(options.threads)
    if not (out / INFO).exists():  # it is written last
        torch.manual_seed(seed)
        whisper = open_whisper(options, language)
        kept = {path: _fitting(whisper, path, options.max_drop, out) for path in (train, dev)}
        write_dropped(out / "dropped.tsv", {utt: reason for _, dropped in kept.values()
                                            for utt, reason in dropped.items()})
        data = kept[train][0]
        info = {"task": "asr", "seed": seed, "whisper": options.model, "tune": options.tune,
                "train": {"utterances": len(data), "hours": round(distinct_seconds(data.utt2dur) / 3600, 4),
                          "hours_with_copies": round(data.hours, 4), "dropped": len(kept[train][1])}}
        if options.tune != "nothing":
            trainer = _trainer(options, whisper, Utterances(whisper, data), Utterances(whisper, kept[dev][0]),
                               checkpoints, seed)
            last = _last(checkpoints)
            if last is not None:
                begun = int(last.rpartition("-")[2]) // options.steps + 1  # a checkpoint is called after its step
                print(f"resumed at epoch {begun} of {options.epochs}", flush=True)
            trainer.train(resume_from_checkpoint=last)
            info["epochs"] = _epochs(trainer.state, options.steps)
            info["stopped_early"] = len(info["epochs"]) < options.epochs
            _check_finite(trainer.model, out)
            with atomic_dir(out / TUNED) as made:
                trainer.model.save_pretrained(made)
            plot_curve(out / CURVE, info["epochs"])
        write_json(out / INFO, WorkDir.of(out).portable(info))
    shutil.rmtree(checkpoints, ignore_errors=True)
    info = read_record(out / INFO, ModelInfo)
    return info


class Utterances(torch.utils.data.Dataset[dict[str, Any]]):
    """Log-mel energies and tokens of a data directory's utterances, read when they are asked for."""

    def __init__(self, whisper: WhisperModel, data: DataDir) -> None:
        self.whisper, self.data, self.utts = whisper, data, data.utts
        self.reader = Reader()

    def __len__(self) -> int:
        return len(self.utts)

    def __getitem__(self, index: int) -> dict[str, Any]:
        """Return ``input_features`` (mel, frames) and ``tokens``."""
        utt = self.utts[index]
        samples = self.reader.read(self.data.audio(utt))
        return {"input_features": self.whisper.energies([samples[:self.whisper.window]])[0],
                "tokens": self.whisper.tokens(self.data.text[utt])}

    def collate(self, rows: Sequence[Mapping[str, Any]]) -> dict[str, torch.Tensor]:
        """Return a padded batch: the decoder reads each token and learns the next one, those of the prompt apart."""
        given = len(self.whisper.prompt) - 1
        pairs = [(torch.tensor(row["tokens"][:-1]), torch.tensor([IGNORED] * given + row["tokens"][given + 1:]))
                 for row in rows]
        pad = torch.nn.utils.rnn.pad_sequence
        return {"input_features": torch.stack([row["input_features"] for row in rows]),
                "decoder_input_ids": pad([read for read, _ in pairs], batch_first=True,
                                         padding_value=self.whisper.tokenizer.eos_token_id),
                "labels": pad([learnt for _, learnt in pairs], batch_first=True, padding_value=IGNORED)}


def _fitting(whisper: WhisperModel, path: Path, max_drop: float, out: Path) -> tuple[DataDir, dict[str, str]]:
    """Return what of a set fits Whisper's window, and the other utterances with the reasons."""
    data = read_datadir(path)
    dropped = {}
    seconds = whisper.window / SAMPLE_RATE
    for utt in data:
        if data.utt2dur[utt] > seconds:
            dropped[utt] = f"too_long: {data.utt2dur[utt]:.1f} s, Whisper hears {seconds:g} s"
        elif (count := len(whisper.tokens(data.text[utt]))) > whisper.most_tokens:
            dropped[utt] = f"too_many_tokens: {count}, Whisper writes {whisper.most_tokens}"
    check_share(path.name, len(data) - len(dropped), dropped, max_drop, out / f"dropped.{path.name}.tsv",
                option="whisper.max_drop")
    if dropped:
        log.warning("%s: %d of %d utterances do not fit Whisper's window and are left out", path.name, len(dropped),
                    len(data))
    return data.select([utt for utt in data if utt not in dropped]), dropped


def _trainer(options: Whisper, whisper: WhisperModel, train: Utterances, dev: Utterances, checkpoints: Path,
             seed: int) -> Any:
    import transformers

    peft = import_peft()  # it brings accelerate, which transformers' trainer needs
    network = whisper.network
    for module in network.modules():  # the layers have taken it from the configuration when they were made
        if isinstance(getattr(module, "dropout", None), float):
            module.dropout = options.dropout
    if options.tune == "lora":
        network = peft.get_peft_model(network, lora_config(options.rank, options.alpha, options.dropout, LORA_TARGETS))

    class Figures(transformers.TrainerCallback):
        def on_evaluate(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
            row = _epochs(state, options.steps)[-1]
            print(f"whisper epoch {row['epoch']}: train loss {row['train_loss']:.3f}, dev loss {row['valid_loss']:.3f}",
                  flush=True)

    gpu = torch.cuda.is_available()
    total = options.epochs * options.steps
    arguments = transformers.TrainingArguments(
        output_dir=str(checkpoints), seed=seed, use_cpu=not gpu, bf16=options.amp and gpu,
        per_device_train_batch_size=options.batch, per_device_eval_batch_size=options.batch,
        gradient_accumulation_steps=options.accum, max_steps=total, learning_rate=options.lr,
        lr_scheduler_type="linear", warmup_steps=round(options.warmup * total), weight_decay=options.weight_decay,
        max_grad_norm=options.clip, eval_strategy="steps", eval_steps=options.steps, save_strategy="steps",
        save_steps=options.steps, save_total_limit=1, load_best_model_at_end=True, metric_for_best_model="eval_loss",
        greater_is_better=False, restore_callback_states_from_checkpoint=True, logging_steps=options.steps,
        logging_nan_inf_filter=False, report_to="none", disable_tqdm=True, remove_unused_columns=False,
        label_names=["labels"])
    trainer = transformers.Trainer(
        model=network, args=arguments, train_dataset=train, eval_dataset=dev, data_collator=train.collate,
        callbacks=[transformers.EarlyStoppingCallback(options.patience)] if options.patience else [])
    trainer.remove_callback(transformers.PrinterCallback)
    trainer.add_callback(Figures)
    return trainer


def _epochs(state: Any, steps: int) -> list[dict[str, Any]]:
    """Return the losses of each epoch, as transformers' trainer has logged them."""
    rows: dict[int, dict[str, Any]] = {}
    for entry in state.log_history:
        for theirs, ours in (("loss", "train_loss"), ("eval_loss", "valid_loss")):
            if theirs in entry:
                number = entry["step"] // steps
                rows.setdefault(number, {"phase": "whisper", "epoch": number})[ours] = round(entry[theirs], 5)
    return list(rows.values())


def _last(checkpoints: Path) -> str | None:
    """Return the last checkpoint that is whole, and remove those that a kill or a full disk left half-written."""
    whole = {}
    for path in checkpoints.glob("checkpoint-*"):
        number = path.name.partition("-")[2]
        if not (number.isascii() and number.isdecimal()):
            continue  # not the trainer's
        if _whole(path):
            whole[int(number)] = path
        else:
            log.warning("%s: cut short or damaged, removed", path)
            shutil.rmtree(path)
    return str(whole[max(whole)]) if whole else None


def _whole(checkpoint: Path) -> bool:
    try:
        read_json(checkpoint / STATE)
        for path in checkpoint.iterdir():
            check_whole(path)
    except DataError:
        return False
    return all(intact(path) for path in checkpoint.iterdir() if path.suffix in (".pt", ".pth", ".bin"))


def _check_finite(network: torch.nn.Module, out: Path) -> None:
    for name, parameter in network.named_parameters():
        if not torch.isfinite(parameter).all():
            raise StxferError(f"{out}: {name} holds values that are not finite: training diverged; lower 'lr'")
