"""What the stages of a work directory have recorded of a trained system: what it hears, writes and is decoded with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from typing_extensions import NotRequired, TypedDict

from stxfer.audio.pretrained import open_pretrained
from stxfer.audio.shards import FBANK, OPTIONS, Extractor
from stxfer.audio.waveform import Waveform
from stxfer.core.errors import ConfigError, DataError, StaleError
from stxfer.core.fresh import WATCHED, Declared, check_input
from stxfer.core.marker import MARKER, read_marker
from stxfer.core.records import mistake, read_record
from stxfer.core.workdir import WorkDir
from stxfer.experiment.features import FeatureOptions
from stxfer.experiment.layout import DUMP, INFO, STOCK, TUNING, beside, features_dir, prepared_dir
from stxfer.experiment.prepare import PrepareOptions
from stxfer.experiment.records import OpenedInfo, Tuned
from stxfer.experiment.systems import MARK, language_tag
from stxfer.experiment.training import Decoding
from stxfer.experiment.whisper import Whisper

SPEECH_TASKS = ("asr", "st")


class FeaturesOfEncoder(TypedDict):
    """What a feature stage's marker, and ``pack.json``, say of features of a pretrained encoder."""

    family: str
    layer: int | list[int]
    stride: int
    padded: NotRequired[bool]
    model_sha256: str


@dataclass(frozen=True)
class Record:
    """The markers of a trained system and of its training set.

    Args:
        directory: ``exp/<system>/seed<n>`` of a work directory.

    Raises:
        DataError: there is no finished system.
        ConfigError: it hears no speech.
    """

    directory: Path

    def __post_init__(self) -> None:
        if not self.directory.is_dir():
            raise DataError(f"{self.directory}: no such directory; give that of a trained system, exp/<system>/seed<n>")
        if not (self.directory / MARKER).exists():
            raise DataError(f"{self.directory}: not a trained system of a work directory, exp/<system>/seed<n> (no "
                            f"{MARKER})")
        if self.task not in SPEECH_TASKS:
            raise ConfigError(f"{self.directory}: its task is {self.task!r}, which hears no speech; give a system of "
                              f"task {' or '.join(SPEECH_TASKS)}")
        if STOCK in self._options:
            raise ConfigError(f"{self.directory}: a system of stock ESPnet; its own asr_inference hears with "
                              f"{self.directory / STOCK}")

    @cached_property
    def _options(self) -> Mapping[str, Any]:
        options: Mapping[str, Any] = read_marker(self.directory)["options"]
        if not {"system", "whisper"} & options.keys():
            raise ConfigError(f"{self.directory / MARKER}: not the marker of a trained system")
        return options

    @property
    def exp(self) -> Path:
        """The directory of experiments."""
        return self.directory.absolute().parents[1]

    @property
    def dump(self) -> Path:
        """The directory of features, beside that of experiments."""
        return beside(self.exp, DUMP)

    @property
    def name(self) -> str:
        """The system's name."""
        return self.directory.absolute().parent.name

    @cached_property
    def task(self) -> str:
        """``asr`` or ``st``."""
        return str(read_record(self.directory / INFO, OpenedInfo)["task"])

    @property
    def language(self) -> str:
        """The language that it writes."""
        return str(self._options["language"] if self.whisper else self._system["text"]).partition(".")[0]

    @property
    def spoken(self) -> str:
        """The language that it hears."""
        if self.task == "asr":
            return self.language
        side = "source_lang" if self._system["data"].startswith("src_") else "target_lang"
        return str(self._prepared.get(side, ""))

    @property
    def seed(self) -> int:
        """The seed of its training."""
        return int(self._options["seed"])

    @property
    def data(self) -> str:
        """The set that it was trained on."""
        if self.whisper:
            return Path(next(iter(read_marker(self.directory)["inputs"]))).name
        return str(self._system["data"])

    @property
    def tag(self) -> str:
        """What its texts begin with, ``<sw>``; empty without tags."""
        return language_tag(self.language) if not self.whisper and self._system.get("tags") else ""

    @property
    def whisper(self) -> Whisper | None:
        """Of a fine-tuned Whisper, which, and how."""
        found = self._options.get("whisper")
        if found is None:
            return None
        whisper = Whisper.read(found, str(self.directory / MARKER), ("options", "whisper"))
        return replace(whisper, model=WorkDir.of(self.directory).located(whisper.model))

    @property
    def frontend(self) -> Path | None:
        """Directory of the pretrained encoder that the model begins with."""
        conf = self._options.get("model", {}).get("frontend_conf")
        return None if conf is None else Path(WorkDir.of(self.directory).located(conf["model"]))

    @property
    def _system(self) -> Mapping[str, Any]:
        system: Mapping[str, Any] = self._options["system"]
        return system

    @property
    def most_seconds(self) -> float:
        """The longest utterance that it can have learnt from."""
        return float(self._prepared.get("max_seconds", PrepareOptions().max_seconds))

    @property
    def normalised(self) -> str:
        """The signature of the rules that normalised its set's transcripts; empty where that is not recorded."""
        return str(self._prepared.get("profiles", {}).get("text", ""))

    @cached_property
    def _prepared(self) -> Mapping[str, Any]:
        try:
            options: Mapping[str, Any] = read_marker(prepared_dir(self.dump, self.data))["options"]
        except DataError:  # removed, or made elsewhere
            return {}
        return options

    def features(self, encoder: Path | None = None) -> tuple[Extractor, str]:
        """Return what makes the features that it was trained on, and how they were stored.

        Args:
            encoder: directory of the pretrained encoder, where it is not where it was.

        Raises:
            ConfigError: the features cannot be made: they are of another version, or the encoder is another one.
            DataError: nothing says what they are, or the encoder's files are missing.
        """
        where = features_dir(self.dump, self.data)
        try:
            marker = read_marker(where)
        except DataError as error:
            raise DataError(f"{self.directory}: what the system hears is recorded with its features: {error}") from None
        options = marker["options"]
        return (extractor_of(options, where / MARKER, encoder or _watched(marker, where)),
                str(options.get("compression", "none")))

    def decoding(self, variant: str) -> Decoding:
        """Return the options by which it decoded its test set, the usual ones or those of a variant, after tuning.

        Without a decoded set these are the defaults.

        Raises:
            ConfigError: no set has been decoded with the variant.
        """
        found = self.decoded()
        if variant not in found:
            if not variant:
                return Decoding()
            raise ConfigError(f"{self.directory}: no test set was decoded with variant {variant!r}; those that were: "
                              f"{' '.join(filter(None, found)) or 'none'}; give the experiment file with --config")
        where = found[variant]
        recorded = read_marker(where)["options"]
        options = Decoding.read({key: value for key, value in recorded.items() if key != "norm"},
                                str(where / MARKER), ("options",))
        if options.tune is None:
            return options
        if (chosen := read_record(where / TUNING, Tuned).get("chosen")) is None:
            raise DataError(f"{where / TUNING}: says not which options were chosen; remove it and run stage decode "
                            "again")
        return replace(options, tune=None, **chosen)

    def decoded(self) -> dict[str, Path]:
        """Return the directories of decoded sets by variant; of several sets the last."""
        return {path.parent.name.partition(MARK)[2]: path.parent
                for path in sorted(self.directory.glob(f"decode/*/{MARKER}"))}


def check_made(path: Path, declared: Declared | None = None) -> None:
    """Raise StaleError as :func:`stxfer.core.fresh.check_input` does, without the advice to give ``--allow-stale``."""
    try:
        check_input(path, declared)
    except StaleError as error:
        raise StaleError(str(error).partition(", or give --allow-stale")[0]) from None


def extractor_of(options: Mapping[str, Any], where: Path, encoder: Path | None) -> Extractor:
    """Return what makes features.

    Args:
        options: of a feature stage's marker.
        where: the file that holds them.
        encoder: directory of the pretrained encoder, if they are of one.

    Raises:
        ConfigError: this version does not make such features, or the encoder is not given or another one.
        DataError: the encoder's files are missing or broken.
    """
    kind = options.get("kind", "fbank")
    if kind == "waveform":
        return Waveform()
    if kind == "pretrained":
        return _pretrained(options, where, encoder)
    if kind != "fbank" or any(options.get(key) != value for key, value in OPTIONS.items()):
        raise ConfigError(f"{where}: features that this version does not make; train on features of its own")
    return FBANK


def _pretrained(options: Mapping[str, Any], where: Path, encoder: Path | None) -> Extractor:
    if wrong := mistake(options, FeaturesOfEncoder, str(where)):
        raise DataError(wrong)
    if encoder is None:
        raise ConfigError(f"{where}: does not say where the {options['family']} encoder lies; give its "
                          "directory with --encoder")
    layer = options["layer"]
    found = open_pretrained(FeatureOptions(
        kind="pretrained", model=str(encoder), layer=(layer,) if isinstance(layer, int) else tuple(layer),
        stride=options["stride"], padded=options.get("padded", False)))
    if found.digest != options["model_sha256"]:
        raise ConfigError(f"{encoder}: not the encoder of {where}: its files are others; give the right one with "
                          "--encoder")
    return found


def _watched(marker: Mapping[str, Any], where: Path) -> Path | None:
    """Return the directory of the encoder's files that the marker in a directory names."""
    return next((Path(WorkDir.of(where).located(path)).parent for path in marker.get(WATCHED, {})), None)
