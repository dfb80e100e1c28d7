"""The kinds of values that an experiment file has: numbers within limits, names, languages, sets, texts."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    Strict,
    WithJsonSchema,
)
from pydantic_core import CoreSchema, core_schema

from stxfer.core.mistakes import wrong

LARGEST = 10 ** 9  # no whole number here means anything beyond it
TRAINING_SETS = ("src_train", "tgt_train")
# YAML 1.1 takes a number with an exponent and no decimal point, or no sign in the exponent, for a string.
_EXPONENT = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)[eE][-+]?\d+")
_MARK = re.compile(r"@(label|set|source|target)@")
_NAME = re.compile(r"\w[\w.-]*")
_LABEL = re.compile(r"\w[\w-]*")
_LANGUAGE = re.compile(r"[A-Za-z]{2,8}([-_][A-Za-z0-9]{1,8})*")
_SET = re.compile(r"(src|tgt)_\w[\w-]*")
_DECODED = re.compile(rf"{_NAME.pattern}(\+{_LABEL.pattern})?")
_TEXT = re.compile(r"\w[\w-]*(\.\w[\w-]*)?")
_VOCAB_TEXT = re.compile(r"bitext(\.[\w-]+)?|(?P<set>\w[\w-]*)(/text(\.[\w-]+\.[\w-]+)?)?")


def _number(value: Any) -> Any:
    return float(value) if isinstance(value, str) and _EXPONENT.fullmatch(value) else value


def _like(pattern: re.Pattern[str], what: str) -> AfterValidator:
    def check(value: str) -> str:
        if not pattern.fullmatch(_MARK.sub("x", value)):
            raise wrong(f"must be {what}")
        return value

    return AfterValidator(check)


def _printable(value: str) -> str:
    if not value.isprintable():
        raise wrong("must not have control characters or line ends")
    return value


SET_MARK = "@set@"  # in a system's name and in place of its training set: each of set_systems


def _training_set(value: str) -> str:
    if value != SET_MARK and not is_training_set(value):
        raise wrong(f"must be a training set: {' or '.join(TRAINING_SETS)}", TRAINING_SETS)
    return value


def _vocab_text(value: str) -> str:
    match = _VOCAB_TEXT.fullmatch(value)
    if not match or (match["set"] and not is_training_set(match["set"])):
        raise wrong("cannot be used: only training sets may be used (src_train, tgt_train, "
                    "src_train/text.<lang>.<label>, bitext, bitext.<lang>)", ("bitext", *TRAINING_SETS))
    return value


def is_named_text(text: str) -> bool:
    """Whether a language model's text is named as a vocabulary's are, and is not the path of a file."""
    return bool(_VOCAB_TEXT.fullmatch(text))


def _lm_text(value: str) -> str:
    if is_named_text(value):
        return _vocab_text(value)
    if not value.isprintable() or not Path(value).name.strip("."):
        raise wrong("must be a text as a vocabulary names them (tgt_train, src_train/text.<lang>.<label>, "
                    "bitext.<lang>), or the path of a file, with a '.' or '/' in it")
    return value


def is_training_set(name: str) -> bool:
    """Whether a set's name says that models may learn from it: ``train``, not ``dev`` or ``test``, is a word of it."""
    words = set(re.split("[_-]", name))
    return bool(_SET.fullmatch(name)) and "train" in words and not words & {"dev", "test"}


@dataclass(frozen=True)
class OneOf:
    """Annotates a string that is one of some words known only when the module is imported."""

    words: tuple[str, ...]

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.literal_schema(list(self.words))

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        return {"enum": list(self.words), "type": "string"}


def _split(convert: Callable[[str], Any]) -> BeforeValidator:
    def split(value: Any) -> Any:
        if not isinstance(value, str):
            return value
        try:
            return [convert(word) for word in value.split()]
        except ValueError:
            return value

    return BeforeValidator(split)


def _unequal(values: tuple[Any, ...]) -> tuple[Any, ...]:
    for number, value in enumerate(values):
        if value in values[:number]:
            raise wrong(f"has {value!r} twice")
    return values


Flag = Annotated[bool, Strict()]
Number = Annotated[float, Strict(), BeforeValidator(_number)]
Whole = Annotated[int, Strict(), Field(ge=0, le=LARGEST)]
Count = Annotated[int, Strict(), Field(ge=1, le=LARGEST)]
Amount = Annotated[Number, Field(ge=0)]  # 0: none
Positive = Annotated[Number, Field(gt=0)]
Portion = Annotated[Number, Field(gt=0, le=1)]
Unit = Annotated[Number, Field(ge=0, le=1)]
BelowOne = Annotated[Number, Field(ge=0, lt=1)]

Words = Annotated[str, Strict(), AfterValidator(_printable)]  # for people, or a path
Name = Annotated[str, _like(_NAME, "a name: letters, digits, '_', '-' and '.', a letter, digit or '_' first"),
                 WithJsonSchema({"type": "string", "pattern": r"^[^\s./\\-][^\s/\\]*$"})]
MaybeName = Annotated[str, _like(re.compile(rf"({_NAME.pattern})?"), "a name"),
                      WithJsonSchema({"type": "string", "pattern": r"^([^\s./\\-][^\s/\\]*)?$"})]
DecodedName = Annotated[str, _like(_DECODED, "a system, or <system>+<variant>"),
                        WithJsonSchema({"type": "string", "pattern": r"^[^\s./\\+-][^\s/\\]*$"})]
MaybeDecoded = Annotated[str, _like(re.compile(rf"({_DECODED.pattern})?"), "a system, or <system>+<variant>"),
                         WithJsonSchema({"type": "string", "pattern": r"^([^\s./\\+-][^\s/\\]*)?$"})]
LabelName = Annotated[str, _like(_LABEL, "a name: letters, digits, '_' and '-', no '-' first"),
                      WithJsonSchema({"type": "string", "pattern": r"^[^\s./\\-][^\s./\\]*$"})]
Language = Annotated[str, _like(_LANGUAGE, "a language code such as sw or sr-latn"),
                     WithJsonSchema({"type": "string", "pattern": f"^{_LANGUAGE.pattern}$"})]
MaybeLanguage = Annotated[str, _like(re.compile(rf"({_LANGUAGE.pattern})?"), "a language code such as sw or sr-latn"),
                          WithJsonSchema({"type": "string", "pattern": f"^({_LANGUAGE.pattern})?$"})]
SetName = Annotated[str, _like(_SET, "the name of a set, which begins with src_ or tgt_"),
                    WithJsonSchema({"type": "string", "pattern": r"^(src|tgt)_[\w-]+$"})]
MaybeSet = Annotated[str, _like(re.compile(rf"({_SET.pattern})?"), "the name of a set, which begins with src_ or tgt_"),
                     WithJsonSchema({"type": "string", "pattern": r"^((src|tgt)_[\w-]+)?$"})]
TrainingSet = Annotated[str, AfterValidator(_training_set),
                        WithJsonSchema({"type": "string", "pattern": r"^((src|tgt)_([\w-]*_)?train(_[\w-]*)?|@set@)$"})]
TextName = Annotated[str, _like(_TEXT, "a language, or <language>.<label> for a translation"),
                     WithJsonSchema({"type": "string", "pattern": r"^[^\s./]+(\.[^\s./]+)?$"})]
VocabText = Annotated[str, AfterValidator(_vocab_text), WithJsonSchema(
    {"type": "string", "pattern": r"^(bitext(\..+)?|(src|tgt)_[\w-]*train[\w-]*(/.*)?)$"})]
LmText = Annotated[str, Strict(), AfterValidator(_lm_text), WithJsonSchema({"type": "string", "minLength": 1})]
SplitNumbers = _split(float)
SplitWords = _split(str)
Unequal = AfterValidator(_unequal)
