"""Write a trained system as a pack: model, vocabulary, features, language model, model card."""

from __future__ import annotations

import contextlib
import logging
import shutil
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import stxfer
from stxfer.audio.hub import whisper_files
from stxfer.audio.pretrained import PretrainedFeatures
from stxfer.core.errors import ConfigError
from stxfer.core.fileio import atomic_dir, atomic_write, read_json, write_json
from stxfer.core.source import commit
from stxfer.experiment.config import Experiment
from stxfer.experiment.layout import FRONTEND, INFO, TUNED, lm_dir
from stxfer.experiment.lineage import Lineage
from stxfer.experiment.training import Decoding
from stxfer.experiment.whisper import Whisper
from stxfer.model.espnet_files import write_espnet
from stxfer.model.export import copy_encoder, write_model
from stxfer.model.pack import CARD, CONTENT, ENCODER, LM, is_pack, is_zip, seal, write_zip
from stxfer.text.profiles import profile
from stxfer.transcription.card import Card, model_card
from stxfer.transcription.packed import FORMAT, Content, PackedEncoder, describe_encoder, rules_of
from stxfer.transcription.recorded import Record, check_made
from stxfer.transcription.system import decoding_of

log = logging.getLogger(__name__)
_TEXTS = {".json", ".txt"}  # of a Whisper: configurations, tokenizer


def write_pack(system: Path, out: Path, *, variant: str = "", experiment: Experiment | None = None,
               with_encoder: bool = False, espnet: bool = False, licence: str = "", name: str = "") -> str:
    """Write a trained system as a directory, or as a zip archive if ``out`` ends in ``.zip``.

    It holds no path of this machine, and files that everybody may read.

    Args:
        system: ``exp/<system>/seed<n>`` of a work directory.
        out: what to write, replaced as a whole.
        variant: of decoding, e.g. ``lm``, whose language model comes along; empty: the usual way.
        experiment: what it was trained in, where its rules of text were changed, or no set is decoded.
        with_encoder: put the pretrained encoder that it needs into the pack.
        espnet: add what ESPnet's ``Speech2Text`` opens.
        licence: of the model, as the Hugging Face hub calls it, for the card.
        name: how the card calls the model; empty: the system's name.

    Returns:
        The digest of the pack: of its list of digests.

    Raises:
        ConfigError: the system cannot be packed so.
        DataError: something is missing or broken.
        StaleError: the system, or its language model, is not what its stage has left, or is out of date.
        TransferError: parameters cannot be read.
    """
    record = Record(system)
    rules = profile(record.language) if experiment is None else experiment.profile(record.language)
    if record.task == "asr" and record.normalised not in ("", rules.identity):
        log.warning("%s: its texts were normalised as %s, and %s is packed; if the experiment file has rules of its "
                    "own, give it with --config", system, record.normalised, rules.identity)
    if experiment is None and not record.decoded():
        log.warning("%s: no test set is decoded, so that the search has its usual options; for those of the experiment "
                    "file give that with --config", system)
    decoding = decoding_of(record, variant, experiment)
    declared = None if experiment is None else Lineage(experiment, record.dump, record.exp)
    check_made(record.directory, declared)
    if decoding.lm:
        check_made(lm_dir(record.exp, decoding.lm), declared)
    if espnet:
        check_espnet(record)
    if out.exists() and not is_pack(out):
        raise ConfigError(f"{out}: is there already and is no pack; it would be replaced: give another name")
    zipped = is_zip(out)
    with _folder(out, zipped) as directory:
        features, encoder = _write_hearing(record, directory, with_encoder)
        if decoding.lm:
            (directory / LM).mkdir()
            write_model(lm_dir(record.exp, decoding.lm), directory / LM)
        if espnet:
            write_espnet(directory, directory / LM if decoding.lm else None)
        content = Content(
            format=FORMAT, stxfer=stxfer.__version__, name=record.name, task=record.task, spoken=record.spoken,
            language=record.language, profile=rules.name, rules=rules_of(rules), decoding=_written(decoding),
            most_seconds=record.most_seconds, features=features, tag=record.tag, encoder=encoder,
            whisper=None if record.whisper is None else _without_path(record.whisper),
            seed=record.seed, commit=commit())
        write_json(directory / CONTENT, asdict(content))
        card = Card(content, record, name or record.name, licence, packed_encoder=(directory / ENCODER).exists()
                    or (directory / FRONTEND).exists(), espnet=espnet, variant=variant)
        with atomic_write(directory / CARD) as handle:
            handle.write(model_card(card))
        digest = seal(directory)
        if zipped:
            write_zip(directory, out)
    return digest


@contextlib.contextmanager
def _folder(out: Path, zipped: bool) -> Iterator[Path]:
    """Yield the directory that becomes the pack, or that a zip archive is made of."""
    if not zipped:
        with atomic_dir(out) as directory:
            yield directory
        return
    partial = out.with_name(f".{out.name}.partial")  # what a killed run leaves, the next one on the same path removes
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    try:
        yield partial
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def check_espnet(record: Record) -> None:
    """Raise ConfigError for a system that ESPnet's ``Speech2Text`` cannot open, with the reason."""
    if record.whisper is not None:
        raise ConfigError(f"{record.directory}: --espnet: a fine-tuned Whisper is no model of ESPnet's; transformers "
                          "and peft open its directory 'whisper'")
    if (frontend := record.frontend) is not None:
        raise ConfigError(f"{record.directory}: --espnet: the model begins with the encoder {frontend.name}; "
                          "ESPnet's configuration would have to name its directory, another on every machine")


def _write_hearing(record: Record, directory: Path, with_encoder: bool
                   ) -> tuple[dict[str, Any] | None, PackedEncoder | None]:
    """Write the model; return what makes its features, and the pretrained encoder that it needs."""
    if record.whisper is not None:
        base = Path(record.whisper.model)
        files = whisper_files(base)
        if (record.directory / TUNED).exists():
            _copy_tuned(record.directory / TUNED, directory / TUNED, base.name)
        if with_encoder:
            (directory / ENCODER).mkdir()
            for path in {*files, *(path for path in base.iterdir() if path.suffix in _TEXTS)}:
                shutil.copyfile(path, directory / ENCODER / path.name)
        shutil.copyfile(record.directory / INFO, directory / INFO)
        _scrub(directory / INFO, "whisper", base.name)
        return None, describe_encoder(base, whisper=True)
    write_model(record.directory, directory, encoder=with_encoder)
    extractor, compression = record.features()
    features = {**extractor.options, "compression": compression}
    if isinstance(extractor, PretrainedFeatures):
        if with_encoder:
            copy_encoder(Path(extractor.model), directory / ENCODER)
        return features, PackedEncoder(name=Path(extractor.model).resolve().name, family=extractor.family,
                                       digest=extractor.digest)
    return features, None if record.frontend is None else describe_encoder(record.frontend)


def _copy_tuned(tuned: Path, out: Path, base: str) -> None:
    """Copy what a Whisper has learnt, without the card that peft writes and the paths that it notes."""
    out.mkdir()
    for path in (path for path in tuned.iterdir() if path.suffix in {*_TEXTS, ".safetensors"}):
        shutil.copyfile(path, out / path.name)
    for name in ("adapter_config.json", "config.json"):
        for key in ("base_model_name_or_path", "_name_or_path"):
            _scrub(out / name, key, base)


def _scrub(path: Path, key: str, value: str) -> None:
    if path.exists() and key in (content := read_json(path)):
        write_json(path, {**content, key: value})


def _without_path(whisper: Whisper) -> dict[str, Any]:
    return {**asdict(whisper), "model": Path(whisper.model).name}


def _written(decoding: Decoding) -> dict[str, Any]:
    return {key: value for key, value in asdict(decoding).items() if value is not None}
