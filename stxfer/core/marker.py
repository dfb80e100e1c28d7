"""Markers: what a finished stage's directory says of itself, and whether its files are still what the stage wrote.

``.stage.json`` holds the stage's name, options, the digests of its inputs and of its outputs. An output whose name ends
in ``.sha256`` lists the digests of further outputs, as ``sha256sum`` writes and checks them.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

from typing_extensions import NotRequired, TypedDict

from stxfer.core.digests import file_digest
from stxfer.core.errors import DataError
from stxfer.core.fileio import read_json, read_text, write_json
from stxfer.core.records import mistake
from stxfer.core.workdir import WorkDir

MARKER = ".stage.json"
LIST = ".sha256"  # ends the name of an output that lists digests of others
MISSING, CHANGED = "missing", "changed"
_parsed: dict[Path, tuple[tuple[int, int, int], dict[str, Any]]] = {}


class Watched(TypedDict):
    """What a marker says of a watched file, see :func:`stxfer.core.fresh.watch`."""

    bytes: int
    mtime_ns: int
    sha256: str


class Marker(TypedDict):
    """What a marker holds at least."""

    stage: str
    digest: str
    options: dict[str, Any]
    inputs: dict[str, str]
    step: NotRequired[str]
    outputs: NotRequired[dict[str, str]]
    also: NotRequired[dict[str, str]]
    watched: NotRequired[dict[str, Watched]]


class DamagedError(DataError):
    """A marker that no stage has written like this."""


def total(digests: Mapping[str, str]) -> str:
    """Return the digest of a directory: of the digests of its outputs, by name."""
    return _sha256(dict(digests))


def _sha256(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()


def write_marker(directory: Path, content: Mapping[str, Any]) -> None:
    """Write a directory's marker, with a digest of its own; paths in the work directory become relative to it."""
    unsealed = {key: value for key, value in content.items() if key != "seal"}
    plain = WorkDir.of(directory).portable(json.loads(json.dumps(unsealed)))
    write_json(directory / MARKER, {**plain, "seal": _sha256(plain)})


def read_marker(directory: str | os.PathLike[str]) -> dict[str, Any]:
    """Return the content of a directory's marker, where paths in its work directory are relative to that.

    Raises:
        DataError: there is none.
        DamagedError: it is not as a stage has written it.
    """
    path = Path(directory) / MARKER
    try:
        found = path.stat()
    except (FileNotFoundError, NotADirectoryError):
        raise DataError(f"{directory}: not finished (no {MARKER}); run the stage that makes it first") from None
    key = (found.st_ino, found.st_mtime_ns, found.st_size)
    if path not in _parsed or _parsed[path][0] != key:
        _parsed[path] = key, _read(path)
    return _parsed[path][1]


def _read(path: Path) -> dict[str, Any]:
    try:
        marker = read_json(path)
    except DataError as error:
        raise DamagedError(str(error)) from None
    if not isinstance(marker, dict) or not {"stage", "digest", "options", "inputs"} <= marker.keys():
        raise DamagedError(f"{path}: not a stage's marker; remove it and run its stage again")
    if wrong := mistake(marker, Marker, str(path)):
        raise DamagedError(f"{wrong}; remove it and run its stage again")
    plain = {key: value for key, value in marker.items() if key != "seal"}
    sealed = marker.get("seal", _sha256(plain)) == _sha256(plain)  # older versions sealed none
    if not sealed or total(marker.get("outputs", {})) != marker["digest"]:
        raise DamagedError(f"{path}: changed since its stage has written it; remove it and run its stage again")
    return WorkDir.of(path).portable(plain)  # type: ignore[no-any-return]  # older versions wrote absolute paths


def read_entries(directory: str | os.PathLike[str], shape: Any) -> dict[str, Any]:
    """Return a directory's marker with what its stage has taken down beside, of a shape as :mod:`.records` has it.

    Raises:
        DataError: there is no marker.
        DamagedError: it holds something else; names the key.
    """
    marker = read_marker(directory)
    if wrong := mistake(marker, shape, str(Path(directory) / MARKER)):
        raise DamagedError(f"{wrong}; remove it and run its stage again")
    return marker


def figures_of(directory: str | os.PathLike[str], shape: Any) -> dict[str, Any]:
    """Return ``figures`` of a marker, see :func:`read_entries`."""
    figures: dict[str, Any] = read_marker(directory).get("figures", {})
    if wrong := mistake(figures, shape, str(Path(directory) / MARKER), ("figures",)):
        raise DamagedError(f"{wrong}; remove it and run its stage again")
    return figures


def is_stage(directory: str | os.PathLike[str], kind: str) -> bool:
    """Tell whether a directory has the marker of a stage whose name begins with a word."""
    try:
        return str(read_marker(directory)["stage"]).startswith(f"{kind} ")
    except DataError:
        return False


def is_recorded(path: Path) -> bool:
    """Tell whether a file is, or was, an output of the stage whose directory it lies in."""
    return (path.parent / MARKER).exists() and path.name in _own(read_marker(path.parent))


def is_expected(path: Path) -> bool:
    """Tell whether a file is there, or is missing where a stage has left it."""
    return path.exists() or is_recorded(path)


def run_again(marker: Mapping[str, Any]) -> str:
    """Return how to make the outputs of a marker's stage again."""
    step = marker.get("step")
    return f"run stage '{step}' again ({marker['stage']})" if step else f"run its stage again ({marker['stage']})"


def listed(directory: str | os.PathLike[str], marker: Mapping[str, Any]) -> dict[str, str]:
    """Return the digests that the lists among a directory's outputs hold, by file name.

    A list that is missing, or is not the stage's, holds none.
    """
    found: dict[str, str] = {}
    for name, digest in _own(marker).items():
        if name.endswith(LIST) and output_digest(directory, name) == digest:
            lines = read_text(Path(directory) / name).splitlines()
            found |= {file: of for of, _, file in (line.partition("  ") for line in lines) if file}
    return found


def _own(marker: Mapping[str, Any]) -> dict[str, str]:
    return {**marker.get("outputs", {}), **marker.get("also", {})}


def recorded_outputs(directory: str | os.PathLike[str], marker: Mapping[str, Any]) -> dict[str, str]:
    """Return the digests of all outputs by file name, those that an output lists among them."""
    return {**_own(marker), **listed(directory, marker)}


def wrong_outputs(directory: str | os.PathLike[str], marker: Mapping[str, Any],
                  names: Collection[str] | None = None, *, lists: bool = True) -> Iterator[tuple[str, str]]:
    """Yield the outputs that are not as the stage has left them, each with :data:`MISSING` or :data:`CHANGED`.

    Args:
        directory: the stage's.
        marker: its content.
        names: look at no others; None: at all.
        lists: look at the files whose digests an output lists, too.
    """
    recorded = _own(marker)
    if lists and (names is None or any(name.endswith(LIST) for name in names)):
        recorded |= listed(directory, marker)
    for name, digest in recorded.items():
        if names is not None and name not in names:
            continue
        found = output_digest(directory, name)
        if found != digest:
            yield name, MISSING if found is None else CHANGED


def output_digest(directory: str | os.PathLike[str], name: str) -> str | None:
    """Return the digest of an output as it is now; None if it is not there."""
    try:
        return file_digest(Path(directory) / name, keep=True)
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
        return None
