"""Archives unpacked with nothing left outside their folder, whole or not at all."""

from __future__ import annotations

import contextlib
import errno
import itertools
import logging
import lzma
import os
import posixpath
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
MAX_RATIO = 100.0  # audio is packed to a half at best, text to a tenth
_ALWAYS = 100_000_000  # bytes that every archive may unpack to
_MEMBER = 512  # bytes that a member without content counts as: a folder of millions of them is too much, too
_LONGEST = 1 << 20  # bytes of a header that holds a long name (pax, GNU), which Python reads into memory at once


def unpack(archive: str | os.PathLike[str], folder: str | os.PathLike[str], *,
           max_ratio: float = MAX_RATIO, tell: bool = True) -> list[Path]:
    """Unpack a tar (plain, gzip, bzip2, xz) or zip archive into a folder.

    What the archive holds at its top appears in ``folder`` when all of it has been unpacked. Tar members pass
    Python's ``data`` filter (PEP 706); zip members must be plain files and folders. Symbolic links are made last, and
    none may lead through another: the filter of Python before 3.11.13 and 3.12.11 can be led outside by those
    (CVE-2025-4517, CVE-2025-4330).

    Args:
        archive: the file.
        folder: made if it is not there; what else lies in it stays.
        max_ratio: how many times its own size an archive may unpack to; 100 MB are always allowed.
        tell: log what was done.

    Returns:
        What has appeared in ``folder``, sorted.

    Raises:
        DataError: the archive is absent, damaged or no archive, holds a member that leaves the folder, a device or
            a link that leads outside or through another, or something that is in the folder already; it unpacks to
            more than ``max_ratio`` allows; the disk is full; or Python is too old to unpack safely. Nothing of the
            archive is then left.
    """
    archive, folder = Path(archive), Path(folder)
    with locked(folder):
        partial = folder / f".{archive.name}.partial"
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir()
        try:
            with _explained(archive, folder):
                count = _extract(archive, partial, max(_ALWAYS, max_ratio * _size(archive)))
            made = sorted(folder / name.name for name in partial.iterdir())
            for path in made:
                if path.exists():
                    raise DataError(f"{archive}: {path} is there already; remove it, or unpack into another folder")
            for path in made:
                (partial / path.name).replace(path)
        finally:
            shutil.rmtree(partial, ignore_errors=True)
    if tell:
        log.info("%s: %d files unpacked into %s", archive, count, folder)
    return made


def _size(archive: Path) -> int:
    if not archive.is_file():
        raise DataError(f"{archive}: no such file")
    return archive.stat().st_size


class _Member(tarfile.TarInfo):
    """A member of a tar archive whose headers of names are no larger than names are."""

    def _proc_member(self, tar: tarfile.TarFile) -> tarfile.TarInfo:
        if self.type in _NAMES and self.size > _LONGEST:
            raise tarfile.TarError(f"a member's name, or what else its header says, takes {self.size / 1e6:.1f} MB")
        member: tarfile.TarInfo = super()._proc_member(tar)  # type: ignore[misc]  # typeshed leaves it out
        return member


_NAMES = (tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.SOLARIS_XHDTYPE, tarfile.GNUTYPE_LONGNAME,
          tarfile.GNUTYPE_LONGLINK)


def _is_tar(archive: Path) -> bool:
    """Whether a file is a tar archive; ``tarfile.is_tarfile`` would read names of any length."""
    try:
        tarfile.open(archive, tarinfo=_Member).close()
    except EOFError:  # a compressed file that is cut short, as reading it tells
        return True
    except (tarfile.ReadError, zlib.error, lzma.LZMAError):
        return False
    return True


def _extract(archive: Path, folder: Path, bound: float) -> int:
    if zipfile.is_zipfile(archive):
        return _extract_zip(archive, folder, bound)
    if not _is_tar(archive):
        raise DataError(f"{archive}: not a whole archive of a kind known here ({' '.join(SUFFIXES)}); "
                        "remove it and download it again")
    if not hasattr(tarfile, "data_filter"):
        raise DataError(f"{archive}: this Python cannot unpack tar archives safely; use 3.10.12, 3.11.4 or newer")
    return _extract_tar(archive, folder, bound)


def _extract_tar(archive: Path, folder: Path, bound: float) -> int:
    progress = Progress(str(archive), None, "files")
    links: dict[str, tarfile.TarInfo] = {}
    others: set[str] = set()
    size = 0
    with tarfile.open(archive, tarinfo=_Member) as tar:
        for member in tar:
            name = posixpath.normpath(member.name)
            size += member.size + _MEMBER
            _check_size(archive, size, bound)
            if member.name.startswith("/"):  # the filter would take the slash away
                raise _unsafe(archive, member.name, "is an absolute path")
            if member.islnk() and posixpath.normpath(member.linkname) not in others:
                raise _unsafe(archive, member.name, f"links to {member.linkname!r}, which it does not hold")
            if member.issym():
                links[name] = member
            else:
                others.add(name)
                _extract_member(archive, tar, member, folder)
                progress.add()
        through = {above for name in others for above in _above(name)} if links else set()
        for name, member in links.items():
            target = posixpath.normpath(posixpath.join(posixpath.dirname(name), member.linkname))
            if name in others or name in through:
                raise _unsafe(archive, member.name, "is a link and something else as well")
            if any(above in links for path in (name, target) for above in _above(path)) or _turns(member.linkname):
                raise _unsafe(archive, member.name, f"links through another link, to {member.linkname!r}")
            _extract_member(archive, tar, member, folder)
            progress.add()
        while tar.fileobj is not None and tar.fileobj.read(1 << 20):  # to the end, where gzip's checksum is
            pass
    return progress.done


def _above(path: str) -> Iterator[str]:
    """Yield the folders that a path leads through."""
    while path := posixpath.dirname(path):
        yield path
        if path == "/":
            return


def _turns(path: str) -> bool:
    """Whether a path goes up again after a name."""
    parts = [part for part in path.split("/") if part not in ("", ".")]
    return any(here != ".." and after == ".." for here, after in itertools.pairwise(parts))


def _extract_member(archive: Path, tar: tarfile.TarFile, member: tarfile.TarInfo, folder: Path) -> None:
    try:
        tar.extract(member, folder, filter="data")
    except tarfile.SpecialFileError:
        raise _unsafe(archive, member.name, "is a device or another special file") from None
    except (tarfile.LinkOutsideDestinationError, tarfile.AbsoluteLinkError):
        raise _unsafe(archive, member.name, f"links outside the archive, to {member.linkname!r}") from None
    except tarfile.FilterError:
        raise _unsafe(archive, member.name, "leaves the folder it is unpacked into") from None


def _extract_zip(archive: Path, folder: Path, bound: float) -> int:
    with zipfile.ZipFile(archive) as zipped:
        members = zipped.infolist()
        _check_size(archive, sum(member.file_size + _MEMBER for member in members), bound)
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


def _check_size(archive: Path, size: float, bound: float) -> None:
    if size > bound:
        raise DataError(f"{archive}: {archive.stat().st_size / 1e6:.1f} MB that unpack to more than {bound / 1e6:.0f} "
                        "MB; nothing of it was unpacked. If you know the archive, raise --max-ratio")


def _unsafe(archive: Path, member: str, what: str) -> DataError:
    return DataError(f"{archive}: member {member!r} {what}; do not trust this archive, nothing of it was unpacked")


def _damaged(archive: Path, error: Exception) -> DataError:
    return DataError(f"{archive}: cut short or damaged ({error}); remove it and download it again")


@contextlib.contextmanager
def _explained(archive: Path, folder: Path) -> Iterator[None]:
    try:
        yield
    except (EOFError, ValueError, OverflowError, lzma.LZMAError, zlib.error, tarfile.TarError, zipfile.BadZipFile,
            NotImplementedError) as error:
        # ValueError: of numbers and names in headers; NotImplementedError: zipfile's, of a compression it does not know
        raise _damaged(archive, error) from None
    except OSError as error:
        if error.errno is None:  # gzip and bz2 say so of bad data
            raise _damaged(archive, error) from None
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise DataError(f"{folder}: the disk is full; {archive} needs more room than its own "
                            f"{archive.stat().st_size / 1e6:.0f} MB") from None
        raise
