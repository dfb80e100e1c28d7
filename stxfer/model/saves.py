"""Files that ``torch.save`` writes: whole or not at all, and told apart from those that were cut short or damaged."""

from __future__ import annotations

import contextlib
import os
import zipfile
import zlib
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

from stxfer.core.errors import StxferError, first_line
from stxfer.core.fileio import sync

_PROBE = 1 << 20  # bytes


def previous(path: Path) -> Path:
    """Return where :func:`atomic_saves` keeps what a file was before."""
    return path.with_name(f"{path.stem}.previous{path.suffix}")


@contextlib.contextmanager
def atomic_saves(keep: Collection[str] = ()) -> Iterator[None]:
    """Within the block ``torch.save`` to a path writes beside it, waits until that is on the disk, and renames.

    ESPnet's trainer writes ``checkpoint.pth`` in place: a kill in that moment leaves a file that stops every later
    resume.

    Args:
        keep: names of files of which the one before is kept, see :func:`previous`.

    Raises:
        OSError: the disk is full, or the file may not become so large; names the file.
        StxferError: it cannot be written for another reason.
    """
    import torch

    plain = torch.save

    def save(value: Any, target: Any, *args: Any, **kwargs: Any) -> None:
        if not isinstance(target, (str, os.PathLike)):
            return plain(value, target, *args, **kwargs)
        temporary, path = Path(f"{target}.tmp{os.getpid()}"), Path(target)
        try:
            try:
                plain(value, temporary, *args, **kwargs)
            except RuntimeError as error:  # PyTorch's writer keeps the reason to itself
                raise _reason(temporary, path, error) from None
            sync(temporary)
            if path.name in keep and path.exists():
                path.replace(previous(path))
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)

    torch.save = save  # type: ignore[assignment]
    try:
        yield
    finally:
        torch.save = plain


def _reason(temporary: Path, path: Path, error: RuntimeError) -> Exception:
    """Return why a file could not be written: what the system says when it is written on."""
    try:
        with temporary.open("ab") as handle:
            handle.write(bytes(_PROBE))
            handle.flush()
            os.fsync(handle.fileno())
    except OSError as found:
        return OSError(found.errno, found.strerror, str(path))
    return StxferError(f"{path}: cannot be written: {first_line(error)}")


def intact(path: Path) -> bool:
    """Tell whether a file that ``torch.save`` has written is there and whole, by the CRC-32 of all that it holds."""
    try:
        with zipfile.ZipFile(path) as archive:
            return archive.testzip() is None
    except (OSError, EOFError, ValueError, NotImplementedError, RuntimeError, zipfile.BadZipFile, zlib.error):
        return False  # zipfile raises the two of its own kind for flipped bits that ask for compression or encryption
