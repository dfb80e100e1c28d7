"""What the JSON files of ``data``, ``dump`` and ``exp`` hold, as far as later stages read it: shapes to check against.

Keys that nothing reads are not named; a file may have further ones. See :func:`stxfer.core.records.read_record`.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field
from typing_extensions import NotRequired, TypedDict

Count = Annotated[int, Field(ge=0, lt=2 ** 53)]  # what NumPy and other readers of JSON hold
Number = Annotated[float, Field(allow_inf_nan=False)]
MetricName = Literal["wer", "cer", "bleu", "chrf"]


class Epoch(TypedDict):
    """An entry of ``epochs`` of ``model.json``."""

    phase: str
    epoch: Count
    train_loss: NotRequired[float]
    valid_loss: NotRequired[float]
    valid_acc: NotRequired[float]
    valid_wer: NotRequired[float]


class Trained(TypedDict):
    """How much a model was trained on."""

    hours: NotRequired[Number]
    hours_with_copies: NotRequired[Number]
    utterances: NotRequired[Count]


class Perplexity(TypedDict):
    """What a language model reaches on the development set."""

    perplexity: float
    word_perplexity: float
    sentences: Count


class ModelInfo(TypedDict):
    """``model.json``."""

    task: NotRequired[Literal["asr", "st", "text", "mt", "lm"]]
    train: NotRequired[Trained]
    epochs: NotRequired[list[Epoch]]
    stopped_early: NotRequired[bool]


class LmInfo(ModelInfo):
    """``model.json`` of a language model."""

    dev: Perplexity


class OpenedInfo(TypedDict):
    """``model.json`` of a model that is opened."""

    task: Literal["asr", "st", "text", "mt", "lm"]


class Decoded(TypedDict):
    """``decode.json``."""

    utterances: NotRequired[Count]
    loops: NotRequired[Count]
    empty: NotRequired[Count]
    options: NotRequired[dict[str, Any]]


class Tuned(TypedDict):
    """``tune.json``."""

    set: str
    measure: NotRequired[str]
    chosen: NotRequired[dict[str, Number]]


class Metric(TypedDict):
    """A metric of a set."""

    value: Number
    n_utts: Count
    n_ref: Count
    signature: str
    tokeniser: NotRequired[str]


class TranslatorMetric(TypedDict):
    """A metric of a translator; earlier versions left out the signature."""

    value: Number
    n_utts: Count
    n_ref: Count
    signature: NotRequired[str]


Metrics = dict[MetricName, Metric]


class Score(TypedDict):
    """``score.json`` of a decoded set."""

    system: str
    seed: int
    set: str
    task: str
    train_hours: Number
    train_hours_with_copies: NotRequired[Number]
    speakers: NotRequired[Count | None]
    metrics: Annotated[Metrics, Field(min_length=1)]


Errors = TypedDict("Errors", {"n_ref": Count, "sub": Count, "del": Count, "ins": Count})


class ScoredUtterance(TypedDict):
    """A line of ``utts.jsonl``."""

    utt: str
    speaker: NotRequired[str | None]
    ref: str
    hyp: str
    wer: NotRequired[Errors]
    cer: NotRequired[Errors]


class Imported(TypedDict):
    """``espnet.json``, see :class:`stxfer.score.imported.Origin`."""

    hypotheses: str
    model: dict[str, str | int]
    own_wer: Number | None
    own_words: Count | None
    wer: Number
    words: Count
    changed_hyps: Count
    changed_refs: Count | None
    example: list[str]


class TranslatorScore(TypedDict):
    """``score.json`` of a translator."""

    pairs: Annotated[int, Field(ge=1)]
    kept: Count
    dropped: NotRequired[dict[str, Count]]
    metrics: NotRequired[dict[MetricName, TranslatorMetric]]


def _as_tuple(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value  # JSON has lists alone, and a list is no tuple


class TranslatedSentence(TypedDict):
    """A line of ``translations.jsonl``: each translation has its text, its score and whether it holds ``<unk>``."""

    sentence: str
    key: str
    translations: list[Annotated[tuple[str, float] | tuple[str, float, bool], BeforeValidator(_as_tuple)]]


NearExample = TypedDict("NearExample", {"sentence": str, "near": str, "in": str})


class Near(TypedDict):
    """Training utterances with nearly a held-out sentence."""

    n: Count
    examples: list[NearExample]


class TextLeaks(TypedDict):
    """Held-out sentences in a training set."""

    n: Count
    near: NotRequired[Near]


class Counted(TypedDict):
    """A number of utterances."""

    n: Count


class AudioLeaks(Counted):
    """Audio of dev and test in a training set."""

    recordings: Count


class Shared(Counted):
    """Speakers of a set in another one."""

    utterances: Count


class Speakers(TypedDict):
    """The speakers of a set."""

    speakers: Count | None
    shared: dict[str, Shared]


Policy = Literal["remove", "report", "stop"]


class AllAudioLeaks(TypedDict):
    """``audio`` of ``leaks.json``."""

    leaks: Policy
    n: Count
    found_in: dict[str, AudioLeaks]
    dev_in_test: dict[str, Counted]


class Leaks(TypedDict):
    """``leaks.json``."""

    leaks: Policy
    n: Count
    found_in: dict[str, TextLeaks]
    audio: NotRequired[AllAudioLeaks]
    speakers: NotRequired[dict[str, Speakers]]


class SetFigures(TypedDict):
    """``figures`` of a prepared set's marker."""

    n_raw: Count
    n_utts: Count
    hours: Number
    dropped: dict[str, Count]
    warnings: dict[str, Count]
    annotation: NotRequired[dict[str, dict[str, Count]]]
    advice: NotRequired[dict[str, Any]]
    leaks: NotRequired[TextLeaks]
    audio_leaks: NotRequired[AudioLeaks]


class DataCounts(TypedDict):
    """What the marker of a set of stage 1 counts."""

    n_utts: Count
    hours: Number
    n_dropped: NotRequired[Count]


class HubConfig(TypedDict):
    """``config.json`` of a model of the hub."""

    model_type: NotRequired[str]
    max_position_embeddings: NotRequired[Count | None]
    n_positions: NotRequired[Count | None]


class Preprocessor(TypedDict):
    """``preprocessor_config.json`` of a model of the hub."""

    sampling_rate: NotRequired[int]


class Generation(TypedDict):
    """``generation_config.json`` of a multilingual Whisper."""

    lang_to_id: NotRequired[dict[str, int]]
    task_to_id: NotRequired[dict[str, int]]
    decoder_start_token_id: NotRequired[int | None]
    no_timestamps_token_id: NotRequired[int | None]


class WeightIndex(TypedDict):
    """``model.safetensors.index.json``: the file of each parameter, beside the index."""

    weight_map: dict[str, Annotated[str, Field(pattern=r"^[^/]+$")]]


class ConvertedModel(TypedDict):
    """``translator.json`` of a converted translator."""

    family: str
    positions: Annotated[int, Field(ge=1)]
    languages: NotRequired[list[str]]


class Translated(TypedDict):
    """What the marker of translations has beside, and a killed run has left for it."""

    translator: dict[str, Any]
    computed: NotRequired[dict[str, Any]]
