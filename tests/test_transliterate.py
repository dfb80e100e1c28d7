"""Rules from script to script, and translations that are there already."""

from __future__ import annotations

import unicodedata
from pathlib import Path

import pytest
import toy
from hypothesis import given
from hypothesis import strategies as st

from stxfer.core.errors import ConfigError, DataError
from stxfer.core.fileio import sha256
from stxfer.experiment.translators import Transliterate
from stxfer.kaldi.table import write_table
from stxfer.mt.open import Opener
from stxfer.mt.translators.precomputed import PrecomputedTranslator
from stxfer.mt.translators.transliterate import Table, Transliterator, built_in, load_map, map_file


def write(sentence: str, name: str) -> str:
    """Rewrite one sentence by a table."""
    ((best,),) = Transliterator(Transliterate(name)).translate([sentence])
    return best.text


@pytest.mark.parametrize(("name", "sentence", "expected"), [
    ("latin-cyrillic", "Shchuka, chess & yoga", "щука, чесс & ёга"),
    ("latin-cyrillic", "evening tea, naïve", "эвенинг теа, наиве"),
    ("cyrillic-latin", "Щука ещё объявил Ғалым", "shchuka eshchyo obyavil ghalym"),
    ("latin-arabic", "Akbar shukran", "أكبار شوكران"),
    ("arabic-latin", "شكرا", "shkra"),
    ("latin-latin", "Ça  coûte 3 £, straße", "ca coute 3 £, strasse"),
    ("en-sw", "The quick child sees the ocean", "the kwik childi sisi the oseani"),
])
def test_built_in_tables(name: str, sentence: str, expected: str) -> None:
    assert write(sentence, name) == expected


def test_the_longest_rule_wins_and_the_edge_of_a_word_counts() -> None:
    table = Table({"s": "1", "sh": "2", "shch": "3", "^s": "4", "s$": "5", "^s$": "6"}, "")
    assert table.rewrite("shch sh as asa sa s's") == "3 2 a5 a1a 4a 6'6"
    assert Table({}, "").rewrite("ABC") == "abc"
    decomposed = unicodedata.normalize("NFD", "é")
    assert Table({decomposed: "x"}, "").rewrite("é" + decomposed) == "xx"


@given(st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Cs"))))
def test_every_letter_is_of_the_alphabet(text: str) -> None:
    for name in built_in():
        table = load_map(map_file(name))
        result = table.rewrite(text)
        assert all(c in table._alphabet or not unicodedata.category(c).startswith(("L", "M")) for c in result)
        assert result == " ".join(result.split())


def test_tables_of_ones_own(tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text('base: latin-latin\nalphabet: abn\nrules: {"x": "ab", "^n": ""}\n')
    assert write("xnnb éa", str(tmp_path / "mine.yaml")) == "abnnb a"
    assert write("nxß", str(tmp_path / "mine.yaml")) == "ab"
    (tmp_path / "mine.tsv").write_text("ng\tŋ\nx\t\n", encoding="utf-8")
    assert write("king ax", str(tmp_path / "mine.tsv")) == "kiŋ a"


@pytest.mark.parametrize(("file", "content", "message"), [
    ("a.yaml", "rules: {n: no}", r"a.yaml: rules: 'n': False: both must be text; put y, n, on"),
    ("a.yaml", "rule: {n: m}", r"a.yaml: must be a mapping of base, rules and alphabet, no other key"),
    ("a.yaml", "- a", r"a.yaml: must be a mapping"),
    ("a.yaml", "rules: [a]", r"a.yaml: rules: must be a mapping, not \['a'\]"),
    ("a.yaml", "alphabet: 3", r"a.yaml: alphabet: must be text, not 3"),
    ("a.yaml", "a: {", r"a.yaml: not YAML: "),
    ("a.yaml", "base: klingon-latin", r"map 'klingon-latin': no such file, and no built-in table; built-in: "
                                      r"arabic-latin cyrillic-latin en-sw "),
    ("a.tsv", "a\tb\nc", r"a.tsv:2: 'c' must be from<TAB>to"),
])
def test_a_malformed_table(tmp_path: Path, file: str, content: str, message: str) -> None:
    (tmp_path / file).write_text(content)
    with pytest.raises(ConfigError, match=message):
        Transliterator(Transliterate(str(tmp_path / file)))


def test_tables_in_a_circle(tmp_path: Path) -> None:
    for name, base in (("a", "b"), ("b", "a")):
        (tmp_path / f"{name}.yaml").write_text(f"base: {tmp_path}/{base}.yaml\n")
    with pytest.raises(ConfigError, match="tables made of each other in a circle"):
        load_map(tmp_path / "a.yaml")


def test_a_sentence_without_letters_and_one_that_is_none() -> None:
    translator = Transliterator(Transliterate("arabic-latin"))
    assert translator.translate(["", "ّ", "شكر"])[:2] == [[], []]
    with pytest.raises(DataError, match="^sentence 1: holds the control character U\\+0007; remove it$"):
        translator.translate(["a\x07"])


def test_translations_by_utterance(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    write_table(tmp_path / "given", {"u1": "paka", "u2": "mbwa", "u4": ""})
    with PrecomputedTranslator([tmp_path / "given"]) as translator:
        found = translator.translate(["the dog", "the cat", "water", ""], keys=["u2", "u1", "u3", "u4"])
        assert [[t.text for t in best] for best in found] == [["mbwa"], ["paka"], [], []]
        assert translator.missing == 1 and "no translation of 1 of 3, the first is 'u3'" in caplog.text
        assert translator.translate(["the dog"]) == [[]]  # no utterance, as in the bitext's test part
        with pytest.raises(DataError, match=r"given: has none of the 2 translations wanted, e.g. of 'x'; it must be a "
                                            r"table 'utterance translation'; by sentence it must be called \*.tsv"):
            translator.translate(["a", "b"], keys=["x", "y"])


def test_translations_by_sentence(tmp_path: Path) -> None:
    (tmp_path / "given.tsv").write_text("\ufeffthe dog\tmbwa\r\n\nthe  cat\tpaka \nthe dog\tmbwa\n", encoding="utf-8")
    translator = PrecomputedTranslator([tmp_path / "given.tsv"])
    assert [[t.text for t in best] for best in translator.translate(["the cat ", "the dog", "x"])] \
        == [["paka"], ["mbwa"], []]


@pytest.mark.parametrize(("content", "message"), [
    (b"a\tb\nc", r"given.tsv:2: 1 columns; a line is source<TAB>target"),
    (b"a\tb\na\tc", r"given.tsv:2: another translation of 'a' stands further up; keep one of them"),
    (b"a\tcaf\xe9", r"given.tsv: not UTF-8 .*; convert it with iconv"),
])
def test_a_malformed_table_of_sentences(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "given.tsv").write_bytes(content)
    with pytest.raises(DataError, match=message):
        PrecomputedTranslator([tmp_path / "given.tsv"])


def test_label_sources_open_their_translators(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    toy.make_dump(tmp_path)
    write_table(tmp_path / "given", {"u": "x"})
    experiment, _ = toy.make_experiment(tmp_path, labels={
        "given": {"translator": "precomputed", "file": "given"}, "letters": {"translator": "transliterate",
                                                                             "map": "en-sw"},
        "mine": {"translator": "human"}})
    dump, exp = Path("dump"), Path("exp")
    with Opener("given", experiment, dump, exp) as opener:
        identity = opener.identity
        assert identity["kind"] == "precomputed" and identity["inputs"] == {"given": sha256(tmp_path / "given")}
        assert opener().translate(["a"], keys=["u"])[0][0].text == "x" and opener().identity == identity
    with Opener("letters", experiment, dump, exp) as opener:
        assert opener().translate(["The cat"])[0][0].text == "the kati"
    with Opener("mine", experiment, dump, exp) as opener:
        text = opener().translate(["?"], keys=["src_dev-03"])[0][0].text
    assert f"src_dev-03 {text}\n" in (dump / "fbank/src_dev/text.sw.human").read_text(encoding="utf-8")
    with pytest.raises(ConfigError, match="unknown label 'x'; declared: given letters mine"):
        Opener("x", experiment, dump, exp)
    (tmp_path / "given").unlink()
    with pytest.raises(DataError, match="given: no such file"):
        Opener("given", experiment, dump, exp)()
