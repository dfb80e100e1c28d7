"""Data directories on disk: checked, mended, combined, cut and counted a block of lines at a time."""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st
from test_kaldi import make, make_segments

from stxfer.core.errors import ConfigError, DataError
from stxfer.kaldi import blocks
from stxfer.kaldi.blocks import iter_blocks, merge
from stxfer.kaldi.check import check_datadir
from stxfer.kaldi.combine import combine_datadirs
from stxfer.kaldi.datadir import DataDir, read_datadir, write_datadir
from stxfer.kaldi.fix import fix_datadir
from stxfer.kaldi.segments import Segment, read_segments, write_segments
from stxfer.kaldi.stats import TextStats, datadir_stats
from stxfer.kaldi.subset import subset, subset_datadir
from stxfer.kaldi.table import read_table, write_table

IDS = st.text(st.characters(exclude_categories=["Z", "C"]), min_size=1, max_size=5)
TEXTS = st.text(st.characters(exclude_categories=["Zl", "Zp", "C"]), max_size=9).map(lambda s: " ".join(s.split()))
SECONDS = st.integers(1, 10**8).map(lambda k: k / 10**6)
WRITTEN = ("wav.scp", "text", "text.sw.human", "utt2spk", "utt2dur")


@pytest.fixture(scope="module", autouse=True)
def _small_blocks_and_no_waiting() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(blocks, "BLOCK_BYTES", 40)  # a line or two, so that everything crosses their borders
        patch.setattr(os, "fsync", lambda _: None)  # thousands of files, on a disk that may be busy
        yield


@contextmanager
def folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as name:
        yield Path(name)


@st.composite
def datadirs(draw: st.DrawFn) -> DataDir:
    """A directory of 1-8 utterances, with or without segments."""
    utts = draw(st.lists(IDS, min_size=1, max_size=8, unique=True))
    speakers = {utt: draw(st.sampled_from(["s", "spk1", "ŝ"])) for utt in utts}
    data = DataDir(Path("set"), {utt: f"/a b/{k}.wav" for k, utt in enumerate(utts)},
                   {utt: draw(TEXTS) for utt in utts}, speakers, {utt: draw(st.integers(1, 9)) / 4 for utt in utts},
                   texts={"text.sw.human": {utt: draw(TEXTS) for utt in utts}})
    if draw(st.booleans()):
        data.segments = {utt: Segment(draw(st.sampled_from(["r1", "r2"])), k, k + 1.5) for k, utt in enumerate(utts)}
        data.wav_scp = {name: f"/a/{name}.flac" for name in {part.recording for part in data.segments.values()}}
    return data


def contents(directory: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in directory.iterdir()}


def write(path: Path, data: DataDir) -> Path:
    write_datadir(path, data)
    return path


@given(table=st.dictionaries(IDS, TEXTS, min_size=1))
def test_blocks_are_the_table(table: dict[str, str]) -> None:
    with folder() as tmp:
        write_table(tmp / "text", table)
        found = list(iter_blocks(tmp / "text"))
        assert [key.decode() for block in found for key in block.keys] == sorted(table)
        assert {key.decode(): value.decode() for block in found
                for key, value in zip(block.keys, block.values, strict=True)} == table
        assert b"".join(line + b"\n" for block in found for line in block.lines) == (tmp / "text").read_bytes()


@given(st.lists(st.sampled_from([b"a", b"b", b" ", b"\t", b"\n", b"\r", b"\xff", b"\xef\xbb\xbf", b"\xc2\xa0", b"\x1f",
                                 b"a x\n", b"b y\n", b"c\n"]), max_size=12).map(b"".join))
@settings(max_examples=300)
def test_what_blocks_accept_is_a_sorted_table(content: bytes) -> None:
    with folder() as tmp:
        (tmp / "text").write_bytes(content)
        try:
            keys = [key.decode() for block in iter_blocks(tmp / "text") for key in block.keys]
        except DataError as error:
            assert str(error).startswith(f"{tmp}/text:")
            return
        assert keys == sorted(set(keys)) == list(read_table(tmp / "text"))
        write_table(tmp / "again", read_table(tmp / "text"))  # the keys are such as may be written
        assert subprocess.run(["sort", "-c", "-u", "-k1,1", tmp / "text"], env={"LC_ALL": "C"}).returncode == 0


@given(st.lists(IDS, min_size=1, unique=True), st.lists(IDS, min_size=1), TEXTS)
@example(["a", "b", "c", "d"], ["a", "z", "c", "d"], 30 * "x")  # as expected from the second block on
def test_expected_keys_change_nothing(like: list[str], keys: list[str], text: str) -> None:
    with folder() as tmp:
        (tmp / "text").write_text("".join(f"{key} {text}\n" for key in keys), encoding="utf-8")
        found = []
        for expected in ((), sorted(key.encode() for key in like), [key.encode() for key in sorted({*keys})]):
            try:
                found.append(list(iter_blocks(tmp / "text", expected)))
            except DataError as error:
                found.append(str(error))
        assert found[0] == found[1] == found[2]


@given(st.lists(st.dictionaries(IDS, TEXTS, min_size=1), min_size=1, max_size=3))
def test_merge_is_one_sort(tables: list[dict[str, str]]) -> None:
    with folder() as tmp:
        for k, table in enumerate(tables):
            write_table(tmp / str(k), table)
        merged = list(merge([iter_blocks(tmp / str(k)) for k in range(len(tables))]))
        lines = [line.decode() for block in merged for line in block.lines]
        assert lines == sorted(f"{key} {value}" if value else key for table in tables for key, value in table.items())
        assert [key for block in merged for key in block.keys] == [line.encode().partition(b" ")[0] for line in lines]


@given(st.dictionaries(IDS, st.tuples(IDS, SECONDS, SECONDS), min_size=1))
def test_segments_round_trip(rows: dict[str, tuple[str, float, float]]) -> None:
    segments = {utt: Segment(recording, start, round(start + length, 6))
                for utt, (recording, start, length) in rows.items()}
    with folder() as tmp:
        write_segments(tmp / "segments", segments)
        assert read_segments(tmp / "segments") == segments


@given(datadirs())
def test_what_is_written_is_valid(data: DataDir) -> None:
    with folder() as tmp:
        report = check_datadir(write(tmp / "set", data))
        assert (report.errors, report.n_utts) == ([], len(data))
        assert bool(data.text and "" in {*data.text.values(), *data.texts["text.sw.human"].values()}) == any(
            "an empty transcript" in warning for warning in report.warnings)


@pytest.mark.parametrize(("table", "content", "message"), [
    ("text", b"s0-u0 a\n\ns0-u1 b\n", "text:2: a blank line or a line without a key; remove it"),
    ("text", b"s0-u1 a\ns0-u0 b\n", "text:2: key 's0-u0' follows 's0-u1'; sort the file as LC_ALL=C sort does"),
    ("text", b"s0-u0 a\ns0-u0 b\n", "text:2: duplicate key 's0-u0'; keys must be unique"),
    ("text", b"\xef\xbb\xbfs0-u0 a\n", "text:1: starts with a byte-order mark; save it as plain UTF-8"),
    ("text", b"s0-u0 a\r\n", "text:1: holds a carriage return (DOS line ends); convert the file with dos2unix"),
    ("text", b"s0-u0 a\ns0-u1 \xe9t\xe9\n",
     "text:2: not UTF-8 (invalid continuation byte); convert the file with iconv"),
    ("text", b"s0-u0\ta\n", "text:1: key 's0-u0' is followed by a tab; Kaldi's tables want a space"),
    ("text", b"s0\xc2\xa0u0 a\n", "text:1: key 's0\\xa0u0' holds white space or a control character"),
    ("text", b"s0 u0 a\ns0 u1 b\n", "text:2: duplicate key 's0'; keys must be unique"),
    ("text", b"", "text: is empty; remove it or make it again"),
    ("text", b"s0-u0 a\ns0-u1 b\ns0-u2 c\n", "text: lacks 3 of wav.scp's 6 utterances, the first is s1-u0"),
    ("text.sw", b"s0-u0 a\n", ": text.sw: a further text must be named text.<language>.<label>, e.g. text.sw.human"),
    ("wav.scp", b"s0-u0 sox a.mp3 -t wav - |\n",
     "wav.scp: s0-u0: a command ('... |'); write the audio to a file and give its path"),
    ("wav.scp", b"s0-u0\n", "wav.scp: s0-u0: no path"),
    ("utt2spk", b"s0-u0 s 0\n", "utt2spk: utterance s0-u0: speaker id 's 0' is empty or holds white space"),
    ("utt2dur", b"s0-u0 0\n", "utt2dur: utterance s0-u0: '0' is not a positive number"),
    ("utt2dur", b"s0-u0 1\ns0-u1 nan\n", "utt2dur: utterance s0-u1: 'nan' is not a positive number"),
    ("utt2speed", b"s0-u0 fast\n", "utt2speed: utterance s0-u0: 'fast' is not a positive number"),
    ("spk2utt", b"s0 s0-u0\n", "spk2utt: is not what utt2spk says"),
    ("spk2utt", None, "spk2utt: no such file"),
    ("utt2lang", b"s0-u0 sw\ns9 sw\n", "utt2lang: holds 1 utterances that wav.scp lacks, the first is s9")])
def test_check_says_what_is_wrong(tmp_path: Path, table: str, content: bytes | None, message: str) -> None:
    path = write(tmp_path / "set", make())
    (path / table).unlink(missing_ok=True)
    if content is not None:
        (path / table).write_bytes(content)
    before = contents(path)
    errors = check_datadir(path).errors
    separator = "" if message.startswith(":") else "/"
    assert f"{path}{separator}{message}" in errors
    assert contents(path) == before


def test_check_of_segments_and_warnings(tmp_path: Path) -> None:
    path = write(tmp_path / "set", make_segments())
    (path / "wav.scp").write_text("r1 /audio/r1.flac\nr7 /audio/r7.flac\n")
    assert check_datadir(path).errors == [
        f"{path}/segments: 1 recordings are not in wav.scp, the first is r0",
        f"{path}/wav.scp: holds 1 recordings that segments does not use, the first is r7"]
    (path / "segments").write_text("s0-u0 r1 2 1\n")
    assert check_datadir(path).errors == [f"{path}/segments: utterance s0-u0: ends at 1 s, not after its start at 2 s"]
    data = make()
    data.utt2spk, data.text["s0-u1"] = {utt: f"s{1 - int(utt[1])}" for utt in data.text}, ""
    report = check_datadir(write(path, data))
    assert report.errors == []
    assert report.warnings == [
        f"{path}/utt2spk: speakers are not in order along the utterances; begin each utterance's id with its speaker's "
        "(or give Kaldi's validate_data_dir.sh --no-spk-sort)",
        f"{path}/text: 1 of 6 utterances have an empty transcript"]
    (path / "utt2spk").unlink()
    with pytest.raises(DataError, match="utt2spk: no such file; a data directory holds wav.scp, text, utt2spk"):
        check_datadir(path)
    with pytest.raises(DataError, match="nowhere: no such directory"):
        check_datadir(tmp_path / "nowhere")


def damage(draw: st.DataObject, directory: Path) -> None:
    """Change the bytes of one table as editors, spreadsheets and scripts do."""
    path = directory / draw.draw(st.sampled_from(sorted(p.name for p in directory.iterdir() if p.name != "spk2utt")))
    lines = path.read_bytes().splitlines(keepends=True)
    k = draw.draw(st.integers(0, len(lines) - 1))
    match draw.draw(st.sampled_from(["bom", "crlf", "tab", "blank", "twice", "other", "gone", "shuffle", "latin",
                                     "value", "end", "space"])):
        case "bom":
            lines[0] = b"\xef\xbb\xbf" + lines[0]
        case "crlf":
            lines = [line.replace(b"\n", b"\r\n") for line in lines]
        case "tab":
            lines[k] = lines[k].replace(b" ", b"\t", 1)
        case "blank":
            lines.insert(k, b" \n")
        case "twice":
            lines.append(lines[k])
        case "other":
            lines.append(lines[k].partition(b" ")[0].strip() + b" other\n")
        case "gone":
            del lines[k]
        case "shuffle":
            lines = draw.draw(st.permutations(lines))
        case "latin":
            lines[k] = lines[k].replace(b"\n", b"\xe9\n")
        case "value":
            lines[k] = lines[k].partition(b" ")[0].strip() + b" |\n"
        case "end":
            lines[-1] = lines[-1].rstrip(b"\n")
        case "space":
            lines[k] = b"  " + lines[k].replace(b" ", b"  ")
    path.write_bytes(b"".join(lines))


@given(datadirs(), st.integers(1, 4), st.data())
def test_fixing_makes_valid_and_is_idempotent(data: DataDir, n_damages: int, draw: st.DataObject) -> None:
    with folder() as tmp:
        source = write(tmp / "set", data)
        for _ in range(n_damages):
            damage(draw, source)
        before = contents(source)
        try:
            fixed = fix_datadir(source, tmp / "out", max_drop=1.0)
        except DataError as error:
            assert "none is left" in str(error) or "holds no utterances" in str(error)
            assert not (tmp / "out").exists()
            return
        finally:
            assert contents(source) == before
        report = check_datadir(tmp / "out")
        assert (report.errors, report.n_utts) == ([], fixed.n_utts)
        assert len(read_datadir(tmp / "out")) == fixed.n_utts
        if not data.segments:  # with them, a bad recording takes all its utterances along
            assert fixed.n_utts >= len(data) - n_damages
            assert len(fixed.dropped) <= 2 * n_damages
        after = contents(tmp / "out")
        assert len(after.pop("dropped.tsv").splitlines()) == len(fixed.dropped)
        again = fix_datadir(tmp / "out", tmp / "out")
        assert (again.dropped, again.mended) == ({}, {})
        assert contents(tmp / "out") == after | {"dropped.tsv": (tmp / "out" / "dropped.tsv").read_bytes()}


def test_fix_says_what_it_did(tmp_path: Path) -> None:
    path = write(tmp_path / "set", make())
    (path / "text").write_bytes(b"\xef\xbb\xbfs0-u1 b\r\ns0-u0\ta\n\ns0-u0 a\ns0-u2 c\ns0-u2 d\ns1-u0 \xff\ns1-u1 e\n")
    (path / "utt2dur").write_text((path / "utt2dur").read_text().replace("s1-u1 ", "s1-u1 -"))
    (path / "utt2lang").write_text("".join(f"{utt} sw\n" for utt in make().utts))
    (path / "spk2gender").write_text("s1 f\ns0 m\n")
    (path / "spk2lang").write_text("s1 sw\n")
    (path / "notes").touch()
    dropped = ("s0-u2\tduplicate: two different lines in text\ns1-u0\tnot UTF-8: invalid start byte (text:7)\n"
               "s1-u1\tbad number: '-2.000' (utt2dur:5)\ns1-u2\tnot in text\n")
    with pytest.raises(DataError, match=r"set: 4 of 6 utterances cannot be used, more than --max-drop 0.5 allows "
                                        r"\(.*\); e.g. s0-u2: duplicate: .*; all are listed in .*/out.dropped.tsv"):
        fix_datadir(path, tmp_path / "out", max_drop=0.5)
    assert (tmp_path / "out.dropped.tsv").read_text() == dropped
    fixed = fix_datadir(path, tmp_path / "out", max_drop=0.7)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["out", "set"]
    assert fixed.mended == {"spk2gender": {"order": 1}, "text": {
        "byte-order mark": 1, "DOS line ends": 1, "order": 1, "separators": 1, "blank lines": 1, "repeated lines": 1}}
    assert fixed.others == ("notes",)
    assert (tmp_path / "out" / "dropped.tsv").read_text() == dropped
    assert (tmp_path / "out" / "text").read_text() == "s0-u0 a\ns0-u1 b\n"
    assert (tmp_path / "out" / "spk2utt").read_text() == "s0 s0-u0 s0-u1\n"
    assert (tmp_path / "out" / "utt2lang").read_text() == "s0-u0 sw\ns0-u1 sw\n"
    assert (tmp_path / "out" / "spk2gender").read_text() == "s0 m\n"
    assert not (tmp_path / "out" / "spk2lang").exists()  # of no speaker who is left
    fix_datadir(tmp_path / "out", tmp_path / "out")
    assert (tmp_path / "out" / "dropped.tsv").read_text() == dropped  # what was dropped before stays listed
    with pytest.raises(DataError, match="set: holds notes, which is no table of a data directory and would be lost"):
        fix_datadir(path, path, max_drop=1.0)


def test_fix_drops_segments_of_bad_recordings(tmp_path: Path) -> None:
    path = write(tmp_path / "set", make_segments())
    (path / "wav.scp").write_text("r0 sox a.sph -t wav - |\nr1 /audio/r1.flac\nr7 /audio/r7.flac\n")
    (path / "segments").write_text((path / "segments").read_text().replace("s1-u2 r1", "s1-u2 r8")
                                   .replace("s1-u1 r1 2.5", "s1-u1 r1 9.5"))
    fixed = fix_datadir(path, path, max_drop=0.9)
    assert fixed.dropped == {
        **{f"s0-u{k}": "bad audio: a command ('... |'); write the audio to a file and give its path (wav.scp:1): "
                       "recording r0" for k in range(3)},
        "s1-u1": "bad segment: ends at 4.5 s, not after its start at 9.5 s (segments:5)",
        "s1-u2": "not in wav.scp: recording r8"}
    assert (path / "wav.scp").read_text() == "r1 /audio/r1.flac\n"


@given(datadirs(), st.data())
@settings(max_examples=50)
def test_combining_parts_gives_the_whole_and_back(data: DataDir, draw: st.DataObject) -> None:
    assume(len(data) > 1)
    first = draw.draw(st.lists(st.sampled_from(data.utts), min_size=1, max_size=len(data) - 1, unique=True))
    parts = [data.select(first), data.select([utt for utt in data.utts if utt not in first])]
    with folder() as tmp:
        whole = write(tmp / "whole", data)
        paths = [write(tmp / f"part{k}", part) for k, part in enumerate(parts)]
        combined = combine_datadirs(paths, tmp / "combined")
        assert (combined.n_utts, combined.left_out) == (len(data), {})
        assert contents(tmp / "combined") == contents(whole)
        again = read_datadir(tmp / "combined")
        for path, part in zip(paths, parts, strict=True):
            assert contents(write(tmp / "again", again.select(part.utts))) == contents(path)


@given(datadirs(), st.integers(0, 3), st.data())
@settings(max_examples=50)
def test_subset_on_disk_is_that_in_memory_and_nested(data: DataDir, seed: int, draw: st.DataObject) -> None:
    with folder() as tmp:
        source, previous = write(tmp / "set", data), set()
        for n_utts in sorted(draw.draw(st.sets(st.integers(1, len(data)), min_size=1))):
            assert subset_datadir(source, tmp / "out", n_utts=n_utts, seed=seed) == n_utts
            memory = subset(read_datadir(source), n_utts=n_utts, seed=seed)
            assert contents(tmp / "out") == contents(write(tmp / "memory", memory))
            assert previous <= memory.text.keys()
            previous = set(memory.text)
        hours = data.hours / 2
        subset_datadir(source, tmp / "out", hours=hours, seed=seed)
        part = read_datadir(tmp / "out")
        assert part.text == subset(read_datadir(source), hours=hours, seed=seed).text
        assert part.hours <= hours + 1e-6 or len(part) == 1


def test_subset_carries_other_tables_and_refuses(tmp_path: Path) -> None:
    path = write(tmp_path / "set", make_segments())
    (path / "reco2dur").write_text("r0 9\nr1 8\n")
    (path / "spk2gender").write_text("s0 f\ns1 m\n")
    (path / "spk2lang").write_text("s7 sw\n")
    subset_datadir(path, tmp_path / "out", n_utts=1)
    assert check_datadir(tmp_path / "out").errors == []
    utt = next(iter(read_datadir(tmp_path / "out")))
    assert (tmp_path / "out" / "reco2dur").read_text() == {"0": "r0 9\n", "1": "r1 8\n"}[utt[1]]
    assert (tmp_path / "out" / "spk2gender").read_text() == {"0": "s0 f\n", "1": "s1 m\n"}[utt[1]]
    before = contents(tmp_path / "out")
    for size, message in [({"hours": 1.0}, "a subset of 1.0 h is more than there is"), ({}, "either hours or a number"),
                          ({"n_utts": 0}, "a subset of 0 utterances: must be more than nothing")]:
        with pytest.raises(ConfigError, match=message):
            subset_datadir(path, tmp_path / "out", **size)
    (path / "text").write_text("s0-u0 only\n")
    with pytest.raises(DataError, match="set/text: has other utterances than utt2spk; 'datadir validate' names them"):
        subset_datadir(path, tmp_path / "out", n_utts=1)
    (path / "utt2dur").write_text("".join(f"{utt} long\n" for utt in make().utts))
    with pytest.raises(DataError, match="utt2dur: could not convert .*; 'datadir validate' names the line"):
        subset_datadir(path, tmp_path / "out", n_utts=1)
    (path / "utt2dur").unlink()
    with pytest.raises(DataError, match="utt2dur: no such file; a subset needs durations"):
        subset_datadir(path, tmp_path / "out", n_utts=1)
    assert contents(tmp_path / "out") == before


def two_sets(tmp_path: Path, data: DataDir) -> tuple[Path, Path]:
    return (write(tmp_path / "a", data.select([utt for utt in data.utts if utt < "s1"])),
            write(tmp_path / "b", data.select([utt for utt in data.utts if utt > "s1"])))


def test_combine_names_both_places_of_a_duplicate(tmp_path: Path) -> None:
    a, b = two_sets(tmp_path, make())
    for name in WRITTEN:
        (b / name).write_text((a / name).read_text().splitlines()[1] + "\n" + (b / name).read_text())
    with pytest.raises(DataError, match=f"utterance s0-u1 stands in {a}/utt2spk:2 and {b}/utt2spk:1; ids must differ"):
        combine_datadirs([a, b], tmp_path / "c")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a", "b"]


def test_combine_of_unlike_directories(tmp_path: Path) -> None:
    a, b = two_sets(tmp_path, make())
    (b / "text.sw.human").unlink()
    (b / "utt2speed").write_text("s1-u0 0.9\ns1-u1 0.9\ns1-u2 0.9\n")
    (a / "spk2gender").write_text("s0 f\n")
    (b / "spk2gender").write_text("s0 f\ns1 m\n")
    combined = combine_datadirs([a, b], tmp_path / "c")
    assert combined.left_out == {"text.sw.human": b}
    assert check_datadir(tmp_path / "c").errors == []
    assert read_datadir(tmp_path / "c").utt2speed == {utt: 1.0 if utt < "s1" else 0.9 for utt in make().utts}
    assert (tmp_path / "c" / "spk2gender").read_text() == "s0 f\ns1 m\n"
    (b / "spk2gender").write_text("s0 m\ns1 m\n")
    with pytest.raises(DataError, match=f"'s0' has two values, in {a}/spk2gender:1 and {b}/spk2gender:1"):
        combine_datadirs([a, b], tmp_path / "c")
    (b / "spk2gender").unlink()
    (b / "utt2dur").write_text("s1-u0 1\n")
    with pytest.raises(DataError, match=f"{b}/utt2dur: has other utterances than utt2spk"):
        combine_datadirs([a, b], tmp_path / "c")
    with pytest.raises(ConfigError, match="two or more different directories"):
        combine_datadirs([a, f"{b}/../a"], tmp_path / "c")
    segmented = write(tmp_path / "d", make_segments())
    with pytest.raises(DataError, match=f"{segmented} has segments and {a} has none: .* cannot be combined"):
        combine_datadirs([segmented, a], tmp_path / "e")


@pytest.mark.parametrize("tool", [
    lambda a, b, out: combine_datadirs([a, b], out), lambda a, b, out: subset_datadir(a, out, n_utts=1)])
def test_what_may_be_replaced(tmp_path: Path, tool) -> None:
    a, b = two_sets(tmp_path, make())
    with pytest.raises(DataError, match=f"{a}: is read from; give --out another directory"):
        tool(a, b, a)
    with pytest.raises(DataError, match=f"{tmp_path}: holds a, which is no table .* and would be lost"):
        tool(a, b, tmp_path)
    (tmp_path / "file").touch()
    with pytest.raises(DataError, match="file: is a file; give --out another directory"):
        tool(a, b, tmp_path / "file")
    tool(a, b, write(tmp_path / "c", make(3, 4)))
    assert len(read_datadir(tmp_path / "c")) in (1, 6)


def test_read_only_output(tmp_path: Path) -> None:
    with folder() as tmp:  # pytest's own folder is closed to other users, and root writes everywhere
        tmp.chmod(0o555)
        a, b = two_sets(tmp_path, make()) if os.geteuid() else (None, None)
        if a is None:
            tmp.chmod(0o755)
            a, b = two_sets(tmp, make())
            os.seteuid(65534)
        try:
            with pytest.raises(PermissionError) as info:
                combine_datadirs([a, b], tmp / "c")
        finally:
            if os.getuid() == 0:
                os.seteuid(0)
            tmp.chmod(0o755)
        assert str(tmp / ".c.partial") == str(info.value.filename)
        assert not list(tmp.glob("*c*"))


def test_stats(tmp_path: Path) -> None:
    data = make_segments()
    data.text = dict(zip(data.utts, ["a b", "a c", "", "d d d", "é", "a"], strict=True))
    path = write(tmp_path / "set", data)
    train = make(1, 1)
    train.text = {"s0-u0": "a b"}
    stats = datadir_stats(path, write(tmp_path / "train", train))
    assert (stats.utterances, stats.speakers) == (6, 2)
    assert stats.hours == pytest.approx(sum(data.utt2dur.values()) / 3600)
    assert (stats.seconds["min"], stats.seconds["max"]) == (min(data.utt2dur.values()), max(data.utt2dur.values()))
    assert stats.texts["text"] == TextStats(9, 5, 9, 5, 5 / 9, 3 / 5)
    assert stats.texts["text.sw.human"].oov == pytest.approx(5 / 12)
    (path / "utt2dur").unlink()
    assert datadir_stats(path).hours == pytest.approx(stats.hours)  # of the segments
    (tmp_path / "train" / "utt2dur").unlink()
    stats = datadir_stats(tmp_path / "train")
    assert (stats.hours, stats.seconds, stats.texts["text"].oov) == (None, {}, None)


def test_espnet_reads_what_is_combined(tmp_path: Path) -> None:
    from espnet2.fileio.read_text import load_num_sequence_text, read_2columns_text

    combine_datadirs(two_sets(tmp_path, make()), tmp_path / "c")
    subset_datadir(tmp_path / "c", tmp_path / "d", n_utts=3)
    data = read_datadir(tmp_path / "d")
    assert read_2columns_text(tmp_path / "d" / "wav.scp") == data.wav_scp
    assert read_2columns_text(tmp_path / "d" / "text") == data.text
    assert load_num_sequence_text(tmp_path / "d" / "utt2dur", "text_float") == {u: [s] for u, s in data.utt2dur.items()}
