"""Whether what a stage reads is what the stages before it have made, by the options that hold now."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from stxfer.core.digests import file_digest
from stxfer.core.errors import DataError, StaleError
from stxfer.core.fileio import sha256
from stxfer.core.marker import (
    CHANGED,
    LIST,
    MARKER,
    MISSING,
    listed,
    output_digest,
    read_marker,
    run_again,
    total,
    wrong_outputs,
)
from stxfer.core.workdir import WorkDir

WATCHED = "watched"  # of a marker
#: What an experiment says of a stage: given its directory and marker, the options that are others now.
Declared = Callable[[Path, Mapping[str, Any]], Iterable[str]]


def digest(path: str | os.PathLike[str], *, removed: bool = False) -> str:
    """Return a digest of a file's bytes, or of the outputs of a stage's directory, as they are now.

    That of a list of digests (see :mod:`stxfer.core.marker`) stands for the files that it lists.

    Args:
        path: the file or directory.
        removed: outputs that are not there count as if they were, and lists for themselves alone.

    Raises:
        DataError: the file is absent, or the directory holds no marker (its stage has not finished).
    """
    path = Path(path)
    if path.is_dir():
        marker = read_marker(path)
        wrong = [name for name, how in wrong_outputs(path, marker, lists=not removed)
                 if not (removed and how == MISSING)]
        now = {name: output_digest(path, name) or MISSING for name in wrong}
        return total({**marker.get("outputs", {}), **now}) if now else str(marker["digest"])
    if not path.exists():
        raise DataError(f"{path}: no such file or directory; run the stage that makes it first")
    found = file_digest(path, keep=(path.parent / MARKER).exists())
    if path.name.endswith(LIST) and not removed and (path.parent / MARKER).exists():
        files = listed(path.parent, read_marker(path.parent))
        now = {name: output_digest(path.parent, name) or MISSING for name in files}
        if now != files:
            return total({path.name: found, **now})
    return found


def check_input(path: str | os.PathLike[str], declared: Declared | None = None,
                checked: set[str] | None = None) -> None:
    """Raise StaleError unless ``path`` is what its stage has written, and that is up to date, however far back.

    A source that was deleted (a data directory removed to free the disk) is not a change.

    Args:
        path: a stage's directory, or a file.
        declared: what the options of the stages before it are compared with.
        checked: directories that are up to date, which are not looked at again; those that are found so are added.
    """
    _check_files(Path(path))
    check_fresh(path, declared, checked)


def _check_files(path: Path, *, removed: bool = False) -> None:
    """Raise StaleError if a file, or one of a stage's directory, is not what its stage has written.

    Args:
        path: the file or directory.
        removed: one that is not there is not looked at, nor are those of which there is but a list.
    """
    directory = path if path.is_dir() else path.parent
    if not (directory / MARKER).exists():
        return
    marker = read_marker(directory)
    names = None if path == directory else {path.name}
    if names and path.name.endswith(LIST):
        names |= listed(directory, marker).keys()
    for name, how in wrong_outputs(directory, marker, names, lists=not removed):
        if not (removed and how == MISSING):
            raise StaleError(f"{directory / name}: {_WRONG[how]}; {run_again(marker)}")


_WRONG = {MISSING: "is not there any more", CHANGED: "is not what its stage has written"}


def watch(files: Iterable[Path]) -> dict[str, dict[str, Any]]:
    """Return what markers say of watched files: with its size and time, a file is known without being read again."""
    found = {}
    for path in files:
        status = path.stat()
        found[os.path.abspath(path)] = {"bytes": status.st_size, "mtime_ns": status.st_mtime_ns,
                                        "sha256": sha256(path)}
    return found


def has_changed(path: Path, seen: Mapping[str, Any]) -> bool:
    """Whether a watched file is there and holds something else."""
    if not path.exists():
        return False
    status = path.stat()
    if (status.st_size, status.st_mtime_ns) == (seen["bytes"], seen["mtime_ns"]):
        return False
    return bool(file_digest(path) != seen["sha256"])


def made_before(directory: Path) -> list[Path]:
    """Return the directory if a stage has made it, for what reads all of its files."""
    return [directory] if (directory / MARKER).exists() else []


def check_fresh(path: str | os.PathLike[str], declared: Declared | None = None,
                checked: set[str] | None = None) -> None:
    """Raise StaleError if ``path`` was made from something that has changed since, or by other options.

    Its own files are not looked at: see :func:`check_input`, which has the arguments.
    """
    seen = checked if checked is not None else set()
    directory = Path(path) if Path(path).is_dir() else Path(path).parent
    if str(directory) in seen or not (directory / MARKER).exists():
        return
    seen.add(str(directory))
    marker = read_marker(directory)
    if declared is not None and (others := list(declared(directory, marker))):
        raise StaleError(f"{directory}: made by other options, {'; '.join(others[:3])}; {run_again(marker)}, or give "
                         "--allow-stale to use it as it is")
    work = WorkDir.of(directory)
    for source, known in marker.get(WATCHED, {}).items():
        if has_changed(Path(work.located(source)), known):
            raise _stale(directory, source, marker)
    for source, recorded in marker["inputs"].items():
        source = work.located(source)
        if not Path(source).exists():
            continue
        check_fresh(source, declared, seen)
        if digest(source, removed=True) != recorded:
            _check_files(Path(source), removed=True)
            raise _stale(directory, source, marker)


def _stale(directory: Path, source: str, marker: Mapping[str, Any]) -> StaleError:
    return StaleError(f"{directory}: out of date, {source} has changed since it was made; {run_again(marker)}, "
                      "or give --allow-stale to use it as it is")
