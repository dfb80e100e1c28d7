"""What is a loop in a hypothesis and what people say."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stxfer.text.repetition import LETTER_TIMES, WORD_TIMES, loop, most_repeated


@pytest.mark.parametrize("text", [
    "asante sana sana", "twende pole pole", "no no no i did not", "haraka haraka haina baraka", "kidogo kidogo hujaza",
    "il est très très très gentil", "yavaş yavaş geldi", "hahaha", "ha ha ha", "wa dzwa ó síngi dzwa ó síngi",
    "mùsωngùsωngù", "आप धीरे धीरे चलिए", "very very very good", "哈哈哈", "谢谢谢谢", "ไปเรื่อย ๆ",
    "zero zero seven zero zero", "1000000000", "et puis et puis et puis", "wiki wiki", "aa", "", "na"])
def test_what_people_say_is_no_loop(text: str) -> None:
    assert loop(text) == ""


@pytest.mark.parametrize(("text", "told"), [
    ("na na na na", "4 times 'na'"),
    ("alisema kwamba na kwa na kwa na kwa na kwa", "4 times 'na kwa'"),
    ("il a dit que le roi est mort " * 4, "4 times 'il a dit que le roi est mort'"),
    ("ngá ngá ngá ngá ngá á lεngε", "5 times 'ngá'"),
    ("ng'ombe ng'ombe ng'ombe ng'ombe", "4 times 'ng'ombe'"),
    ("wa kakakakakaka", "6 times 'ka'"), ("aaaaaaaa", "8 times 'a'"),
    ("我们我们我们我们我们", "5 times '我们'"), ("我们 我们 我们 我们 我们", "5 times '我们'"),
    ("ครับครับครับครับครับ", "5 times 'ครับ'"), ("नहीं नहीं नहीं नहीं", "4 times 'नहीं'"),
    ("нет нет нет нет нет", "5 times 'нет'")])
def test_loops_are_told(text: str, told: str) -> None:
    assert loop(text).replace('"', "'") == told


WORDS = st.lists(st.sampled_from(["mtoto", "na", "kwa", "wa", "sana", "pole"]), max_size=12)


@given(WORDS, st.lists(st.sampled_from(["mtoto", "kwa", "sana"]), min_size=1, max_size=6), st.integers(1, 8), WORDS)
def test_four_in_a_row_are_a_loop_whatever_stands_around(before: list[str], sequence: list[str], times: int,
                                                         after: list[str]) -> None:
    text = " ".join([*before, *sequence * times, *after])
    assert loop(text) or times < WORD_TIMES


@given(st.text(alphabet="abc ", max_size=40))
def test_the_definition_word_by_word(text: str) -> None:
    """Against the definition spelt out: some sequence, so often in a row."""
    def repeats(units: list[str] | str, times: int) -> bool:
        return any(units[at:at + size * times] == units[at:at + size] * times and len(units) >= at + size * times
                   for size in range(1, len(units) + 1) for at in range(len(units) - size * times + 1))

    words = text.split()
    assert bool(loop(text)) == (repeats(words, WORD_TIMES) or any(repeats(word, LETTER_TIMES) for word in words))


def test_of_equals_the_shortest_sequence_is_told() -> None:
    assert most_repeated("ab" * 4 + "x" + "c" * 4, 6) == (4, ("c",))
    assert most_repeated("abcd", 2) == (1, ())
