"""Bootstraps against plain loops and theory, verdicts on known cases, and Holm's correction."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as some
from scipy.stats import t as student

from stxfer.score import bootstrap
from stxfer.score.bootstrap import SEED, resampled_sums
from stxfer.score.draws import draw
from stxfer.score.significance import (
    BETTER,
    TOO_FEW,
    UNCLEAR,
    WORSE,
    Draws,
    Judged,
    error_rate,
    holm,
    judge_difference,
    judge_gain,
    judge_score,
)
from stxfer.score.st import scores_of_sums, sentence_statistics


def made_up(rate: float, n: int = 200, words: int = 8, seed: int = 0) -> np.ndarray:
    """Return [errors, words] of utterances of which each word is wrong at ``rate``."""
    errors = np.random.default_rng(seed).binomial(words, rate, size=n)
    return np.stack([errors, np.full(n, words)], axis=1)


def drawn(*stats: np.ndarray, resamples: int = 500, n_speakers: int | None = None) -> list[Draws]:
    """Return systems of one seed each, whose utterances ``n_speakers`` speak in turn."""
    speakers = None if n_speakers is None else [f"s{i % n_speakers}" for i in range(len(stats[0]))]
    return list(draw({str(i): {1: of} for i, of in enumerate(stats)}, resamples, speakers=speakers).values())


def compared(system: np.ndarray, baseline: np.ndarray, **how: int | None) -> Judged:
    return judge_gain(*drawn(system, baseline, **how), error_rate)


def verdict(system: np.ndarray, baseline: np.ndarray, **how: int | None) -> str:
    """Return the verdict on the only comparison there is."""
    pair = drawn(system, baseline, **how)
    return judge_gain(*pair, error_rate).verdict(judge_difference(*pair, error_rate).best.p)


def test_resampling_is_the_plain_loop():
    stats = np.random.default_rng(1).integers(0, 9, size=(7, 3))
    rng = np.random.default_rng(SEED)
    plain = [sum(stats[i] for i in rng.integers(7, size=7)) for _ in range(50)]
    assert np.array_equal(resampled_sums(stats, 50), plain)


def test_resampling_in_blocks_is_resampling_at_once(monkeypatch):
    monkeypatch.setattr(bootstrap, "_BLOCK", 3000)  # 6 resamples counted at a time
    stats = made_up(0.3, n=500)
    whole = np.random.default_rng(3).integers(500, size=(90, 500))
    assert np.array_equal(resampled_sums(stats, 90, seed=3)[:, 0], stats[whole, 0].sum(axis=1))


def test_comparison_is_the_plain_loop():
    system, baseline = made_up(0.2, n=30, seed=1), made_up(0.3, n=30, seed=2)
    rng, reductions = np.random.default_rng(SEED), []
    for _ in range(300):
        chosen = rng.integers(30, size=30)
        a, b = system[chosen, 0].sum(), baseline[chosen, 0].sum()
        reductions.append((b - a) / b)
    found = compared(system, baseline, resamples=300).best
    value = 1 - system[:, 0].sum() / baseline[:, 0].sum()
    wider = student.ppf(0.975, 29) / 1.959964 * np.sqrt(30 / 29)
    low, high = value + wider * (np.percentile(reductions, [2.5, 97.5]) - value)
    assert (found.value, found.low, found.high) == pytest.approx((value, low, high))
    assert found.error == pytest.approx(np.std(reductions) * np.sqrt(30 / 29))


def test_speakers_are_drawn_whole():
    system, baseline = made_up(0.2, n=60, seed=1), made_up(0.3, n=60, seed=2)
    rng, reductions = np.random.default_rng(SEED), []
    for _ in range(200):
        chosen = np.concatenate([np.arange(speaker, 60, 6) for speaker in rng.integers(6, size=6)])
        reductions.append(1 - system[chosen, 0].sum() / baseline[chosen, 0].sum())
    found = compared(system, baseline, resamples=200, n_speakers=6)
    assert found.over == ["speakers"] and list(found.estimates) == ["utterances", "speakers"]
    assert found.best.error == pytest.approx(np.std(reductions) * np.sqrt(6 / 5))


def test_speakers_who_say_unequally_much_count_for_fewer():
    speakers = ["most"] * 90 + [f"s{i}" for i in range(10)]
    unit = np.array([0] * 20 + [1] * 10)
    assert bootstrap.effective_number(unit) == pytest.approx((400 + 100) ** 2 / (160_000 + 10_000))
    stats = {"a": {1: made_up(0.3, n=100)}}
    assert judge_score(draw(stats, 100, speakers=speakers)["a"], error_rate).over == ["utterances"]
    even, uneven = (draw(stats, 100, speakers=of)["a"] for of in (
        [f"s{i % 10}" for i in range(100)], ["s0"] * 20 + [f"s{i % 10}" for i in range(80)]))
    assert even.effective["speakers"] == pytest.approx(10) and 2 < uneven.effective["speakers"] < 4
    assert judge_score(uneven, error_rate).best.freedom == pytest.approx(uneven.effective["speakers"] - 1)


def seeded(rates: dict[int, float], n: int = 300) -> dict[int, np.ndarray]:
    return {seed: made_up(rate, n=n, seed=seed) for seed, rate in rates.items()}


def test_seeds_that_differ_widen_the_interval_and_two_are_too_few():
    alike, apart = seeded({1: 0.2, 2: 0.2, 3: 0.2}), seeded({1: 0.1, 2: 0.2, 3: 0.3})
    found = {name: judge_score(of, error_rate)
             for name, of in draw({"alike": alike, "apart": apart, "two": seeded({1: 0.1, 2: 0.3})}, 500).items()}
    assert found["alike"].over == found["apart"].over == ["utterances", "seeds"]
    assert found["apart"].best.high - found["apart"].best.low > 5 * (found["alike"].best.high - found["alike"].best.low)
    assert found["two"].over == ["utterances"]
    # Over utterances alone, what differs between seeds does not count.
    same = [of.estimates["utterances"].error for of in found.values()]
    assert max(same) < 1.5 * min(same)


def test_the_variance_between_seeds_is_that_of_their_scores():
    rates = {1: 0.10, 2: 0.16, 3: 0.20, 4: 0.29}
    made = seeded(rates)
    found = judge_score(draw({"a": made}, 500)["a"], error_rate).best
    scores = [error_rate(of.sum(axis=0, keepdims=True))[0] for of in made.values()]
    assert found.error ** 2 - found.unit_error ** 2 == pytest.approx(np.var(scores, ddof=1) / 4)
    assert 3 < found.freedom < 3.2  # nearly all of it is between seeds
    assert found.high - found.low == pytest.approx(2 * student.ppf(0.975, found.freedom) * found.error, rel=0.1)


def test_seeds_of_both_systems_are_drawn_together_if_they_are_the_same():
    """What a seed does to both systems, which start from its source model, cancels."""
    baseline = seeded({1: 0.2, 2: 0.4, 3: 0.6})
    system = {seed: np.stack([np.minimum(of[:, 0], 8) * 9 // 10, of[:, 1]], axis=1) for seed, of in baseline.items()}
    other = {seed + 10: of for seed, of in system.items()}
    pair, apart = (draw({"system": of, "baseline": baseline}, 500) for of in (system, other))
    together, alone = (judge_gain(of["system"], of["baseline"], error_rate).best for of in (pair, apart))
    assert together.value == pytest.approx(alone.value) and together.error < 0.3 * alone.error


def test_an_obviously_better_system_excludes_zero():
    found = compared(made_up(0.1, seed=1), made_up(0.4, seed=2), resamples=2000).best
    assert 0.6 < found.low < found.value < found.high < 0.9
    assert verdict(made_up(0.1, seed=1), made_up(0.4, seed=2)) == BETTER
    assert verdict(made_up(0.4, seed=2), made_up(0.1, seed=1)) == WORSE


def test_equal_systems_include_zero():
    same = made_up(0.3)
    found = compared(same, same.copy())
    assert (found.best.value, found.best.low, found.best.high) == (0, 0, 0) and found.verdict(None) == UNCLEAR
    alike = compared(made_up(0.3, seed=4), made_up(0.3, seed=5), resamples=2000)
    assert alike.best.low < 0 < alike.best.high and alike.verdict(0.001) == UNCLEAR


def test_an_interval_beside_zero_is_not_enough_after_correction():
    found = compared(made_up(0.2, seed=1), made_up(0.3, seed=2))
    assert found.best.low > 0
    assert [found.verdict(p) for p in (0.049, 0.05, 0.3)] == [BETTER, UNCLEAR, UNCLEAR]


def test_pairing_narrows_the_interval():
    """Errors that both systems make on the same utterances cancel; shuffled, they do not."""
    rng = np.random.default_rng(6)
    hard = rng.integers(0, 8, size=300)
    baseline = np.stack([hard + rng.integers(0, 2, size=300), np.full(300, 9)], axis=1)
    system = np.stack([hard, np.full(300, 9)], axis=1)
    paired, shuffled = (compared(of, baseline, resamples=2000).best for of in (system, rng.permutation(system)))
    assert paired.high - paired.low < 0.6 * (shuffled.high - shuffled.low)


def test_interval_and_p_value_are_as_theory_says():
    found = judge_score(drawn(made_up(0.3, n=1000, words=10), resamples=5000)[0], error_rate).best
    assert (found.high - found.low) / 2 == pytest.approx(1.96 * 100 * (0.3 * 0.7 / 10_000) ** 0.5, rel=0.1)
    system, baseline = (made_up(rate, n=60, seed=seed) for seed, rate in ((1, 0.28), (2, 0.33)))
    difference = judge_difference(*drawn(system, baseline, resamples=20_000), error_rate).best
    each = 100 * (system[:, 0] - baseline[:, 0]) / 8
    t = each.mean() / (each.std(ddof=1) / np.sqrt(60))
    assert difference.value == pytest.approx(each.mean())
    assert difference.p == pytest.approx(2 * student.sf(abs(t), 59), rel=0.05)


def test_a_baseline_without_errors_has_no_relative_reduction():
    found = compared(made_up(0.1), made_up(0.0))
    assert not found.has_value and found.verdict(0.001) == UNCLEAR
    assert found.needed is None and found.detectable is None


def test_bleu_gain_favours_the_better_translation():
    rng = np.random.default_rng(0)
    refs = [" ".join(rng.choice(list("abcdefghij"), size=9)) for _ in range(80)]

    def spoilt(rate: float) -> list[str]:
        return [" ".join(word if rng.random() > rate else "z" for word in ref.split()) for ref in refs]

    good, bad = (sentence_statistics("bleu", refs, spoilt(rate)) for rate in (0.1, 0.4))
    pair, bleu = drawn(good, bad, resamples=200), partial(scores_of_sums, "bleu")
    found = judge_gain(*pair, bleu, higher_is_better=True)
    scores = [scores_of_sums("bleu", stats.sum(axis=0, keepdims=True))[0] for stats in (good, bad)]
    assert found.best.value == pytest.approx(scores[0] / scores[1] - 1)
    assert found.verdict(judge_difference(*pair, bleu).best.p) == BETTER


def test_systems_of_different_sets_are_refused():
    with pytest.raises(ValueError, match="3 and 4 utterances"):
        judge_gain(*drawn(made_up(0.1, n=3)), *drawn(made_up(0.1, n=4)), error_rate)


FIVE_RIGHT = np.array([[0, 5]]), np.array([[5, 5]])  # all words of an utterance right; all wrong


@pytest.mark.parametrize("system, baseline, n_speakers, told", [
    (*FIVE_RIGHT, None, TOO_FEW),  # one utterance proves nothing
    (made_up(0.1, n=5), made_up(0.6, n=5, seed=1), None, TOO_FEW),
    (made_up(0.1, n=29), made_up(0.6, n=29, seed=1), None, TOO_FEW),
    (made_up(0.1, n=30), made_up(0.6, n=30, seed=1), None, BETTER),
    (made_up(0.6, n=30, seed=1), made_up(0.1, n=30), 5, WORSE),
    (made_up(0.1), made_up(0.6, seed=1), 1, BETTER),  # of this one speaker, which the sentence says
    (made_up(0.1), made_up(0.6, seed=1), 8, BETTER),
    (np.tile([[4, 10]], (200, 1)), np.tile([[5, 10]], (200, 1)), None, TOO_FEW),  # no width: 20 % to the digit
    (made_up(0.3, n=29), made_up(0.3, n=29), None, TOO_FEW),
    (made_up(0.3), made_up(0.3), None, UNCLEAR)])
def test_few_utterances_give_no_verdict(system, baseline, n_speakers, told):
    assert verdict(system, baseline, n_speakers=n_speakers) == told
    found = compared(system, baseline, n_speakers=n_speakers)
    assert found.over == ["speakers" if (n_speakers or 0) >= 5 else "utterances"]


@pytest.mark.parametrize("rates, n, at_least, at_most", [
    ((0.10, 0.60), 200, 30, 30),  # as few as give a verdict at all
    ((0.20, 0.30), 400, 30, 120),
    ((0.28, 0.30), 2000, 800, 6000)])
def test_the_utterances_needed_show_the_difference_in_four_of_five_test_sets(rates, n, at_least, at_most):
    system, baseline = (made_up(rate, n=n, seed=k) for k, rate in enumerate(rates))
    needed = compared(system, baseline, resamples=1000).needed
    assert needed is not None and at_least <= needed <= at_most
    shown = sum(verdict(*(made_up(rate, n=needed, seed=100 * trial + k) for k, rate in enumerate(rates)),
                        resamples=300) == BETTER for trial in range(1, 41))
    assert shown >= 24  # of 40


def test_a_detectable_difference_is_detected_in_four_of_five_test_sets():
    found = compared(made_up(0.3, n=400, seed=1), made_up(0.3, n=400, seed=2), resamples=1000).detectable
    assert found is not None and 0.05 < found < 0.2
    shown = sum(verdict(made_up(0.3 * (1 - found), n=400, seed=200 + trial), made_up(0.3, n=400, seed=trial),
                        resamples=300) == BETTER for trial in range(1, 41))
    assert 24 <= shown <= 38


def test_what_five_speakers_can_show_is_by_students_t():
    """Four degrees of freedom: t is 2.776 at 0.975 and 0.941 at 0.8."""
    found = compared(made_up(0.28), made_up(0.3, seed=1), n_speakers=5)
    assert found.best.freedom == pytest.approx(4)
    assert found.detectable == pytest.approx(3.717 * found.best.error, rel=1e-3)
    assert found.needed == max(5, int(np.ceil(5 * (3.717 * found.best.error / found.best.value) ** 2)))


def test_a_difference_that_does_not_vary_is_no_evidence():
    """One error less in each utterance: the relative gain has an interval, the difference has none."""
    system = made_up(0.5)
    pair = drawn(system, system + [1, 0])
    gain, difference = judge_gain(*pair, error_rate), judge_difference(*pair, error_rate)
    assert gain.enough and gain.best.low > 0 and difference.best.p is None
    assert gain.verdict(None) == TOO_FEW


def test_where_no_difference_was_seen_nobody_can_say_what_would_show_it():
    assert compared(made_up(0.3), made_up(0.3)).needed is None
    assert compared(*FIVE_RIGHT).needed is None


def test_more_utterances_do_not_help_where_seeds_differ_too_much():
    pair = draw({"a": seeded({1: 0.1, 2: 0.3, 3: 0.5}), "b": seeded({11: 0.5, 12: 0.1, 13: 0.32})}, 300)
    found = judge_gain(pair["a"], pair["b"], error_rate)
    assert found.needed is None and found.best.value != 0


def test_holm_by_hand():
    """m = 4: 0.01 x 4, 0.015 x 3 (not below 0.04), 0.03 x 2, 0.2 x 1."""
    assert holm([0.03, 0.01, None, 0.2, 0.015]) == pytest.approx([0.06, 0.04, None, 0.2, 0.045])
    assert holm([0.04, 0.04]) == [0.08, 0.08] and holm([0.9, 0.8]) == [1.0, 1.0] and holm([None]) == [None]


@given(some.lists(some.floats(0, 1), min_size=1, max_size=12))
def test_holm_lies_between_the_p_value_and_bonferroni_and_keeps_the_order(p_values):
    found = holm(p_values)
    for p, corrected in zip(p_values, found, strict=True):
        assert corrected is not None and p <= corrected <= min(1.0, len(p_values) * p) + 1e-12
    ranked = [corrected for _, corrected in sorted(zip(p_values, found, strict=True))]
    assert ranked == sorted(ranked) and found[int(np.argmin(p_values))] == pytest.approx(
        min(1.0, len(p_values) * min(p_values)))
