"""Errors by kinds of words and utterances, words gained and lost, learning curves, and banners, on crafted results."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
from scored import CONFIG, make_experiment

from stxfer.bin import report as command
from stxfer.bin import score
from stxfer.core.errors import DataError, StaleError
from stxfer.core.fileio import read_json, write_json
from stxfer.core.stage import Stage
from stxfer.experiment.config import load_experiment
from stxfer.kaldi.table import write_table
from stxfer.report.banners import banners
from stxfer.report.breakdowns import changed_lines, errors_table, met_line
from stxfer.report.curves import curve_lines, curves
from stxfer.report.exposure import training_texts, word_counts
from stxfer.report.headlines import NAMES
from stxfer.report.materials import label_facts, length_facts
from stxfer.score.alignment import align
from stxfer.score.breakdown import Changed, WordGroup, by_utterance, by_word, changed_words, frequency, length

REFS = ["mtoto anasoma kitabu", "kitabu kizuri"]
HYPS = ["mtoto kitabu", "kitabu kizuri sana"], ["mtoto anasoma chakula", "kitabu kubwa"]


def test_words_by_kind_are_counted_over_seeds() -> None:
    alignments = [align(REFS, list(hyps)) for hyps in HYPS]
    kinds = {"mtoto": "heard", "anasoma": "st", "kitabu": "heard", "kizuri": "never"}
    found = by_word(REFS, alignments, kinds.__getitem__, ("heard", "st", "lm", "never"))
    assert found == {"heard": WordGroup(6, 1), "st": WordGroup(2, 1), "lm": WordGroup(0, 0), "never": WordGroup(2, 1)}
    assert found["lm"].as_json()["value"] is None and found["st"].as_json()["value"] == 50


def test_utterances_by_group_have_all_their_errors() -> None:
    counts = [{"sub": 1, "del": 0, "ins": 2, "n_ref": 3}, {"sub": 0, "del": 1, "ins": 0, "n_ref": 2},
              {"sub": 0, "del": 0, "ins": 0, "n_ref": 4}]
    assert by_utterance(["a", "b", "a"], [counts, counts]) == {
        "a": {"n_utts": 2, "n_ref": 14, "errors": 6}, "b": {"n_utts": 1, "n_ref": 4, "errors": 2}}


def test_words_gained_and_lost() -> None:
    system, baseline = ([align(REFS, list(hyps))] for hyps in HYPS)
    gained, lost = changed_words(REFS, system, baseline, 5)
    assert gained == [Changed("kitabu", 2, 2, 1), Changed("kizuri", 1, 1, 0)] and lost == [Changed("anasoma", 1, 0, 1)]
    assert changed_words(REFS, system, baseline, 1)[0] == gained[:1]
    assert changed_words(REFS, [*system, *baseline], baseline, 5)[0][0] == Changed("kitabu", 2, 1.5, 1)
    assert changed_words(REFS, system, system, 5) == ([], [])


@pytest.mark.parametrize(("number", "of_words", "of_length"), [
    (0, "0", "1-4"), (1, "1", "1-4"), (2, "2-9", "1-4"), (4, "2-9", "1-4"), (5, "2-9", "5-9"), (9, "2-9", "5-9"),
    (10, "10-99", "10-19"), (20, "10-99", "20+"), (99, "10-99", "20+"), (100, "100+", "20+")])
def test_groups_of_counts(number: int, of_words: str, of_length: str) -> None:
    assert (frequency(number), length(number)) == (of_words, of_length)


@pytest.fixture
def recipe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A scored experiment whose target training has two of the words, ST's text two more."""
    make_experiment(tmp_path, n_utts=30)
    monkeypatch.chdir(tmp_path)
    dump = Path("dump/fbank")
    write_table(dump / "tgt_train/text", {"u1": "mtoto anasoma", "sp0.9-u1": "mtoto anasoma", "u2": "mtoto"})
    write_table(dump / "src_train/text", {"u1": "a child", "u2": "the child", "u3": "a book"})
    write_table(dump / "src_train/text.sw.human", {"u1": "mtoto", "u2": "mtoto", "u3": "kitabu"})
    write_table(Path("dump/labels/mt/src_train/text.sw.mt"), {"u1": "kikubwa", "u2": "kikubwa", "u3": "kikubwa"})
    write_table(dump / "tgt_test/utt2spk", {f"sw-{i:04d}": f"s{i % 6}" for i in range(30)})
    write_table(dump / "tgt_test/utt2dur", {f"sw-{i:04d}": "4.0" for i in range(30)})
    score.main(["--config", "toy.yaml"])
    return tmp_path


def test_texts_are_sorted_by_where_a_word_is_met(recipe: Path) -> None:
    experiment = load_experiment("toy.yaml")
    found = {name: training_texts(experiment, [experiment.decoded[name]], Path("dump"), Path("exp"))
             for name in ("direct", "xfer_human", "xfer_mt")}
    heard = [Path("dump/fbank/tgt_train/text")]
    assert found["direct"] == {"heard": heard, "st": [], "lm": []}
    assert found["xfer_human"] == {"heard": heard, "st": [Path("dump/fbank/src_train/text.sw.human")], "lm": []}
    assert found["xfer_mt"]["st"] == [Path("dump/labels/mt/src_train/text.sw.mt")]
    assert word_counts(heard) == {"mtoto": 2, "anasoma": 1}  # a copy at another speed is no further sentence
    part = Path("dump/fbank/tgt_train_half/text")
    write_table(part, {"sp0.9-u1": "mtoto anasoma", "u2": "kitabu"})
    assert word_counts([*heard, part]) == {"mtoto": 2, "anasoma": 1, "kitabu": 1}  # nor one of a set within the set


def test_a_text_that_is_lost_is_named(recipe: Path) -> None:
    experiment = load_experiment("toy.yaml")
    path = Path("dump/fbank/tgt_train/text")
    stage = Stage("features tgt_train", path.parent, step="features")
    stage.begin()
    stage.finish([path])
    path.unlink()
    with pytest.raises(StaleError, match="tgt_train/text: is not there any more"):
        command.main(["--config", "toy.yaml"])
    with pytest.raises(StaleError, match=f"^{path}: is not there any more; run stage 'features' again"):
        training_texts(experiment, [experiment.decoded["direct"]], Path("dump"), Path("exp"))
    shutil.rmtree(path.parent)
    found = training_texts(experiment, [experiment.decoded["direct"]], Path("dump"), Path("exp"))
    assert found == {"heard": [], "st": [], "lm": []}, "who removes all of it wants it so"


@pytest.mark.parametrize("name", ["src_train/text.sw.human", "tgt_test/utt2dur"])
def test_a_table_that_is_lost_is_not_left_out_of_the_report(recipe: Path, name: str) -> None:
    path = Path("dump/fbank", name)
    command.main(["--config", "toy.yaml"])
    stage = Stage(f"features {path.parent.name}", path.parent, step="features")
    stage.begin()
    stage.finish([path])
    path.unlink()
    with pytest.raises((DataError, StaleError), match=f"{path}: (no such file|is not there any more)"):
        command.main(["--config", "toy.yaml"])


def test_the_report_breaks_errors_down(recipe: Path) -> None:
    command.main(["--config", "toy.yaml"])
    results = read_json(Path("exp/report/results.json"))
    found = results["breakdowns"]
    refs = [line.split()[1:] for line in Path("dump/fbank/tgt_test/text").read_text("utf-8").splitlines()]
    met = {"mtoto": "heard", "anasoma": "heard", "kitabu": "st", "kikubwa": "st"}
    for name in ("scratch", "direct", "xfer_human", "xfer_mt"):
        of = {row["kind"]: row for row in found["words"] if (row["system"], row["by"]) == (name, "met")}
        sizes = {kind: sum(met.get(word, "never") == kind for ref in refs for word in ref) for kind in of}
        assert {kind: row["n"] for kind, row in of.items()} == sizes and sizes["lm"] == 0 and sizes["st"] > 0
        errors = next(row for row in found["errors"] if row["system"] == name)
        assert sum(row["wrong"] for row in of.values()) == errors["sub"] + errors["del"]
        for by in ("speaker", "length"):
            groups = [row for row in found["utterances"] if (row["system"], row["by"]) == (name, by)]
            assert sum(row["errors"] for row in groups) == errors["sub"] + errors["del"] + errors["ins"]
            assert sum(row["n_utts"] for row in groups) == 30
    assert [(pair["system"], pair["baseline"]) for pair in found["changed"]] == [
        ("direct", "scratch"), ("xfer_human", "direct"), ("xfer_mt", "direct"), ("xfer_mt", "xfer_human")]
    label = next(row for row in results["labels"] if row["label"] == "mt")
    assert label == {"label": "mt", "set": "src_train", "n_utts": 3, "repeated": 3, "most_frequent": 3,
                     "example": "kikubwa"}
    text = Path("exp/report/RESULTS.md").read_text("utf-8")
    assert "| system | sub % | del % | ins % | heard % | read by ST % | never seen % | speakers % |" in text
    assert "> **Warning:** label mt of src_train: 3 of 3 utterances have the label of another sentence, too" in text
    assert "utterances of tgt_test last 4.0 s and those of tgt_train 18.0 s (medians)" in text
    assert f"{met_line(found)}" in text and "- direct against scratch: gained " in text
    assert text.startswith("# Results of toy: en to sw\n\nTest sets: src_test, tgt_test.")


def test_the_report_is_made_again_when_a_text_has_changed(recipe: Path) -> None:
    command.main(["--config", "toy.yaml"])
    write_table(Path("dump/fbank/tgt_train/text"), {"u1": "kitabu"})
    command.main(["--config", "toy.yaml"])
    words = read_json(Path("exp/report/results.json"))["breakdowns"]["words"]
    assert {row["kind"]: row["n"] for row in words if (row["system"], row["by"]) == ("direct", "frequency")}["1"] > 0


def test_sentences_of_breakdowns() -> None:
    def word(system: str, kind: str, n: int, wrong: int) -> dict[str, Any]:
        return {"system": system, "by": "met", "kind": kind, **WordGroup(n, wrong).as_json()}

    crafted = {"errors": [{"system": "a", "set": "tgt_test", "sub": 20, "del": 10, "ins": 5, "n_ref": 100}],
               "words": [word("a", "heard", 80, 20), word("a", "st", 15, 6), word("a", "lm", 0, 0),
                         word("a", "never", 5, 4)],
               "utterances": [{"system": "a", "by": "speaker", "kind": kind, "value": value}
                              for kind, value in (("s1", 20.0), ("s2", 41.5))],
               "changed": [{"system": "a", "baseline": "b", "lost": [], "gained": [
                   {"word": "kitabu", "n": 20, "system": 17.0, "baseline": 12.5}]}]}
    assert errors_table(crafted) == [
        ["system", "sub %", "del %", "ins %", "heard %", "read by ST %", "never seen %", "speakers %"],
        ["a", "20.0", "10.0", "5.0", "25.0", "40.0", "80.0", "20.0 to 41.5"]]
    assert met_line(crafted) == ("Of the test set's words, 80.0 % heard in target training, 15.0 % read only in ST's "
                                 "text, 5.0 % never seen; 20.0 % are out of the vocabulary of target training.")
    assert changed_lines(crafted) == ["a against b: gained kitabu 12.5 to 17 of 20; lost none"]
    assert met_line({"errors": [], "words": []}) == ""


def summary_row(system: str, value: float, metric: str = "wer", hours: float = 1.0) -> dict[str, Any]:
    return {"system": system, "set": "tgt_test", "metric": metric, "value": value, "train_hours": hours,
            "ci_low": value - 1, "ci_high": value + 1}


def test_curves_join_systems_that_differ_in_one_thing(tmp_path: Path) -> None:
    config = CONFIG.replace("labels: {mt: {}}", "labels: {mt_5k: {pairs: 5}, mt_10k: {pairs: 10}, mt_x: "
                            "{from: mt_10k, filters: {repetition: 3}}}").replace("sw.mt,", "sw.mt_5k,")
    config = config.replace("compare:", """
  st_10k: {task: st, data: src_train, text: sw.mt_10k, init: {from: source_asr, parts: [encoder]}}
  xfer_10k: {task: asr, data: tgt_train, text: sw, init: {from: st_10k, parts: all}}
  direct_half: {task: asr, data: tgt_train_half, text: sw, init: {from: source_asr, parts: [encoder, decoder_body]}}
compare:""")
    path = tmp_path / "toy.yaml"
    path.write_text(config, encoding="utf-8")
    experiment = load_experiment(path)
    for label, size in (("mt_5k", 4990), ("mt_10k", 9980)):
        folder = tmp_path / "exp/mt" / label
        folder.mkdir(parents=True)
        write_json(folder / "model.json", {"train": {"utterances": size}})
    summary = [summary_row("direct", 40.0), summary_row("direct_half", 50.0, hours=0.5), summary_row("scratch", 90.0),
               summary_row("xfer_mt", 39.0), summary_row("xfer_10k", 35.0), summary_row("xfer_human", 30.0),
               summary_row("direct", 20.0, metric="cer")]
    found = curves(experiment, summary, tmp_path / "exp")
    assert [(curve["axis"], [(point["system"], point["x"]) for point in curve["points"]]) for curve in found] == [
        ("hours", [("direct_half", 0.5), ("direct", 1.0)]), ("mt_pairs", [("xfer_mt", 4990), ("xfer_10k", 9980)])]
    assert curve_lines(found, NAMES) == [
        "direct*: WER 50.0 with 0.5 h of target speech, 40.0 with 1 h of target speech",
        "xfer_*: WER 39.0 with 4,990 sentence pairs for the translator, 35.0 with 9,980 sentence pairs for the "
        "translator"]


BARE: dict[str, Any] = {"summary": [], "mt": [], "labels": [], "lengths": []}


@pytest.mark.parametrize(("results", "told"), [
    ({"summary": [summary_row("a", 90.0), summary_row("b", 40.0), summary_row("b", 95.0, metric="cer")]}, []),
    ({"summary": [summary_row("a", 142.5)]},
     ["a has WER 142.5 on tgt_test, above 90: it recognises next to nothing, and differences from it mean little"]),
    ({"summary": [summary_row("a", 95.0, metric="cer")]},  # a language without spaces
     ["a has CER 95.0 on tgt_test, above 90: it recognises next to nothing, and differences from it mean little"]),
    ({"summary": [summary_row("st", 4.9, metric="bleu"), summary_row("st", 20.0, metric="chrf")]},
     ["st has BLEU 4.9 on tgt_test, below 5: it does not translate, and what is built on it has not learnt from "
      "translations"]),
    ({"mt": [{"label": "mt", "metric": "bleu", "value": 0.2}, {"label": "mt", "metric": "chrf", "value": 9.0},
             {"label": "good", "metric": "bleu", "value": 5.0}]},
     ["the translator of label mt has BLEU 0.2 on the bitext's test part, below 5: it does not translate, and what is "
      "built on it has not learnt from translations"]),
    ({"labels": [{"label": "mt", "set": "src_train", "n_utts": 1000, "repeated": 201, "most_frequent": 90,
                  "example": "na kwa"},
                 {"label": "human", "set": "src_train", "n_utts": 1000, "repeated": 200, "most_frequent": 9,
                  "example": "ndiyo"}]},
     ["label mt of src_train: 201 of 1,000 utterances have the label of another sentence, too; the most frequent one, "
      "of 90: 'na kwa'"]),
    ({"lengths": [{"train": "tgt_train", "test": "tgt_test", "train_median": 4.0, "test_median": 6.0}]}, []),
    ({"lengths": [{"train": "tgt_train", "test": "tgt_test", "train_median": 4.0, "test_median": 6.1}]},
     ["utterances of tgt_test last 6.1 s and those of tgt_train 4.0 s (medians): how systems do on lengths that they "
      "were not trained on is part of every score"]),
    ({"lengths": [{"train": "tgt_train", "test": "tgt_test", "train_median": 9.0, "test_median": 3.0}]},
     ["utterances of tgt_test last 3.0 s and those of tgt_train 9.0 s (medians): how systems do on lengths that they "
      "were not trained on is part of every score"])])
def test_banners(results: dict[str, Any], told: list[str]) -> None:
    assert banners(BARE | results) == told


def test_labels_repeat_if_other_sentences_have_them(tmp_path: Path) -> None:
    """That one sentence, said twice, has one label twice is as it should be."""
    write_table(tmp_path / "text", {"u1": "a b", "u2": "a b", "u3": "c", "u4": "d", "u5": "e"})
    write_table(tmp_path / "labels", {"u1": "x", "u2": "x", "u3": "y", "u4": "y"})
    (row,) = label_facts({("mt", "src_train"): (tmp_path / "labels", tmp_path / "text")})
    assert row == {"label": "mt", "set": "src_train", "n_utts": 4, "repeated": 2, "most_frequent": 2, "example": "x"}


def test_lengths_are_medians(tmp_path: Path) -> None:
    write_table(tmp_path / "one", {"u1": "1.0", "u2": "2.0", "u3": "30.0"})
    write_table(tmp_path / "two", {"u1": "5.0"})
    assert length_facts({("tgt_train", "tgt_test"): (tmp_path / "one", tmp_path / "two")}) == [
        {"train": "tgt_train", "test": "tgt_test", "train_median": 2.0, "test_median": 5.0}]
