"""Whether the stages of a work directory were made as an experiment says now, wherever a run starts."""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from stxfer.core.fresh import WATCHED, has_changed
from stxfer.core.options import Options, Spread, differences
from stxfer.core.workdir import WorkDir
from stxfer.experiment import layout
from stxfer.experiment.config import Experiment
from stxfer.experiment.espnet import SEARCH, stock_schedule
from stxfer.experiment.features import ALL
from stxfer.experiment.systems import MARK
from stxfer.experiment.translators import OPTIONS
from stxfer.kaldi.datadir import text_language
from stxfer.text.profiles import of_bitext

# A key of the experiment file, what the marker has recorded, and what the file says now.
_Declared = tuple[str, Any, Any]
_NOT_DECLARED = ("audio", "held_out")  # what markers of prepared sets record beside options
_NOT_RECORDED: Any = object()
log = logging.getLogger(__name__)


class _Recorded(dict[str, Any]):
    """Options in a marker; those that an older version has not recorded are :data:`_NOT_RECORDED`."""

    def __missing__(self, key: str) -> Any:
        return _NOT_RECORDED


class Lineage:
    """Compares the options in a stage's marker with those of an experiment (:data:`stxfer.core.fresh.Declared`).

    Args:
        experiment: the experiment.
        dump: the directory of prepared data; raw data lies beside it.
        exp: the directory of experiments; none given: ``exp`` beside ``dump``.
    """

    def __init__(self, experiment: Experiment, dump: Path, exp: Path | None = None) -> None:
        self._experiment, self._dump, self._exp = experiment, dump, exp or layout.beside(dump, layout.EXP)
        self._rules: Mapping[str, Callable[..., Iterator[_Declared]]] = {
            layout.DATA.name: self._data, layout.PREPARE: self._prepare, layout.FEATURES: self._features,
            layout.VOCAB: self._vocab, layout.LABELS: self._labels, layout.TRANSLATIONS: self._translations,
            layout.LM: self._lm, layout.MT: self._mt, layout.MT_SCORE: self._mt_score, layout.SYSTEM: self._system,
            layout.DECODE: self._decode, layout.SCORES: self._scores}

    def __call__(self, directory: Path, marker: Mapping[str, Any]) -> list[str]:
        """Return ``train.target[0].lr (0.002 -> 0.001)`` for each option that is another now.

        What the experiment file says nothing of is not compared, nor what an older version did not record, which is
        logged.
        """
        what, *names = (marker["options"] and layout.place(directory, self._dump, self._exp)) or ("",)
        found: list[str] = []
        written = WorkDir.of(directory).portable
        recorded = {**marker, "options": _Recorded(marker["options"])}
        for key, was, now in self._rules[what](recorded, *names) if what in self._rules else ():
            if was is _NOT_RECORDED:
                _tell(directory, key)
            else:
                found += differences(was, now, key, written)
        return found

    def _data(self, marker: Mapping[str, Any], name: str) -> Iterator[_Declared]:
        """Of stage 1 what commands take from the file: ``prepare_synthetic``, ``speak_bitext``, ``take_sets``."""
        data, was = self._experiment.data, marker["options"]
        stage = marker["stage"]
        if stage == "synthetic bitext":
            yield "data", was, data.synthetic
        elif stage == "rest of the spoken bitext":
            yield "data.speak_bitext", _of(was, data.speak_bitext), data.speak_bitext
        elif stage == f"take {name}":
            hours = data.hours.get(name)
            yield f"data.hours.{name}", was["hours"], hours
            yield "data.seed", was["seed"], data.seed if hours else None
        elif stage == f"speak {name}" and marker["inputs"]:
            yield "data.speak_bitext.seed", was["seed"], data.speak_bitext.seed
            yield "data.speak_bitext.rate", was["rate"], data.speak_bitext.rate
        elif stage == f"speak {name}":
            yield f"data.{name}", was["sentences"], getattr(data, name, None)
            yield "data.seed", was["seed"], data.seed
            side = "source" if name.startswith("src_") else "target"
            yield f"data.{side}_rate", was["rate"], getattr(data, f"{side}_rate")

    def _prepare(self, marker: Mapping[str, Any], name: str) -> Iterator[_Declared]:
        was, options = marker["options"], self._experiment.prepare
        if name == "bitext":
            languages, clean = [self._experiment.source_lang, self._experiment.target_lang], self._experiment.mt.clean
            yield "languages", was["languages"], languages
            profiles = was.get("profiles", (_NOT_RECORDED, _NOT_RECORDED))
            for language, before in zip(languages, profiles, strict=True):
                rules = of_bitext(self._experiment.profile(language), clean.square)
                yield f"normalise.{language}", before, rules.identity
            yield "prepare.leaks", was["leaks"], options.leaks
            yield "mt.clean", was["clean"], clean
            return
        for file, before in was.get("profiles", {"text": _NOT_RECORDED}).items():
            yield self._normalised(options.language(name) if file == "text" else text_language(file), before)
        recorded = {key: value for key, value in was.items() if key not in (*_NOT_DECLARED, "profiles")}
        yield "prepare", recorded, Spread(options, options.without_effect(name))

    def _features(self, marker: Mapping[str, Any], name: str) -> Iterator[_Declared]:
        was, features = marker["options"], self._experiment.features
        yield "features.kind", was.get("kind", "fbank"), features.kind
        if "compression" in was and features.kind != "waveform":
            yield "features.compression", was["compression"], features.compression
        if features.kind == was.get("kind") == "pretrained":
            yield "features.stride", was["stride"], features.stride
            yield "features.padded", was.get("padded", False), features.padded
            layers = [was["layer"]] if isinstance(was["layer"], int) else was["layer"]
            if features.layer and (features.layer != ALL or layers is _NOT_RECORDED or len(layers) == 1):
                yield "features.layer", layers, features.layer
            if (other := _other_model(marker.get(WATCHED, {}), features.directory)) is not None:
                yield "features.model", other, str(features.directory)

    def _vocab(self, marker: Mapping[str, Any], name: str) -> Iterator[_Declared]:
        if name in self._experiment.vocab:
            vocab = self._experiment.vocab[name]
            yield f"vocab.{name}", marker["options"], vocab
            language = self._experiment.source_lang if name == "source" else self._experiment.target_lang
            texts = self._below(layout.text_path(text, language, self._experiment.labels, self._dump)
                                for text in vocab.text)
            # Beside its texts a vocabulary was held against what systems learn, perhaps systems that are gone: of what
            # is no text of it any more, only bitext is surely a difference. The directory may have lain elsewhere.
            known = {path: next((text for text in texts if path.endswith(text)), "") for path in marker["inputs"]}
            was = {text or path for path, text in known.items() if text or Path(path).parent.name == "bitext"}
            yield f"vocab.{name}.text", " ".join(sorted(was)), " ".join(sorted(texts))

    def _below(self, paths: Iterable[Path]) -> set[str]:
        return {str(path.relative_to(self._dump)) for path in paths}

    def _labels(self, marker: Mapping[str, Any], name: str, _: str) -> Iterator[_Declared]:
        if name in self._experiment.labels:
            was, label = marker["options"], self._experiment.labels[name]
            yield f"labels.{name}.filters", was["filters"], label.filters
            yield f"labels.{name}.mix", was["mix"], dict(label.mix)
            yield f"labels.{name}.seed", was["seed"], label.seed
            yield self._normalised(self._experiment.target_lang, was["normalisation"])

    def _translations(self, marker: Mapping[str, Any], name: str, _: str) -> Iterator[_Declared]:
        if name in self._experiment.labels:
            was, label = _Recorded(marker["options"].get("translator", {})), self._experiment.labels[name]
            if "kind" not in was or was["kind"] in OPTIONS:
                yield f"labels.{name}.translator", was["kind"], label.translator
            if was["kind"] == label.translator:
                yield f"labels.{name}", was["options"], label.options
            if "decode" in was:
                yield "decode.mt", was["decode"], self._experiment.decode_mt
            yield f"labels.{name}.nbest", marker["options"]["nbest"], label.nbest

    def _mt(self, marker: Mapping[str, Any], name: str) -> Iterator[_Declared]:
        was, mt = marker["options"], self._experiment.mt
        pairs = getattr(getattr(self._experiment.labels.get(name), "options", None), "pairs", was["pairs"])
        yield f"labels.{name}.pairs", was["pairs"], pairs
        yield "mt.vocab", was["vocab"], mt.vocab
        yield "mt.joint", was["joint"], mt.joint
        yield "mt.model", was["model"], dict(mt.model)
        yield "mt.train", was["phases"], mt.train

    def _mt_score(self, marker: Mapping[str, Any], _: str) -> Iterator[_Declared]:
        yield self._normalised(self._experiment.target_lang, marker["options"]["normalisation"])

    def _lm(self, marker: Mapping[str, Any], name: str) -> Iterator[_Declared]:
        if name in self._experiment.lm:
            was, lm = marker["options"], self._experiment.lm[name]
            yield f"lm.{name}.text", was["text"], list(lm.text)
            yield f"lm.{name}.model", was["model"], lm.model
            yield f"lm.{name}.train", was["phases"], lm.train
            yield "prepare.leaks", was["leaks"], self._experiment.prepare.leaks

    def _system(self, marker: Mapping[str, Any], name: str) -> Iterator[_Declared]:
        if name not in self._experiment.systems:
            return
        was, system = marker["options"], self._experiment.systems[name]
        if (system.whisper is not None) != ("whisper" in was):
            now = None if system.whisper is None else system.whisper.model
            yield f"systems.{name}.whisper.model", was.get("whisper", {}).get("model"), now
        elif system.whisper is not None:
            yield f"systems.{name}.whisper", was["whisper"], system.whisper
            yield f"languages.{system.kind}", was["language"], self._experiment.spoken(system)
        else:
            yield f"systems.{name}", was["system"], system
            if bool(system.espnet) != ("espnet" in was):  # said by the line above
                return
            if system.espnet:
                yield f"espnet.{system.espnet}", was["espnet"], self._experiment.espnet[system.espnet]
                yield f"train.{system.phases}", was["schedule"], stock_schedule(self._experiment.train[system.phases])
                return
            yield "model", was["model"], dict(self._experiment.model)
            yield f"train.{system.phases}", was["phases"], self._experiment.train[system.phases]

    def _decode(self, marker: Mapping[str, Any], name: str, decoded_set: str) -> Iterator[_Declared]:
        variant = decoded_set.partition(MARK)[2]
        for way in self._experiment.decoded.values():
            if (way.system.name, way.variant) == (name, variant):
                was, key = marker["options"], f"{f'variants.{variant}' if variant else 'decode'}.{way.system.kind}"
                if way.system.espnet:
                    for option in SEARCH:
                        yield f"{key}.{option}", was[option], getattr(way.options, option)
                    yield self._normalised(self._experiment.spoken(way.system), was["norm"])
                elif way.system.whisper is None:
                    yield key, was, way.options
                else:  # its own search
                    yield f"{key}.beam_size", was["beam_size"], way.options.beam_size
                    yield self._normalised(self._experiment.spoken(way.system), was["norm"])

    def _scores(self, marker: Mapping[str, Any], name: str, _: str) -> Iterator[_Declared]:
        if name in self._experiment.systems:
            source = self._experiment.systems[name].kind == "source"
            language = self._experiment.source_lang if source else self._experiment.target_lang
            yield self._normalised(language, marker["options"]["norm"])

    def _normalised(self, language: str, before: str) -> _Declared:
        return f"normalise.{language}", before, self._experiment.profile(language).identity


def _other_model(watched: Mapping[str, Mapping[str, Any]], directory: Path) -> str | None:
    """Return where the files of an encoder lay, if a directory, which may be elsewhere, holds other files."""
    for path, seen in watched.items():
        now = directory / Path(path).name
        if now != Path(path) and has_changed(now, seen):
            return str(Path(path).parent)
    return None


@functools.cache  # once in a process
def _tell(directory: Path, key: str) -> None:
    log.warning("%s: an older version has made it and not recorded its '%s', which is not compared", directory, key)


def _of(recorded: Mapping[str, Any], options: Options) -> dict[str, Any]:
    """Return what a marker has recorded of options that stand beside others."""
    known = type(options).__dataclass_fields__  # type: ignore[attr-defined]
    return {key: value for key, value in recorded.items() if key in known}
