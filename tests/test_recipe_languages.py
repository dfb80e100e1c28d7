"""egs2/TEMPLATE/languages.tsv, and what becomes of text in the languages of the recipes."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest
from recipes import EGS, ENV, language_table

from stxfer.core.records import mistake
from stxfer.corpora.covost2 import FROM_ENGLISH, check_pair
from stxfer.corpora.fleurs import language_of
from stxfer.experiment.types import Language
from stxfer.text.normalise import normalise
from stxfer.text.profiles import profile

TABLE = language_table()
FAMILY = sorted(path.parents[1].name.removeprefix("commonvoice_") for path in EGS.glob("commonvoice_*/asr1/run.sh"))
BESIDE = {"sw", "lg", "rw", "tt", "ky", "eu", "br", "cv", "rm", "ka", "ha"}  # languages that CoVoST 2 does not have
#: A language's own letters, its signs, its case: as it is typed, and as it is trained on and scored.
EXAMPLES = {
    "ar": ("السَّلامُ عليكم، كيف الحـــال؟ ١٢", "السَّلامُ عليكم كيف الحال 12"),
    "br": ("Brezhoneg a gomzan, C’HOAZH! Ñù", "brezhoneg a gomzan c'hoazh ñù"),
    "ca": ("L’ONZE de setembre: «Visca!» Coŀlegi", "l'onze de setembre visca col·legi"),
    "cv": ("Чăваш чĕлхи, ÇĔР – Ӳкерчĕк.", "чӑваш чӗлхи ҫӗр ӳкерчӗк"),
    "cy": ("Mae’r ŴYL yn Llŷn!", "mae'r ŵyl yn llŷn"),
    "de": ("Größe: ÄPFEL, Straße und „STRASSE“.", "größe äpfel straße und strasse"),
    "et": ("Õhtu JÕUAB, Šveits; žanr.", "õhtu jõuab šveits žanr"),
    "eu": ("Kaixo! ZER moduz? Andereño.", "kaixo zer moduz andereño"),
    "fa": ("كتاب\u200cها را مي\u200cخوانم؛ ۱۲", "کتاب\u200cها را می\u200cخوانم 12"),
    "ha": ("’Ya’ya, ƁERA da Ƙasa.", "'ya'ya ɓera da ƙasa"),
    "id": ("Anak-anak pergi ke SEKOLAH.", "anak anak pergi ke sekolah"),
    "ja": ("今日は、ﾄｳｷｮｳへ「行く」。", "今日はトウキョウへ行く"),
    "ka": ("ᲡᲐᲥᲐᲠᲗᲕᲔᲚᲝ, გამარჯობა!", "საქართველო გამარჯობა"),
    "ky": ("Өлкө ҮЧҮН, жаңы.", "өлкө үчүн жаңы"),
    "lg": ("Omuntu w’e Buganda; ŊŊENDA.", "omuntu w'e buganda ŋŋenda"),
    "lv": ("Ģimene ĒD ķiršus; šņāc!", "ģimene ēd ķiršus šņāc"),
    "mn": ("Монгол УЛС: єдєр ба їг.", "монгол улс өдөр ба үг"),
    "rm": ("L’aua è FRESTGA; tgi?", "l'aua è frestga tgi"),
    "rw": ("N’umuntu, MURAHO!", "n'umuntu muraho"),
    "sl": ("Šola, ŽIVLJENJE; čas!", "šola življenje čas"),
    "sv": ("Åsa ÄTER öl – nu.", "åsa äter öl nu"),
    "sw": ("NG’OMBE wa shamba, habari?", "ng'ombe wa shamba habari"),
    "ta": ("வணக்கம், நண்பர்களே!", "வணக்கம் நண்பர்களே"),
    "tr": ("IRMAK İstanbul’da, Iğdır!", "ırmak istanbul'da ığdır"),
    "tt": ("Әни ҖЫРЛЫЙ: «өй, таң һәм үс»", "әни җырлый өй таң һәм үс"),
    "zh": ("你好，世界！ＡＢＣ 再见。", "你好世界abc 再见")}


def test_the_family_is_of_covost_and_the_languages_beside_it() -> None:
    of_covost = {code for code, row in TABLE.items() if row["covost2"] != "-"}
    assert {f"en_{name}" for name in FROM_ENGLISH} == {TABLE[code]["covost2"] for code in of_covost}
    assert all(check_pair(TABLE[code]["covost2"]) == ("en", code) for code in of_covost)
    assert set(FAMILY) == of_covost | BESIDE == set(EXAMPLES)
    assert all(TABLE[code]["common_voice"].partition("-")[0] == code for code in FAMILY)


def test_fleurs_has_102_languages() -> None:
    folders = {code: row["fleurs"] for code, row in TABLE.items() if row["fleurs"] != "-"}
    assert len(folders) == len(set(folders.values())) == 102
    assert all(language_of(folder) == code for code, folder in folders.items())


@pytest.mark.parametrize("code", TABLE)
def test_every_language_has_rules_of_its_own(code: str) -> None:
    assert profile(code).name != "default" and profile(code).scripts
    assert re.fullmatch("-|[a-z]{3}_[A-Z][a-z]{3}", TABLE[code]["nllb"])


@pytest.mark.parametrize("code", EXAMPLES)
def test_a_text_keeps_what_its_language_writes(code: str) -> None:
    raw, clean = EXAMPLES[code]
    assert normalise(raw, profile(code)) == clean == normalise(clean, profile(code))


@pytest.mark.parametrize("code", FAMILY)
def test_characters_come_first_where_words_have_no_spaces(code: str) -> None:
    text = (EGS / f"commonvoice_{code}/asr1/conf/language.yaml").read_text(encoding="utf-8")
    assert ("type: char" in text) == (not profile(code).spaced) == (code in ("ja", "zh"))


def test_the_names_of_pages_are_those_of_the_table() -> None:
    for code in FAMILY:
        page = Path(EGS / f"commonvoice_{code}/asr1/README.md").read_text(encoding="utf-8")
        assert page.startswith(f"# commonvoice_{code}: English to {TABLE[code]['name']}\n")


@pytest.mark.parametrize(("code", "message"), [("sr-Latn", "no such preset"), ("qu_PE", "no such preset"),
                                               ('s"w', "have to be codes of languages"), ("", "have to be codes")])
def test_codes_that_a_recipe_takes_are_those_of_experiment_files(code: str, message: str) -> None:
    result = subprocess.run([EGS / "manifest/asr1/run.sh", "--preset", "none", "--target", code], env=ENV,
                            capture_output=True, text=True)
    assert result.returncode == 2 and message in result.stderr
    assert bool(mistake(code, Language, "code")) == (message != "no such preset")
