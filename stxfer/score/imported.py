"""Systems that were trained and decoded elsewhere, by ESPnet, scored and compared as those of an experiment are.

Their hypotheses lie where a system's do, ``exp/<name>/seed<n>/decode/tgt_test``, with ``espnet.json`` beside them,
which says where they come from; so scoring and the report treat them like others.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from stxfer.core.errors import ConfigError
from stxfer.core.fileio import write_json
from stxfer.core.marker import MARKER
from stxfer.core.records import mistake, read_record
from stxfer.core.stage import Stage
from stxfer.experiment.config import Experiment
from stxfer.experiment.layout import DECODED, IMPORTED, INFO, decode_dir, imported_files, score_dir, system_dir
from stxfer.experiment.records import Imported
from stxfer.experiment.systems import System
from stxfer.experiment.training import Decoding
from stxfer.experiment.types import Name
from stxfer.experiment.variants import DecodedSystem
from stxfer.kaldi.table import read_table, write_table
from stxfer.score.espnet import Decoded, read_espnet
from stxfer.score.evaluate import score_system
from stxfer.score.reference import reference_path
from stxfer.text.normalise import normalise
from stxfer.text.repetition import loop


@dataclass(frozen=True)
class Origin:
    """Where an imported system comes from, and how ESPnet's figures and those here differ.

    Attributes:
        hypotheses: the file they were read from.
        model: some keys of its ``config.yaml``.
        own_wer, own_words: ESPnet's word error rate, percent, of so many reference words; None: no figure was found.
        wer, words: the same here.
        changed_hyps: hypotheses that normalising changes here.
        changed_refs: references that ESPnet has scored against and that are others here; None: they are not known.
        example: one of those, ESPnet's and the one here; empty if there is none.
    """

    hypotheses: str
    model: Mapping[str, Any]
    own_wer: float | None
    own_words: int | None
    wer: float
    words: int
    changed_hyps: int
    changed_refs: int | None
    example: tuple[str, str] | tuple[()]


def import_espnet(experiment: Experiment, directory: Path, name: str, *, dump: Path, exp: Path, seed: int,
                  hours: float | None = None, hypotheses: str = "", force: bool = False,
                  allow_stale: bool = False) -> Origin:
    """Take an ESPnet experiment's hypotheses for ``tgt_test`` as those of a system, and score them.

    Args:
        experiment: which it is compared with; its rules normalise the hypotheses.
        directory: ESPnet's, see :mod:`stxfer.score.espnet`.
        name: what the report calls it; no system of the experiment.
        dump: directory of the references.
        exp: directory of the trained systems, where it gets one.
        seed: of the experiment's, that it counts as.
        hours: of speech that it was trained on; None: as much as ``tgt_train`` has.
        hypotheses: ``<decode>/<set>``, where there are several for the test set.
        force: import again what has been imported.
        allow_stale: use references although what they were made from has changed since.

    Raises:
        ConfigError: name, seed or hours cannot be used, or the target language is written without spaces.
        DataError: the directory does not fit, see :func:`stxfer.score.espnet.read_espnet`, or a reference is empty.
    """
    trained = system_dir(exp, name, seed)
    _check(experiment, name, seed, hours, trained)
    way = _decoded(experiment, name)
    ref_path = reference_path(experiment, way.system, dump)
    refs = read_table(ref_path, empty_values=False)
    found = read_espnet(directory, refs, hypotheses)
    rules, out = experiment.profile(experiment.target_lang), decode_dir(exp, way.system, seed)
    hyps = {utt: normalise(text, rules) for utt, text in found.hyps.items()}
    stage = Stage(f"import {name}", out, inputs=[found.path, ref_path],
                  options={"espnet": str(directory), "normalisation": rules.identity, "hours": hours},
                  step="import_espnet")
    if stage.needed(force=force, allow_stale=allow_stale):
        for marker in (stage.marker, score_dir(exp, way.system, seed) / MARKER):  # scores hold the hours, too
            marker.unlink(missing_ok=True)
        (trained / INFO).unlink(missing_ok=True)
        if hours is not None:
            write_json(trained / INFO, {"train": {"hours": hours, "hours_with_copies": hours}})
        write_table(out / "text", hyps)
        write_json(out / DECODED, {"utterances": len(hyps), "empty": sum(not text for text in hyps.values()),
                                   "loops": sum(bool(loop(text)) for text in hyps.values()), "options": {}})
        stage.finish([out / "text", out / DECODED])
    scored = score_system(experiment, way, seed, dump=dump, expdir=exp, force=force, allow_stale=allow_stale)
    origin = _origin(found, hyps, refs, {utt: normalise(text, rules) for utt, text in found.refs.items()}, scored)
    write_json(out / IMPORTED, asdict(origin))
    return origin


def with_imported(experiment: Experiment, exp: Path) -> Experiment:
    """Return the experiment with what was imported, and with target systems held against ESPnet's.

    Against what was imported: each that is compared with another one. Against what ESPnet's own commands have trained
    here, which starts from nothing: the baselines of the comparisons, too.

    Raises:
        ConfigError: a system has the name of one that was imported.
    """
    names = imported_files(exp)
    for name in names:
        if name in experiment.systems:
            raise ConfigError(f"{names[name][0]}: {name!r} was imported, and is a system of the experiment, too; "
                              f"remove {exp / name} and import it under another name")
    stock = [name for name, system in experiment.systems.items()
             if system.espnet and any((system_dir(exp, name, seed) / MARKER).exists() for seed in experiment.seeds)]
    held = [[target for target in of if not (way := experiment.decoded[target].system).espnet and way.kind == "target"]
            for of in zip(*experiment.compare, strict=True)] or [[], []]
    pairs = (*((target, name) for name in stock for target in (*held[0], *held[1])),
             *((target, name) for name in names for target in held[0]))
    return replace(experiment, decoded={**experiment.decoded, **{name: _decoded(experiment, name) for name in names}},
                   compare=tuple(dict.fromkeys((*experiment.compare, *pairs))))


def origins(exp: Path) -> dict[str, dict[str, Any]]:
    """Return where imported systems come from, by name; of several seeds, the first."""
    return {name: read_record(of_system[0], Imported) for name, of_system in imported_files(exp).items()}


def origin_line(name: str, origin: Mapping[str, Any]) -> str:
    """Say where an imported system comes from, and why ESPnet's figure is another one than that here."""
    model = ", ".join(f"{key} {value}" for key, value in origin["model"].items()) or "an unknown model"
    said = f"{name}: imported from {origin['hypotheses']} ({model}); WER here {origin['wer']:.1f} of " \
           f"{origin['words']:,} words"
    if origin["own_wer"] is None:
        return f"{said}; ESPnet's own figure was not found"
    changed = "references that are not known" if origin["changed_refs"] is None else \
        f"{origin['changed_refs']} references"
    example = ", e.g. {!r} is {!r}".format(*origin["example"]) if origin["example"] else ""
    return (f"{said}, ESPnet's own {origin['own_wer']:.1f} of {origin['own_words']:,}: normalising changes {changed} "
            f"and {origin['changed_hyps']} hypotheses{example}")


def _check(experiment: Experiment, name: str, seed: int, hours: float | None, trained: Path) -> None:
    if problem := mistake(name, Name, "--name"):
        raise ConfigError(problem)
    if name in experiment.systems:
        raise ConfigError(f"--name {name}: a system of the experiment; choose another name")
    if (trained / MARKER).exists():
        raise ConfigError(f"--name {name}: {trained} holds a system that was trained here; choose another name")
    if seed not in experiment.seeds:
        raise ConfigError(f"--seed {seed}: the report reads the seeds of the experiment; choose one of them: "
                          f"{' '.join(map(str, experiment.seeds))}")
    if hours is not None and not 0 < hours < math.inf:
        raise ConfigError(f"--hours {hours}: must be a number of hours above 0")
    if not experiment.profile(experiment.target_lang).spaced:
        raise ConfigError(f"{experiment.target_lang} is written without spaces: ESPnet's words are not counted in such "
                          "a language, and nothing can be imported")


def _decoded(experiment: Experiment, name: str) -> DecodedSystem:
    declared = {"task": "asr", "data": "tgt_train", "text": experiment.target_lang}
    return DecodedSystem(replace(System.read(declared, "import", ("systems", name)), name=name), Decoding())


def _origin(found: Decoded, hyps: Mapping[str, str], refs: Mapping[str, str], own: Mapping[str, str],
            scored: Mapping[str, Any]) -> Origin:
    metric = scored["metrics"]["wer"]
    other = [utt for utt in refs if utt in found.refs and found.refs[utt] != refs[utt]]
    unlike = next((utt for utt in other if own[utt] != refs[utt]), other[0] if other else "")
    wer, words = found.wer or (None, None)
    return Origin(str(found.path), found.model, wer, words, metric["value"], metric["n_ref"],
                  sum(hyps[utt] != text for utt, text in found.hyps.items()), len(other) if found.refs else None,
                  (found.refs[unlike], refs[unlike]) if unlike else ())
