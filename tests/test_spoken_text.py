"""What is said of what is written: annotation, punctuation, numbers, invisible characters, each language's letters."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stxfer.text import numbers
from stxfer.text.annotation import Marker, spoken
from stxfer.text.characters import folded, is_simple, is_tone, seen, without_lone_modifiers
from stxfer.text.normalise import normalise
from stxfer.text.numbers import NUMBER
from stxfer.text.profiles import PROFILES, load_profiles, profile

ANNOTATION = [
    ("en", "(Applause) Thank you [noise] <unk> {laugh} ++breath++ *cough* %hesitation ok", "thank you ok"),
    ("en", "<v:noise> hi [laughter-yes] {um / uh} &=laughs !SIL", "hi yes um"),
    ("en", "so ((unintelligible)) I ((think)) (( )) yes", "so i think yes"),
    ("en", "(Laughter and applause) (Audience laughs) Now.", "now"),
    ("sw", "Habari (Makofi) yako (rafiki)", "habari yako rafiki"),
    ("de", "(Gelächter) Guten Tag [Musik]", "guten tag"),
    ("fr", "(Rires) Bonjour (Applaudissements)", "bonjour"),
    ("ru", "(Смех) Привет (друзья)", "привет друзья"),
    ("zh", "（笑声）你好（朋友）", "你好朋友"),
    ("ar", "(تصفيق) مرحبا", "مرحبا"),
    ("fr", "L&apos;homme &amp;quot;dit&amp;quot;&nbsp;: <b>oui</b><br/>non", "l'homme dit oui non"),
    ("en", "well @-@ known &#91;noise&#93; &#124; -LRB- end -RRB-", "well known end"),
    ("en", "un@@ der ▁The ▁cat >>swa<< <sw> [en]", "under the cat"),
    ("en", "word(s) (s)he [T]he", "words she the"),
    ("en", "hi :D ♪ la la ♪ ;-)", "hi la la"),
    ("en", "don\\'t\\nStop", "don't stop"),
    ("sw", "FaceBook\\Taimour \\u00e9 \\Rais", "facebook taimour é rais"),  # a backslash before a capital is none
    ("mdw", "s' éléngé l' ásá b\u2019 ekúlú", "s' éléngé l' ásá b' ekúlú"),
    *((lang, line, "") for lang, line in (
        ("sw", "REMOVE"), ("sw", "[REMOVE]"), ("en", "N/A"), ("fr", "nan"), ("de", "NULL"), ("hi", "-"), ("tr", "###"),
        ("en", "(Applause)"), ("en", "[noise] <sil>"), ("en", "00:00:01,000 --> 00:00:02,500")))]
PUNCTUATION = [
    ("am", "ሰላም፡ለዓለም።እንዴት፣ነህ", "ሰላም ለዓለም እንዴት ነህ"), ("hi", "राम।श्याम॥", "राम श्याम"),
    ("ur", "سلام،دنیا۔کیا؟ہاں؛نہیں", "سلام دنیا کیا ہاں نہیں"), ("bo", "བོད་སྐད།", "བོད སྐད"),
    ("hy", "Ի՞նչ ես, բարև։Հա՜", "ինչ ես բարև հա"),
    ("km", "សួស្តី។លា", "សួស្តី លា"),
    ("my", "မင်္ဂလာပါ။ကျွန်", "မင်္ဂလာပါ ကျွန်"),
    ("sat", "ᱚᱞ᱾ᱪᱤᱠᱤ", "ᱚᱞ ᱪᱤᱠᱤ"),
    ("el", "Γειά·σου;Ναι", "γειά σου ναι"),
    ("he", "צה\"ל בית־ספר ג'ירפה", "צה״ל בית ספר ג'ירפה"),
    ("xx", "ena/said\"hello\"and", "ena said hello and"),
    ("en", "Ph.D. U.S. J.R.Rowling 2020.Now", "phd us jr rowling 2020 now"),
    ("zh", "你好,世界1、2 ABC,DEF", "你好世界1 2 abc def"),
    ("nqo", "ߒߞߏ߸ߒߞߏ", "ߒߞߏ ߒߞߏ"),
    ("iu", "ᐃᓄᒃ᙮ᑎᑐᑦ", "ᐃᓄᒃ ᑎᑐᑦ")]
NUMBERS = [
    ("en", "-5 and 1.5, 25,000 or 10:30; 1/2 5% $5", "-5 and 1.5 25000 or 10:30 1/2 5% $5"),
    ("en", "1,2,3 and 10-15, 12/5/2020, .5", "1 2 3 and 10 15 12 5 2020 .5"),
    ("de", "1.234,5 und 25.000 und 1,5", "1234,5 und 25000 und 1,5"),
    ("xx", "25,000 25.000", "25,000 25.000"),
    ("ar", "٣٫٥ و ١٬٠٠٠ -٥ ٥٪", "3.5 و 1000 -5 5%"),
    ("hi", "१.५ और −५, १,००,०००", "१.५ और -५ १०००००"),
    ("fa", "۳٫۵ و ۵٪", "3.5 و 5%"),
    ("my", "၁.၅", "၁.၅"),
    ("th", "๑.๕ %", "๑.๕%"),
    ("en", "5² and ½", "5² and ½"),
    ("ja", "５² と ½、1.5", "5² と ½1.5"), ("fr", "25\u202f000 €", "25000€")]
INVISIBLE = [
    ("en", "co\u00adop te\u200bst \ufeffx a\ufe0f ❤️ 👨‍👩‍👧 \u202ehi\u202c 1️⃣ \ue000", "coop test x a hi 1"),
    ("fa", "می‌خواهم \u200c کتاب\u200c", "می‌خواهم کتاب"),
    ("ml", "അവന്‍ പോയി", "അവൻ പോയി"),
    ("si", "ශ්‍රී ලංකා", "ශ්‍රී ලංකා"),
    ("km", "ខ្ញុំ\u200bទៅ", "ខ្ញុំ ទៅ"),
    ("en", "\u0301a 🇰🇪 \U000e0067 b\u2066c\u2069", "a bc"),
    ("ko", "가\u3164나 \u115f", "가나"),
    ("hi", "क्‍ष राम\u200d", "क्‍ष राम"), ("en", "ﬁne Ｆull 𝐁old", "fine full bold")]
LETTERS = [
    ("uz", "Tog‘ o`zbek oʻgʻil o’g‘il", "tog' o'zbek o'g'il o'g'il"),
    ("haw", "ʻOkina Hawaiʻi ‘āina", "'okina hawai'i 'āina"),
    ("br", "c’h CʼHOAR", "c'h c'hoar"),
    ("uk", "п`ять п’ять пʼять п´ять", "п'ять п'ять п'ять п'ять"),
    ("mt", "ta’ l-għada", "ta' l għada"),
    ("ro", "şi ţară și", "și țară și"),
    ("tr", "IŞIK İZMİR", "ışık izmir"),
    ("crh", "QIRIM İş", "qırım iş"),
    ("cv", "çĕнĕ", "ҫӗнӗ"),
    ("th", "น้ํา เเม่", "น้ำ แม่"),
    ("ckb", "كوردي ه‌", "کوردی ە"),
    ("ur", "كيا يه", "کیا یہ"),
    ("ug", "کىتاب", "كىتاب"),
    ("ka", "ᲡᲐᲥᲐᲠᲗᲕᲔᲚᲝ", "საქართველო"),
    ("ca", "col.lecció col•lecció", "col·lecció col·lecció"),
    ("el", "ΟΔΟΣ.Ναι", "οδος ναι"),
    ("yo", "e̩ o̩", "ẹ ọ"),
    ("be", "аб’ект", "аб'ект"),
    ("sd", "کتاب كتاب", "کتاب ڪتاب"),
    ("ps", "گل ك", "ګل ک")]


@pytest.mark.parametrize(("lang", "raw", "clean"), [*ANNOTATION, *PUNCTUATION, *NUMBERS, *INVISIBLE, *LETTERS])
def test_what_is_said(lang: str, raw: str, clean: str) -> None:
    clean = unicodedata.normalize("NFC", clean)
    assert normalise(raw, profile(lang)) == clean
    assert normalise(clean, profile(lang)) == clean


def test_what_is_removed_is_told_by_kind() -> None:
    found: list[Marker] = []
    assert spoken("[noise] Ndio &amp; (Makofi) <i>sawa</i> (kweli) [en] :D", profile("sw"), found).split() == [
        "Ndio", "&", "sawa", "(kweli)"]
    assert sorted(found) == [("emoticon", ":D"), ("entity", "&amp;"), ("event", "(Makofi)"), ("event", "[noise]"),
                             ("language", "[en]"), ("tag", "</i>"), ("tag", "<i>")]


@pytest.mark.parametrize(("rules", "raw", "clean"), [
    ({"round": "all"}, "Ndio (rafiki) sawa", "ndio sawa"), ({"round": "keep"}, "Ndio (Makofi)", "ndio makofi"),
    ({"square": "events"}, "[Kenya] leo [noise]", "kenya leo"), ({"square": "keep"}, "[noise] leo", "noise leo"),
    ({"markup": "keep"}, "ndio &amp; *cough*", "ndio amp cough"), ({"events": ["nderemo"]}, "(Nderemo) leo", "leo"),
    ({"placeholders": ["HAKUNA"]}, "HAKUNA", ""), ({"digits": "remove"}, "saa -1.5 5% leo", "saa leo")])
def test_rules_of_a_profile(rules: dict[str, object], raw: str, clean: str) -> None:
    assert normalise(raw, load_profiles({"sw": rules})["sw"]) == clean


HARD = st.text(st.one_of(st.sampled_from("aسकあ1٣५.,:-%$'\"()[]<>{}&;@#*+~_/\\"
                                  "\u200b\u200c\u200d\u0301\u094d\ufe0f\u00a0σΣİI܀!nbsp"),
                         st.characters()))


@given(HARD, st.sampled_from(sorted(PROFILES)))
def test_properties_of_any_text(text: str, lang: str) -> None:
    once = normalise(text, PROFILES[lang])
    assert normalise(once, PROFILES[lang]) == once
    assert unicodedata.is_normalized("NFC", once)
    for word in once.split():
        assert any(unicodedata.category(char)[0] in "LN" or char in PROFILES[lang].letters for char in word)
    assert not [char for char in once if unicodedata.category(char)[0] == "C" and char not in "\u200c\u200d"]


def test_simple_characters_are_left_alone_by_what_is_spared_them() -> None:
    """A mark, a tone or another form among them would go unseen."""
    simple = [char for char in map(chr, range(0x110000)) if is_simple(char)]
    assert len(simple) > 700
    for char in simple:
        assert (seen(char), folded(char, everything=True), without_lone_modifiers(char)) == (char, char, char)
        assert unicodedata.category(char)[0] in "LNPSZ" and not is_tone(char)
        assert unicodedata.normalize("NFC", char) == char and not unicodedata.combining(char)


@given(st.text(st.one_of(st.sampled_from("a1٣5.,:-−%$€'’°/ \u00a0٫٬"), st.characters())))
def test_numbers_are_found_where_the_pattern_finds_them(text: str) -> None:
    assert [match.span() for match in numbers.find(text)] == [match.span() for match in NUMBER.finditer(text)]
