"""Schedules of training: what a file says of phases, and which of them suit a system."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from stxfer.core.errors import ConfigError
from stxfer.core.mistakes import located
from stxfer.experiment.declared import Vocab
from stxfer.experiment.espnet import differing
from stxfer.experiment.systems import KINDS, System, language_tag
from stxfer.experiment.training import Phase


def read_schedules(train: Mapping[str, Any], where: str) -> dict[str, tuple[Phase, ...]]:
    """Return the phases of each schedule, those of every kind of system among them.

    Args:
        train: the file's ``train``.
        where: the file, for messages.

    Raises:
        ConfigError: a phase has an option that goes with another one.
    """
    default = train.get("default", {})
    names = [*KINDS, *(name for name in train if name not in ("default", *KINDS))]
    made = {}
    for name in names:
        phases = [Phase.read({**default, **phase}, where, ("train", name, number))
                  for number, phase in enumerate(train.get(name, [{}]))]
        for number, phase in enumerate(phases):
            if phase.encode_once and "encoder" not in phase.freeze:
                raise ConfigError(located(where, ("train", name, number, "encode_once"), "an encoder that learns has "
                                          "other outputs at each step; set freeze: [encoder]"))
            if phase.criterion == "wer" and not phase.dev_wer:
                raise ConfigError(located(where, ("train", name, number, "dev_wer"), "0 gives no word errors to go by; "
                                          "criterion wer needs utterances to decode"))
        made[name] = tuple(phases)
    return made


def check_phases(system: System, train: Mapping[str, tuple[Phase, ...]], vocab: Mapping[str, Vocab],
                 path: str) -> None:
    """Check that a system's schedule and vocabulary suit what it is.

    Raises:
        ConfigError: names the system and the key.
    """
    if system.task == "text" and any(phase.ctc_weight for phase in train[system.phases]):
        raise ConfigError(f"{path}: systems.{system.name}.train: {system.phases!r} has a ctc_weight, but task text "
                          "has no speech for CTC; give it a schedule of its own with ctc_weight 0")
    if system.task == "text" and any(phase.encode_once for phase in train[system.phases]):
        raise ConfigError(f"{path}: systems.{system.name}.train: {system.phases!r} has encode_once, but task text runs "
                          "no encoder; leave it out")
    if system.task == "text" and any(phase.criterion == "wer" for phase in train[system.phases]):
        raise ConfigError(f"{path}: systems.{system.name}.train: {system.phases!r} has criterion wer, but task text "
                          "has no speech to decode; give it a schedule with criterion accuracy")
    if system.espnet and (keys := differing(train[system.phases])):
        raise ConfigError(f"{path}: systems.{system.name}.train: {system.phases!r} has phases that differ in "
                          f"{' and '.join(keys)}, ESPnet trains in one; give it a schedule of its own")
    tags = {language_tag(language) for language in vocab[system.vocab].tags}
    wanted = {language_tag(part.text) for part in system.mixture} if system.tags else set()
    if missing := sorted(wanted - tags):
        raise ConfigError(f"{path}: systems.{system.name}.tags: vocabulary {system.vocab!r} has no piece {missing[0]}; "
                          f"set vocab.{system.vocab}.tags")
