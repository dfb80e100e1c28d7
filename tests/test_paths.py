"""Paths as tables write them: with backslashes, in another Unicode form than the disk's; separators of tables."""

from __future__ import annotations

import unicodedata
from pathlib import Path

import numpy as np
import pytest
import soundfile

from stxfer.core.errors import DataError
from stxfer.corpora.kaldi_dir import prepare_kaldi_dir
from stxfer.corpora.manifest import prepare_manifest
from stxfer.corpora.paths import inside, listed, on_disk
from stxfer.corpora.rows import column_names, read_rows
from stxfer.kaldi.datadir import read_datadir

NFC, NFD = "été/ẹ̀kọ́ Ø.wav", unicodedata.normalize("NFD", "été/ẹ̀kọ́ Ø.wav")
MIXED = "été/" + unicodedata.normalize("NFD", "ẹ̀kọ́ Ø.wav")


def touch(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, np.zeros(8000), 16000)
    return path


@pytest.mark.parametrize("stored", [NFC, NFD, MIXED])
@pytest.mark.parametrize("asked", [NFC, NFD, MIXED])
def test_a_name_is_found_in_any_unicode_form(tmp_path: Path, stored: str, asked: str) -> None:
    path = touch(tmp_path / stored)
    assert on_disk(str(tmp_path / asked)) == str(path)
    assert listed(asked, {stored}) == (stored if stored != MIXED or asked == MIXED else None)
    missing = str(tmp_path / asked) + "x"
    assert on_disk(missing) == missing and listed("été", {"ete"}) is None


@pytest.mark.parametrize(("path", "meant"), [
    ("a/b.wav", "a/b.wav"), ("a\\b.wav", "a/b.wav"), ("a\\..b.wav", "a/..b.wav"), ("odd\\name.wav", "odd\\name.wav")])
def test_backslashes_part_names_unless_a_file_has_them(tmp_path: Path, path: str, meant: str) -> None:
    (tmp_path / "odd\\name.wav").touch()
    assert inside(str(tmp_path), path, "t.tsv:2") == f"{tmp_path}/{meant}"


@pytest.mark.parametrize(("path", "message"), [
    ("C:\\clips\\a.wav", "t.tsv:2: path 'C:/clips/a.wav' names a drive of Windows; give a path within /c"),
    ("..\\a.wav", "t.tsv:2: path '../a.wav' leaves /c; give a path within that folder"),
    ("\\\\server\\a.wav", "t.tsv:2: path '//server/a.wav' leaves /c; give a path within that folder"),
    ("", "t.tsv:2: path '' names no file; mend the row or remove it")])
def test_paths_that_lead_elsewhere(path: str, message: str) -> None:
    with pytest.raises(DataError) as caught:
        inside("/c", path, "t.tsv:2")
    assert str(caught.value) == message


@pytest.mark.parametrize("outside", [False, True])
def test_a_manifest_from_windows_with_names_from_a_mac(tmp_path: Path, outside: bool) -> None:
    stored = touch(tmp_path / NFD)
    table = tmp_path / "m.csv"
    table.write_text("audio;text\r\n" + NFC.replace("/", "\\") + ';"Ndio; sawa, 1,5"\r\n', encoding="utf-8-sig")
    prepare_manifest(table, tmp_path / "data", "tgt_train", allow_outside=outside)
    data = read_datadir(tmp_path / "data" / "tgt_train")
    assert list(data.wav_scp.values()) == [str(stored)] and list(data.text.values()) == ["Ndio; sawa, 1,5"]


def test_a_data_directory_with_names_from_a_mac(tmp_path: Path) -> None:
    stored = touch(tmp_path / NFD)
    for name, value in (("wav.scp", str(tmp_path / NFC)), ("text", "ndio"), ("utt2spk", "a")):
        (tmp_path / name).write_text(f"a {value}\n", encoding="utf-8")
    prepare_kaldi_dir(tmp_path, tmp_path / "data", "tgt_train")
    assert read_datadir(tmp_path / "data" / "tgt_train").wav_scp == {"a": str(stored)}


@pytest.mark.parametrize(("name", "content", "rows"), [
    ("a.csv", "x,y\n1,2\n", [("1", "2")]), ("a.csv", "x;y\n1,5;2\n", [("1,5", "2")]),
    ("a.csv", '"x"\t"y"\n1,5\t"2\t3"\n', [("1,5", "2\t3")]), ("a.csv", "y,x,a;b\n1,2,3\n", [("2", "1")])])
def test_separators(tmp_path: Path, name: str, content: str, rows: list[tuple[str, str]]) -> None:
    path = tmp_path / name
    path.write_text(content, encoding="utf-8")
    assert [(row["x"], row["y"]) for _, row in read_rows(path, ("x", "y"))] == rows
    assert {"x", "y"} <= set(column_names(path))


@pytest.mark.parametrize(("content", "column", "advice"), [
    ("x,y\n1,2\n", "x", ". Commas separate them: let its name end in .csv"),
    ('"y";"x"\n', "x", ". Semicolons separate them: let its name end in .csv"),
    ("z,y\n", "x", ""), ("x\tz\n", "y", "")])
def test_a_table_of_another_form_is_told(tmp_path: Path, content: str, column: str, advice: str) -> None:
    path = tmp_path / "a.tsv"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(DataError) as caught:
        list(read_rows(path, ("x", "y")))
    assert str(caught.value) == f"{path}:1: no column {column!r}; its columns must include x y{advice}"


def test_a_manifest_of_another_form_is_told(tmp_path: Path) -> None:
    path = tmp_path / "m.tsv"
    path.write_text("audio,text\na.wav,ndio\n", encoding="utf-8")
    with pytest.raises(DataError) as caught:
        prepare_manifest(path, tmp_path / "data", "tgt_train")
    assert str(caught.value) == (f"{path}:1: no column 'audio'; there are: audio,text. Commas separate them: let its "
                                 "name end in .csv")
