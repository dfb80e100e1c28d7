"""What a text is said to hold, on the command line and in stage 2."""

from __future__ import annotations

from pathlib import Path

import pytest

from stxfer.bin.check_text import main
from stxfer.core.errors import DataError
from stxfer.prepare.utterance_checks import text_problem, text_summary
from stxfer.text.profiles import load_profiles, profile
from stxfer.text.survey import Survey


def test_the_report_shows_what_changes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "text"
    path.write_text("u1 Mʼbo, [noise] leo\nu2 mʼbo раrа m'bo\nu3 (Applause)\n", encoding="utf-8")
    main(["--lang", "xx", "--kaldi", str(path)])
    out = capsys.readouterr().out
    assert out.startswith("no profile for xx")
    for line in ("  - Mʼbo, [noise] leo\n  + mʼbo leo\n", "  + (nothing: the line is dropped)",
                 "         1  ,  U+002C COMMA", "  event 2: [noise] 1, (Applause) 1", "lines of nothing else: 1",
                 "  раrа 1", "apostrophes:", "normalise:"):
        assert line in out


def test_a_column_of_a_table_is_read_and_nothing_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "train.tsv"
    path.write_text("path\tsentence\na.mp3\tNg’ombe -5\n", encoding="utf-8")
    main(["--lang", "sw", "--column", "sentence", str(path)])
    assert "  + ng'ombe -5\n" in capsys.readouterr().out
    path.write_text("", encoding="utf-8")
    with pytest.raises(DataError, match="holds no text"):
        main(["--lang", "sw", str(path)])


@pytest.mark.parametrize(("lang", "text", "word"), [
    ("sw", "nуumba", "nуumba"), ("uk", "мicто", "мicто"), ("el", "Αθήvα", "αθήvα"), ("ru", "кoт", "кoт"),
    ("fr", "cһat", "cһat")])
def test_words_of_two_scripts(lang: str, text: str, word: str) -> None:
    survey = Survey(profile(lang))
    survey.add([text, "kawaida"])
    assert list(survey.mixed()) == [word]


def test_words_that_differ_by_a_mark_or_a_look_alike() -> None:
    survey = Survey(profile("mdw"))
    survey.add(["wa wá wa adí adi l'a nyumba"])
    assert survey.variants() == [("wa", "wá"), ("adí", "adi")]


@pytest.mark.parametrize(("raw", "reason"), [
    ("(Makofi)", "annotation: text is nothing but '(Makofi)'"), ("REMOVE", "placeholder: text is nothing but 'REMOVE'"),
    ("[noise] <sil>", "annotation: text is nothing but '[noise] <sil>'"), ("…!", "no_words"),
    (" ", "no_text: text is empty")])
def test_why_an_utterance_is_dropped(raw: str, reason: str) -> None:
    found = text_problem({"text": raw}, {"text": ""}, 1.0, 40, {"text": profile("sw")})
    assert found is not None and found.startswith(reason)


def test_digits_may_be_refused() -> None:
    rules = load_profiles({"sw": {"digits": "refuse"}})["sw"]
    found = text_problem({"text": "Saa 3"}, {"text": "saa 3"}, 1.0, 40, {"text": rules})
    assert found == "digits: text has some: 'saa 3'"


def test_the_summary_counts_and_advises() -> None:
    found = text_summary({"text": ({"u": "Mʼbo [noise]", "v": "[noise]"}, profile("xx"))})["text"]
    assert found["annotation"] == {"event": {"n": 2, "examples": ["[noise]"]}}
    assert found["nothing_else"] == 1 and found["apostrophes"] == {"U+02BC": 1}
    assert "ʼ" in found["advice"]["apostrophes"]


def test_what_stands_between_letters_is_shown_with_what_becomes_of_it(tmp_path: Path,
                                                                      capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "text"
    path.write_text("A well-known mix: U.S. and 1.5, col\u00b7l\u0301 ko\u02bcb caf\u0065\u0301 [of songs]\n" * 3,
                    encoding="utf-8")
    main(["--lang", "xx", str(path)])
    out = capsys.readouterr().out
    parts = "parts the words ('inner' keeps it, 'deleted' joins them)"
    for line in (f"         3  -  U+002D HYPHEN-MINUS: {parts}\n",
                 f"         3  .  U+002E FULL STOP: {parts}; joins single letters, as in U.S.\n",
                 "         6  .  U+002E FULL STOP (3 kept)\n", "         3  ,  U+002C COMMA\n",
                 "  event 3: [of songs] 3"):
        assert line in out
    assert "COMBINING" not in out.partition("Characters kept")[0], "é was not removed, but composed"
    main(["--lang", "ca", "--bitext", "--lines", "1", "--characters", "3", str(path)])
    out = capsys.readouterr().out
    assert "·  U+00B7 MIDDLE DOT: stays\n" in out and "of songs\n" in out and "more (--characters)\n" in out
    assert "No annotation." in out


@pytest.mark.parametrize(("lines", "letters"), [
    (["Wa áwoi s' éléngé", "Kóó l' obia", "wá l' apóa"], "ls"), (["Moja 'mbili tatu' nne", "tano' sita"], "o"),
    (["'Quoted words'", "moja mbili"], ""), (["moja mbili tatu nne"] * 200 + ["teachers' day"], "")])
def test_apostrophes_at_the_ends_of_words(lines: list[str], letters: str) -> None:
    survey = Survey(profile("xx"))
    survey.add(lines)
    assert survey.suggestions().get("apostrophe_after", "") == letters


def test_letters_of_other_scripts_are_shown_together(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "text"
    path.write_text("Habari ya asubuhi rafiki yangu mpendwa wa Nairobi хорхе's 反貧反\n" * 2, encoding="utf-8")
    main(["--lang", "sw", str(path)])
    out = capsys.readouterr().out
    assert "        10  Cyrillic: х о р е\n         6  Han: 反 貧\n" in out
    assert "No suggestion." in out, "a foreign word is no misspelt one"


def test_nothing_changes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "text"
    path.write_text("habari yako\n", encoding="utf-8")
    main(["--lang", "sw", str(path)])
    out = capsys.readouterr().out
    assert "\nNo line changes.\n" in out and "\nNo characters removed or replaced.\n" in out
    path.write_text("Habari, yako.\n", encoding="utf-8")
    main(["--lang", "sw", str(path)])
    assert "  - Habari, yako.\n  + habari yako\n" in capsys.readouterr().out
