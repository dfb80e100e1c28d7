"""The bootstrap against a plain loop, on known cases, and its edge cases."""

from __future__ import annotations

import numpy as np
import pytest

from stxfer.score.significance import SEED, TOO_FEW, compare, error_rate, interval, resampled_sums
from stxfer.score.st import scores_of_sums, sentence_statistics


def made_up(rate: float, n: int = 200, words: int = 8, seed: int = 0) -> np.ndarray:
    """Return [errors, words] of utterances of which each word is wrong at ``rate``."""
    errors = np.random.default_rng(seed).binomial(words, rate, size=n)
    return np.stack([errors, np.full(n, words)], axis=1)


def test_resampling_is_the_plain_loop():
    stats = np.random.default_rng(1).integers(0, 9, size=(7, 3))
    rng = np.random.default_rng(SEED)
    plain = [sum(stats[i] for i in rng.integers(7, size=7)) for _ in range(50)]
    assert np.array_equal(resampled_sums(stats, 50), plain)


def test_resampling_in_blocks_is_resampling_at_once(monkeypatch):
    stats = made_up(0.3, n=5000)  # 400 resamples gathered at a time
    whole = np.random.default_rng(3).integers(5000, size=(900, 5000))
    assert np.array_equal(resampled_sums(stats, 900, seed=3)[:, 0], stats[whole, 0].sum(axis=1))


def test_comparison_is_the_plain_loop():
    system, baseline = made_up(0.2, n=30, seed=1), made_up(0.3, n=30, seed=2)
    rng, reductions = np.random.default_rng(SEED), []
    for _ in range(300):
        drawn = rng.integers(30, size=30)
        a, b = system[drawn, 0].sum(), baseline[drawn, 0].sum()
        reductions.append((b - a) / b)
    found = compare(system, baseline, error_rate, resamples=300)
    assert found.relative_reduction == pytest.approx(1 - system[:, 0].sum() / baseline[:, 0].sum())
    assert (found.ci_low, found.ci_high) == pytest.approx(tuple(np.percentile(reductions, [2.5, 97.5])))


def test_an_obviously_better_system_excludes_zero():
    found = compare(made_up(0.1, seed=1), made_up(0.4, seed=2), error_rate, resamples=2000)
    assert found.verdict == "better" and 0.6 < found.ci_low < found.relative_reduction < found.ci_high < 0.9
    assert compare(made_up(0.4, seed=2), made_up(0.1, seed=1), error_rate, resamples=2000).verdict == "worse"


def test_equal_systems_include_zero():
    same = made_up(0.3)
    found = compare(same, same.copy(), error_rate, resamples=500)
    assert (found.relative_reduction, found.ci_low, found.ci_high) == (0, 0, 0) and found.verdict == "unclear"
    alike = compare(made_up(0.3, seed=4), made_up(0.3, seed=5), error_rate, resamples=2000)
    assert alike.ci_low < 0 < alike.ci_high and alike.verdict == "unclear"


def test_pairing_narrows_the_interval():
    """Errors that both systems make on the same utterances cancel; shuffled, they do not."""
    rng = np.random.default_rng(6)
    hard = rng.integers(0, 8, size=300)
    baseline = np.stack([hard + rng.integers(0, 2, size=300), np.full(300, 9)], axis=1)
    system = np.stack([hard, np.full(300, 9)], axis=1)
    paired = compare(system, baseline, error_rate, resamples=2000)
    shuffled = compare(rng.permutation(system), baseline, error_rate, resamples=2000)
    assert paired.ci_high - paired.ci_low < 0.6 * (shuffled.ci_high - shuffled.ci_low)


def test_seeds_are_pooled_even_if_their_numbers_differ():
    one, two = made_up(0.2, seed=1), made_up(0.2, seed=2)
    assert interval(one + two, error_rate, resamples=10).value == pytest.approx(
        100 * (one[:, 0].sum() + two[:, 0].sum()) / (2 * one[:, 1].sum()))
    assert compare(one + one, one, error_rate, resamples=200).relative_reduction == pytest.approx(0)


def test_interval_is_as_wide_as_theory_says():
    found = interval(made_up(0.3, n=1000, words=10), error_rate, resamples=5000)
    half = 1.96 * 100 * (0.3 * 0.7 / 10_000) ** 0.5
    assert (found.high - found.low) / 2 == pytest.approx(half, rel=0.1) and found.low < found.value < found.high


def test_a_baseline_without_errors_has_no_relative_reduction():
    perfect = made_up(0.0)
    found = compare(made_up(0.1), perfect, error_rate, resamples=100)
    assert (found.relative_reduction, found.ci_low, found.ci_high, found.verdict) == (None, None, None, "unclear")


def test_bleu_gain_favours_the_better_translation():
    rng = np.random.default_rng(0)
    refs = [" ".join(rng.choice(list("abcdefghij"), size=9)) for _ in range(80)]

    def spoilt(rate: float) -> list[str]:
        return [" ".join(word if rng.random() > rate else "z" for word in ref.split()) for ref in refs]

    good, bad = (sentence_statistics("bleu", refs, spoilt(rate)) for rate in (0.1, 0.4))
    found = compare(good, bad, lambda sums: scores_of_sums("bleu", sums), higher_is_better=True, resamples=200)
    scores = [scores_of_sums("bleu", stats.sum(axis=0, keepdims=True))[0] for stats in (good, bad)]
    assert found.relative_reduction == pytest.approx(scores[0] / scores[1] - 1) and found.verdict == "better"


def test_systems_of_different_sets_are_refused():
    with pytest.raises(ValueError, match="3 and 4 utterances"):
        compare(made_up(0.1, n=3), made_up(0.1, n=4), error_rate, resamples=10)


FIVE_RIGHT = np.array([[0, 5]]), np.array([[5, 5]])  # all words of an utterance right; all wrong


@pytest.mark.parametrize("system, baseline, n, n_speakers, verdict", [
    (FIVE_RIGHT[0], FIVE_RIGHT[1], 1, None, TOO_FEW),  # one utterance proves nothing
    (made_up(0.1, n=5), made_up(0.6, n=5, seed=1), 5, None, TOO_FEW),
    (made_up(0.1, n=29), made_up(0.6, n=29, seed=1), 29, None, TOO_FEW),
    (made_up(0.1, n=30), made_up(0.6, n=30, seed=1), 30, None, "better"),
    (made_up(0.6, n=30, seed=1), made_up(0.1, n=30), 30, 3, "worse"),
    (made_up(0.1), made_up(0.6, seed=1), 200, 1, TOO_FEW),  # of one speaker
    (made_up(0.1), made_up(0.6, seed=1), 200, 2, TOO_FEW),
    (made_up(0.1), made_up(0.6, seed=1), 200, 3, "better"),
    (np.tile([[4, 10]], (200, 1)), np.tile([[5, 10]], (200, 1)), 200, None, TOO_FEW),  # no width: 20 % to the digit
    (made_up(0.3, n=29), made_up(0.3, n=29), 29, None, TOO_FEW),
    (made_up(0.3), made_up(0.3), 200, None, "unclear")])
def test_few_utterances_or_speakers_give_no_verdict(system, baseline, n, n_speakers, verdict):
    found = compare(system, baseline, error_rate, resamples=300, n_speakers=n_speakers)
    assert (found.verdict, found.n_utts, found.n_speakers) == (verdict, n, n_speakers)


@pytest.mark.parametrize("rates, n, at_least, at_most", [
    ((0.10, 0.60), 200, 30, 30),  # as few as give a verdict at all
    ((0.20, 0.30), 400, 30, 120),
    ((0.28, 0.30), 2000, 800, 6000)])
def test_the_utterances_needed_show_the_difference_in_four_of_five_test_sets(rates, n, at_least, at_most):
    system, baseline = (made_up(rate, n=n, seed=k) for k, rate in enumerate(rates))
    needed = compare(system, baseline, error_rate, resamples=1000).needed
    assert needed is not None and at_least <= needed <= at_most
    shown = sum(compare(*(made_up(rate, n=needed, seed=100 * trial + k) for k, rate in enumerate(rates)), error_rate,
                        resamples=300).verdict == "better" for trial in range(1, 41))
    assert shown >= 24  # of 40


def test_where_no_difference_was_seen_nobody_can_say_what_would_show_it():
    assert compare(made_up(0.3), made_up(0.3), error_rate, resamples=100).needed is None
    assert compare(*FIVE_RIGHT, error_rate, resamples=100).needed is None
