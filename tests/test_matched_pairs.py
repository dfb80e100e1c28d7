"""MAPSSWE against a plain state machine and NIST's own programs; approximate randomisation against all exchanges."""

from __future__ import annotations

import itertools
import random
import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as some

from stxfer.score import randomisation
from stxfer.score.alignment import align
from stxfer.score.asr import word_errors
from stxfer.score.mapsswe import MatchedPairs, mapsswe
from stxfer.score.randomisation import randomisation_tests
from stxfer.score.significance import error_rate

SENTENCE = some.lists(some.sampled_from("abcd"), max_size=9).map(" ".join)


def plain_segments(refs: list[str], hyps: list[tuple[str, str]]) -> list[tuple[int, int]]:
    """Return both systems' errors of each segment, by SCTK's state machine, word by word."""
    segments = []
    for ref, pair in zip(refs, hyps, strict=True):
        one, two = (align([ref], [hyp]) for hyp in pair)
        errors, good = [0, 0], 0
        for i in range(len(ref.split()) + 1):
            if one.inserted[i] or two.inserted[i]:
                errors, good = [errors[0] + one.inserted[i], errors[1] + two.inserted[i]], 0
            if i == len(ref.split()):
                break
            errors = [errors[0] + one.wrong[i], errors[1] + two.wrong[i]]
            good = 0 if one.wrong[i] or two.wrong[i] else good + 1
            if good >= 2:
                segments.append((int(errors[0]), int(errors[1])))
                errors = [0, 0]
        segments.append((int(errors[0]), int(errors[1])))
    return [segment for segment in segments if any(segment)]


@given(some.lists(some.tuples(SENTENCE, SENTENCE, SENTENCE), min_size=1, max_size=6))
def test_segments_are_those_of_the_state_machine(triples):
    refs, one, two = (list(side) for side in zip(*triples, strict=True))
    segments = plain_segments(refs, list(zip(one, two, strict=True)))
    found = mapsswe(align(refs, one), align(refs, two))
    if not segments:
        assert found is None
        return
    difference = np.array([a - b for a, b in segments])
    assert found is not None and found.segments == len(segments) and found.mean == pytest.approx(difference.mean())
    if len(set(difference)) > 1:
        assert found.z == pytest.approx(difference.mean() / (difference.std(ddof=1) / len(segments) ** 0.5))
    else:
        assert (found.z, found.p) == ((None, None) if difference.any() else (0, 1))


def test_an_alignment_has_the_errors_of_the_word_error_rate():
    refs = {"u1": "a b c d", "u2": "", "u3": "e f"}
    hyps = {"u1": "x a c c d y", "u2": "z", "u3": ""}
    found = align(list(refs.values()), list(hyps.values()))
    counts = word_errors(refs, hyps, "n").total
    assert found.wrong.sum() == counts.sub + counts.del_ and found.inserted.sum() == counts.ins
    assert list(found.first) == [0, 4, 4, 6] and list(found.wrong) == [False, True, False, False, True, True]
    assert list(found.inserted) == [1, 0, 0, 0, 1, 1, 0, 0, 0]


def spoilt(refs: list[str], rate: float, mark: str, seed: int) -> list[str]:
    """Return hypotheses in which every aligner finds the same errors.

    Their wrong words are of no reference, and none has both insertions and deletions, which sclite, to which a
    substitution costs less than these two, aligns in other ways.
    """
    rng, made = random.Random(seed), []
    for number, ref in enumerate(refs):
        words: list[str] = []
        for place, word in enumerate(ref.split()):
            drawn, other = rng.random(), f"{mark}{place}"
            words += [word] if drawn > rate else [other] if drawn < rate / 2 else [word, other] if number % 2 else []
        made.append(" ".join(words))
    return made


@pytest.mark.parametrize(("rates", "seed"), [((0.2, 0.3), 1), ((0.1, 0.12), 2), ((0.6, 0.5), 3)])
def test_nists_programs_find_the_same(tmp_path: Path, rates: tuple[float, float], seed: int) -> None:
    if shutil.which("sctk") is None:
        pytest.skip("SCTK is not installed: apt-get install sctk")
    rng = random.Random(seed)
    refs = [" ".join(f"w{number}" for number in rng.sample(range(200), rng.randint(1, 15))) for _ in range(150)]
    sides = {"ref": refs, "one": spoilt(refs, rates[0], "x", seed), "two": spoilt(refs, rates[1], "y", seed + 10)}
    for name, texts in sides.items():
        lines = (f"{text} (speaker{i % 4}-{i:04d})\n" for i, text in enumerate(texts))
        (tmp_path / f"{name}.trn").write_text("".join(lines), encoding="utf-8")

    def sctk(*command: str, stdin: bytes = b"") -> None:
        subprocess.run(["sctk", *command], cwd=tmp_path, check=True, capture_output=True, input=stdin)

    for name in ("one", "two"):
        sctk("sclite", "-r", "ref.trn", "trn", "-h", f"{name}.trn", "trn", "-i", "rm", "-o", "rsum", "sgml", "-O", ".",
             "-n", name)
        total = re.search(r"Sum\s*\|\s*(\d+)\s+(\d+) \|\s*(\d+)\s+(\d+)\s+(\d+)\s+(\d+)\s+(\d+)",
                          (tmp_path / f"{name}.raw").read_text())
        assert total is not None
        ours = word_errors(dict(enumerate(refs)), dict(enumerate(sides[name])), "n").total  # type: ignore[arg-type]
        correct = ours.n_ref - ours.sub - ours.del_
        assert [int(n) for n in total.groups()] == [150, ours.n_ref, correct, ours.sub, ours.del_, ours.ins,
                                                    ours.errors]
    sctk("sc_stats", "-p", "-t", "mapsswe", "-v", "-n", "pair", "-O", ".", "-r", "none",
         stdin=b"".join((tmp_path / f"{name}.sgml").read_bytes() for name in ("one", "two")))
    result = re.search(r"# segs: (\d+)\).*mean: *(-?[\d.]+)\).*Z Stat: *(-?[\d.]+)\)",
                       (tmp_path / "pair.stats.mapsswe").read_text())
    assert result is not None
    found = mapsswe(align(refs, sides["one"]), align(refs, sides["two"]))
    assert found is not None and int(result[1]) == found.segments
    assert (float(result[2]), float(result[3])) == pytest.approx((found.mean, found.z), abs=6e-4)


def test_mapsswe_on_a_known_case():
    """Three segments, differences 1, 1 and -1: mean 1/3, standard deviation 1.155, z 0.5."""
    refs = ["a b c d e f g h", "i j"]
    found = mapsswe(align(refs, ["x b c d e f y h", "i j"]), align(refs, ["a b c d e f g h", "i k"]))
    assert found == MatchedPairs(3, pytest.approx(1 / 3), pytest.approx(0.5), pytest.approx(0.617, abs=1e-3))


def test_without_a_standard_error_there_is_no_test():
    """All segments differ by one error; by none; one segment alone."""
    refs, one, two = ["a b", "c d"], ["x b", "x d"], ["a b", "c d"]
    assert mapsswe(align(refs, one), align(refs, two)) == MatchedPairs(2, 1, None, None)
    assert mapsswe(align(refs, one), align(refs, ["y b", "c y"])) == MatchedPairs(2, 0, 0, 1)
    assert mapsswe(align(refs[:1], one[:1]), align(refs[:1], two[:1])) == MatchedPairs(1, 1, None, None)


def made_up(n: int, *rates: float) -> list[np.ndarray]:
    """Return [errors, words] of each utterance for systems that get words wrong at some rates."""
    rng = np.random.default_rng(5)
    return [np.stack([rng.binomial(8, rate, size=n), np.full(n, 8)], axis=1).astype(float) for rate in rates]


def test_randomisation_is_all_exchanges_of_few_utterances():
    one, two, three = made_up(9, 0.2, 0.3, 0.5)
    pairs = [(one, two), (one, three), (two, three)]
    found = randomisation_tests(pairs, error_rate, shuffles=20_000)
    for (system, baseline), p in zip(pairs, found, strict=True):
        difference = system[:, 0] - baseline[:, 0]
        exchanges = [abs(np.dot(signs, difference)) for signs in itertools.product((1, -1), repeat=9)]
        assert p == pytest.approx(np.mean(np.array(exchanges) >= abs(difference.sum())), abs=0.01)


def test_randomisation_knows_equal_systems_and_different_ones():
    one, two = made_up(200, 0.2, 0.4)
    assert randomisation_tests([(one, one.copy()), (one, two)], error_rate, shuffles=999) == [1, 0.001]  # never 0


def test_randomisation_in_blocks_is_randomisation_at_once(monkeypatch):
    pairs = [tuple(made_up(40, 0.25, 0.3))]
    at_once = randomisation_tests(pairs, error_rate, shuffles=300)
    monkeypatch.setattr(randomisation, "_BLOCK", 400)  # ten shuffles at a time
    assert randomisation_tests(pairs, error_rate, shuffles=300) == at_once
