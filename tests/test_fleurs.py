"""FLEURS in its own layout."""

from __future__ import annotations

from pathlib import Path

import pytest
import soundfile
from corpora_layouts import fleurs

from stxfer.bin import prepare_fleurs as cli
from stxfer.core.errors import ConfigError, DataError
from stxfer.corpora.fleurs import prepare_fleurs
from stxfer.kaldi.datadir import read_datadir

SWAHILI = {"train": [(12, "Habari ya leo, rafiki."), (12, "Habari ya leo, rafiki."), (7, 'Alisema: "Ndiyo."')],
           "dev": [(3, "Mlango uko wazi.")], "test": [(1702, "Kitabu kiko mezani.")]}
ENGLISH = {"train": [(7, "He said yes."), (12, "Good day, friend."), (12, "Good day, friend.")],
           "dev": [(3, "The door is open.")], "test": [(1702, "The book is on the table.")]}


@pytest.fixture
def swahili(tmp_path: Path) -> Path:
    return fleurs(tmp_path / "fleurs", "sw_ke", SWAHILI)


def test_writes_sets(tmp_path: Path, swahili: Path) -> None:
    counts = prepare_fleurs(swahili, tmp_path / "data", "tgt")
    assert {name: (c.n_utts, c.n_dropped) for name, c in counts.items()} == {
        "tgt_train": (3, 0), "tgt_dev": (1, 0), "tgt_test": (1, 0)}
    data = read_datadir(tmp_path / "data" / "tgt_train")
    assert [utt.partition("-")[0] for utt in data.utts] == ["00007", "00012", "00012"]
    assert data.text[data.utts[0]] == 'Alisema: "Ndiyo."'
    assert data.utt2spk == {utt: utt for utt in data.utts}
    for utt in data.utts:
        assert soundfile.info(data.wav_scp[utt]).duration == pytest.approx(data.utt2dur[utt], abs=0.001)


def test_translations_by_sentence(tmp_path: Path, swahili: Path) -> None:
    english = fleurs(tmp_path / "fleurs", "en_us", ENGLISH)
    prepare_fleurs(swahili, tmp_path / "data", "src", translations=[english])
    data = read_datadir(tmp_path / "data" / "src_train")
    assert [data.texts["text.en.human"][utt] for utt in data.utts] == ["He said yes.", *["Good day, friend."] * 2]
    prepare_fleurs(swahili, tmp_path / "data", "src", translations=[english], text="normalised")
    data = read_datadir(tmp_path / "data" / "src_train")
    first = data.utts[0]
    assert (data.text[first], data.texts["text.en.human"][first]) == ("alisema ndiyo", "he said yes")


def test_a_language_that_lacks_sentences(tmp_path: Path, swahili: Path) -> None:
    english = fleurs(tmp_path / "fleurs", "en_us", {**ENGLISH, "train": ENGLISH["train"][:1]})
    with pytest.raises(DataError) as caught:
        prepare_fleurs(swahili, tmp_path / "data", "src", translations=[english])
    assert str(caught.value).startswith("set src_train: 2 of 3 utterances cannot be used, more than --max-drop 0.05 "
                                        "allows (no translation 2); e.g. 00012-")
    assert f"no translation: {english}/train.tsv has no sentence 12; all are listed" in str(caught.value)
    assert str(caught.value).endswith("Not every language has every sentence. Mend the data or raise --max-drop")
    counts = prepare_fleurs(swahili, tmp_path / "data", "src", translations=[english], max_drop=0.7)
    assert counts["src_train"].n_utts == 1


def test_missing_audio(tmp_path: Path, swahili: Path) -> None:
    [gone] = (swahili / "audio" / "test").iterdir()
    gone.unlink()
    with pytest.raises(DataError, match=f"missing: {gone}: no such audio file"):
        prepare_fleurs(swahili, tmp_path / "data", "tgt", ["test"])
    gone.parent.rmdir()
    with pytest.raises(DataError, match="audio/test: no such folder"):
        prepare_fleurs(swahili, tmp_path / "data", "tgt", ["test"])


@pytest.mark.parametrize(("row", "message"), [
    ("1\ta.wav\tx\tx\tx |\n",
     "has 5 fields, but there are 7 columns; remove the line break within a field, or the row"),
    ("1\ta.wav\tx\ty\tx\tx |\t16000\tMALE\n", "has 8 fields, but there are 7 columns; remove the tab within a field"),
    ("1\ta.wav\tx\tx\tx |\tlong\tMALE\n", "'1' and 'long' must be numbers, of the sentence and of its samples"),
    ("1\t../a.wav\tx\tx\tx |\t16000\tMALE\n",
     "path '../a.wav' leaves {corpus}/audio/dev; give a path within that folder")])
def test_refuses_rows(tmp_path: Path, swahili: Path, row: str, message: str) -> None:
    (swahili / "dev.tsv").write_text(row)
    with pytest.raises(DataError) as caught:
        prepare_fleurs(swahili, tmp_path / "data", "tgt", ["dev"])
    assert str(caught.value) == f"{swahili}/dev.tsv:1: " + message.format(corpus=swahili)


def test_refuses_folders(tmp_path: Path, swahili: Path) -> None:
    with pytest.raises(DataError, match="sw_xx/train.tsv: no such file; give the folder of one language of FLEURS, as "
                                        "`python -m stxfer.bin.download fleurs --lang sw_xx --out DIR` makes it"):
        prepare_fleurs(tmp_path / "sw_xx", tmp_path / "data", "tgt")
    with pytest.raises(DataError, match="en_us/train.tsv: no such file"):
        prepare_fleurs(swahili, tmp_path / "data", "tgt", translations=[tmp_path / "en_us"])
    with pytest.raises(ConfigError, match="--translations en_us en_gb: two folders of one language"):
        prepare_fleurs(swahili, tmp_path / "data", "tgt", translations=["en_us", "en_gb"])


def test_command(tmp_path: Path, swahili: Path, capsys: pytest.CaptureFixture[str]) -> None:
    cli.main(["--corpus", str(swahili), "--prefix", "tgt", "--out", str(tmp_path / "data"), "--splits", "dev"])
    assert capsys.readouterr().out == f"{tmp_path}/data/tgt_dev: 1 utterances, 0.00 h\n"
