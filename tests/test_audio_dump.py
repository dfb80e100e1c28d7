"""Features of data directories: what is written, read, taken up again after a kill."""

from __future__ import annotations

import io
import os
import signal
import subprocess
import sys
from pathlib import Path

import kaldiio
import numpy as np
import pytest
import soundfile

from stxfer.audio import dump, shards
from stxfer.audio.ark import write_matrix
from stxfer.audio.dump import dump_fbank
from stxfer.audio.fbank import features
from stxfer.audio.io import load_audio
from stxfer.audio.recording import Recording
from stxfer.bin import dump_fbank as cli
from stxfer.core import digests, fileio
from stxfer.core.errors import ConfigError, DataError, StxferError
from stxfer.core.pool import worker_pool
from stxfer.core.stage import Stage
from stxfer.core.threads import VARIABLES
from stxfer.kaldi.datadir import Audio, DataDir, Segment, write_datadir
from stxfer.kaldi.table import read_table
from stxfer.model.espnet_patches import fast_imports


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


@pytest.mark.parametrize(("compression", "tolerance"), [("none", 1e-6), ("16bit", 2e-4), ("8bit", 0.1)])
def test_dump_is_what_kaldiio_reads(data: DataDir, tmp_path: Path, compression: str, tolerance: float,
                                    monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shards, "MIN_SHARD", 2)
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


KILLED = """
import os, signal, sys
from stxfer.audio import dump, shards

made = 0

def write_and_die(path, value, **options):
    global made
    write_json(path, value, **options)
    made += 1
    if made == 2:
        os.kill(os.getpid(), signal.SIGKILL)

write_json, shards.write_json, shards.MIN_SHARD = shards.write_json, write_and_die, 2
dump.dump_fbank(*sys.argv[1:])
"""


@pytest.mark.parametrize("lost", [False, True])
def test_dump_killed_ends_in_the_same_bytes(data: DataDir, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
                                            lost: bool) -> None:
    monkeypatch.setattr(shards, "MIN_SHARD", 2)
    dump_fbank(data.path, tmp_path / "whole")
    out = tmp_path / "out"
    killed = subprocess.run([sys.executable, "-c", KILLED, str(data.path), str(out)], check=False)
    assert killed.returncode == -signal.SIGKILL
    assert not (out / ".stage.json").exists()
    assert len(list((out / ".shards").glob("*.json"))) == 2
    if lost:  # the power went, too: the index was on the disk, the features were not
        min((out / ".shards").glob("*.ark")).write_bytes(b"")
    made = []

    def watch(shard: shards.Shard) -> shards.Shard:
        made.extend(utt for utt, _ in shard.items)
        return make_shard(shard)

    make_shard = dump.make_shard
    monkeypatch.setattr(dump, "make_shard", watch)
    dump_fbank(data.path, out)
    assert len(made) == (3 if lost else 1) and "s0-u4" in made  # two shards of two were whole, or one
    for name in ("feats.1.ark", "feats.3.ark", "feats.sha256", "speech_shape"):
        assert (out / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()
    once = len(made)
    dump_fbank(data.path, out)
    assert len(made) == once  # up to date
    soundfile.write(data.wav_scp["s0-u0"], tone(0.5), 16000)
    dump_fbank(data.path, out)
    assert len(made) == once + 5
    assert (out / "feats.sha256").read_text() != (tmp_path / "whole/feats.sha256").read_text()


@pytest.mark.parametrize("interrupted", [False, True])
def test_archives_are_not_read_again_but_those_of_an_earlier_run(
        data: DataDir, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, interrupted: bool) -> None:
    monkeypatch.setattr(digests, "_TICK", 0)
    out = tmp_path / "fbank/src_train"
    read: list[Path] = []
    if interrupted:
        with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
            patch.setattr(dump, "_merge", lambda *_: interrupt())
            dump_fbank(data.path, out)
    dump_fbank(data.path, out)
    monkeypatch.setattr(digests, "sha256", lambda path: read.append(Path(path)) or fileio.sha256(path))
    Stage("next", tmp_path / "next", [out / "feats.sha256"]).needed()
    assert read == ([out / "feats.1.ark"] if interrupted else [])


def interrupt() -> None:
    raise KeyboardInterrupt


def test_dump_applies_speed(data: DataDir, tmp_path: Path) -> None:
    data.utt2speed = dict.fromkeys(data.wav_scp, 0.5)
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
    monkeypatch.setattr(shards, "MIN_SHARD", 3)
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


@pytest.mark.parametrize("frames", [1, 2, 4, 5, 7, 8, 9, 50, 803])
@pytest.mark.parametrize("scale", [1.0, 30.0])
def test_compressed_ark_is_kaldiios(frames: int, scale: float) -> None:
    matrix = (scale * np.random.default_rng(frames).normal(size=(frames, 80))).astype(np.float32)
    matrix[:, 3], matrix[:, 5] = 0.0, matrix[:, 5].round()  # a constant, and one of few values
    ours, theirs = io.BytesIO(), io.BytesIO()
    assert write_matrix(ours, "utt", matrix, "8bit") == len("utt ")
    kaldiio.save_ark(theirs, {"utt": matrix}, compression_method=2)
    assert ours.getvalue() == theirs.getvalue()


def test_constant_matrix() -> None:
    ark = io.BytesIO()
    write_matrix(ark, "utt", np.zeros((99, 80), np.float32), "8bit")
    ark.seek(0)
    assert np.abs(dict(kaldiio.load_ark(ark))["utt"]).max() < 1e-4


@pytest.fixture
def talk(tmp_path: Path) -> DataDir:
    """Segments of two recordings of 6 s, each at three speeds."""
    data = DataDir(tmp_path / "data" / "tgt_train", {}, {}, {})
    for name in ("one", "two"):
        data.wav_scp[name] = str(tmp_path / f"{name}.flac")
        soundfile.write(data.wav_scp[name], tone(6.0, 44100, seed=len(data.wav_scp)), 44100)
        for k in range(4):
            for speed in (1.0, 0.9, 1.1):
                utt = f"s-{name}-{k}-{speed}"
                data.segments[utt] = Segment(name, 1.25 * k, 1.25 * k + 1)
                data.text[utt], data.utt2spk[utt], data.utt2speed[utt] = "words", "s", speed
    write_datadir(data.path, data)
    return data


def test_segments_are_cut_and_each_is_decoded_once(talk: DataDir, tmp_path: Path,
                                                   monkeypatch: pytest.MonkeyPatch) -> None:
    opened, read = [], []

    class Watched(Recording):
        def __init__(self, path: str) -> None:
            opened.append(Path(path).name)
            super().__init__(path)

        def read(self, start: float = 0.0, end: float | None = None, channel: int | None = None) -> np.ndarray:
            read.append((start, end))
            return super().read(start, end, channel)

    monkeypatch.setattr(shards, "Recording", Watched)
    dump_fbank(talk.path, tmp_path / "out", compression="none")
    assert opened == ["one.flac", "two.flac"]
    assert len(read) == 8
    loaded = kaldiio.load_scp(str(tmp_path / "out" / "feats.scp"))
    assert sorted(loaded) == sorted(talk.text)
    for utt, matrix in loaded.items():
        path, start, end, speed, _ = talk.audio(utt)
        assert np.array_equal(matrix, features(load_audio(path, start=start, end=end, speed=speed), path))
        assert len(matrix) == pytest.approx(100 / speed, abs=3)


def test_reader_gives_what_load_audio_gives(talk: DataDir) -> None:
    reader = shards.Reader()
    for audio in (Audio(talk.wav_scp["one"], 1.0, 2.0), Audio(talk.wav_scp["one"], 0.5, 2.0, 1.1),
                  Audio(talk.wav_scp["two"]), Audio(talk.wav_scp["one"], 1.0, 2.0, 0.9)):
        expected = load_audio(audio.path, speed=audio.speed, start=audio.start, end=audio.end)
        assert np.array_equal(reader.read(audio), expected)
    reader.close()


def test_espnet_reads_the_dump(data: DataDir, tmp_path: Path) -> None:
    with fast_imports():
        from espnet2.train.dataset import ESPnetDataset

    out = tmp_path / "fbank" / "src_train"
    dump_fbank(data.path, out)
    dataset = ESPnetDataset([(str(out / "feats.scp"), "speech", "kaldi_ark")], preprocess=None)
    for utt, path in data.wav_scp.items():
        name, loaded = dataset[utt]
        assert name == utt
        assert loaded["speech"].dtype == np.float32
        assert np.abs(loaded["speech"] - features(load_audio(path), path)).max() < 0.1


def double(value: int) -> int:
    return 2 * value


def threads(_value: int) -> list[str | None]:
    return [os.environ.get(name) for name in VARIABLES]


def die(value: int) -> int:
    if value == 3:
        os.kill(os.getpid(), signal.SIGKILL)
    return value


def refuse(value: int) -> int:
    raise DataError(f"utterance {value}: no")


@pytest.mark.parametrize("nj", [1, 2])
def test_pool(nj: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLES[0], "7")
    taken = []

    def jobs():
        for value in range(100):
            taken.append(value)
            yield value

    with worker_pool(nj) as pool:
        assert sorted(pool.run(double, range(100), what="double")) == list(range(0, 200, 2))
        results = pool.run(double, jobs(), what="double")
        next(results)
        assert len(taken) <= 6  # of a million jobs, only a few are in memory
        results.close()
        if nj > 1:
            assert list(pool.run(threads, [0], what="threads")) == [["1"] * len(VARIABLES)]
        with pytest.raises(DataError, match="^utterance 0: no$"):
            list(pool.run(refuse, [0], what="refuse"))
    assert os.environ[VARIABLES[0]] == "7"


def test_killed_worker_is_an_error_of_one_line() -> None:
    with worker_pool(2) as pool, pytest.raises(StxferError, match="^fbank src_train: a worker process was killed, most "
                                               "likely for memory; run again with a smaller --nj$"):
        list(pool.run(die, range(6), what="fbank src_train"))
