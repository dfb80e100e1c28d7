"""Systems: the nodes of an experiment's graph, and what each of them may say."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, model_validator
from typing_extensions import Self

from stxfer.core.errors import ConfigError
from stxfer.core.mistakes import nearest, wrong
from stxfer.core.options import Formerly, NoEffect, NotInFile, Options, options
from stxfer.experiment.types import (
    Flag,
    MaybeDecoded,
    MaybeName,
    MaybeSet,
    Portion,
    TextName,
    TrainingSet,
    Unequal,
    Words,
)
from stxfer.experiment.whisper import Whisper

KINDS = ("source", "st", "target")
MARK = "+"  # between a system and a variant of decoding; no name of either has it
Part = Literal["encoder", "decoder", "decoder_body", "ctc", "all"]


def _one_or_more(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


@options
class Init(Options):
    """Which parameters a system starts from."""

    source: MaybeName = Field(default="", validation_alias="from")
    """The system that they are taken from."""
    parts: Annotated[tuple[Part, ...], BeforeValidator(_one_or_more), Field(min_length=1), Unequal] = ("all",)
    """Which of its parts."""
    vocabulary: Literal["same", "map", "reinit"] = "same"
    """What becomes of embedding, output and CTC rows when the source has another vocabulary: ``same`` (that is an
    error), ``map`` (rows of shared pieces are copied) or ``reinit``."""
    model: Words = ""
    """In place of a system: the directory of one of another experiment, or a pack, a directory or a zip archive."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        if bool(self.source) == bool(self.model):
            raise wrong("needs either 'from', a system to start from, or 'model', a model's directory", key="")
        return self


@options
class Mix(Options):
    """Further training data of a system."""

    data: TrainingSet
    """The set."""
    text: TextName
    """Which of its texts: a language, or <lang>.<label>."""
    share: Portion = 1.0
    """Of its utterances."""
    by: MaybeDecoded = ""
    """A target system whose hypotheses of the set are learnt in place of its text: self-training. direct+lm: those of a
    variant of decoding."""
    best: Portion = 1.0
    """Of the hypotheses, the share with the highest log-probability a token. Empty ones and loops are left out in any
    case."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.best != 1 and not self.by:
            raise wrong("is for hypotheses, those of the system that 'by' names", key="best")
        return self

    @property
    def teacher(self) -> str:
        """The system of ``by``, without the variant."""
        return self.by.partition(MARK)[0]

    @property
    def label(self) -> str | None:
        """See :attr:`System.label`."""
        return self.text.partition(".")[2] or None


@options
class System(Options):
    """One node of the experiment: a model trained on one task from one starting point."""

    task: Annotated[Literal["asr", "st", "text"], Formerly({"lm": "text"})]
    """asr; st; or text, the control that reads the text without hearing the speech: what the decoder attends to is
    zero, and the encoder stays as it was."""
    data: TrainingSet
    """The set of ``dump/fbank`` it is trained on."""
    text: TextName
    """Which text of that set it learns: a language, for the set's own transcript, or <lang>.<label> for the translation
    in ``text.<lang>.<label>``. "@source@" and "@target@" stand for the experiment's languages."""
    init: Init | None = None
    """What it starts from."""
    mix: tuple[Mix, ...] = ()
    """Data it is trained on beside its own."""
    vocabulary: MaybeName = Field(default="", validation_alias="vocab")
    """The name of its vocabulary, where it is not the usual one."""
    # The name of a schedule says nothing of what is in it, which is recorded.
    schedule: Annotated[MaybeName, NoEffect] = Field(default="", validation_alias="train")
    """The name of its phases under ``train``, where they are not those of its kind."""
    dev: MaybeSet = ""
    """The development set, where it is not src_dev or tgt_dev."""
    test: Annotated[MaybeSet, NoEffect] = ""
    """The test set, where it is not src_test or tgt_test."""
    tags: Flag = False
    """Each text begins with its language, ``<sw>``: one decoder can then write several languages."""
    whisper: Whisper | None = None
    """In place of the experiment's model: Whisper, with its own decoder."""
    espnet: MaybeName = ""
    """In place of the experiment's model: the name under ``espnet`` of one that ESPnet's own commands train. Such a
    system is trained, decoded and scored only if it is asked for."""
    name: Annotated[MaybeName, NotInFile] = ""
    """What it is called."""

    @model_validator(mode="after")
    def _check_rivals(self) -> Self:
        if self.espnet:
            if self.task != "asr":
                raise wrong("stock ESPnet is trained for task asr alone", key="task")
            for name in ("whisper", "init", "mix", "tags"):
                if getattr(self, name):
                    raise wrong("stock ESPnet starts from nothing and learns from one set in one language; leave it "
                                "out", key=name)
        if self.whisper is not None:
            if self.task != "asr":
                raise wrong("fine-tuned Whisper writes what is spoken: task asr alone", key="task")
            for name, key in (("init", "init"), ("mix", "mix"), ("vocabulary", "vocab"), ("schedule", "train"),
                              ("tags", "tags")):
                if getattr(self, name):
                    raise wrong("fine-tuned Whisper has its own start, vocabulary and schedule, and learns from one "
                                "set; leave it out", key=key)
        return self

    @property
    def kind(self) -> str:
        """``source`` (source ASR), ``st`` (ST and its controls) or ``target`` (target ASR); a stage trains each."""
        if self.task in ("st", "text"):
            return "st"
        return "source" if self.data.startswith("src_") else "target"

    @property
    def step(self) -> str:
        """The stage of the recipe that trains it."""
        return self.kind if self.kind == "st" else f"{self.kind}_asr"

    @property
    def parent(self) -> str | None:
        """The system of this experiment that it starts from."""
        return self.init.source or None if self.init else None

    @property
    def mixture(self) -> tuple[Mix, ...]:
        """Its own training data, and what it is trained on beside."""
        return (Mix(self.data, self.text), *self.mix)

    @property
    def needs(self) -> tuple[str, ...]:
        """The systems that have to be trained before: its parent, and those whose hypotheses it learns."""
        return tuple(dict.fromkeys([*filter(None, [self.parent]), *(part.teacher for part in self.mix if part.by)]))

    @property
    def label(self) -> str | None:
        """The label source of a translation, e.g. ``mt`` of ``sw.mt``."""
        return self.text.partition(".")[2] or None

    @property
    def alone(self) -> bool:
        """Whether it is trained by one process, and no other system starts from it."""
        return self.whisper is not None or bool(self.espnet)

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
        """The development set: unless it says so, that of its kind."""
        return self.dev or ("tgt_dev" if self.kind == "target" else "src_dev")

    @property
    def test_set(self) -> str:
        """The test set: unless it says so, that of its kind."""
        return self.test or ("tgt_test" if self.kind == "target" else "src_test")


def language_tag(text: str) -> str:
    """Return the tag of a text's language: ``<sw>`` of ``sw`` and of ``sw.mt``."""
    return f"<{text.partition('.')[0]}>"


def check_systems(systems: Mapping[str, System], languages: tuple[str, str], labels: Collection[str],
                  schedules: Collection[str], vocabularies: Collection[str], stock: Collection[str],
                  where: str) -> None:
    """Check that what systems name is there, and that texts are what their tasks learn.

    Args:
        systems: all systems.
        languages: source and target.
        labels: label sources, ``human`` included.
        schedules: keys of ``train``.
        vocabularies: keys of ``vocab``.
        stock: keys of ``espnet``.
        where: the file, for messages.

    Raises:
        ConfigError: names the system and the key.
    """
    for name, system in systems.items():
        here = f"{where}: systems.{name}"
        if system.parent is not None and system.parent not in systems:
            raise ConfigError(f"{here}.init.from: unknown system {system.parent!r}{nearest(system.parent, systems)}")
        if system.parent is not None and systems[system.parent].whisper is not None:
            raise ConfigError(f"{here}.init.from: {system.parent!r} is a fine-tuned Whisper, no model of this "
                              "experiment's kind; to put Whisper's encoder under the experiment's decoder, set "
                              "model.frontend")
        for number, part in enumerate(system.mix):
            if part.by and (part.teacher not in systems or not part.data.startswith("tgt_")
                            or systems[part.teacher].kind != "target"):
                raise ConfigError(f"{here}.mix[{number}].by: {part.by!r} must be a target system, and the set one of "
                                  f"the target language{nearest(part.teacher, systems)}")
        if system.parent is not None and systems[system.parent].espnet:
            raise ConfigError(f"{here}.init.from: {system.parent!r} is trained by ESPnet's own commands; no system "
                              "starts from it")
        if system.espnet and system.espnet not in stock:
            raise ConfigError(f"{here}.espnet: {system.espnet!r} is not under 'espnet'{nearest(system.espnet, stock)}")
        _check_texts(system, languages, labels, where)
        if system.phases not in schedules:
            raise ConfigError(f"{here}.train: {system.schedule!r} is not under 'train'"
                              f"{nearest(system.schedule, schedules)}")
        if system.vocab not in vocabularies:
            raise ConfigError(f"{here}.vocab: {system.vocab!r} is not under 'vocab'"
                              f"{nearest(system.vocab, vocabularies)}")


def _check_texts(system: System, languages: tuple[str, str], labels: Collection[str], where: str) -> None:
    source, target = languages
    for number, part in enumerate(system.mixture):
        key = f"systems.{system.name}" + (f".mix[{number - 1}]" if number else "")
        spoken = source if part.data.startswith("src_") else target
        if part.label is None and part.text != spoken and (number or system.task != "st"):
            raise ConfigError(f"{where}: {key}.text: {part.text!r} is not {spoken!r}, what is spoken in {part.data}; "
                              f"a translation is {target}.<label>" + ("" if number else ", and learnt by task st"))
        if part.label is not None and part.label not in labels:
            raise ConfigError(f"{where}: {key}.text: label {part.label!r} is not under 'labels'"
                              f"{nearest(part.label, labels)}")
    key = f"{where}: systems.{system.name}"
    if system.task == "asr" and system.label:
        raise ConfigError(f"{key}.text: {system.text!r} is a translation, which is learnt by task st")
    if system.task == "st" and not system.label:
        raise ConfigError(f"{key}.text: {system.text!r} must name a translation, '{target}.human' or "
                          f"'{target}.<label>'")
    if len({language_tag(part.text) for part in system.mixture}) > 1 and not system.tags:
        raise ConfigError(f"{key}.mix: texts in several languages need 'tags: true', and a vocabulary with tags, or "
                          "the decoder cannot know which to write")
