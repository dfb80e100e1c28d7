"""Text normalisation."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stxfer.text.normalise import PROFILES, normalise, profile

PROFILE = st.sampled_from(sorted(PROFILES)).map(PROFILES.__getitem__)
# Apostrophes, punctuation, marks and cased letters close together are what breaks normalisers.
HARD = st.text(st.one_of(st.sampled_from("aAiIİßΣσ'’‘ʼ.-–\u0301\u0307\u0338\u200d\u200b \t=<1é"), st.characters()))


@pytest.mark.parametrize(("lang", "raw", "clean"), [
    ("en", "Don’t STOP, it's 10:30!", "don't stop it's 10 30"),
    ("en", "'Tis the dogs' well-known $5.", "tis the dogs well known 5"),
    ("en", "The U.S. has 25,000 miles—or so…", "the us has 25000 miles or so"),
    ("sw", "Ng‘ombe wa Mwana`mke; “Habari?”", "ng'ombe wa mwana'mke habari"),
    ("sw", "jela.Kuna watu,hata 3.5", "jela kuna watu hata 35"),
    ("sw", "Mwana\u02bcmke", "mwana'mke"),
    ("mdw", "M\u02bcbo\u0301 Ɔ\u0301mbɛ", "m\u02bcb\u00f3 ɔ\u0301mbɛ"),
    ("hi", "हिन्दी, भाषा।", "हिन्दी भाषा"),
    ("en", " \u00a0a\u2028b ", "a b"),
    ("en", "!?", ""),
])
def test_examples(lang: str, raw: str, clean: str) -> None:
    assert normalise(raw, profile(lang)) == clean


@given(HARD, PROFILE)
def test_idempotent_and_single_spaced(text: str, rules) -> None:
    once = normalise(text, rules)
    assert normalise(once, rules) == once
    assert once == " ".join(once.split())
    assert unicodedata.is_normalized("NFC", once)
    assert once == once.lower()


@given(st.lists(st.tuples(st.sampled_from("aeioubɔɛkω"), st.sampled_from(["", "\u0301", "\u0300", "\u030c\u0323"])),
                min_size=1), PROFILE)
def test_keeps_combining_marks(letters, rules) -> None:
    word = "".join(base + mark for base, mark in letters)
    assert unicodedata.normalize("NFD", normalise(word, rules)) == unicodedata.normalize("NFD", word)


@given(HARD, PROFILE)
def test_apostrophes_only_inside_words(text: str, rules) -> None:
    for word in normalise(text, rules).split():
        assert not word.startswith("'")
        assert not word.endswith("'")
        assert "''" not in word


def test_identity_names_the_rules() -> None:
    assert profile("sw-KE").identity == profile("sw").identity != profile("en").identity
    assert profile("xx") is profile("default")
    assert profile("en").identity.startswith("norm:en.v")
