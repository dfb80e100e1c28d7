"""Rule-based translation: a pipeline that goes on, dies, or is not there; Spanish to Catalan where apt can bring it."""

from __future__ import annotations

import functools
import itertools
import os
import shutil
import subprocess
import time
from pathlib import Path

import pytest

from stxfer.core.errors import ConfigError, DataError, StxferError
from stxfer.experiment.translators import Apertium
from stxfer.mt.translators.apertium import ApertiumTranslator, commands, modes

PACKAGES = ("apertium", "apertium-spa-cat", "cg3", "apertium-lex-tools")
SUBJECTS = ("el perro", "la mujer", "mi hermano", "nuestra vecina", "un niño", "la gata", "el médico", "su abuela",
            "aquel hombre", "la profesora")
VERBS = ("come", "compra", "busca", "vende", "quiere", "lleva", "prepara", "pide", "encuentra", "trae")
OBJECTS = ("una manzana roja", "el pan de la casa", "dos libros viejos", "la carta", "agua fría", "un vestido blanco",
           "las llaves del coche", "queso y vino", "una flor amarilla", "pescado fresco")
SENTENCES = [" ".join(words) for words in itertools.product(SUBJECTS, VERBS, OBJECTS)]


@pytest.fixture
def toy_mode(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A mode ``abc-xyz`` of two programs, written here: upper case, and a mark at words of ``q``."""
    programs = tmp_path / "bin"
    programs.mkdir()
    for name, rule in (("upper", "text.upper()"), ("mark", "re.sub(r'\\b(?=Q)', '*', text)")):
        (programs / name).write_text(
            "#!/usr/bin/env python3\nimport os, re, sys\nassert sys.argv[1] == '-z'\nrest = b''\n"
            "while block := os.read(0, 4096):\n"
            "    *texts, rest = (rest + block).split(b'\\0')\n"
            "    for text in (t.decode() for t in texts):\n"
            f"        if 'die' in text and {name!r} == 'upper':\n"
            f"            open({str(tmp_path)!r} + '/dead', 'a').write('x')\n"
            "            print('out of rules', file=sys.stderr); sys.exit(1)\n"
            f"        os.write(1, ({rule}).encode() + b'\\0')\nos.write(1, b'\\0\\0')\n")
        (programs / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}{os.pathsep}{os.environ['PATH']}")
    folder = tmp_path / "modes"
    folder.mkdir()
    (folder / "abc-xyz.mode").write_text("upper '/data with space/a.bin' $2 | mark $1")
    monkeypatch.setattr("stxfer.mt.translators.apertium.FOLDERS", (folder,))
    return tmp_path


def test_a_mode_becomes_a_pipeline(toy_mode: Path) -> None:
    assert commands("abc-xyz") == [["upper", "-z", "/data with space/a.bin"], ["mark", "-z", "-g"]]


@pytest.mark.parametrize(("unknown", "expected"), [("keep", "A QUX B"), ("mark", "A *QUX B"), ("drop", "A B")])
def test_order_empties_and_unknown_words(toy_mode: Path, unknown: str, expected: str) -> None:
    with ApertiumTranslator(Apertium("abc-xyz", unknown)) as translator:
        found = translator.translate(["a qux b", "", "c/d [e]", *(f"n {i}" for i in range(500))], nbest=3)
    assert [[t.text for t in best] for best in found[:3]] == [[expected], [], ["C/D [E]"]]
    assert [best[0].text for best in found[3:]] == [f"N {i}" for i in range(500)]
    assert found[0][0].score == 0.0


def test_a_process_that_dies_is_started_again(toy_mode: Path, caplog: pytest.LogCaptureFixture) -> None:
    sentences = [f"n {i}" for i in range(300)]
    with ApertiumTranslator(Apertium("abc-xyz")) as translator:
        first = translator.translate(sentences[:10])
        translator._running()._processes[0].kill()
        rest = translator.translate(sentences[10:])
    assert [best[0].text for best in first + rest] == [s.upper() for s in sentences]
    assert "apertium abc-xyz: upper ended; started again at sentence 1" in caplog.text


def test_a_process_that_dies_twice_is_an_error(toy_mode: Path) -> None:
    with ApertiumTranslator(Apertium("abc-xyz")) as translator:
        with pytest.raises(StxferError, match=r"^apertium abc-xyz: died twice at sentence 3 \('die now'\): upper ended "
                                              r"\(out of rules\); remove it, or run 'apertium abc-xyz' by hand"):
            translator.translate(["a", "b", "die now", "c"])
        assert (toy_mode / "dead").read_text() == "xx"
        with pytest.raises(StxferError, match=r"died twice at u2 "):
            translator.translate(["a", "die"], keys=["u1", "u2"])
        assert [best[0].text for best in translator.translate(["a", "b"])] == ["A", "B"]


def test_no_process_outlives_its_translator(toy_mode: Path) -> None:
    with ApertiumTranslator(Apertium("abc-xyz")) as translator:
        translator.translate(["a"])
        processes = translator._running()._processes
        assert all(process.poll() is None for process in processes)
    assert all(process.poll() is not None for process in processes)


def test_what_is_not_installed_is_named(toy_mode: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigError, match=r"^mode 'abc-xy' is not installed; installed: abc-xyz; did you mean "
                                          r"abc-xyz\? \(Debian: apt-get install apertium apertium-abc-xy, or the"):
        ApertiumTranslator(Apertium("abc-xy"))
    with pytest.raises(ConfigError, match=r"^unknown: 'omit' must be one of keep mark drop"):
        ApertiumTranslator(Apertium("abc-xyz", "omit"))
    (toy_mode / "modes/abc-uvw.mode").write_text("upper | cg-proc")
    monkeypatch.setenv("PATH", str(toy_mode / "bin"))
    with pytest.raises(ConfigError, match=r"'abc-uvw' needs the program cg-proc, .* \(Debian: apt-get install cg3\)"):
        commands("abc-uvw")
    monkeypatch.setattr("stxfer.mt.translators.apertium.FOLDERS", ())
    with pytest.raises(ConfigError, match=r"^mode 'spa-cat': Apertium is not installed \(Debian: apt-get install "
                                          r"apertium apertium-spa-cat\)"):
        commands("spa-cat")


def test_what_is_no_sentence(toy_mode: Path) -> None:
    with ApertiumTranslator(Apertium("abc-xyz")) as translator, \
            pytest.raises(DataError, match=r"^sentence 2: holds the control character U\+0000; remove it"):
        translator.translate(["a", "b\0c"])


@functools.cache
def why_no_apertium() -> str:
    """Install Spanish-Catalan where that is possible; return why it is not, or nothing."""
    if shutil.which("lt-proc") and "spa-cat" in modes():
        return ""
    if not shutil.which("apt-get"):
        return "Apertium is not installed and there is no apt-get"
    if os.geteuid() != 0:
        return "Apertium is not installed and apt-get needs root"
    command = ["apt-get", "install", "-y", "-qq", "-o", "Acquire::Retries=0", "-o", "Acquire::http::Timeout=20",
               "-o", "DPkg::Lock::Timeout=60", *PACKAGES]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False,
                              env={**os.environ, "DEBIAN_FRONTEND": "noninteractive"})
    except subprocess.TimeoutExpired:
        return "apt-get install did not end within 300 s"
    return "" if done.returncode == 0 else f"apt-get cannot install Apertium: {done.stderr.strip()[-200:]}"


@pytest.fixture
def spanish_catalan() -> None:
    reason = why_no_apertium()
    if reason:
        pytest.skip(reason)


def test_a_thousand_spanish_sentences(spanish_catalan: None) -> None:
    with ApertiumTranslator(Apertium("spa-cat")) as translator:
        begun = time.monotonic()
        found = translator.translate(SENTENCES)
        print(f"{len(SENTENCES) / (time.monotonic() - begun):.0f} sentences/s")
        text = dict(zip(SENTENCES, (best[0].text for best in found), strict=True))
        assert len(text) == 1000 and all(text.values())
        assert text["el perro come una manzana roja"] == "el gos menja una poma vermella"
        assert text["la mujer compra las llaves del coche"] == "la dona compra les claus del cotxe"
        assert len(set(text.values())) == 900 and not any("*" in value for value in text.values())
        assert text["mi hermano lleva la carta"] == text["mi hermano trae la carta"]  # hence not 1000
        assert translator.identity["versions"]["apertium-spa-cat"]
        (unknown,) = translator.translate(["El xyzzyx come, ¿no?"])
        assert unknown[0].text.startswith("El xyzzyx menja, no")


def test_the_pipeline_gives_what_apertium_gives(spanish_catalan: None) -> None:
    some = [*SENTENCES[::171], "¿Dónde está la casa?", "Compra pan, queso y vino."]
    alone = [subprocess.run(["apertium", "spa-cat"], input=sentence, text=True, capture_output=True, check=True,
                            timeout=60).stdout.strip() for sentence in some]  # a process a sentence
    with ApertiumTranslator(Apertium("spa-cat", "mark")) as translator:
        assert [best[0].text for best in translator.translate(some)] == alone
