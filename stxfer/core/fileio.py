"""Files that appear whole or not at all, and digests of their content."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import hashlib
import json
import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from stxfer.core.errors import DataError, StxferError

_TEMPORARY = re.compile(r"\..+\.tmp[0-9]+")
MANY = 50  # files that are synced one by one
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


@contextlib.contextmanager
def atomic_write(path: str | os.PathLike[str], mode: str = "w", *, durable: bool = True) -> Iterator[IO[Any]]:
    r"""Open a file that replaces ``path`` only when the block ends without an error.

    Unless ``durable`` is false, file and directory entry are on the disk by then, whatever happens to the machine's
    power; it costs some 10 ms (ext4 on an SSD: 5 for the file, 4 for the entry).

    Text is UTF-8 with ``\n`` line ends on every platform. The temporary file lies beside
    ``path``, so that the final rename stays on one file system.
    """
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.with_name(f".{target.name}.tmp{os.getpid()}")
    text = "b" not in mode
    try:
        with _naming(target), temporary.open(mode, encoding="utf-8" if text else None,
                                             newline="\n" if text else None) as handle:
            yield handle
            handle.flush()
            if durable:
                os.fsync(handle.fileno())
        temporary.replace(target)
        if durable:
            with _naming(target):
                _fsync(target.parent)
    finally:
        temporary.unlink(missing_ok=True)


def remove_temporaries(directory: str | os.PathLike[str]) -> None:
    """Remove what :func:`atomic_write` has left in a directory, and below, in processes that were killed.

    Nobody else may write there meanwhile.
    """
    for path in Path(directory).rglob(".*.tmp*"):
        if _TEMPORARY.fullmatch(path.name):
            path.unlink(missing_ok=True)


def sync(path: str | os.PathLike[str]) -> None:
    """Wait until a file, or a directory's list of names, is on the disk."""
    with _naming(path):
        _fsync(path)


def _fsync(path: str | os.PathLike[str]) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _sync_tree(directory: Path) -> None:
    """Wait until a directory with all that is in it is on the disk."""
    paths = [directory, *directory.rglob("*")]
    if len(paths) > MANY:
        os.sync()  # on Linux it waits; one by one, 3,000 files take 12 s in place of 0.1
        return
    for path in paths:
        if not path.is_symlink():
            sync(path)


@contextlib.contextmanager
def _naming(path: str | os.PathLike[str]) -> Iterator[None]:
    """Name the file where the disk is full: writes fail without saying where."""
    try:
        yield
    except OSError as error:
        if error.filename is not None or error.errno not in _FULL:
            raise
        raise OSError(error.errno, error.strerror, str(path)) from None


@contextlib.contextmanager
def atomic_dir(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Yield an empty directory that replaces ``path`` when the block ends without an error.

    All that it holds is on the disk before it has its name, and the name before this returns.

    What a killed run left half-written is removed by the next run on the same ``path``.
    """
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.with_name(f".{target.name}.partial")
    old = target.with_name(f".{target.name}.old")
    if old.exists() and not target.exists():
        old.replace(target)  # killed between the two renames below
    shutil.rmtree(temporary, ignore_errors=True)
    shutil.rmtree(old, ignore_errors=True)
    temporary.mkdir()
    try:
        yield temporary
        _sync_tree(temporary)
        if target.exists():
            target.replace(old)
        temporary.replace(target)
        with _naming(target):
            _fsync(target.parent)
        shutil.rmtree(old, ignore_errors=True)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


@contextlib.contextmanager
def locked(directory: str | os.PathLike[str]) -> Iterator[None]:
    """Keep a directory, made if it is not there, to this process within the block; a kill releases it.

    Raises:
        StxferError: another process has it.
    """
    Path(directory).mkdir(parents=True, exist_ok=True)
    with (Path(directory) / ".lock").open("a") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise StxferError(f"{directory}: another process is at work here; wait for it or end it") from None
        yield


def write_json(path: str | os.PathLike[str], value: Any, *, durable: bool = True) -> None:
    """Write ``value`` as indented JSON, atomically; see :func:`atomic_write`."""
    with atomic_write(path, durable=durable) as handle:
        json.dump(value, handle, ensure_ascii=False, indent=2, sort_keys=False)
        handle.write("\n")


def read_text(path: str | os.PathLike[str]) -> str:
    """Read text that a stage has written.

    Raises:
        DataError: the file is absent or not UTF-8.
    """
    try:
        return Path(path).read_text(encoding="utf-8")
    except FileNotFoundError:
        raise DataError(f"{path}: no such file") from None
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: not UTF-8 ({error.reason} at byte {error.start}); remove it and run its stage again"
                        ) from None


def read_json(path: str | os.PathLike[str]) -> Any:
    """Read JSON.

    Raises:
        DataError: the file is absent or is not JSON.
    """
    try:
        return json.loads(Path(path).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise DataError(f"{path}: no such file") from None
    except RecursionError:
        raise DataError(f"{path}: not JSON that can be read, it is nested too deep; remove it and run its stage again"
                        ) from None
    except ValueError as error:  # of syntax, of encoding, or a number of thousands of digits
        raise DataError(f"{path}: not JSON ({error}); remove it and run its stage again") from None


def sha256(path: str | os.PathLike[str]) -> str:
    """Return the hexadecimal SHA-256 of a file's bytes."""
    with Path(path).open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest() \
            if hasattr(hashlib, "file_digest") else _sha256(handle)


def _sha256(handle: IO[bytes]) -> str:  # Python 3.10 has no hashlib.file_digest
    digest = hashlib.sha256()
    while block := handle.read(1 << 20):
        digest.update(block)
    return digest.hexdigest()
