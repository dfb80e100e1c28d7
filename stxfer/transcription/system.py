"""A trained system, opened with all that it takes to hear audio."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stxfer.audio.hub import whisper_files
from stxfer.audio.shards import Extractor
from stxfer.core.devices import device
from stxfer.core.digests import file_digest
from stxfer.core.errors import ConfigError
from stxfer.core.marker import read_marker
from stxfer.experiment.config import Experiment
from stxfer.experiment.layout import TUNED, lm_dir
from stxfer.experiment.systems import MARK
from stxfer.experiment.training import Decoding
from stxfer.experiment.whisper import Whisper
from stxfer.model.pack import is_pack
from stxfer.text.profiles import Profile, profile
from stxfer.transcription.recorded import Record

if TYPE_CHECKING:
    from stxfer.model.load import LoadedModel
    from stxfer.model.whisper import WhisperModel

ONE_WAY = "a pack decodes in one way, chosen when it was made: leave out --variant, --lm and --config"


@dataclass(frozen=True)
class SpeechSystem:
    """What :class:`stxfer.transcription.transcriber.Transcriber` hears with.

    Attributes:
        task: ``asr`` or ``st``.
        profile: how what it writes is normalised.
        model: the network, on its device, with its vocabulary.
        decoding: options of the search.
        most_seconds: the longest piece that it hears at once.
        extractor: makes features of samples; None: Whisper makes its own.
        compression: how the features it was trained on are stored.
        lm: the language model that ``decoding.lm`` names, an ``AbsLM`` in eval mode.
        tag: what its texts begin with, ``<sw>``.
        batch: of Whisper, pieces that are heard together.
    """

    task: str
    profile: Profile
    model: LoadedModel | WhisperModel
    decoding: Decoding
    most_seconds: float
    extractor: Extractor | None = None
    compression: str = "none"
    lm: Any = None
    tag: str = ""
    batch: int = 1


def open_system(directory: Path, *, variant: str = "", experiment: Experiment | None = None,
                encoder: Path | None = None) -> SpeechSystem:
    """Open a trained system of a work directory.

    Its features, language and options of decoding are those that the stages have recorded beside it.

    Args:
        directory: ``exp/<system>/seed<n>``.
        variant: of decoding, e.g. ``lm``; empty: the usual way.
        experiment: what it was trained in, for a variant that no set was decoded with and for changed profiles.
        encoder: directory of the pretrained encoder that it hears with, where it is not where it was.

    Raises:
        ConfigError: the system hears no speech, has no such variant, or its encoder is another one.
        DataError: something is missing or broken.
        TransferError: the parameters cannot be read.
    """
    record = Record(directory)
    rules = profile(record.language) if experiment is None else experiment.profile(record.language)
    decoding = decoding_of(record, variant, experiment)
    if (options := record.whisper) is not None:
        from stxfer.model.whisper import open_whisper  # transformers: seconds to import

        if encoder is not None:
            options = _moved(options, encoder, read_marker(directory)["inputs"], directory)
        tuned = directory / TUNED
        whisper = open_whisper(options, record.language, tuned if tuned.exists() else None)
        whisper.network.to(device())
        return SpeechSystem(record.task, rules, whisper, decoding, whisper.seconds, batch=options.batch)
    from stxfer.model.load import open_models  # torch: seconds to import

    extractor, compression = record.features(encoder)
    loaded, lm = open_models(directory, lm_dir(record.exp, decoding.lm) if decoding.lm else None, encoder=encoder)
    return SpeechSystem(record.task, rules, loaded, decoding, record.most_seconds, extractor, compression, lm,
                        record.tag)


def _moved(whisper: Whisper, encoder: Path, inputs: Mapping[str, str], directory: Path) -> Whisper:
    """Return the options of a fine-tuned Whisper whose files lie elsewhere now."""
    seen = {Path(path).name: digest for path, digest in inputs.items()}
    if any(seen.get(path.name) != file_digest(path) for path in whisper_files(encoder)):
        raise ConfigError(f"{encoder}: not the Whisper that {directory} was tuned from: its files are others")
    return replace(whisper, model=str(encoder))


def variant_with_lm(directory: Path, experiment: Experiment | None = None) -> str:
    """Return the variant of decoding that has a language model; the usual way, ``""``, if that has one.

    Raises:
        ConfigError: there is none, or several.
    """
    if is_pack(directory):
        raise ConfigError(f"{directory}: {ONE_WAY}")
    record = Record(directory)
    if experiment is None:
        found = [variant for variant in record.decoded() if record.decoding(variant).lm]
    else:
        found = [way.variant for way in experiment.decoded.values()
                 if way.system.name == record.name and way.options.lm]
    if "" in found or len(found) == 1:
        return "" if "" in found else found[0]
    raise ConfigError(f"{directory}: {'several variants have' if found else 'no variant of decoding has'} a language "
                      f"model{': name one with --variant: ' + ' '.join(found) if found else ''}"
                      + ("" if found or experiment else ", as far as sets were decoded; give the experiment file with "
                         "--config"))


def decoding_of(record: Record, variant: str, experiment: Experiment | None = None) -> Decoding:
    """Return the options by which a system decodes, usually or in a variant, after tuning.

    Args:
        record: of the system.
        variant: of decoding; empty: the usual way.
        experiment: what it was trained in; None: the options are those that sets were decoded with.

    Raises:
        ConfigError: there is no such variant, or it is to be tuned and is not.
    """
    return record.decoding(variant) if experiment is None else _declared(experiment, record, variant)


def _declared(experiment: Experiment, record: Record, variant: str) -> Decoding:
    way = experiment.decoded.get(f"{record.name}{MARK}{variant}" if variant else record.name)
    if way is None:
        ways = [found.variant for found in experiment.decoded.values()
                if found.system.name == record.name and found.variant]
        raise ConfigError(f"{record.name} has no variant {variant!r} of decoding in the experiment; it has: "
                          f"{' '.join(ways) or 'none'}" if variant else f"{record.name} is not in the experiment")
    if way.options.tune is None:
        return way.options
    if variant not in record.decoded():
        raise ConfigError(f"{way.name}: its options of decoding are tuned when its test set is decoded; run stage "
                          "decode first")
    return record.decoding(variant)
