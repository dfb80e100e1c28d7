"""Rows of tables, and from entries to a data directory."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st

from stxfer.core.errors import DataError
from stxfer.corpora.collect import Counts, list_folder, write_set
from stxfer.corpora.entries import Entry
from stxfer.corpora.paths import inside
from stxfer.corpora.rows import read_rows, sanitise
from stxfer.kaldi.datadir import Audio, read_datadir


def table(path: Path, content: str | bytes) -> Path:
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def rows(path: Path, *columns: str, **options: object) -> list[tuple[int, dict[str, str]]]:
    return [tuple(row) for row in read_rows(path, columns, **options)]  # type: ignore[arg-type,misc]


def test_tsv_takes_quotation_marks_as_text(tmp_path: Path) -> None:
    path = table(tmp_path / "t.tsv", 'path\tage\tsentence\na\t\t"Ndiyo, alisema\nb\t9\tha""ya\n\n')
    assert rows(path, "sentence", "path", optional=["age", "accent"]) == [
        (2, {"sentence": '"Ndiyo, alisema', "path": "a", "age": "", "accent": ""}),
        (3, {"sentence": 'ha""ya', "path": "b", "age": "9", "accent": ""})]


@pytest.mark.parametrize("content", [b"\xef\xbb\xbfpath\ttext\na\t\xc3\xa9\n", b"path\ttext\r\na\t\xc3\xa9\r\n",
                                     b"path\ttext\na\t\xc3\xa9"])
def test_byte_order_marks_and_other_line_ends_are_accepted(tmp_path: Path, content: bytes) -> None:
    assert rows(table(tmp_path / "t.tsv", content), "path", "text") == [(2, {"path": "a", "text": "é"})]


def test_csv_and_json(tmp_path: Path) -> None:
    path = table(tmp_path / "t.csv", 'path,text\r\na,"Yes, ""he"" said\nso\there"\r\nb,no\r\n')
    assert rows(path, "path", "text") == [(3, {"path": "a", "text": 'Yes, "he" said\nso\there'}),
                                          (4, {"path": "b", "text": "no"})]
    path = table(tmp_path / "t.jsonl", '{"path": "a", "start": 1.5, "more": []}\n\n{"path": "b", "start": null}\n')
    assert rows(path, "path", optional=["start"]) == [(1, {"path": "a", "start": "1.5"}),
                                                      (3, {"path": "b", "start": ""})]


@pytest.mark.parametrize(("name", "content", "message"), [
    ("t.tsv", "path\n", "t.tsv:1: no column 'text'; its columns must include path text"),
    ("t.tsv", "", "t.tsv:1: no column 'path'; its columns must include path text"),
    ("t.tsv", "path\ttext\ttext\n", "t.tsv:1: two columns are named 'text'; rename one"),
    ("t.tsv", "path\ttext\na\tx\nb\n",
     "t.tsv:3: has 1 fields, but there are 2 columns; remove the line break within a field, or the row"),
    ("t.tsv", "path\ttext\na\tx\ty\n", "t.tsv:2: has 3 fields, but there are 2 columns; remove the tab within a field"),
    ("t.tsv", "path\ttext\na\té\nb\té\n".encode("latin-1"),
     "t.tsv:2: not UTF-8 (invalid continuation byte at byte 2 of the line); convert the file with iconv"),
    ("t.csv", "path,text\na,b,c\n", "t.csv:2: has 3 fields, but there are 2 columns; put a field that holds the "
     "separator or a quotation mark in quotation marks"),
    ("t.csv", "path,text\na\n", "t.csv:2: has 1 fields, but there are 2 columns; complete the row or remove it"),
    ("t.csv", 'path,text\na,"b\nc,d\n', "t.csv:3: not CSV (unexpected end of data); look for a quotation mark that is "
     "not closed from line 2 on, one within a field is written twice"),
    ("t.jsonl", '{"path": "a"\n', "t.jsonl:1: not JSON (Expecting ',' delimiter: line 1 column 13 (char 12)); "
     "each line must be one object"),
    ("t.jsonl", "[1]\n", 't.jsonl:1: not a JSON object; each line must be one, as {"text": "..."}'),
    ("t.jsonl", '{"path": "a"}\n', "t.jsonl:1: no column 'text'; each row must have path text"),
    ("t.jsonl", '{"path": "a", "text": ["b"]}\n', "t.jsonl:1: column 'text' is neither text nor a number"),
    ("t.txt", "", "t.txt: not a table by its name; it must end in .tsv, .csv or .jsonl")])
def test_refuses_tables(tmp_path: Path, name: str, content: str | bytes, message: str) -> None:
    with pytest.raises(DataError) as caught:
        rows(table(tmp_path / name, content), "path", "text")
    assert str(caught.value) == f"{tmp_path}/{message}"


def test_absent_table(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="t.tsv: no such file"):
        rows(tmp_path / "t.tsv", "path")


@given(st.lists(st.lists(st.text(st.characters(exclude_characters="\t\n\r", exclude_categories=["Cs"]), min_size=1),
                         min_size=2, max_size=2)))
def test_every_tsv_is_read_back(tmp_path_factory: pytest.TempPathFactory, fields: list[list[str]]) -> None:
    content = "".join("\t".join(row) + "\n" for row in [["a", "b"], *fields])
    path = table(tmp_path_factory.mktemp("t") / "t.tsv", content)
    assert [[values["a"], values["b"]] for _, values in rows(path, "a", "b")] == fields


@given(st.text(), st.text())
def test_ids_differ_where_names_differ(one: str, other: str) -> None:
    one, other = one.encode(errors="ignore").decode(), other.encode(errors="ignore").decode()
    assert (sanitise(one) == sanitise(other)) == (one == other)
    assert not any(c.isspace() for c in sanitise(one))


@pytest.mark.parametrize(("path", "message"), [
    ("/etc/passwd", "t.tsv:2: path '/etc/passwd' leaves clips; give a path within that folder"),
    ("a/../../b", "t.tsv:2: path 'a/../../b' leaves clips; give a path within that folder"),
    ("", "t.tsv:2: path '' names no file; mend the row or remove it"),
    ("a\0b", "t.tsv:2: path 'a\\x00b' names no file; mend the row or remove it")])
def test_paths_stay_inside(path: str, message: str) -> None:
    assert inside("clips", "a/b..mp3", "t.tsv:2") == "clips/a/b..mp3"
    with pytest.raises(DataError) as caught:
        inside("clips", path, "t.tsv:2")
    assert str(caught.value) == message


@pytest.fixture
def clips(tmp_path: Path) -> Path:
    """A folder with a second of noise in a.wav, two in b/a.wav, and files that are none."""
    folder = tmp_path / "clips"
    (folder / "b").mkdir(parents=True)
    noise = np.random.default_rng(0).normal(size=32000) * 0.1
    soundfile.write(folder / "a.wav", noise[:16000], 16000)
    soundfile.write(folder / "b" / "a.wav", noise, 16000)
    soundfile.write(folder / "none.wav", noise[:0], 16000)
    (folder / "empty.wav").touch()
    (folder / "text.wav").write_text("not audio")
    return folder


def write(tmp_path: Path, entries: list[Entry], dropped: dict[str, str] | None = None, **options: object) -> Counts:
    return write_set(tmp_path / "data", "src_train", iter(entries), dropped=dropped or {}, inputs=[],
                     options={"n": len(entries)}, **options)  # type: ignore[arg-type]


def test_writes_a_set(tmp_path: Path, clips: Path) -> None:
    entries = [Entry("s-1", str(clips / "a.wav"), "  a\tb\nc ", "s", texts={"text.fr.human": "d  e"}),
               Entry("s-2", str(clips / "not-opened.wav"), "", "s", seconds=3.5, texts={"text.fr.human": "f"})]
    assert write(tmp_path, entries, nj=2) == Counts(2, 0, round(4.5 / 3600, 4))
    data = read_datadir(tmp_path / "data" / "src_train")
    assert data.text == {"s-1": "a b c", "s-2": ""}
    assert data.texts == {"text.fr.human": {"s-1": "d e", "s-2": "f"}}
    assert data.utt2dur == {"s-1": 1.0, "s-2": 3.5}
    assert data.audio("s-1").path == str(clips / "a.wav") and not data.segments
    assert (tmp_path / "data" / "src_train" / "dropped.tsv").read_text() == ""


def test_segments_share_recordings(tmp_path: Path, clips: Path) -> None:
    long = str(clips / "b" / "a.wav")
    write(tmp_path, [Entry("s-1", long, "a", "s", 0.25, 1.0), Entry("s-2", long, "b", "s", 1.0, 2.3),
                     Entry("s-3", str(clips / "a.wav"), "c", "s")])
    data = read_datadir(tmp_path / "data" / "src_train")
    assert data.wav_scp == {"a": str(clips / "a.wav"), "b_a": long}
    assert data.audio("s-1") == Audio(long, 0.25, 1.0)
    assert data.audio("s-2") == Audio(long, 1.0, 2.0)  # the end of the file
    assert data.audio("s-3") == Audio(str(clips / "a.wav"), 0.0, 1.0)
    assert data.utt2dur == {"s-1": 0.75, "s-2": 1.0, "s-3": 1.0}


def test_recordings_of_one_name_stay_apart(tmp_path: Path) -> None:
    paths = [str(tmp_path / name) for name in ("a.wav", "a.mp3", "c/d.wav", "c_d.wav")]
    write(tmp_path, [Entry(f"s-{k}", path, "a", "s", 0.5, seconds=1.0) for k, path in enumerate(paths)])
    assert sorted(read_datadir(tmp_path / "data" / "src_train").wav_scp.values()) == sorted(paths)


@pytest.mark.parametrize(("name", "span", "reason"), [
    ("gone.wav", (), "missing: {}: no such audio file"),
    ("empty.wav", (), "empty: {}: the audio file is empty (0 bytes)"),
    ("text.wav", (), "undecodable: {}: cannot be decoded as WAV, FLAC, MP3 or Ogg (Format not recognised)"),
    ("none.wav", (), "empty: {}: holds no samples"),
    ("a.wav", (0.5, 1.6), "outside: 0.5 s to 1.6 s does not lie within {}, which lasts 1.00 s"),
    ("a.wav", (1.0, 1.2), "outside: 1 s to 1.2 s does not lie within {}, which lasts 1.00 s"),
    ("a.wav", (0.5, 0.5), "bad segment: 0.5 s to 0.5 s of {} is not a stretch of time"),
    ("a.wav", (-1.0, 0.5), "bad segment: -1 s to 0.5 s of {} is not a stretch of time"),
    ("a.wav", (float("nan"), 0.5), "bad segment: nan s to 0.5 s of {} is not a stretch of time")])
def test_drops_and_lists(tmp_path: Path, clips: Path, name: str, span: tuple[float, ...], reason: str) -> None:
    entries = [Entry("s-1", str(clips / "a.wav"), "a", "s"), Entry("s-2", str(clips / name), "b", "s", *span)]
    reason = reason.format(clips / name)
    with pytest.raises(DataError) as caught:
        write(tmp_path, entries, hint="Look at it")
    listing = tmp_path / "data" / "src_train.dropped.tsv"
    assert str(caught.value) == (
        "set src_train: 1 of 2 utterances cannot be used, more than --max-drop 0.05 allows "
        f"({reason.partition(':')[0]} 1); e.g. s-2: {reason}; all are listed in {listing}. Look at it. Mend the data "
        "or raise --max-drop")
    assert listing.read_text() == f"s-2\t{reason}\n"
    assert list((tmp_path / "data").iterdir()) == [listing]
    assert write(tmp_path, entries, max_drop=0.5) == Counts(1, 1, round(1 / 3600, 4))
    assert (tmp_path / "data" / "src_train" / "dropped.tsv").read_text() == f"s-2\t{reason}\n"
    assert not listing.exists()


def test_another_limit_reads_nothing_again(tmp_path: Path, clips: Path) -> None:
    entries = [Entry("s-1", str(clips / "a.wav"), "a", "s"), Entry("s-2", str(clips / "gone.wav"), "b", "s")]
    write(tmp_path, entries, max_drop=0.5)
    marker, listing = tmp_path / "data" / "src_train" / ".stage.json", tmp_path / "data" / "src_train.dropped.tsv"
    before = marker.stat().st_mtime_ns
    with pytest.raises(DataError, match="1 of 2 utterances cannot be used, more than --max-drop 0.4 allows"):
        write(tmp_path, entries, max_drop=0.4)
    assert listing.exists()
    write(tmp_path, entries, max_drop=0.6)
    assert marker.stat().st_mtime_ns == before
    assert not listing.exists()


def test_nothing_left(tmp_path: Path, clips: Path) -> None:
    gone = Entry("s-1", str(clips / "gone.wav"), "a", "s")
    with pytest.raises(DataError, match="2 of 2 utterances cannot be used, none is left .no translation 1, missing 1."):
        write(tmp_path, [gone], {"s-2": "no translation: of 3"}, max_drop=1.0)
    with pytest.raises(DataError, match="set src_train: the corpus has no utterances for it"):
        write(tmp_path, [])


def test_duplicate_ids(tmp_path: Path, clips: Path) -> None:
    with pytest.raises(DataError) as caught:
        write(tmp_path, [Entry("s-1", "x/a.wav", "a", "s", table="x.tsv", line=2),
                         Entry("s-1", "x/b.wav", "a", "s", table="x.tsv", line=7)])
    assert str(caught.value) == "x.tsv:7: utterance s-1 stands already in line 2; remove one of them"
    assert not (tmp_path / "data").exists()


def test_entries_are_not_taken_twice(tmp_path: Path, clips: Path) -> None:
    taken = []

    def entries() -> Iterator[Entry]:
        taken.append(1)
        yield Entry("s-1", str(clips / "a.wav"), "a", "s")

    for _ in range(2):
        counts = write_set(tmp_path, "src_dev", entries(), dropped={}, inputs=[], options={"clips": "x"})
        assert counts.n_utts == 1
    assert len(taken) == 1
    write_set(tmp_path, "src_dev", entries(), dropped={}, inputs=[], options={"clips": "y"})
    assert len(taken) == 2


def test_lists_folders(tmp_path: Path, clips: Path) -> None:
    names, digest = list_folder(clips)
    assert names == {"a.wav", "b/a.wav", "none.wav", "empty.wav", "text.wav"}
    (clips / "b" / "new.wav").touch()
    assert list_folder(clips)[1] != digest
    with pytest.raises(DataError, match="gone: no such folder"):
        list_folder(tmp_path / "gone")
