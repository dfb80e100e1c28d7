"""``python -m stxfer.bin.datadir``."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from test_kaldi import make

from stxfer.bin._cli import run
from stxfer.bin.datadir import main
from stxfer.core.errors import ConfigError, DataError, StxferError
from stxfer.kaldi.datadir import read_datadir, write_datadir


@pytest.fixture
def path(tmp_path: Path) -> Path:
    write_datadir(tmp_path / "set", make())
    return tmp_path / "set"


def test_validate(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["validate", str(path)])
    assert capsys.readouterr().out == f"{path}: valid, 6 utterances\n"
    text = (path / "text").read_text()
    (path / "text").write_text(text.replace("\n", "\r\n"))
    (path / "spk2utt").unlink()
    with pytest.raises(SystemExit) as info:
        run(main, ["validate", str(path), str(path)])
    assert info.value.code == (f"error: {path} {path}: not valid; 'python -m stxfer.bin.datadir fix' mends what can be "
                               "mended")
    assert capsys.readouterr().out == 2 * (
        f"error: {path}/text:1: holds a carriage return (DOS line ends); convert the file with dos2unix\n"
        f"error: {path}/spk2utt: no such file\n")
    (path / "text").write_text(text.replace("word s0-u1", ""))
    main(["fix", str(path), "--out", str(path)])
    assert capsys.readouterr().out == f"{path}: 6 utterances, 0 dropped\n"
    main(["validate", str(path)])
    assert capsys.readouterr().out == (f"warning: {path}/text: 1 of 6 utterances have an empty transcript\n"
                                       f"{path}: valid, 6 utterances\n")


def test_fix(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (path / "notes").touch()
    (path / "text").write_text("".join(reversed((path / "text").read_text().splitlines(keepends=True)[1:])))
    out = path.parent / "out"
    argv = ["fix", str(path), "--out", str(out)]
    with pytest.raises(DataError, match="1 of 6 utterances cannot be used, more than --max-drop 0.05 allows"):
        main(argv)
    main([*argv, "--max-drop", "0.2"])
    assert capsys.readouterr().out == (f"{path}/text: mended order (4)\n{path}: not carried over, no tables: notes\n"
                                       f"{out}: 5 utterances, 1 dropped (see {out}/dropped.tsv)\n")
    with pytest.raises(ConfigError, match="--max-drop 7: must be a share between 0 and 1"):
        main([*argv, "--max-drop", "7"])


def test_subset_and_combine(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    small, out = path.parent / "small", path.parent / "out"
    main(["subset", str(path), "--utterances", "2", "--out", str(small)])
    assert capsys.readouterr().out == f"{small}: 2 utterances\n"
    main(["subset", str(path), "--hours", "0.002", "--seed", "3", "--out", str(out)])
    assert 0 < read_datadir(out).hours <= 0.002
    rest = sorted(make().text.keys() - read_datadir(small).text.keys())
    write_datadir(path.parent / "other", make().select(rest))
    main(["subset", str(path), "--utterances", "2", "--out", str(small), "--rest", str(path.parent / "rest")])
    assert sorted(read_datadir(path.parent / "rest").text) == rest and len(read_datadir(small)) == 2
    for words, message in ((["6", "--rest", str(path.parent / "rest")], "the subset takes all of it; nothing is left"),
                           (["2", "--rest", str(small)], "is to hold the part")):
        with pytest.raises(StxferError, match=message):
            main(["subset", str(path), "--out", str(small), "--utterances", *words])
    (small / "text.sw.human").unlink()
    capsys.readouterr()
    main(["combine", str(small), str(path.parent / "other"), "--out", str(out)])
    assert capsys.readouterr().out == f"text.sw.human: left out, {small} has none\n{out}: 6 utterances\n"
    assert read_datadir(out).text == make().text


def test_stats(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["stats", str(path), "--against", str(path)])
    rows = {line[:34].strip(): line[34:].strip() for line in capsys.readouterr().out.splitlines()[1:]}
    assert (rows["utterances"], rows["speakers"], rows["text: words"], rows["text: distinct words OOV"]) == (
        "6", "2", "12", "0.00%")
    main(["stats", "--json", str(path)])
    found = json.loads(capsys.readouterr().out)[str(path)]
    assert found["hours"] == pytest.approx(read_datadir(path).hours)
    assert found["texts"]["text.sw.human"]["distinct_words"] == 7


@pytest.mark.parametrize("tool", ["validate", "fix", "combine", "subset", "stats"])
def test_help(tool: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as info:
        main([tool, "--help"])
    assert info.value.code == 0
    assert f"python -m stxfer.bin.datadir {tool}" in capsys.readouterr().out


def test_stats_of_a_script_without_spaces_count_characters(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name, texts in (("train", ["我们今天去北京", "好 ok"]), ("test", ["我今天很好 ok"])):
        (tmp_path / name).mkdir()
        for table, values in (("text", texts), ("utt2spk", ["a"] * len(texts)), ("wav.scp", ["a.wav"] * len(texts))):
            (tmp_path / name / table).write_text("".join(f"u{k} {value}\n" for k, value in enumerate(values)),
                                                 encoding="utf-8")
    main(["stats", str(tmp_path / "test"), "--against", str(tmp_path / "train"), "--json"])
    text = json.loads(capsys.readouterr().out)[str(tmp_path / "test")]["texts"]["text"]
    assert text == {"words": 6, "distinct_words": 6, "characters": 7, "distinct_characters": 7,
                    "oov": pytest.approx(1 / 6), "oov_distinct": pytest.approx(1 / 6)}
