"""Decode the test sets of an experiment's systems, several side by side."""

from __future__ import annotations

import logging
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stxfer.cluster.run import run_jobs
from stxfer.core.commands import command_line
from stxfer.core.errors import ConfigError
from stxfer.core.fileio import write_json
from stxfer.core.fresh import made_before
from stxfer.core.jobs import Job as ProcessJob
from stxfer.core.marker import MARKER
from stxfer.core.records import read_record
from stxfer.core.stage import Stage
from stxfer.core.threads import computed_on
from stxfer.decoding.decode import OUTPUTS, decode_dataset
from stxfer.decoding.tune import measure_of, tune
from stxfer.experiment.config import Experiment
from stxfer.experiment.espnet import SEARCH
from stxfer.experiment.layout import (
    CHECKSUMS,
    DECODE_LOG,
    DECODED,
    FEATS,
    FRAMES,
    TUNED,
    TUNING,
    decode_dir,
    features_dir,
    lm_dir,
    prepared_dir,
    system_dir,
    vocab_dir,
)
from stxfer.experiment.lineage import Lineage
from stxfer.experiment.records import Tuned
from stxfer.experiment.training import Decoding
from stxfer.experiment.variants import DecodedSystem
from stxfer.experiment.whisper import Whisper
from stxfer.score.reference import reference_path, scorable
from stxfer.text.profiles import Profile

if TYPE_CHECKING:
    from stxfer.model.load import LoadedModel

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Job:
    """One system, trained with one seed, to decode a set with in one way.

    Attributes:
        experiment: the whole of it.
        decoded, seed: which model, and how it is searched.
        dump, exp: directories of features and of trained systems.
        set: what is decoded, where it is not the system's test set.
    """

    experiment: Experiment
    decoded: DecodedSystem
    seed: int
    dump: Path
    exp: Path
    set: str = ""

    @property
    def data_set(self) -> str:
        """The name of the set that is decoded."""
        return self.set or self.decoded.system.test_set

    @property
    def name(self) -> str:
        """What messages call the job."""
        return f"decode {self.decoded.name} seed {self.seed} {self.data_set}"

    @property
    def model(self) -> Path:
        """The trained system's directory."""
        return system_dir(self.exp, self.decoded.system.name, self.seed)

    @property
    def lm(self) -> Path | None:
        """The language model's directory, if it is decoded with one."""
        name = self.decoded.options.lm
        return lm_dir(self.exp, name) if name else None

    @property
    def data(self) -> Path:
        """The set's features; Whisper hears its audio."""
        directory = prepared_dir if self.decoded.system.whisper else features_dir
        return directory(self.dump, self.data_set)

    @property
    def profile(self) -> Profile:
        """How what is said in the system's sets is normalised."""
        return self.experiment.profile(self.experiment.spoken(self.decoded.system))

    @property
    def dev(self) -> tuple[Path, Path]:
        """What options are tuned on: the development set's features and references."""
        system = self.decoded.system
        return (features_dir(self.dump, system.dev_set),
                reference_path(self.experiment, system, self.dump, system.dev_set))

    @property
    def stage(self) -> Stage:
        """The hypotheses, and what decides them."""
        found, system = self.decoded, self.decoded.system
        out = decode_dir(self.exp, system, self.seed, found.variant, self.set)
        if system.whisper is not None:  # the other models write what they learnt, normalised text
            return Stage(self.name, out, [self.model, self.data],
                         {"beam_size": found.options.beam_size, "norm": self.profile.identity}, "decode",
                         also=(DECODED,), declared=Lineage(self.experiment, self.dump, self.exp))
        if system.espnet:
            shared = {name: getattr(found.options, name) for name in SEARCH}
            return Stage(self.name, out, [self.model, self.data / CHECKSUMS], {**shared, "norm": self.profile.identity},
                         "decode", reads=[self.data / FEATS], also=(DECODED,),
                         declared=Lineage(self.experiment, self.dump, self.exp))
        return Stage(self.name, out,
                     [self.model, self.data / CHECKSUMS, self.data / FRAMES, *([self.lm] if self.lm else []),
                      *(self.dev if found.options.tune else [])], found.options, "decode",
                     reads=[self.data / FEATS, *made_before(vocab_dir(self.dump, system.vocab))],
                     also=(DECODED,), declared=Lineage(self.experiment, self.dump, self.exp))


def decode_job(job: Job) -> dict[str, Any]:
    """Decode a set with one system in this process; return the content of ``decode.json``.

    Raises:
        ConfigError: the language model has another vocabulary than the system.
        DataError: see :func:`stxfer.decoding.decode.decode_dataset`.
    """
    stage = job.stage
    stage.begin()
    log.info("%s: loading the model", job.name)
    if job.decoded.system.whisper is not None:
        report = _decode_with_whisper(job, job.decoded.system.whisper)
        stage.finish([stage.out / name for name in OUTPUTS], computed=computed_on())
        return report
    options = job.decoded.options
    if job.decoded.system.espnet:
        from stxfer.decoding.stock import decode_with_stock

        stage.marker.unlink(missing_ok=True)
        report = decode_with_stock(job.model, job.data, stage.out, options, job.profile, name=job.name)
        stage.finish([stage.out / name for name in OUTPUTS], computed=computed_on())
        return report
    loaded, lm = _models(job)
    stage.marker.unlink(missing_ok=True)
    (stage.out / TUNING).unlink(missing_ok=True)
    if options.tune is not None:
        options = _tuned(job, loaded, lm, stage.out, job.name)
    report = decode_dataset(loaded.model, loaded.tokens, loaded.tokenizer, job.data / FEATS, stage.out, options,
                            name=job.name, tag=job.decoded.system.tag, lm=lm)
    stage.finish([stage.out / name for name in (*OUTPUTS, *([TUNING] if job.decoded.options.tune else []))],
                 computed=computed_on())
    return report


def _decode_with_whisper(job: Job, options: Whisper) -> dict[str, Any]:
    from stxfer.core.devices import device
    from stxfer.decoding.whisper import decode_with_whisper
    from stxfer.model.whisper import open_whisper  # transformers: seconds to import

    tuned = job.model / TUNED
    whisper = open_whisper(options, job.experiment.spoken(job.decoded.system), tuned if tuned.exists() else None)
    whisper.network.to(device())
    job.stage.marker.unlink(missing_ok=True)
    return decode_with_whisper(whisper, job.data, job.stage.out, job.decoded.options, job.profile, options.batch,
                               name=job.name)


def tune_system(job: Job, out: Path) -> dict[str, Any]:
    """Tune a job's options on the development set alone; return what is written to ``out/tune.json``.

    Raises:
        ConfigError: there is nothing to tune, or system or language model are not trained or do not fit each other.
        DataError: the development set cannot be read, or has no references.
    """
    options = job.decoded.options
    if options.tune is None:
        raise ConfigError(f"{job.decoded.name}: nothing to tune: give a grid, or 'tune' in the experiment file")
    if options.tune.lm_weight and not options.lm:
        raise ConfigError(f"{job.decoded.name}: lm_weight cannot be tuned: it is decoded without a language model")
    if job.decoded.system.espnet:
        raise ConfigError(f"{job.decoded.name}: stock ESPnet decodes by its own command, which tunes nothing; give its "
                          "options under 'decode'")
    check_trained(job)
    _tuned(job, *_models(job), out, f"{job.decoded.name} seed {job.seed}")
    written: dict[str, Any] = read_record(out / TUNING, Tuned)
    return written


def _models(job: Job) -> tuple[LoadedModel, Any]:
    """Return a job's system and language model (None if it has none)."""
    from stxfer.model.load import open_models  # torch: seconds to import

    return open_models(job.model, job.lm)


def _tuned(job: Job, loaded: LoadedModel, lm: Any, out: Path, name: str) -> Decoding:
    """Return the options that decode the development set best, and leave the whole grid in ``out/tune.json``."""
    system = job.decoded.system
    feats, reference = job.dev
    language = job.experiment.source_lang if system.kind == "source" else job.experiment.target_lang
    tuning = tune(loaded, lm, feats / FEATS, reference, job.decoded.options, tag=system.tag,
                  measure=measure_of(system.task, job.experiment.profile(language)),
                  name=f"{name}: tuning on {system.dev_set}")
    write_json(out / TUNING, {"set": system.dev_set, **tuning.as_json()})
    return tuning.best


def decode_systems(experiment: Experiment, config: Path, dump: Path, exp: Path, *, systems: Sequence[str] = (),
                   seeds: Sequence[int] = (), nj: int = 1, force: bool = False, allow_stale: bool = False) -> list[str]:
    """Decode the test sets of the systems asked for, in ``nj`` processes; return the names of the jobs done now.

    Each is decoded in every way that the experiment declares, or in the one that ``direct+lm`` names. ST systems whose
    test set has no reference translations are left out: nothing can be scored.

    Raises:
        ConfigError: a system or language model is not trained.
        StaleError: a model or a set is out of date.
        StxferError: a decoding process fails.
    """
    return run_jobs(decoding_jobs(experiment, config, dump, exp, systems=systems, seeds=seeds), nj, force=force,
                    allow_stale=allow_stale)


def decoding_jobs(experiment: Experiment, config: Path, dump: Path, exp: Path, *, systems: Sequence[str] = (),
                  seeds: Sequence[int] = (), trained: Collection[Path] = ()) -> list[ProcessJob]:
    """Return the jobs that decode the test sets of the systems asked for, see :func:`decode_systems`.

    Args:
        trained: directories of systems that other jobs train first.

    Raises:
        ConfigError: another system, or a language model, is not trained.
    """
    jobs = [Job(experiment, decoded, seed, dump, exp)
            for decoded in scorable(experiment, experiment.select_decoded(systems), dump)
            for seed in seeds or experiment.seeds]
    for job in jobs:
        check_trained(job, trained)
    return [decoding_job(config, job, (job.model,) if job.model in trained else ()) for job in jobs]


def check_trained(job: Job, others: Collection[Path] = ()) -> None:
    """Raise ConfigError if a job's system is neither trained nor one of the others, or its LM is not trained."""
    system = job.decoded.system
    if job.model not in others and not (job.model / MARKER).exists():
        raise ConfigError(f"{system.name} seed {job.seed} is not trained ({job.model} has no {MARKER}); "
                          f"run stage '{system.step}' first")
    check_lm_trained(job)


def check_lm_trained(job: Job) -> None:
    """Raise ConfigError if the language model that a job searches with, if any, is not trained."""
    if job.lm is not None and not (job.lm / MARKER).exists():
        raise ConfigError(f"{job.decoded.name} is decoded with language model {job.decoded.options.lm}, which is "
                          f"not trained ({job.lm} has no {MARKER}); run stage 'lm' first")


def decoding_job(config: Path, job: Job, needs: tuple[Path, ...] = ()) -> ProcessJob:
    """Return a job of :func:`stxfer.core.jobs.run_jobs` that decodes in a process of its own.

    Args:
        config: the experiment file.
        job: what to decode.
        needs: directories that other jobs make.
    """
    command = command_line("decode", {"config": config, "dump": job.dump, "exp": job.exp, "set": job.set or False,
                                      "job": [job.decoded.name, str(job.seed)]})

    def show(line: str) -> str | None:
        _, found, message = line.partition(f" {job.name}: ")
        return message if found else None

    return ProcessJob(job.name, job.stage, command, DECODE_LOG, show, needs, resources="decode", array="decode")
