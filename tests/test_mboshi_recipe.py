"""egs2/mboshi_fr with its smallest preset, on miniatures in the corpora's true layouts."""

from __future__ import annotations

import itertools
import json
from pathlib import Path

import pytest
from miniatures import MINIATURES
from recipes import EGS, Recipe

from stxfer.corpora.bitext.directory import read_pairs
from stxfer.experiment.config import load_experiment
from stxfer.kaldi.datadir import read_datadir
from stxfer.text.near import sentence_key


@pytest.fixture(scope="module")
def recipe(tmp_path_factory: pytest.TempPathFactory, python: Path) -> Recipe:
    """The recipe, run from data to table; the French corpus has no test.tsv."""
    return MINIATURES["mboshi_fr"](tmp_path_factory.mktemp("mboshi")).made(python=python)


def test_from_data_to_table(recipe: Recipe) -> None:
    results = json.loads((recipe.work / "exp/report/results.json").read_text())
    assert {row["system"] for row in results["rows"]} == {"source_asr", "st_both", "direct", "xfer_both"}
    assert {(row["system"], row["set"]) for row in results["rows"] if row["metric"] == "bleu"} == {
        ("st_both", "src_tts_test")}
    target = [run for run in results["runs"] if run["system"] == "xfer_both"]
    assert [(run["measure"], run["hypotheses"]) for run in target] == [("wer", 8)]
    assert "signatures" in results and results["signatures"]["wer tgt_test"].startswith("wer|norm:mdw")


def test_sets_share_no_sentence_of_either_language(recipe: Recipe) -> None:
    sets = {name: read_datadir(recipe.work / "dump/data" / f"tgt_{name}") for name in ("train", "dev", "test")}
    assert len(sets["test"]) == 8 and len(sets["dev"]) == 3
    for one, other in itertools.combinations(sets.values(), 2):
        for table in (lambda data: data.text, lambda data: data.texts["text.fr.human"]):
            assert set(table(one).values()).isdisjoint(table(other).values())
    assert len(read_datadir(recipe.work / "data/tgt_train")) == 35  # of 38, one of them recorded twice
    dropped = (recipe.work / "dump/data/tgt_train/dropped.tsv").read_text()
    assert dropped.count("\n") == 1 and "\tleak: " in dropped and "_test/text" in dropped


def test_synthetic_french_reads_translations_of_its_own_part(recipe: Recipe) -> None:
    for part, count in (("train", 12), ("dev", 3), ("test", 4)):
        spoken = read_datadir(recipe.work / f"data/src_tts_{part}")
        known = dict(read_pairs(recipe.work / "data/whole/bitext", part, ("fr", "mdw")))
        assert len(spoken) == count
        assert {spoken.text[utt]: text for utt, text in spoken.texts["text.mdw.human"].items()}.items() <= known.items()
    learnt = read_pairs(recipe.work / "dump/data/bitext", "train", ("fr", "mdw"))
    for name in ("dev", "test"):  # what is translated is not what the translator has read
        asked = read_datadir(recipe.work / f"dump/data/src_tts_{name}").text.values()
        assert {sentence_key(french) for french, _ in learnt}.isdisjoint(map(sentence_key, asked))


def test_a_french_corpus_without_a_test_set_is_parted_by_speakers(recipe: Recipe) -> None:
    dev, test = (read_datadir(recipe.work / f"data/src_{part}") for part in ("dev", "test"))
    assert len(dev) + len(test) == 12 and len(test) == 6
    assert set(dev.utt2spk.values()).isdisjoint(test.utt2spk.values())


def test_tones_and_letters_survive(recipe: Recipe) -> None:
    texts = " ".join(read_datadir(recipe.work / "dump/data/tgt_train").text.values())
    assert {"έ", "ω", "ώ", "á", "'"} <= set(texts) and not set(texts) & set("MKO.")


def test_what_it_asks_for(tmp_path: Path) -> None:
    result = Recipe("mboshi_fr", tmp_path).run()
    assert result.returncode == 1
    assert [line for line in result.stderr.splitlines() if line.startswith("error: ")] == [
        "error: no corpus: give --mboshi-fr (or MBOSHI_FR) DIR, see README.md"]


@pytest.mark.parametrize("preset", ["cpu", "whisper", "tiny"])
def test_presets_compare_what_they_train(preset: str) -> None:
    experiment = load_experiment(EGS / "mboshi_fr/asr1/conf" / f"{preset}.yaml")
    assert {name for pair in experiment.compare for name in pair} == {
        system.name for system in experiment.select() if system.kind == "target"}
    assert all(system.test_set == "src_tts_test" for system in experiment.systems.values() if system.task == "st")
