"""Archives unpacked with nothing left outside their folder, whole or not at all."""

from __future__ import annotations

import contextlib
import errno
import logging
import lzma
import os
import shutil
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path

from stxfer.core.errors import DataError
from stxfer.core.fileio import locked
from stxfer.core.progress import Progress

log = logging.getLogger(__name__)
SUFFIXES = (".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz", ".zip")


def unpack(archive: str | os.PathLike[str], folder: str | os.PathLike[str]) -> list[Path]:
    """Unpack a tar (plain, gzip, bzip2, xz) or zip archive into a folder.

    What the archive holds at its top appears in ``folder`` when all of it has been unpacked. Tar members pass
    Python's ``data`` filter (PEP 706); zip members must be plain files and folders.

    Args:
        archive: the file.
        folder: made if it is not there; what else lies in it stays.

    Returns:
        What has appeared in ``folder``, sorted.

    Raises:
        DataError: the archive is absent, damaged or no archive, holds a member that leaves the folder, a device or
            a link that leads outside, or something that is in the folder already; the disk is full; or Python is
            too old to unpack safely. Nothing of the archive is then left.
    """
    archive, folder = Path(archive), Path(folder)
    with locked(folder):
        partial = folder / f".{archive.name}.partial"
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir()
        try:
            with _explained(archive, folder):
                count = _extract(archive, partial)
            made = sorted(folder / name.name for name in partial.iterdir())
            for path in made:
                if path.exists():
                    raise DataError(f"{archive}: {path} is there already; remove it, or unpack into another folder")
            for path in made:
                (partial / path.name).replace(path)
        finally:
            shutil.rmtree(partial, ignore_errors=True)
    log.info("%s: %d files unpacked into %s", archive, count, folder)
    return made


def _extract(archive: Path, folder: Path) -> int:
    if not archive.is_file():
        raise DataError(f"{archive}: no such file")
    if zipfile.is_zipfile(archive):
        return _extract_zip(archive, folder)
    if not tarfile.is_tarfile(archive):
        raise DataError(f"{archive}: not a whole archive of a kind known here ({' '.join(SUFFIXES)}); "
                        "remove it and download it again")
    if not hasattr(tarfile, "data_filter"):
        raise DataError(f"{archive}: this Python cannot unpack tar archives safely; use 3.10.12, 3.11.4 or newer")
    return _extract_tar(archive, folder)


def _extract_tar(archive: Path, folder: Path) -> int:
    progress = Progress(str(archive), None, "files")
    with tarfile.open(archive) as tar:
        for member in tar:
            if member.name.startswith("/"):  # the filter would take the slash away
                raise _unsafe(archive, member.name, "is an absolute path")
            try:
                tar.extract(member, folder, filter="data")
            except tarfile.SpecialFileError:
                raise _unsafe(archive, member.name, "is a device or another special file") from None
            except (tarfile.LinkOutsideDestinationError, tarfile.AbsoluteLinkError):
                raise _unsafe(archive, member.name, f"links outside the archive, to {member.linkname!r}") from None
            except tarfile.FilterError:
                raise _unsafe(archive, member.name, "leaves the folder it is unpacked into") from None
            except KeyError:
                raise _unsafe(archive, member.name, f"links to {member.linkname!r}, which it does not hold") from None
            progress.add()
        while tar.fileobj is not None and tar.fileobj.read(1 << 20):  # to the end, where gzip's checksum is
            pass
    return progress.done


def _extract_zip(archive: Path, folder: Path) -> int:
    with zipfile.ZipFile(archive) as zipped:
        members = zipped.infolist()
        for member in members:
            if member.filename.startswith("/") or ".." in member.filename.replace("\\", "/").split("/"):
                raise _unsafe(archive, member.filename, "leaves the folder it is unpacked into")
            kind = stat.S_IFMT(member.external_attr >> 16)
            if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
                raise _unsafe(archive, member.filename, "is a link, a device or another special file")
            if member.flag_bits & 1:
                raise DataError(f"{archive}: member {member.filename!r} is encrypted; unpack it by hand")
        zipped.extractall(folder)  # noqa: S202 (each member was looked at)
    return len(members)


def _unsafe(archive: Path, member: str, what: str) -> DataError:
    return DataError(f"{archive}: member {member!r} {what}; do not trust this archive, nothing of it was unpacked")


def _damaged(archive: Path, error: Exception) -> DataError:
    return DataError(f"{archive}: cut short or damaged ({error}); remove it and download it again")


@contextlib.contextmanager
def _explained(archive: Path, folder: Path) -> Iterator[None]:
    try:
        yield
    except (EOFError, lzma.LZMAError, zlib.error, tarfile.TarError, zipfile.BadZipFile) as error:
        raise _damaged(archive, error) from None
    except OSError as error:
        if error.errno is None:  # gzip and bz2 say so of bad data
            raise _damaged(archive, error) from None
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise DataError(f"{folder}: the disk is full; {archive} needs more room than its own "
                            f"{archive.stat().st_size / 1e6:.0f} MB") from None
        raise
