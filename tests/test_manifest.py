"""Corpora described by one table."""

from __future__ import annotations

import csv
import json
import logging
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from stxfer.bin import prepare_manifest as cli
from stxfer.core.errors import ConfigError, DataError
from stxfer.corpora.manifest import HeldOut, prepare_manifest
from stxfer.kaldi.datadir import Audio, read_datadir
from stxfer.kaldi.segments import Segment

HEADER = "audio\ttext\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with clips/a.flac and clips/b.flac of 0.5 s, and long.wav of 4 s."""
    (tmp_path / "clips").mkdir()
    noise = np.random.default_rng(0).normal(size=64000) * 0.1
    for name in "ab":
        soundfile.write(tmp_path / "clips" / f"{name}.flac", noise[:8000], 16000)
    soundfile.write(tmp_path / "long.wav", noise, 16000)
    return tmp_path


def table(folder: Path, content: str | bytes, name: str = "m.tsv") -> Path:
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def test_audio_and_text_are_enough(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    manifest = table(folder, "audio\tnote\ttext\nclips/a.flac\tx\tHabari  \"yako\"\nclips/b.flac\ty\tPili\n")
    counts = prepare_manifest(manifest, folder / "data", "tgt_train")["tgt_train"]
    data = read_datadir(folder / "data" / "tgt_train")
    assert (counts.n_utts, counts.n_dropped) == (2, 0)
    assert data.text == {"clips_a": 'Habari "yako"', "clips_b": "Pili"}
    assert data.utt2spk == {"clips_a": "clips_a", "clips_b": "clips_b"}
    assert data.wav_scp["clips_a"] == str(folder / "clips" / "a.flac")
    assert data.utt2dur["clips_a"] == pytest.approx(0.5)
    assert "columns not used: note" in caplog.text
    assert "no column speaker: each utterance is a speaker of its own" in caplog.text


ROWS = [{"utt": "u1", "audio": "clips/a.flac", "text": 'Say "one", please', "speaker": "amina", "start": "0.1",
         "end": "0.4", "text.sw.human": "Sema moja"},
        {"utt": "amina-2", "audio": "clips/b.flac", "text": "Two", "speaker": "amina", "start": "", "end": "",
         "text.sw.human": "Mbili"},
        {"utt": "u 3", "audio": "long.wav", "text": "Three", "speaker": "juma b", "start": "1.5", "end": "",
         "text.sw.human": ""}]


def _write(folder: Path, form: str) -> Path:
    path = folder / f"m.{form}"
    if form == "jsonl":
        objects = [{key: float(value) if key in ("start", "end") else value for key, value in row.items() if value}
                   for row in ROWS]
        path.write_text("".join(json.dumps(row) + "\n" for row in objects))
    elif form == "csv":
        with open(path, "w", newline="") as handle:
            writer = csv.DictWriter(handle, list(ROWS[0]))
            writer.writeheader()
            writer.writerows(ROWS)
    else:
        path.write_text("".join("\t".join(line) + "\n" for line in [list(ROWS[0]), *(row.values() for row in ROWS)]))
    return path


@pytest.mark.parametrize("form", ["tsv", "csv", "jsonl"])
def test_all_columns_in_every_form(folder: Path, form: str) -> None:
    prepare_manifest(_write(folder, form), folder / "data", "src_train")
    data = read_datadir(folder / "data" / "src_train")
    assert data.text == {"amina-u1": 'Say "one", please', "amina-2": "Two", "juma_b-u_3": "Three"}
    assert data.utt2spk == {"amina-u1": "amina", "amina-2": "amina", "juma_b-u_3": "juma_b"}
    assert data.texts == {"text.sw.human": {"amina-u1": "Sema moja", "amina-2": "Mbili", "juma_b-u_3": ""}}
    assert data.segments["amina-u1"] == Segment("clips_a", 0.1, 0.4)
    assert data.audio("juma_b-u_3") == Audio(str(folder / "long.wav"), 1.5, 4.0)
    assert data.audio("amina-2") == Audio(str(folder / "clips" / "b.flac"), 0.0, 0.5)
    assert data.utt2dur["amina-u1"] == pytest.approx(0.3)


def test_columns_of_other_names(folder: Path) -> None:
    manifest = table(folder, "sentence,Audio file,sentence_fr,client_id,text\nPili,b.flac,Deux,s,no\n", "m.csv")
    cli.main(["--manifest", str(manifest), "--out", str(folder / "data"), "--set", "tgt_dev", "--audio-dir",
              str(folder / "clips"), "--columns",
              "text=sentence audio='Audio file' speaker=client_id text.fr.human=sentence_fr"])
    data = read_datadir(folder / "data" / "tgt_dev")
    assert (data.text, data.texts) == ({"s-b": "Pili"}, {"text.fr.human": {"s-b": "Deux"}})


def test_times_name_the_parts_of_one_file(folder: Path) -> None:
    manifest = table(folder, "audio\ttext\tstart\tend\nlong.wav\tone\t0\t1.25\nlong.wav\ttwo\t1.25\t2.5\n")
    prepare_manifest(manifest, folder / "data", "src_train")
    assert read_datadir(folder / "data" / "src_train").utts == ["long-00000000-00001250", "long-00001250-00002500"]


def test_mark_and_line_ends_of_other_systems(folder: Path) -> None:
    prepare_manifest(table(folder, b"\xef\xbb\xbfaudio\ttext\r\nclips/a.flac\tMoja\r\n"), folder / "data", "tgt_train")
    assert read_datadir(folder / "data" / "tgt_train").text == {"clips_a": "Moja"}


def test_line_break_within_a_field_becomes_a_space(folder: Path) -> None:
    prepare_manifest(table(folder, 'audio,text\nclips/a.flac,"two\nlines"\n', "m.csv"), folder / "data", "tgt_train")
    prepare_manifest(table(folder, '{"audio": "clips/a.flac", "text": "two\\nlines"}\n', "m.jsonl"), folder / "data",
                     "tgt_dev")
    for name in ("tgt_train", "tgt_dev"):
        assert read_datadir(folder / "data" / name).text == {"clips_a": "two lines"}


def test_outside_paths_by_option(folder: Path) -> None:
    manifest = table(folder / "clips", f"{HEADER}../long.wav\tup\n{folder}/clips/a.flac\twhole path\n")
    with pytest.raises(DataError, match=r"m.tsv:2: path '../long.wav' leaves .*--allow-outside"):
        prepare_manifest(manifest, folder / "data", "tgt_train")
    prepare_manifest(manifest, folder / "data", "tgt_train", allow_outside=True)
    paths = read_datadir(folder / "data" / "tgt_train").wav_scp.values()
    assert {Path(path).resolve() for path in paths} == {folder / "long.wav", folder / "clips" / "a.flac"}


def test_done_once_and_again_when_something_changes(folder: Path) -> None:
    manifest = table(folder, f"{HEADER}clips/a.flac\tMoja\n")
    prepare_manifest(manifest, folder / "data", "tgt_train")
    marker = folder / "data" / "tgt_train" / ".stage.json"
    before = marker.stat().st_mtime_ns
    prepare_manifest(manifest, folder / "data", "tgt_train")
    assert marker.stat().st_mtime_ns == before
    table(folder, f"{HEADER}clips/a.flac\tSasa\n")
    prepare_manifest(manifest, folder / "data", "tgt_train")
    assert read_datadir(folder / "data" / "tgt_train").text == {"clips_a": "Sasa"}
    soundfile.write(folder / "clips" / "a.flac", np.ones(16000) * 0.1, 16000)
    prepare_manifest(manifest, folder / "data", "tgt_train")
    assert read_datadir(folder / "data" / "tgt_train").utt2dur["clips_a"] == pytest.approx(1.0)


TIMES = "audio\ttext\tstart\tend\n"
REFUSED = {
    "no file": (None, "m.tsv", "m.tsv: no such file"),
    "unknown extension": (HEADER, "m.xlsx", "m.xlsx: not a table by its name; it must end in .tsv, .csv or .jsonl"),
    "empty": ("", "m.tsv", "m.tsv:1: no column 'audio'; there are: none. Say which one holds audio with --columns "
              "'audio=NAME'"),
    "no rows": (HEADER, "m.tsv", "m.tsv: holds no rows"),
    "missing column": ("audio\tsentence\n", "m.tsv", "m.tsv:1: no column 'text'; there are: audio sentence. Say which "
                       "one holds text with --columns 'text=NAME'"),
    "column twice": ("audio\ttext\ttext\nclips/a.flac\tx\ty\n", "m.tsv", "m.tsv:1: two columns are named 'text'; "
                     "rename one"),
    "text without label": ("audio\ttext\ttext.sw\n", "m.tsv", "text.sw: a further text must be named "
                           "text.<language>.<label>, e.g. text.sw.human"),
    "short row": (f"{HEADER}clips/a.flac\n", "m.tsv", "m.tsv:2: has 1 fields, but there are 2 columns; remove the line "
                  "break within a field, or the row"),
    "tab within a field": (f"{HEADER}clips/a.flac\ta\tb\n", "m.tsv", "m.tsv:2: has 3 fields, but there are 2 columns; "
                           "remove the tab within a field"),
    "Latin-1": (HEADER.encode() + "clips/a.flac\té\n".encode("latin-1"), "m.tsv", "m.tsv:2: not UTF-8 (invalid "
                "continuation byte at byte 13 of the line); convert the file with iconv"),
    "open quotation": ('audio,text\nclips/a.flac,"open\n', "m.csv", "m.csv:2: not CSV (unexpected end of data); look "
                       "for a quotation mark that is not closed from line 2 on, one within a field is written twice"),
    "broken JSON": ('{"audio": "clips/a.flac", "text": "x"}\n{"audio"\n', "m.jsonl", "m.jsonl:2: not JSON (Expecting "
                    "':' delimiter: line 1 column 9 (char 8)); each line must be one object"),
    "JSON list": ('["clips/a.flac", "x"]\n', "m.jsonl", "m.jsonl:1: not a JSON object; each line must be one, as "
                  '{"text": "..."}'),
    "JSON of the wrong type": ('{"audio": "clips/a.flac", "text": ["x"]}\n', "m.jsonl", "m.jsonl:1: column 'text' is "
                               "neither text nor a number"),
    "JSON without text": ('{"audio": "clips/a.flac", "text": "x"}\n{"audio": "clips/b.flac"}\n', "m.jsonl",
                          "m.jsonl:2: no column 'text'; each row must have audio text"),
    "duplicate id": ("utt\taudio\ttext\nu\tclips/a.flac\tx\nu\tclips/b.flac\ty\n", "m.tsv", "m.tsv:3: utterance u "
                     "stands already in line 2; remove one of them"),
    "audio twice": (f"{HEADER}clips/a.flac\tx\nclips/a.flac\ty\n", "m.tsv", "m.tsv:3: utterance clips_a stands already "
                    "in line 2; remove one of them or add a column utt"),
    "no id": ("utt\taudio\ttext\n\tclips/a.flac\tx\n", "m.tsv", "m.tsv:2: column 'utt' is empty"),
    "no speaker": ("speaker\taudio\ttext\n \tclips/a.flac\tx\n", "m.tsv", "m.tsv:2: column 'speaker' is empty"),
    "no audio": (f"{HEADER}\tx\n", "m.tsv", "m.tsv:2: column 'audio' is empty"),
    "command": (f"{HEADER}sox a.wav -t wav - |\tx\n", "m.tsv", "m.tsv:2: audio 'sox a.wav -t wav - |' is a command; "
                "write its output to a file and give the path"),
    "time that is none": (f"{TIMES}long.wav\tx\t0:01\t2\n", "m.tsv", "m.tsv:2: column 'start': '0:01' is not a number "
                          "of seconds"),
    "infinite time": (f"{TIMES}long.wav\tx\t0\tinf\n", "m.tsv", "m.tsv:2: column 'end': 'inf' is not a number of "
                      "seconds"),
    "negative time": (f"{TIMES}long.wav\tx\t-1\t2\n", "m.tsv", "m.tsv:2: column 'start': '-1' is not a number of "
                      "seconds"),
    "time in words, JSON": ('{"audio": "long.wav", "text": "x", "end": "late"}\n', "m.jsonl", "m.jsonl:1: column "
                            "'end': 'late' is not a number of seconds"),
    "ends as it starts": (f"{TIMES}long.wav\tx\t2\t2\n", "m.tsv", "m.tsv:2: ends at 2 s, not after its start at 2 s"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refuses(folder: Path, case: str) -> None:
    content, name, message = REFUSED[case]
    if content is not None:
        table(folder, content, name)
    with pytest.raises(DataError) as error:
        prepare_manifest(folder / name, folder / "data", "tgt_train")
    assert str(error.value).removeprefix(f"{folder}/") == message
    assert not (folder / "data").exists()


def test_lists_what_it_leaves_out(folder: Path) -> None:
    (folder / "clips" / "empty.wav").touch()
    rows = "clips/a.flac\tone\t\t\nlong.wav\ttwo\t1\t9\nclips/gone.flac\tthree\t\t\nclips/empty.wav\tfour\t\t\n"
    manifest = table(folder, TIMES + rows)
    with pytest.raises(DataError, match=r"set tgt_train: 3 of 4 utterances cannot be used, more than --max-drop 0.05 "
                                        r"allows \(.*missing 1.*--audio-dir"):
        prepare_manifest(manifest, folder / "data", "tgt_train")
    assert not (folder / "data" / "tgt_train").exists()
    listing = folder / "data" / "tgt_train.dropped.tsv"
    reasons = dict(line.split("\t") for line in listing.read_text().splitlines())
    assert "does not lie within" in reasons["long-00001000-00009000"]
    assert "which lasts 4.00 s" in reasons["long-00001000-00009000"]
    assert "no such audio file" in reasons["clips_gone"]
    assert "(0 bytes)" in reasons["clips_empty"]
    assert prepare_manifest(manifest, folder / "data", "tgt_train", max_drop=0.8)["tgt_train"].n_dropped == 3
    assert not listing.exists()
    assert (folder / "data" / "tgt_train" / "dropped.tsv").read_text().count("\n") == 3


@pytest.mark.parametrize(("columns", "message"), [
    ({"sentence": "text"}, "columns: unknown name 'sentence'; the names are audio text utt speaker start end "
                           "duration channel and text.<language>.<label>"),
    ({"speaker": "text"}, "columns: 'text' is named twice; one column is one thing")])
def test_refuses_mappings(folder: Path, columns: dict[str, str], message: str) -> None:
    manifest = table(folder, f"{HEADER}clips/a.flac\tx\n")
    with pytest.raises(ConfigError) as error:
        prepare_manifest(manifest, folder / "data", "tgt_train", columns=columns)
    assert str(error.value) == message


def test_refuses_an_audio_folder_that_is_not_there(folder: Path) -> None:
    with pytest.raises(DataError, match="nowhere: no such folder"):
        prepare_manifest(table(folder, HEADER), folder / "data", "tgt_train", audio_dir=folder / "nowhere")


@pytest.mark.parametrize(("options", "message"), [
    (["--set", "train"], "a name as src_train or tgt_dev is needed"),
    (["--set", "src_a/b"], "a name as src_train or tgt_dev is needed"),
    (["--set", "src_train", "--columns", "text"], "words of the form OURS=THEIRS are needed"),
    (["--set", "src_train", "--columns", "text=a text=b"], "text is given twice"),
    (["--set", "src_train", "--columns", "text='a"], "no closing quotation")])
def test_refuses_options(options: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        cli.main(["--manifest", "m.tsv", *options])
    assert message in capsys.readouterr().err


@settings(max_examples=40)
@given(text=st.text(st.characters(exclude_categories=["Cs"]), max_size=20))
def test_text_arrives_whatever_it_holds(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    folder = tmp_path_factory.mktemp("manifest")
    soundfile.write(folder / "a.wav", np.ones(800) * 0.1, 16000)
    manifest = folder / "m.jsonl"
    manifest.write_text(json.dumps({"audio": "a.wav", "text": text}) + "\n")
    prepare_manifest(manifest, folder / "data", "tgt_train")
    assert read_datadir(folder / "data" / "tgt_train").text == {"a": " ".join(text.split())}


SHARED = [("a", 0.0, "Moja", "Un"), ("a", 0.1, "MOJA!", "Une"), ("a", 0.2, "Mbili", "une."),
          ("b", 0.0, "Tatu", "Trois"), ("b", 0.1, "Nne", "Quatre"), ("b", 0.2, "Tano", "Cinq")]


def test_a_part_is_held_out_as_a_set_of_its_own(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = (f"clips/{clip}.flac\t{start}\t{start + 0.01:.2f}\tada\t{text}\t{french}\n"
            for clip, start, text, french in SHARED)
    manifest = table(folder, "audio\tstart\tend\tspeaker\ttext\ttext.fr.human\n" + "".join(rows))
    arguments = ["--manifest", str(manifest), "--set", "tgt_train", "--hold-out", "tgt_dev", "--hold-out-share", "0.5",
                 "--apart", "text text.fr.human", "--out", str(folder / "data")]
    cli.main(arguments)
    train, dev = (read_datadir(folder / "data" / name) for name in ("tgt_train", "tgt_dev"))
    assert len(train) == len(dev) == 3
    assert sorted(map(sorted, (train.text.values(), dev.text.values()))) == [
        ["MOJA!", "Mbili", "Moja"], ["Nne", "Tano", "Tatu"]]  # "MOJA!" is "Moja", and "une." translates two sentences
    printed = capsys.readouterr().out
    assert "tgt_train: 3 utterances" in printed and "tgt_dev: 3 utterances" in printed
    before = (folder / "data/tgt_dev/.stage.json").stat().st_mtime_ns
    cli.main(arguments)
    assert (folder / "data/tgt_dev/.stage.json").stat().st_mtime_ns == before


@pytest.mark.parametrize(("held_out", "message"), [
    (HeldOut("tgt_train"), "tgt_train: the set held out needs another name"),
    (HeldOut("tgt_dev", 1.5), "held-out share 1.5: must be above 0 and below 1"),
    (HeldOut("tgt_dev", 0.1, ("text.fr.human",)), "sets cannot be apart in 'text.fr.human'; it must be one of speaker "
                                                  "text"),
])
def test_refuses_parts(folder: Path, held_out: HeldOut, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        prepare_manifest(table(folder, f"{HEADER}clips/a.flac\tMoja\nclips/b.flac\tPili\n"), folder / "data",
                         "tgt_train", held_out=[held_out])


def test_two_parts_are_held_out_and_share_nothing(folder: Path) -> None:
    manifest = table(folder, HEADER.replace("text", "start\tend\ttext") + "".join(
        f"clips/a.flac\t0.{k:02d}\t0.{k + 1:02d}\tNeno {k}\n" for k in range(20)))
    cli.main(["--manifest", str(manifest), "--set", "tgt_train", "--hold-out", "tgt_dev", "--hold-out", "tgt_test",
              "--hold-out-share", "0.2", "--out", str(folder / "data")])
    sets = [set(read_datadir(folder / "data" / name).text.values()) for name in ("tgt_train", "tgt_dev", "tgt_test")]
    assert list(map(len, sets)) == [13, 4, 3] and len(set.union(*sets)) == 20
    with pytest.raises(ConfigError, match="tgt_dev: the set held out needs another name"):
        prepare_manifest(manifest, folder / "data", "tgt_train", held_out=[HeldOut("tgt_dev"), HeldOut("tgt_dev")])


SPLIT = ("audio\tsplit\tstart\tend\ttext\nclips/a.flac\ttrain\t0.00\t0.01\tMoja\n"
         "clips/a.flac\tdev\t0.01\t0.02\tPili\nclips/a.flac\ttrain\t0.02\t0.03\tTatu\n")


def test_rows_of_a_set(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    manifest = table(folder, SPLIT)
    for name, split in (("tgt_train", "train"), ("tgt_dev", "dev")):
        cli.main(["--manifest", str(manifest), "--set", name, "--rows", f"split={split}", "--out",
                  str(folder / "data")])
    assert set(read_datadir(folder / "data/tgt_train").text.values()) == {"Moja", "Tatu"}
    assert set(read_datadir(folder / "data/tgt_dev").text.values()) == {"Pili"}
    assert "--rows" not in caplog.text
    prepare_manifest(manifest, folder / "whole", "tgt_train")
    assert "column 'split' is not used; if it says which set a row is of, give --rows 'split=train'" in caplog.text
    with pytest.raises(DataError, match=r"m.tsv: no row has split=test; split has dev train$"):
        prepare_manifest(manifest, folder / "data", "tgt_test", rows={"split": "test"})
    with pytest.raises(DataError, match="no column 'set'"):
        prepare_manifest(manifest, folder / "data", "tgt_test", rows={"set": "test"})
