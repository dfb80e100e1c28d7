"""Progress lines: one form for utterances, sentences, files and bytes; not too many of them, and one at the end."""

from __future__ import annotations

import logging

import pytest

from stxfer.core import progress
from stxfer.core.progress import Progress


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> list[float]:
    caplog.set_level(logging.INFO)
    now = [100.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    return now


def count(clock: list[float], progress: Progress, steps: list[tuple[float, int]], seconds: float = 0.0) -> None:
    """Count items after so many seconds each time."""
    for wait, n in steps:
        clock[0] += wait
        progress.add(n, seconds)


def test_lines_come_now_and_then_and_at_the_end(clock: list[float], caplog: pytest.LogCaptureFixture) -> None:
    count(clock, Progress("fbank src_train", 500), [(4, 100), (4, 100), (4, 100), (4, 100), (4, 100)], seconds=360)
    assert caplog.messages == ["fbank src_train: 300/500 utterances, 25/s, 0.30 h",
                               "fbank src_train: 500/500 utterances, 25/s, 0.50 h"]


def test_what_was_there_before_is_no_speed(clock: list[float], caplog: pytest.LogCaptureFixture) -> None:
    count(clock, Progress("labels mt src_train", 1000, "sentences", done=900), [(20, 50), (20, 50)])
    assert caplog.messages == ["labels mt src_train: 950/1000 sentences, 2.5/s",
                               "labels mt src_train: 1000/1000 sentences, 2.5/s"]


def test_bytes_are_told_in_megabytes(clock: list[float], caplog: pytest.LogCaptureFixture) -> None:
    count(clock, Progress("https://x/y.tar", 30_000_000, "MB", done=5_000_000), [(12, 12_600_000), (1, 12_400_000)])
    count(clock, Progress("https://x/z", None, "MB"), [(12, 12_600_000), (1, 1_000)])
    assert caplog.messages == ["https://x/y.tar: 17.6/30.0 MB, 1.1/s", "https://x/y.tar: 30.0/30.0 MB, 1.9/s",
                               "https://x/z: 12.6 MB, 1.1/s"]


def test_the_end_may_be_told_by_others(clock: list[float], caplog: pytest.LogCaptureFixture) -> None:
    count(clock, Progress("translating", 2, "sentences", end=False), [(1, 1), (1, 1)])
    assert caplog.messages == []
