"""Intervals hold the truth as often as they say: a short run of tools/campaign/interval_coverage.py."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

PATH = Path(__file__).resolve().parents[1] / "tools" / "campaign" / "interval_coverage.py"
TRIALS = 200  # a standard error of 1.5 %


@pytest.fixture(scope="module")
def coverage() -> Iterator[ModuleType]:
    """``tools/campaign/interval_coverage.py``, with a fifth of its resamples."""
    spec = importlib.util.spec_from_file_location("coverage_campaign", PATH)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, spec.name, module)  # where dataclasses look
        spec.loader.exec_module(module)
        patch.setattr(module, "RESAMPLES", 200)
        yield module


@pytest.mark.parametrize("name", ["30 utterances", "300 utterances", "8 speakers, 40 each", "20 speakers, uneven",
                                  "300 utterances, 3 seeds"])
def test_intervals_hold_the_truth(coverage: ModuleType, name: str) -> None:
    found = coverage.coverage(coverage.CASES[name], TRIALS)
    assert 0.90 <= found["shown"] <= 0.99 and found["false"] <= 0.10
    if "speakers" in name:  # what a bootstrap over utterances alone says of other speakers
        assert found["utterances"] < 0.8
