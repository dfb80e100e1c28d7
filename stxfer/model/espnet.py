"""ESPnet's tasks, trainer and whole models: what training takes of it. Its layers: :mod:`stxfer.model.espnet_layers`.

No other module than these two imports from ``espnet`` and ``espnet2``. Importing them makes the imports fast, see
:func:`stxfer.model.espnet_patches.fast_imports`; whatever is imported from ESPnet afterwards is fast too.
"""

from __future__ import annotations

from stxfer.model.espnet_patches import fast_imports, needed

with needed("ESPnet with all that its training needs", "stxfer[train]"), fast_imports():
    from espnet2.asr.espnet_model import ESPnetASRModel
    from espnet2.main_funcs.average_nbest_models import average_nbest_models
    from espnet2.tasks import asr as asr_task
    from espnet2.tasks import lm as lm_task
    from espnet2.tasks import mt as mt_task
    from espnet2.train.dataset import DATA_TYPES, AdapterForSoundScpReader
    from espnet2.train.reporter import Reporter
    from espnet2.train.trainer import Trainer

__all__ = ["DATA_TYPES", "AdapterForSoundScpReader", "ESPnetASRModel", "Reporter", "Trainer", "asr_task",
           "average_nbest_models", "lm_task", "mt_task"]
