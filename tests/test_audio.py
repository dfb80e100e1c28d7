"""Decoding, features and their dump."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import kaldiio
import numpy as np
import pytest
import soundfile

from stxfer.audio import dump
from stxfer.audio.dump import dump_fbank
from stxfer.audio.fbank import cmvn, fbank, features
from stxfer.audio.io import decode, duration, load_audio
from stxfer.bin import dump_fbank as cli
from stxfer.errors import ConfigError, DataError
from stxfer.kaldi.datadir import DataDir, write_datadir
from stxfer.kaldi.table import read_table
from stxfer.pool import worker_pool


def tone(seconds: float, rate: int = 16000, hertz: float = 440.0, seed: int = 0) -> np.ndarray:
    time = np.arange(round(seconds * rate)) / rate
    noise = np.random.default_rng(seed).normal(size=len(time))
    return (0.3 * np.sin(2 * np.pi * hertz * time) + 0.01 * noise).astype(np.float32)


@pytest.fixture
def data(tmp_path: Path) -> DataDir:
    wav_scp, seconds = {}, {}
    for k in range(5):
        utt, path = f"s{k % 2}-u{k}", tmp_path / f"u {k}.wav"
        seconds[utt] = 0.3 + 0.1 * k
        soundfile.write(path, tone(seconds[utt], seed=k), 16000)
        wav_scp[utt] = str(path)
    data = DataDir(tmp_path / "data" / "src_train", wav_scp, {utt: f"word {utt}" for utt in wav_scp},
                   {utt: utt[:2] for utt in wav_scp}, seconds,
                   texts={"text.sw.human": {utt: f"neno {utt}" for utt in wav_scp}})
    write_datadir(data.path, data)
    return data


@pytest.mark.parametrize(("name", "options"), [
    ("a.wav", {}), ("a.flac", {}), ("a.mp3", {}), ("a.ogg", {"format": "OGG", "subtype": "OPUS"})])
def test_reads_every_format(tmp_path: Path, name: str, options: dict[str, str]) -> None:
    samples = tone(1.0, 48000)
    soundfile.write(tmp_path / name, np.stack([samples, samples], axis=1), 48000, **options)
    loaded = load_audio(tmp_path / name)
    assert loaded.dtype == np.float32
    assert len(loaded) == pytest.approx(16000, abs=400)
    spectrum = np.abs(np.fft.rfft(loaded[:16000]))
    assert np.argmax(spectrum) * 16000 / min(len(loaded), 16000) == pytest.approx(440, abs=3)
    assert duration(tmp_path / name) == pytest.approx(1.0, abs=0.03)


def test_speed_changes_tempo_and_pitch(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", tone(1.0), 16000)
    fast = load_audio(tmp_path / "a.wav", speed=1.1)
    assert len(fast) == pytest.approx(16000 / 1.1, abs=2)
    assert np.argmax(np.abs(np.fft.rfft(fast))) * 16000 / len(fast) == pytest.approx(484, abs=2)


def test_refuses_bad_audio(tmp_path: Path) -> None:
    def error(name: str) -> str:
        with pytest.raises(DataError, match=name) as info:
            decode(tmp_path / name)
        return str(info.value)

    (tmp_path / "zero.wav").touch()
    (tmp_path / "junk.mp3").write_bytes(b"not audio at all" * 64)
    soundfile.write(tmp_path / "none.wav", np.zeros(0), 16000)
    soundfile.write(tmp_path / "nan.wav", np.array([0.0, np.nan] * 1000), 16000, subtype="FLOAT")
    soundfile.write(tmp_path / "whole.mp3", tone(3.0), 16000)
    (tmp_path / "cut.mp3").write_bytes((tmp_path / "whole.mp3").read_bytes()[:6000])
    soundfile.write(tmp_path / "whole.flac", tone(3.0), 16000)
    (tmp_path / "cut.flac").write_bytes((tmp_path / "whole.flac").read_bytes()[:20000])
    assert "no such audio file" in error("missing.wav")
    assert "empty (0 bytes)" in error("zero.wav")
    assert "cannot be decoded" in error("junk.mp3")
    assert "no samples" in error("none.wav")
    assert "NaN" in error("nan.wav")
    assert "truncated" in error("cut.mp3")
    assert "cannot be decoded to its end" in error("cut.flac")


def test_fbank_follows_frequency_and_scale() -> None:
    low, high = (fbank(tone(0.5, hertz=hertz)).mean(axis=0) for hertz in (300.0, 3000.0))
    assert low.shape == (80,)
    assert low.argmax() < high.argmax()
    assert fbank(tone(0.5)).shape == (1 + (8000 - 400) // 160, 80)
    assert fbank(np.zeros(399, np.float32)).shape == (0, 80)
    assert float(np.abs(fbank(np.zeros(16000, np.float32))).max()) == 0.0  # not log(1e-7)


def test_cmvn_normalises_each_dimension() -> None:
    matrix = cmvn(fbank(tone(1.0)))
    assert np.allclose(matrix.mean(axis=0), 0, atol=1e-3)
    assert np.allclose((matrix**2).mean(axis=0), 1, atol=1e-3)
    assert float(np.abs(cmvn(fbank(np.zeros(16000, np.float32)))).max()) == 0.0


def test_features_too_short(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "short.wav", tone(0.02), 16000)
    with pytest.raises(DataError, match="short.wav: shorter than one window"):
        features(load_audio(tmp_path / "short.wav"), "short.wav")


@pytest.mark.parametrize(("compression", "tolerance"), [("none", 1e-6), ("8bit", 0.1)])
def test_dump_is_what_kaldiio_reads(data: DataDir, tmp_path: Path, compression: str, tolerance: float,
                                    monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dump, "MIN_SHARD", 2)
    out = tmp_path / "fbank" / "src_train"
    assert dump_fbank(data.path, out, compression=compression) == 5
    assert sorted(p.name for p in out.glob("*.ark")) == ["feats.1.ark", "feats.2.ark", "feats.3.ark"]
    loaded = kaldiio.load_scp(str(out / "feats.scp"))
    assert sorted(loaded) == sorted(data.wav_scp)
    frames, shapes = read_table(out / "utt2num_frames"), read_table(out / "speech_shape")
    for utt, path in data.wav_scp.items():
        expected = features(load_audio(path), path)
        assert loaded[utt].shape == expected.shape
        assert np.abs(loaded[utt] - expected).max() < tolerance
        assert frames[utt] == str(len(expected))
        assert shapes[utt] == f"{len(expected)},80"
    assert read_table(out / "text.sw.human") == data.texts["text.sw.human"]
    assert not (out / ".shards").exists()


def test_dump_keeps_finished_shards_and_result(data: DataDir, tmp_path: Path,
                                               monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dump, "MIN_SHARD", 2)
    whole = tmp_path / "whole"
    dump_fbank(data.path, whole)
    made = []

    def fail_third(samples: np.ndarray, path: str) -> np.ndarray:
        made.append(path)
        if len(made) == 3:
            raise KeyboardInterrupt
        return features(samples, path)

    monkeypatch.setattr(dump, "features", fail_third)
    out = tmp_path / "out"
    with pytest.raises(KeyboardInterrupt):
        dump_fbank(data.path, out)
    assert not (out / ".stage.json").exists()
    dump_fbank(data.path, out)
    assert len(made) == 3 + 3  # the first shard's two utterances are not made again
    for name in ("feats.1.ark", "feats.3.ark", "feats.sha256", "speech_shape"):
        assert (out / name).read_bytes() == (whole / name).read_bytes()
    dump_fbank(data.path, out)
    assert len(made) == 6  # up to date
    soundfile.write(data.wav_scp["s0-u0"], tone(0.5), 16000)
    before = (out / "feats.sha256").read_text()
    dump_fbank(data.path, out)
    assert len(made) == 11
    assert (out / "feats.sha256").read_text() != before


def test_dump_applies_speed(data: DataDir, tmp_path: Path) -> None:
    data.utt2speed = {utt: 0.5 for utt in data.wav_scp}
    write_datadir(data.path, data)
    dump_fbank(data.path, tmp_path / "out")
    assert read_table(tmp_path / "out" / "utt2num_frames")["s0-u0"] == str(1 + (2 * 4800 - 400) // 160)


def test_dump_names_bad_utterance(data: DataDir, tmp_path: Path) -> None:
    Path(data.wav_scp["s0-u2"]).unlink()
    with pytest.raises(DataError, match="out, utterance s0-u2: .*u 2.wav: no such audio file"):
        dump_fbank(data.path, tmp_path / "out")
    with pytest.raises(ConfigError, match="unknown compression"):
        dump_fbank(data.path, tmp_path / "out", compression="zip")


def test_dump_in_worker_processes(data: DataDir, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dump, "MIN_SHARD", 3)
    dump_fbank(data.path, tmp_path / "one")
    with worker_pool(2) as pool:
        dump_fbank(data.path, tmp_path / "two", pool=pool)
    assert (tmp_path / "one/feats.sha256").read_text() == (tmp_path / "two/feats.sha256").read_text()


def test_command(data: DataDir, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    argv = ["--data", str(tmp_path / "data"), "--out", str(tmp_path / "fbank"), "--nj", "1"]
    cli.main(argv)
    assert "src_train 5" in capsys.readouterr().out
    with pytest.raises(DataError, match="tgt_train: no such set; there are: src_train"):
        cli.main([*argv, "--sets", "tgt_train"])
    with pytest.raises(DataError, match="nowhere: holds no data directory"):
        cli.main(["--data", str(tmp_path / "nowhere")])


def test_io_does_not_import_torch() -> None:
    code = "import sys, stxfer.audio.io, stxfer.audio.fbank, stxfer.audio.dump; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
