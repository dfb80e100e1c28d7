"""Stage 2: raw data directories and bitext to normalised, checked, leak-free ones.

A set's name says what it is: ``src_`` or ``tgt_``, then ``train``, ``dev`` or ``test``. Sentences and audio of dev and
test sets are removed from training sets.
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import json
import logging
import os
import shutil
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from stxfer.audio.check import AudioReport, Limits
from stxfer.audio.perturb import perturb_speed
from stxfer.audio.stamps import files_digest, recordings
from stxfer.core.errors import ConfigError, DataError
from stxfer.core.fileio import read_json, write_json
from stxfer.core.fresh import Declared, made_before
from stxfer.core.marker import MARKER, figures_of, is_stage
from stxfer.core.options import Spread
from stxfer.core.pool import Pool, worker_pool
from stxfer.core.stage import Stage
from stxfer.core.workdir import WorkDir
from stxfer.corpora.bitext.clean import clean_bitext
from stxfer.experiment.clean import CleanOptions
from stxfer.experiment.layout import LEAKS, STATS, bitext_dir
from stxfer.experiment.prepare import MAX_TEST_SECONDS, MIN_SECONDS, UNTRANSCRIBED, PrepareOptions
from stxfer.experiment.records import SetFigures
from stxfer.kaldi.datadir import DataDir, find_sets, raw_text, read_datadir, table_files, text_language, write_datadir
from stxfer.kaldi.dropped import check_share, kind, read_dropped
from stxfer.kaldi.stats import datadir_stats
from stxfer.kaldi.subset import subset, untranscribed_rest
from stxfer.kaldi.table import read_table
from stxfer.prepare.held_audio import HELD_AUDIO, HeldAudio, write_held_audio
from stxfer.prepare.leaks import REMOVED, check_speakers, dev_in_test, leak_summary, leaks_of, shared_speakers
from stxfer.prepare.utterance_checks import audio_summary, check_audio, text_problem, text_summary
from stxfer.text.leaks import HELD_OUT, write_held_out
from stxfer.text.normalise import normalise, written
from stxfer.text.profiles import PROFILES, Profile, profile

_STAGE = "prepare"  # begins the names of this stage's markers
log = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True)
class _Rules:
    """What holds for every set of one run."""

    options: PrepareOptions
    profiles: Mapping[str, Profile]
    held: Mapping[str, str]
    declared: Declared | None
    held_out: Sequence[str] = ()

    def profile(self, name: str, file: str) -> Profile:
        """Return the profile of one text of a set."""
        return profile(self.options.language(name) if file == "text" else text_language(file), self.profiles)


def prepare(data: str | os.PathLike[str], out: str | os.PathLike[str], options: PrepareOptions, *,
            profiles: Mapping[str, Profile] = PROFILES, clean: CleanOptions | None = None, nj: int = 2,
            force: bool = False, allow_stale: bool = False, declared: Declared | None = None
            ) -> dict[str, dict[str, Any]]:
    """Prepare every set of ``data``, and its bitext if there is one.

    Writes to ``out``:

    - ``<set>``: a data directory with ``dropped.tsv`` (utterance, the stage that dropped it, ``<kind>: <detail>``;
      what stage 1 dropped is in it too) and ``audio.json``, see :func:`stxfer.prepare.utterance_checks.audio_summary`;
    - ``bitext``: the same files, cleaned, with ``dropped.json``;
    - ``held_out.tsv``, see :func:`stxfer.text.leaks.held_out`, in each dev and test set
      :data:`stxfer.prepare.held_audio.HELD_AUDIO`, and ``leaks.json``: which sentences, audio and speakers of dev and
      test stood in training sets, counted, with examples, see :mod:`stxfer.prepare.leaks`;
    - ``stats.json``: of each set, see :class:`stxfer.kaldi.stats.Stats`; dev and test sets are held against the
      training set of their side for out-of-vocabulary words.

    What was prepared from a set that ``data`` no longer has is removed: a test set that is not held out of the
    training text must not be scored.

    Args:
        data: folder of raw ``src_*`` and ``tgt_*`` data directories, and ``bitext``.
        out: folder to write.
        options: what to do.
        profiles: how text is normalised, by language.
        clean: which pairs of the bitext are dropped; none given: the defaults.
        nj: processes that decode audio.
        force: do it again although it is finished.
        allow_stale: see :class:`stxfer.core.stage.Stage`, as ``declared``.

    Returns:
        Of each set, and ``bitext``, the figures recorded in its marker; those of sets with ``stats`` besides.

    Raises:
        ConfigError: ``perturb_sets`` names no set, or the subset is larger than ``tgt_train``.
        DataError: malformed input, too much of a set would be dropped (the list of it is left at
            ``<out>/<set>.dropped.tsv``), a leak where ``options.leaks`` or ``options.audio_leaks`` is ``stop``, or more
            shared speakers than ``options.max_shared_speakers``.
        StaleError: an input is out of date itself.
    """
    data, out = Path(data), Path(out)
    sets = _sets(data, options)
    rules = _Rules(options, profiles, {}, declared)
    held_out = [name for part in ("test", "dev") for name in sets if _is(name, part) and not _is(name, "train")]
    held = _sentences(data, held_out, rules)
    rules = dataclasses.replace(rules, held=held, held_out=tuple(held_out))
    bitext = bitext_dir(data).is_dir()
    made = [*sets, *([UNTRANSCRIBED] if options.untranscribed else [])]
    _remove_vanished(out, data, [*made, "bitext"] if bitext else made)
    write_held_out(out, held)
    figures = {}
    with worker_pool(nj) as pool:
        for name in sorted(made, key=lambda name: _is(name, "train")):  # last: without what the others hold out
            raw = data / ("tgt_train" if name == UNTRANSCRIBED else name)
            stage = _set_stage(raw, out / name, rules)
            whole = name not in held_out or (out / name / HELD_AUDIO).exists()
            if stage.needed(force=force or not whole, allow_stale=allow_stale):
                _prepare_set(stage, raw, rules, pool)
            figures[name] = figures_of(stage.out, SetFigures)
            _check_share(raw, out, figures[name]["n_raw"], read_dropped(out / name / "dropped.tsv"), options)
    if bitext:
        figures["bitext"] = clean_bitext(
            bitext_dir(data), bitext_dir(out), (options.source_lang, options.target_lang), held, _places(data, held),
            leaks=options.leaks, clean=clean, profiles=profiles, force=force, allow_stale=allow_stale,
            declared=declared)
    figures = {name: figures[name] for name in [*made, *(["bitext"] if bitext else [])]}
    speakers = shared_speakers(out, made)
    _update_json(out / LEAKS, leak_summary(options, figures, speakers, dev_in_test(out, held_out)))
    check_speakers(out, speakers, options.max_shared_speakers)
    stats = {name: _stats(out, name) for name in made}
    _update_json(out / STATS, stats)
    Stage(f"{_STAGE} all sets", out, step=_STAGE).finish(
        [out / name for name in (HELD_OUT, LEAKS, STATS)])
    return {name: {**of, "stats": stats[name]} if name in stats else of for name, of in figures.items()}


def _sets(data: Path, options: PrepareOptions) -> list[str]:
    found = find_sets(data)
    sets = [name for name in found if name.startswith(("src_", "tgt_"))]
    if ignored := sorted(set(found) - set(sets)):
        log.warning("%s: ignored, a set's name begins with src_ or tgt_: %s", data, " ".join(ignored))
    if not sets:
        raise DataError(f"{data}: no set named src_... or tgt_..., only {' '.join(found)}; rename them")
    if options.speed_perturb and (unknown := sorted(set(options.perturb_sets) - set(sets))):
        raise ConfigError(f"perturb_sets: no set {unknown[0]!r} in {data}; there are: {' '.join(sets)}")
    return sets


def _is(name: str, part: str) -> bool:
    return part in name.split("_")


def _listing(out: Path, name: str) -> Path:
    return out / f"{name}.dropped.tsv"


def _sentences(data: Path, sets: Sequence[str], rules: _Rules) -> dict[str, str]:
    """Return the normalised transcripts and translations of sets, each with the file it stands in first."""
    found: dict[str, str] = {}
    for name in sets:
        for path in _texts(data / name):
            own = rules.profile(name, path.name)
            for raw in read_table(path).values():
                found.setdefault(normalise(raw, own), f"{name}/{path.name}")
    found.pop("", None)
    return found


def _texts(directory: Path) -> list[Path]:
    texts = sorted(path for path in table_files(directory) if path.name.partition(".")[0] == "text")
    for path in texts[1:]:
        text_language(path)
    return texts


def _places(data: Path, held: Mapping[str, str]) -> list[Path]:
    return [data / name for name in sorted(set(held.values()))]


def _remove_vanished(out: Path, data: Path, kept: Sequence[str]) -> None:
    for marker in sorted(out.glob(f"[!.]*/{MARKER}")):
        directory = marker.parent
        if directory.name in kept or directory.is_symlink() or not is_stage(directory, _STAGE):
            continue
        log.warning("%s: removed, there is no %s any more", directory, data / directory.name)
        for path in directory.iterdir():
            if path != marker:  # last of all: it says whose the directory is, should this be interrupted
                shutil.rmtree(path) if path.is_dir() else path.unlink()
        shutil.rmtree(directory)
        _listing(out, directory.name).unlink(missing_ok=True)


def _set_stage(raw: Path, out: Path, rules: _Rules) -> Stage:
    options, name = rules.options, raw.name
    used: dict[str, Any] = {
        "profiles": {path.name: rules.profile(name, path.name).identity for path in _texts(raw)},
        "audio": files_digest(recordings(raw), out), **options.without_effect(out.name)}
    inputs = [*table_files(raw), *(path for path in (raw / "dropped.tsv",) if path.exists())]
    if _is(name, "train"):
        inputs += _places(raw.parent, rules.held)
        # Beside the files: other rules for another language make other sentences of them.
        used["held_out"] = hashlib.sha256("\n".join(sorted(rules.held)).encode()).hexdigest()
        inputs += [out.parent / held_out / HELD_AUDIO for held_out in rules.held_out]
    return Stage(f"{_STAGE} {out.name}", out, inputs, Spread(options, used), _STAGE,
                 reads=made_before(raw), also=("spk2utt",), declared=rules.declared)


def _prepare_set(stage: Stage, raw: Path, rules: _Rules, pool: Pool) -> None:
    name, options = raw.name, rules.options
    data = read_datadir(raw)
    dropped = {utt: f"data\t{reason}" for utt, reason in read_dropped(raw / "dropped.tsv").items()}
    n_raw = len(data) + len(dropped)
    longest = max(options.max_seconds, MAX_TEST_SECONDS) if _is(name, "test") else options.max_seconds
    audio = check_audio(data, Limits(MIN_SECONDS, longest, options.min_rate), pool)
    surveys = text_summary({file: (table, rules.profile(name, file)) for file, table in
                            {"text": data.text, **data.texts}.items()})
    dropped |= _check(data, audio, rules, name)
    _check_share(raw, stage.out.parent, n_raw, dropped, options)
    figures: dict[str, Any] = {"n_raw": n_raw}
    if _is(name, "train"):
        leaks, found = leaks_of(data, [utt for utt in data.utts if utt not in dropped], rules.held,
                                HeldAudio(stage.out.parent, rules.held_out), audio, options)
        dropped |= leaks
        figures |= found
    data = data.select([utt for utt in data.utts if utt not in dropped])
    if not len(data):
        raise DataError(f"{raw}: no utterance is left, e.g. {min(dropped)}: "
                        f"{dropped[min(dropped)].replace(chr(9), ': ')}")
    if name == "tgt_train" and options.tgt_train_hours:
        taken = subset(data, hours=options.tgt_train_hours, seed=options.seed)
        data = untranscribed_rest(data, taken) if stage.out.name == UNTRANSCRIBED else taken
    whole = data
    if options.speed_perturb and stage.out.name in options.perturb_sets:
        data = perturb_speed(data, options.speed_perturb)
    write_datadir(stage.out, data, dropped=dropped)
    further = [write_held_audio(stage.out, whole, audio)] if name in rules.held_out else []
    summary = audio_summary(audio)
    write_json(stage.out / "audio.json", summary)
    write_json(stage.out / "survey.json", surveys)
    figures |= {"n_dropped": len(dropped), "dropped": dict(Counter(map(kind, dropped.values())).most_common()),
                "warnings": {of: problem["n"] for of, problem in summary["problems"].items() if not problem["dropped"]},
                "annotation": {file: {of: found["n"] for of, found in survey["annotation"].items()}
                               for file, survey in surveys.items() if survey["annotation"]},
                "advice": {file: survey["advice"] for file, survey in surveys.items() if survey["advice"]},
                "n_utts": len(data), "hours": round(data.hours, 4)}
    stage.finish([*table_files(stage.out), stage.out / "dropped.tsv", stage.out / "audio.json",
                  stage.out / "survey.json", *further], figures=figures)


def _check_share(raw: Path, out: Path, n_raw: int, dropped: Mapping[str, str], options: PrepareOptions) -> None:
    """Check the share dropped, leaks apart: of a set that was prepared under another limit, too."""
    bad = {utt: reason for utt, reason in dropped.items() if kind(reason) != REMOVED}
    check_share(str(raw), n_raw - len(bad), bad, options.max_drop, _listing(out, raw.name), option="prepare.max_drop")


def _check(data: DataDir, audio: Mapping[str, AudioReport], rules: _Rules, name: str) -> dict[str, str]:
    """Normalise the texts; return why utterances are dropped; set ``utt2dur`` from the decoded audio."""
    raw = {"text": data.text, **data.texts}
    clean = {file: {utt: normalise(text, rules.profile(name, file)) for utt, text in table.items()}
             for file, table in raw.items()}
    data.text, data.texts = clean["text"], {file: clean[file] for file in data.texts}
    if name.startswith("src_"):  # pretrained translators want case and punctuation
        data.texts[raw_text(rules.options.source_lang)] = {utt: written(text, rules.profile(name, "text"))
                                                           for utt, text in raw["text"].items()}
    data.utt2dur = {}
    dropped = {}
    for utt, report in audio.items():
        if report.fatal:
            where = WorkDir.of(data.path).stored(data.audio(utt).path)
            reason: str | None = f"{report.fatal.kind}: {where}: {report.fatal.message}"
        else:
            data.utt2dur[utt] = report.seconds / data.utt2speed.get(utt, 1.0)
            reason = text_problem({file: table[utt] for file, table in raw.items()},
                                  {file: table[utt] for file, table in clean.items()}, data.utt2dur[utt],
                                  rules.options.max_chars_per_second,
                                  {file: rules.profile(name, file) for file in raw})
        if reason:
            dropped[utt] = f"{_STAGE}\t{' '.join(reason.split())}"
    return dropped


def _stats(out: Path, name: str) -> dict[str, Any]:
    train = out / f"{name.partition('_')[0]}_train"
    held_out = not _is(name, "train") and train.is_dir()
    return dataclasses.asdict(datadir_stats(out / name, train if held_out else None))


def _update_json(path: Path, value: Mapping[str, Any]) -> None:
    """Write JSON unless the file says the same: what was made from it stays up to date."""
    with contextlib.suppress(DataError):  # absent, or damaged
        if read_json(path) == json.loads(json.dumps(value)):
            return
    write_json(path, value)
