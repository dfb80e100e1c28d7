"""Checkpoints that a full disk, a power failure or a kill has cut short: mended, or named with the way out."""

from __future__ import annotations

import os
import resource
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from test_bad_machine import UNSHARE, needs_mount
from test_fit import World, killed, spec, world  # noqa: F401  (a fixture)

from stxfer.bin._cli import run
from stxfer.core.errors import StxferError
from stxfer.model.saves import atomic_saves, intact, previous
from stxfer.training.fit import fit
from stxfer.training.spec import Fit

EPOCHS = 3


@pytest.fixture(scope="module")
def whole(world: World) -> Fit:  # noqa: F811
    """A model of three epochs, two of which are averaged, trained without interruption."""
    plan = spec(world, world[0] / "whole" / "seed1", "target")
    plan = replace(plan, phases=[replace(plan.phases[0], epochs=EPOCHS, average=2)])
    fit(plan)
    return plan


def cut(path: Path) -> None:
    """Leave the first half, as a disk does that is full."""
    os.truncate(path, path.stat().st_size // 2)


def blank(path: Path) -> None:
    """Leave zeros in the second half, as file systems do after a power failure."""
    size = path.stat().st_size
    cut(path)
    os.truncate(path, size)


def interrupted(whole: Fit, out: Path, epoch: int) -> Fit:
    """Train until an epoch is saved, and kill."""
    again = replace(whole, out=out / "again" / "seed1")
    killed(lambda: fit(again), lambda path: path.name == f"{epoch}epoch.pth")
    return again


def check_same(whole: Fit, again: Fit) -> None:
    fit(again)
    assert (again.out / "model.pth").read_bytes() == (whole.out / "model.pth").read_bytes()
    assert not list(again.out.glob("phase*/*.pth*"))


@pytest.mark.parametrize("damage", [cut, blank, Path.unlink])
@pytest.mark.parametrize(("name", "epoch"), [("checkpoint.pth", 2), ("checkpoint.pth", 1), ("2epoch.pth", 2),
                                             ("init.pth", 1)])
def test_what_is_damaged_is_mended(whole: Fit, tmp_path: Path, name: str, epoch: int,
                                   damage: Callable[[Path], None]) -> None:
    again = interrupted(whole, tmp_path, epoch)
    damage(again.out / "phase1" / name)
    check_same(whole, again)


def test_a_damaged_checkpoint_costs_an_epoch(whole: Fit, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    again = interrupted(whole, tmp_path, 2)
    path = again.out / "phase1" / "checkpoint.pth"
    assert torch.load(previous(path), weights_only=False)["reporter"]["epoch"] == 1
    cut(path)
    check_same(whole, again)
    assert f"{path}: cut short or damaged; training goes on from the epoch before" in caplog.text


def test_a_damaged_average_is_made_again(whole: Fit, tmp_path: Path) -> None:
    again = replace(whole, out=tmp_path / "again" / "seed1")
    killed(lambda: fit(again), lambda path: path.name == "model.pth")
    (average,) = again.out.glob("phase1/valid.acc.ave_2best.pth")
    assert (again.out / "phase1/done").exists()
    cut(average)
    check_same(whole, again)


@pytest.mark.parametrize("names", [("1epoch.pth",), ("checkpoint.pth", "checkpoint.previous.pth")])
def test_what_cannot_be_mended_is_named_with_the_way_out(whole: Fit, tmp_path: Path, names: tuple[str, ...]) -> None:
    again = interrupted(whole, tmp_path, 2)
    for name in names:
        cut(again.out / "phase1" / name)
    with pytest.raises(StxferError) as raised:
        fit(again)
    assert str(raised.value) == (
        f"{again.out}/phase1/{names[0]}: cut short or damaged; remove {again.out}/phase1 and run the same command "
        "again, which trains this phase again")
    shutil.rmtree(again.out / "phase1")
    check_same(whole, again)


def test_a_file_that_may_not_grow_is_named(whole: Fit, tmp_path: Path) -> None:
    """As of a full disk; the limit of a process's files is one that a test can set."""
    again, log = replace(whole, out=tmp_path / "again" / "seed1"), tmp_path / "log"
    pid = os.fork()
    if pid == 0:
        status = 70
        try:
            limit = 3 * (whole.out / "model.pth").stat().st_size  # parameters fit, the optimiser's beside them do not
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
            run(lambda argv: fit(again) and None, [])
        except SystemExit as end:
            log.write_text(str(end.code))
            status = 1
        finally:
            os._exit(status)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 1
    assert log.read_text() == (f"error: {again.out}/phase1/checkpoint.pth: File too large; raise the size that a file "
                               "may have with ulimit -f, and run it again")
    assert not list(again.out.rglob("*.tmp*"))
    check_same(whole, again)


@needs_mount
def test_a_full_disk_is_named(tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    script = ("import torch; from stxfer.bin._cli import run; from stxfer.model.saves import atomic_saves\n"
              "def main(_):\n"
              "    with atomic_saves():\n"
              f"        torch.save(torch.zeros(100000), '{disk}/checkpoint.pth')\n"
              "run(main)")
    done = subprocess.run([*UNSHARE, f"mount -t tmpfs -o size=64k tmpfs {disk}; {sys.executable} -c \"{script}\"; "
                           f"echo $?; ls {disk} | wc -l"], capture_output=True, text=True,
                          env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])})
    assert done.stdout.split() == ["1", "0"], done.stderr
    assert done.stderr.splitlines()[-1] == \
        f"error: {disk}/checkpoint.pth: No space left on device; make room and run it again"


def test_what_is_kept_is_the_file_before(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint.pth"
    with atomic_saves(keep=["checkpoint.pth"]):
        for number in range(3):
            torch.save(torch.tensor(number), path)
            torch.save(torch.tensor(number), tmp_path / "other.pth")
    assert [int(torch.load(name)) for name in (path, previous(path))] == [2, 1]
    assert {name.name for name in tmp_path.iterdir()} == {"checkpoint.previous.pth", "checkpoint.pth", "other.pth"}


def test_any_byte_of_a_checkpoint_counts(tmp_path: Path) -> None:
    path = tmp_path / "x.pth"
    torch.save({"a": torch.arange(1000)}, path)
    assert intact(path) and not intact(tmp_path / "absent.pth")
    content = path.read_bytes()
    place = content.index(torch.arange(500, 502).numpy().tobytes())
    path.write_bytes(content[:place] + b"\1" + content[place + 1:])
    assert not intact(path)
    for size in (0, 1, len(content) // 2, len(content) - 1):
        path.write_bytes(content[:size])
        assert not intact(path)
