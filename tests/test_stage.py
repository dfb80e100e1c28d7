"""Markers: finished work is not done twice, stale work is refused by name."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from stxfer.core import cost, digests, fileio
from stxfer.core.digests import file_digest
from stxfer.core.errors import DataError, StaleError
from stxfer.core.fresh import digest, watch
from stxfer.core.marker import read_marker
from stxfer.core.pool import worker_pool
from stxfer.core.stage import Stage
from stxfer.core.workdir import ROOT


@pytest.fixture
def chain(tmp_path: Path) -> tuple[Path, Stage, Stage]:
    """A raw file, a stage made from it and a stage made from that stage's directory."""
    raw = tmp_path / "raw"
    raw.write_text("a", encoding="utf-8")
    first = Stage("first x", tmp_path / "first", [raw], {"size": 1}, "one")
    make(first, "x")
    second = Stage("second", tmp_path / "second", [first.out], step="two")
    make(second, "y")
    return raw, first, second


def make(stage: Stage, content: str) -> None:
    stage.begin()
    finish(stage, content)


def finish(stage: Stage, content: str = "x") -> None:
    stage.out.mkdir(exist_ok=True)
    (stage.out / "out").write_text(content, encoding="utf-8")
    stage.finish([stage.out / "out"])


def test_finished_and_unchanged_is_not_needed(chain: tuple[Path, Stage, Stage]) -> None:
    _, first, second = chain
    assert not first.needed() and not second.needed()
    assert first.needed(force=True)


def test_what_killed_writers_have_left_is_removed_when_a_stage_is_finished(chain: tuple[Path, Stage, Stage]) -> None:
    _, first, _ = chain
    left = [first.out / ".out.tmp123", first.out / "part/.x.y.tmp4", first.out / ".digests.json.tmp5"]
    others = [first.out / ".out.tmp", first.out / "out.tmp1", first.out / ".out.tmp1.txt"]
    (first.out / "part").mkdir()
    for path in (*left, *others):
        path.write_text("half", encoding="utf-8")
    make(first, "x")
    assert not any(path.exists() for path in left) and all(path.exists() for path in others)
    (first.out / "..digests.json.tmp6").write_text("{", encoding="utf-8")
    digests.save(first.out)
    assert not (first.out / "..digests.json.tmp6").exists() and (first.out / digests.REMEMBERED).exists()


def test_it_is_told_what_a_stage_costs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Beside what it has made, which is the same each time; damaged lines are passed over."""
    times = iter([10.0, 12.5, 20.0, 23.0])
    monkeypatch.setattr(cost, "monotonic", lambda: next(times))
    out = tmp_path / "exp" / "one"
    (tmp_path / ROOT).touch()
    out.mkdir(parents=True)
    for seconds in (2.5, 3.0):
        stage = Stage("one", out)
        (out / "out").write_text("x")
        stage.finish([out / "out"])
        key = ("exp/one", read_marker(out)["digest"])
        assert cost.read_costs(out).keys() == {key}
        told = cost.read_costs(out)[key]
        assert told["seconds"] == seconds and told["core_seconds"] >= 0 and told["memory"] > 2 ** 20
        assert "cores" in told["machine"]
        with (tmp_path / cost.COSTS).open("a") as handle:
            handle.write('{"seconds": 1}\nnot JSON\n[]\n')
    assert {path.name for path in out.iterdir()} - {".digests.json"} == {"out", ".stage.json"}


def spent(count: int) -> float:
    sum(range(count))
    return time.process_time()


def test_workers_that_have_not_ended_cost_something_and_once(tmp_path: Path) -> None:
    (tmp_path / ROOT).touch()
    stages = [Stage(name, tmp_path / name) for name in ("one", "two")]
    with worker_pool(2) as pool:
        stages[0].begin()
        used = sum(pool.run(spent, [10 ** 7], what="sums"))
        finish(stages[0])
        stages[1].begin()
    finish(stages[1])
    during, after = (told["core_seconds"] for told in cost.read_costs(tmp_path).values())
    assert during > used - 0.1 and after < used


def test_without_a_work_directory_nothing_is_told(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("x")
    Stage("one", tmp_path).finish([tmp_path / "out"])
    assert cost.read_costs(tmp_path) == {} and not list(tmp_path.rglob(cost.COSTS))


def test_changed_option_is_done_again_or_refused_when_expensive(chain: tuple[Path, Stage, Stage]) -> None:
    _, first, _ = chain
    changed = Stage("first x", first.out, first.inputs, {"size": 2})
    assert changed.changes() == ["option size (1 -> 2)"]
    assert changed.needed()
    with pytest.raises(StaleError, match=r"option size \(1 -> 2\).*--force"):
        changed.needed(expensive=True)
    assert changed.needed(expensive=True, force=True)


def test_stale_input_is_refused_by_name_however_far_back(chain: tuple[Path, Stage, Stage]) -> None:
    raw, _, second = chain
    raw.write_text("changed", encoding="utf-8")
    third = Stage("third", second.out.parent / "third", [second.out])
    with pytest.raises(StaleError, match=r"raw has changed.*run stage 'one' again \(first x\)"):
        third.needed()
    assert third.needed(allow_stale=True)


def test_a_watched_file_that_changes_is_noticed_by_what_follows(tmp_path: Path) -> None:
    weights = tmp_path / "weights"
    weights.write_text("w", encoding="utf-8")
    first = Stage("first", tmp_path / "first", [], {"weights": "digest of w"}, "one",
                  watched=watch([weights]))
    make(first, "x")
    second = Stage("second", tmp_path / "second", [first.out / "out"])
    assert second.needed()
    os.utime(weights, (1, 1))
    assert second.needed()  # another time, the same content
    moved = weights.rename(tmp_path / "moved")
    assert second.needed()  # a source that is gone is no change
    assert not Stage("first", first.out, [], first.options, watched=watch([moved])).needed()  # elsewhere
    moved.write_text("v", encoding="utf-8")
    with pytest.raises(StaleError, match=r"first: out of date, .*moved has changed.*run stage 'one' again"):
        second.needed()
    assert second.needed(allow_stale=True)
    moved.write_text("w", encoding="utf-8")
    assert second.needed()


def test_a_watched_file_that_changes_during_the_work_is_noticed(tmp_path: Path) -> None:
    weights = tmp_path / "weights"
    weights.write_text("w", encoding="utf-8")
    stage = Stage("first", tmp_path / "first", [], {}, watched=watch([weights]))
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


# --- outputs -----------------------------------------------------------------------------------------

def flip(path: Path) -> None:
    """Change a byte in place, and neither size nor date."""
    before, content = path.stat(), path.read_bytes()
    path.write_bytes(bytes([content[0] ^ 1]) + content[1:])
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def test_a_changed_output_is_made_again(chain: tuple[Path, Stage, Stage], caplog: pytest.LogCaptureFixture) -> None:
    _, first, second = chain
    flip(first.out / "out")
    with pytest.raises(StaleError, match=r"first/out: is not what its stage has written; run stage 'one' again"):
        second.needed()
    with caplog.at_level("INFO"):
        assert first.needed()
    assert "first x: done again, out is changed" in caplog.text
    make(first, "x")
    assert not first.needed() and not second.needed()


def test_a_missing_output_is_made_again_even_if_that_is_expensive(chain: tuple[Path, Stage, Stage]) -> None:
    _, first, second = chain
    (first.out / "out").unlink()
    with pytest.raises(StaleError, match=r"first/out: is not there any more; run stage 'one' again"):
        second.needed()
    assert first.needed() and first.needed(expensive=True)


def test_the_marker_of_another_stage_is_named_where_work_is_expensive(chain: tuple[Path, Stage, Stage]) -> None:
    _, first, second = chain
    shutil.copy(second.marker, first.marker)
    with pytest.raises(StaleError, match=r"first/.stage.json: is of second, not of first x; put that back, or remove"):
        first.needed(expensive=True)
    assert first.needed()
    first.marker.unlink()
    assert first.needed(expensive=True)


def test_a_changed_output_of_expensive_work_is_refused_until_it_is_removed(chain: tuple[Path, Stage, Stage]) -> None:
    _, first, _ = chain
    flip(first.out / "out")
    with pytest.raises(StaleError, match=r"first/out: is not what first x has left; put that back, or remove"):
        first.needed(expensive=True)
    (first.out / "out").unlink()
    assert first.needed(expensive=True)


def test_what_is_used_although_it_changed_is_recorded_as_it_was(chain: tuple[Path, Stage, Stage]) -> None:
    _, first, second = chain
    good = (first.out / "out").read_bytes()
    flip(first.out / "out")
    assert second.needed(allow_stale=True)
    second.finish([second.out / "out"])
    assert not second.needed(allow_stale=True)
    (first.out / "out").write_bytes(good)
    assert second.changes() == [f"input {first.out}"], "it was made from the changed file"


def test_a_removed_output_far_back_is_no_change_and_a_changed_one_is(chain: tuple[Path, Stage, Stage]) -> None:
    _, first, second = chain
    third = Stage("third", second.out.parent / "third", [second.out], step="three")
    assert third.needed()
    good = (first.out / "out").read_bytes()
    (first.out / "out").unlink()
    assert third.needed()
    (first.out / "out").write_bytes(good + b"more")
    with pytest.raises(StaleError, match=r"first/out: is not what its stage has written; run stage 'one' again"):
        third.needed()


def test_lists_of_digests_stand_for_the_files_they_list(tmp_path: Path) -> None:
    made = Stage("features", tmp_path / "set", step="features")
    made.out.mkdir()
    for name in ("a.ark", "b.ark"):
        (made.out / name).write_text(name, encoding="utf-8")
    sums = made.out / "feats.sha256"
    sums.write_text("".join(f"{file_digest(made.out / name)}  {name}\n" for name in ("a.ark", "b.ark")))
    made.finish([sums])
    user = Stage("training", tmp_path / "model", [sums])
    assert user.needed()
    make(user, "parameters")
    decoded = Stage("decoding", tmp_path / "hyps", [user.out])
    assert not user.needed() and decoded.needed()
    flip(made.out / "b.ark")
    with pytest.raises(StaleError, match=r"set/b.ark: is not what its stage has written; run stage 'features'"):
        user.needed()
    assert made.needed() and user.changes() == [f"input {sums}"]
    assert decoded.needed(), "what it was trained on is not read again"
    (made.out / "b.ark").unlink()
    assert made.needed() and decoded.needed()
    with pytest.raises(StaleError, match=r"set/b.ark: is not there any more"):
        user.needed()


@pytest.mark.parametrize("content", ["", "{", "[1]", '{"stage": 1}', None])
def test_a_damaged_marker_passes_for_none_and_is_named_where_work_is_expensive(
        chain: tuple[Path, Stage, Stage], content: str | None) -> None:
    _, first, second = chain
    if content is None:  # as JSON it is whole
        content = first.marker.read_text(encoding="utf-8").replace('"size": 1', '"size": 2')
    first.marker.write_text(content, encoding="utf-8")
    assert first.needed() and first.changes() is None
    with pytest.raises(DataError, match=r"first/.stage.json: .*remove it and run its stage again"):
        first.needed(expensive=True)
    with pytest.raises(DataError, match=r"first/.stage.json: "):
        second.needed()
    make(first, "x")
    assert not first.needed() and not second.needed()


def test_options_of_earlier_stages_are_compared(chain: tuple[Path, Stage, Stage]) -> None:
    _, first, second = chain

    def declared(directory: Path, marker: Mapping[str, Any]) -> list[str]:
        return [f"size ({marker['options']['size']} -> 2)"] if directory == first.out else []

    third = Stage("third", second.out.parent / "third", [second.out], declared=declared)
    with pytest.raises(StaleError, match=r"first: made by other options, size \(1 -> 2\); run stage 'one' again"):
        third.needed()
    assert third.needed(allow_stale=True)


def test_what_is_read_beside_the_inputs_has_to_be_whole(chain: tuple[Path, Stage, Stage]) -> None:
    _, first, second = chain
    reader = Stage("reader", second.out.parent / "reader", [second.out], reads=[first.out])
    assert reader.needed()
    flip(first.out / "out")
    with pytest.raises(StaleError, match="first/out: is not what"):
        reader.needed()
    shutil.rmtree(first.out)
    with pytest.raises(DataError, match="first: no such file"):
        reader.needed()


def test_markers_of_older_versions_open_and_are_completed(chain: tuple[Path, Stage, Stage]) -> None:
    _, first, second = chain
    (first.out / "more").write_text("m", encoding="utf-8")
    for stage in (first, second):
        marker = json.loads(stage.marker.read_text())
        stage.marker.write_text(json.dumps({key: marker[key] for key in marker if key not in ("step", "also", "seal")}))
    older = Stage("second", second.out, [first.out / "out"], step="two", also=("mo*",))
    assert older.changes() == [], "it named the directory in place of the file that it read"
    assert not older.needed()
    first.also = ("mo*",)
    assert not first.needed()
    assert read_marker(first.out)["also"].keys() == {"more"} and read_marker(first.out)["step"] == "one"
    assert read_marker(second.out)["inputs"].keys() == {str(first.out / "out")}
    flip(first.out / "more")
    assert first.needed()
    first.out.joinpath("new").write_text("an input that is not read", encoding="utf-8")
    first.also = ()
    first.finish([first.out / "out", first.out / "new"])
    assert not older.needed()


def test_digests_are_remembered_and_files_that_changed_are_read_again(
        tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"one")
    time.sleep(0.05)  # older than a tick of the file system's clock
    first = file_digest(path, keep=True)
    digests.save(tmp_path)
    monkeypatch.setattr(digests, "_directories", {})  # another process
    read: list[Path] = []
    monkeypatch.setattr(digests, "sha256", lambda found: read.append(found) or fileio.sha256(found))
    assert file_digest(path, keep=True) == first and not read
    flip(path)
    assert file_digest(path) == hashlib.sha256(path.read_bytes()).hexdigest() != first
    assert read == [path]


def test_what_is_remembered_may_be_damaged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"one")
    for content in ("", "[]", "[" * 100_000, '{"file": 1}', '{"file": [1]}', '{"file": [1, 2, 3, 4, 5, "x"]}',
                    "\x00\xff"):
        (tmp_path / digests.REMEMBERED).write_text(content)
        monkeypatch.setattr(digests, "_directories", {})
        assert file_digest(path) == hashlib.sha256(b"one").hexdigest()
