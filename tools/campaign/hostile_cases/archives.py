"""Archives that leave their folder, or do not fit on the disk or in memory."""

from __future__ import annotations

import io
import itertools
import tarfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

from hostile_cases.case import Hostile, Read

FILE, LINK, HARD, FOLDER, FIFO, DEVICE = (tarfile.REGTYPE, tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.DIRTYPE,
                                          tarfile.FIFOTYPE, tarfile.CHRTYPE)
Members = list[tuple[str, bytes, str]]
TARS: dict[str, tuple[Members, str]] = {
    "a link through a link": ([("a", LINK, "."), ("b", LINK, "a/.."), ("b/mark", FILE, "")],
                              "member 'b' is a link and something else"),
    "two links up": ([("a", LINK, "."), ("b", LINK, "a/..")], "member 'b' links through another link"),
    "a link to a link's content": ([("d/e", LINK, "../f"), ("g", LINK, "d/e/mark")],
                                   "member 'g' links through another link"),
    "a link and a folder": ([("d", LINK, "e"), ("d/mark", FILE, "")], "member 'd' is a link and something else"),
    "a file and a link": ([("d", FILE, ""), ("d", LINK, "e")], "member 'd' is a link and something else"),
    "a link below a link": ([("d", LINK, "e"), ("d/g", LINK, "h")], "member 'd/g' links through another link"),
    "a link that goes up again": ([("x/y", FILE, ""), ("z", LINK, "x/../x/y")],
                                  "member 'z' links through another link"),
    "a hard link to a link": ([("l", LINK, "x"), ("h", HARD, "l")], "member 'h' links to 'l', which it does not hold"),
    "a link outside": ([("l", LINK, "../mark")], "member 'l' links outside the archive"),
    "an absolute link": ([("l", LINK, "/tmp")], "member 'l' links outside the archive"),
    "a long way up": ([("a" * 200 + "/" + "b" * 200, LINK, "../.." + "/.." * 20 + "/tmp/mark")],
                      "links outside the archive"),
    "a hard link outside": ([("h", HARD, "../../mark")], "which it does not hold"),
    "an absolute path": ([("/tmp/mark", FILE, "")], "is an absolute path"),
    "a path up": ([("../mark", FILE, "")], "leaves the folder"),
    "a path down and up": ([("a/../../mark", FILE, "")], "leaves the folder"),
    "a pipe": ([("p", FIFO, "")], "is a device or another special file"),
    "a device": ([("p", DEVICE, "")], "is a device or another special file"),
    "a name of the archive's own work": ([(".x.tar.gz.partial/../../mark", FILE, "")], "leaves the folder")}


def tar(path: Path, members: Members) -> Path:
    """Write an archive of members: name, kind, and what a link leads to."""
    with tarfile.open(path, "w:gz") as made:
        for name, kind, target in members:
            info = tarfile.TarInfo(name)
            info.type, info.linkname, info.size = kind, target, 4 if kind == FILE else 0
            made.addfile(info, io.BytesIO(b"mark"))
    return path


def _zip(path: Path, name: str, mode: int = 0) -> Path:
    with zipfile.ZipFile(path, "w") as made:
        info = zipfile.ZipInfo(name)
        info.external_attr = mode << 16
        made.writestr(info, "../mark" if mode else "mark")
    return path


def _archives() -> Iterator[Hostile]:
    from stxfer.corpora import archive

    def read(path: Path) -> Read:
        return lambda: archive.unpack(path, path.parents[1] / "out")

    def bounded(path: Path) -> Read:
        """Read with a bound that takes no minutes to reach."""
        def unpack() -> None:
            always, archive._ALWAYS = archive._ALWAYS, 2_000_000
            try:
                archive.unpack(path, path.parents[1] / "out", max_ratio=20.0)
            finally:
                archive._ALWAYS = always

        return unpack

    for name, (members, message) in TARS.items():
        yield Hostile(f"tar: {name}", lambda folder, members=members: read(tar(folder / "x.tar.gz", members)), message)
    for name, (path, mode) in {"a path up": ("../mark", 0), "an absolute path": ("/tmp/mark", 0), "a backslash":
                               ("..\\mark", 0), "a link": ("l", 0o120777), "a pipe": ("p", 0o010644)}.items():
        yield Hostile(f"zip: {name}", lambda folder, path=path, mode=mode: read(_zip(folder / "x.zip", path, mode)),
                      "leaves the folder|is a link, a device")
    for name, (make, message) in {
            "zip: a bomb": (_zip_bomb, "unpack to more than .* MB"), "tar: a bomb": (_tar_bomb, "unpack to more than"),
            "tar: thousands of nothing": (_many, "unpack to more than"), "tar: a name of 16 MB": (_long_name, "header"),
            "tar: a pax header of 16 MB": (_long_header, "header"),
            "tar: a number that is none": (_no_number, "damaged"),
            }.items():
        yield Hostile(name, lambda folder, make=make: bounded(make(folder)), message)


def _zip_bomb(folder: Path) -> Path:
    with zipfile.ZipFile(folder / "x.zip", "w", zipfile.ZIP_DEFLATED) as made, made.open("a", "w") as handle:
        for _ in range(8):
            handle.write(bytes(1_000_000))
    return folder / "x.zip"


def _header(kind: bytes, size: int, name: str = "x") -> bytes:
    info = tarfile.TarInfo(name)
    info.type, info.size = kind, size
    return info.tobuf(tarfile.USTAR_FORMAT)


def _gzipped(folder: Path, parts: Iterator[bytes]) -> Path:
    import gzip

    with gzip.open(folder / "x.tar.gz", "wb", compresslevel=1) as handle:
        for part in parts:
            handle.write(part)
        handle.write(bytes(1024))
    return folder / "x.tar.gz"


def _zeros(size: int) -> Iterator[bytes]:
    return (bytes(1_048_576) for _ in range(size >> 20))


def _tar_bomb(folder: Path) -> Path:
    return _gzipped(folder, itertools.chain([_header(FILE, 8 << 20)], _zeros(8 << 20)))


def _many(folder: Path) -> Path:
    return _gzipped(folder, itertools.chain([_header(FOLDER, 0, "d")],
                                            (_header(FILE, 0, f"d/{n}") for n in range(6_000))))


def _long_name(folder: Path) -> Path:
    return _gzipped(folder, itertools.chain([_header(tarfile.GNUTYPE_LONGNAME, 16 << 20)], _zeros(16 << 20),
                                            [_header(FILE, 0)]))


def _long_header(folder: Path) -> Path:
    return _gzipped(folder, itertools.chain([_header(tarfile.XHDTYPE, 16 << 20)], _zeros(16 << 20), [_header(FILE, 0)]))


def _no_number(folder: Path) -> Path:
    name = b"10 path=\xffx\n"
    return _gzipped(folder, iter([_header(tarfile.XHDTYPE, 30), b"99999999999999999999999 path=x\n".ljust(512, b"\0"),
                                  _header(FILE, 0), name]))


def cases() -> Iterator[Hostile]:
    """Yield the cases."""
    yield from _archives()
