"""TMX: what one unit holds costs no other, inline codes, variants of a language, encodings; archives from a Mac."""

from __future__ import annotations

import gzip
import logging
import zipfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stxfer.bin import prepare_bitext as cli
from stxfer.corpora.bitext import tmx
from stxfer.corpora.bitext.lines import LeftOut, Pair
from stxfer.corpora.bitext.parallel import find_sources
from stxfer.corpora.bitext.tmx import read_tmx

LANGUAGES = ("en", "sw")


def unit(*segments: tuple[str, str]) -> str:
    return "<tu>" + "".join(f'<tuv xml:lang="{code}"><seg>{text}</seg></tuv>' for code, text in segments) + "</tu>\n"


def write(path: Path, *units: str, encoding: str = "utf-8") -> Path:
    path.write_bytes(('<?xml version="1.0"?>\n<tmx version="1.4"><body>\n' + "".join(units) + "</body></tmx>\n")
                     .encode(encoding, "surrogatepass"))
    return path


def both(source: str, target: str) -> str:
    return unit(("en", source), ("sw", target))


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "utf-16-le", "utf-16-be"])
@pytest.mark.parametrize("bad", ["\x0c", "a\x01b", "&#x1F;", "&#0;", "&#xFFFE;", "&#55296;", "\ufffe", "\ud800"])
def test_a_character_that_xml_forbids_costs_its_unit_alone(tmp_path: Path, bad: str, encoding: str) -> None:
    if bad == "\ud800" and encoding != "utf-8":
        bad = "\x7f"
    units = both("One &amp; &#233;", "Moja"), both(f"Two {bad}.", "Mbili"), both("Three", "Tatu")
    path = write(tmp_path / "a.tmx", *units, encoding=encoding)
    left_out = LeftOut()
    assert list(read_tmx(path, LANGUAGES, left_out)) == [("One & é", "Moja"), ("Three", "Tatu")]
    assert left_out.counts == {"control": 1}


@pytest.mark.parametrize(("segment", "text"), [
    ('Press<ph x="1"/>Enter', "Press Enter"), ("Press<ph>{0}</ph>Enter", "Press Enter"),
    ('<bpt i="1">&lt;b></bpt>Stop<ept i="1"/>now', "Stop now"), ("a<it pos='begin'>x<sub>y</sub></it>b<ut/>c", "a b c"),
    ("un<hi>believ</hi>able", "unbelievable")])
def test_inline_codes_part_words(tmp_path: Path, segment: str, text: str) -> None:
    assert list(read_tmx(write(tmp_path / "a.tmx", both(segment, "Neno")), LANGUAGES)) == [(text, "Neno")]


VARIANTS = [unit(("en", "one"), ("zh-CN", "体")), unit(("en", "two"), ("zh-TW", "體"), ("zh-CN", "体二")),
            unit(("en", "three"), ("zh-TW", "體三")), unit(("en", "four"), ("zh-TW", "體四"), ("zh-TW", "again"))]


TAIWAN = [("two", "體"), ("three", "體三"), ("four", "體四")]
SAID = ("of zh the 4 segments of zh-tw are read, not those of zh-cn (2); give a code of these as the language to read "
        "them")


@pytest.mark.parametrize(("language", "pairs", "counts", "said"), [
    ("zh", TAIWAN, {"variant": 1}, SAID), ("zh-tw", TAIWAN, {}, ""),
    ("zh_CN", [("one", "体"), ("two", "体二")], {}, "")])
def test_variants_are_not_mixed(tmp_path: Path, caplog: pytest.LogCaptureFixture, language: str, pairs: list[Pair],
                                counts: dict[str, int], said: str) -> None:
    path, left_out = write(tmp_path / "a.tmx", *VARIANTS), LeftOut()
    assert list(read_tmx(path, ("en", language), left_out)) == pairs
    assert left_out.counts == counts
    assert [record.getMessage() for record in caplog.records] == ([f"{path}: {said}"] if said else [])


def test_the_language_itself_comes_before_as_many_of_a_variant(tmp_path: Path) -> None:
    path = write(tmp_path / "a.tmx", unit(("en-GB", "colour"), ("sw", "rangi")), unit(("en", "color"), ("sw", "rangi")))
    assert list(read_tmx(path, LANGUAGES)) == [("color", "rangi")]


def test_what_is_left_out_is_listed(tmp_path: Path, capsys: pytest.CaptureFixture[str],
                                    caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    pairs = [both(f"number {i}", f"namba {i}") for i in range(40)]
    path = write(tmp_path / "a.tmx", *pairs, both("bad \x02", "mbaya"))
    out = tmp_path / "bitext"
    arguments = ["--corpus", str(path), "--source-lang", "en", "--target-lang", "sw", "--out", str(out),
                 "--dev-pairs", "2", "--test-pairs", "3"]
    cli.main(arguments)
    assert capsys.readouterr().out == (f"bitext in {out}: train 35, dev 2, test 3 pairs; 1 could not be used, see "
                                       f"{out}/left_out.tsv\n")
    assert (out / "left_out.tsv").read_text(encoding="utf-8") == f"{path}:43\tcontrol\tbad \ufffd\tmbaya\n"
    assert f"{out}: 1 sentence pairs are left out (control 1), listed in left_out.tsv" in caplog.text
    write(path, *pairs)
    cli.main(arguments)
    assert "could not be used" not in capsys.readouterr().out and not (out / "left_out.tsv").exists()


@given(st.lists(st.sampled_from(["a", "é", "中", "&amp;", "&#233;", "\x01", "&#2;", "\ufffe", " "]), max_size=40),
       st.integers(1, 9))
def test_where_the_chunks_end_does_not_matter(tmp_path_factory: pytest.TempPathFactory, parts: list[str],
                                              size: int) -> None:
    path = write(tmp_path_factory.mktemp("tmx") / "a.tmx", both("begin", "mwanzo"), both("".join(parts), "x"))
    whole, pieces = LeftOut(), LeftOut()
    expected = list(read_tmx(path, LANGUAGES, whole))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tmx, "CHUNK", size)
        assert list(read_tmx(path, LANGUAGES, pieces)) == expected
    assert pieces.counts == whole.counts == ({"control": 1} if {"\x01", "&#2;", "\ufffe"} & {*parts} else {})


def test_packed(tmp_path: Path) -> None:
    path = write(tmp_path / "a.tmx", both("One \x03", "Moja"), both("Two", "Mbili"))
    packed = tmp_path / "a.tmx.gz"
    packed.write_bytes(gzip.compress(path.read_bytes()))
    assert list(find_sources(packed, LANGUAGES)[0].read()) == [("Two", "Mbili")]


def test_what_a_mac_adds_to_an_archive_is_no_text(tmp_path: Path) -> None:
    path = tmp_path / "en-sw.txt.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in (("News.en", "One\n"), ("News.sw", "Moja\n"), ("__MACOSX/._News.en", "\0\5\x16\7\0"),
                              ("__MACOSX/News.sw", "\0"), ("._News.sw", "\0")):
            archive.writestr(name, content)
    assert list(find_sources(path, LANGUAGES)[0].read()) == [("One", "Moja")]
