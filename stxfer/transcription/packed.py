"""What a pack says of its system, and how it is opened; the container is :mod:`stxfer.model.pack`'s."""

from __future__ import annotations

import contextlib
import weakref
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from stxfer.audio.hub import files_digest, open_hub_model, whisper_files
from stxfer.audio.pretrained import PretrainedFeatures
from stxfer.core.devices import device
from stxfer.core.errors import ConfigError, DataError
from stxfer.core.fileio import read_json
from stxfer.core.marker import MARKER
from stxfer.core.options import Options, options
from stxfer.experiment.config import Experiment
from stxfer.experiment.layout import FRONTEND, TUNED
from stxfer.experiment.training import Decoding
from stxfer.experiment.whisper import Whisper
from stxfer.model.pack import CONTENT, ENCODER, LM, ZIP, is_pack, opened
from stxfer.text.profiles import Profile, load_profiles
from stxfer.transcription.recorded import extractor_of
from stxfer.transcription.system import ONE_WAY, SpeechSystem, open_system

FORMAT = 1


@options
class PackedEncoder(Options):
    """The pretrained encoder that a system needs.

    Its files are in the pack, in ``frontend`` or ``encoder``, or have to be given when it is opened.
    """

    name: str
    """Its directory's name where the system was trained."""
    family: str
    """Its ``model_type``."""
    digest: str
    """Of the files that decide what it computes."""


@options
class Content(Options):
    """What ``pack.json`` holds."""

    format: int
    """Of packs: this version reads :data:`FORMAT`."""
    stxfer: str
    """The version that wrote it."""
    name: str
    """The system's name."""
    task: str
    """``asr`` or ``st``."""
    spoken: str
    """The language that it hears; empty if that is not known."""
    language: str
    """The language that it writes."""
    profile: str
    """The name of the rules of its text."""
    rules: dict[str, Any]
    """Those rules, all of them, as an experiment file's ``normalise`` has them."""
    decoding: dict[str, Any]
    """Options of the search."""
    most_seconds: float
    """The longest piece that it hears at once."""
    features: dict[str, Any] | None = None
    """What it hears, as the marker of stage 3 says it; none of a fine-tuned Whisper."""
    tag: str = ""
    """What its texts begin with."""
    whisper: dict[str, Any] | None = None
    """Of a fine-tuned Whisper: its options."""
    encoder: PackedEncoder | None = None
    """The pretrained encoder that it needs."""
    seed: int = 1
    """Of its training."""
    commit: str = ""
    """Of this project, where it was known."""

    @property
    def text_profile(self) -> Profile:
        """How what it writes is normalised."""
        return load_profiles({self.profile: self.rules}, CONTENT)[self.profile]


def describe_encoder(directory: Path, *, whisper: bool = False) -> PackedEncoder:
    """Return what ``pack.json`` says of a pretrained encoder.

    Args:
        directory: where it lies.
        whisper: it was fine-tuned with its own decoder, so that its tokenizer and prompts decide what is written, too.

    Raises:
        ConfigError: a model that cannot be used.
        DataError: files are missing or broken.
    """
    model = open_hub_model(directory)
    files = whisper_files(directory) if whisper else model.files
    return PackedEncoder(name=directory.resolve().name, family=model.family, digest=files_digest(files))


def rules_of(profile: Profile) -> dict[str, Any]:
    """Return all rules of a profile as an experiment file has them."""
    found: dict[str, Any] = {}
    for name, value in vars(profile).items():
        if name != "name":
            found[name] = dict(value) if name in ("replace", "spellings") else \
                list(value) if isinstance(value, tuple) else value
    return found


def read_content(directory: Path, pack: Path) -> Content:
    """Read ``pack.json``.

    Raises:
        DataError: it is not what a pack of this version holds.
    """
    found = read_json(directory / CONTENT)
    if not isinstance(found, Mapping) or found.get("format") != FORMAT:
        raise DataError(f"{pack}: {CONTENT} is not of format {FORMAT}, which this version reads; open it with the "
                        "version of stxfer that it names")
    content = Content.read(found, f"{pack}: {CONTENT}")
    kind = (content.features or {}).get("kind")  # waveforms are heard by an encoder in the model
    if content.encoder is None and (content.whisper is not None or kind in ("pretrained", "waveform")):
        heard = "Whisper" if kind is None else "a system with a pretrained encoder"
        raise DataError(f"{pack}: {CONTENT} is of {heard}, and has no 'encoder' that says of which; make the pack "
                        "again")
    return content


def open_pretrained_system(path: Path, *, variant: str = "", experiment: Experiment | None = None,
                           encoder: Path | None = None) -> SpeechSystem:
    """Open a pack, or a trained system of a work directory.

    Args: as of :func:`open_packed`, and of :func:`stxfer.transcription.system.open_system` what a pack does not have.

    Raises:
        ConfigError: a variant is asked of a pack, too.
        DataError: it is neither.
    """
    if not is_pack(path) and not (path / MARKER).exists():
        neither = ("neither a", "nor a") if path.exists() else ("no such", "or")
        raise DataError(f"{path}: {neither[0]} pack, {ZIP} or directory with {CONTENT}, {neither[1]} trained system, "
                        "exp/<system>/seed<n>")
    if not is_pack(path):
        return open_system(path, variant=variant, experiment=experiment, encoder=encoder)
    if variant or experiment is not None:
        raise ConfigError(f"{path}: {ONE_WAY}")
    return open_packed(path, encoder=encoder)


def open_packed(pack: Path, *, encoder: Path | None = None) -> SpeechSystem:
    """Open the system of a pack, a directory or a zip archive; nothing that it holds is run.

    Args:
        pack: what ``python -m stxfer.bin.pack`` has written.
        encoder: directory of the pretrained encoder that it needs, if that is not in the pack.

    Raises:
        ConfigError: an encoder is needed and is not given, or is another one; packages are missing.
        DataError: the pack is damaged.
        TransferError: the parameters cannot be read.
    """
    with contextlib.ExitStack() as stack:
        directory = stack.enter_context(opened(pack))
        content = read_content(directory, pack)
        needed = None if content.encoder is None else _encoder(directory, pack, content.encoder, encoder)
        decoding = Decoding.read(content.decoding, f"{pack}: {CONTENT}", ("decoding",))
        if content.whisper is not None:
            return _open_whisper(directory, pack, content, decoding, needed)
        from stxfer.model.load import open_models  # torch: seconds to import

        extractor = extractor_of(content.features or {}, pack / CONTENT, needed)
        loaded, lm = open_models(directory, directory / LM if decoding.lm else None, encoder=needed)
        if isinstance(extractor, PretrainedFeatures) and needed != encoder:  # read when the first piece is heard
            weakref.finalize(extractor, stack.pop_all().close)
        return SpeechSystem(content.task, content.text_profile, loaded, decoding, content.most_seconds, extractor,
                            str((content.features or {}).get("compression", "none")), lm, content.tag)


def _encoder(directory: Path, pack: Path, needed: PackedEncoder, given: Path | None) -> Path:
    """Return the directory of the encoder that a system needs; whether it is that one is seen where it is opened."""
    own = next((directory / name for name in (FRONTEND, ENCODER) if (directory / name).exists()), given)
    if own is None:
        raise ConfigError(f"{pack}: needs the {needed.family} encoder {needed.name}, which is not in it: give its "
                          "directory with --encoder")
    return own


def _open_whisper(directory: Path, pack: Path, content: Content, decoding: Decoding, base: Path | None
                  ) -> SpeechSystem:
    from stxfer.model.whisper import open_whisper  # transformers: seconds to import

    assert base is not None and content.encoder is not None
    if describe_encoder(base, whisper=True).digest != content.encoder.digest:
        raise ConfigError(f"{base}: not the Whisper {content.encoder.name} that {pack} was tuned from: its files are "
                          "others")
    options = replace(Whisper.read(content.whisper, f"{pack}: {CONTENT}", ("whisper",)), model=str(base))
    tuned = directory / TUNED
    model = open_whisper(options, content.spoken, tuned if tuned.exists() else None)
    model.network.to(device())
    return SpeechSystem(content.task, content.text_profile, model, decoding, model.seconds, batch=options.batch)
