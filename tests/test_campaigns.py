"""What the campaigns share: a work directory is as before each case, and a child's end is told for what it is."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

import forks
import fuzz
import mutate
import pytest


def contents(directory: Path) -> dict[str, str]:
    return {str(path.relative_to(directory)): path.read_text() for path in directory.rglob("*") if path.is_file()}


def test_a_directory_is_restored_and_what_has_not_changed_stays(tmp_path: Path) -> None:
    kept, work = tmp_path / "kept", tmp_path / "work"
    for name in ("same", "changed", "deleted", "folder", "a/b/deep", "a/.digests.json", "file/inside"):
        (kept / name).parent.mkdir(parents=True, exist_ok=True)
        (kept / name).write_text(name)
    before = contents(kept)
    forks.restore(work, kept)
    assert contents(work) == before
    stamp = (work / "same").stat()
    mutate.write(work / "changed", b"other")
    mutate.write(work / "a/.digests.json", b"remembered")
    (work / "deleted").unlink()
    (work / "folder").unlink()
    (work / "folder").mkdir()
    (work / "a/more").mkdir()
    (work / "a/more/x").write_text("x")
    forks.remove(work / "file")
    (work / "file").write_text("no folder")
    forks.restore(work, kept)
    assert contents(work) == {**before, "a/.digests.json": "remembered"} and contents(kept) == before
    assert (work / "same").stat() == stamp and not (work / "a/more").exists()


def test_a_changed_list_of_digests_has_no_other_that_could_agree_with_it(tmp_path: Path) -> None:
    (tmp_path / "audio.sha256").write_bytes(b"caf\xe9  x\n")
    (tmp_path / ".stage.json").write_text('{"outputs": {}}')
    assert not fuzz.seal(tmp_path / "audio.sha256")


@pytest.mark.parametrize(("function", "status", "said", "hung"), [
    (lambda: print("well"), 0, "well", False),
    (lambda: sys.exit("error: this"), 1, "error: this", False),
    (lambda: {}["x"], 70, "KeyError: 'x'", False),
    (lambda: os.kill(os.getpid(), signal.SIGTERM), -signal.SIGTERM, "error: no output", False),
    (lambda: time.sleep(60), -signal.SIGKILL, "error: no output", True)])
def test_how_a_child_has_ended(tmp_path: Path, function: Callable[[], None], status: int, said: str,
                               hung: bool) -> None:
    ended = forks.in_child(function, tmp_path / "log", seconds=1 if hung else 60)
    assert (ended.status, ended.error, ended.hung) == (status, said, hung) and ended.peak > 0
