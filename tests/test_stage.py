"""Markers: finished work is not done twice, stale work is refused by name."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from stxfer.core.errors import DataError, StaleError
from stxfer.core.stage import Stage, digest, watch


@pytest.fixture
def chain(tmp_path: Path) -> tuple[Path, Stage, Stage]:
    """A raw file, a stage made from it and a stage made from that stage's directory."""
    raw = tmp_path / "raw"
    raw.write_text("a", encoding="utf-8")
    first = Stage("first", tmp_path / "first", [raw], {"size": 1})
    make(first, "x")
    second = Stage("second", tmp_path / "second", [first.out])
    make(second, "y")
    return raw, first, second


def make(stage: Stage, content: str) -> None:
    stage.begin()
    stage.out.mkdir(exist_ok=True)
    (stage.out / "out").write_text(content, encoding="utf-8")
    stage.finish([stage.out / "out"])


def test_finished_and_unchanged_is_not_needed(chain: tuple[Path, Stage, Stage]) -> None:
    _, first, second = chain
    assert not first.needed() and not second.needed()
    assert first.needed(force=True)


def test_changed_option_is_done_again_or_refused_when_expensive(chain: tuple[Path, Stage, Stage]) -> None:
    _, first, _ = chain
    changed = Stage("first", first.out, first.inputs, {"size": 2})
    assert changed.changes() == ["option size (1 -> 2)"]
    assert changed.needed()
    with pytest.raises(StaleError, match=r"option size \(1 -> 2\).*--force"):
        changed.needed(expensive=True)
    assert changed.needed(expensive=True, force=True)


def test_stale_input_is_refused_by_name_however_far_back(chain: tuple[Path, Stage, Stage]) -> None:
    raw, _, second = chain
    raw.write_text("changed", encoding="utf-8")
    third = Stage("third", second.out.parent / "third", [second.out])
    with pytest.raises(StaleError, match=r"raw has changed.*Run stage 'first' again"):
        third.needed()
    assert third.needed(allow_stale=True)


def test_a_watched_file_that_changes_is_noticed_by_what_follows(tmp_path: Path) -> None:
    weights = tmp_path / "weights"
    weights.write_text("w", encoding="utf-8")
    first = Stage("first", tmp_path / "first", [], {"weights": "digest of w"}, watch([weights]))
    make(first, "x")
    second = Stage("second", tmp_path / "second", [first.out / "out"])
    assert second.needed()
    os.utime(weights, (1, 1))
    assert second.needed()  # another time, the same content
    moved = weights.rename(tmp_path / "moved")
    assert second.needed()  # a source that is gone is no change
    assert not Stage("first", first.out, [], first.options, watch([moved])).needed()  # the same, found elsewhere
    moved.write_text("v", encoding="utf-8")
    with pytest.raises(StaleError, match=r"first: out of date, .*moved has changed.*Run stage 'first' again"):
        second.needed()
    assert second.needed(allow_stale=True)
    moved.write_text("w", encoding="utf-8")
    assert second.needed()


def test_a_watched_file_that_changes_during_the_work_is_noticed(tmp_path: Path) -> None:
    weights = tmp_path / "weights"
    weights.write_text("w", encoding="utf-8")
    stage = Stage("first", tmp_path / "first", [], {}, watch([weights]))
    weights.write_text("v", encoding="utf-8")
    with pytest.raises(StaleError, match="weights changed while it was made; run the same command again"):
        make(stage, "x")
    assert not stage.marker.exists()


def test_a_marker_of_an_earlier_version_learns_what_to_watch(tmp_path: Path) -> None:
    weights = tmp_path / "weights"
    weights.write_text("w", encoding="utf-8")
    make(Stage("first", tmp_path / "first"), "x")
    assert not Stage("first", tmp_path / "first", watched=watch([weights])).needed()
    weights.write_text("v", encoding="utf-8")
    with pytest.raises(StaleError, match="weights has changed"):
        Stage("second", tmp_path / "second", [tmp_path / "first"]).needed()


def test_same_output_made_again_keeps_what_follows_fresh(chain: tuple[Path, Stage, Stage]) -> None:
    raw, first, second = chain
    raw.write_text("changed", encoding="utf-8")
    make(first, "x")  # another input, but the same result
    assert not second.needed()


def test_deleted_source_is_not_a_change(chain: tuple[Path, Stage, Stage]) -> None:
    raw, _, second = chain
    raw.unlink()
    assert not second.needed()


def test_unfinished_input_is_named(tmp_path: Path) -> None:
    (tmp_path / "half").mkdir()
    with pytest.raises(DataError, match="half: not finished"):
        digest(tmp_path / "half")
    with pytest.raises(DataError, match="none: no such file"):
        digest(tmp_path / "none")


def test_an_input_that_changes_during_the_work_is_noticed(chain: tuple[Path, Stage, Stage]) -> None:
    raw, first, second = chain
    again = Stage("first", first.out, [raw], {"size": 1})
    assert again.needed(force=True)
    (again.out / "out").write_text(raw.read_text(encoding="utf-8"), encoding="utf-8")  # the work reads it here
    raw.write_text("changed", encoding="utf-8")
    with pytest.raises(StaleError, match="first: .*raw changed while it was made; run the same command again"):
        again.finish([again.out / "out"])
    assert again.changes() is None, "what was made of the old input must not pass for finished"
    assert again.needed()
    again.finish([again.out / "out"])
    assert again.changes() == [] and second.changes() == [f"input {again.out}"]


def test_an_input_that_vanishes_during_the_work_is_noticed(chain: tuple[Path, Stage, Stage]) -> None:
    raw, first, _ = chain
    first.begin()
    raw.unlink()
    with pytest.raises(StaleError, match="raw changed while it was made"):
        first.finish([first.out / "out"])


def test_work_with_inputs_has_to_begin(chain: tuple[Path, Stage, Stage]) -> None:
    raw, first, _ = chain
    with pytest.raises(AssertionError, match="finished without having begun"):
        Stage("first", first.out, [raw]).finish([first.out / "out"])


def test_inputs_that_are_being_made_are_not_looked_at(chain: tuple[Path, Stage, Stage]) -> None:
    raw, first, second = chain
    first.marker.unlink()
    with pytest.raises(DataError, match="first: not finished"):
        second.needed()
    assert second.needed(pending=[first.out])
    changed = Stage("second", second.out, [first.out], {"size": 2})
    with pytest.raises(StaleError, match="option size"):
        changed.needed(pending=[first.out], expensive=True)
    raw.write_text("changed", encoding="utf-8")
    with pytest.raises(DataError, match="missing: no such file"):
        Stage("third", second.out, [first.out, raw.with_name("missing")]).needed(pending=[first.out])
