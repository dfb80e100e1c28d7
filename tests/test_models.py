"""The models that experiment files may ask for, against ESPnet's and this project's classes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from espnet2.tasks import asr, mt

from stxfer.core.errors import DataError
from stxfer.experiment import models
from stxfer.experiment.config import load_experiment
from stxfer.model.build import build_model
from stxfer.model.config import read_config
from stxfer.training.espnet_config import model_config
from stxfer.training.spec import Text

CONF = Path(__file__).parents[1] / "conf"
# Read waveforms, or several speakers at once; this project's read features that are made before training.
NO_FEATURES = {"avhubert", "beats", "hubert", "hubert_pretrain", "torchaudiohubert", "wav2vec2", "whisper",
               "transformer_multispkr"}
# The beam search has no step for them.
NO_STEP = {"dynamic_conv", "dynamic_conv2d", "hugging_face_transformers", "lightweight_conv", "lightweight_conv2d",
           "linear_decoder", "mlm", "rnn", "s4", "transducer", "whisper"}


@pytest.mark.parametrize(("size", "millions"), [("tiny", 2.0), ("small", 13.3), ("paper", 52.6), ("large", 107.2)])
def test_the_models_by_data_size_are_what_they_say(tmp_path: Path, size: str, millions: float) -> None:
    path = tmp_path / "exp.yaml"
    path.write_text(yaml.safe_dump({"include": [str(CONF / "base.yaml"), str(CONF / "models" / f"{size}.yaml")],
                                    "name": "t", "languages": {"source": "en", "target": "sw"}}), encoding="utf-8")
    experiment = load_experiment(path)
    tokens = ["<blank>", "<unk>", *map(str, range(experiment.vocab["target"].size)), "<sos/eos>"]
    (tmp_path / "tokens.txt").write_text("\n".join(tokens))
    (phase,) = experiment.train["target"]
    model = build_model("asr", model_config("asr", experiment.model, phase, 80, Text(tmp_path)))
    assert sum(p.numel() for p in model.parameters()) / 1e6 == pytest.approx(millions, abs=0.1)


def test_names_are_those_of_the_classes_that_there_are() -> None:
    assert set(models.ENCODERS) == asr.encoder_choices.classes.keys() - NO_FEATURES
    assert set(models.DECODERS) == asr.decoder_choices.classes.keys() - NO_STEP
    assert set(models.MT_ENCODERS) == mt.encoder_choices.classes.keys()
    assert set(models.MT_DECODERS) == mt.decoder_choices.classes.keys() - NO_STEP
    assert set(models.PREENCODERS) == asr.preencoder_choices.classes.keys() == mt.preencoder_choices.classes.keys()
    assert set(models.POSTENCODERS) == asr.postencoder_choices.classes.keys()
    assert set(models.FRONTENDS) == mt.frontend_choices.classes.keys()


@pytest.mark.parametrize("conf", [{}, {"frontend_conf": None}, {"frontend_conf": {"layer": 2}},
                                  {"frontend_conf": {"model": 3}}])
def test_a_pretrained_encoder_without_a_directory_is_named(tmp_path: Path, conf: dict[str, Any]) -> None:
    config = {"token_list": ["a"], "bpemodel": "bpe.model", "frontend": "pretrained", **conf}
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(config))
    with pytest.raises(DataError, match=f"^{tmp_path}/config.yaml: frontend_conf.model: must name the pretrained"):
        read_config(tmp_path)
