"""The experiment as data: one YAML file declares languages, labels, model, training and systems."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from stxfer.core.errors import ConfigError
from stxfer.corpora.bitext.rules import CleanOptions
from stxfer.experiment.features import FeatureOptions
from stxfer.experiment.labels import HUMAN, Label, read_labels
from stxfer.experiment.prepare import PrepareOptions
from stxfer.experiment.systems import KINDS, System, check_systems, language_tag, read_system
from stxfer.experiment.values import make, refuse_unknown
from stxfer.text.profiles import Profile, load_profiles, profile

VOCAB_TYPES = ("unigram", "bpe", "char")
LABEL_MARK = "@label@"


@dataclass(frozen=True)
class Vocab:
    """A SentencePiece vocabulary: ``type`` unigram, bpe or char; ``text`` names what it is learnt from.

    ``tags`` are languages whose tags, ``<sw>``, are pieces of it, for systems with ``tags``.
    """

    size: int = 200
    type: str = "unigram"
    text: tuple[str, ...] = ("src_train",)
    tags: tuple[str, ...] = ()


@dataclass(frozen=True)
class Phase:
    """One training run of a system; a system is one or more phases, each starting from the last one's result.

    ``epochs`` x ``steps`` optimiser steps of about ``batch_frames`` input frames (MT: source tokens);
    the learning rate rises over ``warmup`` of all steps and then falls to 0 along a cosine.
    ``freeze`` names parts held fixed. ``encode_once``: the frozen encoder runs once over the data, before the first
    step, without dropout and SpecAugment, and the rest learns from what it gave.
    ``ctc_weight`` w gives the loss w CTC + (1 - w) attention.
    ``average`` last-best checkpoints (by dev accuracy) make the phase's result.
    ``accum`` batches make a step. A phase ends when dev accuracy has not risen for ``patience`` epochs (0: never
    early). ``amp`` computes in bfloat16 where a GPU can. ``dev_wer`` utterances of the development set are decoded
    after each epoch, for the log; ``tensorboard`` writes its files beside the checkpoints.
    """

    epochs: int = 10
    steps: int = 100
    batch_frames: int = 8000
    lr: float = 1.5e-3
    warmup: float = 0.15
    clip: float = 5.0
    weight_decay: float = 1e-6
    label_smoothing: float = 0.1
    dropout: float = 0.1
    ctc_weight: float = 0.3
    specaug: bool = False
    freeze: tuple[str, ...] = ()
    encode_once: bool = False
    average: int = 3
    accum: int = 1
    patience: int = 0
    amp: bool = False
    dev_wer: int = 0
    tensorboard: bool = False


@dataclass(frozen=True)
class Decoding:
    """Beam search options, with ESPnet's meanings."""

    beam_size: int = 5
    ctc_weight: float = 0.3
    length_bonus: float = 0.0
    maxlenratio: float = 0.0
    minlenratio: float = 0.0
    batch_frames: int = 20000


@dataclass(frozen=True)
class Mt:
    """The translators trained here: size of each side's vocabulary, or of the ``joint`` one; ESPnet model, schedule.

    ``clean`` says which pairs of the bitext none of them learns from.
    """

    vocab: int = 500
    joint: bool = False
    model: Mapping[str, Any] = field(default_factory=dict)
    train: tuple[Phase, ...] = (Phase(),)
    clean: CleanOptions = CleanOptions()


@dataclass(frozen=True)
class Experiment:
    """Everything a recipe's Python stages need to know; see ``conf/base.yaml`` for each key."""

    name: str
    source_lang: str
    target_lang: str
    profiles: Mapping[str, Profile]
    data: Mapping[str, Any]
    prepare: Mapping[str, Any]
    features: FeatureOptions
    vocab: Mapping[str, Vocab]
    labels: Mapping[str, Label]
    mt: Mt
    model: Mapping[str, Any]
    train: Mapping[str, tuple[Phase, ...]]
    decode: Mapping[str, Decoding]
    systems: Mapping[str, System]
    compare: tuple[tuple[str, str], ...]
    seeds: tuple[int, ...]

    def profile(self, language: str) -> Profile:
        """Return the rules by which text of a language is normalised here."""
        return profile(language, self.profiles)

    def select(self, systems: Iterable[str] = (), kind: str | None = None) -> list[System]:
        """Return the named systems (none named: all) of one kind (none: any), sources first.

        Raises:
            ConfigError: a name is not declared.
        """
        names = list(systems) or list(self.systems)
        unknown = [name for name in names if name not in self.systems]
        if unknown:
            raise ConfigError(f"unknown system {unknown[0]!r}; declared: {' '.join(self.systems)}")
        return [system for system in self.order() if system.name in names and kind in (None, system.kind)]

    def order(self) -> list[System]:
        """Return all systems so that each comes after the one it starts from.

        Raises:
            ConfigError: a cycle.
        """
        done: dict[str, System] = {}

        def visit(name: str, path: tuple[str, ...]) -> None:
            if name in path:
                raise ConfigError(f"systems start from each other in a circle: {' <- '.join((*path, name))}")
            system = self.systems[name]
            if system.parent is not None:
                visit(system.parent, (*path, name))
            done.setdefault(name, system)

        for name in self.systems:
            visit(name, ())
        return list(done.values())


def load_experiment(path: str | os.PathLike[str]) -> Experiment:
    """Read an experiment file; ``include: [files]`` (relative to it) are read first and overridden by it.

    Mappings are merged key by key; ``null`` removes an included key. Where a key names another class than the
    included one (``encoder``, ``decoder``), that one's options (``encoder_conf``) go with it.

    Raises:
        ConfigError: file absent, not YAML, an unknown key, or a value of the wrong type; names the key.
    """
    raw = _read(Path(path))
    known = {"name", "languages", "normalise", "data", "prepare", "features", "vocab", "labels", "mt", "model", "train",
             "decode", "systems", "compare", "seeds", "label_systems"}
    refuse_unknown(raw, known, str(path))
    missing = sorted(known - {"normalise", "data", "prepare", "features", "label_systems"} - raw.keys())
    if missing:
        raise ConfigError(f"{path}: missing key {missing[0]!r}")
    languages = raw["languages"]
    refuse_unknown(languages, {"source", "target"}, f"{path}: languages")
    schedules = [*KINDS, *(name for name in raw["train"] if name not in ("default", *KINDS))]
    train = {name: _phases(raw["train"], name, str(path)) for name in schedules}
    mt = dict(raw["mt"])
    mt["clean"] = make(CleanOptions, mt.get("clean", {}), f"{path}: mt.clean")
    mt["train"] = tuple(_phase(phase, f"{path}: mt.train") for phase in mt.get("train", [{}]))
    if any(phase.encode_once for phase in mt["train"]):
        raise ConfigError(f"{path}: mt.train.encode_once: it is for encoders of speech; leave it out")
    labels = read_labels(raw["labels"], languages["target"], f"{path}: labels")
    _expand(raw, labels, str(path))
    names = {"@source@": languages["source"], "@target@": languages["target"]}
    systems = {name: read_system(name, value, names, f"{path}: systems.{name}")
               for name, value in raw["systems"].items()}
    vocab = {key: make(Vocab, value, f"{path}: vocab.{key}") for key, value in raw["vocab"].items()}
    for key, value in vocab.items():
        if value.type not in VOCAB_TYPES:
            raise ConfigError(f"{path}: vocab.{key}.type: {value.type!r} must be one of {' '.join(VOCAB_TYPES)}")
    check_systems(systems, (languages["source"], languages["target"]), (HUMAN, *labels), train, vocab, str(path))
    for system in systems.values():
        _check_phases(system, train, vocab, str(path))
    for name in train.keys() - {*KINDS, *(system.phases for system in systems.values())}:
        raise ConfigError(f"{path}: train.{name}: no system has this schedule; "
                          f"those that need no mention are {' '.join(KINDS)}")
    compare = tuple((pair[0], pair[1]) for pair in raw["compare"])
    for name in (name for pair in compare for name in pair):
        if name not in systems:
            raise ConfigError(f"{path}: compare: unknown system {name!r}")
    experiment = Experiment(
        name=raw["name"], source_lang=languages["source"], target_lang=languages["target"],
        profiles=load_profiles(raw.get("normalise"), f"{path}: normalise"),
        data=raw.get("data") or {}, prepare=raw.get("prepare") or {},
        features=FeatureOptions.from_mapping(raw.get("features") or {}, f"{path}: features"),
        vocab=vocab, labels=labels, mt=make(Mt, mt, f"{path}: mt"), model=raw["model"], train=train,
        decode={kind: make(Decoding, raw["decode"].get(kind) or {}, f"{path}: decode.{kind}")
                for kind in (*KINDS, "mt")},
        systems=systems, compare=compare, seeds=tuple(raw["seeds"]))
    PrepareOptions.from_mapping({"source_lang": experiment.source_lang, "target_lang": experiment.target_lang,
                                 **experiment.prepare}, f"{path}: prepare")
    experiment.order()
    return experiment


def _read(path: Path, seen: tuple[Path, ...] = ()) -> dict[str, Any]:
    try:
        raw = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ConfigError(f"{path}: no such configuration") from None
    except yaml.YAMLError as error:
        raise ConfigError(f"{path}: not YAML: {' '.join(str(error).split())}") from None
    if not isinstance(raw, dict):
        raise ConfigError(f"{path}: must be a YAML mapping")
    if path.resolve() in seen:
        raise ConfigError(f"{path}: includes itself")
    merged: dict[str, Any] = {}
    for name in raw.pop("include", []):
        _merge(merged, _read(path.parent / name, (*seen, path.resolve())))
    _merge(merged, raw)
    return merged


def _merge(base: dict[str, Any], over: Mapping[str, Any]) -> None:
    for key, value in over.items():
        if f"{key}_conf" in base and value != base.get(key):
            del base[f"{key}_conf"]  # options of one class (encoder: conformer) are not another's
        if value is None:
            base.pop(key, None)
        elif isinstance(value, dict) and isinstance(base.get(key), dict):
            _merge(base[key], value)
        else:
            base[key] = value


def _expand(raw: dict[str, Any], labels: Iterable[str], path: str) -> None:
    """Put the systems and comparisons named with ``@label@`` once for each of ``label_systems``."""
    wanted = raw.pop("label_systems", [])
    if not isinstance(wanted, list):
        raise ConfigError(f"{path}: label_systems: must be a list of labels, not {wanted!r}")
    for label in wanted:
        if label not in (HUMAN, *labels):
            raise ConfigError(f"{path}: label_systems: label {label!r} is not under 'labels'")
    templates = {name: value for name, value in raw["systems"].items() if LABEL_MARK in name}
    raw["systems"] = {name: value for name, value in raw["systems"].items() if name not in templates}
    pairs = [pair for pair in raw["compare"] if not any(LABEL_MARK in name for name in pair)]
    for label in wanted:
        for name, value in templates.items():
            raw["systems"].setdefault(name.replace(LABEL_MARK, label), _put(value, label))  # a system spelt out wins
        made = [_put(pair, label) for pair in raw["compare"] if any(LABEL_MARK in name for name in pair)]
        pairs += [pair for pair in made if pair not in pairs]
    raw["compare"] = pairs


def _put(value: Any, label: str) -> Any:
    """Return ``value`` with ``@label@`` replaced in every string of it."""
    if isinstance(value, Mapping):
        return {key: _put(item, label) for key, item in value.items()}
    if isinstance(value, list):
        return [_put(item, label) for item in value]
    return value.replace(LABEL_MARK, label) if isinstance(value, str) else value


def _phases(train: Mapping[str, Any], kind: str, path: str) -> tuple[Phase, ...]:
    default = train.get("default") or {}
    return tuple(_phase({**default, **phase}, f"{path}: train.{kind}") for phase in train.get(kind) or [{}])


def _phase(value: Mapping[str, Any], where: str) -> Phase:
    phase = make(Phase, value, where)
    for key, least in (("epochs", 1), ("steps", 1), ("batch_frames", 1), ("average", 1), ("accum", 1), ("patience", 0),
                       ("dev_wer", 0)):
        if getattr(phase, key) < least:
            raise ConfigError(f"{where}.{key}: {getattr(phase, key)} must be at least {least}")
    for key in ("lr", "clip"):
        if not getattr(phase, key) > 0:
            raise ConfigError(f"{where}.{key}: {getattr(phase, key)} must be more than 0")
    for key in ("warmup", "dropout", "label_smoothing", "ctc_weight"):
        if not 0 <= getattr(phase, key) < 1:  # attention alone decides which epochs are averaged: no CTC weight of 1
            raise ConfigError(f"{where}.{key}: {getattr(phase, key)} must be at least 0 and less than 1")
    if phase.encode_once and "encoder" not in phase.freeze:
        raise ConfigError(f"{where}.encode_once: an encoder that learns has other outputs at each step; set "
                          "freeze: [encoder]")
    return phase


def _check_phases(system: System, train: Mapping[str, tuple[Phase, ...]], vocab: Mapping[str, Vocab],
                  path: str) -> None:
    if system.task == "lm" and any(phase.ctc_weight for phase in train[system.phases]):
        raise ConfigError(f"{path}: systems.{system.name}.train: {system.phases!r} has a ctc_weight, but task lm hears "
                          "nothing; give it a schedule of its own with ctc_weight 0")
    if system.task == "lm" and any(phase.encode_once for phase in train[system.phases]):
        raise ConfigError(f"{path}: systems.{system.name}.train: {system.phases!r} has encode_once, but task lm runs "
                          "no encoder; leave it out")
    tags = {language_tag(language) for language in vocab[system.vocab].tags}
    wanted = {language_tag(part.text) for part in (system, *system.mix)} if system.tags else set()
    if missing := sorted(wanted - tags):
        raise ConfigError(f"{path}: systems.{system.name}.tags: vocabulary {system.vocab!r} has no piece {missing[0]}; "
                          f"set vocab.{system.vocab}.tags")
