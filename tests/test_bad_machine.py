"""A full disk, a read-only one, killed processes: what is said, what is left, and that mending helps; memory."""

from __future__ import annotations

import errno
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile
from bad_input_audio import DUMP, PREPARE, audio, three_hours
from bad_input_corpora import kaldi

from stxfer.audio.shards import MIN_SHARD
from stxfer.bin import dump_fbank, prepare
from stxfer.bin._cli import run
from stxfer.core import fileio

PYTHON = f"{sys.executable} -m stxfer.bin."
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])}
UNSHARE = ["unshare", "--map-root-user", "--mount", "bash", "-c"]


@pytest.fixture
def raw(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return ``in``, four utterances as stage 1 leaves them, in the working directory."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "in").mkdir()
    kaldi(tmp_path / "in")
    return tmp_path / "in"


def shell(script: str, wrapper: list[str] | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*(wrapper or ["bash", "-c"]), script], env=ENVIRONMENT, capture_output=True, text=True)


def last(done: subprocess.CompletedProcess[str]) -> str:
    return done.stderr.splitlines()[-1] if done.stderr else ""


def can_mount() -> bool:
    return shutil.which("unshare") is not None and shell("mount -t tmpfs tmpfs /mnt", UNSHARE).returncode == 0


needs_mount = pytest.mark.skipif(not can_mount(), reason="file systems cannot be mounted here")


@needs_mount
@pytest.mark.parametrize(("command", "size"), [(PREPARE, "16k"), (DUMP, "40k")])
def test_full_disk(raw: Path, command: str, size: str) -> None:
    done = shell(f"mkdir out; mount -t tmpfs -o size={size} tmpfs out; {PYTHON}{command}; echo $?; find out -name "
                 f"'*.tmp*' -o -name '*.partial' -o -name .stage.json | wc -l; mount -o remount,size=9m out; "
                 f"{PYTHON}{command} > /dev/null; echo $?; wc -l < out/tgt_train/text", UNSHARE)
    [error] = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert error.startswith("error: out/") and error.endswith(": No space left on device; make room and run it again")
    assert done.stdout.split() == ["1", "0", "0", "4"]


@needs_mount
@pytest.mark.parametrize("command", [PREPARE, DUMP])
def test_read_only_output(raw: Path, command: str) -> None:
    done = shell(f"mkdir out; mount -t tmpfs -o ro tmpfs out; {PYTHON}{command}; echo $?", UNSHARE)
    assert done.stdout == "1\n"
    assert last(done).startswith("error: out/")
    assert last(done).endswith(": Read-only file system; write to another folder")


@pytest.mark.parametrize(("module", "command"), [(prepare, PREPARE), (dump_fbank, DUMP)])
def test_full_disk_at_any_file(raw: Path, module: object, command: str, monkeypatch: pytest.MonkeyPatch,
                               capsys: pytest.CaptureFixture[str]) -> None:
    """Whichever file the disk has no room for, nothing is left that counts as finished."""
    sync, count, broken = os.fsync, 0, 0

    def fail(fd: int) -> None:
        nonlocal count
        count += 1
        if count == broken:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        sync(fd)

    monkeypatch.setattr(fileio.os, "fsync", fail)
    while count == broken:
        shutil.rmtree("out", ignore_errors=True)
        count, broken = 0, broken + 1
        try:
            run(module.main, command.split()[1:])  # type: ignore[attr-defined]
        except SystemExit as end:
            assert str(end.code).startswith("error: out/"), end.code
            assert str(end.code).endswith(": No space left on device; make room and run it again")
            assert count == broken
            assert not [path for path in Path("out").rglob("*") if ".tmp" in path.name or ".partial" in path.name]
            run(module.main, command.split()[1:])  # type: ignore[attr-defined]
            count = broken
        assert len((raw.parent / "out/tgt_train/text").read_text().splitlines()) == 4
    assert broken > 8


def test_three_hours_take_little_memory(raw: Path) -> None:
    """A part at the end of a recording of three hours is cut out without decoding the rest."""
    three_hours(raw, "wav/talk.wav")
    with soundfile.SoundFile(raw / "wav/talk.wav", "r+") as talk:
        talk.seek(10790 * 16000)
        talk.write(0.1 * np.random.default_rng(0).normal(size=5 * 16000))
    for name, line in (("wav.scp", "talk in/wav/talk.wav"), ("text", "talk-1 Moja mbili tatu."),
                       ("utt2spk", "talk-1 t"), ("segments", "talk-1 talk 10790 10795")):
        (raw / "tgt_train" / name).write_text(f"{line}\n")
    # Not getrusage's ru_maxrss, which begins with that of the process that forked this one.
    code = ("import sys; from importlib import import_module; "
            "import_module(f'stxfer.bin.{sys.argv[1]}').main(sys.argv[2:]); "
            "print(open('/proc/self/status').read().split('VmHWM:')[1].split()[0])")
    for command in (PREPARE, DUMP):
        done = shell(f'{sys.executable} -c "{code}" {command}')
        assert done.returncode == 0, done.stderr
        assert int(done.stdout.splitlines()[-1]) < 400_000  # KiB; the recording is 690 MB as float32
    assert (raw.parent / "out/tgt_train/utt2num_frames").read_text() == "talk-1 498\n"


def test_channels_are_averaged(raw: Path) -> None:
    """Eight channels that differ give the features of their mean."""
    gains = np.linspace(0.2, 1.8, 8, dtype=np.float32)  # of mean 1
    run(dump_fbank.main, [*DUMP.split()[1:], "--compression", "none"])
    before = {path.name: path.read_bytes() for path in Path("out/tgt_train").glob("*.ark")}
    audio(lambda x: np.outer(x, gains), subtype="FLOAT")(raw)
    run(dump_fbank.main, [*DUMP.split()[1:], "--compression", "none"])
    [(name, content)] = before.items()
    after = (raw.parent / "out/tgt_train" / name).read_bytes()
    assert after != content
    assert np.allclose(np.frombuffer(after[-4000:], "<f4"), np.frombuffer(content[-4000:], "<f4"), atol=1e-3)


def long_work(raw: Path) -> None:
    """Add utterances, in a shard of their own, that take minutes; with another z.wav, seconds."""
    length = 590 * 16000
    soundfile.write(raw / "wav/z.wav", np.resize(np.random.default_rng(0).normal(size=16000) * 0.1, length), 16000)
    rows = [(f"ada-0{number:03}", "in/wav/ada-1.wav") for number in range(MIN_SHARD - 4)]
    rows += [(f"zed-{number:03}", "in/wav/z.wav") for number in range(MIN_SHARD)]
    for name, value in (("wav.scp", None), ("text", "moja"), ("utt2spk", "ada")):
        with open(raw / "tgt_train" / name, "a") as handle:
            handle.writelines(f"{utt} {value or path}\n" for utt, path in rows)
    (raw / "tgt_train").rename(raw / "tgt_test")  # of test sets, ten minutes are not too long


def worker_of(pid: int) -> int | None:
    """Return a worker process of a command."""
    for status in Path("/proc").glob("[0-9]*/status"):
        try:
            parent = next(line.split()[1] for line in status.read_text().splitlines() if line.startswith("PPid:"))
            if int(parent) == pid and b"spawn_main" in (status.parent / "cmdline").read_bytes():
                return int(status.parent.name)
        except (OSError, StopIteration):
            continue
    return None


def killed(command: str, ready: Callable[[], bool], victim: Callable[[int], int | None]) -> tuple[int, str]:
    """Run a command with two processes, kill ``victim`` once it is ``ready``; return its status and last line."""
    with subprocess.Popen([*f"{PYTHON}{command} --nj 2".split()], env=ENVIRONMENT, stdout=subprocess.DEVNULL,
                          stderr=subprocess.PIPE, text=True) as process:
        while process.poll() is None:
            if ready() and (pid := victim(process.pid)) is not None:
                os.kill(pid, signal.SIGKILL)
                break
            time.sleep(0.05)
        assert process.stderr is not None
        said = process.stderr.read().splitlines()
    return process.returncode, said[-1] if said else ""


@pytest.mark.parametrize("victim", ["worker", "command"])
def test_killed_feature_dump(raw: Path, victim: str) -> None:
    """A killed worker ends the run with one line; either way the next run keeps the shard that was finished."""
    long_work(raw)
    shards = raw.parent / "out/tgt_test/.shards"
    status, message = killed(DUMP, lambda: any(shards.glob("*.json")),
                             worker_of if victim == "worker" else lambda pid: pid)
    if victim == "worker":
        assert (status, message) == (1, "error: fbank tgt_test: a worker process was killed, most likely for memory; "
                                     "run again with a smaller --nj")
    else:
        assert status == -signal.SIGKILL
    [index] = shards.glob("*.json")
    kept = index.with_suffix(".ark").stat().st_ino
    assert not (raw.parent / "out/tgt_test/feats.scp").exists()
    shutil.copy(raw / "wav/ben-3.wav", raw / "wav/z.wav")
    run(dump_fbank.main, DUMP.split()[1:])
    assert (raw.parent / "out/tgt_test/feats.1.ark").stat().st_ino == kept
    assert len((raw.parent / "out/tgt_test/feats.scp").read_text().splitlines()) == 2 * MIN_SHARD
    assert not shards.exists() and not list((raw.parent / "out").rglob("*.tmp*"))


def test_killed_audio_check(raw: Path) -> None:
    long_work(raw)
    status, message = killed(PREPARE, lambda: True, worker_of)
    assert (status, message) == (1, "error: check tgt_test: a worker process was killed, most likely for memory; run "
                                 "again with a smaller --nj")
    assert [path.name for path in (raw.parent / "out").iterdir()] == ["held_out.tsv"]
    shutil.copy(raw / "wav/ben-3.wav", raw / "wav/z.wav")
    run(prepare.main, PREPARE.split()[1:])
    assert len((raw.parent / "out/tgt_test/text").read_text().splitlines()) == 2 * MIN_SHARD
