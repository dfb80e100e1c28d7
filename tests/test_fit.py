"""Training one model: what it leaves, from where it starts, what is frozen, and kills at the worst moments."""

from __future__ import annotations

import logging
import os
import signal
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import kaldiio
import numpy as np
import pytest
import torch
import toy

from stxfer.core.errors import ConfigError, DataError, StxferError, TransferError
from stxfer.core.fileio import read_json
from stxfer.decoding.decode import decode_batch
from stxfer.experiment.config import Experiment
from stxfer.experiment.training import Decoding, Phase
from stxfer.kaldi.table import read_table, write_table
from stxfer.model.load import load_model
from stxfer.model.transfer import load_state
from stxfer.training import checkpoint
from stxfer.training.dev_errors import DevErrors
from stxfer.training.encode_once import encode_corpus
from stxfer.training.fit import fit
from stxfer.training.spec import Corpus, Fit, Start, Text
from stxfer.training.utterances import amount

World = tuple[Path, Experiment]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    root = tmp_path_factory.mktemp("world")
    experiment, _ = toy.make_world(root)
    return root, experiment


def spec(world: World, out: Path, kind: str = "st", **changes: Any) -> Fit:
    root, experiment = world
    text = "text.sw.human" if kind == "st" else "text"

    def corpus(name: str) -> Corpus:
        directory = root / "dump" / "fbank" / f"{'tgt' if kind == 'target' else 'src'}_{name}"
        return Corpus({"speech": directory / "feats.scp", "text": directory / text}, directory / "utt2num_frames")

    return Fit(task="st" if kind == "st" else "asr", out=out, train=corpus("train"), dev=corpus("dev"),
               target=Text(root / "dump" / "vocab" / ("source" if kind == "source" else "target")),
               phases=experiment.train[kind], model=experiment.model, **changes)


@pytest.fixture(scope="module")
def source(world: World) -> Path:
    """A source ASR model."""
    fit(spec(world, world[0] / "source_asr" / "seed1", "source"))
    return world[0] / "source_asr" / "seed1"


@pytest.fixture(scope="module")
def whole(world: World, source: Path) -> Fit:
    """A translation model of two phases that started from the source ASR's encoder, trained without interruption."""
    whole = spec(world, world[0] / "st_human" / "seed1", init=Start(source, ("encoder",)))
    fit(whole)
    return whole


@pytest.fixture
def kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave the checkpoints where they are."""
    monkeypatch.setattr(checkpoint, "remove", lambda out: None)


def same(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor], prefix: str = "") -> bool:
    # A counter that nothing reads: averaging adds it up.
    names = [name for name in one if name.startswith(prefix) and not name.endswith(".num_batches_tracked")]
    assert names
    return all(torch.equal(one[name], other[name]) for name in names)


def test_a_trained_model_opens_here_and_in_stock_espnet(world: World, source: Path,
                                                        monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from espnet2.bin.asr_inference import Speech2Text  # stxfer.model has been imported before

    monkeypatch.chdir(tmp_path)  # no path in config.yaml depends on where training ran
    loaded = load_model(source)
    assert loaded.tokens[0] == "<blank>" and not loaded.model.training
    recogniser = Speech2Text(asr_train_config=source / "config.yaml", asr_model_file=source / "model.pth",
                             beam_size=2, ctc_weight=0.3, maxlenratio=-5.0)
    assert same(recogniser.asr_model.state_dict(), loaded.model.state_dict())
    (utt, path), *_ = read_table(world[0] / "dump/fbank/src_dev/feats.scp").items()
    text, tokens, ids, _ = recogniser(kaldiio.load_mat(path))[0]
    assert isinstance(text, str) and [loaded.tokens[i] for i in ids] == tokens


def test_the_record_of_training(whole: Fit) -> None:
    info = read_json(whole.out / "model.json")
    assert (info["task"], info["seed"], info["stopped_early"]) == ("st", 1, False)
    assert [(row["phase"], row["epoch"]) for row in info["epochs"]] == [
        ("phase1", 1), ("phase1", 2), ("phase2", 1), ("phase2", 2), ("phase2", 3)]
    assert all(row["train_loss"] > 0 and 0 <= row["valid_acc"] <= 1 for row in info["epochs"])
    assert info["epochs"][-1]["train_loss"] < info["epochs"][0]["train_loss"]
    report = read_json(whole.out / "transfer.json")
    assert (report["source"], report["parts"]) == ("source_asr/seed1", ["encoder"])
    assert not list(whole.out.glob("phase*/*.pth*"))


def test_the_seed_decides_the_parameters(world: World, source: Path, whole: Fit, tmp_path: Path) -> None:
    again, other = tmp_path / "again" / "seed1", tmp_path / "other" / "seed2"
    fit(replace(whole, out=again))
    fit(replace(whole, out=other, seed=2))
    assert (again / "model.pth").read_bytes() == (whole.out / "model.pth").read_bytes()
    assert not same(load_state(other / "model.pth"), load_state(whole.out / "model.pth"), "decoder.")


def test_phases_follow_each_other_and_frozen_parts_stay(whole: Fit, source: Path, kept: None, tmp_path: Path) -> None:
    out = tmp_path / "st" / "seed1"
    fit(replace(whole, out=out))
    start, middle = load_state(out / "phase1/init.pth"), load_state(out / "phase1/valid.acc.ave_2best.pth")
    end = load_state(out / "model.pth")
    assert same(start, load_state(source / "model.pth"), "encoder.")
    assert same(middle, start, "encoder.") and not same(middle, start, "decoder.")
    assert same(load_state(out / "phase2/init.pth"), middle)
    assert not same(end, middle, "encoder.")
    assert same(end, load_state(out / "phase2/valid.acc.ave_2best.pth"))


def test_a_phase_on_outputs_of_the_frozen_encoder(world: World, tmp_path: Path) -> None:
    """Without dropout, masks and statistics of a batch, the encoder gives once what it gives at each step."""
    encoder = {"output_size": 16, "attention_heads": 2, "linear_units": 16, "num_blocks": 1, "conv_channels": 16}
    model = {**toy.CONFIG["model"], "encoder": "s2t_transformer", "encoder_conf": encoder}
    source = tmp_path / "source_asr" / "seed1"
    fit(replace(spec(world, source, "source"), model=model))
    whole = replace(spec(world, tmp_path, init=Start(source, ("encoder",))), model=model)
    frozen = replace(whole.phases[0], dropout=0.0)
    models = {}
    for name, phase in (("each", frozen), ("once", replace(frozen, encode_once=True))):
        for phases in ([phase], [phase, whole.phases[1]]):
            out = tmp_path / name / f"seed{len(phases)}"
            fit(replace(whole, out=out, phases=phases))
            models[name, len(phases)] = load_state(out / "model.pth")
            assert not list(out.glob("phase*/encoded"))
            assert load_model(out).model.encode is not None and load_model(out).config["model"] != "encoded"
    assert same(models["each", 1], models["once", 1], "encoder.")
    assert not same(models["each", 1], load_state(source / "model.pth"), "decoder.")
    for name, value in models["each", 1].items():
        if not name.endswith(("linear_k.bias", ".num_batches_tracked")):  # softmax does not see these biases
            torch.testing.assert_close(value, models["once", 1][name], rtol=2e-2, atol=2e-2, msg=name)
    assert not same(models["once", 2], models["once", 1], "encoder.")


@pytest.mark.parametrize(("task", "once"), [("text", False), ("asr", True), ("asr", False)])
def test_a_ctc_layer_waits_for_the_next_system(world: World, source: Path, tmp_path: Path, task: str,
                                               once: bool) -> None:
    """Without a share of the loss, frozen, it is the source's, and what attention learns is what it learns without."""
    start = replace(spec(world, tmp_path, "source", init=Start(source, ("all",))), task=task)
    phase = replace(start.phases[0], epochs=1, average=1, ctc_weight=0.0, encode_once=once)
    models = {}
    for frozen in (("encoder",), ("encoder", "ctc")):
        out = tmp_path / "-".join(frozen) / "seed1"
        fit(replace(start, out=out, phases=[replace(phase, freeze=frozen)]))
        models[frozen] = load_state(out / "model.pth")
    without, waiting = models.values()
    assert "ctc.ctc_lo.weight" not in without and same(waiting, load_state(source / "model.pth"), "ctc.")
    for name, value in without.items():
        if not name.endswith("linear_k.bias"):  # softmax does not see these biases
            torch.testing.assert_close(value, waiting[name], rtol=1e-3, atol=1e-3, msg=name)
    assert not same(without, load_state(source / "model.pth"), "decoder.")


def test_encoder_outputs_are_those_of_single_utterances(world: World, source: Path, tmp_path: Path) -> None:
    """Batches by length; one that a kill interrupted leaves nothing that is taken for whole."""
    model, feats = load_model(source).model, world[0] / "dump/fbank/src_dev/feats.scp"
    paths = read_table(feats)
    shapes = tmp_path / "shape"
    write_table(shapes, {utt: f"{len(kaldiio.load_mat(path))},80" for utt, path in paths.items()})
    tables = encode_corpus(model, {"dev": (feats, shapes)}, tmp_path / "encoded", 1)  # one utterance a batch
    for utt, path in read_table(tables["dev"]).items():
        speech = torch.tensor(kaldiio.load_mat(paths[utt]))[None]
        with torch.no_grad():
            encoded, lens = model.encode(speech, torch.tensor([speech.size(1)]))
        assert np.array_equal(kaldiio.load_mat(path), encoded[0, :lens[0]].numpy())
    wide = encode_corpus(model, {"dev": (feats, shapes)}, tmp_path / "wide", 10**6)
    assert {utt: kaldiio.load_mat(path).shape for utt, path in read_table(wide["dev"]).items()} == {
        utt: kaldiio.load_mat(path).shape for utt, path in read_table(tables["dev"]).items()}
    with kaldiio.WriteHelper(f"ark,scp:{tmp_path}/odd.ark,{tmp_path}/odd.scp") as writer:
        writer("odd", np.zeros((30, 7), np.float32))
    write_table(shapes, {"odd": "30,7"})
    with pytest.raises(DataError, match="utterance 'odd' and 0 more: the encoder cannot take them: "):
        encode_corpus(model, {"dev": (tmp_path / "odd.scp", shapes)}, tmp_path / "new", 1)
    assert not (tmp_path / "new").exists()
    write_table(shapes, {"unheard": "10,80"})
    assert encode_corpus(model, {"dev": (feats, shapes)}, tmp_path / "encoded", 1) == tables  # done before


BERARD = {"hidden_size": 8, "num_layers": 2, "attention_dim": 8, "embed_size": 8, "output_size": 8}
BLOCK = {"output_size": 16, "attention_heads": 2, "linear_units": 16, "num_blocks": 1}
BRANCHES = {**BLOCK, "cgmlp_linear_units": 32, "cgmlp_conv_kernel": 5, "use_ffn": True, "macaron_ffn": True}
TRANSFORMER = {"attention_heads": 2, "linear_units": 16, "num_blocks": 1}


@pytest.mark.parametrize(("encoder", "conf", "decoder", "decoder_conf"), [
    ("transformer", BLOCK, "transformer", TRANSFORMER),
    ("conformer", {**BLOCK, "cnn_module_kernel": 5}, "transformer", TRANSFORMER),
    ("e_branchformer", BRANCHES, "transformer", TRANSFORMER),
    ("s2t_transformer", {**BLOCK, "conv_channels": 16}, "transformer", TRANSFORMER),
    ("s2t_blstm", {"output_size": 16, "num_layers": 1}, "transformer", TRANSFORMER),
    ("s2t_blstm", {"output_size": 16, "num_layers": 1, "conv_layers": 2}, "berard", BERARD),
    ("s2t_blstm", {"output_size": 16, "num_layers": 1, "lstm_size": 24}, "transformer", TRANSFORMER),
    ("s2t_e_branchformer", {**BRANCHES, "conv_channels": 16}, "transformer", TRANSFORMER),
    ("vgg_rnn", {"hidden_size": 8, "output_size": 8}, "transformer", TRANSFORMER),
    ("berard", {"hidden_size": 8, "num_layers": 2}, "berard", BERARD)])
def test_every_family_trains_and_is_transferred(world: World, tmp_path: Path, encoder: str, conf: dict[str, Any],
                                                decoder: str, decoder_conf: dict[str, Any]) -> None:
    model = {"encoder": encoder, "encoder_conf": conf, "decoder": decoder, "decoder_conf": decoder_conf}
    phase = Phase(**{**toy.PHASE, "epochs": 1, "average": 1, "specaug": True})
    fit(replace(spec(world, tmp_path / "st" / "seed1"), model=model, phases=[phase]))
    start = replace(spec(world, tmp_path / "asr" / "seed1", "target"), model=model, phases=[phase],
                    init=Start(tmp_path / "st" / "seed1", ("all",)))
    fit(start)
    assert read_json(start.out / "transfer.json")["share"] == 1
    loaded = load_model(start.out)
    feats = world[0] / "dump/fbank/tgt_dev/feats.scp"
    utt, path = next(iter(read_table(feats).items()))
    best, = decode_batch(loaded.model, {utt: kaldiio.load_mat(path)}, Decoding(beam_size=2, maxlenratio=1.0))
    assert best.score < 0 and all(0 < token < len(loaded.tokens) for token in best.tokens)


@pytest.mark.parametrize(("kind", "parts"), [("target", ("encoder", "decoder_body")), ("source", ("all",))])
def test_training_starts_from_what_was_transferred(world: World, source: Path, kept: None, tmp_path: Path,
                                                   kind: str, parts: tuple[str, ...]) -> None:
    start = replace(spec(world, tmp_path / "x" / "seed1", kind), init=Start(source, parts))
    fit(start)
    theirs, ours = load_state(source / "model.pth"), load_state(start.out / "phase1/init.pth")
    assert same(theirs, ours, "encoder.") and same(theirs, ours, "decoder.decoders.")
    assert same(theirs, ours) == (parts == ("all",))
    share = read_json(start.out / "transfer.json")["share"]
    assert share == 1 if parts == ("all",) else 0 < share < 1


@pytest.mark.parametrize(("changes", "error", "message"), [
    ({"parts": ("all",)}, TransferError, "a row for each piece of another vocabulary"),
    ({"parts": ("encoder",), "blocks": 2}, TransferError, "has no tensor encoder.encoders.1."),
    ({"decoder": "rnn"}, ConfigError, "no step for decoder class RNNDecoder; train with decoder: transformer"),
    ({"freeze": ("encoder", "decoder_body")}, ConfigError, "freeze: the model has no part 'decoder_body'; it has ctc"),
])
def test_what_cannot_be_done_is_refused_before_training(world: World, source: Path, tmp_path: Path,
                                                        changes: dict[str, Any], error: type, message: str) -> None:
    start = spec(world, tmp_path / "x" / "seed1", "target")
    if "parts" in changes:
        start = replace(start, init=Start(source, changes["parts"]))
    if "freeze" in changes:
        start = replace(start, phases=[replace(start.phases[0], freeze=changes["freeze"])])
    if "decoder" in changes:
        start = replace(start, model={**start.model, "decoder": changes["decoder"],
                                      "decoder_conf": {"hidden_size": 16, "att_conf": {"adim": 8}}})
    if "blocks" in changes:
        conf = {**start.model["encoder_conf"], "num_blocks": changes["blocks"]}
        start = replace(start, model={**start.model, "encoder_conf": conf})
    with pytest.raises(error) as caught:
        fit(start)
    assert message in str(caught.value) and "\n" not in str(caught.value)
    assert not list(start.out.rglob("*.pth"))


def test_source_that_is_not_trained_is_named(world: World, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="nothing/config.yaml: no such file; train that system first"):
        fit(spec(world, tmp_path / "out", "target", init=Start(tmp_path / "nothing", ("encoder",))))


def test_fewer_epochs_than_are_to_be_averaged(world: World, tmp_path: Path) -> None:
    start = spec(world, tmp_path / "x" / "seed1", "target")
    fit(replace(start, phases=[replace(start.phases[0], epochs=2, average=5)]))
    assert load_model(start.out).tokens


def test_only_utterances_that_have_everything_are_used(world: World, tmp_path: Path) -> None:
    start = spec(world, tmp_path / "x" / "seed1", "target")
    texts = read_table(start.train.tables["text"])
    kept, empty = sorted(texts)[:12], sorted(texts)[12]
    write_table(tmp_path / "text", {**{utt: texts[utt] for utt in kept}, empty: "", "unheard": "mbwa"})
    fit(replace(start, train=replace(start.train, tables={**start.train.tables, "text": tmp_path / "text"})))
    frames = read_table(start.train.lengths)
    assert read_table(start.out / "train_shape") == {utt: f"{frames[utt]},80" for utt in kept}
    write_table(tmp_path / "text", {"unheard": "mbwa"})
    with pytest.raises(DataError, match="utt2num_frames: no utterance is in all of"):
        fit(replace(start, out=tmp_path / "y",
                    train=replace(start.train, tables={**start.train.tables, "text": tmp_path / "text"})))


@pytest.mark.parametrize("epochs", [1, 3])
def test_training_without_a_finite_gradient_is_an_error(world: World, tmp_path: Path, epochs: int) -> None:
    start = spec(world, tmp_path / "x" / "seed1", "target")
    frames = read_table(start.train.lengths)
    with kaldiio.WriteHelper(f"ark,scp:{tmp_path}/feats.ark,{tmp_path}/feats.scp") as writer:
        for utt, length in frames.items():
            writer(utt, np.full((int(length), 80), np.nan, np.float32))
    start = replace(start, train=replace(start.train, tables={**start.train.tables, "speech": tmp_path / "feats.scp"}),
                    phases=[replace(start.phases[0], epochs=epochs, average=1)])
    with pytest.raises(StxferError, match="no step of epoch 1 had a finite gradient"):
        fit(start)
    assert not (start.out / "model.pth").exists()


def killed(work: Callable[[], object], when: Callable[[Path], bool]) -> None:
    """Do the work in a process that is killed once a file has appeared, or gone, for which ``when`` is true."""
    pid = os.fork()
    if pid == 0:
        replace_file, remove_file = os.replace, Path.unlink

        def die(path: Path) -> None:
            if when(path):
                os.kill(os.getpid(), signal.SIGKILL)

        def replace_then_die(source: Any, target: Any) -> None:
            replace_file(source, target)
            die(Path(target))

        def remove_then_die(path: Path, missing_ok: bool = False) -> None:
            remove_file(path, missing_ok)
            die(path)

        os.replace = replace_then_die  # every file that must be whole comes into being so
        Path.replace = replace_then_die  # type: ignore[method-assign,assignment]
        Path.unlink = remove_then_die  # type: ignore[method-assign]
        try:
            work()
        finally:
            os._exit(0)
    _, status = os.waitpid(pid, 0)
    assert os.WIFSIGNALED(status), "it was not killed"


@pytest.mark.parametrize("last", [
    "phase1/init.pth", "phase1/checkpoint.pth", "phase1/1epoch.pth", "phase1/valid.acc.ave_2best.pth",
    "phase2/init.pth", "phase2/checkpoint.pth", "phase2/valid.acc.ave_2best.pth", "model.pth", "model.json",
    "phase2/latest.pth"])
def test_killed_and_started_again_is_the_same(whole: Fit, tmp_path: Path, last: str) -> None:
    """``checkpoint.pth`` leaves the first epoch without its 1epoch.pth; latest.pth goes when all is tidied up."""
    again = replace(whole, out=tmp_path / "st" / "seed1")
    tidying = last.endswith("latest.pth")
    killed(lambda: fit(again), lambda path: path == again.out / last and tidying <= (again.out / "model.json").exists())
    if last.endswith("checkpoint.pth"):
        assert not (again.out / last).with_name("1epoch.pth").exists()
    info = fit(again)
    assert (again.out / "model.pth").read_bytes() == (whole.out / "model.pth").read_bytes()
    assert info["epochs"] == read_json(whole.out / "model.json")["epochs"]
    assert not list(again.out.glob("phase*/*.pth*"))


def test_killed_when_the_best_epoch_was_written_but_not_linked(world: World, tmp_path: Path) -> None:
    """With one epoch to average, ESPnet's link to the best model would be left at an older epoch."""
    start = spec(world, tmp_path / "whole" / "seed1", "target")
    start = replace(start, phases=[replace(start.phases[0], epochs=3, average=1)])
    again = replace(start, out=tmp_path / "killed" / "seed1")
    fit(start)
    for epoch in (1, 2, 3):
        killed(lambda: fit(again), lambda path, name=f"{epoch}epoch.pth": path.name == name)
    fit(again)
    assert (again.out / "model.pth").read_bytes() == (start.out / "model.pth").read_bytes()


def test_a_finished_model_is_not_trained_again(whole: Fit, caplog: pytest.LogCaptureFixture) -> None:
    before = (whole.out / "model.pth").stat().st_mtime_ns
    with caplog.at_level(logging.INFO):
        assert fit(whole) == read_json(whole.out / "model.json")
    assert (whole.out / "model.pth").stat().st_mtime_ns == before
    assert "epoch started" not in caplog.text


@pytest.fixture(scope="module")
def stopped(world: World) -> Fit:
    """A model whose training ``patience`` ended before there were as many epochs as are to be averaged."""
    plan = spec(world, world[0] / "stopped" / "seed1", "source")
    plan = replace(plan, phases=[replace(plan.phases[0], epochs=6, average=5, patience=1, lr=1e-9, steps=1, accum=2)])
    fit(plan)
    return plan


def test_training_may_end_early(stopped: Fit) -> None:
    info = read_json(stopped.out / "model.json")
    assert 1 < len(info["epochs"]) < 5 and info["stopped_early"]
    assert load_model(stopped.out).tokens


def test_the_epochs_there_are_make_the_average(stopped: Fit, kept: None, tmp_path: Path) -> None:
    again = replace(stopped, out=tmp_path / "again" / "seed1")
    epochs = [load_state(again.out / f"phase1/{row['epoch']}epoch.pth") for row in fit(again)["epochs"]]
    for name, value in load_state(again.out / "model.pth").items():
        if value.is_floating_point():
            torch.testing.assert_close(value, torch.stack([state[name] for state in epochs]).mean(0), msg=name)


@pytest.mark.parametrize("last", ["checkpoint.pth", "epoch.pth", "latest.pth", "ave"])
def test_killed_as_it_ends_early_is_the_same(stopped: Fit, tmp_path: Path, last: str) -> None:
    """ESPnet asks whether to stop at the end of an epoch only, and would train another one after such a kill."""
    again = replace(stopped, out=tmp_path / "again" / "seed1")
    epochs = len(read_json(stopped.out / "model.json")["epochs"])
    seen: list[str] = []

    def when(path: Path) -> bool:
        seen.append(path.name)
        if last == "latest.pth":  # made anew after the epoch's parameters
            return path.name == last and f"{epochs}epoch.pth" in seen
        name = {"epoch.pth": f"{epochs}epoch.pth", "ave": f"valid.acc.ave_{epochs}best.pth"}.get(last, last)
        return path.name == name and seen.count(name) == (epochs if name == last else 1)

    killed(lambda: fit(again), when)
    assert fit(again)["epochs"] == read_json(stopped.out / "model.json")["epochs"]
    assert (again.out / "model.pth").read_bytes() == (stopped.out / "model.pth").read_bytes()


def test_what_an_unfinished_average_left_broken_is_mended(stopped: Fit, tmp_path: Path) -> None:
    """A phase marked as done, with ESPnet's average of one epoch in place of all."""
    again = replace(stopped, out=tmp_path / "again" / "seed1")
    killed(lambda: fit(again), lambda path: path.name == "model.pth")
    (again.out / "model.pth").unlink()
    (average,) = again.out.glob("phase1/valid.acc.ave_[2-9]best.pth")
    average.unlink()
    assert (again.out / "phase1/done").exists() and (again.out / "phase1/valid.acc.ave_1best.pth").exists()
    fit(again)
    assert (again.out / "model.pth").read_bytes() == (stopped.out / "model.pth").read_bytes()


RATES = [0.9, 0.5, 0.7, 0.6, 0.4]


def test_word_errors_choose_the_epochs_and_end_the_phase(world: World, kept: None, tmp_path: Path,
                                                         monkeypatch: pytest.MonkeyPatch) -> None:
    """Their best epoch is neither the last nor, as figures of accuracy go, any one in particular."""
    told = iter(RATES)
    monkeypatch.setattr(DevErrors, "__call__", lambda *_: next(told))
    start = spec(world, tmp_path / "x" / "seed1", "target")
    phase = replace(start.phases[0], epochs=5, average=2, patience=1, criterion="wer", dev_wer=3)
    info = fit(replace(start, phases=[phase]))
    assert [row["valid_wer"] for row in info["epochs"]] == RATES[:4]  # two epochs are more than the patience of one
    assert info["stopped_early"]
    best = [load_state(start.out / f"phase1/{epoch}epoch.pth") for epoch in (2, 4)]
    for name, value in load_state(start.out / "model.pth").items():
        if value.is_floating_point():
            torch.testing.assert_close(value, (best[0][name] + best[1][name]) / 2, msg=name)


@pytest.fixture(scope="module")
def decoded(world: World) -> Fit:
    """A model whose epochs were chosen by decoding the development set."""
    plan = spec(world, world[0] / "decoded" / "seed1", "target")
    plan = replace(plan, phases=[replace(plan.phases[0], epochs=4, average=2, patience=1, criterion="wer", dev_wer=6)])
    fit(plan)
    return plan


@pytest.mark.parametrize("last", ["1epoch.pth", "2epoch.pth", "checkpoint.pth", "valid.wer.ave_2best.pth"])
def test_killed_while_word_errors_choose_is_the_same(decoded: Fit, tmp_path: Path, last: str) -> None:
    again = replace(decoded, out=tmp_path / "again" / "seed1")
    killed(lambda: fit(again), lambda path: path.name == last)
    assert fit(again)["epochs"] == read_json(decoded.out / "model.json")["epochs"]
    assert (again.out / "model.pth").read_bytes() == (decoded.out / "model.pth").read_bytes()


def test_how_much_was_trained_on(world: World, tmp_path: Path) -> None:
    start = spec(world, tmp_path / "x" / "seed1", "target")
    assert fit(start)["train"] == {"utterances": 20}  # nothing says how long they are
    texts, path = read_table(start.train.tables["text"]), tmp_path / "shapes"
    names = sorted(texts)[:3]
    durations = {names[0]: "1800", f"sp0.9-{names[0]}": "2000", f"sp0.5-{names[1]}": "7200", names[2]: "900"}
    write_table(tmp_path / "utt2dur", durations)
    write_table(path, {utt: "100,80" for utt in durations if utt != names[2]})  # filtered out, say
    corpus = replace(start.train, durations=tmp_path / "utt2dur")
    assert amount(corpus, path) == {"utterances": 3, "hours": 1.5, "hours_with_copies": 3.0556}
    write_table(path, {f"m{part}-{utt}": "100,80" for part, utt in ((0, names[0]), (1, names[0]), (1, names[2]))})
    mixture = replace(start.train, parts=(corpus, corpus))  # one speech, two texts
    assert amount(mixture, path) == {"utterances": 3, "hours": 0.75, "hours_with_copies": 1.25}
    write_table(tmp_path / "utt2dur", dict.fromkeys(durations, "long"))
    with pytest.raises(DataError, match="utt2dur: durations must be seconds"):
        amount(mixture, path)
