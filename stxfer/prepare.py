"""Stage 2: raw data directories and bitext to normalised, checked, leak-free ones.

A set's name says what it is: ``src_`` or ``tgt_``, then ``train``, ``dev`` or ``test``. Sentences of test
sets are removed from training sets: a model that has read the test's sentences is not measured by it.
"""

from __future__ import annotations

import dataclasses
import logging
import os
from collections import Counter
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stxfer.audio.io import decode, files_digest
from stxfer.audio.perturb import perturb_speed
from stxfer.corpora.bitext import clean_bitext, leak_report
from stxfer.errors import ConfigError, DataError
from stxfer.fileio import read_json, write_json
from stxfer.kaldi.datadir import DataDir, find_sets, read_datadir, table_files, text_language, write_datadir
from stxfer.kaldi.subset import subset
from stxfer.kaldi.table import read_table
from stxfer.progress import Progress
from stxfer.stage import Stage
from stxfer.text.normalise import normalise, profile

MIN_SECONDS = 0.1  # shorter holds no word, and no frame after subsampling by 4
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class PrepareOptions:
    """What stage 2 does besides normalising and checking.

    Attributes:
        source_lang: language of ``src_*`` transcripts and of the bitext's source side.
        target_lang: the same for ``tgt_*``.
        max_seconds: longer utterances are dropped, but never from test sets.
        max_drop: the share of a set that may be dropped before it is an error.
        tgt_train_hours: take a seeded subset of this size of ``tgt_train``; 0: all of it.
        seed: of the subset.
        speed_perturb: speed factors, one copy of the set for each; none: the audio as it is.
        perturb_sets: the sets to which they apply.
    """

    source_lang: str
    target_lang: str
    max_seconds: float = 30.0
    max_drop: float = 0.05
    tgt_train_hours: float = 0.0
    seed: int = 1
    speed_perturb: tuple[float, ...] = ()
    perturb_sets: tuple[str, ...] = ("tgt_train",)

    def __post_init__(self) -> None:
        if not 0 <= self.max_drop <= 1:
            raise ConfigError(f"max_drop {self.max_drop}: must be a share between 0 and 1")
        if self.max_seconds <= MIN_SECONDS or self.tgt_train_hours < 0:
            raise ConfigError(f"max_seconds {self.max_seconds} must be over {MIN_SECONDS} and tgt_train_hours "
                              f"{self.tgt_train_hours} not negative")
        if bad := [speed for speed in self.speed_perturb if not 0.5 <= speed <= 2]:
            raise ConfigError(f"speed_perturb {bad[0]}: must lie between 0.5 and 2")
        if len(set(self.speed_perturb)) != len(self.speed_perturb):
            raise ConfigError(f"speed_perturb: a speed is given twice in {self.speed_perturb}")

    @classmethod
    def from_mapping(cls, values: Mapping[str, Any], where: str) -> PrepareOptions:
        """Make options of configuration values.

        Raises:
            ConfigError: an unknown key or a value of the wrong type; names it and ``where`` it stands.
        """
        fields = {field.name: field for field in dataclasses.fields(cls)}
        checked = {}
        for key, value in values.items():
            if key not in fields:
                raise ConfigError(f"{where}: unknown key {key!r}; known: {' '.join(sorted(fields))}")
            try:
                default = fields[key].default
                if isinstance(default, tuple):
                    kind = float if key == "speed_perturb" else str
                    checked[key] = tuple(map(kind, value.split() if isinstance(value, str) else value))
                else:
                    checked[key] = (str if default is dataclasses.MISSING else type(default))(value)
            except (TypeError, ValueError):
                raise ConfigError(f"{where}.{key}: {value!r} has the wrong type") from None
        return cls(**checked)

    def language(self, set_name: str) -> str:
        """Return the language of a set's transcripts."""
        return self.source_lang if set_name.startswith("src_") else self.target_lang


def prepare(data: str | os.PathLike[str], out: str | os.PathLike[str], options: PrepareOptions, *, nj: int = 2,
            force: bool = False, allow_stale: bool = False) -> dict[str, dict[str, Any]]:
    """Prepare every set of ``data``, and its bitext if there is one.

    Writes ``<out>/<set>`` (a data directory with ``dropped.tsv``), ``<out>/bitext`` (the same files, cleaned,
    with ``dropped.json``) and ``<out>/leaks.json``: the sentences of test sets that stood in training sets
    and were removed from there, counted, with examples.

    Args:
        data: folder of raw ``src_*`` and ``tgt_*`` data directories, and ``bitext``.
        out: folder to write.
        options: what to do.
        nj: threads that decode audio.
        force: do it again although it is finished.
        allow_stale: see :class:`stxfer.stage.Stage`.

    Returns:
        Of each set, and ``bitext``, the figures recorded in its marker.

    Raises:
        ConfigError: ``perturb_sets`` names no set, or the subset is larger than ``tgt_train``.
        DataError: malformed input, or too much of a set would be dropped.
        StaleError: an input is out of date itself.
    """
    data, out = Path(data), Path(out)
    found = find_sets(data)
    sets = [name for name in found if name.startswith(("src_", "tgt_"))]
    if ignored := sorted(set(found) - set(sets)):
        log.warning("%s: ignored, a set's name begins with src_ or tgt_: %s", data, " ".join(ignored))
    if not sets:
        raise DataError(f"{data}: no set named src_... or tgt_..., only {' '.join(found)}; rename them")
    if options.speed_perturb and (unknown := sorted(set(options.perturb_sets) - set(sets))):
        raise ConfigError(f"perturb_sets: no set {unknown[0]!r} in {data}; there are: {' '.join(sets)}")
    tests = _sentences(data, [name for name in sets if _is(name, "test")], options)
    held_out = tests | _sentences(data, [name for name in sets if _is(name, "dev")], options)
    figures = {}
    for name in sets:
        stage = _set_stage(data, out, name, tests, options)
        if stage.needed(force=force, allow_stale=allow_stale):
            _prepare_set(stage, data / name, tests, options, nj)
        figures[name] = read_json(stage.marker)["figures"]
    if (data / "bitext").is_dir():
        figures["bitext"] = clean_bitext(data / "bitext", out / "bitext", (options.source_lang, options.target_lang),
                                         held_out, _other_texts(data, held_out), force=force,
                                         allow_stale=allow_stale)
    leaks = {name: of["leaks"] for name, of in figures.items() if "leaks" in of}
    write_json(out / "leaks.json", {"n": sum(leak["n"] for leak in leaks.values()), "removed_from": leaks})
    return figures


def _is(name: str, part: str) -> bool:
    return part in name.split("_")


def _sentences(data: Path, sets: list[str], options: PrepareOptions) -> dict[str, str]:
    """Return the normalised transcripts and translations of sets, each with the file it stands in."""
    found: dict[str, str] = {}
    for name in sets:
        for path in _texts(data / name):
            rules = profile(options.language(name) if path.name == "text" else text_language(path.name))
            for raw in read_table(path).values():
                found.setdefault(normalise(raw, rules), f"{name}/{path.name}")
    found.pop("", None)
    return found


def _texts(directory: Path) -> list[Path]:
    return sorted(path for path in table_files(directory) if path.name.partition(".")[0] == "text")


def _other_texts(data: Path, held_out: Mapping[str, str]) -> list[Path]:
    return [data / name for name in sorted(set(held_out.values()))]


def _set_stage(data: Path, out: Path, name: str, tests: Mapping[str, str], options: PrepareOptions) -> Stage:
    audio = read_table(data / name / "wav.scp", empty_values=False).values()
    used = dataclasses.asdict(options) | {"profiles": [profile(options.source_lang).identity,
                                                       profile(options.target_lang).identity],
                                          "audio": files_digest(audio)}
    if name not in options.perturb_sets:
        used |= {"speed_perturb": [], "perturb_sets": []}
    if name != "tgt_train":
        used |= {"tgt_train_hours": 0.0, "seed": 0}
    inputs = table_files(data / name) + (_other_texts(data, tests) if _is(name, "train") else [])
    return Stage(f"prepare {name}", out / name, inputs, used)


def _prepare_set(stage: Stage, raw: Path, tests: Mapping[str, str], options: PrepareOptions, nj: int) -> None:
    name = raw.name
    data = read_datadir(raw)
    n_raw = len(data)
    own = profile(options.language(name))
    data.text = {utt: normalise(text, own) for utt, text in data.text.items()}
    for file, table in data.texts.items():
        rules = profile(text_language(file))
        data.texts[file] = {utt: normalise(text, rules) for utt, text in table.items()}
    dropped = _check(data, name, options, nj)
    if len(dropped) > options.max_drop * n_raw:
        kinds = Counter(reason.partition(":")[0] for reason in dropped.values())
        raise DataError(f"{raw}: {len(dropped)} of {n_raw} utterances cannot be used "
                        f"({', '.join(f'{kind} {n}' for kind, n in kinds.most_common())}; e.g. {min(dropped)}: "
                        f"{dropped[min(dropped)]}), over --max-drop {options.max_drop:g}; mend the data or raise it")
    figures: dict[str, Any] = {"n_raw": n_raw, "n_dropped": len(dropped)}
    if _is(name, "train"):
        leaks = _leaks({utt: data.text[utt] for utt in data.text if utt not in dropped}, data, tests)
        dropped |= {utt: f"leak: {sentence!r} stands in {place}" for utt, (sentence, place) in leaks.items()}
        figures["leaks"] = leak_report(list(leaks.values()))
    data = data.select(sorted(data.wav_scp.keys() - dropped.keys()))
    if not len(data):
        raise DataError(f"{raw}: no utterance is left, e.g. {min(dropped)}: {dropped[min(dropped)]}")
    if name == "tgt_train" and options.tgt_train_hours:
        data = subset(data, hours=options.tgt_train_hours, seed=options.seed)
    if options.speed_perturb and name in options.perturb_sets:
        data = perturb_speed(data, options.speed_perturb)
    write_datadir(stage.out, data, dropped=dropped)
    figures |= {"n_utts": len(data), "hours": round(data.hours, 4)}
    stage.finish([*table_files(stage.out), stage.out / "dropped.tsv"], figures=figures)


def _check(data: DataDir, name: str, options: PrepareOptions, nj: int) -> dict[str, str]:
    """Return why utterances are dropped; sets ``utt2dur`` of the others from the decoded audio."""
    utts = sorted(data.wav_scp)
    dropped: dict[str, str] = {}
    progress = Progress(f"check {name}", len(utts))
    max_seconds = float("inf") if _is(name, "test") else options.max_seconds
    data.utt2dur = {}
    with ThreadPoolExecutor(nj) as pool:  # decoding releases the interpreter's lock
        for utt, seconds in zip(utts, pool.map(_seconds, [data.wav_scp[utt] for utt in utts]), strict=True):
            empty = [file for file, table in {"text": data.text, **data.texts}.items() if not table[utt]]
            if isinstance(seconds, str):
                dropped[utt] = f"bad audio: {seconds}"
            elif seconds < MIN_SECONDS:
                dropped[utt] = f"too short: {seconds:.3f} s, under {MIN_SECONDS} s"
            elif seconds > max_seconds:
                dropped[utt] = f"too long: {seconds:.1f} s, over {max_seconds:g} s"
            elif empty:
                dropped[utt] = f"empty {empty[0]}: nothing is left after normalising"
            else:
                data.utt2dur[utt] = seconds / data.utt2speed.get(utt, 1.0)
            progress.add(seconds=0.0 if isinstance(seconds, str) else seconds)
    return dropped


def _seconds(path: str) -> float | str:
    """Decode a whole file: its duration, or what is wrong with it."""
    try:
        samples, rate = decode(path)
    except DataError as error:
        return str(error)
    return len(samples) / rate if samples.any() else f"{path}: silent, every sample is 0"


def _leaks(utts: Mapping[str, str], data: DataDir, tests: Mapping[str, str]) -> dict[str, tuple[str, str]]:
    """Return the training utterances one of whose texts is a test sentence, with the sentence and its place."""
    found = {}
    for utt, text in utts.items():
        for sentence in (text, *(table[utt] for table in data.texts.values())):
            if sentence in tests:
                found[utt] = (sentence, tests[sentence])
                break
    return found
