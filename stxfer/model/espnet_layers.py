"""ESPnet's layers: what a trained model is made of, without what trains it.

These modules of ESPnet need torch, typeguard and packaging alone, so that ``pip install --no-deps espnet`` is enough to
decode, and they are imported in half a second, where ESPnet's tasks take four.
"""

from __future__ import annotations

from stxfer.model.espnet_patches import fast_imports, needed

with needed("the layers of ESPnet, which this model is made of"), fast_imports():
    from espnet.nets.pytorch_backend.nets_utils import make_pad_mask
    from espnet.nets.pytorch_backend.transformer.embedding import (
        PositionalEncoding,
        RelPositionalEncoding,
        ScaledPositionalEncoding,
    )
    from espnet.nets.pytorch_backend.transformer.subsampling import TooShortUttError
    from espnet.nets.scorer_interface import BatchScorerInterface
    from espnet2.asr.ctc import CTC
    from espnet2.asr.decoder.abs_decoder import AbsDecoder
    from espnet2.asr.decoder.transformer_decoder import TransformerDecoder
    from espnet2.asr.encoder.abs_encoder import AbsEncoder
    from espnet2.asr.encoder.conformer_encoder import ConformerEncoder
    from espnet2.asr.encoder.e_branchformer_encoder import EBranchformerEncoder
    from espnet2.asr.encoder.transformer_encoder import TransformerEncoder
    from espnet2.asr.frontend.abs_frontend import AbsFrontend
    from espnet2.lm.seq_rnn_lm import SequentialRNNLM
    from espnet2.lm.transformer_lm import TransformerLM

__all__ = [
    "CTC", "AbsDecoder", "AbsEncoder", "AbsFrontend", "BatchScorerInterface", "ConformerEncoder",
    "EBranchformerEncoder", "PositionalEncoding", "RelPositionalEncoding", "ScaledPositionalEncoding",
    "SequentialRNNLM", "TooShortUttError", "TransformerDecoder", "TransformerEncoder", "TransformerLM",
    "make_pad_mask"]
