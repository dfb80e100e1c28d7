"""A packed system is the system, wherever it is moved; what is damaged is refused; others start from it."""

from __future__ import annotations

import gc
import logging
import os
import re
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import packing
import pytest
import torch
import untrained
import yaml
from safetensors.torch import load_file, save_file
from speech_models import save_model, save_whisper, speech

from stxfer.audio import pretrained
from stxfer.audio.hub import open_hub_model, whisper_files
from stxfer.audio.pretrained import PretrainedFeatures, open_pretrained
from stxfer.audio.waveform import Waveform
from stxfer.bin import pack as cli
from stxfer.core.errors import ConfigError, DataError, StaleError, StxferError
from stxfer.core.fileio import read_json, write_json
from stxfer.core.marker import read_marker, write_marker
from stxfer.core.stage import Stage
from stxfer.decoding.decode import decode_batch
from stxfer.experiment.config import Experiment
from stxfer.experiment.features import FeatureOptions
from stxfer.experiment.training import Phase
from stxfer.experiment.whisper import Whisper
from stxfer.model.load import open_models
from stxfer.model.pack import files_of, is_pack, opened, seal
from stxfer.model.transfer import load_state
from stxfer.model.whisper import WhisperModel
from stxfer.text.profiles import load_profiles, profile
from stxfer.training.initial import write_initial
from stxfer.training.spec import Corpus, Fit, Start, Text
from stxfer.transcription.card import lineage
from stxfer.transcription.packed import open_packed, open_pretrained_system, rules_of
from stxfer.transcription.packing import write_pack
from stxfer.transcription.recognise import recogniser
from stxfer.transcription.recorded import Record, extractor_of
from stxfer.transcription.system import SpeechSystem, open_system

Work = tuple[Path, Experiment]


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Work:
    return packing.make_work(tmp_path_factory.mktemp("work"))


@pytest.fixture(scope="module")
def packed(work: Work, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A pack with a language model, as a directory."""
    system, experiment = work
    out = tmp_path_factory.mktemp("pack") / "xfer"
    write_pack(system, out, variant="lm", experiment=experiment, licence="cc-by-4.0", name="Swahili")
    return out


@pytest.fixture
def copy(packed: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(packed, tmp_path / "copy"))


def features() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(5)
    return {utt: rng.standard_normal((n, 80)).astype(np.float32) for utt, n in (("a", 80), ("b", 120), ("c", 50))}


def heard(system: SpeechSystem) -> list[Any]:
    return decode_batch(system.model.model, features(), system.decoding, lm=system.lm)  # type: ignore[union-attr]


def test_a_moved_pack_hears_the_same(work: Work, packed: Path, copy: Path) -> None:
    system, experiment = work
    loaded, lm = open_models(system, system.parents[1] / "lm/rnn")
    options = experiment.decoded["xfer+lm"].options
    there = open_packed(copy)
    assert there.decoding == options and options.lm_weight == 0.8
    expected = decode_batch(loaded.model, features(), options, lm=lm)
    assert heard(there) == expected and any(result.tokens for result in expected)
    assert expected != decode_batch(loaded.model, features(), experiment.decoded["xfer"].options)
    assert (there.task, there.profile, there.most_seconds) == ("asr", profile("sw"), 20.0)
    assert there.extractor is not None and there.extractor.size == 80 and there.compression == "8bit"


def test_a_zip_archive_is_always_the_same_and_hears_the_same(work: Work, tmp_path: Path,
                                                             capsys: pytest.CaptureFixture[str]) -> None:
    system, experiment = work
    (tmp_path / "exp.yaml").write_text(packing.EXPERIMENT, encoding="utf-8")
    for name in ("one.zip", "two.zip"):
        cli.main([str(system), str(tmp_path / name), "--config", str(tmp_path / "exp.yaml")])
    said = capsys.readouterr().out.splitlines()
    assert [re.sub("one|two", "x", line) for line in said] == [re.sub("one|two", "x", said[0])] * 2
    assert (tmp_path / "one.zip").read_bytes() == (tmp_path / "two.zip").read_bytes()
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []
    loaded, _ = open_models(system, None)
    options = experiment.decoded["xfer"].options
    assert heard(open_packed(tmp_path / "one.zip")) == decode_batch(loaded.model, features(), options)


def test_parameters_stand_once_and_nobody_is_kept_out(work: Work, packed: Path) -> None:
    state = load_state(packed / "model.safetensors")
    assert all(torch.equal(state[name], tensor) for name, tensor in load_state(work[0] / "model.pth").items())
    assert not list(packed.rglob("*.pth"))
    assert {path.stat().st_mode & 0o777 for path in packed.rglob("*") if path.is_file()} == {0o644}
    subprocess.run(["sha256sum", "--strict", "-c", "SHA256SUMS"], cwd=packed, check=True, capture_output=True)


def test_no_path_of_the_machine_is_told(work: Work, packed: Path) -> None:
    root = work[0].parents[2]
    told = {path.name for path in packed.rglob("*") if path.is_file()
            for secret in (str(root), str(packed.parent), str(Path.home()), sys.prefix)
            if secret.encode() in path.read_bytes()}
    assert told == set()


def test_the_card_says_what_the_hub_and_people_ask(packed: Path) -> None:
    card = (packed / "README.md").read_text(encoding="utf-8")
    header = yaml.safe_load(card.split("---\n")[1])
    assert header["language"] == ["sw"] and header["license"] == "cc-by-4.0" and "stxfer" in header["tags"]
    assert header["pipeline_tag"] == "automatic-speech-recognition"
    assert "\n# Swahili\n" in card
    assert "| st | st | src_train | sw.human | 1.50 | nothing |\n| xfer | asr | tgt_train | sw | 1.50 |" in card
    assert "| 1.50 | encoder, ctc |" in card
    assert "command `./run.sh --workdir PATH --preset mini`" in card and "experiment file `mini.yaml`" in card
    assert "fused with weight 0.8" in card and "Wang" in card


def test_scores_are_those_of_the_way_it_decodes(work: Work, packed: Path, tmp_path: Path) -> None:
    assert "## Scores" not in (packed / "README.md").read_text(encoding="utf-8")  # none of the variant were reported
    write_pack(work[0], tmp_path / "plain", experiment=work[1])
    card = (tmp_path / "plain/README.md").read_text(encoding="utf-8")
    assert "| tgt_test | 300 | WER | 48.2 | [45.4, 51.0] | 1 2 |" in card and "99.0" not in card
    assert "- `wer|norm:sw|jiwer:4.0.0`" in card
    assert "- against scratch: WER +20.0 % [+10.0, +30.0], better" in card
    (result,) = yaml.safe_load(card.split("---\n")[1])["model-index"][0]["results"]
    assert result["metrics"] == [{"type": "wer", "value": 48.22}]


def test_the_card_tells_whose_hypotheses_were_learnt(work: Work, tmp_path: Path) -> None:
    root = shutil.copytree(work[0].parents[2], tmp_path / "work")
    marker = read_marker(root / "exp/xfer/seed1")
    parts = [{"data": "tgt_more", "text": "sw", "by": "direct+lm"}, {"data": "tgt_other", "text": "sw", "by": ""}]
    marker["options"]["system"]["mix"] = parts
    write_marker(root / "exp/xfer/seed1", marker)
    assert [row["data"] for row in lineage(Record(root / "exp/xfer/seed1"))] == \
        ["src_train", "tgt_train + tgt_more labelled by direct+lm + tgt_other"]


def test_a_model_that_is_not_what_its_stage_left_is_refused(work: Work, tmp_path: Path) -> None:
    root = shutil.copytree(work[0].parents[2], tmp_path / "work")
    system, lm = root / "exp/xfer/seed1", root / "exp/lm/rnn"
    for path, variant in ((lm / "model.pth", "lm"), (system / "config.yaml", "")):
        with path.open("ab") as handle:
            handle.write(b"\n")
        with pytest.raises(StaleError, match=f"^{path}: is not what its stage has written; run its stage") as refused:
            write_pack(system, tmp_path / "out", variant=variant, experiment=work[1])
        assert "--allow-stale" not in str(refused.value) and not (tmp_path / "out").exists()


def test_a_model_that_is_out_of_date_is_refused(tmp_path: Path) -> None:
    system, experiment = packing.make_work(tmp_path)
    text = tmp_path / "text"
    text.write_text("a")
    stage = Stage("training", system, [text], options=read_json(system / ".stage.json")["options"])
    stage.begin()
    stage.finish([system / name for name in ("model.pth", "config.yaml", "model.json")])
    write_pack(system, tmp_path / "out", experiment=experiment)
    text.write_text("b")
    with pytest.raises(StaleError, match=f"{system}: out of date, .*text has changed .*; run its stage again .*[)]$"):
        write_pack(system, tmp_path / "out", experiment=experiment)


@pytest.mark.parametrize(("harm", "reason"), [
    (lambda root: (root / "exp/report/results.json").write_text("{}"), "is not what its stage has written"),
    (lambda root: (root / "exp/report/.stage.json").unlink(), "not finished"),
    (lambda root: Stage("training", root / "exp/xfer/seed1", options=read_json(
        root / "exp/xfer/seed1/.stage.json")["options"]).finish([root / "exp/xfer/seed1/model.pth"]), "out of date"),
    (lambda root: Stage("report", root / "exp/report").finish([root / "exp/report/results.json"]),
     "the report was not made from"),
])
def test_scores_of_another_model_are_left_out(tmp_path: Path, harm: Callable[[Path], Any], reason: str,
                                              caplog: pytest.LogCaptureFixture) -> None:
    system, experiment = packing.make_work(tmp_path / "work")
    harm(tmp_path / "work")
    with caplog.at_level(logging.WARNING):
        write_pack(system, tmp_path / "out", experiment=experiment)
    assert "the card has no scores: " in caplog.text and reason in caplog.text
    card = (tmp_path / "out/README.md").read_text(encoding="utf-8")
    assert "## Scores" not in card and "model-index" not in card


def test_everybody_may_read_it_whatever_the_umask_and_a_killed_run_leaves_nothing(work: Work, tmp_path: Path) -> None:
    (tmp_path / ".xfer.zip.partial").mkdir()
    (tmp_path / ".xfer.zip.partial/half").touch()
    mask = os.umask(0o077)
    try:
        for name in ("xfer", "xfer.zip"):
            write_pack(work[0], tmp_path / name, experiment=work[1])
    finally:
        os.umask(mask)
    assert (tmp_path / "xfer").stat().st_mode & 0o777 == 0o755
    assert (tmp_path / "xfer.zip").stat().st_mode & 0o777 == 0o644
    assert {path.name for path in tmp_path.iterdir()} == {"xfer", "xfer.zip"}
    with zipfile.ZipFile(tmp_path / "xfer.zip") as zipped:
        assert "half" not in zipped.namelist()


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-100])


def altered(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize(("name", "harm", "message"), [
    ("model.safetensors", cut, "model.safetensors is not as it was packed: cut short, damaged or changed"),
    ("model.safetensors", altered, "model.safetensors is not as it was packed"),
    ("lm/config.yaml", altered, "lm/config.yaml is not as it was packed"),
    ("bpe.model", Path.unlink, "bpe.model is missing"),
    ("SHA256SUMS", Path.unlink, "SHA256SUMS is missing"),
    ("SHA256SUMS", cut, "SHA256SUMS, line [0-9]+: not a digest"),
    ("SHA256SUMS", lambda path: path.write_text(f"{'0' * 64}  ../../x\n"), "SHA256SUMS, line 1: not a digest"),
    ("frontend", lambda path: path.write_text("x"), "frontend is none of its files"),
    ("pack.json", lambda path: path.write_text("{}"), "pack.json is not as it was packed"),
])
def test_a_damaged_directory_is_refused(copy: Path, name: str, harm: Callable[[Path], Any], message: str) -> None:
    harm(copy / name)
    with pytest.raises(DataError, match=f"^{copy}: {message}") as refused:
        open_packed(copy)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("name", ["model.safetensors", "lm", "more"])
def test_a_symbolic_link_is_refused(copy: Path, tmp_path: Path, name: str) -> None:
    if (copy / name).exists():
        (copy / name).rename(tmp_path / "away")
    (copy / name).symlink_to(tmp_path / "away")
    with pytest.raises(DataError, match=f"^{copy}: {name} is a symbolic link; copy the pack"):
        open_packed(copy)


def test_notes_of_a_download_are_passed_over(copy: Path) -> None:
    (copy / ".cache/huggingface").mkdir(parents=True)
    (copy / ".cache/huggingface/x.lock").touch()
    (copy / ".gitattributes").touch()
    with opened(copy) as directory:
        assert directory == copy


def test_a_damaged_archive_is_refused(copy: Path, tmp_path: Path) -> None:
    path = tmp_path / "x.zip"

    def write(files: dict[str, bytes]) -> None:
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as zipped:
            for name, content in files.items():
                zipped.writestr(name, content)

    whole = {p.relative_to(copy).as_posix(): p.read_bytes() for p in copy.rglob("*") if p.is_file()}
    write(whole)
    with opened(path) as directory:
        assert (directory / "pack.json").exists()
    assert not directory.exists()
    content = path.read_bytes()
    for files, message in (({"pack.json": b"{}"}, "SHA256SUMS is missing"), ({"a": b""}, "not a pack"),
                           ({"../x": b""}, "leaves the folder"), ({**whole, "lm/bpe.model": b"x"}, "is not as it was"),
                           ({"zeros": bytes(101_000_000)}, "unpack to more than")):
        write(files)
        with pytest.raises(DataError, match=message) as refused:
            open_packed(path)
        assert str(refused.value).startswith(f"{path}: ") and "\n" not in str(refused.value)
    path.write_bytes(content[:len(content) // 2])
    with pytest.raises(DataError, match=f"^{path}: not a whole archive"):
        open_packed(path)


def test_a_directory_may_be_called_like_an_archive(work: Work, copy: Path) -> None:
    path = copy.rename(copy.with_name("copy.zip"))
    assert is_pack(path) and files_of(path) == [path / "model.safetensors", path / "config.yaml"]
    missing = path.with_name("none.zip")
    assert not is_pack(missing) and files_of(missing) == [missing]
    with opened(path) as directory:
        assert directory == path
    write_pack(work[0], path, experiment=work[1])
    assert open_packed(path).lm is None and not (path / "lm").exists()


@pytest.mark.parametrize(("change", "error", "message"), [
    ({"format": 2}, DataError, "pack.json is not of format 1"),
    ({"decoding": {"beam": 3}}, ConfigError, "decoding: unknown key 'beam'"),
    ({"rules": {"case": "upper"}}, ConfigError, "'upper' must be one of"),
    ({"features": {"kind": "mfcc"}}, ConfigError, "features that this version does not make"),
    ({"task": 3}, ConfigError, "task: "),
    ({"features": {"kind": "pretrained"}}, DataError, "with a pretrained encoder, and has no 'encoder'"),
    ({"features": {"kind": "waveform"}}, DataError, "with a pretrained encoder, and has no 'encoder'"),
    ({"whisper": {"model": "x"}, "features": None}, DataError, "of Whisper, and has no 'encoder'"),
])
def test_a_pack_that_this_version_cannot_read_is_refused(copy: Path, change: dict[str, Any], error: type[StxferError],
                                                         message: str) -> None:
    write_json(copy / "pack.json", {**read_json(copy / "pack.json"), **change})
    with zipfile.ZipFile(copy.with_suffix(".zip"), "w") as zipped:  # digests that agree with it
        (copy / "SHA256SUMS").unlink()
        seal(copy)
        for path in copy.rglob("*"):
            zipped.write(path, path.relative_to(copy))
    with pytest.raises(error, match=message):
        open_packed(copy.with_suffix(".zip"))


def test_what_is_neither_a_pack_nor_a_system_is_named(tmp_path: Path) -> None:
    for path, message in ((tmp_path, "neither a pack, .* nor a trained"), (tmp_path / "x.zip", "no such pack, .* or ")):
        with pytest.raises(DataError, match=f"^{path}: {message}"):
            open_pretrained_system(path)


def test_what_is_no_pack_is_not_replaced(work: Work, packed: Path, tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("x")
    with pytest.raises(ConfigError, match=f"{tmp_path}: is there already and is no pack"):
        write_pack(work[0], tmp_path, experiment=work[1])
    assert (tmp_path / "thesis.tex").exists()
    with pytest.raises(DataError, match="not a trained system"):
        write_pack(packed, tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("zipped", [False, True])
def test_another_experiment_starts_from_it(work: Work, copy: Path, tmp_path: Path, zipped: bool) -> None:
    start, root = copy, work[0].parents[2]
    if zipped:
        start = tmp_path / "start.zip"
        write_pack(work[0], start, experiment=work[1])
    (root / "vocab/tokens.txt").write_text("\n".join(yaml.safe_load((copy / "config.yaml").read_text())["token_list"]))
    config = yaml.safe_load((work[0] / "config.yaml").read_text())
    spec = Fit("asr", tmp_path / "new", Corpus({}, tmp_path), Corpus({}, tmp_path), Text(root / "vocab"), [Phase()],
               init=Start(start, ("encoder",)))
    write_initial(spec, config, None, tmp_path / "init.pth")
    made, theirs = load_state(tmp_path / "init.pth"), load_state(work[0] / "model.pth")
    same = {name for name in theirs if torch.equal(made[name], theirs[name])}
    assert {name for name in theirs if name.startswith("encoder.")} <= same
    assert "decoder.output_layer.weight" not in same
    if not zipped:
        altered(copy / "model.safetensors")
        with pytest.raises(DataError, match="is not as it was packed"):
            write_initial(spec, config, None, tmp_path / "init.pth")


def test_stock_espnet_opens_it_and_hears_the_same(work: Work, tmp_path: Path) -> None:
    from espnet2.bin.asr_inference import Speech2Text
    from espnet2.main_funcs.pack_funcs import unpack


    write_pack(work[0], tmp_path / "x.zip", variant="lm", experiment=work[1], espnet=True)
    files = unpack(tmp_path / "x.zip", tmp_path / "unpacked")
    options = work[1].decoded["xfer+lm"].options
    recogniser = Speech2Text(**files, beam_size=options.beam_size, ctc_weight=options.ctc_weight,
                             lm_weight=options.lm_weight, maxlenratio=options.maxlenratio)
    ours = open_packed(tmp_path / "x.zip")
    for found, values in zip(heard(ours), features().values(), strict=True):
        assert recogniser(torch.from_numpy(values))[0][2] == found.tokens


def test_a_pretrained_encoder_comes_along_or_is_asked_for(tmp_path: Path) -> None:
    system, experiment = packing.make_work(tmp_path / "work")
    encoder = save_model("whisper", tmp_path / "whisper-tiny")
    fbank = tmp_path / "work/dump/fbank/tgt_train"
    extractor = open_pretrained(FeatureOptions(kind="pretrained", model=str(encoder), layer=(2,)))
    Stage("fbank", fbank, options={**extractor.options, "compression": "16bit"}, watched=extractor.files).finish([])
    for with_encoder in (True, False):
        write_pack(system, tmp_path / str(with_encoder), experiment=experiment, with_encoder=with_encoder)
    shutil.move(encoder, tmp_path / "moved")
    for name, given in (("True", None), ("False", tmp_path / "moved")):
        found = open_packed(tmp_path / name, encoder=given)
        assert found.extractor is not None and found.compression == "16bit"
        assert dict(found.extractor.options) == dict(extractor.options)
    feats = read_json(tmp_path / "False/pack.json")["features"]
    for key in ("layer", "stride", "model_sha256"):
        with pytest.raises(DataError, match=f"pack.json: {key}"):
            extractor_of({**feats, key: None}, tmp_path / "pack.json", tmp_path / "moved")
    card = (tmp_path / "False/README.md").read_text(encoding="utf-8")
    assert "`whisper-tiny`" in card and extractor.digest[:16] in card and "--encoder DIR" in card
    with pytest.raises(ConfigError, match="needs the whisper encoder whisper-tiny, which is not in it: .*--encoder"):
        open_packed(tmp_path / "False")
    altered(tmp_path / "moved/preprocessor_config.json")
    with pytest.raises((ConfigError, DataError), match="moved"):
        open_packed(tmp_path / "False", encoder=tmp_path / "moved")


def test_an_archive_with_its_encoder_hears(tmp_path: Path) -> None:
    """The encoder is read when it first hears something, and the archive's files are there as long."""
    system, experiment = packing.make_work(tmp_path / "work")
    encoder = save_model("whisper", tmp_path / "whisper-tiny")
    fbank = tmp_path / "work/dump/fbank/tgt_train"
    extractor = open_pretrained(FeatureOptions(kind="pretrained", model=str(encoder), layer=(2,)))
    Stage("fbank", fbank, options={**extractor.options, "compression": "16bit"}, watched=extractor.files).finish([])
    write_pack(system, tmp_path / "pack.zip", experiment=experiment, with_encoder=True)
    samples = speech(1.0)
    (expected,) = extractor([samples], ["a"])
    shutil.rmtree(encoder)
    found = open_packed(tmp_path / "pack.zip")
    assert isinstance(found.extractor, PretrainedFeatures)
    (features,) = found.extractor([samples], ["a"])
    assert np.array_equal(features, expected)
    folder = Path(found.extractor.model)
    assert folder.exists()
    pretrained._encoder.cache_clear()
    del found
    gc.collect()
    assert not folder.exists()


def test_a_model_that_begins_with_an_encoder_hears_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    encoder = save_model("wav2vec2", tmp_path / "tiny")
    front = {"frontend": "pretrained", "frontend_conf": {"model": str(encoder), "tune": "top", "top": 1,
                                                         "digest": open_hub_model(encoder).digest()}}
    monkeypatch.setattr(untrained, "MODEL", {**untrained.MODEL, **front, "input_size": None, "encoder": "s2t_blstm",
                                             "encoder_conf": {"output_size": 16, "num_layers": 1}})
    system, _ = packing.make_work(tmp_path / "work")
    options = {**read_json(system / ".stage.json")["options"], "model": front}
    Stage("training", system, options=options).finish([system / "model.pth"])
    Stage("fbank", tmp_path / "work/dump/fbank/tgt_train", options=Waveform().options).finish([])
    expected = said(open_system(system))
    for name, own in (("own.zip", True), ("own", True), ("bare", False)):
        write_pack(system, tmp_path / name, with_encoder=own)
    with pytest.raises(ConfigError, match="the model begins with the encoder tiny"):
        write_pack(system, tmp_path / "espnet", espnet=True)
    moved = shutil.move(encoder, tmp_path / "moved")
    assert said(open_system(system, encoder=moved)) == expected != [""] * 3
    for name, given in (("own.zip", None), ("own", None), ("bare", moved)):
        assert said(open_packed(tmp_path / name, encoder=given)) == expected
    with pytest.raises(ConfigError, match="needs the wav2vec2 encoder tiny, which is not in it: .*--encoder"):
        open_packed(tmp_path / "bare")
    save_model("hubert", tmp_path / "other")
    with pytest.raises(DataError, match="not the encoder that the model was trained with"):
        open_packed(tmp_path / "bare", encoder=tmp_path / "other")


def said(system: SpeechSystem) -> list[str]:
    return [one[0].text for one in recogniser(system)([speech(1.0 + k / 3, seed=k) for k in range(3)])]


def test_what_decides_a_whisper_is_what_is_packed_and_compared(tmp_path: Path) -> None:
    base = save_whisper(tmp_path / "whisper-tiny")
    state = load_file(base / "model.safetensors")
    (base / "model.safetensors").unlink()
    torch.save(state, base / "pytorch_model.bin")
    (base / "notes.md").touch()
    system = whisper_system(tmp_path / "work", base)
    write_pack(system, tmp_path / "own", with_encoder=True)
    write_pack(system, tmp_path / "pack")
    held = {path.name for path in (tmp_path / "own/encoder").iterdir()}
    assert {"pytorch_model.bin", "tokenizer.json", "generation_config.json", "config.json"} <= held
    assert "notes.md" not in held
    shutil.move(base, tmp_path / "moved")
    for pack, encoder in (("own", None), ("pack", tmp_path / "moved")):
        assert isinstance(open_packed(tmp_path / pack, encoder=encoder).model, WhisperModel)
    assert isinstance(open_system(system, encoder=tmp_path / "moved").model, WhisperModel)
    for name in ("tokenizer.json", "generation_config.json"):
        content = (tmp_path / "moved" / name).read_bytes()
        (tmp_path / "moved" / name).write_bytes(content + b"\n")
        with pytest.raises(ConfigError, match="moved: not the Whisper whisper-tiny that .*: its files are others"):
            open_packed(tmp_path / "pack", encoder=tmp_path / "moved")
        with pytest.raises(ConfigError, match=f"moved: not the Whisper that {system} was tuned from") as refused:
            open_system(system, encoder=tmp_path / "moved")
        assert "\n" not in str(refused.value)
        (tmp_path / "moved" / name).write_bytes(content)
    save_file(state, tmp_path / "moved/model.safetensors")  # read instead of what it was tuned from
    with pytest.raises(ConfigError, match=f"moved: not the Whisper that {system} was tuned from"):
        open_system(system, encoder=tmp_path / "moved")


def whisper_system(root: Path, base: Path) -> Path:
    """Return the directory of a Whisper as it is, as a system."""
    data, system = root / "dump/data/tgt_train", root / "exp/whisper/seed1"
    data.mkdir(parents=True)
    Stage("data", data, options=packing.PREPARED).finish([])
    system.mkdir(parents=True)
    write_json(system / "model.json", {"task": "asr", "whisper": str(base), **packing.INFO})
    options = {"whisper": Whisper(model=str(base), tune="nothing"), "language": "sw", "seed": 1}
    stage = Stage("training", system, [data, *whisper_files(base)], options)
    stage.begin()
    stage.finish([system / "model.json"])
    return system


def test_a_whisper_is_packed_with_what_it_was_tuned_from(tmp_path: Path) -> None:
    base = save_whisper(tmp_path / "whisper-tiny")
    system = whisper_system(tmp_path / "work", base)
    write_pack(system, tmp_path / "pack", with_encoder=True)
    told = {path.name for path in (tmp_path / "pack").rglob("*") if path.is_file()
            and str(tmp_path).encode() in path.read_bytes()}
    assert told == set()
    shutil.rmtree(base)
    found = open_packed(tmp_path / "pack")
    assert isinstance(found.model, WhisperModel) and found.extractor is None and found.profile == profile("sw")
    with pytest.raises(ConfigError, match="--espnet: a fine-tuned Whisper is no model of ESPnet's"):
        write_pack(system, tmp_path / "other", espnet=True)


def test_rules_of_a_profile_come_back() -> None:
    for name in ("sw", "tr", "th", "ar", "default"):
        rules = profile(name)
        assert load_profiles({rules.name: rules_of(rules)})[rules.name] == rules
