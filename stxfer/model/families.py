"""The classes that configurations name: this project's, and those of ESPnet's layers that it decodes with.

Which other classes of ESPnet a model may be made of says :mod:`stxfer.experiment.models`; those need ESPnet's tasks.
"""

from __future__ import annotations

from typing import Any

from stxfer.experiment.frontend import PRETRAINED
from stxfer.model.berard import BerardDecoder, BerardEncoder
from stxfer.model.blstm import BLSTMEncoder
from stxfer.model.encoder import S2TConformerEncoder, S2TEBranchformerEncoder, S2TTransformerEncoder
from stxfer.model.espnet_layers import (
    ConformerEncoder,
    EBranchformerEncoder,
    SequentialRNNLM,
    TransformerDecoder,
    TransformerEncoder,
    TransformerLM,
)
from stxfer.model.frontend import Frontend
from stxfer.model.weighted_sum import NAME, WeightedSum

Classes = dict[str, type[Any]]

OWN_ENCODERS: Classes = {
    "s2t_transformer": S2TTransformerEncoder, "s2t_conformer": S2TConformerEncoder,
    "s2t_e_branchformer": S2TEBranchformerEncoder, "s2t_blstm": BLSTMEncoder, "berard": BerardEncoder}
OWN_DECODERS: Classes = {"berard": BerardDecoder}
FRONTENDS: Classes = {PRETRAINED: Frontend, NAME: WeightedSum}
ENCODERS: Classes = {**OWN_ENCODERS, "transformer": TransformerEncoder, "conformer": ConformerEncoder,
                     "e_branchformer": EBranchformerEncoder}
DECODERS: Classes = {**OWN_DECODERS, "transformer": TransformerDecoder}
LANGUAGE_MODELS: Classes = {"seq_rnn": SequentialRNNLM, "transformer": TransformerLM}
