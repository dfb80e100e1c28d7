"""Features of pretrained encoders: transformers' own, in windows, dumped, trained on and decoded; bad models."""

from __future__ import annotations

import os
import pickle
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

os.environ["HF_HUB_OFFLINE"] = "1"  # before transformers

import kaldiio
import numpy as np
import pytest
import soundfile
import torch
import toy
import transformers
import yaml
from speech_models import LAYERS, MODELS, SIZE, save_model, speech, write_audio

from stxfer.audio import pretrained, windows
from stxfer.audio.dump import dump_fbank
from stxfer.audio.fbank import cmvn
from stxfer.audio.pretrained import PretrainedFeatures, open_pretrained
from stxfer.bin import dump_fbank as cli
from stxfer.core.errors import ConfigError, DataError, StaleError, StxferError
from stxfer.core.fileio import read_json, write_json
from stxfer.decoding.decode import decode_dataset
from stxfer.experiment.features import FeatureOptions
from stxfer.experiment.layout import system_dir
from stxfer.kaldi.datadir import DataDir, write_datadir
from stxfer.kaldi.table import read_table
from stxfer.model.build import build_model
from stxfer.model.load import load_model
from stxfer.model.weighted_sum import layer_weights
from stxfer.prepare.vocab import make_vocabs
from stxfer.training.espnet_config import model_config
from stxfer.training.fit_system import fit_system
from stxfer.training.launch import train_systems
from stxfer.training.spec import Text


@pytest.fixture(scope="module", params=[family for family in MODELS if family != "whisper"])
def model(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_model(request.param, tmp_path_factory.mktemp(request.param))


@pytest.fixture(scope="module")
def whisper(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_model("whisper", tmp_path_factory.mktemp("whisper"))


@pytest.fixture(scope="module")
def wav2vec2(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_model("wav2vec2", tmp_path_factory.mktemp("xls-r"))


def extractor(directory: Path, **options: Any) -> PretrainedFeatures:
    return open_pretrained(FeatureOptions(kind="pretrained", model=str(directory), **options))


def hear(make: PretrainedFeatures, samples: np.ndarray, name: str = "x") -> np.ndarray:
    """The features of one utterance."""
    (found,) = make([samples], [name])
    return found


def states(directory: Path, samples: list[np.ndarray], layer: int) -> np.ndarray:
    """What transformers computes by itself for a padded batch, (B, T, D)."""
    network = transformers.AutoModel.from_pretrained(directory).eval()
    batch = transformers.AutoFeatureExtractor.from_pretrained(directory)(
        samples, sampling_rate=16000, padding=True, return_tensors="pt")
    with torch.no_grad():
        return network(**batch, output_hidden_states=True).hidden_states[layer].numpy()


@pytest.mark.parametrize("layer", [2, LAYERS])
def test_features_are_transformers_own(model: Path, layer: int) -> None:
    # Of a batch where the model was trained with masks.
    samples = [speech(1.0), speech(0.63, seed=1)]
    masked = transformers.AutoFeatureExtractor.from_pretrained(model).return_attention_mask
    for k, one in enumerate(samples):
        found = hear(extractor(model, layer=layer, stride=1), one)
        whole = states(model, samples, layer)[k] if masked else states(model, [one], layer)[0]
        frames = (1 + (len(one) - 400) // 160) // 2 if model.name.startswith("wav2vec2-bert") \
            else 1 + (len(one) - 400) // 320
        assert found.dtype == np.float32 and found.shape == (frames, SIZE)
        assert np.abs(found - cmvn(whole[:len(found)])).max() < 1e-3
        assert found.std() > 0.9


def test_layer_and_pairs_of_frames(wav2vec2: Path) -> None:
    default = extractor(wav2vec2)
    assert (default.layers, default.stride, default.size) == ((3,), 2, SIZE)  # three quarters of the way up
    one = speech(1.0)
    whole = states(wav2vec2, [one], 3)[0]
    assert len(whole) == 49
    paired = [whole[k:k + 2].mean(axis=0) for k in range(0, 49, 2)]
    assert np.abs(hear(default, one) - cmvn(np.array(paired))).max() < 1e-3
    assert len(hear(default, speech(400 / 16000))) == 1
    with pytest.raises(DataError, match="^x.wav: shorter than one frame of the encoder, 25 ms$"):
        hear(default, speech(399 / 16000), "x.wav")


def whisper_states(directory: Path, samples: np.ndarray) -> list[np.ndarray]:
    """What transformers computes of a window of 2 s that is filled with silence; of each layer (100, D)."""
    network = transformers.WhisperModel.from_pretrained(directory).encoder.eval()
    inputs = transformers.WhisperFeatureExtractor.from_pretrained(directory)(
        samples, sampling_rate=16000, return_tensors="pt").input_features
    with torch.no_grad():
        return [hidden[0].numpy() for hidden in network(inputs, output_hidden_states=True).hidden_states]


@pytest.mark.parametrize("seconds", [1.0, 0.631, 1.9])
def test_padded_whisper_is_transformers_own(whisper: Path, seconds: float) -> None:
    one = speech(seconds)
    whole = whisper_states(whisper, one)
    for layer in (2, LAYERS):  # the last one with the normalisation behind it
        found = hear(extractor(whisper, layer=layer, stride=1, padded=True), one)
        assert found.shape == (len(one) // 320, SIZE)
        assert np.abs(found - cmvn(whole[layer][:len(found)])).max() < 1e-3


def test_whisper_without_silence(whisper: Path) -> None:
    make, make_padded = extractor(whisper, stride=1), extractor(whisper, stride=1, padded=True)
    assert make.layers == (LAYERS,)
    assert np.abs(hear(make, speech(2.0)) - hear(make_padded, speech(2.0))).max() < 0.01
    short, padded = hear(make, speech(1.0)), hear(make_padded, speech(1.0))
    assert short.shape == padded.shape == (50, SIZE)
    assert 0 < np.abs(short - padded).mean() < 0.5  # attention to the silence is all that differs
    assert len(hear(make, speech(320 / 16000))) == 1
    with pytest.raises(DataError, match="^x.wav: shorter than one frame of the encoder, 20 ms$"):
        hear(make, speech(319 / 16000), "x.wav")


def test_whisper_gives_each_layer(whisper: Path) -> None:
    one = speech(2.0)
    for layer, hidden in enumerate(whisper_states(whisper, one)):
        if layer:
            assert np.abs(hear(extractor(whisper, layer=layer, stride=1), one) - cmvn(hidden)).max() < 1e-3


@pytest.mark.parametrize(("family", "padded"), [("wav2vec2", False), ("wav2vec2-bert", False), ("whisper", False),
                                                ("whisper", True)])
def test_long_utterances_go_through_in_windows(family: str, padded: bool, tmp_path: Path,
                                               monkeypatch: pytest.MonkeyPatch) -> None:
    make = extractor(save_model(family, tmp_path), stride=1, padded=padded)
    one = speech(5.0)
    encoder = pretrained._encoder(make)
    if family != "whisper":
        whole = hear(make, one)
        monkeypatch.setattr(encoder, "window", len(whole))
        assert np.array_equal(hear(make, one), whole)
        monkeypatch.setattr(encoder, "window", 100)
    frames = 250 if family == "whisper" else len(whole)
    seen = []
    hidden = encoder.hidden
    monkeypatch.setattr(encoder, "hidden", lambda *args: seen.extend(hidden(*args)) or seen[-1:])
    monkeypatch.setattr(windows, "CONTEXT", 25)
    found = hear(make, one)
    assert sorted(len(part) for part in seen) == sorted([75, 100, 100, 100, frames - 175])
    assert found.shape == (frames, SIZE)
    if family != "whisper":  # that has no positions for more than a window
        # Beyond a window reaches attention alone, and that of random weights is nearly even.
        assert np.abs(found - whole).mean() < 0.1
        assert np.abs(found[3:] - whole[:-3]).mean() > 0.3  # of frames that are not the same


@pytest.mark.parametrize(("family", "padded"), [*((family, False) for family in MODELS), ("whisper", True)])
def test_batches_give_what_single_utterances_give(family: str, padded: bool, tmp_path: Path) -> None:
    make = extractor(save_model(family, tmp_path), stride=1, padded=padded)
    utterances = [speech(seconds, seed) for seed, seconds in enumerate([0.63, 1.9, 0.645, 0.63, 1.5])]
    alone = [hear(make, one) for one in utterances]
    encoder = pretrained._encoder(make)
    assert make.at_once == encoder.limit == 0  # on a CPU
    sizes = []
    hidden = encoder.hidden
    encoder.limit, encoder.hidden = 400, lambda part: sizes.append(len(part)) or hidden(part)
    assert make.at_once == 8.0
    together = make(utterances, list("abcde"))
    assert max(sizes) == (2 if family == "hubert" else 4) and len(sizes) < 6  # HuBERT's small models know no masks
    for one, other in zip(alone, together, strict=True):
        assert one.shape == other.shape and np.abs(one - other).max() < 2e-3
    with pytest.raises(DataError, match="^b: shorter than one frame"):
        make([speech(1.0), speech(0.01)], ["a", "b"])


def test_batches_are_halved_until_they_fit(wav2vec2: Path, caplog: pytest.LogCaptureFixture) -> None:
    make = extractor(wav2vec2)
    encoder = pretrained.open_encoder("wav2vec2", make.model, make.layers)
    utterances = [speech(1.0, seed) for seed in range(8)]
    alone = encoder(utterances)
    hidden, most = encoder.hidden, 3
    sizes = []

    def crowded(part: list[windows.Window]) -> list[np.ndarray]:
        sizes.append(len(part))
        if len(part) > most:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return hidden(part)

    encoder.hidden, encoder.limit = crowded, 49 * 8
    found = encoder(utterances)
    assert sizes == [8, 4, 2, 2, 2, 2]
    assert all(np.abs(one - other).max() < 1e-3 for one, other in zip(alone, found, strict=True))
    assert [record.getMessage() for record in caplog.records] == [
        "the GPU's memory does not hold 8 windows of up to 1.0 s at once; trying 4",
        "the GPU's memory does not hold 4 windows of up to 1.0 s at once; trying 2"]
    encoder(utterances)
    assert sizes[6:] == [2, 2, 2, 2]  # it is not tried again
    most = 0
    with pytest.raises(StxferError, match="does not fit the GPU's memory with 1.0 s of speech: .*--nj 1"):
        encoder(utterances)


def test_a_system_is_trained_and_decoded(wav2vec2: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
                                         capsys: pytest.CaptureFixture[str]) -> None:
    toy.make_dump(tmp_path)
    names = ("tgt_train", "tgt_dev")
    write_audio(tmp_path, {name: read_table(tmp_path / "dump/fbank" / name / "text") for name in names})
    model = {**toy.CONFIG["model"], "encoder_conf": {**toy.CONFIG["model"]["encoder_conf"], "conv_layers": 1}}
    phase = {**toy.PHASE, "batch_frames": 150, "epochs": 3, "specaug": True}
    experiment, config = toy.make_experiment(
        tmp_path, model=model, features={"kind": "pretrained", "model": str(wav2vec2)},
        train={**toy.CONFIG["train"], "target": [phase]})
    dump, exp = tmp_path / "dump", tmp_path / "exp"
    made = []
    call = PretrainedFeatures.__call__
    monkeypatch.setattr(PretrainedFeatures, "__call__", lambda self, *args: made.extend(args[1]) or call(self, *args))
    monkeypatch.setattr(pretrained, "MIN_SHARD", 8)
    argv = ["--config", str(config), "--data", str(tmp_path / "data"), "--out", str(dump / "fbank"), "--nj", "1"]
    cli.main(argv)
    assert "tgt_dev 6, tgt_train 20 utterances" in capsys.readouterr().out
    assert len(made) == 26
    cli.main(argv)
    assert len(made) == 26  # up to date
    train = dump / "fbank" / "tgt_train"
    options = read_json(train / ".stage.json")["options"]
    assert (options["family"], options["layer"], options["stride"], len(options["model_sha256"])) == (
        "wav2vec2", 3, 2, 64)
    assert len(list(train.glob("feats.*.ark"))) == 3
    (utt, shape), *_ = read_table(train / "speech_shape").items()
    assert kaldiio.load_scp(str(train / "feats.scp"))[utt].shape == tuple(map(int, shape.split(",")))
    assert shape.endswith(f",{SIZE}")

    make_vocabs(experiment, dump)
    fit_system(experiment, experiment.systems["scratch"], 1, dump, exp)
    trained = system_dir(exp, "scratch", 1)
    config = yaml.safe_load((trained / "config.yaml").read_text(encoding="utf-8"))
    assert config["input_size"] == SIZE and config["specaug_conf"]["freq_mask_width_range"] == [0, 6]
    epochs = read_json(trained / "model.json")["epochs"]
    assert epochs[-1]["train_loss"] < epochs[0]["train_loss"]
    loaded = load_model(trained)
    report = decode_dataset(loaded.model, loaded.tokens, loaded.tokenizer, dump / "fbank/tgt_dev/feats.scp",
                            tmp_path / "decoded", experiment.decoded["scratch"].options)
    assert report["utterances"] == len(read_table(tmp_path / "decoded" / "text")) == 6

    dump_fbank(tmp_path / "data/tgt_dev", dump / "fbank/tgt_dev")
    with pytest.raises(DataError, match=f"tgt_dev/feats.scp: features of 80 dimensions, those of .* have {SIZE}"):
        fit_system(experiment, experiment.systems["scratch"], 1, dump, exp, force=True, allow_stale=True)
    with pytest.raises(DataError, match="x 80 features do not fit the model"):
        decode_dataset(loaded.model, loaded.tokens, loaded.tokenizer, dump / "fbank/tgt_dev/feats.scp",
                       tmp_path / "decoded", experiment.decoded["scratch"].options)


def test_several_layers_lie_side_by_side(model: Path) -> None:
    one = speech(0.7)
    both = extractor(model, layer=[LAYERS, 2])
    assert both.layers == (2, LAYERS) and both.size == 2 * SIZE and both.options["layer"] == [2, LAYERS]
    single = [hear(extractor(model, layer=layer), one) for layer in both.layers]
    assert np.array_equal(hear(both, one), np.concatenate(single, axis=1))
    assert extractor(model, layer="all").layers == tuple(range(1, LAYERS + 1))


def test_every_stage_notices_another_encoder(wav2vec2: Path, tmp_path: Path) -> None:
    toy.make_dump(tmp_path)
    write_audio(tmp_path, {name: {f"{name}-1": "mbwa anaona maji"} for name in ("tgt_train", "tgt_dev")})
    directory = shutil.copytree(wav2vec2, tmp_path / "model")
    experiment, config = toy.make_experiment(tmp_path, features={"kind": "pretrained", "model": str(directory)})
    dump = tmp_path / "dump"
    cli.main(["--config", str(config), "--data", str(tmp_path / "data"), "--out", str(dump / "fbank"), "--nj", "1"])
    make_vocabs(experiment, dump)
    lose_a_parameter(directory)
    with pytest.raises(StaleError, match=rf"out of date, {directory}/model.safetensors has changed since .*'features'"):
        train_systems(experiment, config, "target", dump, tmp_path / "exp", systems=["scratch"])


def test_a_weighted_sum_of_layers_is_learnt(wav2vec2: Path, tmp_path: Path) -> None:
    toy.make_dump(tmp_path)
    names = ("tgt_train", "tgt_dev")
    write_audio(tmp_path, {name: read_table(tmp_path / "dump/fbank" / name / "text") for name in names})
    phase = {**toy.PHASE, "batch_frames": 150, "specaug": True}
    frozen = {"freeze": ["encoder"], "encode_once": True, "specaug": False}
    system = {"task": "asr", "data": "tgt_train", "text": "sw"}
    encoder = {**toy.CONFIG["model"]["encoder_conf"], "conv_layers": 1}
    experiment, config = toy.make_experiment(
        tmp_path, model={**toy.CONFIG["model"], "encoder_conf": encoder}, compare=[],
        features={"kind": "pretrained", "model": str(wav2vec2), "layer": [2, 3]},
        train={**toy.CONFIG["train"], "target": [phase], "frozen": [{**phase, **frozen}]},
        systems={"first": system, "second": {**system, "train": "frozen",
                                             "init": {"from": "first", "parts": ["encoder"]}}})
    dump, exp = tmp_path / "dump", tmp_path / "exp"
    cli.main(["--config", str(config), "--data", str(tmp_path / "data"), "--out", str(dump / "fbank"), "--nj", "1"])
    make_vocabs(experiment, dump)
    weights = []
    for name in experiment.systems:
        fit_system(experiment, experiment.systems[name], 1, dump, exp)
        weights.append(read_json(system_dir(exp, name, 1) / "model.json")["layer_weights"])
    assert weights[0].keys() == {"2", "3"} and sum(weights[0].values()) == pytest.approx(1.0, abs=1e-3)
    assert weights[0]["2"] != 0.5 and weights[1] == weights[0]  # transferred with the encoder, and frozen with it
    loaded = load_model(system_dir(exp, "second", 1))
    report = decode_dataset(loaded.model, loaded.tokens, loaded.tokenizer, dump / "fbank/tgt_dev/feats.scp",
                            tmp_path / "decoded", experiment.decoded["second"].options)
    assert report["utterances"] == 6

    other = extractor(wav2vec2, layer=[1, 3])
    dump_fbank(tmp_path / "data/tgt_dev", dump / "fbank/tgt_dev", extractor=other)
    with pytest.raises(StaleError, match=r"tgt_dev: made by other options, features.layer\[0\] \(1 -> 2\)"):
        fit_system(experiment, experiment.systems["first"], 1, dump, exp, force=True)
    with pytest.raises(DataError, match="tgt_dev: features of other layers than those of .*tgt_train"):
        fit_system(experiment, experiment.systems["first"], 1, dump, exp, force=True, allow_stale=True)


@pytest.mark.parametrize(("encoder", "options"), [
    ("s2t_transformer", {"output_size": 16, "attention_heads": 2, "num_blocks": 1}), ("berard", {"hidden_size": 8}),
    ("conformer", {"output_size": 16, "attention_heads": 2, "num_blocks": 1}),
    ("rnn", {"hidden_size": 8, "dropout": 0.0})])
def test_every_encoder_hears_the_sum(encoder: str, options: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "tokens.txt").write_text("<blank>\n<unk>\na\n<sos/eos>\n", encoding="utf-8")
    experiment, _ = toy.make_experiment(tmp_path)
    words = {"encoder": encoder, "encoder_conf": options, "decoder": "transformer", "decoder_conf": {"num_blocks": 1}}
    phase = replace(experiment.train["target"][0], specaug=True)
    layers = [4, 8]
    both = build_model("asr", model_config("asr", words, phase, 160, Text(tmp_path), layers=layers)).eval()
    assert both.specaug.freq_mask.mask_width_range == [0, 16]
    one = build_model("asr", model_config("asr", words, phase, 80, Text(tmp_path))).eval()
    one.load_state_dict({name: value for name, value in both.state_dict().items() if not name.startswith("frontend.")})
    inputs, lengths = torch.randn(2, 50, 160), torch.tensor([50, 31])
    with torch.no_grad():
        heard, _ = both.encode(inputs, lengths)
        mean, _ = one.encode((inputs[..., :80] + inputs[..., 80:]) / 2, lengths)
        assert torch.allclose(heard, mean, atol=1e-5)
        both.frontend.weighted_sum.copy_(torch.tensor([0.0, 2.0]))
        assert not torch.allclose(both.encode(inputs, lengths)[0], mean, rtol=1e-2, atol=1e-6)
    assert layer_weights(both.state_dict(), layers) == {"4": 0.1192, "8": 0.8808}


def test_other_weights_are_other_features(wav2vec2: Path, tmp_path: Path) -> None:
    first = extractor(wav2vec2)
    assert pickle.loads(pickle.dumps(first)) == first
    moved = shutil.copytree(wav2vec2, tmp_path / "moved")
    assert extractor(moved).options == first.options
    parameters = transformers.Wav2Vec2Model.from_pretrained(moved)
    with torch.no_grad():
        parameters.encoder.layers[0].feed_forward.output_dense.bias.add_(0.1)
    parameters.save_pretrained(moved)
    assert extractor(moved).options != first.options
    assert extractor(wav2vec2, layer=2).options != first.options != extractor(wav2vec2, stride=1).options


def without(*names: str) -> Callable[[Path], None]:
    return lambda directory: [(directory / name).unlink() for name in names] and None


def with_value(name: str, **values: Any) -> Callable[[Path], None]:
    return lambda directory: write_json(directory / name, {**read_json(directory / name), **values})


def truncate(directory: Path) -> None:
    path = directory / "model.safetensors"
    path.write_bytes(path.read_bytes()[:5000])


def lose_a_parameter(directory: Path) -> None:
    from safetensors.torch import load_file, save_file

    state = load_file(directory / "model.safetensors")
    del state["wav2vec2.encoder.layers.1.attention.k_proj.weight"]
    save_file(state, directory / "model.safetensors", metadata={"format": "pt"})


def pickle_code(directory: Path) -> None:
    """Replace the weights by a pickle that would run a command when it is read."""
    class Harm:
        def __reduce__(self) -> tuple[Any, ...]:
            return os.system, (f"touch {directory}/harmed",)

    (directory / "model.safetensors").unlink()
    torch.save({"x": Harm()}, directory / "pytorch_model.bin")


@pytest.mark.parametrize(("change", "error", "message"), [
    (shutil.rmtree, DataError, "no such directory; download the model first"),
    (without("config.json"), DataError, "config.json: no such file"),
    (without("model.safetensors"), DataError, "lacks model.safetensors; download the whole directory"),
    (without("preprocessor_config.json"), DataError, "lacks preprocessor_config.json"),
    (with_value("config.json", model_type="bert"), ConfigError,
     "model_type 'bert' is no speech encoder that can be used; known: wav2vec2 hubert wavlm wav2vec2-bert whisper"),
    (with_value("config.json", num_hidden_layers=None), DataError, "num_hidden_layers and .* must be whole numbers"),
    (with_value("config.json", num_hidden_layers=1), ConfigError, "features.layer 2: the encoder has 1 layers"),
    (with_value("preprocessor_config.json", sampling_rate=8000), ConfigError, "the encoder hears 8000 Hz"),
    (truncate, DataError, r"model.safetensors: not a whole file of weights \(.*\); download it again"),
    (lose_a_parameter, ConfigError, "the weights lack 1 parameters of the encoder, encoder.layers.1.attention.k_proj"),
    (pickle_code, ConfigError, "the encoder cannot be loaded: "),
    (with_value("config.json", hidden_size=64), ConfigError, "the encoder cannot be loaded: "),
])
def test_a_model_that_cannot_be_used_is_named(wav2vec2: Path, tmp_path: Path, change: Callable[[Path], None],
                                              error: type[Exception], message: str) -> None:
    directory = shutil.copytree(wav2vec2, tmp_path / "model")
    change(directory)
    with pytest.raises(error, match=f"^{directory}.*{message}"):
        hear(extractor(directory, layer=2), speech(0.5))
    assert not (directory / "harmed").exists()


def test_pickled_weights_are_read_as_numbers_alone(wav2vec2: Path, tmp_path: Path) -> None:
    from safetensors.torch import load_file

    directory = shutil.copytree(wav2vec2, tmp_path / "model")
    torch.save(load_file(directory / "model.safetensors"), directory / "pytorch_model.bin")
    (directory / "model.safetensors").unlink()
    pickled, whole = extractor(directory), extractor(wav2vec2)
    assert any(path.endswith("pytorch_model.bin") for path in pickled.files)
    assert np.array_equal(hear(pickled, speech(0.3)), hear(whole, speech(0.3)))


def test_other_rates_and_more_than_a_window(wav2vec2: Path, tmp_path: Path) -> None:
    files = {"a": (speech(1.0)[::2], 8000), "b": (np.repeat(speech(1.0), 3)[:, None].repeat(2, 1), 48000),
             "c": (speech(54.0), 16000)}
    data = DataDir(tmp_path / "data", {}, dict.fromkeys(files, "x"), {utt: utt for utt in files})
    for utt, (samples, rate) in files.items():
        data.wav_scp[utt] = str(tmp_path / f"{utt}.wav")
        soundfile.write(data.wav_scp[utt], samples, rate)
    write_datadir(data.path, data)
    dump_fbank(data.path, tmp_path / "out", extractor=extractor(wav2vec2), compression="16bit")
    frames = read_table(tmp_path / "out/utt2num_frames")
    assert frames == {"a": "25", "b": "25", "c": "1350"}  # 49 and 2699 frames, in pairs
    assert kaldiio.load_scp(str(tmp_path / "out/feats.scp"))["c"].shape == (1350, SIZE)
    soundfile.write(data.wav_scp["b"], speech(0.01), 16000)
    with pytest.raises(DataError, match="^out, utterance b: .*b.wav: shorter than one frame of the encoder, 25 ms; "
                                        "stage 'prepare'"):
        dump_fbank(data.path, tmp_path / "out", extractor=extractor(wav2vec2))


def test_a_missing_shard_of_the_weights_is_named(wav2vec2: Path, tmp_path: Path) -> None:
    network = transformers.Wav2Vec2Model.from_pretrained(wav2vec2)
    network.save_pretrained(tmp_path, max_shard_size="100KB")
    shutil.copy(wav2vec2 / "preprocessor_config.json", tmp_path)
    shards = sorted(tmp_path.glob("model-*.safetensors"))
    assert len(shards) > 1
    assert np.array_equal(hear(extractor(tmp_path), speech(0.3)), hear(extractor(wav2vec2), speech(0.3)))
    shards[1].unlink()
    with pytest.raises(DataError, match=f"lacks {shards[1].name}"):
        extractor(tmp_path)


@pytest.mark.parametrize(("features", "message"), [
    ({"kind": "mfcc"}, "features.kind: 'mfcc' must be one of fbank pretrained"),
    ({"kind": "pretrained"}, "features.model: kind pretrained needs the directory of an encoder"),
    ({"kind": "pretrained", "model": "m", "layer": -1}, "features.layer: -1 must be a layer's number, from 1, or sev"),
    ({"kind": "pretrained", "model": "m", "layer": [2, True]}, "features.layer: .* must be a layer's number, from 1"),
    ({"kind": "pretrained", "model": "m", "layer": [2, 2]}, "features.layer: .* has a layer twice"),
    ({"kind": "pretrained", "model": "m", "layer": "al"}, "features.layer: 'al' .*; did you mean 'all'"),
    ({"compression": "4bit"}, "features.compression: '4bit' must be one of 8bit 16bit none; did you mean"),
    ({"kind": "pretrained", "model": "m", "stride": 0}, "features.stride: 0 must be at least 1"),
    ({"layer": 3}, "model, layer, stride and padded are for kind pretrained alone"),
    ({"kind": "pretrained", "layers": 3}, "unknown key 'layers'"),
])
def test_wrong_options(features: dict[str, Any], message: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=message):
        toy.make_experiment(tmp_path, features=features)


def test_the_directory_of_an_environment_variable(wav2vec2: Path, tmp_path: Path,
                                                  monkeypatch: pytest.MonkeyPatch) -> None:
    """A preset names no path; a directory of its own that begins with $ is none of the environment's."""
    options = FeatureOptions(kind="pretrained", model="$STXFER_TEST_ENCODER")
    monkeypatch.delenv("STXFER_TEST_ENCODER", raising=False)
    with pytest.raises(ConfigError, match=r"features\.model: \$STXFER_TEST_ENCODER: .* is not set; give .* --encoder"):
        open_pretrained(options)
    monkeypatch.setenv("STXFER_TEST_ENCODER", str(wav2vec2))
    assert open_pretrained(options) == open_pretrained(FeatureOptions(kind="pretrained", model=str(wav2vec2)))
    assert FeatureOptions(kind="pretrained", model="models/$x").directory == Path("models/$x")


def test_masks_grow_with_the_dimension(wav2vec2: Path, tmp_path: Path) -> None:
    (tmp_path / "tokens.txt").write_text("<blank>\n", encoding="utf-8")
    experiment, _ = toy.make_experiment(tmp_path)
    phase = replace(experiment.train["target"][0], specaug=True)
    widths = {size: model_config("asr", {}, phase, size, Text(tmp_path))["specaug_conf"]["freq_mask_width_range"]
              for size in (80, 1024)}
    assert widths == {80: [0, 16], 1024: [0, 205]}
