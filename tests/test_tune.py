"""Decoding options chosen on the development set: what is tried, what is chosen, and what is never read."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from test_decode import CONFIG, make_lm, make_model, make_set, make_vocab

from stxfer.bin import decode as decode_cli
from stxfer.bin import tune_decoding as command
from stxfer.core.errors import ConfigError, DataError
from stxfer.core.fileio import read_json
from stxfer.decoding import tune as tune_module
from stxfer.decoding.decode import decode_dataset
from stxfer.decoding.systems import Job, tune_system
from stxfer.decoding.tune import Measure, Tuning, measure_of, tune
from stxfer.experiment.config import load_experiment
from stxfer.experiment.training import Decoding, Tune
from stxfer.kaldi.table import read_table, write_table
from stxfer.model.load import load_model
from stxfer.score.asr import word_errors
from stxfer.text.profiles import profile

TUNE = {"lm_weight": [0.0, 0.9], "length_bonus": [0.0, 1.5], "ctc_weight": [0.2, 0.7]}
RIGHT = {"lm_weight": 0.9, "length_bonus": 0.0, "ctc_weight": 0.2}  # decodes the development set without an error
SPOKEN = ("utt-a", "utt-b", "utt-c")  # utt-d has no reference


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random system, a random language model, a development and a test set."""
    root = tmp_path_factory.mktemp("made")
    tokens = make_vocab(root / "vocab")
    for name in ("tgt_dev", "tgt_test"):
        directory = root / "dump/fbank" / name
        make_set(directory)
    make_model(root / "exp/scratch/seed1", root / "vocab", tokens)
    make_lm(root / "exp/lm/rnn", root / "vocab", tokens)
    variants = {"lm": {"target": {"lm": "rnn", "maxlenratio": -8.0, "tune": TUNE}}}
    config = CONFIG | {"lm": {"rnn": {"text": ["tgt_train"]}}, "variants": variants}
    (root / "config.yaml").write_text(yaml.safe_dump(config))
    options = load_experiment(root / "config.yaml").decoded["scratch+lm"].options
    hyps = decode(root, replace(options, tune=None, **RIGHT), root / "right")
    write_table(root / "dump/fbank/tgt_dev/text", {utt: hyps[utt] for utt in SPOKEN})
    return root


@pytest.fixture
def world(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    shutil.copytree(made, tmp_path / "w")
    monkeypatch.chdir(tmp_path / "w")
    return tmp_path / "w"


def decode(root: Path, options: Decoding, out: Path) -> dict[str, str]:
    """Decode the development set by itself."""
    loaded = load_model(root / "exp/scratch/seed1")
    decode_dataset(loaded.model, loaded.tokens, loaded.tokenizer, root / "dump/fbank/tgt_dev/feats.scp", out, options,
                   lm=load_model(root / "exp/lm/rnn").model.lm)
    return read_table(out / "text")


def test_the_grid_is_what_decoding_alone_gives_and_the_test_set_is_not_read(
        world: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shutil.rmtree(world / "dump/fbank/tgt_test")
    command.main(["--config", "config.yaml", "--system", "scratch", "--variant", "lm"])
    found = read_json(world / "exp/scratch/seed1/decode/tgt_dev+lm/tune.json")
    assert (found["set"], found["measure"], len(found["grid"])) == ("tgt_dev", "wer", 8)
    assert [row["ctc_weight"] for row in found["grid"]] == [0.2, 0.7] * 4
    options = load_experiment("config.yaml").decoded["scratch+lm"].options
    refs = read_table(world / "dump/fbank/tgt_dev/text")
    for row in found["grid"]:
        values = {key: value for key, value in row.items() if key != "wer"}
        hyps = decode(world, replace(options, tune=None, **values), tmp_path / "o")
        rate = word_errors(refs, {utt: hyps[utt] for utt in refs}, "").total.rate
        assert row["wer"] == pytest.approx(rate, abs=1e-3)
    assert found["chosen"] == RIGHT
    assert min(row["wer"] for row in found["grid"]) == 0 < max(row["wer"] for row in found["grid"])
    out = capsys.readouterr().out.splitlines()
    assert len(out) == 10 and out[8].startswith("best on tgt_dev: lm_weight: ")


def test_stage_decode_tunes_first_and_decodes_with_the_best(world: Path, tmp_path: Path,
                                                            capsys: pytest.CaptureFixture[str]) -> None:
    options = ["--config", "config.yaml", "--systems", "scratch+lm"]
    decode_cli.main(options)
    out = world / "exp/scratch/seed1/decode/tgt_test+lm"
    chosen = read_json(out / "tune.json")["chosen"]
    used = read_json(out / "decode.json")["options"]
    assert {key: used[key] for key in chosen} == chosen and used["tune"] is None
    assert "tune.json" in read_json(out / ".stage.json")["outputs"]
    best = replace(load_experiment("config.yaml").decoded["scratch+lm"].options, tune=None, **chosen)
    loaded = load_model(world / "exp/scratch/seed1")
    decode_dataset(loaded.model, loaded.tokens, loaded.tokenizer, world / "dump/fbank/tgt_test/feats.scp",
                   tmp_path / "o", best, lm=load_model(world / "exp/lm/rnn").model.lm)
    assert (tmp_path / "o/logprob").read_text() == (out / "logprob").read_text()
    decode_cli.main(options)
    assert capsys.readouterr().out.endswith("decoded now: nothing, all is up to date\n")
    write_table(world / "dump/fbank/tgt_dev/text", {"utt-a": "mama"})
    experiment = load_experiment("config.yaml")
    job = Job(experiment, experiment.decoded["scratch+lm"], 1, Path("dump"), Path("exp"))
    assert job.stage.changes() == ["input dump/fbank/tgt_dev/text"]


def test_each_utterance_is_encoded_once_and_only_those_of_the_set(world: Path,
                                                                  monkeypatch: pytest.MonkeyPatch) -> None:
    read, encoded = [], []
    load, encode = tune_module.load_features, tune_module.encode
    monkeypatch.setattr(tune_module, "load_features", lambda utt, path, scp: read.append(path) or load(utt, path, scp))
    monkeypatch.setattr(tune_module, "encode", lambda model, utt, of: encoded.append(utt) or encode(model, utt, of))
    experiment = load_experiment("config.yaml")
    tune_system(Job(experiment, experiment.decoded["scratch+lm"], 1, Path("dump"), Path("exp")), Path("tuned"))
    assert tuple(sorted(encoded)) == SPOKEN and len(read) == len(SPOKEN)
    assert set(read) <= set(read_table("dump/fbank/tgt_dev/feats.scp").values())


def test_of_equals_the_first_is_chosen_and_translations_are_better_when_higher() -> None:
    tried = Decoding(tune=Tune(length_bonus=(0.0, 0.5, 1.0))).candidates()
    values = [2.0, 1.0, 1.0]
    assert Tuning(Measure("wer", lambda refs, hyps: 0.0), tried, values).best.length_bonus == 0.5
    tuning = Tuning(measure_of("st", profile("sw")), tried, values)
    assert tuning.best.length_bonus == 0.0 and tuning.as_json()["chosen"] == {"length_bonus": 0.0, "ctc_weight": 0.3}
    assert measure_of("st", profile("sw")).score({"a": "mama anapika chakula kizuri"}, {}) == 0.0
    assert measure_of("asr", profile("sw")).score({"a": "mama anapika"}, {"a": "mama"}) == 50.0
    assert measure_of("asr", profile("th")).name == "cer"


@pytest.mark.parametrize(("options", "message"), [
    (["--system", "scratch"], "scratch: nothing to tune: give a grid, or 'tune' in the experiment file"),
    (["--system", "scratch", "--grid", "lm_weight=0.1"], "scratch: lm_weight cannot be tuned: it is decoded without"),
    (["--system", "scratch", "--variant", "ml"], r"unknown system 'scratch\+ml'; .*did you mean 'scratch\+lm'"),
    (["--system", "untrained", "--variant", "lm"], "untrained seed 1 is not trained"),
    (["--system", "scratch", "--variant", "lm", "--seed", "3"], "scratch seed 3 is not trained"),
])
def test_what_cannot_be_tuned_is_named(world: Path, options: list[str], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        command.main(["--config", "config.yaml", *options])


@pytest.mark.parametrize("text", ["lm_weight", "beam_size=3", "lm_weight=x", "lm_weight=-1", ""])
def test_a_wrong_grid_is_named(world: Path, text: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        command.main(["--config", "config.yaml", "--system", "scratch", "--grid", text])
    assert "it must be like 'lm_weight=0,0.3 length_bonus=0,1'" in capsys.readouterr().err


def test_a_set_without_references_is_named(made: Path, tmp_path: Path) -> None:
    loaded: Any = load_model(made / "exp/scratch/seed1")
    write_table(tmp_path / "text", {"other": "mama"})
    with pytest.raises(DataError, match="tgt_dev/feats.scp: no utterance has a reference in .*text"):
        tune(loaded, None, made / "dump/fbank/tgt_dev/feats.scp", tmp_path / "text", Decoding(),
             measure=measure_of("asr", profile("sw")))
