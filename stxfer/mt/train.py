"""Stage 4: train a translator for each label source that wants one."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from stxfer.config import Experiment
from stxfer.errors import ConfigError, DataError
from stxfer.fileio import atomic_dir
from stxfer.jobs import Job, run_jobs
from stxfer.kaldi.table import write_table
from stxfer.stage import Stage
from stxfer.text.vocab import train_vocab
from stxfer.train import LOG, TrainingLog, stage_options, threads_each

SEED = 1  # labels are data: every seed of the systems learns the same ones


def mt_dir(exp: Path, label: str) -> Path:
    """Return where the translator of a label source lies."""
    return exp / "mt" / label


def mt_stage(experiment: Experiment, label: str, dump: Path, exp: Path) -> Stage:
    """Return the marker of a trained translator."""
    bitext = dump / "data" / "bitext"
    languages = (experiment.source_lang, experiment.target_lang)
    inputs = [bitext / f"{part}.{lang}" for part in ("train", "dev") for lang in languages]
    options = {"label": asdict(experiment.labels[label]), "vocab": experiment.mt.vocab, "seed": SEED,
               "model": dict(experiment.mt.model), "phases": [asdict(phase) for phase in experiment.mt.train]}
    return Stage(f"training of MT for label {label}", mt_dir(exp, label), inputs, options)


def train_translators(experiment: Experiment, config: Path, dump: Path, exp: Path, *, nj: int = 2,
                      force: bool = False, allow_stale: bool = False) -> list[str]:
    """Train the translators of all label sources, side by side; return those trained now."""
    jobs = [Job(f"MT {label}", mt_stage(experiment, label, dump, exp),
                (sys.executable, "-m", "stxfer.bin.train_mt", "--config", str(config), "--dump", str(dump),
                 "--exp", str(exp), "--label", label, *stage_options(force, allow_stale)), LOG, TrainingLog())
            for label in experiment.labels]
    return run_jobs(jobs, nj, threads=threads_each(nj, len(jobs)), force=force, allow_stale=allow_stale, dear=True)


def train_translator(experiment: Experiment, label: str, dump: Path, exp: Path, *, force: bool = False,
                     allow_stale: bool = False) -> None:
    """Train one translator in this process, unless it is finished.

    Raises:
        ConfigError: the label is not declared.
        DataError: the sides of the bitext differ in length, or it is empty.
    """
    from stxfer.model.espnet_config import Text
    from stxfer.model.fit import Corpus, Fit
    from stxfer.model.fit_system import run_fit

    if label not in experiment.labels:
        raise ConfigError(f"unknown label {label!r}; declared: {' '.join(experiment.labels)}")
    stage = mt_stage(experiment, label, dump, exp)
    if not stage.needed(force=force, allow_stale=allow_stale, dear=True):
        return
    data = mt_dir(exp, label) / "data"
    pairs = experiment.labels[label].pairs
    languages = (experiment.source_lang, experiment.target_lang)
    with atomic_dir(data) as directory:
        for part, limit in (("train", pairs), ("dev", 0)):
            sides = read_bitext(dump / "data" / "bitext", part, languages)
            _write_part(directory / part, sides[:limit] if limit else sides)
            if part == "train":
                for side in (0, 1):
                    vocab = directory / f"vocab_{languages[side]}"
                    vocab.mkdir()
                    train_vocab([pair[side] for pair in sides[:limit or None]], experiment.mt.vocab, "unigram", vocab)

    def corpus(part: str) -> Corpus:
        return Corpus({"src_text": data / part / "src_text", "text": data / part / "text"}, data / part / "lengths")

    run_fit(stage, Fit(task="mt", out=stage.out, train=corpus("train"), dev=corpus("dev"),
                       target=Text((data / f"vocab_{languages[1]}").resolve()),
                       source=Text((data / f"vocab_{languages[0]}").resolve()),
                       phases=experiment.mt.train, model=experiment.mt.model, seed=SEED))


def read_bitext(directory: Path, part: str, languages: Sequence[str]) -> list[tuple[str, str]]:
    """Read the aligned sides of one part (train, dev, test) of a bitext.

    Raises:
        DataError: a side is missing, both differ in length, or there is no pair.
    """
    sides = []
    for language in languages:
        path = directory / f"{part}.{language}"
        if not path.exists():
            raise DataError(f"{path}: no such file; a label source 'trained' needs a bitext")
        try:
            with open(path, encoding="utf-8", newline="\n") as handle:  # str.splitlines would split at U+2028 too
                sides.append([line.strip() for line in handle])
        except UnicodeDecodeError as error:
            raise DataError(f"{path}: not UTF-8 ({error.reason} at byte {error.start}); "
                            "convert it with iconv") from None
    if len(sides[0]) != len(sides[1]):
        raise DataError(f"{directory / part}: {len(sides[0])} lines in .{languages[0]} but {len(sides[1])} in "
                        f".{languages[1]}; the sides must be aligned line by line")
    if not sides[0]:
        raise DataError(f"{directory / part}.{languages[0]}: empty")
    return list(zip(*sides, strict=True))


def _write_part(directory: Path, pairs: Sequence[tuple[str, str]]) -> None:
    keys = [f"pair-{number:08d}" for number in range(len(pairs))]
    write_table(directory / "src_text", ((key, pair[0]) for key, pair in zip(keys, pairs, strict=True)))
    write_table(directory / "text", ((key, pair[1]) for key, pair in zip(keys, pairs, strict=True)))
    write_table(directory / "lengths", ((key, str(len(pair[0].split()) + 1))
                                        for key, pair in zip(keys, pairs, strict=True)))
