"""ESPnet's trainer with word errors on the development set at the end of each epoch."""

from __future__ import annotations

from typing import Any

from stxfer.model.espnet import Trainer as EspnetTrainer
from stxfer.training.dev_errors import DevErrors


class Trainer(EspnetTrainer):
    """ESPnet's trainer; ``dev_errors`` is set by what starts it."""

    dev_errors: DevErrors | None = None

    @classmethod
    def validate_one_epoch(cls, model: Any, iterator: Any, reporter: Any, options: Any,
                           distributed_option: Any) -> None:
        """Measure losses as ESPnet does and word errors, in as many processes."""
        super().validate_one_epoch(model, iterator, reporter, options, distributed_option)
        if cls.dev_errors is not None:
            rate = cls.dev_errors(getattr(model, "module", model), iterator, bool(distributed_option.distributed))
            reporter.register({"wer": rate}, 1.0)
            reporter.next()
