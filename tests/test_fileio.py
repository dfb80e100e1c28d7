"""Files that survive a loss of power: what is synced, and in which order."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from stxfer.core import fileio
from stxfer.core.errors import DataError
from stxfer.core.fileio import atomic_dir, atomic_write, read_text
from stxfer.kaldi.dropped import read_dropped
from stxfer.text.leaks import HELD_OUT, held_out
from stxfer.text.vocab import TOKENS, unknown_characters
from stxfer.training.spec import Text


@pytest.fixture
def steps(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Collect the names of what is synced and renamed, in order."""
    found: list[str] = []
    fsync, replace, sync = os.fsync, os.replace, os.sync

    def name(path: str | os.PathLike[str]) -> str:
        return Path(path).name.partition(".tmp")[0]

    def recorded_fsync(descriptor: int) -> None:
        found.append(f"sync {name(os.readlink(f'/proc/self/fd/{descriptor}'))}")
        fsync(descriptor)

    def recorded_replace(source: Path, target: Path) -> None:
        found.append(f"rename {name(target)}")
        replace(source, target)

    def recorded_sync() -> None:
        found.append("sync everything")
        sync()

    monkeypatch.setattr(os, "fsync", recorded_fsync)
    monkeypatch.setattr(os, "replace", recorded_replace)
    monkeypatch.setattr(os, "sync", recorded_sync)
    return found


def test_a_file_and_its_name_are_on_the_disk(tmp_path: Path, steps: list[str]) -> None:
    with atomic_write(tmp_path / "work" / "file") as handle:
        handle.write("x")
    assert steps == ["sync .file", "rename file", "sync work"]


def test_a_file_that_need_not_last_is_not_waited_for(tmp_path: Path, steps: list[str]) -> None:
    with atomic_write(tmp_path / "file", durable=False) as handle:
        handle.write("x")
    assert steps == ["rename file"]


def test_a_directory_is_on_the_disk_before_it_has_its_name(tmp_path: Path, steps: list[str]) -> None:
    with atomic_dir(tmp_path / "work" / "made") as directory:
        (directory / "part").mkdir()
        (directory / "part" / "file").write_text("x")
        (directory / "link").symlink_to("nowhere")
    assert set(steps[:-2]) == {"sync .made.partial", "sync part", "sync file"}
    assert steps[-2:] == ["rename made", "sync work"]


def test_many_files_are_synced_at_once(tmp_path: Path, steps: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fileio, "MANY", 3)
    with atomic_dir(tmp_path / "made") as directory:
        for number in range(4):
            (directory / str(number)).write_text("x")
    assert steps == ["sync everything", "rename made", f"sync {tmp_path.name}"]


def test_a_directory_that_is_replaced_stays_until_the_new_one_is_whole(tmp_path: Path) -> None:
    target = tmp_path / "made"
    for content in ("old", "new"):
        with atomic_dir(target) as directory:
            (directory / "file").write_text(content)
            assert not target.exists() or (target / "file").read_text() == "old"
    assert (target / "file").read_text() == "new"
    with pytest.raises(ValueError, match="killed"), atomic_dir(target) as directory:
        (directory / "file").write_text("half")
        raise ValueError("killed")
    assert (target / "file").read_text() == "new" and [path.name for path in tmp_path.iterdir()] == ["made"]


@pytest.mark.parametrize(("name", "read"), [
    ("x", read_text), ("dropped.tsv", read_dropped), (HELD_OUT, lambda path: held_out(path.parent)),
    (TOKENS, lambda path: unknown_characters("a", path.parent)), (TOKENS, lambda path: Text(path.parent).tokens)])
def test_text_that_is_not_utf8_is_named(tmp_path: Path, name: str, read: Callable[[Path], object]) -> None:
    path = tmp_path / name
    path.write_bytes(b"a\tb\nc\x85")
    with pytest.raises(DataError, match=rf"^{path}: not UTF-8 \(invalid start byte at byte 5\); remove it and run"):
        read(path)
