"""Ways of decoding: a trained system decodes its test set as its kind does, and once more for each variant."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from stxfer.core.errors import ConfigError
from stxfer.core.mistakes import nearest
from stxfer.experiment.declared import Declaration, LanguageModel
from stxfer.experiment.systems import KINDS, MARK, System
from stxfer.experiment.training import Decoding

NOT_WHISPERS = ("lm", "tune", "length_bonus", "maxlenratio", "minlenratio")  # options its search does not have
NOT_STOCK = ("lm", "tune")  # options that are not given to ESPnet's search


@dataclass(frozen=True)
class DecodedSystem:
    """A trained system and one way to decode its test set; without a variant, the one of its kind."""

    system: System
    options: Decoding
    variant: str = ""

    @property
    def name(self) -> str:
        """What reports and ``--systems`` call it: ``direct``, ``direct+lm``."""
        return f"{self.system.name}{MARK}{self.variant}" if self.variant else self.system.name


def read_variants(declared: Declaration, raw: Mapping[str, Any], where: str) -> dict[str, dict[str, Decoding]]:
    """Return the options of each variant by kind; the usual ones of the kinds are those of the variant ``""``.

    Args:
        declared: the experiment file.
        raw: the same as it was read: a variant's options are laid over ``decode``.
        where: the file, for messages.

    Raises:
        ConfigError: a language model is not declared, or is to be tuned where there is none.
    """
    made = {"": {kind: getattr(declared.decode, kind) for kind in KINDS}}
    for name, kinds in raw.get("variants", {}).items():
        made[name] = {kind: Decoding.read({**raw["decode"].get(kind, {}), **kinds[kind]}, where,
                                          ("variants", name, kind)) for kind in KINDS if kind in kinds}
    for name, kinds in made.items():
        for kind, options in kinds.items():
            here = f"{where}: {f'variants.{name}' if name else 'decode'}.{kind}"
            if options.lm and options.lm not in declared.lm:
                raise ConfigError(f"{here}.lm: {options.lm!r} is not under 'lm'{nearest(options.lm, declared.lm)}")
            if options.tune is not None and options.tune.lm_weight and not options.lm:
                raise ConfigError(f"{here}.tune.lm_weight: there is no language model to weigh; set lm")
    return made


def ways_of_decoding(systems: Iterable[System], variants: Mapping[str, Mapping[str, Decoding]],
                     lms: Mapping[str, LanguageModel], where: str) -> Iterator[DecodedSystem]:
    """Yield every system as it is and in each variant that there is for it.

    A variant is there for the systems of the kinds it names, if it has no language model, or one of their vocabulary,
    and for a fine-tuned Whisper or stock ESPnet if that search can do it. Stock ESPnet always has the usual way,
    without a language model.

    Raises:
        ConfigError: the usual decoding of a kind has a language model of another vocabulary than a system of it.
    """
    for system in systems:
        for variant, kinds in variants.items():
            options = kinds.get(system.kind)
            if options is None or (variant and system.task == "text"):
                continue
            if system.espnet and variant and any(getattr(options, key) for key in NOT_STOCK):
                continue
            if system.espnet:  # without the experiment's language model
                options = replace(options, lm="", tune=None)
            if system.whisper is not None and (key := next(filter(partial(getattr, options), NOT_WHISPERS), "")):
                if variant:
                    continue
                raise ConfigError(f"{where}: decode.{system.kind}.{key}: system {system.name!r} is a fine-tuned "
                                  "Whisper, whose search has beam_size alone; name it in a variant, which is only "
                                  "there for the other systems")
            fits = not options.lm or lms[options.lm].vocab == system.vocab
            if not fits and not variant:
                raise ConfigError(f"{where}: decode.{system.kind}.lm: system {system.name!r} has vocabulary "
                                  f"{system.vocab!r}, language model {options.lm!r} has "
                                  f"{lms[options.lm].vocab!r}; name it in a variant, which is only there for the "
                                  "systems whose vocabulary it has")
            if fits:
                yield DecodedSystem(system, options, variant)
