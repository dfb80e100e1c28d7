"""Text normalisation, and the profiles that hold each language's rules."""

from __future__ import annotations

import dataclasses
import json
import re
import unicodedata
from collections import Counter
from pathlib import Path
from typing import Any

import hypothesis
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scored import make_experiment

from stxfer.core.errors import ConfigError
from stxfer.experiment.config import load_experiment
from stxfer.score.evaluate import score_system
from stxfer.text.characters import is_tone
from stxfer.text.normalise import normalise
from stxfer.text.profiles import PROFILES, load_profiles, profile

MORE = load_profiles({  # rules that no language of ours has, so that the properties below hold for them too
    "cased": {"case": "keep"}, "written": {"punctuation": "keep", "case": "keep"}, "wordy": {"digits": "remove"},
    "bare": {"strip": "\u0301\u0300", "inner": "-_"},
    "naq": {"stops": ".,?", "letters": "!|", "replace": {"≠": "ǂ"}}})
PROFILE = st.sampled_from(sorted(MORE)).map(MORE.__getitem__)
REMOVING = PROFILE.filter(lambda rules: rules.punctuation == "remove")
# Apostrophes, punctuation, marks and cased letters close together are what breaks normalisers.
HARD = st.text(st.one_of(st.sampled_from("aAiIİıßΣσǝyYl'’‘ʼ.-–·…´\u0301\u0307\u0338\u0323\u200d\u200b \t=<1é½٣ـﷲﾞｶ!"),
                         st.characters()))
MARKS = "\u0300\u0301\u0302\u0303\u0304\u030c\u0323\u0331\u064b\u064e\u0651\u0670\u094d\u093e\u3099"


@pytest.mark.parametrize(("lang", "raw", "clean"), [
    ("en", "Don’t STOP, it's 10:30!", "don't stop it's 10:30"),
    ("en", "'Tis the dogs' well-known $5.", "tis the dogs well known $5"),
    ("en", "The U.S. has 25,000 miles—or so…", "the us has 25000 miles or so"),
    ("sw", "Ng‘ombe wa Mwana`mke; “Habari?”", "ng'ombe wa mwana'mke habari"),
    ("sw", "jela.Kuna watu,hata 3.5", "jela kuna watu hata 3.5"),
    ("sw", "Mwana\u02bcmke", "mwana'mke"),
    ("bkw", "M\u02bcbo\u0301 Ɔ\u0301mbɛ", "m\u02bcb\u00f3 ɔ\u0301mbɛ"),
    ("hi", "हिन्दी, भाषा।", "हिन्दी भाषा"),
    ("en", " \u00a0a\u2028b ", "a b"),
    ("en", "!?", ""),
    ("tr", "Iİıi ISPARTA’da İYİ! Âşık kâr", "ıiıi ısparta'da iyi âşık kâr"),
    ("tr", "I\u0307zmir", "izmir"),
    ("az", "QIZIL Ǝlvan ǝLVAN İLĞIM", "qızıl əlvan əlvan ilğım"),
    ("en", "I said İ", "i said i\u0307"),
    ("fr", "L’HOMME dit : «Ça va, aujourd'hui ?» Œuvre", "l'homme dit ça va aujourd'hui œuvre"),
    ("es", "¿Qué? ¡Niño, pingüino!", "qué niño pingüino"),
    ("ca", "COL·LECCIÓ, coŀlegi l'al•lot · i paral‧lel·", "col·lecció col·legi l'al·lot i paral·lel"),
    ("es", "a·b", "a b"),
    ("de", "Straße „STRASSE“ – Größe", "straße strasse größe"),
    ("it", "un po' dell’ARTE, perché", "un po dell'arte perché"),
    ("pt", "Copo-d’água: não!", "copo d'água não"),
    ("ar", "كـــتاب،مُحَمَّدٌ؟ ﻻ ١٢٣", "كتاب مُحَمَّدٌ لا 123"),
    ("fa", "مي‌خواهم كتاب ۴", "می‌خواهم کتاب 4"),
    ("zh", "我们，ＡＢＣ。１２:好,世界", "我们abc12好世界"),
    ("ja", "ｶﾞｷﾞ「東京」、ー です", "ガギ東京ー です"),
    ("mdw", "Wa ámitúúngá ITSΩ\u0301ώ s' éléngέ", "wa ámitúúngá itsώώ s' éléngέ"),
    ("yo", "Ẹ káàárọ\u0300, ọmọ ń jẹun.", "ẹ káàárọ\u0300 ọmọ ń jẹun"),
    ("ha", "‘Yan ‘ya’yan Ɗan 'ƙauye'", "'yan 'ya'yan ɗan ƙauye"),
    ("cy", "Mae’n i'r Tŷ", "mae'n i'r tŷ"),
    ("sl", "Čas, ŽIVLJENJE", "čas življenje"),
    ("mn", "Єдєр бїр ӨДӨР", "өдөр бүр өдөр"),
    ("et", "Õun ja Šokolaad", "õun ja šokolaad"),
    ("el", "Ο ΟΔΥΣΣΕΑΣ", "ο οδυσσεας"),
])
def test_examples(lang: str, raw: str, clean: str) -> None:
    expected = unicodedata.normalize("NFC", clean)
    assert normalise(raw, profile(lang)) == expected
    assert normalise(expected, profile(lang)) == expected


@given(HARD, PROFILE)
def test_idempotent_and_single_spaced(text: str, rules) -> None:
    once = normalise(text, rules)
    assert normalise(once, rules) == once
    assert once == " ".join(once.split())
    assert unicodedata.is_normalized("NFC", once)
    assert rules.case == "keep" or once == once.lower()


@given(st.lists(st.tuples(st.characters(categories=["L"], exclude_characters="I"),
                          st.text(st.sampled_from(MARKS), max_size=3)), min_size=1), PROFILE)
def test_keeps_combining_marks(letters, rules) -> None:
    replaced = {char for char, _ in rules.replace}
    word = "".join(base + marks for base, marks in letters if not replaced & set(unicodedata.normalize("NFC", base)))
    decomposed = unicodedata.normalize("NFD", word.replace("İ", "i") if rules.case == "turkic" else word)
    expected = Counter(char for char in decomposed if unicodedata.category(char)[0] == "M" and char not in rules.strip)
    hypothesis.assume(not any(char in decomposed for char in "\u115f\u1160\u3164\uffa0") and not rules.spellings)
    hypothesis.assume(all(unicodedata.category(char) != "Lm" for char in decomposed))
    assert not expected - Counter(unicodedata.normalize("NFD", normalise(word, rules)))


@given(HARD, REMOVING)
def test_apostrophes_only_inside_words(text: str, rules) -> None:
    for word in normalise(text, rules).split():
        assert not word.startswith("'") or word[1:2] in tuple(rules.apostrophe_before)
        assert not word.endswith("'")
        assert "''" not in word


@given(HARD, REMOVING)
def test_leaves_no_punctuation_but_what_the_rules_name(text: str, rules) -> None:
    words = [word for word in normalise(text, rules).split() if not any(map(str.isdecimal, word))]
    left = {char for char in "".join(words) if unicodedata.category(char)[0] in "PSC" and not is_tone(char)}
    assert left <= {"'", "\u200c", "\u200d", *rules.inner, *rules.letters}


@pytest.mark.parametrize(("name", "raw", "clean"), [
    ("cased", "Ng‘ombe, LEO", "Ng'ombe LEO"),
    ("written", "“Ng‘ombe,  leo…”\u00ad 3.5", "“Ng'ombe, leo…” 3.5"),
    ("wordy", "Saa 10 na ½ ya 3a", "saa na ya a"),
    ("bare", "Ó wé-wè - ñ_", "o we-we ñ"),
    ("naq", "!Gâ≠nū |na!gâ", "!gâǂnū |na!gâ"),
])
def test_rules_of_an_experiment(name: str, raw: str, clean: str) -> None:
    assert normalise(raw, MORE[name]) == clean


def test_profile_of_a_code() -> None:
    assert profile("sw-KE") is profile("sw") is profile("SW_ke")
    assert profile("xx") is PROFILES["default"]
    own = load_profiles({"sr-latn": {"case": "keep"}, "tr": {"digits": "remove"}})
    assert profile("sr-Latn-RS", own).case == "keep"
    assert profile("sr", own) == PROFILES["sr"]
    assert profile("swh_Latn") is profile("sw") and profile("khk") is profile("mn") and profile("mon").name == "mn"
    assert (own["tr"].case, own["tr"].digits) == ("turkic", "remove")  # over the language's own rules
    assert own["sw"] == PROFILES["sw"]


@pytest.mark.parametrize(("rule", "value"), [
    ("form", "NFKC"), ("case", "keep"), ("punctuation", "keep"), ("digits", "ascii"), ("apostrophes", "'"),
    ("apostrophe_before", "y"), ("stops", ".?"), ("separators", "/"), ("inner", "·"), ("letters", "&"),
    ("strip", "\u0301"), ("replace", {"ş": "ș"}), ("between", "join"), ("decimal", ","), ("apostrophe_after", "o"),
    ("deleted", "¨"), ("round", "all"), ("square", "events"), ("curly", "keep"), ("angle", "keep"), ("markup", "keep"),
    ("events", ["kelele"]), ("placeholders", ["hakuna"]), ("spellings", {"l.l": "l·l"})])
def test_identity_changes_with_every_rule(rule: str, value: Any) -> None:
    changed = load_profiles({"sw": {rule: value}})["sw"]
    assert changed.identity != profile("sw").identity
    scoring = {"words", "bleu", "scripts"}  # which change no text
    assert len(dataclasses.fields(changed)) - len(scoring) == 25  # every field but the name is a case above


def test_identity_is_stable() -> None:
    backwards = "".join(reversed(profile("sw").separators))
    assert load_profiles({"sw": {"separators": backwards}})["sw"].identity == profile("sw").identity
    assert re.fullmatch(r"norm:en\.v4\.[0-9a-f]{8}\|case:lower\|punct:no", profile("en").identity)
    assert MORE["written"].identity.endswith("|case:mixed|punct:yes")


@pytest.mark.parametrize(("changes", "message"), [
    (["tr"], "normalise: must map languages to rules, not ['tr']"),
    ({False: {}}, "False is not a language code such as sw or sr-latn; quote \"no\""),
    ({"tr-TR": {}}, "'tr-TR' is not a language code"),
    ({"tr": "lower"}, "normalise.tr: must be a mapping of rules, not 'lower'"),
    ({"tr": {"casing": "lower"}}, "normalise.tr: unknown rule 'casing'; known: form case"),
    ({"tr": {"form": "NFD"}}, "normalise.tr.form: 'NFD' must be one of NFC NFKC"),
    ({"tr": {"letters": 7}}, "normalise.tr.letters: 7 must be a string of characters; quote it"),
    ({"tr": {"strip": "é"}}, "normalise.tr.strip: 'é' is a letter with a mark"),
    ({"tr": {"letters": "'"}}, "normalise.tr: \"'\" stands in both apostrophes and letters"),
    ({"tr": {"replace": "ab"}}, "normalise.tr.replace: must map characters to strings"),
    ({"tr": {"replace": {"ab": "c"}}}, "normalise.tr.replace: 'ab' is not one character"),
    ({"tr": {"replace": {"a": "b", "b": "c"}}}, "'a' becomes 'b', of which 'b' is replaced itself"),
])
def test_mistakes_are_named(changes: Any, message: str) -> None:
    with pytest.raises(ConfigError) as error:
        load_profiles(changes)
    assert message in str(error.value)
    assert "\n" not in str(error.value)


def test_an_experiment_changes_a_profile(tmp_path: Path) -> None:
    base = Path(__file__).parents[1] / "conf" / "base.yaml"
    start = f"include: [{base}]\nname: toy\nlanguages: {{source: en, target: sw}}\n"
    path = tmp_path / "toy.yaml"
    path.write_text(start + "normalise: {sw: {digits: remove}, xx: {case: keep}}\n", encoding="utf-8")
    experiment = load_experiment(path)
    assert normalise("Saa 3 usiku", experiment.profile("sw")) == "saa usiku"
    assert normalise("Saa 3", experiment.profile("xx")) == "Saa 3"
    assert experiment.profile("en") == profile("en")
    path.write_text(start + "normalise: {sw: {digit: remove}}\n", encoding="utf-8")
    with pytest.raises(ConfigError, match=r"toy.yaml: normalise.sw: unknown rule 'digit'; known: form"):
        load_experiment(path)


def test_a_changed_profile_reaches_the_score(tmp_path: Path) -> None:
    path = make_experiment(tmp_path)
    path.write_text(path.read_text(encoding="utf-8") + "normalise: {sw: {inner: '-'}}\n", encoding="utf-8")
    experiment = load_experiment(path)
    score = score_system(experiment, experiment.decoded["scratch"], 1, dump=tmp_path / "dump", expdir=tmp_path / "exp")
    identity = experiment.profile("sw").identity
    assert identity != profile("sw").identity
    assert f"|{identity}|" in score["metrics"]["wer"]["signature"]
    marker = tmp_path / "exp/scratch/seed1/decode/tgt_test/score/.stage.json"
    assert json.loads(marker.read_text())["options"]["norm"] == identity


@pytest.mark.parametrize("lang, spaced, tokeniser", [
    ("zh", False, "zh"), ("zh-TW", False, "zh"), ("cmn_hans_cn", False, "zh"), ("yue_hant_hk", False, "zh"),
    ("zho_Hans", False, "zh"), ("ja_jp", False, "ja-mecab"), ("th_th", False, "char"), ("lo", False, "char"),
    ("km_kh", False, "char"), ("my", False, "char"), ("bod_Tibt", False, "char"),
    ("ko", True, "13a"), ("vi", True, "13a"), ("sw_ke", True, "13a"), ("xx", True, "13a")])
def test_which_languages_are_written_without_spaces(lang: str, spaced: bool, tokeniser: str) -> None:
    assert (profile(lang).spaced, profile(lang).bleu) == (spaced, tokeniser)


def test_words_given_by_a_segmenter_change_no_identity_of_the_text() -> None:
    cut = profile("zh", load_profiles({"zh": {"words": "spaces"}}))
    assert cut.spaced and cut.identity == profile("zh").identity
    with pytest.raises(ConfigError, match="words: 'some' must be one of spaces none"):
        load_profiles({"zh": {"words": "some"}})
