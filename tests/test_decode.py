"""Decoding a data set, from a model directory to tables."""

from __future__ import annotations

import json
import logging
from dataclasses import replace
from pathlib import Path

import kaldiio
import numpy as np
import pytest
import torch
import yaml
from untrained import MODEL, make_lm, make_model, make_vocab

from stxfer.bin import decode as decode_cli
from stxfer.core.errors import ConfigError, DataError, StxferError
from stxfer.core.fileio import read_json, sha256
from stxfer.core.stage import Stage
from stxfer.decoding.decode import Decoded, batches, decode_batch, decode_dataset
from stxfer.decoding.systems import Job, decode_job
from stxfer.experiment.config import load_experiment
from stxfer.experiment.training import Decoding
from stxfer.kaldi.table import read_table, write_table
from stxfer.model.build import build_model
from stxfer.model.load import load_model

LENGTHS = {"utt-b": 120, "utt-a": 64, "utt-d": 200, "utt-c": 65}
CONFIG = {
    "name": "test", "languages": {"source": "en", "target": "sw"}, "seeds": [1], "compare": [], "model": {}, "mt": {},
    "vocab": {"source": {}, "target": {}}, "labels": {}, "train": {},
    "systems": {name: {"task": "asr", "data": "tgt_train", "text": "sw"}
                for name in ("scratch", "broken", "untrained")},
    "decode": {"target": {"beam_size": 3, "ctc_weight": 0.3}},
}
LMS = ("rnn", "other", "absent")
VARIANTS = {"lm": {name: {"text": ["tgt_train"]} for name in LMS},
            "variants": {name: {"target": {"lm": name, "lm_weight": 0.8}} for name in LMS}}


def make_set(directory: Path) -> None:
    directory.mkdir(parents=True)
    rng = np.random.default_rng(5)
    with kaldiio.WriteHelper(f"ark,scp:{directory}/feats.1.ark,{directory}/feats.scp") as writer:
        for utt, n_frames in LENGTHS.items():
            writer(utt, rng.standard_normal((n_frames, 80)).astype(np.float32))
    write_table(directory / "utt2num_frames", {utt: str(n) for utt, n in LENGTHS.items()})
    (directory / "feats.sha256").write_text(f"{sha256(directory / 'feats.1.ark')}  feats.1.ark\n")
    Stage("features", directory).finish([directory / name for name in ("feats.scp", "feats.sha256", "utt2num_frames")])


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with ``dump`` and ``exp`` as stages 3 to 9 leave them."""
    root = tmp_path_factory.mktemp("world")
    tokens = make_vocab(root / "vocab")
    make_set(root / "dump/fbank/tgt_test")
    make_model(root / "exp/scratch/seed1", root / "vocab", tokens)
    make_model(root / "exp/broken/seed1", root / "vocab", tokens)
    (root / "exp/broken/seed1/model.pth").write_bytes(b"half a mod")
    Stage("training", root / "exp/broken/seed1").finish([root / "exp/broken/seed1/model.pth"])
    (root / "config.yaml").write_text(yaml.safe_dump(CONFIG))
    (root / "variants.yaml").write_text(yaml.safe_dump(CONFIG | VARIANTS))
    make_model(root / "exp/no_ctc", root / "vocab", tokens, ctc_weight=0.0)
    make_model(root / "exp/only_ctc", root / "vocab", tokens, ctc_weight=1.0)
    for kind, name in (("seq_rnn", "rnn"), ("transformer", "transformer")):
        make_lm(root / "exp/lm" / name, root / "vocab", tokens, kind)
    make_lm(root / "exp/lm/other", root / "vocab", tokens[::-1])
    return root


def decode_world(world: Path, model: str, out: Path, **options) -> dict[str, str]:
    loaded = load_model(world / "exp" / model)
    lm = load_model(world / "exp/lm" / options["lm"]).model.lm if "lm" in options else None
    decode_dataset(loaded.model, loaded.tokens, loaded.tokenizer, world / "dump/fbank/tgt_test/feats.scp", out,
                   Decoding(**options), lm=lm)
    return read_table(out / "text")


@pytest.mark.parametrize("model, options, same", [
    ("scratch/seed1", {"ctc_weight": 0.3}, {}),
    ("scratch/seed1", {"ctc_weight": 0.4, "maxlenratio": 0.2, "length_bonus": 0.5}, {}),
    ("no_ctc", {"ctc_weight": 0.3, "maxlenratio": -9.0}, {"ctc_weight": 0.0}),
    ("only_ctc", {"ctc_weight": 0.3}, {"ctc_weight": 1.0}),
    ("scratch/seed1", {"ctc_weight": 0.3, "lm": "rnn", "lm_weight": 0.7}, {}),
    ("scratch/seed1", {"ctc_weight": 0.5, "lm": "transformer", "lm_weight": 0.5, "length_bonus": 0.4}, {}),
    ("no_ctc", {"ctc_weight": 0.3, "maxlenratio": -9.0, "minlenratio": -3.0, "lm": "rnn", "lm_weight": 0.4},
     {"ctc_weight": 0.0}),
    ("only_ctc", {"ctc_weight": 0.3, "lm": "transformer", "lm_weight": 0.6}, {"ctc_weight": 1.0}),
])
def test_texts_are_those_of_speech2text(world, tmp_path, model, options, same):
    from espnet2.bin.asr_inference import Speech2Text

    texts = decode_world(world, model, tmp_path / "out", beam_size=4, batch_frames=300, **options)
    options = {**options, **same}
    if lm := options.pop("lm", None):
        options |= {"lm_train_config": world / "exp/lm" / lm / "config.yaml",
                    "lm_file": world / "exp/lm" / lm / "model.pth"}
    recogniser = Speech2Text(asr_train_config=world / "exp" / model / "config.yaml",
                             asr_model_file=world / "exp" / model / "model.pth", beam_size=4,
                             penalty=options.pop("length_bonus", 0.0), **options)
    tokens, scores = read_table(tmp_path / "out/token"), read_table(tmp_path / "out/logprob")
    for utt, path in read_table(world / "dump/fbank/tgt_test/feats.scp").items():
        text, pieces, _, hypothesis = recogniser(kaldiio.load_mat(path))[0]
        pieces = [piece for piece in pieces if piece != "<sos/eos>"]  # ESPnet's last, where the length limit ends it
        assert tokens[utt].split() == pieces
        words = [piece for piece in pieces if piece != "<unk>"]  # which ESPnet writes as a word, ⁇
        assert texts[utt] == " ".join(recogniser.tokenizer.tokens2text(words).split())
        if len(words) == len(pieces):
            assert texts[utt] == " ".join(text.replace("<sos/eos>", "").split())
        assert float(scores[utt]) == pytest.approx(float(hypothesis.score), abs=1e-3)
    assert any(texts.values()) and not any("⁇" in text or "<unk>" in text for text in texts.values())
    counted = json.loads((tmp_path / "out/decode.json").read_text("utf-8"))["unknown"]
    assert counted == sum("<unk>" in pieces.split() for pieces in tokens.values())


def test_result_does_not_depend_on_batches(world, tmp_path):
    first = decode_world(world, "scratch/seed1", tmp_path / "one", batch_frames=1)
    assert list(first) == sorted(LENGTHS)
    assert any(first.values())
    decode_world(world, "scratch/seed1", tmp_path / "all", batch_frames=10**6)
    for name in ("text", "token", "logprob"):
        assert (tmp_path / "one" / name).read_text() == (tmp_path / "all" / name).read_text()


def test_loops_and_cut_hypotheses_are_listed(world, tmp_path, caplog):
    """Untrained models write at random; one token in place of all makes them loop, few allowed tokens cut them."""
    with caplog.at_level(logging.WARNING):
        decode_world(world, "scratch/seed1", tmp_path / "cut", maxlenratio=-1.0)
    found, tokens = read_table(tmp_path / "cut/loops"), read_table(tmp_path / "cut/token")
    assert found == {utt: "length limit: 1 tokens" for utt, pieces in tokens.items() if pieces} != {}
    assert read_json(tmp_path / "cut/decode.json")["loops"] == len(found)
    assert f"{len(found)} of 4 hypotheses loop or reach the length limit (see {tmp_path / 'cut/loops'})" in caplog.text
    loaded = load_model(world / "exp/no_ctc")
    piece = next(i for i, token in enumerate(loaded.tokens) if token.startswith("▁") and len(token) > 1)
    with torch.no_grad():  # one piece always wins, and the end comes when there is nothing else to write
        loaded.model.decoder.output_layer.weight.zero_()
        loaded.model.decoder.output_layer.bias.zero_()
        loaded.model.decoder.output_layer.bias[piece] = 9.0
    report = decode_dataset(loaded.model, loaded.tokens, loaded.tokenizer, world / "dump/fbank/tgt_test/feats.scp",
                            tmp_path / "looped", Decoding(beam_size=1, ctc_weight=0.0, maxlenratio=-6.0))
    word = loaded.tokens[piece].removeprefix("▁")
    assert read_table(tmp_path / "looped/loops") == dict.fromkeys(LENGTHS, f"6 times '{word}'")
    assert (report["loops"], report["empty"]) == (4, 0)


def test_a_finished_hypothesis_was_not_cut(world, tmp_path):
    decode_world(world, "scratch/seed1", tmp_path / "out", maxlenratio=0.0)
    lengths = {utt: len(pieces.split()) for utt, pieces in read_table(tmp_path / "out/token").items()}
    cut = {utt for utt, why in read_table(tmp_path / "out/loops").items() if why.startswith("length limit")}
    loaded = load_model(world / "exp/scratch/seed1")
    for utt, path in read_table(world / "dump/fbank/tgt_test/feats.scp").items():
        speech = torch.tensor(kaldiio.load_mat(path))[None]
        frames = int(loaded.model.encode(speech, torch.tensor([speech.size(1)]))[1])
        assert (utt in cut) == (lengths[utt] >= frames)


def test_batches_are_bounded_and_complete():
    frames = {f"u{i}": 10 + 7 * i % 40 for i in range(30)}
    made = list(batches(frames, 100))
    assert sorted(utt for batch in made for utt in batch) == sorted(frames)
    assert all(max(frames[utt] for utt in batch) * len(batch) <= 100 for batch in made)
    assert list(batches({"long": 500, "short": 5}, 100)) == [["long"], ["short"]]


def test_utterance_too_short_for_the_encoder_is_empty(world, caplog):
    config = {**MODEL, "encoder": "transformer", "token_list": load_model(world / "exp/no_ctc").tokens,
              "encoder_conf": {"output_size": 16, "attention_heads": 2, "linear_units": 16, "num_blocks": 1}}
    features = {"short": np.zeros((3, 80), np.float32), "long": np.ones((60, 80), np.float32)}
    with caplog.at_level(logging.WARNING):
        results = decode_batch(build_model("asr", config).eval(), features,
                               Decoding(maxlenratio=-4.0, minlenratio=-3.0))
    assert results[0] == Decoded([], 0.0)
    assert results[1].tokens
    assert "'short'" in caplog.text


def broken_set(world: Path, directory: Path, **tables: str) -> Path:
    directory.mkdir()
    source = world / "dump/fbank/tgt_test"
    for name in ("feats.scp", "utt2num_frames"):
        (directory / name).write_text(tables.get(name.partition(".")[0], (source / name).read_text()))
    return directory / "feats.scp"


@pytest.mark.parametrize("tables, message", [
    ({"feats": "utt-a nowhere.ark:7\n"}, "cannot read utterance 'utt-a' from nowhere.ark:7"),
    ({"utt2num_frames": "utt-a 64\n"}, "utterance 'utt-b' of feats.scp is not in it"),
    ({"utt2num_frames": "utt-a x\nutt-b 1\nutt-c 1\nutt-d 1\n"}, "frames must be whole numbers"),
])
def test_broken_tables_are_named(world, tmp_path, tables, message):
    loaded = load_model(world / "exp/no_ctc")
    with pytest.raises(DataError, match=message):
        decode_dataset(loaded.model, loaded.tokens, loaded.tokenizer, broken_set(world, tmp_path / "set", **tables),
                       tmp_path / "out", Decoding())
    assert not (tmp_path / "out").exists()


def test_features_that_do_not_fit_the_model_are_named(world):
    model = load_model(world / "exp/no_ctc").model
    with pytest.raises(DataError, match="'narrow': 30 x 40 features do not fit the model"):
        decode_batch(model, {"narrow": np.zeros((30, 40), np.float32)}, Decoding())


def command(world: Path, *more: str, config: str = "config.yaml") -> list[str]:
    return ["--config", str(world / config), "--dump", str(world / "dump"), "--exp", str(world / "exp"), *more]


def test_command_decodes_once(world, tmp_path, capsys, caplog):
    with caplog.at_level(logging.INFO):
        decode_cli.main(command(world, "--systems", "scratch"))
    assert capsys.readouterr().out == "decoded now: scratch seed 1 tgt_test\n"
    assert "decode scratch seed 1 tgt_test: 4/4 utterances" in caplog.text
    out = world / "exp/scratch/seed1/decode/tgt_test"
    assert read_table(out / "text") == decode_world(world, "scratch/seed1", tmp_path / "out", beam_size=3)
    assert read_json(out / "decode.json")["utterances"] == len(LENGTHS)
    before, contents = (out / ".stage.json").stat().st_mtime_ns, files(out)
    decode_cli.main(command(world, "--systems", "scratch"))
    assert capsys.readouterr().out == "decoded now: nothing, all is up to date\n"
    assert (out / ".stage.json").stat().st_mtime_ns == before
    decode_cli.main(command(world, "--systems", "scratch", "--force"))
    assert (out / ".stage.json").stat().st_mtime_ns != before and files(out) == contents, "however long it took"


def files(directory: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in directory.iterdir()
            if path.name not in ("decode.log", ".digests.json")}


def test_a_variant_is_decoded_beside_the_usual_way(world, tmp_path, capsys):
    decode_cli.main(command(world, "--systems", "scratch+rnn", config="variants.yaml"))
    assert capsys.readouterr().out == "decoded now: scratch+rnn seed 1 tgt_test\n"
    out = world / "exp/scratch/seed1/decode/tgt_test+rnn"
    options = {"beam_size": 3, "ctc_weight": 0.3}
    assert read_table(out / "text") == decode_world(world, "scratch/seed1", tmp_path / "a", lm="rnn", lm_weight=0.8,
                                                    **options)
    assert read_table(out / "text") != decode_world(world, "scratch/seed1", tmp_path / "b", **options)
    assert read_json(out / "decode.json")["options"]["lm"] == "rnn"
    decode_cli.main(command(world, "--systems", "scratch+rnn", config="variants.yaml"))
    assert capsys.readouterr().out == "decoded now: nothing, all is up to date\n"
    make_lm(world / "exp/lm/newer", world / "vocab", load_model(world / "exp/no_ctc").tokens, "transformer")
    for name in (".stage.json", "model.pth"):
        (world / "exp/lm/newer" / name).replace(world / "exp/lm/rnn" / name)
    experiment = load_experiment(world / "variants.yaml")
    job = Job(experiment, experiment.decoded["scratch+rnn"], 1, world / "dump", world / "exp")
    assert job.stage.changes() == [f"input {world / 'exp/lm/rnn'}"]


def test_a_language_model_of_another_vocabulary_is_refused(world):
    experiment = load_experiment(world / "variants.yaml")
    with pytest.raises(ConfigError, match="exp/lm/other: its vocabulary is not that of .*scratch/seed1"):
        decode_job(Job(experiment, experiment.decoded["scratch+other"], 1, world / "dump", world / "exp"))
    with pytest.raises(ConfigError, match=r"scratch\+absent is decoded with language model absent, which is not"):
        decode_cli.main(command(world, "--systems", "scratch+absent", config="variants.yaml"))


def test_command_shows_why_a_job_failed(world, tmp_path, monkeypatch, caplog):
    python = tmp_path / "python"
    python.write_text("#!/bin/sh\n"
                      "echo '12:00:00 decode broken seed 1 tgt_test: loading the model'\n"
                      "echo 'Traceback: something odd'\necho 'OSError: model.pth: not readable' >&2\nexit 1\n")
    python.chmod(0o755)
    monkeypatch.setattr("sys.executable", str(python))
    with caplog.at_level(logging.INFO), pytest.raises(StxferError, match="failed .exit status 1.: OSError: model.pth"):
        decode_cli.main(command(world, "--systems", "broken", "--nj", "1"))
    assert [record.message for record in caplog.records][1:] == [
        "decode broken seed 1 tgt_test: loading the model",
        "decode broken seed 1 tgt_test | 12:00:00 decode broken seed 1 tgt_test: loading the model",
        "decode broken seed 1 tgt_test | Traceback: something odd"]


def test_broken_model_leaves_no_marker(world):
    experiment = load_experiment(world / "config.yaml")
    job = Job(experiment, experiment.decoded["broken"], 1, world / "dump", world / "exp")
    with pytest.raises(StxferError, match="model.pth"):
        decode_job(job)
    assert job.stage.changes() is None


def test_changed_options_decode_again(world):
    experiment = load_experiment(world / "config.yaml")
    job = Job(experiment, experiment.decoded["scratch"], 1, world / "dump", world / "exp")

    def changed(**options) -> Job:
        return replace(job, decoded=replace(job.decoded, options=replace(job.decoded.options, **options)))

    decode_job(job)
    assert not job.stage.needed()
    assert not changed(batch_frames=77).stage.needed()  # decides the speed alone
    assert changed(beam_size=4).stage.needed()


def test_st_without_reference_is_not_decoded(world, tmp_path, capsys, caplog):
    st = {"task": "st", "data": "src_train", "text": "sw.human"}
    (tmp_path / "st.yaml").write_text(yaml.safe_dump(CONFIG | {"systems": {"st_human": st}}))
    write_table(tmp_path / "dump/fbank/src_test/text", {"utt-a": "hello"})
    options = ["--config", str(tmp_path / "st.yaml"), "--dump", str(tmp_path / "dump"), "--exp", str(tmp_path / "exp")]
    with caplog.at_level(logging.INFO):
        decode_cli.main(options)
    assert capsys.readouterr().out == "decoded now: nothing, all is up to date\n"
    (line,) = caplog.messages
    assert line.startswith("st_human: skipped") and "has no text.sw.human to score translations against" in line
    write_table(tmp_path / "dump/fbank/src_test/text.sw.human", {"utt-a": "habari"})
    with pytest.raises(ConfigError, match="st_human seed 1 is not trained"):
        decode_cli.main(options)


@pytest.mark.parametrize("more, message", [
    (["--systems", "untrained"], "untrained seed 1 is not trained"),
    (["--systems", "scratch", "--seeds", "7"], "scratch seed 7 is not trained"),
    (["--systems", "missing"], "unknown system 'missing'"),
])
def test_command_refuses_what_is_not_there(world, more, message):
    with pytest.raises(ConfigError, match=message):
        decode_cli.main(command(world, *more))


def test_a_set_is_named_for_one_job_alone(world, capsys):
    with pytest.raises(SystemExit):
        decode_cli.main(command(world, "--set", "src_dev"))
    assert "--set belongs to --job" in capsys.readouterr().err
