"""Whether a curve still fell when training stopped, and loops and empty hypotheses in the report."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scored import make_experiment

from stxfer.bin import report, score
from stxfer.core.fileio import write_json
from stxfer.report.convergence import ending, facts_table, warnings


def curve(*values: float, key: str = "valid_acc", phase: str = "phase1", **more: Any) -> dict[str, Any]:
    rows = [{"phase": phase, "epoch": n, key: value, "train_loss": 9.0 - n} for n, value in enumerate(values, 1)]
    return {"epochs": rows, **more}


@pytest.mark.parametrize(("info", "measure", "last", "fall", "falling"), [
    (curve(0.2, 0.4, 0.6, 0.8), "accuracy", 1, 0.5, True),  # errors 0.4 to 0.2
    (curve(0.2, 0.5, 0.6, 0.6), "accuracy", 1, 0.0, False),
    (curve(0.2, 0.5, 0.6, 0.605), "accuracy", 1, 0.0125, False),  # less than the bound
    (curve(0.2, 0.5, 0.6, 0.55), "accuracy", 1, -0.125, False),
    (curve(0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.41, 0.36, key="valid_wer"), "wer", 2, 0.1, True),
    (curve(0.9, 0.8, 0.7, 0.6, 0.5, 0.36, 0.4, 0.36, key="valid_wer"), "wer", 2, 0.0, False),
    (curve(0.9, 0.5, 0.4, 0.41, key="valid_wer", stopped_early=True), "wer", 1, -0.025, False),
    (curve(0.9, 0.5, 0.4, 0.3, key="valid_wer", stopped_early=True), "wer", 1, 0.25, False),  # it went by another
    (curve(3.0, 2.0, 1.0, key="valid_loss"), "loss", 1, 0.5, True),
    (curve(0.5), "accuracy", 1, None, None),
    (curve(0.0, 0.0, 0.0, key="valid_wer"), "wer", 1, 0.0, False)])
def test_crafted_curves(info: dict[str, Any], measure: str, last: int, fall: float | None,
                        falling: bool | None) -> None:
    found = ending(info)
    assert found is not None and (found.measure, found.last, found.still_falling) == (measure, last, falling)
    assert found.fall == (None if fall is None else pytest.approx(fall))


def test_the_last_phase_counts_and_word_errors_before_accuracy() -> None:
    both = [{**row, "valid_wer": 0.5} for row in curve(0.3, 0.9, phase="phase2")["epochs"]]
    found = ending({"epochs": [*curve(0.1, 0.2, 0.3)["epochs"], *both]})
    assert found is not None and (found.measure, found.epochs, found.fall) == ("wer", 2, 0)
    assert ending({}) is None and ending({"epochs": [{"phase": "phase1", "epoch": 1, "train_loss": 1.0}]}) is None


@given(st.lists(st.floats(0.01, 2), min_size=2, max_size=40))
def test_a_curve_that_ends_at_its_best_before_the_last_quarter_has_converged(values: list[float]) -> None:
    found = ending(curve(*values, min(values), *[min(values)] * (len(values) + 1), key="valid_wer"))
    assert found is not None and found.still_falling is False


def test_the_report_says_it_of_every_system(tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
                                            capsys: pytest.CaptureFixture[str]) -> None:
    make_experiment(tmp_path, seeds=(1, 2))
    monkeypatch.chdir(tmp_path)
    for seed, last in ((1, 0.8), (2, 0.61)):
        write_json(Path(f"exp/direct/seed{seed}/model.json"), curve(0.2, 0.4, 0.6, last))
        write_json(Path(f"exp/direct/seed{seed}/decode/tgt_test/decode.json"),
                   {"utterances": 40, "loops": 3 * seed, "empty": 0})
    write_json(Path("exp/st_mt/seed1/model.json"), curve(0.5, 0.5, 0.5))
    score.main(["--config", "toy.yaml"])
    report.main(["--config", "toy.yaml"])
    results = json.loads(Path("exp/report/results.json").read_text())
    direct = [run for run in results["runs"] if run["system"] == "direct"]
    assert [(run["seed"], run["still_falling"], run["loops"]) for run in direct] == [(1, True, 3), (2, True, 6)]
    text, printed = Path("exp/report/RESULTS.md").read_text(encoding="utf-8"), capsys.readouterr().out
    assert "| direct | 4 | accuracy | +50.0 | yes | 80 | 9 | 0 |" in text
    assert "| st_mt | 3 | accuracy | +0.0 | - | - | - | - |" in text  # one seed does not say
    assert "| scratch | - | - | - | - | - | - | - |" in text
    for sentence in ("still improving when training stopped, so that more training may change the order: direct",
                     "hypotheses that loop: direct 9 of 80"):
        assert f"\n- {sentence}\n" in text and sentence in printed
    assert "empty hypotheses" not in text


def test_nothing_is_said_of_what_is_well() -> None:
    runs = [{"system": "a", "seed": 1, "measure": "wer", "epochs": 9, "last": 2, "fall": 0.01, "stopped_early": True,
             "still_falling": False, "hypotheses": 5, "loops": 0, "empty": 0}]
    assert warnings(runs) == []
    assert facts_table(runs)[1:] == [["a", "9, stopped", "wer", "+1.0", "no", "5", "0", "0"]]
