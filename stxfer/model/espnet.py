"""ESPnet's classes as this package uses them: the only module that imports from ``espnet`` and ``espnet2``.

Importing it makes the imports fast, see :func:`stxfer.model.espnet_patches.fast_imports`; whatever is imported from
ESPnet afterwards is fast too.
"""

from __future__ import annotations

from stxfer.model.espnet_patches import fast_imports

with fast_imports():
    from espnet.nets.pytorch_backend.nets_utils import make_pad_mask
    from espnet.nets.pytorch_backend.transformer.embedding import (
        PositionalEncoding,
        RelPositionalEncoding,
        ScaledPositionalEncoding,
    )
    from espnet.nets.pytorch_backend.transformer.subsampling import TooShortUttError
    from espnet.nets.scorer_interface import BatchScorerInterface
    from espnet2.asr.decoder.abs_decoder import AbsDecoder
    from espnet2.asr.decoder.transformer_decoder import TransformerDecoder
    from espnet2.asr.encoder.abs_encoder import AbsEncoder
    from espnet2.asr.encoder.conformer_encoder import ConformerEncoder
    from espnet2.asr.encoder.e_branchformer_encoder import EBranchformerEncoder
    from espnet2.asr.encoder.transformer_encoder import TransformerEncoder
    from espnet2.asr.espnet_model import ESPnetASRModel
    from espnet2.asr.frontend.abs_frontend import AbsFrontend
    from espnet2.lm.seq_rnn_lm import SequentialRNNLM
    from espnet2.lm.transformer_lm import TransformerLM
    from espnet2.main_funcs.average_nbest_models import average_nbest_models
    from espnet2.tasks import asr as asr_task
    from espnet2.tasks import lm as lm_task
    from espnet2.tasks import mt as mt_task
    from espnet2.train.dataset import DATA_TYPES, AdapterForSoundScpReader
    from espnet2.train.reporter import Reporter
    from espnet2.train.trainer import Trainer

__all__ = [
    "DATA_TYPES", "AbsDecoder", "AbsEncoder", "AbsFrontend", "AdapterForSoundScpReader", "BatchScorerInterface",
    "ConformerEncoder", "EBranchformerEncoder", "ESPnetASRModel", "PositionalEncoding", "RelPositionalEncoding",
    "Reporter", "ScaledPositionalEncoding", "SequentialRNNLM", "TooShortUttError", "Trainer", "TransformerDecoder",
    "TransformerEncoder", "TransformerLM", "asr_task", "average_nbest_models", "lm_task", "make_pad_mask", "mt_task"]
