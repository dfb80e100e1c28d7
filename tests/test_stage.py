"""Markers: finished work is not done twice, stale work is refused by name."""

from __future__ import annotations

from pathlib import Path

import pytest

from stxfer.core.errors import DataError, StaleError
from stxfer.core.stage import Stage, digest


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
