"""The options of stage 2, as an experiment file's ``prepare`` key or the command line gives them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, dataclass, fields
from typing import Any

from stxfer.core.errors import ConfigError
from stxfer.experiment.values import make

MIN_SECONDS = 0.1  # shorter holds no word, and no frame after subsampling by 4
MAX_TEST_SECONDS = 600.0  # longer is a recording, not an utterance, and takes a worker's memory to decode
LEAKS = ("remove", "report", "stop")


@dataclass(frozen=True)
class PrepareOptions:
    """What stage 2 does besides normalising and checking.

    Attributes:
        source_lang: language of ``src_*`` transcripts and of the bitext's source side.
        target_lang: the same for ``tgt_*``.
        max_seconds: longer utterances are dropped; from test sets only those longer than 10 minutes.
        min_rate: audio of a lower sampling rate, Hz, is dropped.
        max_chars_per_second: transcripts with more characters a second cannot be what is said, and are dropped.
        max_drop: the share of a set that stages 1 and 2 may drop before it is an error.
        leaks: what becomes of dev and test sentences in training text: ``remove``, ``report`` or ``stop``.
        tgt_train_hours: take a seeded subset of this size of ``tgt_train``; 0: all of it.
        seed: of the subset.
        speed_perturb: speed factors, one copy of the set for each; none: the audio as it is.
        perturb_sets: the sets to which they apply.
    """

    source_lang: str
    target_lang: str
    max_seconds: float = 30.0
    min_rate: int = 8000
    max_chars_per_second: float = 40.0
    max_drop: float = 0.05
    leaks: str = "remove"
    tgt_train_hours: float = 0.0
    seed: int = 1
    speed_perturb: tuple[float, ...] = ()
    perturb_sets: tuple[str, ...] = ("tgt_train",)

    def __post_init__(self) -> None:
        for name in ("source_lang", "target_lang"):
            if not isinstance(getattr(self, name), str) or not getattr(self, name):
                raise ConfigError(f"{name} {getattr(self, name)!r}: must be a language code")
        if not 0 <= self.max_drop <= 1:
            raise ConfigError(f"max_drop {self.max_drop}: must be a share between 0 and 1")
        if self.max_seconds <= MIN_SECONDS or self.tgt_train_hours < 0:
            raise ConfigError(f"max_seconds {self.max_seconds} must be over {MIN_SECONDS} and tgt_train_hours "
                              f"{self.tgt_train_hours} not negative")
        if self.min_rate < 0 or not self.max_chars_per_second > 0:
            raise ConfigError(f"min_rate {self.min_rate} must not be negative and max_chars_per_second "
                              f"{self.max_chars_per_second} more than 0")
        if self.leaks not in LEAKS:
            raise ConfigError(f"leaks {self.leaks!r}: must be one of {' '.join(LEAKS)}")
        if bad := [speed for speed in self.speed_perturb if not 0.5 <= speed <= 2]:
            raise ConfigError(f"speed_perturb {bad[0]}: must lie between 0.5 and 2")
        if len(set(self.speed_perturb)) != len(self.speed_perturb):
            raise ConfigError(f"speed_perturb: a speed is given twice in {self.speed_perturb}")

    @classmethod
    def from_mapping(cls, values: Mapping[str, Any], where: str) -> PrepareOptions:
        """Make options of configuration values; lists may also be strings of words.

        Raises:
            ConfigError: an unknown key or a value that it cannot have; names it and ``where`` it stands.
        """
        values = dict(values)
        for key, kind in (("speed_perturb", float), ("perturb_sets", str)):
            if key in values:
                items = values[key].split() if isinstance(values[key], str) else values[key]
                try:
                    values[key] = tuple(kind(item) for item in items)
                except (TypeError, ValueError):
                    raise ConfigError(f"{where}.{key}: {values[key]!r} must be a list of "
                                      f"{'numbers' if kind is float else 'names'}") from None
        if missing := [key for key in ("source_lang", "target_lang") if key not in values]:
            raise ConfigError(f"{where}: {missing[0]} is missing")
        try:
            return make(cls, values, where)
        except ConfigError as error:
            text = str(error)
            raise ConfigError(text if text.startswith(where) else f"{where}: {text}") from None

    @classmethod
    def defaults(cls) -> dict[str, Any]:
        """Return the options that have a default, with it."""
        return {field.name: field.default for field in fields(cls) if field.default is not MISSING}

    def language(self, set_name: str) -> str:
        """Return the language of a set's transcripts."""
        return self.source_lang if set_name.startswith("src_") else self.target_lang
