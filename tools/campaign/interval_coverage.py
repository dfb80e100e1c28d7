#!/usr/bin/env python3
"""How often the intervals of a comparison hold the truth, and how often equal systems are told apart, by simulation.

Test sets are drawn from a population that is known: speakers, utterances of unequal length and difficulty, systems
trained with several seeds; both systems find the same speakers and utterances hard, and a speaker suits one of them
better. The word errors are drawn from that, compared as the report compares them, and counted: a 95 % interval of the
relative reduction should hold the population's in 93 to 97 % of test sets.

    tools/campaign/interval_coverage.py [--trials N] [--cases NAME ...]

Prints a line for each case: the share of test sets whose interval holds the truth, over utterances alone, over what the
report shows, and by the plain percentiles of the same draws; the share in which systems that are equal in the
population differ with p < 0.05; and one of JSON.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from stxfer.score.draws import draw  # noqa: E402
from stxfer.score.significance import error_rate, judge_difference, judge_gain  # noqa: E402

RESAMPLES = 1000
BASELINE = 0.30  # word errors of a word of an average utterance
GAIN = 0.2


@dataclass(frozen=True)
class Case:
    """A population, and how much of it a test set takes.

    Attributes:
        speakers: of the test set.
        utterances: of each speaker, on average.
        uneven: spread of the logarithm of a speaker's number of utterances.
        voice: spread of the logarithm of a speaker's error rate; half of it is for one system and against the other.
        seeds: that each system is trained with.
        training: spread of the logarithm of a seed's error rate, of each system for itself.
        together: spread of what a seed does to both systems, which start from its source model.
    """

    speakers: int
    utterances: float
    uneven: float = 0.0
    voice: float = 0.0
    seeds: int = 1
    training: float = 0.0
    together: float = 0.0


CASES = {
    "30 utterances": Case(30, 1),
    "300 utterances": Case(300, 1),
    "5 speakers, 40 each": Case(5, 40, voice=0.3),
    "8 speakers, 40 each": Case(8, 40, voice=0.3),
    "20 speakers, 20 each": Case(20, 20, voice=0.3),
    "5 speakers, uneven": Case(5, 40, uneven=0.5, voice=0.3),
    "8 speakers, uneven": Case(8, 40, uneven=0.5, voice=0.3),
    "20 speakers, uneven": Case(20, 20, uneven=0.5, voice=0.3),
    "100 speakers, uneven": Case(100, 5, uneven=0.8, voice=0.3),
    "300 utterances, 3 seeds": Case(300, 1, seeds=3, training=0.05, together=0.05),
    "300 utterances, 5 seeds": Case(300, 1, seeds=5, training=0.05, together=0.05),
    "8 speakers, 3 seeds": Case(8, 40, voice=0.3, seeds=3, training=0.05, together=0.05),
    "20 speakers, 3 seeds": Case(20, 20, uneven=0.5, voice=0.3, seeds=3, training=0.1),
}


def main(argv: Sequence[str] | None = None) -> None:
    """Simulate the cases and print a table and a line of JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=1000, help="test sets of each case")
    parser.add_argument("--cases", nargs="+", default=list(CASES), choices=list(CASES), metavar="NAME",
                        help="some of: " + ", ".join(CASES))
    args = parser.parse_args(argv)
    print(f"{'case':24} {'shown':>7} {'utterances':>11} {'plain':>7} {'false':>7}   {args.trials} test sets, "
          f"standard error {100 * (0.05 * 0.95 / args.trials) ** 0.5:.1f} %")
    found = {}
    for name in args.cases:
        found[name] = coverage(CASES[name], args.trials)
        print(f"{name:24} " + " ".join(f"{100 * found[name][key]:{width}.1f}" for key, width in
                                       (("shown", 7), ("utterances", 11), ("plain", 7), ("false", 7))), flush=True)
    print(json.dumps(found))


def coverage(case: Case, trials: int, seed: int = 1) -> dict[str, float]:
    """Return shares of test sets.

    Returns:
        ``shown``: whose interval, over the widest that the report finds, holds the truth; ``utterances``: over
        utterances alone; ``plain``: by the percentiles of the widest draws, not widened; ``false``: in which equal
        systems differ with an uncorrected p below 0.05.
    """
    rng = np.random.default_rng(seed)
    truth = _truth(case)
    hits = dict.fromkeys(("shown", "utterances", "plain", "false"), 0)
    for _ in range(trials):
        better, equal, baseline, speakers = _test_set(case, rng)
        draws = draw({"better": better, "equal": equal, "baseline": baseline}, RESAMPLES, speakers=speakers)
        judged = judge_gain(draws["better"], draws["baseline"], error_rate)
        for key, estimate in (("shown", judged.best), ("utterances", judged.estimates["utterances"])):
            hits[key] += estimate.low <= truth <= estimate.high
        one, other = (draws[name].samples[judged.unit].resampled.sum(axis=0) for name in ("better", "baseline"))
        low, high = np.percentile(1 - error_rate(one) / error_rate(other), [2.5, 97.5])
        hits["plain"] += low <= truth <= high
        p = judge_difference(draws["equal"], draws["baseline"], error_rate).best.p
        hits["false"] += p is not None and p < 0.05
    return {key: round(hit / trials, 4) for key, hit in hits.items()}


def _test_set(case: Case, rng: np.random.Generator) -> tuple[dict[int, np.ndarray], dict[int, np.ndarray],
                                                             dict[int, np.ndarray], list[str]]:
    """Return [errors, words] of each utterance by seed, of a better system, an equal one and the baseline."""
    each = np.maximum(1, np.rint(case.utterances * rng.lognormal(0, case.uneven, case.speakers))).astype(int)
    n = int(each.sum())
    hard = np.repeat(rng.normal(0, case.voice, case.speakers), each) + rng.normal(0, 0.4, n)
    suits = np.repeat(rng.normal(0, case.voice / 2, case.speakers), each)
    words = rng.integers(4, 16, n)
    together = rng.normal(0, case.together, case.seeds)
    sides: list[dict[int, np.ndarray]] = []
    for rate, sign in ((BASELINE * (1 - GAIN), 1), (BASELINE, 1), (BASELINE, -1)):
        of_seeds = rng.normal(0, case.training, case.seeds) + together
        sides.append({seed: np.stack([rng.binomial(words, np.clip(rate * np.exp(hard + sign * suits + effect), 0, 1)),
                                      words], axis=1) for seed, effect in enumerate(of_seeds)})
    return (*sides, [str(speaker) for speaker in np.repeat(np.arange(case.speakers), each)])  # type: ignore[return-value]


def _truth(case: Case) -> float:
    """Return the population's relative reduction."""
    def rates() -> Iterator[float]:
        for rate in (BASELINE * (1 - GAIN), BASELINE):
            rng = np.random.default_rng(0)
            spread = np.sqrt(case.voice ** 2 * 1.25 + 0.4 ** 2 + case.training ** 2 + case.together ** 2)
            yield float(np.clip(rate * np.exp(rng.normal(0, spread, 2_000_000)), 0, 1).mean())

    better, baseline = rates()
    return 1 - better / baseline


if __name__ == "__main__":
    main()
