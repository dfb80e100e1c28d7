"""Filters of labels: what each drops, what it leaves alone, and the order in which reasons count."""

from __future__ import annotations

import pytest
import toy

from stxfer.core.errors import ConfigError
from stxfer.experiment.labels import Filters
from stxfer.mt.filters import Candidate, counts, dropped_labels, repetitions
from stxfer.mt.language import Identifier

# The others of a set, which say what length is usual.
USUAL = [Candidate(f"usual-{i:02d}", english, toy.swahili(english), -1.0 - i / 100)
         for i, english in enumerate(toy.ENGLISH)]


def reason(filters: Filters, source: str, text: str, **options: object) -> str | None:
    candidates = [*USUAL, Candidate("u", source, text, -1.0)]
    dropped = dropped_labels(candidates, filters, **options)  # type: ignore[arg-type]
    assert set(dropped) <= {"u"}, "ordinary labels pass every filter"
    return dropped.get("u")


@pytest.mark.parametrize(("filters", "source", "text", "expected"), [
    (Filters(), "the dog sees the cat", "", "empty translation"),
    (Filters(), "the dog", "mbwa " * 50, None),
    (Filters(length_ratio=2.5), "the dog sees the cat", "mbwa anaona paka", None),
    (Filters(length_ratio=2.5), "the dog sees the cat", "mbwa anaona paka " * 4, "length ratio"),
    (Filters(length_ratio=2.5), "the dog sees the cat and the house and the book " * 2, "mbwa",
     "length ratio"),
    (Filters(length_ratio=2.5), "yes", "ndiyo mama", None),  # short sentences vary
    (Filters(repetition=4), "the dog sees", "mbwa anaona anaona anaona", None),
    (Filters(repetition=4), "the dog sees", "mbwa anaona anaona anaona anaona", "repetition: 4 times the same"),
    (Filters(repetition=4), "the dog sees", "na mbwa wa " * 4, "repetition: 4 times the same"),
    (Filters(repetition=4), "no no no no", "la la la la", None),  # so is the source
    (Filters(repetition=4), "long live", "万岁万岁万岁万岁万岁万岁万岁万岁万岁", "repetition: 9 times the same"),
    (Filters(copied=0.5), "john sees mary", "john anaona mary", "copied source: 2 of 3 words"),
    (Filters(copied=0.5), "我爱北京天安门", "我爱北京天安門", "copied source: 6 of 7 words"),
    (Filters(copied=0.5), "i like the iphone", "我喜欢 iphone", None),  # four words
    (Filters(copied=0.5), "ฉันรักแมว", "ฉันรักหมา", "copied source: 7 of 9 words"),
    (Filters(copied=0.5), "john sees the cat", "john anaona paka", None),
    (Filters(copied=0.5), "the the", "the mbwa paka", None),  # a word counts as often as both have it
    (Filters(script="Latin"), "the dog", "собака", "wrong script: 0 of 6 letters are Latin"),
    (Filters(script="Latin"), "the dog", "žluťoučký kůň 25", None),
    (Filters(script="Cyrillic"), "the dog", "25 000", None),  # no letters, no script
    (Filters(held_out=True), "the dog", "mbwa ni mzuri", "test sentence: stands in tgt_test/text"),
    (Filters(), "the dog", "mbwa ni mzuri", None),
])
def test_each_filter(filters: Filters, source: str, text: str, expected: str | None) -> None:
    if filters.script == "Cyrillic":
        assert dropped_labels([Candidate("u", source, text)], filters) == {}
        return
    found = reason(filters, source, text, held_out={"mbwa ni mzuri": "tgt_test/text"})
    assert found == expected or (expected == "length ratio" and (found or "").startswith(expected + ": "))


def test_language_is_told_by_what_the_bitext_looks_like() -> None:
    identifier = Identifier("en", "sw", [(english, toy.swahili(english)) for english in toy.ENGLISH[::2]])
    assert identifier.accuracy([(english, toy.swahili(english)) for english in toy.ENGLISH[1::2]]) == 1
    filters = Filters(language="sw")
    assert reason(filters, "the dog", "the dog follows the house", identifier=identifier).startswith(  # type: ignore[union-attr]
        "wrong language: reads like en (-")
    assert reason(filters, "the dog", "mbwa anafuata nyumba", identifier=identifier) is None


def test_the_worst_scores_of_what_the_other_filters_leave() -> None:
    empty = [Candidate(f"e{i}", "the dog", "", -99.0) for i in range(50)]
    dropped = dropped_labels([*USUAL, *empty], Filters(score_percentile=25))
    assert counts(dropped) == {"empty translation": 50, "low score": 12}
    each = {c.utt: (c.score or 0) / (len(c.text) + 1) for c in USUAL}
    worst = {utt for utt, why in dropped.items() if why.startswith("low")}
    assert max(each[utt] for utt in worst) <= min(each[utt] for utt in each.keys() - worst)
    with pytest.raises(ConfigError, match="labels: filters.score_percentile needs scores, and these labels have none"):
        dropped_labels([Candidate("u", "a", "b")], Filters(score_percentile=25))


def test_the_first_reason_counts() -> None:
    filters = Filters(repetition=3, copied=0.5, score_percentile=50)
    candidates = [Candidate("a", "x", "x x x", -1), Candidate("b", "x", "x", -1), Candidate("c", "x", "y", -9.0)]
    dropped = dropped_labels(candidates, filters)
    assert counts(dropped) == {"repetition": 1, "copied source": 1}  # half of the one that is left is none


@pytest.mark.parametrize(("text", "times"), [("", 1), ("a", 1), ("a b a b", 2), ("a b c a b", 1), ("a a a", 3),
                                             ("x a b c d a b c d a b c d y", 3), ("a b a", 1)])
def test_repetitions(text: str, times: int) -> None:
    assert repetitions(text) == times
