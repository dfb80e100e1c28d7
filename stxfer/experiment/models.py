"""Which models an experiment file may ask for: the keys of ``model`` and ``mt.model``, in ESPnet's words."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field, model_validator
from typing_extensions import Self

from stxfer.core.mistakes import wrong
from stxfer.core.options import Options, options
from stxfer.experiment.frontend import PRETRAINED, PretrainedFrontend
from stxfer.experiment.types import OneOf

# The encoders of ESPnet that take features, and this project's; those that take waveforms stand before training, see
# 'features'. The test of this module compares the names with ESPnet's.
ENCODERS = ("berard", "branchformer", "conformer", "contextual_block_conformer", "contextual_block_transformer",
            "e_branchformer", "longformer", "multiconv_conformer", "rnn", "s2t_blstm", "s2t_conformer",
            "s2t_e_branchformer", "s2t_transformer", "transformer", "vgg_rnn")
DECODERS = ("berard", "transformer")  # those that the beam search knows
MT_ENCODERS = ("branchformer", "conformer", "contextual_block_transformer", "e_branchformer", "rnn", "transformer",
               "vgg_rnn")
MT_DECODERS = ("transformer",)
INITS = ("chainer", "kaiming_normal", "kaiming_uniform", "normal", "xavier_normal", "xavier_uniform")
PREENCODERS = ("linear", "sinc")
POSTENCODERS = ("hugging_face_transformers", "length_adaptor")
LANGUAGE_MODELS = ("seq_rnn", "transformer")  # those that the beam search knows
FRONTENDS = ("embed", "patch")
SPEECH_FRONTENDS = (PRETRAINED,)
Conf = dict[str, Any]


@options
class LmModel(Options):
    """A language model, in ESPnet's words."""

    lm: Annotated[str, OneOf(LANGUAGE_MODELS)] = "seq_rnn"
    """Its class: recurrent, or a Transformer."""
    lm_conf: Conf = Field(default_factory=dict)
    """Options of the class."""
    init: Annotated[str, OneOf(INITS)] | None = None
    """How parameters begin: as PyTorch's modules do unless it says so."""


@options
class _Model(Options):
    """What every model may say."""

    encoder_conf: Conf | None = None
    """Options of the encoder's class; an included file's go where another encoder is named."""
    decoder_conf: Conf | None = None
    """Options of the decoder's class."""
    preencoder: Annotated[str, OneOf(PREENCODERS)] | None = None
    """What stands before the encoder."""
    preencoder_conf: Conf | None = None
    """Its options."""
    postencoder: Annotated[str, OneOf(POSTENCODERS)] | None = None
    """What stands behind the encoder."""
    postencoder_conf: Conf | None = None
    """Its options."""
    init: Annotated[str, OneOf(INITS)] | None = None
    """How parameters that are not transferred begin: xavier_uniform unless it says so."""


@options
class SpeechModel(_Model):
    """One definition for ASR and ST."""

    frontend: Annotated[str, OneOf(SPEECH_FRONTENDS)] | None = None
    """What stands before the encoder and hears waveforms: a pretrained encoder, which can learn."""
    frontend_conf: PretrainedFrontend | None = None
    """Which, and what of it learns."""
    encoder: Annotated[str, OneOf(ENCODERS)] | None = None
    """The encoder's class."""
    decoder: Annotated[str, OneOf(DECODERS)] | None = None
    """The decoder's class."""
    ctc_conf: Conf | None = None
    """Options of the CTC head."""

    @model_validator(mode="after")
    def _check_frontend(self) -> Self:
        if (self.frontend is None) != (self.frontend_conf is None):
            raise wrong("frontend and frontend_conf go together", key="frontend")
        return self


@options
class MtModel(_Model):
    """The translators that are trained here."""

    encoder: Annotated[str, OneOf(MT_ENCODERS)] | None = None
    """The encoder's class."""
    decoder: Annotated[str, OneOf(MT_DECODERS)] | None = None
    """The decoder's class."""
    frontend: Annotated[str, OneOf(FRONTENDS)] | None = None
    """What makes vectors of tokens."""
    frontend_conf: Conf | None = None
    """Its options."""
    model_conf: Conf | None = None
    """Options of the model as a whole, e.g. embeddings that are shared."""
