"""Tables and data directories."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stxfer.audio.perturb import distinct_seconds, perturb_speed
from stxfer.core.errors import ConfigError, DataError
from stxfer.kaldi.datadir import (
    Audio,
    DataDir,
    find_sets,
    read_datadir,
    table_files,
    validate,
    write_datadir,
)
from stxfer.kaldi.segments import Segment
from stxfer.kaldi.subset import subset
from stxfer.kaldi.table import read_table, write_table


def make(n_spk: int = 2, n_utts: int = 3, path: Path = Path("data/src_train")) -> DataDir:
    utts = {f"s{s}-u{u}": f"s{s}" for s in range(n_spk) for u in range(n_utts)}
    return DataDir(path, {utt: f"/audio/{utt}.wav" for utt in utts}, {utt: f"word {utt}" for utt in utts}, utts,
                   {utt: 1.0 + (sum(map(ord, utt)) % 7) / 4 for utt in utts},
                   texts={"text.sw.human": {utt: f"neno {utt}" for utt in utts}})


@given(table=st.dictionaries(
    st.text(st.characters(exclude_categories=["Z", "C"]), min_size=1),
    st.text(st.characters(exclude_categories=["Zl", "Zp", "C"])).map(lambda text: " ".join(text.split()))))
@settings(max_examples=50)
def test_table_round_trip(tmp_path_factory: pytest.TempPathFactory, table: dict[str, str]) -> None:
    path = tmp_path_factory.mktemp("table") / "text"
    write_table(path, table)
    assert read_table(path) == table
    keys = [line.partition(b" ")[0] for line in path.read_bytes().split(b"\n")[:-1]]
    assert keys == sorted(keys)


@pytest.mark.parametrize(("content", "message"), [
    (b"u1 a\n\nu2 b\n", "text:2: a blank line"), (b"u1 a\nu1 b\n", "text:2: duplicate key 'u1'"),
    (b"\xef\xbb\xbfu1 a\n", "byte-order mark"), (b"u1 \xff\n", "not UTF-8")])
def test_table_refuses(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "text").write_bytes(content)
    with pytest.raises(DataError, match=message):
        read_table(tmp_path / "text")


def test_datadir_round_trip(tmp_path: Path) -> None:
    data = make(path=tmp_path / "set")
    data.utt2speed = dict.fromkeys(data.wav_scp, 0.9)
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / "stale").touch()
    write_datadir(tmp_path / "set", data, dropped={"u9": "why"})
    assert read_datadir(tmp_path / "set") == data
    assert read_table(tmp_path / "set" / "spk2utt")["s1"] == "s1-u0 s1-u1 s1-u2"
    assert (tmp_path / "set" / "dropped.tsv").read_text() == "u9\twhy\n"
    assert not (tmp_path / "set" / "stale").exists()
    assert find_sets(tmp_path) == ["set"]


def test_write_leaves_the_old_directory_on_error(tmp_path: Path) -> None:
    write_datadir(tmp_path / "set", make())
    bad = make()
    bad.text["s0-u0"] = "two\nlines"
    with pytest.raises(DataError, match="line break"):
        write_datadir(tmp_path / "set", bad)
    assert read_table(tmp_path / "set" / "text") == make().text
    assert [p.name for p in tmp_path.iterdir()] == ["set"]


def test_read_without_durations(tmp_path: Path) -> None:
    write_datadir(tmp_path, make())
    (tmp_path / "utt2dur").unlink()
    data = read_datadir(tmp_path)
    assert data.utt2dur == {}
    assert data.hours == 0
    with pytest.raises(DataError, match="utt2dur: no such file"):
        subset(data, n_utts=1)


def spoil(data: DataDir, change: str) -> None:
    if change == "missing":
        del data.text["s0-u1"]
    elif change == "extra":
        data.texts["text.sw.human"]["s9-u9"] = "neno"
    elif change == "pipe":
        data.wav_scp["s0-u1"] = "sox a.wav -t wav - |"
    elif change == "duration":
        data.utt2dur["s0-u1"] = 0.0
    elif change == "nan":
        data.utt2dur["s0-u1"] = float("nan")
    elif change == "speaker":
        data.utt2spk["s0-u1"] = "s 0"
    elif change == "name":
        data.texts["text.sw"] = data.texts.pop("text.sw.human")


@pytest.mark.parametrize(("change", "message"), [
    ("missing", "src_train/text: lacks 1 of wav.scp's 6 utterances, the first is s0-u1"),
    ("extra", "text.sw.human: holds 1 utterances that wav.scp lacks, the first is s9-u9"),
    ("pipe", "wav.scp: utterance s0-u1: commands"), ("duration", "utt2dur: utterance s0-u1: 0.0 is not"),
    ("nan", "utt2dur: utterance s0-u1"), ("speaker", "speaker id 's 0'"), ("name", "text.<language>.<label>")])
def test_validate(change: str, message: str) -> None:
    data = make()
    validate(data)
    spoil(data, change)
    with pytest.raises(DataError, match=message):
        validate(data)


def test_validate_ids_and_emptiness() -> None:
    with pytest.raises(DataError, match="holds no utterances"):
        validate(DataDir(Path("d"), {}, {}, {}))
    with pytest.raises(DataError, match="'u 1' is empty or holds white space"):
        validate(DataDir(Path("d"), {"u 1": "a.wav"}, {"u 1": "a"}, {"u 1": "s"}))


def make_segments(path: Path = Path("data/src_train")) -> DataDir:
    """Two recordings of two speakers, cut into three utterances each."""
    data = make(path=path)
    data.wav_scp = {f"r{s}": f"/audio/r{s}.flac" for s in range(2)}
    data.segments = {utt: Segment(f"r{utt[1]}", 2.5 * int(utt[-1]), 2.5 * int(utt[-1]) + data.utt2dur[utt])
                     for utt in data.text}
    return data


def test_segments_round_trip_and_audio(tmp_path: Path) -> None:
    data = make_segments(tmp_path / "set")
    data.utt2speed = dict.fromkeys(data.text, 0.9)
    write_datadir(data.path, data)
    assert (data.path / "segments").read_text().splitlines()[1] == "s0-u1 r0 2.5 4.25"
    assert read_datadir(data.path) == data
    assert "segments" in [path.name for path in table_files(data.path)]
    assert (len(data), list(data), data.utts[0]) == (6, data.utts, "s0-u0")
    assert data.audio("s1-u1") == Audio("/audio/r1.flac", 2.5, 2.5 + data.utt2dur["s1-u1"], 0.9)
    assert make().audio("s1-u1") == Audio("/audio/s1-u1.wav", 0.0, None, 1.0)


def test_select_subset_and_perturb_keep_segments() -> None:
    data = make_segments()
    part = data.select(["s1-u0", "s1-u2"])
    validate(part)
    assert (list(part.segments), part.wav_scp) == (["s1-u0", "s1-u2"], {"r1": "/audio/r1.flac"})
    whole = perturb_speed(data, (1.0, 0.5))
    validate(whole)
    assert whole.wav_scp == data.wav_scp
    assert whole.audio("sp0.5-s1-u1") == data.audio("s1-u1")._replace(speed=0.5)
    assert whole.utt2dur["sp0.5-s1-u1"] == 2 * data.utt2dur["s1-u1"]
    assert distinct_seconds(whole.utt2dur) == pytest.approx(sum(data.utt2dur.values()))
    assert distinct_seconds(perturb_speed(data, (0.9, 1.25)).utt2dur) == pytest.approx(sum(data.utt2dur.values()))
    small = subset(data, n_utts=1)
    validate(small)
    assert len(small.wav_scp) == 1


@pytest.mark.parametrize(("line", "message"), [
    ("s0-u0 r0 0", "segments: utterance s0-u0: has 3 fields; a line is '<utterance> <recording> <start> <end>'"),
    ("s0-u0 r0 0 1 2 3", "segments: utterance s0-u0: has 6 fields"),
    ("s0-u0 r0 0 1 -1", "segments: utterance s0-u0: channel '-1' is not one of A, B ... or 0, 1 ..."),
    ("s0-u0 r0 0 one", "segments: utterance s0-u0: 0 one: not two times in seconds"),
    ("s0-u0 r0 1 1", "segments: utterance s0-u0: ends at 1 s, not after its start at 1 s"),
    ("s0-u0 r0 -1 1", "segments: utterance s0-u0: times -1 to 1 s: must be finite and not negative"),
    ("s0-u0 r0 0 -2", "segments: utterance s0-u0: times 0 to -2 s: must be finite"),
    ("s0-u0 r0 0 nan", "segments: utterance s0-u0: times 0 to nan s: must be finite"),
    ("s0-u0 r9 0 1", "segments: utterance s0-u0: recording 'r9' is not in wav.scp"),
    ("s9-u0 r0 0 1", "text: lacks 1 of segments's 6 utterances, the first is s9-u0")])
def test_refuses_segments(tmp_path: Path, line: str, message: str) -> None:
    write_datadir(tmp_path, make_segments())
    lines = (tmp_path / "segments").read_text().splitlines()
    (tmp_path / "segments").write_text("\n".join([line, *lines[1:]]) + "\n")
    with pytest.raises(DataError, match=re.escape(message)):
        read_datadir(tmp_path)


def test_refuses_empty_segments_and_unused_recordings(tmp_path: Path) -> None:
    data = make_segments()
    write_datadir(tmp_path, data)
    (tmp_path / "segments").write_text("")
    with pytest.raises(DataError, match="segments: holds no utterances"):
        read_datadir(tmp_path)
    data.wav_scp["r7"] = "/audio/r7.flac"
    with pytest.raises(DataError, match="wav.scp: holds 1 recordings that segments does not use, the first is r7"):
        validate(data)


def test_refuses_bad_numbers(tmp_path: Path) -> None:
    write_datadir(tmp_path, make())
    (tmp_path / "utt2dur").write_text("s0-u0 long\n")
    with pytest.raises(DataError, match="utt2dur: utterance s0-u0: 'long' is not a number"):
        read_datadir(tmp_path)


@given(st.integers(1, 5), st.integers(1, 6), st.integers(0, 3), st.data())
def test_subset_is_nested_and_balanced(n_spk: int, n_utts: int, seed: int, draw: st.DataObject) -> None:
    data = make(n_spk, n_utts)
    sizes = sorted(draw.draw(st.lists(st.integers(1, len(data)), min_size=2, max_size=2)))
    small, large = (subset(data, n_utts=size, seed=seed) for size in sizes)
    assert len(small) == sizes[0]
    assert small.wav_scp.keys() <= large.wav_scp.keys()
    assert small.texts["text.sw.human"].keys() == small.wav_scp.keys()
    seconds = [sum(large.utt2dur[utt] for utt in utts) for utts in large.spk2utt.values()]
    if sizes[1] < n_utts:  # no speaker has run out
        assert max(seconds) - min([*seconds, *[0] * (n_spk - len(seconds))]) <= max(data.utt2dur.values())


def test_subset_by_hours() -> None:
    data = make(3, 20)
    half, seconds = data.hours / 2, max(data.utt2dur.values())
    part = subset(data, hours=half, seed=1)
    assert half - seconds / 3600 < part.hours <= half + 1e-9
    assert part == subset(data, hours=half, seed=1)
    assert part.wav_scp != subset(data, hours=half, seed=2).wav_scp
    assert subset(data, hours=data.hours).wav_scp == data.wav_scp
    with pytest.raises(ConfigError, match="more than there is"):
        subset(data, hours=data.hours * 1.01)
    with pytest.raises(ConfigError, match="either hours or a number"):
        subset(data)
