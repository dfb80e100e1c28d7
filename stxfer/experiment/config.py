"""The experiment as data: one YAML file declares languages, labels, model, training and systems."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from stxfer.core.errors import ConfigError
from stxfer.core.mistakes import located, nearest
from stxfer.experiment.clean import CleanOptions
from stxfer.experiment.data import DataOptions
from stxfer.experiment.declared import Declaration, LanguageModel, Vocab
from stxfer.experiment.espnet import StockModel
from stxfer.experiment.features import FeatureOptions
from stxfer.experiment.labels import HUMAN, Label, read_labels
from stxfer.experiment.prepare import UNTRANSCRIBED, PrepareOptions
from stxfer.experiment.schedules import check_phases, read_schedules
from stxfer.experiment.systems import KINDS, MARK, System, check_systems
from stxfer.experiment.training import MtDecoding, Phase
from stxfer.experiment.types import SET_MARK
from stxfer.experiment.variants import DecodedSystem, read_variants, ways_of_decoding
from stxfer.experiment.yaml_file import read_file
from stxfer.text.profiles import Profile, load_profiles, profile

LABEL_MARK = "@label@"


@dataclass(frozen=True)
class Mt:
    """The translators trained here, see :class:`stxfer.experiment.declared.MtDeclaration`."""

    vocab: int
    joint: bool
    model: Mapping[str, Any]
    train: tuple[Phase, ...]
    clean: CleanOptions


@dataclass(frozen=True)
class Experiment:
    """Everything a recipe's Python stages need to know; see ``conf/base.yaml`` for each key."""

    name: str
    source_lang: str
    target_lang: str
    profiles: Mapping[str, Profile]
    data: DataOptions
    prepare: PrepareOptions
    features: FeatureOptions
    vocab: Mapping[str, Vocab]
    labels: Mapping[str, Label]
    mt: Mt
    espnet: Mapping[str, StockModel]
    lm: Mapping[str, LanguageModel]
    model: Mapping[str, Any]
    train: Mapping[str, tuple[Phase, ...]]
    decode_mt: MtDecoding
    systems: Mapping[str, System]
    decoded: Mapping[str, DecodedSystem]
    compare: tuple[tuple[str, str], ...]
    seeds: tuple[int, ...]

    def profile(self, language: str) -> Profile:
        """Return the rules by which text of a language is normalised here."""
        return profile(language, self.profiles)

    def spoken(self, system: System) -> str:
        """Return the language that is spoken in a system's sets."""
        return self.source_lang if system.data.startswith("src_") else self.target_lang

    def select(self, systems: Iterable[str] = (), kind: str | None = None) -> list[System]:
        """Return the named systems (none named: all but stock ESPnet's) of one kind (none: any), sources first.

        ``direct+lm`` names the system ``direct``, see :meth:`select_decoded`.

        Raises:
            ConfigError: a name is not declared.
        """
        names = {found.system.name for found in self.select_decoded(systems)}
        return [system for system in self.order() if system.name in names and kind in (None, system.kind)]

    def select_decoded(self, names: Iterable[str] = ()) -> list[DecodedSystem]:
        """Return the ways in which the named systems (none named: all but stock ESPnet's) are decoded, sources first.

        ``direct`` names the system in every way, ``direct+lm`` in one.

        Raises:
            ConfigError: a name is not declared.
        """
        wanted = list(names) or [name for name, system in self.systems.items() if not system.espnet]
        for name in wanted:
            if name not in self.decoded:
                raise ConfigError(f"unknown system {name!r}; declared: {' '.join(self.decoded)}"
                                  f"{nearest(name, self.decoded)}")
        rank = {system.name: number for number, system in enumerate(self.order())}
        return sorted((found for name, found in self.decoded.items() if name in wanted or found.system.name in wanted),
                      key=lambda found: rank.get(found.system.name, len(rank)))  # imported ones last

    def order(self) -> list[System]:
        """Return all systems so that each comes after those it starts from and learns from.

        Raises:
            ConfigError: a cycle.
        """
        done: dict[str, System] = {}

        def visit(name: str, path: tuple[str, ...]) -> None:
            if name in path:
                raise ConfigError("systems start from each other, or learn from each other, in a circle: "
                                  f"{' <- '.join((*path, name))}")
            system = self.systems[name]
            for needed in system.needs:
                visit(needed, (*path, name))
            done.setdefault(name, system)

        for name in self.systems:
            visit(name, ())
        return list(done.values())


def load_experiment(path: str | os.PathLike[str]) -> Experiment:
    """Read an experiment file, see :func:`stxfer.experiment.yaml_file.read_file` for what it may include.

    Raises:
        ConfigError: the file cannot be read, or has a mistake. One line names file, key and what is allowed; of several
            mistakes, the first.
    """
    where, raw = str(path), _of_languages(read_file(Path(path)))
    declared = Declaration.read(raw, where)
    languages = (declared.languages.source, declared.languages.target)
    prepare = replace(declared.prepare, source_lang=languages[0], target_lang=languages[1])
    labels = read_labels(declared.labels, languages[1], where)
    train = read_schedules(raw["train"], where)
    mt = Mt(declared.mt.vocab, declared.mt.joint, raw["mt"].get("model", {}), declared.mt.train, declared.mt.clean)
    for key, phases in (("mt", mt.train), *((f"lm.{name}", lm.train) for name, lm in declared.lm.items())):
        if any(phase.encode_once for phase in phases):
            raise ConfigError(f"{where}: {key}.train.encode_once: it is for encoders of speech; leave it out")
        if any(phase.criterion == "wer" for phase in phases):
            raise ConfigError(f"{where}: {key}.train.criterion: word errors are counted of speech; use accuracy")
    for name, lm in declared.lm.items():
        if lm.vocab not in declared.vocab:
            raise ConfigError(f"{where}: lm.{name}.vocab: {lm.vocab!r} is not under 'vocab'"
                              f"{nearest(lm.vocab, declared.vocab)}")
    systems, compare = _expanded(declared, raw, labels, where)
    check_systems(systems, languages, (HUMAN, *labels), train, declared.vocab, declared.espnet, where)
    _check_frontend(declared, train, where)
    for system in systems.values():
        check_phases(system, train, declared.vocab, where)
        _check_untranscribed(system, prepare.untranscribed, where)
    decoded = {found.name: found for found in
               ways_of_decoding(systems.values(), read_variants(declared, raw, where), declared.lm, where)}
    used = {*KINDS, *(system.phases for system in systems.values())}
    for name in sorted(train.keys() - used):
        raise ConfigError(f"{where}: train.{name}: no system has this schedule; those that need no mention are "
                          f"{' '.join(KINDS)}{nearest(name, used)}")
    for name, number, part in ((name, *part) for name, system in systems.items() for part in enumerate(system.mix)):
        if part.by and part.by not in decoded:
            raise ConfigError(f"{where}: systems.{name}.mix[{number}].by: unknown system {part.by!r}"
                              f"{_no_variant(part.by, decoded)}")
    for number, pair in enumerate(compare):
        for name in pair:
            if name not in decoded:
                raise ConfigError(f"{where}: compare[{number}]: unknown system {name!r}{_no_variant(name, decoded)}")
    experiment = Experiment(
        name=declared.name, source_lang=languages[0], target_lang=languages[1],
        profiles=load_profiles(declared.normalise, f"{where}: normalise"), data=declared.data, prepare=prepare,
        features=declared.features, vocab=declared.vocab, labels=labels, mt=mt, espnet=declared.espnet,
        lm=declared.lm, model=raw["model"],
        train=train, decode_mt=declared.decode.mt, systems=systems, decoded=decoded, compare=compare,
        seeds=declared.seeds)
    try:
        experiment.order()
    except ConfigError as error:
        raise ConfigError(f"{where}: systems: {error}") from None
    return experiment


def _no_variant(name: str, decoded: Mapping[str, DecodedSystem]) -> str:
    system, _, variant = name.partition(MARK)
    if variant and system in decoded:
        ways = [found.name for found in decoded.values() if found.system.name == system]
        return f"; it is decoded as {' '.join(ways)} (a variant is there for the kinds it names, and with a language " \
               "model for the systems that have its vocabulary)"
    return nearest(name, decoded)


def _check_frontend(declared: Declaration, train: Mapping[str, tuple[Phase, ...]], where: str) -> None:
    inside, kind = declared.model.frontend_conf, declared.features.kind
    if (inside is not None) != (kind == "waveform"):
        raise ConfigError(f"{where}: features.kind {kind}: " + (
            "model.frontend hears waveforms; set features: {kind: waveform}" if inside is not None else
            "waveforms are for a pretrained encoder in the model; set model.frontend, or kind fbank or pretrained"))
    if inside is None or inside.tune == "nothing":
        return
    for name, phases in train.items():
        for number, phase in enumerate(phases):
            if phase.encode_once and "frontend" not in phase.freeze:
                raise ConfigError(located(where, ("train", name, number, "encode_once"), "a pretrained encoder that "
                                          "learns has other outputs at each step; set freeze: [frontend, encoder]"))


def _of_languages(raw: dict[str, Any]) -> dict[str, Any]:
    """Return an experiment file in which vocabularies and language models name the languages, not their marks."""
    languages = raw.get("languages")
    if not isinstance(languages, Mapping):  # an error, which whoever reads the file finds
        return raw
    marks = {f"@{side}@": code for side, code in languages.items() if isinstance(code, str)}
    return {key: _marked(value, marks) if key in ("vocab", "lm") else value for key, value in raw.items()}


def _expanded(declared: Declaration, raw: Mapping[str, Any], labels: Iterable[str],
              where: str) -> tuple[dict[str, System], tuple[tuple[str, str], ...]]:
    """Return systems and comparisons, those with a mark in their names once for each item of its axis."""
    known = (HUMAN, *labels)
    for label in declared.label_systems:
        if label not in known:
            raise ConfigError(f"{where}: label_systems: label {label!r} is not under 'labels'{nearest(label, known)}")
    marks = {"@source@": declared.languages.source, "@target@": declared.languages.target}
    axes = {LABEL_MARK: declared.label_systems, SET_MARK: declared.set_systems}
    systems: dict[str, Any] = {}
    pairs: list[tuple[str, str]] = []
    for present in ((), (LABEL_MARK,), (SET_MARK,), (LABEL_MARK, SET_MARK)):
        for values in itertools.product(*(axes[mark] for mark in present)):
            here = {**marks, **dict(zip(present, values, strict=True))}
            for name, value in raw["systems"].items():  # a system spelt out wins
                if _marks_of(name) == present:
                    systems.setdefault(_marked(name, here), _marked(value, here))
            for pair in declared.compare:
                made = (_marked(pair[0], here), _marked(pair[1], here))
                pairs += [made] if _marks_of("".join(pair)) == present and made not in pairs else []
    read = {name: replace(System.read(value, where, ("systems", name)), name=name) for name, value in systems.items()}
    for name, system in read.items():
        if SET_MARK in (system.data, *(part.data for part in system.mix)):
            raise ConfigError(f"{where}: systems.{name}.data: {SET_MARK} is for systems that have it in their names")
    return read, tuple(pairs)


def _marks_of(name: str) -> tuple[str, ...]:
    return tuple(mark for mark in (LABEL_MARK, SET_MARK) if mark in name)


def _marked(value: Any, marks: Mapping[str, str]) -> Any:
    """Return ``value`` with marks replaced by what they stand for in every string of it."""
    if isinstance(value, Mapping):
        return {key: _marked(item, marks) for key, item in value.items()}
    if isinstance(value, list):
        return [_marked(item, marks) for item in value]
    if isinstance(value, str):
        for mark, meant in marks.items():
            value = value.replace(mark, meant)
    return value


def _check_untranscribed(system: System, there: bool, path: str) -> None:
    parts = {f"systems.{system.name}": (system.data, ""),
             **{f"systems.{system.name}.mix[{number}]": (part.data, part.by) for number, part in enumerate(system.mix)}}
    for key, (data, by) in parts.items():
        if data == UNTRANSCRIBED and not by:
            raise ConfigError(f"{path}: {key}.data: {data!r} has no transcripts; learn hypotheses of it, mix: "
                              f"[{{data: {data}, text: {system.text}, by: SYSTEM}}]")
        if data == UNTRANSCRIBED and not there:
            raise ConfigError(f"{path}: {key}.data: {data!r} is made where prepare has 'untranscribed: true' and "
                              "tgt_train_hours")
