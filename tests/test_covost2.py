"""CoVoST 2 joined to Common Voice."""

from __future__ import annotations

from pathlib import Path

import pytest
from corpora_layouts import client_id, common_voice, covost2, read_tsv, write_tsv

from stxfer.bin import prepare_covost2 as cli
from stxfer.core.errors import ConfigError, DataError
from stxfer.corpora.covost2 import PAIRS, prepare_covost2
from stxfer.kaldi.datadir import DataDir, read_datadir

TURKISH = {"The sea is blue.": "Deniz mavi.", 'He said "yes".': '"Evet" dedi.', "Open the door.": "Kapıyı aç.",
           "I am here.": "Buradayım.", "Where is he?": "O nerede?", "A red car.": "Kırmızı bir araba."}
ENGLISH = list(TURKISH)
ROWS = {"train": [("ada", ENGLISH[0]), ("ada", ENGLISH[1])], "dev": [("ece", ENGLISH[2])],
        "test": [("ali", ENGLISH[3])], "validated": [("nur", ENGLISH[4]), ("ece", ENGLISH[5])]}


@pytest.fixture
def english(tmp_path: Path) -> Path:
    return common_voice(tmp_path / "cv", "en", ROWS, release="4")


def pairs(data: DataDir) -> dict[str, str]:
    return {data.text[utt]: data.texts["text.tr.human"][utt] for utt in data.utts}


@pytest.mark.parametrize("per_split", [False, True])
def test_joins(tmp_path: Path, english: Path, per_split: bool) -> None:
    covost = covost2(tmp_path / "covost", "en_tr", english, TURKISH.__getitem__, per_split=per_split)
    if per_split:  # these hold transcripts and speakers of their own
        (english / "validated.tsv").unlink()
    counts = prepare_covost2(english, covost, "en_tr", tmp_path / "data")
    assert {name: (c.n_utts, c.n_dropped) for name, c in counts.items()} == {
        "src_train": (4, 0), "src_dev": (1, 0), "src_test": (1, 0)}
    train = read_datadir(tmp_path / "data" / "src_train")
    assert pairs(train) == {text: TURKISH[text] for text in (*ENGLISH[:2], *ENGLISH[4:])}
    assert set(train.utt2spk.values()) == {client_id(name)[:16] for name in ("ada", "nur", "ece")}
    assert pairs(read_datadir(tmp_path / "data" / "src_dev")) == {ENGLISH[2]: TURKISH[ENGLISH[2]]}


def test_into_english(tmp_path: Path) -> None:
    release = common_voice(tmp_path / "cv", "tr", {"train": [("ada", "Deniz mavi.")]}, release="4")
    covost = covost2(tmp_path / "covost", "tr_en", release, lambda _: "The sea is blue.")
    prepare_covost2(release, covost / "covost_v2.tr_en.tsv", "tr_en", tmp_path / "data", splits=["train"])
    assert list(read_datadir(tmp_path / "data" / "src_train").texts) == ["text.en.human"]


def test_rows_of_another_release_are_counted(tmp_path: Path, english: Path, caplog: pytest.LogCaptureFixture) -> None:
    covost = covost2(tmp_path / "covost", "en_tr", english, TURKISH.__getitem__)
    table = covost / "covost_v2.en_tr.tsv"
    (english / "clips" / "common_voice_en_18000001.mp3").unlink()
    rows = read_tsv(table)
    rows[1]["translation"] = " "
    rows.append({"path": "common_voice_en_7.mp3", "translation": "Yok", "split": "train_covost"})
    rows.append({"path": "common_voice_en_8.mp3", "translation": "Yok", "split": "dev_covost"})  # CoVoST 1 alone
    rows.append({"path": "common_voice_en_9.mp3", "translation": "Yok", "split": "Train"})
    write_tsv(table, list(rows[0]), rows)
    with pytest.raises(DataError) as caught:
        prepare_covost2(english, covost, "en_tr", tmp_path / "data")
    assert f"{table}: 1 rows are of split 'Train', which CoVoST 2 does not know; they are left out" in caplog.messages
    listing = tmp_path / "data" / "src_train.dropped.tsv"
    ada = client_id("ada")[:16]
    missing = f"missing: {english}/clips/common_voice_en_18000001.mp3: no such audio file"
    first = min((f"{ada}-common_voice_en_18000001", missing),
                ("common_voice_en_7", "not in validated.tsv: common_voice_en_7.mp3, a row of covost_v2.en_tr.tsv"))
    assert str(caught.value) == (
        "set src_train: 3 of 5 utterances cannot be used, more than --max-drop 0.05 allows (missing 1, "
        f"no translation 1, not in validated.tsv 1); e.g. {first[0]}: {first[1]}; all are listed in "
        f"{listing}. CoVoST 2 belongs to Common Voice 4 (2019-12-10); later releases lack some of its clips. "
        "Mend the data or raise --max-drop")
    counts = prepare_covost2(english, covost, "en_tr", tmp_path / "data", max_drop=0.6)
    assert (counts["src_train"].n_utts, counts["src_train"].n_dropped) == (2, 3)
    assert counts["src_dev"].n_utts == 1
    dropped = (tmp_path / "data" / "src_train" / "dropped.tsv").read_text().splitlines()
    assert f"{ada}-common_voice_en_18000002\tno translation: common_voice_en_18000002.mp3 has an empty one" in dropped


def test_refuses(tmp_path: Path, english: Path) -> None:
    with pytest.raises(ConfigError, match="--pair en_sw: CoVoST 2 has en_xx with xx one of ar ca .*zh-CN, and xx_en"):
        prepare_covost2(english, tmp_path, "en_sw", tmp_path / "data")
    with pytest.raises(DataError, match="covost_v2.en_de.tsv: no such file; .*download covost2 --pair en_de --out DIR"):
        prepare_covost2(english, tmp_path, "en_de", tmp_path / "data")
    covost = covost2(tmp_path / "covost", "en_tr", english, TURKISH.__getitem__)
    table = covost / "covost_v2.en_tr.tsv"
    rows = read_tsv(table)
    write_tsv(table, list(rows[0]), [*rows, rows[0]])
    with pytest.raises(DataError, match=r"en_tr.tsv:8: common_voice_en_18000001.mp3 has two rows; remove one"):
        prepare_covost2(english, covost, "en_tr", tmp_path / "data")
    write_tsv(table, ["path", "translation"], rows)
    with pytest.raises(DataError, match="en_tr.tsv:1: no column 'split'; its columns must include path translation"):
        prepare_covost2(english, covost, "en_tr", tmp_path / "data")


def test_all_pairs() -> None:
    assert len(PAIRS) == 15 + 21
    assert {"en_tr", "fr_en", "zh-CN_en", "en_sv-SE"} < set(PAIRS)


def test_command(tmp_path: Path, english: Path, capsys: pytest.CaptureFixture[str]) -> None:
    covost = covost2(tmp_path / "covost", "en_tr", english, TURKISH.__getitem__)
    cli.main(["--corpus", str(english), "--covost", str(covost), "--pair", "en_tr", "--prefix", "src",
              "--out", str(tmp_path / "data")])
    assert f"{tmp_path}/data/src_train: 4 utterances, 0.00 h\n" in capsys.readouterr().out
