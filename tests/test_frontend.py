"""A pretrained encoder inside training: what it computes and what of it learns, is kept, transferred and decoded."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import Any

import kaldiio
import numpy as np
import pytest
import soundfile
import torch
import toy
import transformers
import yaml
from speech_models import LAYERS, MODELS, SIZE, save_model, speech, write_audio

from stxfer.audio import encoders, windows
from stxfer.audio.ark import write_matrix
from stxfer.audio.dump import dump_fbank
from stxfer.audio.fbank import cmvn
from stxfer.audio.pretrained import open_pretrained
from stxfer.audio.waveform import Waveform, samples_of
from stxfer.bin import dump_fbank as cli
from stxfer.core.errors import ConfigError, DataError, TransferError
from stxfer.core.fileio import read_json
from stxfer.decoding.decode import decode_dataset
from stxfer.experiment.features import FeatureOptions
from stxfer.experiment.layout import system_dir
from stxfer.kaldi.table import read_table
from stxfer.model.export import write_model
from stxfer.model.frontend import Frontend
from stxfer.model.load import load_model
from stxfer.model.transfer import load_state
from stxfer.prepare.vocab import make_vocabs
from stxfer.training.fit_system import fit_system
from stxfer.training.run_espnet import SpeechTask
from stxfer.training.trainer import Trainer

pytest.importorskip("peft", reason="LoRA needs it, and an environment of one's own may lack it")


@pytest.fixture(scope="module", params=MODELS)
def directory(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_model(request.param, tmp_path_factory.mktemp(request.param))


@pytest.fixture(scope="module")
def whisper(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_model("whisper", tmp_path_factory.mktemp("whisper"))


def rows(seconds: float, seed: int = 0) -> torch.Tensor:
    return torch.tensor(Waveform()([speech(seconds, seed)], "x")[0])


def samples(waveform: torch.Tensor) -> np.ndarray:
    return waveform.numpy().reshape(-1) / np.float32(32768)


def batch(*waveforms: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    return (torch.nn.utils.rnn.pad_sequence(waveforms, batch_first=True),
            torch.tensor([len(waveform) for waveform in waveforms]))


def test_waveforms_are_kept_to_the_sample(tmp_path: Path) -> None:
    one = np.clip(40 * speech(1.234), -1, 1)
    (made,) = Waveform()([one], "x")
    assert made.shape == (123, 160) and made.max() == 32767 and made.min() == -32768
    assert np.abs(made.reshape(-1) / 32768 - one[:123 * 160]).max() <= 1 / 32768
    with (tmp_path / "feats.ark").open("wb") as handle:
        offset = write_matrix(handle, "utt", made, "16bit")
    kept = kaldiio.load_mat(f"{tmp_path}/feats.ark:{offset}")
    assert np.array_equal(samples_of(kept), made.reshape(-1) / np.float32(32768))
    assert (tmp_path / "feats.ark").stat().st_size < 2 * made.size + 100
    with pytest.raises(DataError, match="^x.wav: shorter than 10 ms$"):
        Waveform()([one[:159]], ["x.wav"])


def test_output_is_that_of_the_features_and_of_each_utterance_alone(directory: Path) -> None:
    frontend = Frontend(model=str(directory), tune="nothing").eval()
    make = open_pretrained(FeatureOptions(kind="pretrained", model=str(directory), stride=1))
    utts = [rows(1.0), rows(0.63, seed=1)]
    found, lengths = frontend(*batch(*utts))
    for utt, frames, length in zip(utts, found, lengths.tolist(), strict=True):
        (expected,) = make([samples(utt)], "x")
        assert expected.shape == (length, SIZE) == (length, frontend.output_size())
        assert np.abs(frames[:length].numpy() - expected).max() < 2e-3


def test_padded_whisper_hears_what_transformers_prepares(whisper: Path) -> None:
    network = transformers.WhisperModel.from_pretrained(whisper).encoder.eval()
    processor = transformers.WhisperFeatureExtractor.from_pretrained(whisper)
    utts = [rows(1.0), rows(0.63, seed=1)]
    inputs = processor([samples(utt) for utt in utts], sampling_rate=16000, return_tensors="pt").input_features
    frontend = Frontend(model=str(whisper), tune="nothing", padded=True).eval()
    with torch.no_grad():
        expected = network(inputs).last_hidden_state.numpy()
        found, lengths = frontend(*batch(*utts))
    for k, length in enumerate(lengths.tolist()):
        assert length == len(utts[k]) // 2
        assert np.abs(found[k, :length].numpy() - cmvn(expected[k, :length])).max() < 1e-3


@pytest.mark.parametrize("tune", ["nothing", "lora", "top", "all"])
def test_what_learns_is_what_is_kept(directory: Path, tune: str) -> None:
    conf = {"model": str(directory), "tune": tune}
    frontend = Frontend(**conf).train()
    names = {name for name, value in frontend.named_parameters() if value.requires_grad}
    state = frontend.state_dict()
    assert {name for name in state if name in dict(frontend.named_parameters())} == names
    if tune == "nothing":
        assert not names and not frontend.network.training
        return
    out, lengths = frontend(*batch(rows(1.0), rows(0.63, seed=1)))
    assert frontend.network.training
    target = torch.randn(out.shape, generator=torch.Generator().manual_seed(1))
    (out * target).sum().backward()
    for name, value in frontend.named_parameters():
        assert (value.grad is not None) == (name in names), name
        # Of LoRA the second factor is 0 at first, so that the first one has no gradient yet.
        assert name not in names or "lora_A" in name or "k_proj.bias" in name or value.grad.abs().max() > 0, name
    layers = {"lora": LAYERS, "top": 2, "all": LAYERS}[tune]
    if directory.name.startswith("whisper"):
        assert len({name.split("layers.")[1].split(".")[0] for name in names if "layers." in name}) == layers
    other = Frontend(**conf)
    with torch.no_grad():
        for value in frontend.parameters():
            value.add_(value.requires_grad * 0.01)
    other.load_state_dict(frontend.state_dict(), strict=True)
    assert torch.equal(other.eval()(*batch(rows(0.5)))[0], frontend.eval()(*batch(rows(0.5)))[0])
    missing = {name: value for name, value in state.items() if name != sorted(names)[0]}
    with pytest.raises(RuntimeError, match="Missing key"):
        other.load_state_dict(missing, strict=True)


def test_long_utterances_go_through_in_windows(whisper: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(windows, "CONTEXT", 25)
    frontend = Frontend(model=str(whisper), tune="nothing").eval()
    long, short = rows(5.0), rows(1.0, seed=1)
    found, lengths = frontend(*batch(long, short))
    assert lengths.tolist() == [250, 50]
    make = open_pretrained(FeatureOptions(kind="pretrained", model=str(whisper), stride=1))
    assert np.abs(found[0].numpy() - make([samples(long)], "x")[0]).max() < 2e-3
    assert np.abs(found[1, :50].numpy() - make([samples(short)], "x")[0]).max() < 2e-3


def world(root: Path, directory: Path, **changes: Any) -> tuple[Any, Path]:
    """Waveforms of the toy's target sets, an experiment with a pretrained encoder that learns, and its dump."""
    if not (root / "dump").exists():
        toy.make_dump(root)
        names = ("tgt_train", "tgt_dev")
        write_audio(root, {name: read_table(root / "dump/fbank" / name / "text") for name in names})
        for name in names:
            dump_fbank(root / "data" / name, root / "dump/fbank" / name, extractor=Waveform(), compression="16bit")
    model = {**toy.CONFIG["model"], "frontend": "pretrained", "frontend_conf": {"model": str(directory), "rank": 2},
             "encoder": "s2t_blstm", "encoder_conf": {"output_size": 16, "num_layers": 0, "conv_layers": 1,
                                                      "conv_channels": 16}}
    phase = {**toy.PHASE, "batch_frames": 300, "epochs": 1, "specaug": True}
    systems = {"first": {"task": "asr", "data": "tgt_train", "text": "sw"},
               "second": {"task": "asr", "data": "tgt_train", "text": "sw", "init": {"from": "first"}}}
    experiment, path = toy.make_experiment(root, **{
        "model": model, "features": {"kind": "waveform"}, "systems": systems, "compare": [["second", "first"]],
        "train": {**toy.CONFIG["train"], "target": [{**phase, "freeze": ["frontend"]}, phase]}, **changes})
    make_vocabs(experiment, root / "dump")
    return experiment, path


def test_a_system_is_trained_transferred_exported_and_decoded(whisper: Path, tmp_path: Path,
                                                              capsys: pytest.CaptureFixture[str]) -> None:
    directory = shutil.copytree(whisper, tmp_path / "whisper")
    experiment, config = world(tmp_path, directory)
    dump, exp = tmp_path / "dump", tmp_path / "exp"
    for name in ("first", "second"):
        fit_system(experiment, experiment.systems[name], 1, dump, exp)
    first, second = (system_dir(exp, name, 1) for name in ("first", "second"))
    state = load_state(second / "model.pth")
    learnt = {name for name in state if name.startswith("frontend.")}
    assert learnt and all(".lora_" in name for name in learnt)
    assert sum(state[name].abs().sum() for name in learnt if "lora_B" in name) > 0  # it was 0
    report = read_json(second / "transfer.json")
    assert report["share"] == 1.0 and learnt <= {tensor["name"] for tensor in report["tensors"]}
    settings = yaml.safe_load((second / "config.yaml").read_text(encoding="utf-8"))
    assert settings["optim_conf"]["lr"] == 1e-2 and settings["scheduler_conf"]["max_lr"] == [1e-2, 1e-3]
    assert settings["specaug_conf"]["freq_mask_width_range"] == [0, 6]

    loaded = load_model(second)
    plain = encoders.open_encoder("whisper", str(directory), [LAYERS]).network.state_dict()
    network = loaded.model.frontend.network
    base = {name.replace("base_layer.", ""): value for name, value in network.state_dict().items()}
    assert all(torch.equal(base[name], value) for name, value in plain.items())
    scp = dump / "fbank/tgt_dev/feats.scp"
    report = decode_dataset(loaded.model, loaded.tokens, loaded.tokenizer, scp, tmp_path / "one",
                            experiment.decoded["second"].options)
    assert report["utterances"] == 6
    (tmp_path / "exported").mkdir()
    write_model(second, tmp_path / "exported")
    directory.rename(tmp_path / "moved")
    with pytest.raises(DataError, match=f"^{directory}: no such directory"):
        load_model(second)
    moved = load_model(tmp_path / "exported")
    decode_dataset(moved.model, moved.tokens, moved.tokenizer, scp, tmp_path / "two",
                   experiment.decoded["second"].options)
    assert read_table(tmp_path / "two/logprob") == read_table(tmp_path / "one/logprob")

    other = save_model("hubert", directory)
    again, _ = world(tmp_path, other)
    with pytest.raises(TransferError, match=f"{first}: its encoder begins with {directory}.*does not fit"):
        fit_system(again, again.systems["second"], 1, dump, exp, force=True, allow_stale=True)
    with pytest.raises(DataError, match="config.yaml: .*not the encoder that the model was trained with"):
        load_model(first)


def test_a_killed_training_ends_as_an_unbroken_one(whisper: Path, tmp_path: Path,
                                                   monkeypatch: pytest.MonkeyPatch) -> None:
    phase = {**toy.PHASE, "batch_frames": 300, "epochs": 2, "steps": 2}
    experiment, _ = world(tmp_path, whisper, train={**toy.CONFIG["train"], "target": [phase]})
    system, dump = experiment.systems["first"], tmp_path / "dump"
    fit_system(experiment, system, 1, dump, tmp_path / "whole")
    train, epochs = Trainer.train_one_epoch.__func__, []

    def killed(cls: Any, *args: Any, **kwargs: Any) -> Any:
        epochs.append(1)
        if len(epochs) == 2:
            raise KeyboardInterrupt
        return train(cls, *args, **kwargs)

    monkeypatch.setattr(Trainer, "train_one_epoch", classmethod(killed))
    with pytest.raises(KeyboardInterrupt):
        fit_system(experiment, system, 1, dump, tmp_path / "exp")
    monkeypatch.undo()
    again, whole = (system_dir(tmp_path / name, "first", 1) for name in ("exp", "whole"))
    kept = load_state(again / "phase1" / "1epoch.pth")
    assert all(".lora_" in name for name in kept if name.startswith("frontend."))
    fit_system(experiment, system, 1, dump, tmp_path / "exp")
    assert (again / "model.pth").read_bytes() == (whole / "model.pth").read_bytes()


def test_the_encoder_has_a_learning_rate_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    class Model(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.frontend, self.linear = torch.nn.Linear(2, 2), torch.nn.Linear(2, 2)

    class Arguments:
        optim, optim_conf = "adamw", {"lr": 0.5}
        sharded_ddp = exclude_weight_decay = False

    model = Model()
    monkeypatch.setattr(SpeechTask, "frontend_lr", 0.1)
    (optimiser,) = SpeechTask.build_optimizers(Arguments, model)
    assert [(group["lr"], group["params"][0] is part.weight) for group, part in
            zip(optimiser.param_groups, (model.linear, model.frontend), strict=True)] == [(0.5, True), (0.05, True)]
    monkeypatch.setattr(SpeechTask, "frontend_lr", None)
    (optimiser,) = SpeechTask.build_optimizers(Arguments, model)
    assert len(optimiser.param_groups) == 1


def test_features_of_another_kind_are_refused(whisper: Path, tmp_path: Path) -> None:
    frontend = Frontend(model=str(whisper))
    with pytest.raises(RuntimeError, match="hears waveforms, rows of 160 samples"):
        frontend(torch.zeros(1, 10, 80), torch.tensor([10]))


@pytest.mark.parametrize(("conf", "message"), [
    ({"layer": 9}, "model.frontend_conf.layer 9: the encoder has 4 layers"),
    ({"tune": "top", "top": 5}, "model.frontend_conf.top 5: 4 layers are in use"),
    ({"tune": "all", "rank": 3}, "rank.* is for 'tune: lora' alone"),
])
def test_what_the_encoder_does_not_have_is_named(whisper: Path, conf: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        Frontend(model=str(whisper), **conf)


def test_a_missing_package_is_named(whisper: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "peft", None)
    with pytest.raises(ConfigError, match="the packages peft and accelerate are needed.*tools/install.sh"):
        Frontend(model=str(whisper))


@pytest.mark.parametrize(("changes", "message"), [
    ({"features": {"kind": "fbank"}}, "features.kind fbank: model.frontend hears waveforms; set features"),
    ({"model": toy.CONFIG["model"]}, "features.kind waveform: waveforms are for a pretrained encoder in the model"),
    ({"model": {**toy.CONFIG["model"], "frontend": "pretrained"}}, "frontend and frontend_conf go together"),
    ({"model": {**toy.CONFIG["model"], "frontend": "s3prl"}}, "model.frontend: 's3prl' must be one of pretrained"),
    ({"train": {**toy.CONFIG["train"], "target": [{"encode_once": True, "freeze": ["encoder"]}]}},
     r"train.target\[0\].encode_once: a pretrained encoder that learns .*freeze: \[frontend, encoder\]"),
])
def test_wrong_declarations(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    model = {**toy.CONFIG["model"], "frontend": "pretrained", "frontend_conf": {"model": "m"}}
    with pytest.raises(ConfigError, match=message):
        toy.make_experiment(tmp_path, **{"model": model, "features": {"kind": "waveform"}, **changes})


def test_the_command_writes_waveforms(tmp_path: Path, whisper: Path) -> None:
    _, config = world(tmp_path, whisper)
    shutil.rmtree(tmp_path / "dump/fbank/tgt_dev")
    cli.main(["--config", str(config), "--data", str(tmp_path / "data"), "--out", str(tmp_path / "dump/fbank"),
              "--sets", "tgt_dev", "--nj", "1"])
    (utt, shape), *_ = read_table(tmp_path / "dump/fbank/tgt_dev/speech_shape").items()
    found = kaldiio.load_scp(str(tmp_path / "dump/fbank/tgt_dev/feats.scp"))[utt]
    audio, _ = soundfile.read(tmp_path / "wav" / f"{utt}.wav", dtype="float32")
    assert shape == f"{len(found)},160" and np.array_equal(samples_of(found), audio[:found.size])
