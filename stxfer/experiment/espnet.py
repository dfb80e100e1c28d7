"""Stock ESPnet: what an experiment file says of models that ESPnet's own commands train, in ESPnet's words."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator
from typing_extensions import Self

from stxfer.core.mistakes import shown, wrong
from stxfer.core.options import Options, options
from stxfer.experiment.models import ENCODERS, INITS, Conf
from stxfer.experiment.training import Phase
from stxfer.experiment.types import BelowOne, OneOf

STOCK_ENCODERS = tuple(name for name in ENCODERS if name != "berard")  # which is this project's
STOCK_DECODERS = ("rnn", "transformer")
SCHEDULE = ("epochs", "steps", "batch_frames", "accum", "average", "amp")  # what counts of a phase
# Options of beam search that ESPnet's command is given, and what it calls them.
SEARCH = {"beam_size": "beam_size", "ctc_weight": "ctc_weight", "length_bonus": "penalty", "maxlenratio": "maxlenratio",
          "minlenratio": "minlenratio"}
SIZES = ("output_size", "attention_heads", "linear_units", "num_blocks", "num_layers", "hidden_size")


@options
class StockModel(Options):
    """A model and how ESPnet trains it: keys of the configuration of ``espnet2.bin.asr_train``.

    Data, vocabulary, seed, batches and the number of steps are the experiment's.
    """

    encoder: Annotated[str, OneOf(STOCK_ENCODERS)] | None = None
    """The encoder's class."""
    encoder_conf: Conf = Field(default_factory=dict)
    """Its options."""
    decoder: Annotated[str, OneOf(STOCK_DECODERS)] | None = None
    """The decoder's class."""
    decoder_conf: Conf = Field(default_factory=dict)
    """Its options."""
    model_conf: Conf = Field(default_factory=dict)
    """Options of the model as a whole: ctc_weight, lsm_weight."""
    ctc_conf: Conf = Field(default_factory=dict)
    """Options of the CTC head."""
    init: Annotated[str, OneOf(INITS)] | None = None
    """How parameters begin: as PyTorch's modules do unless it says so."""
    specaug: Literal["specaug"] | None = None
    """SpecAugment, or nothing."""
    specaug_conf: Conf = Field(default_factory=dict)
    """Its options."""
    optim: str = "adam"
    """The optimiser's class."""
    optim_conf: Conf = Field(default_factory=dict)
    """Its options."""
    scheduler: str | None = None
    """The class of what sets the learning rate; none: it stays."""
    scheduler_conf: Conf = Field(default_factory=dict)
    """Its options."""
    warmup: BelowOne = 0.2
    """Share of all steps over which ``warmuplr`` raises the learning rate, unless scheduler_conf has warmup_steps."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        for key in ("encoder", "decoder"):
            if getattr(self, key) is None:
                raise wrong("is missing", key=key)
        for key in ("encoder_conf", "decoder_conf"):
            conf = getattr(self, key)
            for name in SIZES:
                if name in conf and (type(conf[name]) is not int or conf[name] < 1):
                    raise wrong(f"{name} {shown(conf[name])} must be a whole number of at least 1", key=key)
            size, heads = conf.get("output_size", 0), conf.get("attention_heads", 1)
            if size % heads:
                raise wrong(f"output_size {size} cannot be shared out to {heads} attention_heads", key=key)
        return self

    def words(self, steps: int) -> dict[str, Any]:
        """Return the keys as ESPnet's configuration has them, for a training of so many steps."""
        found = {"encoder": self.encoder, "encoder_conf": dict(self.encoder_conf), "decoder": self.decoder,
                 "decoder_conf": dict(self.decoder_conf), "model_conf": dict(self.model_conf),
                 "ctc_conf": dict(self.ctc_conf), "init": self.init, "specaug": self.specaug,
                 "specaug_conf": dict(self.specaug_conf), "optim": self.optim, "optim_conf": dict(self.optim_conf),
                 "scheduler": self.scheduler, "scheduler_conf": dict(self.scheduler_conf)}
        if self.scheduler == "warmuplr":
            found["scheduler_conf"] = {"warmup_steps": max(1, round(self.warmup * steps)), **self.scheduler_conf}
        return found


def stock_schedule(phases: Sequence[Phase]) -> dict[str, Any]:
    """Return what ESPnet's commands take of a schedule: epochs of all phases, the rest of the first."""
    found = {name: getattr(phases[0], name) for name in SCHEDULE}
    return {**found, "epochs": sum(phase.epochs for phase in phases)}


def differing(phases: Sequence[Phase]) -> list[str]:
    """Return the keys that :func:`stock_schedule` takes of the first phase and of which another has another value."""
    return [name for name in SCHEDULE if name != "epochs" and len({getattr(phase, name) for phase in phases}) > 1]
