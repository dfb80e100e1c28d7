"""Parallel text: every format read as a stream, what is wrong with it named, dev and test split off, cleaning."""

from __future__ import annotations

import gzip
import os
import tracemalloc
import zipfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stxfer.bin import clean_bitext as clean_cli
from stxfer.bin import prepare_bitext as bitext_cli
from stxfer.core.errors import ConfigError, DataError
from stxfer.core.fileio import read_json
from stxfer.corpora.bitext.clean import clean_bitext
from stxfer.corpora.bitext.directory import read_pairs, write_pairs
from stxfer.corpora.bitext.lines import Pair
from stxfer.corpora.bitext.parallel import find_sources
from stxfer.corpora.bitext.prepare import prepare_bitext
from stxfer.corpora.bitext.rules import CleanOptions, Seen, pair_hash, problem, raw_problem, scripts_of
from stxfer.text.normalise import normalise
from stxfer.text.profiles import load_profiles, of_bitext

LANGUAGES = ("en", "sw")
Pairs = Sequence[Pair]
PAIRS = [("The dog barks.", "Mbwa anabweka."), ('She said "no".', 'Alisema "hapana".'),
         ("Café – 25 %", "Mkahawa – 25 %"), ("A < B & C", "A < B & C ni kweli")]


def text(folder: Path, stem: str, pairs: Pairs, packed: bool = False) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for side, lang in enumerate(LANGUAGES):
        content = "".join(f"{pair[side]}\n" for pair in pairs).encode()
        path = folder / (f"{stem}.{lang}" + ".gz" * packed)
        path.write_bytes(gzip.compress(content) if packed else content)
    return folder / stem


def tsv(path: Path, pairs: Pairs) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{a}\t{b}\tCC-BY\n" for a, b in pairs), encoding="utf-8")
    return path


def moses(path: Path, pairs: Pairs, names: Sequence[str] = ("News.en-sw.en", "News.en-sw.sw")) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("README", "from OPUS")
        for side, name in enumerate(names):
            archive.writestr(name, "".join(f"{pair[side]}\n" for pair in pairs))
    return path


def escaped(sentence: str) -> str:
    return sentence.replace("&", "&amp;").replace("<", "&lt;")


def tmx(path: Path, pairs: Pairs, codes: Sequence[str] = ("EN-us", "sw"), head: str = "",
        encoding: str = "utf-8") -> Path:
    units = "".join(f'<tu><tuv xml:lang="{codes[0]}"><seg>{escaped(a)}</seg></tuv><tuv xml:lang="fr"><seg>x</seg></tuv>'
                    f'<tuv xml:lang="{codes[1]}"><seg>{escaped(b)}</seg></tuv></tu>\n' for a, b in pairs)
    head = head or '<!DOCTYPE tmx SYSTEM "tmx14.dtd">'
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(f'<?xml version="1.0" encoding="{encoding}"?>\n{head}\n<tmx version="1.4"><header/><body>{units}'
                     "</body></tmx>\n".encode(encoding))
    return path


def write(folder: Path, form: str, pairs: Pairs) -> Path:
    """Write a corpus in a format."""
    if form.startswith("text"):
        return text(folder, "news", pairs, form.endswith(".gz"))
    if form.startswith("tmx"):
        return tmx(folder / "en-sw.tmx", pairs, encoding=form.partition(" ")[2] or "utf-8")
    return tsv(folder / "news.tsv", pairs) if form == "tsv" else moses(folder / "en-sw.txt.zip", pairs)


@pytest.mark.parametrize("form", ["text", "text.gz", "tsv", "moses", "tmx", "tmx utf-16"])
def test_every_format_gives_the_same_pairs(tmp_path: Path, form: str) -> None:
    corpus = write(tmp_path, form, PAIRS)
    (source,) = find_sources(corpus, LANGUAGES)
    assert source.part == "train" and list(source.read()) == PAIRS
    if form in ("tsv", "moses", "tmx"):
        assert list(find_sources(corpus, LANGUAGES, form)[0].read()) == PAIRS


def test_a_folder_of_parts_in_different_formats(tmp_path: Path) -> None:
    text(tmp_path, "train", PAIRS)
    tsv(tmp_path / "dev.tsv", PAIRS[:2])
    moses(tmp_path / "test.zip", PAIRS[2:])
    assert {source.part: len(list(source.read())) for source in find_sources(tmp_path, LANGUAGES)} == {
        "train": 4, "dev": 2, "test": 2}


def test_tmx_takes_the_text_and_leaves_the_markup(tmp_path: Path) -> None:
    path = tmp_path / "a.tmx"
    path.write_text('<tmx version="1.4"><body><tu><tuv xml:lang="en"><seg>a <hi>bold</hi> <bpt i="1">&lt;b></bpt>word'
                    '<ept i="1">&lt;/b></ept></seg></tuv><tuv lang="SW_tz"><seg>neno\n  moja</seg></tuv></tu>'
                    '<tu><tuv xml:lang="en"><seg>alone</seg></tuv></tu></body></tmx>', encoding="utf-8")
    assert list(find_sources(path, LANGUAGES)[0].read()) == [("a bold word", "neno moja")]


@pytest.mark.parametrize("kind", ["moses", "tmx", "text", "tsv"])
def test_corpora_are_not_held_in_memory(tmp_path: Path, kind: str) -> None:
    corpus = write(tmp_path, kind, [(f"sentence number {i} of a corpus", f"sentensi ya {i}") for i in range(8000)])
    tracemalloc.start()
    try:
        assert sum(1 for _ in find_sources(corpus, LANGUAGES)[0].read()) == 8000
        assert tracemalloc.get_traced_memory()[1] < 6e5, "the pairs would take over 1 MB"
    finally:
        tracemalloc.stop()


def read_all(corpus: Path, form: str = "auto") -> None:
    for source in find_sources(corpus, LANGUAGES, form):
        list(source.read())


def test_bad_text(tmp_path: Path) -> None:
    text(tmp_path, "train", PAIRS)
    with open(tmp_path / "train.sw", "a", encoding="utf-8") as handle:
        handle.write("one more\n\n")
    with pytest.raises(DataError, match=r"train.en has 4 lines and \S*train.sw has 6; line n of one must translate"):
        read_all(tmp_path)
    (tmp_path / "train.sw").write_bytes(b"sawa\ncaf\xe9\n")
    with pytest.raises(DataError, match=r"train.sw:2: not UTF-8 \(.* at byte 3 of the line\); convert it with iconv"):
        read_all(tmp_path)
    (tmp_path / "train.sw").write_bytes(b"x" * (1 << 21))
    with pytest.raises(DataError, match="train.sw:1: a line of more than 1 MiB is no sentence"):
        read_all(tmp_path)
    (tmp_path / "train.sw").unlink()
    with pytest.raises(DataError, match="train.sw: no such file, though the other side is there"):
        read_all(tmp_path)
    text(tmp_path / "packed", "train", PAIRS * 50, packed=True)
    path = tmp_path / "packed/train.sw.gz"
    path.write_bytes(path.read_bytes()[:-30])
    with pytest.raises(DataError, match=r"train.sw.gz: cut short or damaged after line \d+ .*; fetch it again"):
        read_all(tmp_path / "packed")


def test_bad_tables_and_names(tmp_path: Path) -> None:
    path = tsv(tmp_path / "a.tsv", PAIRS)
    path.write_text(path.read_text(encoding="utf-8") + "\nno tab here\n", encoding="utf-8")
    with pytest.raises(DataError, match="a.tsv:6: no tab; a line is a source sentence, a tab, its translation"):
        read_all(path)
    other = path.rename(tmp_path / "a.data")
    with pytest.raises(DataError, match="a.data: its name does not say what format it has\\. .*--format"):
        read_all(other)
    with pytest.raises(DataError, match="nowhere: no such folder or file, nor nowhere.{en,sw}; give --corpus"):
        read_all(tmp_path / "nowhere")
    with pytest.raises(DataError, match=r"no train.{en,sw} or train.tsv or train.zip or train.tmx in this folder"):
        read_all(tmp_path)


def test_bad_archives(tmp_path: Path) -> None:
    path = moses(tmp_path / "a.zip", PAIRS * 99, names=("News.en-fr.en", "News.en-fr.fr"))
    with pytest.raises(DataError, match=r"a.zip: no file named \*.sw in it, where there must be one \(News.en-fr.en, "):
        read_all(path)
    moses(path, PAIRS, names=("News.en", "../../News.sw"))
    before = sorted(tmp_path.parent.rglob("*"))
    read_all(path)
    assert sorted(tmp_path.parent.rglob("*")) == before, "nothing is written under an archive's names"
    moses(path, PAIRS * 99)
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(DataError, match=r"a.zip: not a zip that can be read, or cut short \(.*\); fetch it again"):
        read_all(path)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.en", b"\n" * (1 << 24))
        archive.writestr("a.sw", b"\n" * (1 << 24))
    with pytest.raises(DataError, match=r"a.zip: a.en unpacks to 16777216 bytes from \d+, as no text does; not read"):
        read_all(path)
    path.write_bytes(b"<html>not found</html>")
    with pytest.raises(DataError, match="a.zip: not a zip that can be read"):
        read_all(path)
    with zipfile.ZipFile(path, "w") as archive:
        for name in ("a.en", "b.en", "a.sw"):
            archive.writestr(name, "x\n")
    with pytest.raises(DataError, match=r"a.zip: 2 files named \*.en in it, where there must be one \(a.en, b.en\)"):
        read_all(path)


def test_bad_tmx(tmp_path: Path) -> None:
    path = tmx(tmp_path / "a.tmx", PAIRS * 500)
    path.write_bytes(path.read_bytes()[:-1000])
    with pytest.raises(DataError, match=r"a.tmx: not XML, or cut short \(.*line 199\d.*\), after 199\d units; fetch"):
        read_all(path)
    tmx(path, PAIRS, codes=("en", "swc"))
    with pytest.raises(DataError, match=r"a.tmx: no unit has both en and sw; its languages are en \(4\), fr \(4\), s"):
        read_all(path)
    bomb = '<!DOCTYPE tmx [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;">]>'
    tmx(path, PAIRS, head=bomb)
    with pytest.raises(DataError, match="a.tmx:2: declares the entity 'a'; entities are not read"):
        read_all(path)
    tmx(path, PAIRS, head='<!DOCTYPE tmx [<!ENTITY a SYSTEM "file:///etc/passwd">]>')
    with pytest.raises(DataError, match="declares the entity 'a'"):
        read_all(path)
    path.write_text("<html><body/></html>", encoding="utf-8")
    with pytest.raises(DataError, match="a.tmx: its outermost element is <html>, where TMX has <tmx>"):
        read_all(path)
    path.write_text(f'<tmx><tu><tuv xml:lang="en"><seg>{"x" * (1 << 20)}y</seg></tuv></tu></tmx>', encoding="utf-8")
    with pytest.raises(DataError, match="a segment of more than 1 MiB is no sentence"):
        read_all(path)


def test_prepare_bitext(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pairs = [("One\u2028line", "Mstari  mmoja"), ("Two", "Mbili")]
    for part in ("train", "dev", "test"):
        text(tmp_path / "corpus", part, pairs[part == "test":])
    tsv(tmp_path / "more.tsv", [("Three", "Tatu")])
    out = tmp_path / "data" / "bitext"
    corpora = ["--corpus", str(tmp_path / "corpus"), "--corpus", str(tmp_path / "more.tsv")]
    bitext_cli.main([*corpora, "--source-lang", "en", "--target-lang", "sw", "--out", str(out)])
    assert "train 3, dev 2, test 1 pairs" in capsys.readouterr().out
    assert read_pairs(out, "train", LANGUAGES) == [("One line", "Mstari mmoja"), ("Two", "Mbili"), ("Three", "Tatu")]
    (tmp_path / "corpus/dev.sw").write_text("Mmoja\n")
    with pytest.raises(DataError, match=r"dev.en has 2 lines and .*dev.sw has 1; line n"):
        prepare_bitext([tmp_path / "corpus"], out, LANGUAGES)
    text(tmp_path / "corpus", "dev", [])
    with pytest.raises(DataError, match=r"dev.en: holds no sentences"):
        prepare_bitext([tmp_path / "corpus"], out, LANGUAGES)
    assert len(read_pairs(out, "train", LANGUAGES)) == 3


def many(n: int) -> list[tuple[str, str]]:
    return [(f"the {i} dogs see house {i * 7 % n}", f"mbwa {i} wanaona nyumba {i * 7 % n}") for i in range(n)]


def test_dev_and_test_are_split_off_without_overlap(tmp_path: Path) -> None:
    pairs = many(300)
    pairs += [(a.upper() + "!", b + " tena") for a, b in pairs[::3]] + pairs[::2]  # the same sentence again
    corpus, out = text(tmp_path, "a", pairs), tmp_path / "bitext"
    counts = prepare_bitext([corpus], out, LANGUAGES, dev=20, test=30)
    parts = {part: read_pairs(out, part, LANGUAGES) for part in ("train", "dev", "test")}
    assert {part: len(of) for part, of in parts.items()} == {part: counts[part] for part in parts}
    assert (counts["dev"], counts["test"]) == (20, 30) and counts["held_out"] > 10
    assert counts["train"] + counts["held_out"] + 50 == len(pairs)
    sides = {part: {side.lower().strip("!") for pair in of for side in pair} for part, of in parts.items()}
    assert not sides["train"] & (sides["dev"] | sides["test"]) and not sides["dev"] & sides["test"]
    assert set(parts["dev"] + parts["test"]) <= set(pairs)
    assert prepare_bitext([corpus], tmp_path / "again", LANGUAGES, dev=20, test=30) == counts
    assert read_pairs(tmp_path / "again", "test", LANGUAGES) == parts["test"]
    prepare_bitext([corpus], tmp_path / "again", LANGUAGES, dev=20, test=30, seed=2)
    assert read_pairs(tmp_path / "again", "test", LANGUAGES) != parts["test"]
    # A corpus that grows keeps most of its test set.
    text(tmp_path, "a", pairs + [(f"more {a}", f"zaidi {b}") for a, b in many(30)])
    prepare_bitext([corpus], tmp_path / "again", LANGUAGES, dev=20, test=30)
    assert len(set(read_pairs(tmp_path / "again", "test", LANGUAGES)) & set(parts["test"])) > 20


def test_only_the_missing_part_is_split_off(tmp_path: Path) -> None:
    text(tmp_path, "train", many(100))
    text(tmp_path, "test", PAIRS)
    counts = prepare_bitext([tmp_path], tmp_path / "bitext", LANGUAGES, dev=10)
    assert (counts["dev"], counts["test"], counts["train"]) == (10, 4, 90)
    with pytest.raises(ConfigError, match="no corpus has a part dev; give --dev-pairs at least 1"):
        prepare_bitext([tmp_path], tmp_path / "bitext", LANGUAGES, dev=0)
    with pytest.raises(DataError, match="60 pairs cannot be split off for dev from 100 pairs; give corpora with these"):
        prepare_bitext([tmp_path], tmp_path / "bitext", LANGUAGES, dev=60)


@pytest.mark.parametrize(("pair", "reason"), [
    (("the dog", "mbwa"), None),
    (("the\x07dog", "mbwa"), "control"),
    (("the dog", "mb\x80wa"), "control"),
    (("the dog", "mb\ufffdwa"), "control"),
    (("https://www.bbc.com/swahili", "mbwa"), "address"),
    (("the dog", "www.bbc.com/swahili"), "address"),
    (("the dog", "habari@bbc.co.uk"), "address"),
    (("see www.bbc.com", "tazama www.bbc.com"), None),
    (("e.g.", "k.m."), None),
])
def test_what_normalising_would_hide(pair: tuple[str, str], reason: str | None) -> None:
    assert raw_problem(pair, CleanOptions()) == reason
    assert raw_problem(pair, CleanOptions(control=False, addresses=False)) is None


@pytest.mark.parametrize(("pair", "reason", "off"), [
    (("the dog", "mbwa"), None, {}),
    (("bbc", "bbc"), "identical", {"identical": False}),
    (("w " * 5000 + "w", "v " * 4000 + "v"), "long", {"max_words": 0, "max_chars": 0}),
    (("w" * 1001, "v"), "long", {"max_chars": 0}),
    (("a b c d e f g h i", "v w"), "ratio", {"max_ratio": 0.0}),
    (("a b c d e f g h", "v w"), None, {}),
    (("the dog", "собака"), "script", {}),
    (("the dog called собака", "mbwa aitwaye собака"), None, {}),
    (("25 000", "25 000 000"), None, {}),
])
def test_rules_of_cleaning(pair: tuple[str, str], reason: str | None, off: dict[str, float]) -> None:
    latin = [scripts_of(["the dog barks, says Жуков once"]), scripts_of(["mbwa anabweka"])]
    assert latin[1] == {"LATIN"} and "LATIN" in latin[0]
    latin[0] = latin[1]
    assert problem(pair, CleanOptions(), latin) == reason
    if reason:
        assert problem(pair, CleanOptions(**off)) is None  # type: ignore[arg-type]


@settings(deadline=None, max_examples=50)
@given(st.lists(st.lists(st.integers(0, 60), max_size=40), max_size=12))
def test_first_occurrences_are_those_of_a_set(chunks: list[list[int]]) -> None:
    seen, plain = Seen(), set[int]()
    for chunk in chunks:
        expected = []
        for value in chunk:
            expected.append(value not in plain)
            plain.add(value)
        assert seen.new(chunk).tolist() == expected


def test_duplicates_cost_8_bytes_each() -> None:
    seen = Seen()
    values = np.random.default_rng(1).integers(0, 1 << 62, 200_000)
    assert sum(int(seen.new(values[i:i + 20_000]).sum()) for i in range(0, 200_000, 20_000)) == len(np.unique(values))
    assert sum(run.nbytes for run in seen._runs) == 8 * len(np.unique(values))
    assert len(seen._runs) < 10
    assert pair_hash(("a", "b")) != pair_hash(("b", "a")) != pair_hash(("a b", ""))


def cleaned(tmp_path: Path, pairs: Pairs, **options: object) -> tuple[list[Pair], dict[str, int]]:
    raw, out = tmp_path / "data/bitext", tmp_path / "dump/bitext"
    raw.mkdir(parents=True, exist_ok=True)
    for part, of in (("train", pairs), ("dev", many(20)), ("test", [("A test.", "Jaribio."), ("", "tupu")])):
        write_pairs(raw, part, LANGUAGES, of)
    held = {"imeshikiliwa": "tgt_test/text"}
    clean_bitext(raw, out, LANGUAGES, held, [], force=True, **options)  # type: ignore[arg-type]
    report = read_json(out / "dropped.json")
    assert report["test"] == {"n_raw": 2, "n_pairs": 1, "dropped": {"empty": 1}, "examples": {"empty": [["", "tupu"]]},
                              "annotation": {"en": {}, "sw": {}}}
    train = report["train"]
    assert train["n_raw"] == len(pairs) and train["n_pairs"] + sum(train["dropped"].values()) == len(pairs)
    return read_pairs(out, "train", LANGUAGES), train["dropped"]


def test_cleaning_counts_every_reason(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("stxfer.corpora.bitext.clean.CHUNK", 3)  # a duplicate may come in another chunk
    pairs = [("A dog!", "Mbwa!"), ("", "Tupu"), ("...", "Tupu"), ("a dog", "mbwa"), ("A TEST", "mengine"),
             ("held", "Imeshikiliwa"), ("the\x01cat", "paka"), ("http://a.b/c", "http://a.b/c"), ("BBC", "bbc"),
             ("w " * 5000, "v " * 5000), ("a b c d e f g h i j", "neno"), ("the cat", "кошка"), ("The cat", "Paka")]
    kept, dropped = cleaned(tmp_path, pairs)
    assert kept == [("a dog", "mbwa"), ("the cat", "paka")]
    assert dropped == {"empty": 2, "duplicate": 1, "held_out": 2, "control": 1, "address": 1, "identical": 1, "long": 1,
                       "ratio": 1, "script": 1}
    off = CleanOptions(0, 0, 0.0, False, False, False, False, False)
    kept, dropped = cleaned(tmp_path, pairs, clean=off)
    assert dropped == {"empty": 2, "held_out": 2} and len(kept) == 9
    with pytest.raises(DataError, match=r"data/bitext: no pair of train is left of 1 \(dropped: {'empty': 1}\)"):
        cleaned(tmp_path, [("", "x")])


EDITED = [("Oppression [in our country] is enabled by religion.", "Ukandamizaji [katika nchi yetu] unawezeshwa."),
          ("[applause] I would like to repeat.", "[makofi] Ningependa kurudia."), ("[music]", "[muziki]"),
          ("Unrest [...] took a turn [sic].", "Vurugu [...] zilikuwa mbaya &amp; kali.")]


@pytest.mark.parametrize(("square", "first"), [
    ("events", ("oppression in our country is enabled by religion", "ukandamizaji katika nchi yetu unawezeshwa")),
    ("all", ("oppression is enabled by religion", "ukandamizaji unawezeshwa"))])
def test_an_editors_words_stay(tmp_path: Path, square: str, first: Pair) -> None:
    kept, dropped = cleaned(tmp_path, EDITED, clean=CleanOptions(square=square))  # type: ignore[arg-type]
    assert kept[:2] == [first, ("i would like to repeat", "ningependa kurudia")] and dropped == {"annotation": 1}
    train = read_json(tmp_path / "dump/bitext/dropped.json")["train"]
    assert train["examples"] == {"annotation": [["[music]", "[muziki]"]]}
    removed = ["[applause]", "[music]", "[...]"] if square == "events" else \
        ["[in our country]", "[applause]", "[music]", "[...]", "[sic]"]
    assert train["annotation"]["en"] == {"event": {"n": len(removed), "examples": removed}}
    assert train["annotation"]["sw"]["entity"] == {"n": 1, "examples": ["&amp;"]}


@pytest.mark.parametrize(("rule", "text"), [("keep", "noise he said"), ("events", "he said"), ("all", "he said")])
def test_a_rule_of_the_users_own_stays(rule: str, text: str) -> None:
    rules = of_bitext(load_profiles({"en": {"square": rule}})["en"])
    assert normalise("[noise] he said", rules) == text


def test_the_experiment_says_what_is_dropped(tmp_path: Path, capsys: pytest.CaptureFixture[str],
                                             monkeypatch: pytest.MonkeyPatch) -> None:
    import toy

    monkeypatch.chdir(tmp_path)
    for part in ("train", "dev", "test"):
        text(tmp_path / "data/bitext", part, [(f"the dog {part}", f"mbwa {part}"), ("w v", "w v")])
    mt = {**toy.CONFIG["mt"], "clean": {"identical": False, "duplicates": False}}
    toy.make_experiment(tmp_path, mt=mt)
    clean_cli.main(["--config", "toy.yaml"])
    assert capsys.readouterr().out == "dump/data/bitext: train 1, dev 2, test 2 pairs; dropped of train: held_out 1\n"
    with pytest.raises(ConfigError, match="mt.clean: unknown key 'max_length'"):
        toy.make_experiment(tmp_path, mt={**mt, "clean": {"max_length": 3}})
    with pytest.raises(ConfigError, match=r"mt.clean.max_words: -1 must be at least 0"):
        toy.make_experiment(tmp_path, mt={**mt, "clean": {"max_words": -1}})


@pytest.mark.skipif("MAFAND_EN_SW" not in os.environ, reason="MAFAND_EN_SW does not name the English-Swahili bitext")
def test_cleaning_real_news(tmp_path: Path) -> None:
    prepare_bitext([os.environ["MAFAND_EN_SW"]], tmp_path / "data", LANGUAGES)
    counts = clean_bitext(tmp_path / "data", tmp_path / "dump", LANGUAGES, {}, [])
    assert 29000 < counts["train"] < 30782 and (counts["dev"], counts["test"]) == (1791, 1835)
    dropped = read_json(tmp_path / "dump/dropped.json")["train"]["dropped"]
    assert dropped["identical"] > 300 and dropped["script"] < 50 and dropped["address"] > 10
