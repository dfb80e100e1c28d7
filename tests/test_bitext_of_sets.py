"""Parallel text from data directories with translations."""

from __future__ import annotations

from pathlib import Path

import pytest

from stxfer.bin import bitext_of_sets as cli
from stxfer.core.errors import DataError
from stxfer.corpora.bitext.directory import read_pairs
from stxfer.corpora.bitext.of_sets import bitext_of_sets
from stxfer.kaldi.table import write_table

TEXT = {"a": "Wa dzwa", "b": "Ngá yaa", "c": "Wa dzwa", "d": "Ayíri", "e": ""}
FRENCH = {"a": "Il part.", "b": "Je viens.", "c": "Il part.", "d": "", "e": "Rien."}


@pytest.fixture
def data(tmp_path: Path) -> Path:
    for part, utts in (("train", "abcde"), ("dev", "b"), ("test", "a")):
        write_table(tmp_path / f"data/tgt_{part}/text", {utt: TEXT[utt] for utt in utts})
        write_table(tmp_path / f"data/tgt_{part}/text.fr.human", {utt: FRENCH[utt] for utt in utts})
    return tmp_path / "data"


def test_transcripts_and_translations_are_pairs(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = data / "bitext"
    arguments = ["--data", str(data), "--source-lang", "fr", "--target-lang", "mdw", "--out", str(out)]
    cli.main(arguments)
    assert capsys.readouterr().out == f"bitext in {out}: train 2, dev 1, test 1 pairs\n"
    assert read_pairs(out, "train", ("fr", "mdw")) == [("Il part.", "Wa dzwa"), ("Je viens.", "Ngá yaa")]
    before = (out / ".stage.json").stat().st_mtime_ns
    cli.main(arguments)
    assert (out / ".stage.json").stat().st_mtime_ns == before
    write_table(data / "tgt_dev/text.fr.human", {"b": "J'arrive."})
    cli.main(arguments)
    assert read_pairs(out, "dev", ("fr", "mdw")) == [("J'arrive.", "Ngá yaa")]


def test_source_speech_is_the_source_side(data: Path, tmp_path: Path) -> None:
    for part in ("train", "dev", "test"):
        write_table(data / f"src_{part}/text", {"u": "Bonjour"})
        write_table(data / f"src_{part}/text.mdw.human", {"u": "Mbóte"})
    bitext_of_sets(data, tmp_path / "out", ("fr", "mdw"), "src")
    assert read_pairs(tmp_path / "out", "train", ("fr", "mdw")) == [("Bonjour", "Mbóte")]


def test_refuses_sets_without_translations(data: Path, tmp_path: Path) -> None:
    write_table(data / "tgt_test/text.fr.human", {"a": ""})
    with pytest.raises(DataError, match=r"tgt_test/text.fr.human: no utterance has a translation"):
        bitext_of_sets(data, tmp_path / "out", ("fr", "mdw"))
    (data / "tgt_test/text.fr.human").unlink()
    with pytest.raises(DataError, match=r"tgt_test/text.fr.human: no such file; prepare this set with its"):
        bitext_of_sets(data, tmp_path / "out", ("fr", "mdw"))
    assert not (tmp_path / "out").exists()
