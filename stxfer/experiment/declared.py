"""The keys of an experiment file, after those it includes are merged into it: which there are, and their types."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, Strict, model_validator
from pydantic.types import StrictStr
from typing_extensions import Self

from stxfer.core.mistakes import wrong
from stxfer.core.options import NoEffect, Options, options
from stxfer.experiment.clean import CleanOptions
from stxfer.experiment.data import DataOptions
from stxfer.experiment.espnet import StockModel
from stxfer.experiment.features import FeatureOptions
from stxfer.experiment.labels import Declarations
from stxfer.experiment.models import LmModel, MtModel, SpeechModel
from stxfer.experiment.prepare import PrepareOptions
from stxfer.experiment.systems import System
from stxfer.experiment.training import Decoding, MtDecoding, Phase
from stxfer.experiment.types import (
    Count,
    DecodedName,
    Flag,
    LabelName,
    Language,
    LmText,
    Name,
    TrainingSet,
    Unequal,
    VocabText,
    Words,
)

SEEDS = 2 ** 32  # torch and numpy take no larger ones
NonEmpty = Field(min_length=1)


def _two(pair: Any) -> Any:
    if isinstance(pair, list) and len(pair) != 2:
        raise wrong("must be a pair, [system, baseline]")
    return pair


def _differ(pair: tuple[str, str]) -> tuple[str, str]:
    if pair[0] == pair[1]:
        raise wrong("compares a system with itself")
    return pair


@options
class Languages(Options):
    """The two languages, by their codes."""

    source: Language
    """The language with much speech."""
    target: Language
    """The language to recognise."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.source == self.target:
            raise wrong(f"{self.target!r} is the source language, too", key="target")
        return self


@options
class Vocab(Options):
    """A SentencePiece vocabulary."""

    size: Count = 200
    """Its number of pieces."""
    type: Literal["unigram", "bpe", "char"] = "unigram"
    """How pieces are found."""
    # Its texts are inputs of the stage that learns it.
    text: Annotated[tuple[VocabText, ...], NonEmpty, NoEffect] = ("src_train",)
    """What it is learnt from: training sets, translations of them (<set>/text.<lang>.<label>), bitext or
    bitext.<lang>."""
    tags: Annotated[tuple[Language, ...], Unequal] = ()
    """Languages whose tags, ``<sw>``, are pieces of it, for systems with ``tags``."""


@options
class MtDeclaration(Options):
    """The translators trained here."""

    vocab: Count = 500
    """Size of each side's vocabulary, or of the joint one."""
    joint: Flag = False
    """One vocabulary for both sides."""
    model: MtModel = MtModel()
    """The model, in ESPnet's words."""
    train: Annotated[tuple[Phase, ...], NonEmpty] = (Phase(),)
    """Their phases."""
    clean: CleanOptions = CleanOptions()
    """Which pairs of the bitext none of them learns from."""


@options
class LanguageModel(Options):
    """A language model, which decoding may use beside a system's own decoder."""

    text: Annotated[tuple[LmText, ...], NonEmpty]
    """What it learns from: texts as a vocabulary names them, and files of one sentence a line. Sentences of dev and
    test sets are left out."""
    vocab: Name = "target"
    """Its vocabulary, which must be that of the systems that are decoded with it."""
    model: LmModel = LmModel()
    """The model, in ESPnet's words."""
    train: Annotated[tuple[Phase, ...], NonEmpty] = (Phase(),)
    """Its phases; what they say of speech, CTC and label smoothing has no meaning here."""


@options
class TrainDeclaration(Options):
    """Schedules by name, and what each of their phases has unless it says otherwise."""

    default: Phase = Phase()
    """What each phase has unless it says otherwise."""
    schedules: dict[Name, Annotated[tuple[Phase, ...], NonEmpty]] = Field(default_factory=dict,
                                                                          validation_alias="<schedules>")
    """The phases of each schedule, which stand beside the defaults."""


def _apart(train: Any) -> Any:
    if not isinstance(train, Mapping):
        return train
    schedules = {name: phases for name, phases in train.items() if name != "default"}
    return {"default": train.get("default", {}), "<schedules>": schedules}


@options
class DecodingDeclaration(Options):
    """Beam search, by what is decoded."""

    source: Decoding = Decoding()
    """Source ASR."""
    st: Decoding = Decoding()
    """Speech translation."""
    target: Decoding = Decoding()
    """Target ASR."""
    mt: MtDecoding = MtDecoding()
    """Translators, pretrained ones too."""


@options
class Variant(Options):
    """A further way of decoding, by kind: what differs from ``decode``."""

    source: Decoding | None = None
    """Source ASR."""
    st: Decoding | None = None
    """Speech translation."""
    target: Decoding | None = None
    """Target ASR."""


@options
class Declaration(Options):
    """One experiment: languages, labels, model, training and systems."""

    name: Annotated[Words, NonEmpty]
    """What the report calls the experiment."""
    languages: Languages
    """The two languages, by their codes."""
    vocab: dict[Name, Vocab]
    """SentencePiece vocabularies: source ASR has "source", ST and target ASR have "target", unless they say so."""
    labels: Declarations
    """Sources of translations of the source transcripts."""
    mt: MtDeclaration
    """The translators trained here."""
    model: SpeechModel
    """The model of ASR and ST, in ESPnet's words."""
    train: Annotated[TrainDeclaration, BeforeValidator(_apart)]
    """Phases, by kind (source, st, target) or by a name that systems give; "default" is under each phase."""
    decode: DecodingDeclaration
    """Beam search."""
    systems: dict[Name, System]
    """The systems: those with "@label@" in their names are there once for each label of label_systems."""
    compare: tuple[Annotated[tuple[DecodedName, DecodedName], AfterValidator(_differ), BeforeValidator(_two)], ...]
    """Pairs of a system and the baseline it is held against, each as it is or as <system>+<variant>."""
    seeds: Annotated[tuple[Annotated[int, Strict(), Field(ge=0, lt=SEEDS)], ...], NonEmpty, Unequal]
    """Each system is trained once with each."""
    normalise: dict[str, Any] = Field(default_factory=dict)
    """Rules over those of stxfer/text/profiles.yaml, by language."""
    data: DataOptions = DataOptions()
    """What stage 1 makes or takes."""
    prepare: PrepareOptions = PrepareOptions()
    """Stage 2."""
    features: FeatureOptions = FeatureOptions()
    """What the models hear."""
    espnet: dict[Name, StockModel] = Field(default_factory=dict)
    """Models that ESPnet's own commands train, by name, for systems that are compared with."""
    lm: dict[Name, LanguageModel] = Field(default_factory=dict)
    """Language models, by name."""
    variants: dict[LabelName, Variant] = Field(default_factory=dict)
    """Further ways of decoding, by name: a system "direct" is also scored and compared as "direct+<name>"."""
    label_systems: Annotated[tuple[StrictStr, ...], Unequal] = ()
    """The labels for which systems and comparisons named with "@label@" are there."""
    set_systems: Annotated[tuple[TrainingSet, ...], Unequal] = ()
    """The training sets for which systems and comparisons named with "@set@" are there."""
