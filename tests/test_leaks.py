"""Held-out sentences in training text: found in sets and bitext, removed, reported or refused."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from test_prepare import LANGUAGES, run, speech_set, write_bitext

from stxfer.core.errors import DataError
from stxfer.core.fileio import sha256
from stxfer.corpora.bitext.directory import read_pairs
from stxfer.experiment.prepare import PrepareOptions
from stxfer.kaldi.datadir import read_datadir
from stxfer.text.leaks import find_leaks, held_out


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    speech_set(tmp_path, "src_train", {"a-0": "tomorrow", "a-1": "safe", "a-2": "A test, HERE"},
               human={"a-0": "kesho kutwa", "a-1": "salama", "a-2": "sijui"})
    speech_set(tmp_path, "src_test", {"b-0": "A test, here."}, human={"b-0": "Jaribio hapa"})
    speech_set(tmp_path, "tgt_train", {"c-0": "Habari", "c-1": "kesho kutwa!", "c-2": "jaribio hapa",
                                       "c-3": "Maendeleo"})
    speech_set(tmp_path, "tgt_dev", {"e-0": "Maendeleo."})
    speech_set(tmp_path, "tgt_test", {"f-0": "Kesho; kutwa"})
    write_bitext(tmp_path / "data" / "bitext",
                 train=[("Once", "Mara"), ("A TEST here", "neno"), ("left", "Maendeleo"), ("bitext test", "x"),
                        ("Keep me", "Nitunze")],
                 dev=[("dev", "dev yetu")], test=[("Bitext test", "jaribio la maandishi")])
    return tmp_path


def policy(leaks: str) -> PrepareOptions:
    return PrepareOptions("en", "sw", max_drop=0.0, leaks=leaks)


def test_removed(raw: Path) -> None:
    figures = run(raw, policy("remove"))  # --max-drop concerns data that cannot be used
    assert sorted(read_datadir(raw / "dump" / "tgt_train").text) == ["c-0"]
    assert sorted(read_datadir(raw / "dump" / "src_train").text) == ["a-1"]
    assert sorted(read_datadir(raw / "dump" / "tgt_dev").text) == ["e-0"]
    assert read_pairs(raw / "dump/bitext", "train", LANGUAGES) == [("once", "mara"), ("keep me", "nitunze")]
    assert figures["tgt_train"]["dropped"] == {"leak": 3}
    leaks = json.loads((raw / "dump" / "leaks.json").read_text())
    assert (leaks["leaks"], leaks["n"]) == ("remove", 2 + 3 + 3)
    assert leaks["found_in"]["src_train"]["examples"] == [{"sentence": "kesho kutwa", "in": "tgt_test/text"},
                                                          {"sentence": "a test here", "in": "src_test/text"}]
    assert {"sentence": "a test here", "in": "src_test/text"} in leaks["found_in"]["bitext"]["examples"]
    assert {"sentence": "bitext test", "in": "bitext/test"} in leaks["found_in"]["bitext"]["examples"]
    listed = (raw / "dump/tgt_train/dropped.tsv").read_text()
    assert "c-1\tprepare\tleak: 'kesho kutwa' stands in tgt_test/text\n" in listed
    assert "c-3\tprepare\tleak: 'maendeleo' stands in tgt_dev/text\n" in listed


def test_reported(raw: Path) -> None:
    figures = run(raw, policy("report"))
    assert len(read_datadir(raw / "dump" / "tgt_train")) == 4
    assert len(read_datadir(raw / "dump" / "src_train")) == 3
    assert len(read_pairs(raw / "dump/bitext", "train", LANGUAGES)) == 5
    leaks = json.loads((raw / "dump" / "leaks.json").read_text())
    assert {name: leak["n"] for name, leak in leaks["found_in"].items()} == {
        "src_train": 2, "tgt_train": 3, "bitext": 3}
    assert (leaks["leaks"], figures["tgt_train"]["dropped"]) == ("report", {})
    run(raw, policy("remove"))
    assert len(read_datadir(raw / "dump" / "tgt_train")) == 1  # another policy is another result


def test_refused(raw: Path) -> None:
    with pytest.raises(DataError, match="data/src_train: 2 held-out sentences stand in this training text, e.g. "
                       "'kesho kutwa' of tgt_test/text; take them out, or set leaks to remove or report"):
        run(raw, policy("stop"))
    assert not (raw / "dump" / "src_train").exists()
    speech_set(raw, "src_train", {"a-1": "safe"}, human={"a-1": "salama"})
    speech_set(raw, "tgt_train", {"c-0": "Habari"})
    with pytest.raises(DataError, match="data/bitext: 3 held-out sentences .* e.g. 'a test here' of src_test/text"):
        run(raw, policy("stop"))
    assert not (raw / "dump" / "bitext").exists()
    write_bitext(raw / "data" / "bitext", train=[("Once", "Mara")])
    run(raw, policy("stop"))
    assert json.loads((raw / "dump" / "leaks.json").read_text())["n"] == 0


def test_held_out_sentences_for_later_stages(raw: Path) -> None:
    with pytest.raises(DataError, match="held_out.tsv: no such file; run stage 'prepare' first"):
        held_out(raw / "dump")
    run(raw, policy("remove"))
    sentences = held_out(raw / "dump")
    assert sentences == {"a test here": "src_test/text", "jaribio hapa": "src_test/text.sw.human",
                         "kesho kutwa": "tgt_test/text", "maendeleo": "tgt_dev/text"}
    labels = {"a-0": "kesho kutwa", "a-1": "salama"}
    assert find_leaks({utt: [label] for utt, label in labels.items()}, sentences) == {
        "a-0": ("kesho kutwa", "tgt_test/text")}


def test_a_sentence_of_test_and_dev_is_named_after_test(raw: Path) -> None:
    speech_set(raw, "tgt_dev", {"e-0": "Kesho kutwa"})
    run(raw, policy("remove"))
    assert held_out(raw / "dump")["kesho kutwa"] == "tgt_test/text"


def test_nothing_is_written_twice(raw: Path) -> None:
    def stamps() -> dict[str, tuple[int, str]]:
        return {name: ((raw / "dump" / name).stat().st_mtime_ns, sha256(raw / "dump" / name))
                for name in ("leaks.json", "held_out.tsv", "stats.json")}

    run(raw, policy("remove"))
    first = stamps()
    run(raw, policy("remove"))
    assert stamps() == first
    speech_set(raw, "tgt_test", {"f-0": "Habari"})
    run(raw, policy("report"))
    assert all(stamps()[name] != first[name] for name in first)


def test_nothing_left_is_an_error(raw: Path) -> None:
    speech_set(raw, "tgt_train", {"c-1": "kesho kutwa!"})
    with pytest.raises(DataError, match="tgt_train: no utterance is left, e.g. c-1: prepare: leak: 'kesho kutwa'"):
        run(raw, policy("remove"))
