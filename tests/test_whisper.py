"""Whisper fine-tuned with its own decoder: what it learns from, killed and resumed, decoded, scored; bad input."""

from __future__ import annotations

import importlib.util
import shutil
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import torch
import toy
from speech_models import save_whisper, speech, write_audio

from stxfer.audio.parts import quiet_parts
from stxfer.core.errors import ConfigError, DataError, StaleError
from stxfer.core.fileio import read_json, write_json
from stxfer.core.fresh import check_input
from stxfer.core.marker import read_marker, write_marker
from stxfer.core.stage import Stage
from stxfer.decoding.systems import Job, decode_job
from stxfer.decoding.whisper import decode_with_whisper
from stxfer.experiment.config import Experiment
from stxfer.experiment.lineage import Lineage
from stxfer.experiment.training import Decoding
from stxfer.experiment.whisper import Whisper
from stxfer.kaldi.datadir import read_datadir, table_files
from stxfer.kaldi.dropped import read_dropped
from stxfer.kaldi.table import read_table, write_table
from stxfer.model.whisper import open_whisper
from stxfer.score.evaluate import score_system
from stxfer.text.profiles import profile
from stxfer.training import whisper as training
from stxfer.training.fit_system import fit_system
from stxfer.training.launch import system_stage

needs_peft = pytest.mark.skipif(not importlib.util.find_spec("peft"), reason="an environment of one's own may lack it")
OPTIONS = {"epochs": 3, "steps": 2, "batch": 4, "lr": 1e-2, "rank": 2, "patience": 2}
SETS = {"tgt_train": 8, "tgt_dev": 3, "tgt_test": 3}


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_whisper(tmp_path_factory.mktemp("whisper"))


@pytest.fixture
def world(tmp_path: Path) -> Path:
    """Prepared data directories, with an utterance of each set that is longer than the window, and references."""
    sets = {}
    for number, (name, size) in enumerate(SETS.items()):
        sets[name] = {f"{name}-{k:02d}": toy.swahili(toy.ENGLISH[(7 * k + number) % len(toy.ENGLISH)])
                      for k in range(size)}
        sets[name][f"{name}-99"] = " ".join(["mbwa anaona paka mama"] * 3)  # 2.4 s
    write_audio(tmp_path, sets)
    (tmp_path / "dump").mkdir()
    (tmp_path / "data").rename(tmp_path / "dump/data")
    for name, texts in sets.items():
        data = tmp_path / "dump/data" / name
        Stage(f"prepare {name}", data).finish(table_files(data))
        write_table(tmp_path / "dump/fbank" / name / "text", texts)
        shutil.copy(data / "utt2dur", tmp_path / "dump/fbank" / name)
    return tmp_path


def experiment(world: Path, directory: Path, keys: Mapping[str, Any] | None = None, **options: Any) -> Experiment:
    whisper = {"model": str(directory), **OPTIONS, "max_drop": 0.3, **options}
    systems = {**toy.CONFIG["systems"], "whisper": {"task": "asr", "data": "tgt_train", "text": "sw",
                                                    "whisper": whisper}}
    return toy.make_experiment(world, systems=systems, **(keys or {}))[0]


def fit(world: Path, declared: Experiment, exp: str = "exp") -> Path:
    fit_system(declared, declared.systems["whisper"], 1, world / "dump", world / exp)
    return world / exp / "whisper" / "seed1"


@needs_peft
def test_low_rank_additions_are_trained_decoded_and_scored(world: Path, directory: Path,
                                                           capsys: pytest.CaptureFixture[str]) -> None:
    declared = experiment(world, directory)
    out = fit(world, declared)
    assert capsys.readouterr().out.startswith("whisper epoch 1: train loss ")
    info = read_json(out / "model.json")
    assert (info["train"]["utterances"], info["train"]["dropped"]) == (8, 1)
    assert info["train"]["hours"] == pytest.approx(sum(list(read_datadir(
        world / "dump/data/tgt_train").utt2dur.values())[:-1]) / 3600, abs=1e-4)
    assert [row["epoch"] for row in info["epochs"]] == [1, 2, 3]
    assert info["epochs"][-1]["train_loss"] < info["epochs"][0]["train_loss"]
    assert read_dropped(out / "dropped.tsv") == {f"tgt_{name}-99": "too_long: 2.4 s, Whisper hears 2 s"
                                                 for name in ("train", "dev")}
    names = {path.name for path in (out / "whisper").iterdir()}
    assert "adapter_model.safetensors" in names and "model.safetensors" not in names
    assert not (out / "checkpoints").exists()

    job = Job(declared, declared.decoded["whisper"], 1, world / "dump", world / "exp")
    report = decode_job(job)
    assert (report["utterances"], report["cut"], report["options"]) == (4, 1, {"beam_size": 5})
    score = score_system(declared, declared.decoded["whisper"], 1, dump=world / "dump", expdir=world / "exp")
    assert score["metrics"]["wer"]["n_utts"] == 4 and score["train_hours"] == info["train"]["hours"]


@needs_peft
def test_a_killed_training_ends_as_an_unbroken_one(world: Path, directory: Path,
                                                   monkeypatch: pytest.MonkeyPatch) -> None:
    declared = experiment(world, directory, dropout=0.1)
    whole = fit(world, declared, "whole")
    read, calls = training.Utterances.__getitem__, []

    def killed(self: Any, index: int) -> dict[str, Any]:
        calls.append(index)
        if len(calls) == 8 + 3 + 8 + 3 + 2:  # in the third epoch
            raise KeyboardInterrupt
        return read(self, index)

    monkeypatch.setattr(training.Utterances, "__getitem__", killed)
    with pytest.raises(KeyboardInterrupt):
        fit(world, declared)
    monkeypatch.undo()
    out = world / "exp/whisper/seed1"
    assert not (out / "model.json").exists()
    (out / "checkpoints/checkpoint-5").mkdir()  # half-written
    cut = shutil.copytree(out / "checkpoints/checkpoint-4", out / "checkpoints/checkpoint-6")
    learnt = (cut / "adapter_model.safetensors").read_bytes()
    (cut / "adapter_model.safetensors").write_bytes(learnt[:-1])
    fit(world, declared)
    assert read_json(out / "model.json") == read_json(whole / "model.json")
    weights = "whisper/adapter_model.safetensors"
    assert (out / weights).read_bytes() == (whole / weights).read_bytes()


def test_what_was_trained_or_decoded_by_other_options_is_not_used(world: Path, directory: Path) -> None:
    dump, exp = world / "dump", world / "exp"
    declared = experiment(world, directory)
    plain = toy.make_experiment(world, systems={**toy.CONFIG["systems"], "whisper": {
        "task": "asr", "data": "tgt_train", "text": "sw"}})[0]

    def finish(stage: Stage) -> None:
        stage.begin()
        stage.out.mkdir(parents=True, exist_ok=True)
        stage.finish([])

    def job(now: Experiment) -> Job:
        return Job(now, now.decoded["whisper"], 1, dump, exp)

    finish(system_stage(declared, declared.systems["whisper"], 1, dump, exp))
    finish(job(declared).stage)
    for now in (declared, experiment(world, directory, max_drop=0.2)):
        assert not job(now).stage.needed()
    with pytest.raises(StaleError, match="systems.whisper.whisper.lr"):
        job(experiment(world, directory, lr=0.5)).stage.needed()
    for now, expected in (
            (experiment(world, directory, lr=0.5), r"systems.whisper.whisper.lr \(0.01 -> 0.5\)"),
            (replace(declared, target_lang="de"), r"languages.target \('sw' -> 'de'\)"),
            (plain, rf"systems.whisper.whisper.model \('{directory}' -> None\)")):
        with pytest.raises(StaleError, match=rf"whisper/seed1: made by other options, {expected}; "
                                             "run stage 'target_asr' again"):
            check_input(exp / "whisper/seed1", Lineage(now, dump, exp))
    for now, expected in (
            (experiment(world, directory, {"decode": {"target": {"beam_size": 9}}}), "decode.target.beam_size"),
            (experiment(world, directory, {"normalise": {"sw": {"digits": "remove"}}}), "normalise.sw")):
        with pytest.raises(StaleError, match=rf"tgt_test: made by other options, {expected} .*; run stage 'decode'"):
            check_input(job(now).stage.out, Lineage(now, dump, exp))
    write_marker(exp / "whisper/seed1", {**read_marker(exp / "whisper/seed1"), "options": {"system": {}, "seed": 1}})
    with pytest.raises(StaleError, match=rf"systems.whisper.whisper.model \(None -> '{directory}'\)"):
        check_input(exp / "whisper/seed1", Lineage(declared, dump, exp))


@needs_peft
def test_all_parameters_and_none(world: Path, directory: Path) -> None:
    everything = fit(world, experiment(world, directory, tune="all", epochs=1))
    tuned = open_whisper(Whisper(model=str(directory), tune="all"), "sw", everything / "whisper")
    plain = open_whisper(Whisper(model=str(directory)), "sw")
    changed = {name for (name, one), other in zip(plain.network.named_parameters(), tuned.network.parameters(),
                                                  strict=True) if not torch.equal(one, other)}
    assert {"model.encoder.conv1.weight", "model.decoder.layers.0.fc1.weight"} <= changed
    declared = experiment(world, directory, tune="nothing")
    out = fit(world, declared, "untrained")
    assert not (out / "whisper").exists() and read_json(out / "model.json")["train"]["utterances"] == 8
    decode_job(Job(declared, declared.decoded["whisper"], 1, world / "dump", world / "untrained"))
    assert len(read_table(out / "decode/tgt_test/text")) == 4


def test_no_loss_is_taken_of_the_prompt(world: Path, directory: Path) -> None:
    whisper = open_whisper(Whisper(model=str(directory)), "sw")
    rows = training.Utterances(whisper, read_datadir(world / "dump/data/tgt_dev"))
    batch = rows.collate([rows[0], rows[2]])
    prompt = whisper.tokenizer.convert_tokens_to_ids(["<|startoftranscript|>", "<|sw|>", "<|transcribe|>",
                                                      "<|notimestamps|>"])
    assert batch["decoder_input_ids"][:, :4].tolist() == [prompt, prompt]
    assert batch["labels"][:, :3].eq(-100).all() and batch["labels"][:, 3].ge(0).all()
    for k, labels in zip((0, 2), batch["labels"].tolist(), strict=True):
        learnt = [token for token in labels if token >= 0]
        assert learnt[-1] == whisper.tokenizer.eos_token_id
        assert whisper.text(learnt) == rows.data.text[rows.utts[k]]
    assert batch["input_features"].shape == (2, 80, 200)


def test_log_probabilities_are_those_of_the_model(world: Path, directory: Path) -> None:
    whisper = open_whisper(Whisper(model=str(directory)), "sw")
    data = world / "dump/data/tgt_dev"
    for name, beam_size in (("greedy", 1), ("beam", 3)):
        decode_with_whisper(whisper, data, world / name, Decoding(beam_size=beam_size), profile("sw"), 2)
    tokens, scores = (read_table(world / "beam" / name) for name in ("token", "logprob"))
    utt = "tgt_dev-00"
    ids = [*whisper.prompt, *map(int, tokens[utt].split())]
    if len(ids) < whisper.most_tokens:
        ids.append(whisper.tokenizer.eos_token_id)
    samples, _ = soundfile.read(read_datadir(data).wav_scp[utt], dtype="float32")
    with torch.no_grad():
        logits = whisper.network(whisper.energies([samples]), decoder_input_ids=torch.tensor([ids])).logits[0]
    expected = logits.log_softmax(1)[range(3, len(ids) - 1), ids[4:]].sum()
    assert float(scores[utt]) == pytest.approx(float(expected), abs=1e-3)
    assert float(read_table(world / "greedy/logprob")[utt]) <= float(scores[utt]) + 1e-3


def test_long_speech_is_cut_in_pauses() -> None:
    samples = np.concatenate([speech(1.5), np.zeros(8000, np.float32), speech(1.2, seed=1), speech(1.7, seed=2)])
    parts = quiet_parts(samples, 32000)
    assert np.array_equal(np.concatenate(parts), samples)
    assert all(16000 // 2 <= len(part) <= 32000 for part in parts)
    assert 24000 < len(parts[0]) < 32000  # in the silence
    assert quiet_parts(samples[:32000], 32000)[0] is not samples and len(quiet_parts(samples[:32000], 32000)) == 1


def without(name: str) -> Callable[[Path], None]:
    return lambda directory: (directory / name).unlink()


def with_value(name: str, **values: Any) -> Callable[[Path], None]:
    return lambda directory: write_json(directory / name, {**read_json(directory / name), **values})


@pytest.mark.parametrize(("change", "error", "message"), [
    (shutil.rmtree, DataError, "no such directory; download the model first"),
    (without("tokenizer.json"), DataError, "lacks tokenizer.json; download the whole directory"),
    (without("model.safetensors"), DataError, "lacks model.safetensors"),
    (with_value("config.json", model_type="hubert"), DataError, "num_hidden_layers and hidden_size must be"),
    (with_value("config.json", model_type="hubert", num_hidden_layers=2, hidden_size=32), ConfigError,
     "a hubert has no decoder to fine-tune"),
    (with_value("preprocessor_config.json", sampling_rate=8000), ConfigError, "the encoder hears 8000 Hz"),
    (with_value("generation_config.json", lang_to_id={"<|de|>": 1}), ConfigError,
     "Whisper does not know the language 'sw'; set whisper.language to one near to it, of: de"),
    (with_value("generation_config.json", task_to_id={}), ConfigError, "only multilingual Whispers"),
    (with_value("config.json", d_model=64), ConfigError, "Whisper cannot be loaded: "),
])
def test_a_whisper_that_cannot_be_used_is_named(directory: Path, tmp_path: Path, change: Callable[[Path], None],
                                                error: type[Exception], message: str) -> None:
    copy = shutil.copytree(directory, tmp_path / "model")
    change(copy)
    with pytest.raises(error, match=f"^{copy}.*{message}"):
        open_whisper(Whisper(model=str(copy)), "sw")


def test_another_language_can_stand_in(directory: Path) -> None:
    whisper = open_whisper(Whisper(model=str(directory), language="de"), "sw")
    assert whisper.prompt[1] == whisper.tokenizer.convert_tokens_to_ids("<|de|>")


def test_too_much_that_does_not_fit_is_an_error(world: Path, directory: Path) -> None:
    with pytest.raises(DataError, match=r"tgt_train: 1 of 9 utterances cannot be used.*too_long 1.*whisper.max_drop"):
        fit(world, experiment(world, directory, max_drop=0.05))


@pytest.mark.parametrize(("system", "message"), [
    ({"task": "st", "text": "sw.human", "data": "src_train"}, "systems.w.task: fine-tuned Whisper writes what is"),
    ({"init": {"from": "scratch"}}, "systems.w.init: fine-tuned Whisper has its own start"),
    ({"vocab": "source"}, "systems.w.vocab: fine-tuned Whisper has its own start, vocabulary"),
    ({"whisper": {}}, "systems.w.whisper.model"),
    ({"whisper": {"model": "m", "tune": "top"}}, "systems.w.whisper.tune: 'top' must be one of lora all nothing"),
    ({"whisper": {"model": "m", "beam": 3}}, "unknown key 'beam'"),
])
def test_wrong_declarations(system: dict[str, Any], message: str, tmp_path: Path) -> None:
    declared = {"task": "asr", "data": "tgt_train", "text": "sw", "whisper": {"model": "m"}, **system}
    with pytest.raises(ConfigError, match=message):
        toy.make_experiment(tmp_path, systems={**toy.CONFIG["systems"], "w": declared})


def test_nothing_starts_from_a_whisper(tmp_path: Path) -> None:
    systems = {"w": {"task": "asr", "data": "tgt_train", "text": "sw", "whisper": {"model": "m"}},
               "x": {"task": "asr", "data": "tgt_train", "text": "sw", "init": {"from": "w"}}}
    with pytest.raises(ConfigError, match="systems.x.init.from: 'w' is a fine-tuned Whisper"):
        toy.make_experiment(tmp_path, systems=systems, compare=[["x", "w"]])


def test_options_of_other_searches_do_not_fit(tmp_path: Path) -> None:
    systems = {"scratch": toy.CONFIG["systems"]["scratch"],
               "w": {"task": "asr", "data": "tgt_train", "text": "sw", "whisper": {"model": "m"}}}
    options = {"systems": systems, "compare": [["w", "scratch"]]}
    with pytest.raises(ConfigError, match="decode.target.length_bonus: system 'w' is a fine-tuned Whisper, whose"):
        toy.make_experiment(tmp_path, **options, decode={"target": {"length_bonus": 0.5}})
    experiment, _ = toy.make_experiment(tmp_path, **options, variants={"long": {"target": {"length_bonus": 0.5}},
                                                                       "wide": {"target": {"beam_size": 9}}})
    assert [*experiment.decoded] == ["scratch", "scratch+long", "scratch+wide", "w", "w+wide"]
