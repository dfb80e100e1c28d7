"""Corpora in Common Voice's form."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
import soundfile

from stxfer.bin import prepare_common_voice as cli
from stxfer.corpora.common_voice import prepare_common_voice, speaker_ids
from stxfer.errors import DataError
from stxfer.kaldi.datadir import read_datadir

HEADER = "client_id\tpath\tsentence\tup_votes\n"


def corpus(path: Path, rows: str = "", header: str = HEADER) -> Path:
    """Make a corpus with clips a, b, c; ``rows`` follow the training table's header."""
    (path / "clips").mkdir(parents=True)
    noise = np.random.default_rng(0).normal(size=8000) * 0.1
    for name in "abc":
        soundfile.write(path / "clips" / f"{name}.mp3", noise, 16000)
    (path / "train.tsv").write_text(header + rows, encoding="utf-8")
    (path / "dev.tsv").write_text(HEADER + f"{'f' * 128}\tb.mp3\tPili\t0\n", encoding="utf-8")
    (path / "test.tsv").write_text(HEADER + f"{'0' * 128}\tc.mp3\tTatu\t0\n", encoding="utf-8")
    return path


def test_writes_sets(tmp_path: Path) -> None:
    rows = (f"{'f' * 128}\ta.mp3\t\"Habari, alisema \t0\n"
            f"{'f' * 128}\tgone.mp3\tHaipo\t0\n"
            f"{'0' * 128}\tc.mp3\t\t0\n")
    counts = prepare_common_voice(corpus(tmp_path / "cv", rows), tmp_path / "data", "tgt")
    assert {name: (c.n_utts, c.n_dropped) for name, c in counts.items()} == {
        "tgt_train": (2, 1), "tgt_dev": (1, 0), "tgt_test": (1, 0)}
    data = read_datadir(tmp_path / "data" / "tgt_train")
    utt = "f" * 16 + "-a"
    assert data.text == {utt: '"Habari, alisema', "0" * 16 + "-c": ""}
    assert data.utt2spk[utt] == "f" * 16
    assert data.wav_scp[utt] == str(tmp_path / "cv" / "clips" / "a.mp3")
    assert data.utt2dur[utt] == pytest.approx(0.5, abs=0.1)
    dropped = (tmp_path / "data" / "tgt_train" / "dropped.tsv").read_text()
    assert dropped.startswith("f" * 16 + "-gone\t")
    assert "no such audio file" in dropped


def test_done_once_and_again_when_clips_arrive(tmp_path: Path) -> None:
    cv = corpus(tmp_path / "cv", "s\ta.mp3\tMoja\t0\ns\tlate.mp3\tNne\t0\n")
    prepare_common_voice(cv, tmp_path / "data", "src")
    marker = tmp_path / "data" / "src_train" / ".stage.json"
    before = marker.stat().st_mtime_ns
    assert prepare_common_voice(cv, tmp_path / "data", "src")["src_train"].n_utts == 1
    assert marker.stat().st_mtime_ns == before
    (cv / "clips" / "late.mp3").write_bytes((cv / "clips" / "a.mp3").read_bytes())
    assert prepare_common_voice(cv, tmp_path / "data", "src")["src_train"].n_utts == 2


@pytest.mark.parametrize(("rows", "message"), [
    ("s\t../../secret.wav\tx\t0\n", r"train.tsv:2: path '../../secret.wav' leaves"),
    ("s\ta.mp3\tx\t0\ns\t/etc/passwd\tx\t0\n", r"train.tsv:3: path '/etc/passwd' leaves"),
    ("s\ta.mp3\n", "train.tsv:2: has fewer columns"), ("\ta.mp3\tx\t0\n", "client_id or path is empty"),
    ("s\ta.mp3\tx\t0\ns\ta.mp3\ty\t0\n", "two rows give utterance s-a"),
    ("s\tgone.mp3\tx\t0\n", "no clip of tgt_train's 1 rows can be used")])
def test_refuses_rows(tmp_path: Path, rows: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        prepare_common_voice(corpus(tmp_path / "cv", rows), tmp_path / "data", "tgt")
    assert not (tmp_path / "data" / "tgt_train").exists()


def test_refuses_corpora(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="nowhere: no such folder; download"):
        prepare_common_voice(tmp_path / "nowhere", tmp_path / "data", "tgt")
    cv = corpus(tmp_path / "cv", "s\ta.mp3\n", "client_id\tpath\n")
    with pytest.raises(DataError, match="train.tsv:1: no column 'sentence'"):
        prepare_common_voice(cv, tmp_path / "data", "tgt")
    with pytest.raises(DataError, match="validated.tsv: no such file; .*--splits"):
        prepare_common_voice(cv, tmp_path / "data", "tgt", ["validated"])


def test_speaker_ids_stay_apart() -> None:
    assert speaker_ids({"a" * 128, "b" * 128}) == {"a" * 128: "a" * 16, "b" * 128: "b" * 16}
    long = {"recording_speaker_1", "recording_speaker 2"}
    assert set(speaker_ids(long).values()) == {"recording_speaker_1", "recording_speaker_2"}


def test_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    cv = corpus(tmp_path / "cv", "s\ta.mp3\tMoja\t0\ns\tgone.mp3\tHaipo\t0\n")
    cli.main(["--corpus", str(cv), "--prefix", "tgt", "--out", str(tmp_path / "data"), "--splits", "train test"])
    printed = capsys.readouterr().out
    assert "tgt_train: 1 utterances, 0.00 h, 1 left out" in printed
    assert "tgt_dev" not in printed


VOA_SW = os.environ.get("VOA_SW", "")


@pytest.mark.skipif(not Path(VOA_SW or "/nonexistent").is_dir(), reason="VOA_SW does not name the Swahili corpus")
def test_real_corpus(tmp_path: Path) -> None:
    counts = prepare_common_voice(VOA_SW, tmp_path, "tgt")
    assert counts["tgt_train"].hours == pytest.approx(1.55, abs=0.1)
    assert sum(count.n_utts for count in counts.values()) + sum(c.n_dropped for c in counts.values()) == 461
    assert set(read_datadir(tmp_path / "tgt_test").utt2spk.values()) == {"swh_35d"}
