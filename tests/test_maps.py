"""What a model attends to, and where CTC finds tokens: of a model with random parameters."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from matplotlib.image import imread
from tiny_system import SENTENCES, make_work
from untrained import make_model

from stxfer.audio.ark import read_places
from stxfer.decoding.decode import load_features
from stxfer.decoding.maps import token_maps
from stxfer.experiment.systems import System
from stxfer.experiment.variants import DecodedSystem
from stxfer.kaldi.table import write_table
from stxfer.model.load import load_model
from stxfer.report.html.maps import utterance_maps
from stxfer.report.runs import Run

FEATS = Path("dump/fbank/tgt_train/feats.scp")


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    root = make_work(tmp_path_factory.mktemp("maps"))
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(root)
        yield root


def test_each_token_attends_to_all_frames_together(work: Path) -> None:
    loaded = load_model(work / "exp/direct/seed1")
    features = load_features("utt-0", read_places(FEATS)["utt-0"], FEATS)
    found = token_maps(loaded.model, "utt-0", features, [3, 4, 5])
    assert found.attention is not None and found.ctc is not None
    assert found.attention.shape[0] == 3 and found.ctc.shape == (4, found.attention.shape[1])
    assert np.allclose(found.attention.sum(axis=1), 1, atol=1e-5)
    assert (found.ctc >= 0).all() and (found.ctc.sum(axis=0) <= 1 + 1e-5).all()
    more = token_maps(loaded.model, "utt-0", features, [3, 4, 6])  # what is written changes nothing before it
    assert np.allclose(found.attention, more.attention, atol=1e-6)
    assert np.allclose(found.ctc[[0, 1, 3]], more.ctc[[0, 1, 3]])


def test_there_is_nothing_to_show_of_nothing(work: Path) -> None:
    loaded = load_model(work / "exp/direct/seed1")
    features = load_features("utt-0", read_places(FEATS)["utt-0"], FEATS)
    found = token_maps(loaded.model, "utt-0", features, [])
    assert found.attention is None and found.ctc is None


def test_without_ctc_there_is_attention_alone(work: Path, tmp_path: Path) -> None:
    tokens = load_model(work / "exp/direct/seed1").tokens
    make_model(tmp_path / "model", work / "dump/vocab/target", tokens, ctc_weight=0.0)
    features = load_features("utt-0", read_places(FEATS)["utt-0"], FEATS)
    found = token_maps(load_model(tmp_path / "model").model, "utt-0", features, [3])
    assert found.attention is not None and found.ctc is None


def test_pictures_have_a_row_for_each_token(work: Path) -> None:
    system = System(task="asr", data="tgt_train", text="sw", test="tgt_train", name="direct")
    names = sorted(f"utt-{k}" for k in range(len(SENTENCES)))
    decoded = work / "exp/direct/seed1/decode/tgt_train"
    tokens = load_model(work / "exp/direct/seed1").tokens[2:5]
    write_table(decoded / "token", dict.fromkeys(names, " ".join(tokens)))
    run = Run(DecodedSystem(system, None), 1, decoded, {"set": "tgt_train"},  # type: ignore[arg-type]
              [{"utt": name, "ref": "mtoto"} for name in names])
    found = utterance_maps({"direct": [run]}, Path("dump"), Path("exp"), 2)
    assert [utt.name for utt in found] == [names[0], names[2]] and found[0].reference == "mtoto"
    attention, ctc = found[0].maps
    assert (attention.title, ctc.title) == ("direct: attention", "direct: CTC")
    assert attention.rows == tuple(tokens) and ctc.rows == (*tokens, "(blank)")
    image = imread(io.BytesIO(base64.b64decode(ctc.image.partition(",")[2])), format="png")
    assert image.shape[0] == 4
    assert utterance_maps({"direct": [run]}, Path("dump"), Path("exp"), 0) == []
