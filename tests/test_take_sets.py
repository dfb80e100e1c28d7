"""Parts of large sets, taken before their audio is decoded."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from stxfer.bin import take_sets as command
from stxfer.core.errors import ConfigError, DataError
from stxfer.core.stage import Stage
from stxfer.corpora.take import take_sets
from stxfer.kaldi.datadir import DataDir, read_datadir, table_files, write_datadir

BASE = Path(__file__).resolve().parents[1] / "conf" / "base.yaml"


def make_set(root: Path, name: str, n_utts: int = 40) -> None:
    """Write utterances of 36 s, 0.01 h, of four speakers; the audio need not be there."""
    utts = [f"s{k % 4}-{k:03d}" for k in range(n_utts)]
    write_datadir(root / name, DataDir(root / name, {utt: f"/none/{utt}.mp3" for utt in utts}, dict.fromkeys(utts, "a"),
                                       {utt: utt[:2] for utt in utts}, dict.fromkeys(utts, 36.0),
                                       texts={"text.tr.human": dict.fromkeys(utts, "b")}))
    Stage(f"data {name}", root / name).finish(table_files(root / name))


@pytest.fixture
def whole(tmp_path: Path) -> Path:
    for name in ("src_train", "tgt_test"):
        make_set(tmp_path / "whole", name)
    return tmp_path / "whole"


def test_takes_hours_of_the_sets_named_and_all_of_the_others(whole: Path, tmp_path: Path) -> None:
    counts = take_sets(whole, tmp_path, {"src_train": 0.1})
    assert {name: (count.n_utts, count.hours) for name, count in counts.items()} == {
        "src_train": (10, 0.1), "tgt_test": (40, 0.4)}
    part, larger = read_datadir(tmp_path / "src_train"), tmp_path / "larger"
    assert set(part.utt2spk.values()) == {"s0", "s1", "s2", "s3"} and set(part.texts["text.tr.human"]) == set(part.text)
    take_sets(whole, larger, {"src_train": 0.2})
    assert part.text.keys() < read_datadir(larger / "src_train").text.keys()
    assert read_datadir(tmp_path / "tgt_test").text == read_datadir(whole / "tgt_test").text


def test_is_done_once_and_again_when_the_amount_or_the_corpus_changes(whole: Path, tmp_path: Path) -> None:
    take_sets(whole, tmp_path, {"src_train": 0.1})
    before = (tmp_path / "src_train/.stage.json").stat().st_mtime_ns
    take_sets(whole, tmp_path, {"src_train": 0.1})
    assert (tmp_path / "src_train/.stage.json").stat().st_mtime_ns == before
    assert take_sets(whole, tmp_path, {"src_train": 0.2})["src_train"].n_utts == 20
    make_set(whole, "tgt_test", 50)
    assert take_sets(whole, tmp_path, {"src_train": 0.2})["tgt_test"].n_utts == 50


def test_less_than_wanted_is_taken_whole_and_said(whole: Path, tmp_path: Path,
                                                  caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        assert take_sets(whole, tmp_path, {"tgt_test": 5})["tgt_test"].n_utts == 40
    assert caplog.messages == [f"{whole}/tgt_test: has 0.40 h, less than the 5 h wanted; all of it is taken"]


@pytest.mark.parametrize(("hours", "message"), [
    ({"src_tran": 1}, "hours.src_tran: no such set in .*; there are: src_train tgt_test"),
    ({"src_train": 0}, "hours.src_train: 0 must be a number over 0"),
    ({"src_train": "ten"}, "hours.src_train: 'ten' must be a number over 0"),
])
def test_wrong_amounts_are_named(whole: Path, tmp_path: Path, hours: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        take_sets(whole, tmp_path, hours)
    assert not (tmp_path / "src_train").exists()


def test_command_reads_the_experiment(whole: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def take(data: str, folder: Path = whole) -> None:
        config = tmp_path / "part.yaml"
        config.write_text(f"include: [{BASE}]\nname: part\nlanguages: {{source: en, target: tr}}\ndata: {data}\n")
        command.main(["--config", str(config), "--whole", str(folder), "--out", str(tmp_path)])

    take("{hours: {src_train: 0.1}, seed: 3}")
    assert capsys.readouterr().out == (f"{tmp_path}/src_train: 10 utterances, 0.10 h\n"
                                       f"{tmp_path}/tgt_test: 40 utterances, 0.40 h\n")
    with pytest.raises(ConfigError, match="data: unknown key 'hour'; known: .* did you mean 'hours'"):
        take("{hour: {src_train: 0.1}}")
    with pytest.raises(ConfigError, match="data.hours: 3 must be a mapping"):
        take("{hours: 3}")
    with pytest.raises(DataError, match="holds no data directory"):
        take("{}", tmp_path / "nowhere")
