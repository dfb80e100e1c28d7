"""Systems: the nodes of an experiment's graph, and what each of them may say."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from stxfer.core.errors import ConfigError
from stxfer.experiment.values import refuse_unknown

TASKS = ("asr", "st", "lm")
PARTS = ("encoder", "decoder", "decoder_body", "ctc", "all")
VOCABULARY_POLICIES = ("same", "map", "reinit")
KINDS = ("source", "st", "target")


@dataclass(frozen=True)
class Init:
    """Which parameters a system starts from: ``parts`` of the system named ``source``, or of a model elsewhere.

    ``model`` is the directory of such a model: that of a system of another experiment, or an exported one.
    ``vocabulary`` says what becomes of embedding, output and CTC rows when the source has another vocabulary:
    ``same`` (that is an error), ``map`` (rows of shared pieces are copied) or ``reinit``.
    """

    source: str
    parts: tuple[str, ...]
    vocabulary: str = "same"
    model: str = ""


@dataclass(frozen=True)
class Mix:
    """Further training data of a system: ``share`` of the utterances of a set, with one of its texts."""

    data: str
    text: str
    share: float = 1.0

    @property
    def label(self) -> str | None:
        """See :attr:`System.label`."""
        return self.text.partition(".")[2] or None


@dataclass(frozen=True)
class System:
    """One node of the experiment: a model trained on one task from one starting point.

    ``data`` is a set of ``dump/fbank``; ``text`` says which text of that set it learns: a language,
    for the set's own transcript, or ``<lang>.<label>`` for the translation in ``text.<lang>.<label>``.

    Attributes:
        task: ``asr``; ``st``; or ``lm``, the control that reads the text without hearing the speech: what the
            decoder attends to is zero, and the encoder stays as it was.
        init: what it starts from.
        mix: data it is trained on beside its own.
        vocabulary: name of its vocabulary, where it is not the usual one.
        schedule: name of its phases under ``train``, where they are not those of its kind.
        tags: each text begins with its language, ``<sw>``: one decoder can then write several languages.
    """

    name: str
    task: str
    data: str
    text: str
    init: Init | None = None
    mix: tuple[Mix, ...] = ()
    vocabulary: str = ""
    schedule: str = ""
    tags: bool = False

    @property
    def kind(self) -> str:
        """``source`` (source ASR), ``st`` (ST and its controls) or ``target`` (target ASR); a stage trains each."""
        if self.task in ("st", "lm"):
            return "st"
        return "source" if self.data.startswith("src_") else "target"

    @property
    def parent(self) -> str | None:
        """The system of this experiment that it starts from."""
        return self.init.source or None if self.init else None

    @property
    def label(self) -> str | None:
        """The label source of a translation, e.g. ``mt`` of ``sw.mt``."""
        return self.text.partition(".")[2] or None

    @property
    def vocab(self) -> str:
        """The vocabulary's name: unless it says so, source ASR has its own, ST and target ASR share one."""
        return self.vocabulary or ("source" if self.kind == "source" else "target")

    @property
    def phases(self) -> str:
        """The name of its schedule under ``train``."""
        return self.schedule or self.kind

    @property
    def tag(self) -> str:
        """What its text begins with, ``<sw>``; empty without tags."""
        return language_tag(self.text) if self.tags else ""

    @property
    def dev_set(self) -> str:
        return "tgt_dev" if self.kind == "target" else "src_dev"

    @property
    def test_set(self) -> str:
        return "tgt_test" if self.kind == "target" else "src_test"


def language_tag(text: str) -> str:
    """Return the tag of a text's language: ``<sw>`` of ``sw`` and of ``sw.mt``."""
    return f"<{text.partition('.')[0]}>"


def read_system(name: str, value: Mapping[str, Any], languages: Mapping[str, str], where: str) -> System:
    """Make a system of what the experiment file says.

    Args:
        name: its name.
        value: its keys.
        languages: marks that stand for languages (``@source@``), and the languages.
        where: how messages call the place.

    Raises:
        ConfigError: an unknown key or a value that makes no sense.
    """
    refuse_unknown(value, {"task", "data", "text", "init", "mix", "vocab", "train", "tags"}, where)
    if value.get("task") not in TASKS:
        raise ConfigError(f"{where}.task: {value.get('task')!r} must be one of {' '.join(TASKS)}")
    _check_data(value, where)
    if not isinstance(value.get("tags", False), bool):
        raise ConfigError(f"{where}.tags: {value['tags']!r} must be true or false")
    mix = value.get("mix", [])
    if not isinstance(mix, list):
        raise ConfigError(f"{where}.mix: must be a list of {{data, text, share}}, not {mix!r}")
    return System(name=name, task=value["task"], data=value["data"], text=_spelt(value["text"], languages),
                  init=_read_init(value["init"], f"{where}.init") if "init" in value else None,
                  mix=tuple(_read_mix(item, languages, f"{where}.mix[{i}]") for i, item in enumerate(mix)),
                  vocabulary=value.get("vocab", ""), schedule=value.get("train", ""), tags=value.get("tags", False))


def _check_data(value: Mapping[str, Any], where: str) -> None:
    for key in ("data", "text"):
        if not isinstance(value.get(key), str):
            raise ConfigError(f"{where}.{key}: {value.get(key)!r} must be a name")


def _spelt(text: str, languages: Mapping[str, str]) -> str:
    for mark, language in languages.items():
        text = text.replace(mark, language)
    return text


def _read_init(value: Mapping[str, Any], where: str) -> Init:
    refuse_unknown(value, {"from", "model", "parts", "vocabulary"}, where)
    parts = value.get("parts", "all")
    parts = (parts,) if isinstance(parts, str) else tuple(parts)
    for part in parts:
        if part not in PARTS:
            raise ConfigError(f"{where}.parts: {part!r} must be one of {' '.join(PARTS)}")
    policy = value.get("vocabulary", "same")
    if policy not in VOCABULARY_POLICIES:
        raise ConfigError(f"{where}.vocabulary: {policy!r} must be one of {' '.join(VOCABULARY_POLICIES)}")
    if ("from" in value) == ("model" in value):
        raise ConfigError(f"{where}: needs either 'from', a system to start from, or 'model', a model's directory")
    return Init(source=value.get("from", ""), parts=parts, vocabulary=policy, model=value.get("model", ""))


def _read_mix(value: Mapping[str, Any], languages: Mapping[str, str], where: str) -> Mix:
    refuse_unknown(value, {"data", "text", "share"}, where)
    _check_data(value, where)
    share = value.get("share", 1.0)
    if isinstance(share, bool) or not isinstance(share, (int, float)) or not 0 < share <= 1:
        raise ConfigError(f"{where}.share: {share!r} must be more than 0 and at most 1")
    return Mix(value["data"], _spelt(value["text"], languages), float(share))


def check_systems(systems: Mapping[str, System], languages: tuple[str, str], labels: Collection[str],
                  schedules: Collection[str], vocabularies: Collection[str], where: str) -> None:
    """Check that what systems name is there, and that texts are what their tasks learn.

    Args:
        systems: all systems.
        languages: source and target.
        labels: label sources, ``human`` included.
        schedules: keys of ``train``.
        vocabularies: keys of ``vocab``.
        where: how messages call the file.

    Raises:
        ConfigError: names the system and the key.
    """
    source, target = languages
    for system in systems.values():
        here = f"{where}: systems.{system.name}"
        if system.parent is not None and system.parent not in systems:
            raise ConfigError(f"{here}.init.from: unknown system {system.parent!r}")
        spoken = source if system.data.startswith("src_") else target
        if system.task == "asr" and system.text != spoken:
            raise ConfigError(f"{here}.text: {system.text!r} is not {spoken!r}, what is spoken in {system.data}; "
                              "a translation is learnt by task st")
        if system.task == "st" and not system.label:
            raise ConfigError(f"{here}.text: {system.text!r} must name a translation, '{target}.human' or "
                              f"'{target}.<label>'")
        for part in (system, *system.mix):
            if part.label is not None and part.label not in labels:
                raise ConfigError(f"{here}.text: label {part.label!r} is not under 'labels'")
        if len({language_tag(part.text) for part in (system, *system.mix)}) > 1 and not system.tags:
            raise ConfigError(f"{here}.mix: texts in several languages need 'tags: true', and a vocabulary with tags, "
                              "or the decoder cannot know which to write")
        if system.phases not in schedules:
            raise ConfigError(f"{here}.train: {system.schedule!r} is not under 'train'")
        if system.vocab not in vocabularies:
            raise ConfigError(f"{here}.vocab: {system.vocab!r} is not under 'vocab'")
