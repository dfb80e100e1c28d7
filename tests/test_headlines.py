"""What the report says of crafted comparisons, and which of it is a headline."""

from __future__ import annotations

from typing import Any

import pytest

from stxfer.report.headlines import detectable_line, headline, headlines, is_headline

CELL = {"system": "a", "baseline": "b", "metric": "wer", "verdict": "better", "relative_reduction": 0.213,
        "ci_low": 0.17, "ci_high": 0.251, "over": ["speakers", "seeds"], "baseline_value": 40.0, "p": 0.001,
        "p_holm": 0.004, "n_tests": 4, "needed": 12, "needed_of": "speakers", "n_utts": 300, "n_speakers": 20,
        "n_seeds": 3, "n_seeds_baseline": 3}
ALONE = {"over": ["utterances"], "needed_of": "utterances", "n_seeds": 1}
NONE = {"relative_reduction": 0.01, "ci_low": -0.02, "ci_high": 0.04, "verdict": "unclear"}


@pytest.mark.parametrize(("changes", "sentence", "top"), [
    ({}, "a beats b by 21.3 % relative WER [17.0, 25.1] (300 utterances of 20 speakers; 3 seeds)", True),
    ({**ALONE, "n_utts": 89, "n_speakers": 1},
     "a beats b by 21.3 % relative WER [17.0, 25.1] (89 utterances of 1 speaker: for that speaker alone; one seed)",
     True),
    ({**ALONE, "n_seeds": 2, "n_speakers": 3},
     "a beats b by 21.3 % relative WER [17.0, 25.1] (300 utterances of 3 speakers: for those speakers alone; 2 seeds, "
     "too few to speak for others)", True),
    ({"over": ["utterances", "seeds"], "n_speakers": None},
     "a beats b by 21.3 % relative WER [17.0, 25.1] (300 utterances, not known of whom; 3 seeds)", True),
    ({"over": ["speakers"], "n_seeds_baseline": 1},
     "a beats b by 21.3 % relative WER [17.0, 25.1] (300 utterances of 20 speakers; one seed)", True),
    ({"baseline_value": 50.0},
     "a is better than b by 21.3 % relative WER [17.0, 25.1] (300 utterances of 20 speakers; 3 seeds), but b is of "
     "little use itself: WER 50.0, not below 50", False),
    ({"metric": "bleu", "baseline_value": 9.9},
     "a is better than b by 21.3 % relative BLEU [17.0, 25.1] (300 utterances of 20 speakers; 3 seeds), but b is of "
     "little use itself: BLEU 9.9, below 10", False),
    ({"metric": "bleu", "baseline_value": 10.0},
     "a beats b by 21.3 % relative BLEU [17.0, 25.1] (300 utterances of 20 speakers; 3 seeds)", True),
    ({"verdict": "worse", "relative_reduction": -0.05, "ci_low": -0.08, "ci_high": -0.02},
     "a is worse than b by 5.0 % relative WER [2.0, 8.0] (300 utterances of 20 speakers; 3 seeds)", False),
    (NONE, "a against b: no difference that the interval confirms (+1.0 % relative WER [-2.0, +4.0]; 300 utterances of "
     "20 speakers; 3 seeds)", False),
    ({**NONE, "needed": 4000}, "a against b: no difference that the interval confirms (+1.0 % relative WER [-2.0, "
     "+4.0]; 300 utterances of 20 speakers; 3 seeds); a test set of about 4,000 speakers would show a difference of "
     "this size", False),
    ({**NONE, "needed": None, "needed_of": "seeds"}, "a against b: no difference that the interval confirms (+1.0 % "
     "relative WER [-2.0, +4.0]; 300 utterances of 20 speakers; 3 seeds); more training seeds are needed before more "
     "speech could show a difference of this size", False),
    ({"verdict": "unclear", "ci_low": 0.01, "p": 0.03, "p_holm": 0.12},
     "a against b: no difference that is confirmed among 4 comparisons (+21.3 % relative WER [+1.0, +25.1]; 300 "
     "utterances of 20 speakers; 3 seeds; p 0.03, corrected 0.12, not below 0.05)", False),
    ({"verdict": "too few to tell", "n_utts": 12, "n_speakers": None, "needed": 30, "needed_of": "utterances"},
     "a against b: too few to tell (+21.3 % relative WER; 12 utterances); a test set of about 30 utterances would show "
     "a difference of this size", False),
    ({"verdict": "too few to tell", "n_utts": 1, "n_speakers": 1, "needed": 2_000_000, "needed_of": "utterances"},
     "a against b: too few to tell (+21.3 % relative WER; 1 utterance of 1 speaker); a test set of more than a million "
     "utterances would show a difference of this size", False),
    ({"verdict": "unclear", "relative_reduction": None, "ci_low": None, "ci_high": None},
     "a against b: no relative WER, the score of b is 0 or nearly so", False)])
def test_headline(changes: dict[str, Any], sentence: str, top: bool) -> None:
    cell = CELL | changes
    assert (headline(cell), is_headline(cell)) == (sentence, top)


def test_each_pair_has_the_sentence_of_the_metric_it_is_judged_by() -> None:
    results = {"comparisons": [CELL | {"metric": "cer", "relative_reduction": 0.5}, CELL, CELL | {"baseline": "c"},
                               CELL | {"metric": "chrf", "system": "st"}, CELL | {"metric": "bleu", "system": "st"}]}
    assert [(line.split(" (")[0], top) for line, top in headlines(results)] == [
        ("a beats b by 21.3 % relative WER [17.0, 25.1]", True),
        ("a beats c by 21.3 % relative WER [17.0, 25.1]", True),
        ("st beats b by 21.3 % relative BLEU [17.0, 25.1]", True)]


@pytest.mark.parametrize(("changes", "sentence"), [
    ({}, "tgt_test (300 utterances of 8 speakers) shows a difference of 7 % relative WER or more in four of five "
     "cases, before correction (the median of 6 pairs of systems)"),
    ({"pairs": 1, "n_speakers": None}, "tgt_test (300 utterances) shows a difference of 7 % relative WER or more in "
     "four of five cases, before correction (the median of 1 pair of systems)"),
    ({"pairs": 0}, "tgt_test (300 utterances of 8 speakers) shows a difference of 7 % relative WER or more in four of "
     "five cases, before correction (of two systems whose errors have nothing to do with each other)"),
    ({"difference": None}, "tgt_test (300 utterances of 8 speakers): which differences it would show cannot be told")])
def test_what_a_test_set_can_show(changes: dict[str, Any], sentence: str) -> None:
    cell = {"set": "tgt_test", "metric": "wer", "difference": 0.071, "pairs": 6, "n_utts": 300, "n_speakers": 8}
    assert detectable_line(cell | changes) == sentence
