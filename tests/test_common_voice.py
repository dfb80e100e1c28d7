"""Corpora in Common Voice's form."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from corpora_layouts import RELEASES, client_id, common_voice, read_tsv, write_tsv

from stxfer.bin import prepare_common_voice as cli
from stxfer.core.errors import DataError
from stxfer.corpora.common_voice import prepare_common_voice
from stxfer.corpora.release import read_durations, speaker_id
from stxfer.kaldi.datadir import read_datadir
from stxfer.text.near import sentence_key

ROWS = {"train": [("ada", "Bugün hava güzel."), ("ada", '"Evet, dedi'), ("can", "Ağaç yeşil.")],
        "dev": [("ece", "Kapı açık mı?")], "test": [("ali", "Kitap masada.")]}
COLUMNS = ["client_id", "path", "sentence", "up_votes"]


def small(path: Path, rows: str = "", header: str = "\t".join(COLUMNS) + "\n", *, clips: int = 3) -> Path:
    """Make a corpus of empty clips a.mp3 to c.mp3, each said to last 500 ms; ``rows`` are those of train.tsv."""
    (path / "clips").mkdir(parents=True)
    for name in "abc"[:clips]:
        (path / "clips" / f"{name}.mp3").touch()
    write_tsv(path / "clip_durations.tsv", ["clip", "duration[ms]"],
              [{"clip": f"{name}.mp3", "duration[ms]": "500"} for name in "abc"])
    (path / "train.tsv").write_text(header + rows, encoding="utf-8")
    for name, clip in (("dev", "b"), ("test", "c")):
        write_tsv(path / f"{name}.tsv", COLUMNS, [{"client_id": name, "path": f"{clip}.mp3", "sentence": "Pili"}])
    return path


@pytest.mark.parametrize("release", RELEASES)
def test_every_release(tmp_path: Path, release: str) -> None:
    folder = common_voice(tmp_path, "tr", ROWS, release=release)
    counts = prepare_common_voice(tmp_path, tmp_path / "data", "tgt")
    assert {name: (c.n_utts, c.n_dropped) for name, c in counts.items()} == {
        "tgt_train": (3, 0), "tgt_dev": (1, 0), "tgt_test": (1, 0)}
    data = read_datadir(tmp_path / "data" / "tgt_train")
    ada, can = client_id("ada")[:16], client_id("can")[:16]
    utt = f"{ada}-common_voice_tr_18000002"
    assert data.text[utt] == '"Evet, dedi'
    assert data.wav_scp[utt] == str(folder / "clips" / "common_voice_tr_18000002.mp3")
    assert set(data.utt2spk.values()) == {ada, can}
    assert all(0.5 < seconds < 3 for seconds in data.utt2dur.values())


def test_durations_are_those_of_the_headers(tmp_path: Path) -> None:
    old, new = (common_voice(tmp_path / name, "tr", ROWS, release=name) for name in ("4", "25.0"))
    seconds = []
    for folder in (old, new):
        prepare_common_voice(folder, folder / "data", "tgt", ["train"])
        seconds.append(read_datadir(folder / "data" / "tgt_train").utt2dur)
    assert seconds[0] == pytest.approx(seconds[1], abs=0.1)  # MP3 comes in frames


def test_told_durations_spare_opening_clips(tmp_path: Path) -> None:
    prepare_common_voice(small(tmp_path / "cv", "s\ta.mp3\tMoja\t0\n"), tmp_path / "data", "tgt")
    assert read_datadir(tmp_path / "data" / "tgt_train").utt2dur == {"s-a": 0.5}


def test_a_duration_of_zero_is_not_believed(tmp_path: Path) -> None:
    folder = common_voice(tmp_path, "tr", ROWS)
    clips = read_tsv(folder / "clip_durations.tsv")
    write_tsv(folder / "clip_durations.tsv", list(clips[0]), [{**row, "duration[ms]": "0"} for row in clips])
    prepare_common_voice(folder, tmp_path / "data", "tgt", ["test"])
    [seconds] = read_datadir(tmp_path / "data" / "tgt_test").utt2dur.values()
    assert seconds > 0.5


def test_names_without_suffix(tmp_path: Path) -> None:
    cv = small(tmp_path / "cv", "s\ta\tMoja\t0\n")
    prepare_common_voice(cv, tmp_path / "data", "tgt", ["train"])
    data = read_datadir(tmp_path / "data" / "tgt_train")
    assert data.wav_scp == {"s-a": str(cv / "clips" / "a.mp3")}
    assert data.utt2dur == {"s-a": 0.5}


def test_byte_order_mark_line_ends_and_new_columns(tmp_path: Path) -> None:
    cv = small(tmp_path / "cv")
    (cv / "train.tsv").write_bytes(b"\xef\xbb\xbfpath\tnew\tclient_id\tsentence\r\na.mp3\tx\ts\tMoja\r\n")
    prepare_common_voice(cv, tmp_path / "data", "tgt", ["train"])
    assert read_datadir(tmp_path / "data" / "tgt_train").text == {"s-a": "Moja"}


def test_missing_clips(tmp_path: Path) -> None:
    cv = small(tmp_path / "cv", "s\ta.mp3\tMoja\t0\ns\tlate.mp3\tNne\t0\n")
    with pytest.raises(DataError, match=r"set src_train: 1 of 2 utterances cannot be used, more than --max-drop 0.05 "
                                        r"allows \(missing 1\); e.g. s-late: missing: .*/late.mp3: no such audio file"):
        prepare_common_voice(cv, tmp_path / "data", "src")
    counts = prepare_common_voice(cv, tmp_path / "data", "src", max_drop=0.5)
    assert (counts["src_train"].n_utts, counts["src_train"].n_dropped) == (1, 1)
    dropped = (tmp_path / "data" / "src_train" / "dropped.tsv").read_text()
    assert dropped == f"s-late\tmissing: {cv}/clips/late.mp3: no such audio file\n"
    marker = tmp_path / "data" / "src_train" / ".stage.json"
    before = marker.stat().st_mtime_ns
    prepare_common_voice(cv, tmp_path / "data", "src", max_drop=0.5)
    assert marker.stat().st_mtime_ns == before
    (cv / "clips" / "late.mp3").touch()
    write_tsv(cv / "clip_durations.tsv", ["clip", "duration[ms]"],
              [{"clip": f"{name}.mp3", "duration[ms]": "500"} for name in ("a", "b", "c", "late")])
    assert prepare_common_voice(cv, tmp_path / "data", "src", max_drop=0.5)["src_train"].n_utts == 2


@pytest.mark.parametrize(("rows", "message"), [
    ("s\t../../secret.wav\tx\t0\n",
     "{cv}/train.tsv:2: path '../../secret.wav' leaves {cv}/clips; give a path within that folder"),
    ("s\ta.mp3\tx\t0\ns\t/etc/passwd\tx\t0\n",
     "{cv}/train.tsv:3: path '/etc/passwd' leaves {cv}/clips; give a path within that folder"),
    ("s\ta.mp3\n", "{cv}/train.tsv:2: has 2 fields, but there are 4 columns; remove the line break within a field, "
     "or the row"),
    ("s\ta.mp3\tx\ty\t0\n", "{cv}/train.tsv:2: has 5 fields, but there are 4 columns; remove the tab within a field"),
    ("\ta.mp3\tx\t0\n", "{cv}/train.tsv:2: client_id or path is empty; complete the row or remove it"),
    ("s\ta.mp3\tx\t0\ns\ta.mp3\ty\t0\n",
     "{cv}/train.tsv:3: utterance s-a stands already in line 2; remove one of them"),
    ("", "set tgt_train: {cv}/train.tsv has no utterances for it")])
def test_refuses_rows(tmp_path: Path, rows: str, message: str) -> None:
    cv = small(tmp_path / "cv", rows)
    with pytest.raises(DataError) as caught:
        prepare_common_voice(cv, tmp_path / "data", "tgt")
    assert str(caught.value) == message.format(cv=cv)
    assert not (tmp_path / "data").exists()


def test_refuses_corpora(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="nowhere: no such folder; download"):
        prepare_common_voice(tmp_path / "nowhere", tmp_path / "data", "tgt")
    cv = small(tmp_path / "cv", "s\ta.mp3\n", "client_id\tpath\n")
    with pytest.raises(DataError, match="train.tsv:1: no column 'sentence'; its columns must include client_id path"):
        prepare_common_voice(cv, tmp_path / "data", "tgt")
    with pytest.raises(DataError, match=r"validated.tsv: no such file; .*--splits \(clip_durations dev test train\)"):
        prepare_common_voice(cv, tmp_path / "data", "tgt", ["validated"])
    write_tsv(cv / "clip_durations.tsv", ["clip", "ms"], [{"clip": "a.mp3", "ms": "half"}])
    with pytest.raises(DataError, match="clip_durations.tsv:2: 'half' is not a number of milliseconds"):
        prepare_common_voice(cv, tmp_path / "data", "tgt", ["dev"])
    (tmp_path / "times.txt").write_text("a.mp3 500\n")
    with pytest.raises(DataError, match="times.txt:1: not of the form '`PATH` = MILLISECONDS': 'a.mp3 500'"):
        read_durations(tmp_path / "times.txt")


def test_folders_above_a_language(tmp_path: Path) -> None:
    small(tmp_path / "release" / "tr", "s\ta.mp3\tBir\t0\n")
    assert prepare_common_voice(tmp_path, tmp_path / "data", "tgt")["tgt_train"].n_utts == 1
    small(tmp_path / "release" / "sw")
    with pytest.raises(DataError, match="holds 2 languages, sw tr; give the folder of one"):
        prepare_common_voice(tmp_path / "release", tmp_path / "data", "tgt")
    (tmp_path / "none").mkdir()
    with pytest.raises(DataError, match="none/clips: no such folder; the audio of a corpus"):
        prepare_common_voice(tmp_path / "none", tmp_path / "data", "tgt")


def test_train_from_validated(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    rows = {**ROWS, "validated": [("can", "Deniz mavi."), ("ali", "Yeni bir cümle."), ("nur", "KITAP  masada!"),
                                  ("nur", "Kapı açık mı"), ("nur", "Kapı kapalı.")]}
    folder = common_voice(tmp_path, "tr", rows)
    counts = prepare_common_voice(folder, tmp_path / "data", "tgt", train_from="validated")
    assert counts["tgt_train"].n_utts == 5
    data = read_datadir(tmp_path / "data" / "tgt_train")
    assert sorted(data.text.values()) == sorted([*(s for _, s in ROWS["train"]), "Deniz mavi.", "Kapı kapalı."])
    held_out = {client_id("ece")[:16], client_id("ali")[:16]}
    assert not held_out & set(data.utt2spk.values())
    assert "5 of 10 rows taken, 3 share their speaker and 2 their sentence with dev or test" in caplog.text
    test = read_tsv(folder / "test.tsv")
    write_tsv(folder / "test.tsv", list(test[0]), [{**test[0], "sentence": "Deniz mavi"}])
    counts = prepare_common_voice(folder, tmp_path / "data", "tgt", train_from="validated")
    assert counts["tgt_train"].n_utts == 5  # one more is held out, another comes back


DEV = [("ece", "Kapı açık mı?"), ("ece", "Kapı kapalı."), ("ece", "Bir iki."), ("nur", "Deniz mavi."),
       ("nur", "Üç dört."), ("ali", "KAPI kapalı!"), ("can", "Beş altı."), ("can", "Yedi sekiz.")]


def test_a_test_set_from_dev_where_there_is_none(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    folder = common_voice(tmp_path, "tr", {"train": ROWS["train"], "dev": DEV, "validated": [("ece", "Yeni.")]})
    (folder / "test.tsv").unlink()
    with pytest.raises(DataError, match="test.tsv: no such file; .* or take the test set from another one with "
                                        "--test-from"):
        prepare_common_voice(folder, tmp_path / "data", "src")
    counts = prepare_common_voice(folder, tmp_path / "data", "src", test_from="dev")
    assert {name: count.n_utts for name, count in counts.items()} == {"src_train": 3, "src_dev": 4, "src_test": 4}
    dev, test = (read_datadir(tmp_path / "data" / f"src_{part}") for part in ("dev", "test"))
    assert sorted([*dev.text.values(), *test.text.values()]) == sorted(sentence for _, sentence in DEV)
    assert set(dev.utt2spk.values()).isdisjoint(test.utt2spk.values())
    assert {sentence_key(text) for text in dev.text.values()}.isdisjoint(map(sentence_key, test.text.values()))
    assert "4 of its 8 rows make the test set, for there is no test.tsv" in caplog.text
    counts = prepare_common_voice(folder, tmp_path / "large", "src", train_from="validated", test_from="dev")
    assert counts["src_train"].n_utts == 2  # what "can" has said is held out


def test_a_test_set_that_is_there_is_taken(tmp_path: Path) -> None:
    folder = common_voice(tmp_path, "tr", ROWS)
    prepare_common_voice(folder, tmp_path / "data", "src")
    marker = tmp_path / "data" / "src_dev" / ".stage.json"
    before = marker.stat().st_mtime_ns
    cli.main(["--corpus", str(folder), "--prefix", "src", "--out", str(tmp_path / "data"), "--test-from", "dev"])
    assert marker.stat().st_mtime_ns == before
    assert list(read_datadir(tmp_path / "data" / "src_test").text.values()) == ["Kitap masada."]


def test_speaker_ids_stay_apart() -> None:
    assert speaker_id("ab" * 64) == "ab" * 8
    assert speaker_id("recording_speaker_1") == "recording_speaker_1"
    assert speaker_id("speaker 1") != speaker_id("speaker_1")


def test_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    cv = small(tmp_path / "cv", "s\ta.mp3\tMoja\t0\ns\tgone.mp3\tHaipo\t0\n")
    cli.main(["--corpus", str(cv), "--prefix", "tgt", "--out", str(tmp_path / "data"), "--splits", "train test",
              "--max-drop", "0.5"])
    printed = capsys.readouterr().out
    assert "tgt_train: 1 utterances, 0.00 h, 1 left out" in printed
    assert "tgt_dev" not in printed
    with pytest.raises(SystemExit):
        cli.main(["--corpus", str(cv), "--prefix", "tgt", "--max-drop", "5"])
    assert "'5': a share from 0 to 1 is needed" in capsys.readouterr().err


VOA_SW = os.environ.get("VOA_SW", "")


@pytest.mark.skipif(not Path(VOA_SW or "/nonexistent").is_dir(), reason="VOA_SW does not name the Swahili corpus")
def test_real_corpus(tmp_path: Path) -> None:
    counts = prepare_common_voice(VOA_SW, tmp_path, "tgt")
    assert counts["tgt_train"].hours == pytest.approx(1.55, abs=0.1)
    assert sum(count.n_utts for count in counts.values()) + sum(c.n_dropped for c in counts.values()) == 461
    assert set(read_datadir(tmp_path / "tgt_test").utt2spk.values()) == {"swh_35d"}
