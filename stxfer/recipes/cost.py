"""What is still to do of a recipe in minutes, bytes and memory, on this machine's processor.

A training's steps are what the experiment says, and what one takes is timed (:mod:`stxfer.recipes.steps`). All else is
linear in seconds of speech, tokens or sentences, by factors that were taken from runs of ``mini_sw`` and ``voa_sw`` on
two cores of an Intel Xeon whose one thread multiplied matrices at ``REFERENCE``, and that scale with that.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from stxfer.core.errors import StxferError
from stxfer.core.fileio import read_json
from stxfer.experiment.config import Experiment
from stxfer.experiment.declared import Vocab
from stxfer.experiment.systems import System
from stxfer.experiment.training import Decoding, Phase
from stxfer.recipes.amounts import SECONDS, Amount, bitext_of, total
from stxfer.recipes.plan import DONE, REFUSED, Item
from stxfer.recipes.steps import Step, Training, gigaflops, time_step

REFERENCE = 95.0  # billion operations a second
START = 4.5  # seconds of a process until its first step
SAVE = 0.4  # seconds of an epoch's end
TWO_THREADS = 1.7  # times as fast as one
SIDE_BY_SIDE = 1.1  # times as slow, where all cores are busy
DEV = 0.35  # of a training step, for as many frames of the development set
SPEAK, READ, PREPARE, FBANK = 0.0074, 0.0004, 0.0006, 0.0008  # processor seconds a second of speech
ENCODER = 2 * 50 / 0.4  # operations a second of speech and parameter of an encoder, by the share of the peak it has
TRANSLATE = 2.2e-4  # seconds a token, at a beam of 4
BEAM, PREFIX = 1.6e-4, 2.1e-8  # seconds a token and hypothesis; and frame and candidate of CTC
FEATURE_BYTES = 1.0  # a number of a filterbank in the archives, which are compressed
SAMPLES = 32000  # bytes a second of synthetic speech
MODEL_BYTES, TRAINING_BYTES = 4.2, 30  # a parameter: of a finished model, of one that trains, with its checkpoints
PROCESS, ACTIVATIONS = 0.8e9, 18e3  # bytes of a process; of a frame of its batch


@dataclass
class Cost:
    """What a stage takes: seconds on the wall, bytes on disk, bytes of memory at once; ``unknown`` what is not told."""

    seconds: float = 0.0
    disk: float = 0.0
    memory: float = 0.0
    unknown: str = ""


def costs(experiment: Experiment, items: Iterable[Item], amounts: Mapping[str, Amount], dump: Path, *, nj: int,
          clock: Callable[[Training], Step] = time_step, speed: Callable[[], float] = gigaflops) -> dict[str, Cost]:
    """Return what is still to do of each stage takes.

    Args:
        experiment: the experiment.
        items: what there is to make; what is done, or refused, costs nothing.
        amounts: of the sets.
        dump: the directory of prepared data.
        nj: processes side by side.
        clock, speed: what times a step, and the machine.
    """
    model = _Model(experiment, amounts, dump, min(nj, os.cpu_count() or 1), clock, REFERENCE / speed())
    todo: dict[str, list[Item]] = {}
    for item in items:
        if item.state not in (DONE, REFUSED):
            todo.setdefault(item.stage, []).append(item)
    return {stage: model.stage(stage, some) for stage, some in todo.items()}


class _Model:
    def __init__(self, experiment: Experiment, amounts: Mapping[str, Amount], dump: Path, nj: int,
                 clock: Callable[[Training], Step], slower: float) -> None:
        self.experiment, self.amounts, self.dump, self.nj, self.slower = experiment, amounts, dump, nj, slower
        self._clock, self._timed = clock, dict[str, tuple[Step, int]]()

    def stage(self, stage: str, items: Sequence[Item]) -> Cost:
        """Return what a stage takes."""
        speech = total({item.name: self.amounts[item.name] for item in items if item.name in self.amounts})
        if stage == "data":
            spoken = total({item.name: amount for item in items
                            if (amount := self.amounts.get(item.name)) is not None and amount.spoken})
            return Cost(self._spread(spoken * SPEAK + (speech - spoken) * READ) + START * 2, spoken * SAMPLES,
                        self.nj * 0.2e9)
        if stage == "prepare":
            return Cost(self._spread(speech * PREPARE) + START / 2, speech * 500, self.nj * 0.3e9)
        if stage == "features":
            return self._features(speech)
        if stage in ("mt", "lm", "source_asr", "st", "target_asr"):
            return self._trainings(stage, items)
        if stage == "labels":
            source = self.amounts.get("src_train", Amount(0, 0))
            tokens = source.seconds * source.characters / 4
            return Cost(self._spread(tokens * TRANSLATE * len(items) / 2) + START)
        if stage == "decode":
            return self._decodings(items)
        return Cost({"vocab": 2.0, "score": 1.0 + 0.2 * len(items), "report": 3.0}.get(stage, 1.0) * self.slower)

    def _spread(self, seconds: float) -> float:
        return seconds * self.slower * (SIDE_BY_SIDE if self.nj > 1 else 1.0) / self.nj

    def _features(self, speech: float) -> Cost:
        features = self.experiment.features
        if features.kind == "waveform":
            return Cost(self._spread(speech * PREPARE), 0.0)
        if features.kind == "fbank":
            return Cost(self._spread(speech * FBANK) + START / 2, speech * 100 * 80 * FEATURE_BYTES, self.nj * 0.3e9)
        width, blocks = _encoder(features.directory)
        if not width:
            return Cost(unknown="the encoder's config.json does not tell its size")
        operations = speech * ENCODER * blocks * 12 * width ** 2 * (6.0 if features.padded else 1.0)
        columns, rate = self.columns()
        return Cost(self._spread(operations / REFERENCE / 1e9) + START, speech * rate * columns * FEATURE_BYTES,
                    self.nj * 1.2e9)

    def columns(self) -> tuple[int, float]:
        """Return the dimension of the features, and frames a second."""
        features = self.experiment.features
        if features.kind != "pretrained":
            return 80, 100.0
        width, blocks = _encoder(features.directory)
        layers = blocks if features.layer == "all" else max(1, len(features.layer))
        return width * layers, 50.0 / features.stride

    def _trainings(self, stage: str, items: Sequence[Item]) -> Cost:
        jobs: list[tuple[str, str, float]] = []  # name, what it starts from, seconds
        disk, memory, threads = 0.0, 0.0, 1
        for item in items:
            name = item.name.partition(" seed ")[0]
            system = self.experiment.systems.get(name) if stage not in ("mt", "lm") else None
            if system is not None and (system.whisper or system.espnet) or \
                    stage not in ("mt", "lm") and self.experiment.features.kind == "waveform":
                return Cost(unknown="fine-tuning and stock ESPnet are not timed")
            phases = (self.experiment.train[system.phases] if system else self.experiment.mt.train if stage == "mt"
                      else self.experiment.lm[name].train)
            seconds = START * self.slower
            for phase in phases:
                training, dev = self._training(stage, name, system, phase)
                step = self._time(training)
                threads = max(threads, phase.threads)
                steps = phase.epochs * phase.steps
                batches = dev / max(1, phase.batch_frames)
                faster = TWO_THREADS if phase.threads > 1 else 1.0
                seconds += (steps * step.seconds + phase.epochs * (SAVE + batches * DEV * step.seconds)
                            + (step.encode * self._batches(system, phase) if system else 0.0)) / faster
                disk = max(disk, step.parameters * MODEL_BYTES * len(items))
                memory = max(memory, PROCESS + step.parameters * 16 + phase.batch_frames * ACTIVATIONS)
            seed = item.name.partition(" seed ")[2]
            jobs.append((item.name, f"{system.parent} seed {seed}" if system else "", seconds))
        slots = max(1, self.nj // threads)
        at_once = min(slots, len(jobs))
        ends: dict[str, float] = {}
        free = [0.0] * slots
        for name, parent, seconds in jobs:
            slot = free.index(min(free))
            ends[name] = max(free[slot], ends.get(parent, 0.0)) + seconds * (SIDE_BY_SIDE if at_once > 1 else 1.0)
            free[slot] = ends[name]
        return Cost(max(free), disk + disk / MODEL_BYTES * TRAINING_BYTES / max(1, len(items)) * at_once,
                    memory * at_once)

    def _training(self, stage: str, name: str, system: System | None, phase: Phase) -> tuple[Training, float]:
        """Return what a step depends on, and how many frames (words, tokens) the development set is."""
        if stage == "mt":
            text, size = bitext_of(self.dump, self.experiment), self.experiment.mt.vocab
            tokens = round(text.characters / _pieces(Vocab(size=size)))
            return Training("mt", self.experiment.mt.model, phase, 0, 0, tokens, size, text.words), \
                min(1000.0, text.pairs / 10) * text.words
        if stage == "lm":
            lm = self.experiment.lm[name]
            vocab = self.experiment.vocab[lm.vocab]
            model = {key: value for key, value in asdict(lm.model).items() if value is not None}
            tokens = round(90 / _pieces(vocab))
            return Training("lm", model, phase, 0, 0, tokens, self._size(lm.vocab), tokens), 1000.0 * tokens
        assert system is not None
        amount = self.amounts.get(system.data, Amount(1, SECONDS))
        dev = self.amounts.get(system.dev_set, Amount(1, SECONDS))
        columns, rate = self.columns()
        tokens = max(1, round(amount.length * amount.characters / _pieces(self.experiment.vocab[system.vocab])))
        frames = max(8, round(amount.length * rate))
        return Training(system.task, self.experiment.model, phase, columns, frames, tokens, self._size(system.vocab),
                        frames), dev.seconds * rate

    def _size(self, vocab: str) -> int:
        declared = self.experiment.vocab[vocab]
        return min(declared.size, 60) if declared.type == "char" else declared.size

    def _batches(self, system: System, phase: Phase) -> float:
        """Return how many batches the encoder hears once, of training and development set."""
        amount = self.amounts.get(system.data, Amount(1, SECONDS))
        return amount.seconds * self.columns()[1] / max(1, phase.batch_frames)

    def _time(self, training: Training) -> Step:
        phase = training.phase
        about = [round(math.log2(max(1, number))) for number in (training.frames, training.tokens)]
        kind = training.task if training.task in ("mt", "lm", "text") else ""
        key = json.dumps([kind, sorted(map(str, training.model.items())), about, phase.ctc_weight > 0,
                          list(phase.freeze), phase.encode_once])
        if key not in self._timed:
            self._timed[key] = self._clock(training), phase.batch_frames * phase.accum
        step, frames = self._timed[key]
        factor = phase.batch_frames * phase.accum / frames
        return Step(step.seconds * factor, step.encode * factor, step.parameters)

    def _decodings(self, items: Sequence[Item]) -> Cost:
        seconds = 0.0
        for item in items:
            way = self.experiment.decoded[item.name.partition(" seed ")[0]]
            amount, options = self.amounts.get(way.system.test_set, Amount(0, 0)), way.options
            seconds += START * 0.6 + self._search(way.system, amount, options)
        return Cost(self._spread(seconds) if len(items) > 1 else seconds * self.slower, 0.0, self.nj * PROCESS)

    def _search(self, system: System, amount: Amount, options: Decoding) -> float:
        rate = self.columns()[1]
        tokens = amount.length * amount.characters / _pieces(self.experiment.vocab[system.vocab])
        halved = int(self.experiment.model.get("encoder_conf", {}).get("conv_layers", 1))
        frames = amount.length * rate / 2.0 ** halved
        size = self._size(system.vocab)
        candidates = min(size, options.pre_beam_ratio * options.beam_size) if options.ctc_weight else 0.0
        step = options.beam_size * (BEAM * (1.5 if options.lm else 1.0) + PREFIX * frames * candidates)
        return amount.utterances * tokens * step


def _pieces(vocab: Vocab) -> float:
    """Return characters of a piece of a vocabulary, a space among them."""
    if vocab.type == "char":
        return 1.0
    return max(1.0, 1.0 + 0.5 * math.log2(vocab.size / 50))


def _encoder(directory: Path) -> tuple[int, int]:
    """Return dimension and blocks of a pretrained encoder; zeros if its configuration does not tell."""
    try:
        config = read_json(directory / "config.json")
        return (int(config.get("d_model") or config["hidden_size"]),
                int(config.get("encoder_layers") or config["num_hidden_layers"]))
    except (OSError, ValueError, KeyError, TypeError, AttributeError, StxferError):
        return 0, 0


def duration(seconds: float) -> str:
    """Return minutes and seconds, or hours, as a person reads them."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"

