"""Stage 4: train a translator for each label source that wants one."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from stxfer.cluster.run import run_jobs
from stxfer.core.commands import command_line
from stxfer.core.errors import ConfigError, DataError
from stxfer.core.fileio import atomic_dir, atomic_write
from stxfer.core.jobs import Job
from stxfer.core.stage import Stage
from stxfer.corpora.bitext.directory import iter_pairs
from stxfer.experiment.config import Experiment
from stxfer.experiment.layout import TRAIN_LOG, clean_bitext_dir, mt_dir
from stxfer.experiment.lineage import Lineage
from stxfer.experiment.translators import Trained
from stxfer.kaldi.table import iter_table
from stxfer.mt.translator import MAX_WORDS
from stxfer.text.vocab import train_vocab
from stxfer.text.words import count_tokens, count_words
from stxfer.training.launch import TrainingLog, most_threads

VOCAB_LINES = 500_000  # sentences a vocabulary is learnt from, evenly out of all: more take minutes and gigabytes
SEED = 1  # labels are data: every seed of the systems learns the same ones


def mt_stage(experiment: Experiment, label: str, dump: Path, exp: Path) -> Stage:
    """Return the marker of a trained translator."""
    bitext = clean_bitext_dir(dump)
    languages = (experiment.source_lang, experiment.target_lang)
    inputs = [bitext / f"{part}.{lang}" for part in ("train", "dev") for lang in languages]
    mt = experiment.mt
    options = {"pairs": _options(experiment, label).pairs, "vocab": mt.vocab, "joint": mt.joint, "seed": SEED,
               "model": dict(mt.model), "phases": mt.train}
    return Stage(f"training of MT for label {label}", mt_dir(exp, label), inputs, options, "mt",
                 also=("data/vocab*/*",), declared=Lineage(experiment, dump, exp))


def train_translators(experiment: Experiment, config: Path, dump: Path, exp: Path, *, nj: int = 2,
                      force: bool = False, allow_stale: bool = False) -> list[str]:
    """Train the translators of all label sources, side by side; return those trained now."""
    threads = most_threads(experiment.mt.train)
    jobs = [Job(f"MT {label}", mt_stage(experiment, label, dump, exp),
                command_line("train_mt", {"config": config, "dump": dump, "exp": exp, "label": label, "force": force,
                                          "allow_stale": allow_stale}), TRAIN_LOG, TrainingLog(),
                threads=threads, expensive=True, resources="cuda")
            for label, value in experiment.labels.items() if isinstance(value.options, Trained)]
    return run_jobs(jobs, max(1, nj // threads), force=force, allow_stale=allow_stale)


def train_translator(experiment: Experiment, label: str, dump: Path, exp: Path, *, force: bool = False,
                     allow_stale: bool = False) -> None:
    """Train one translator in this process, unless it is finished.

    Raises:
        ConfigError: the label is not declared, or its translator is not trained here.
        DataError: the sides of the bitext differ in length, it is empty, or a line of it is no sentence.
    """
    from stxfer.training.fit_system import run_fit
    from stxfer.training.spec import Corpus, Fit, Text

    stage = mt_stage(experiment, label, dump, exp)
    if not stage.needed(force=force, allow_stale=allow_stale, expensive=True):
        return
    data = mt_dir(exp, label) / "data"
    languages = (experiment.source_lang, experiment.target_lang)
    with atomic_dir(data) as directory:
        _write_data(experiment, label, clean_bitext_dir(dump), directory)

    def corpus(part: str) -> Corpus:
        return Corpus({"src_text": data / part / "src_text", "text": data / part / "text"}, data / part / "lengths")

    run_fit(stage, Fit(task="mt", out=stage.out, train=corpus("train"), dev=corpus("dev"),
                       target=Text((data / _vocab_name(experiment, languages[1])).absolute()),
                       source=Text((data / _vocab_name(experiment, languages[0])).absolute()),
                       phases=experiment.mt.train, model=experiment.mt.model, seed=SEED))


def subset(total: int, pairs: int) -> list[int]:
    """Return which ``pairs`` of ``total`` pairs (0: all) are learnt from, in order.

    They are drawn at random, the same at every call, and a smaller subset is part of every larger one.
    """
    if not pairs:
        return list(range(total))
    return sorted(np.random.default_rng(SEED).permutation(total)[:pairs].tolist())


def _options(experiment: Experiment, label: str) -> Trained:
    if label not in experiment.labels:
        raise ConfigError(f"unknown label {label!r}; declared: {' '.join(experiment.labels)}")
    options = experiment.labels[label].options
    if not isinstance(options, Trained):
        raise ConfigError(f"label {label!r}: its translator is not trained here")
    return options


def _vocab_name(experiment: Experiment, language: str) -> str:
    return "vocab" if experiment.mt.joint else f"vocab_{language}"


def _write_data(experiment: Experiment, label: str, bitext: Path, directory: Path) -> None:
    """Write the tables ESPnet trains on, and the vocabularies. Only one pair at a time is in memory."""
    languages = (experiment.source_lang, experiment.target_lang)
    pairs, learnt = _options(experiment, label).pairs, 0
    for part in ("train", "dev"):
        (directory / part).mkdir()
        total = sum(1 for _ in iter_pairs(bitext, part, languages))
        if not total:
            raise DataError(f"{bitext}/{part}.{languages[0]}: empty")
        if part == "train" and pairs > total:
            raise DataError(f"{bitext}/{part}.{languages[0]}: {total} pairs, but label {label!r} wants {pairs}")
        numbers = subset(total, pairs if part == "train" else 0)
        learnt = len(numbers) if part == "train" else learnt
        chosen = iter(numbers)
        wanted = next(chosen, None)
        with (atomic_write(directory / part / "src_text") as source, atomic_write(directory / part / "text") as target,
              atomic_write(directory / part / "lengths") as lengths):
            for number, pair in enumerate(iter_pairs(bitext, part, languages)):
                if number != wanted:
                    continue
                wanted = next(chosen, None)
                for language, side in zip(languages, pair, strict=True):
                    if (words := count_words(side)) > MAX_WORDS:
                        raise DataError(f"{bitext}/{part}.{language}:{number + 1}: {words} words, and a sentence has "
                                        f"at most {MAX_WORDS}; lower mt.clean.max_words, which drops longer ones")
                key = f"pair-{number:09d}"
                source.write(f"{key} {pair[0]}\n")
                target.write(f"{key} {pair[1]}\n")
                lengths.write(f"{key} {count_tokens(pair[0]) + 1}\n")
    sides = [directory / "train" / name for name in ("src_text", "text")]
    for name, files in ({"vocab": sides} if experiment.mt.joint else
                        {f"vocab_{language}": [side] for language, side in zip(languages, sides, strict=True)}).items():
        (directory / name).mkdir()
        step = len(files) * learnt // VOCAB_LINES + 1
        lines = itertools.chain.from_iterable(_sample(file, step) for file in files)
        train_vocab(lines, experiment.mt.vocab, "unigram", directory / name)


def _sample(table: Path, step: int) -> Iterator[str]:
    """Yield every ``step``-th sentence, and of the others those with a character that was not there before."""
    seen: set[str] = set()
    for number, (_, line) in enumerate(iter_table(table)):
        if number % step == 0 or not seen.issuperset(line):
            yield line
        if step > 1:
            seen.update(line)
