"""Common Voice's releases of spontaneous speech: one table, whose column ``split`` says the set."""

from __future__ import annotations

import unicodedata
from pathlib import Path

import pytest
from corpora_layouts import client_id, spontaneous_speech, write_tsv

from stxfer.core.errors import DataError
from stxfer.corpora.common_voice import prepare_common_voice
from stxfer.kaldi.datadir import read_datadir

ROWS = [("ada", "Nilikwenda [um] sokoni", "train"), ("ada", "[noise] Halafu", "train"), ("bo", "Leo", "dev"),
        ("eli", "Kesho", "test"), ("dan", "Labda", "unassigned"), ("dan", "", "unassigned")]


def test_splits_of_the_table_become_sets(tmp_path: Path) -> None:
    folder = spontaneous_speech(tmp_path, "sw", ROWS)
    for corpus in (folder, tmp_path):
        counts = prepare_common_voice(corpus, tmp_path / "data", "tgt", force=corpus == folder)
        assert {name: (c.n_utts, c.n_dropped) for name, c in counts.items()} == {
            "tgt_train": (2, 0), "tgt_dev": (1, 0), "tgt_test": (1, 0)}
    data = read_datadir(tmp_path / "data" / "tgt_train")
    ada = client_id("ada")[:16]
    assert data.text == {f"{ada}-spontaneous-speech-sw-1": "Nilikwenda [um] sokoni",
                         f"{ada}-spontaneous-speech-sw-2": "[noise] Halafu"}
    assert data.utt2dur[f"{ada}-spontaneous-speech-sw-2"] == 2.5
    assert data.wav_scp[f"{ada}-spontaneous-speech-sw-1"] == str(folder / "audios" / "spontaneous-speech-sw-1.mp3")


def test_what_nobody_has_transcribed_is_listed(tmp_path: Path) -> None:
    spontaneous_speech(tmp_path, "sw", ROWS)
    counts = prepare_common_voice(tmp_path, tmp_path / "data", "tgt", ["unassigned"], max_drop=0.5)
    assert (counts["tgt_unassigned"].n_utts, counts["tgt_unassigned"].n_dropped) == (1, 1)
    assert (tmp_path / "data" / "tgt_unassigned" / "dropped.tsv").read_text(encoding="utf-8") == (
        f"{client_id('dan')[:16]}-spontaneous-speech-sw-6\tno transcription: line 7 of ss-corpus-sw.tsv has an empty "
        "one\n")


def test_sets_from_another_split(tmp_path: Path) -> None:
    rows = [("ada", "Moja", "train"), ("bo", "Mbili", "dev"), ("dan", "Tatu", "dev"), ("eli", "Nne", "unassigned"),
            ("bo", "Tano", "unassigned")]
    spontaneous_speech(tmp_path, "sw", rows)
    counts = prepare_common_voice(tmp_path, tmp_path / "data", "tgt", test_from="dev", train_from="unassigned")
    assert {name: c.n_utts for name, c in counts.items()} == {"tgt_train": 1, "tgt_dev": 1, "tgt_test": 1}
    assert list(read_datadir(tmp_path / "data" / "tgt_train").text.values()) == ["Nne"]
    prepare_common_voice(tmp_path, tmp_path / "data", "tgt", ["train"])
    assert list(read_datadir(tmp_path / "data" / "tgt_train").text.values()) == ["Moja"]


def test_refuses(tmp_path: Path) -> None:
    folder = spontaneous_speech(tmp_path / "one", "sw", ROWS[:3])
    table = folder / "ss-corpus-sw.tsv"
    with pytest.raises(DataError) as caught:
        prepare_common_voice(folder, tmp_path / "data", "tgt")
    assert str(caught.value) == (f"{table}: no recording is of the split 'test'; name the splits that there are with "
                                 "--splits (train 2, dev 1), or take the test set from another one with --test-from")
    spontaneous_speech(tmp_path / "one", "lg", ROWS)
    with pytest.raises(DataError, match="one: holds 2 languages, ss-corpus-lg ss-corpus-sw; give the folder of one"):
        prepare_common_voice(tmp_path / "one", tmp_path / "data", "tgt")
    write_tsv(table, ["client_id", "audio_file", "transcription"], [])
    with pytest.raises(DataError, match=r"ss-corpus-sw.tsv:1: no column 'split'; its columns must include client_id "):
        prepare_common_voice(folder, tmp_path / "data", "tgt")


def test_names_in_another_unicode_form(tmp_path: Path) -> None:
    folder = spontaneous_speech(tmp_path, "fr", [("ada", "Oui", "train")], name="été-{}.mp3")
    stored = unicodedata.normalize("NFD", "été-1.mp3")
    (folder / "audios" / "été-1.mp3").rename(folder / "audios" / stored)
    prepare_common_voice(folder, tmp_path / "data", "tgt", ["train"])
    assert list(read_datadir(tmp_path / "data" / "tgt_train").wav_scp.values()) == [f"{folder}/audios/{stored}"]
