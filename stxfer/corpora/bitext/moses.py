"""OPUS's Moses archives: a zip with a text file a language, aligned line by line, read without unpacking it.

Nothing is written under a name that an archive gives, so that its names cannot lead out of a folder; what it claims
to unpack to is looked at first.
"""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path

from stxfer.core.errors import DataError
from stxfer.corpora.bitext.lines import Pair, align, iter_lines

MAX_PACKED = 100  # times smaller than unpacked; text is packed about 3 times
SMALL = 1 << 20  # bytes: whatever unpacks to less is harmless


def read_moses(path: Path, languages: Sequence[str]) -> Iterator[Pair]:
    """Yield the sentence pairs of an archive, white space collapsed.

    Raises:
        DataError: not a zip, damaged, encrypted, packed as no text is, one of the two sides is not in it, or the sides
            differ in length.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            members = [_side(archive, lang, path) for lang in languages]
            with archive.open(members[0]) as source, archive.open(members[1]) as target:
                names = (f"{path}:{members[0].filename}", f"{path}:{members[1].filename}")
                yield from align(iter_lines(source, names[0]), iter_lines(target, names[1]), names)
    except FileNotFoundError:
        raise DataError(f"{path}: no such file") from None
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError) as error:
        # NotImplementedError: zipfile's, of a compression that it does not know
        raise DataError(f"{path}: not a zip that can be read, or cut short ({error}); fetch it again") from None


def _side(archive: zipfile.ZipFile, language: str, path: Path) -> zipfile.ZipInfo:
    members = [member for member in archive.infolist() if not _is_of_a_mac(member.filename)]
    found = [member for member in members if member.filename.endswith(f".{language}")]
    if len(found) != 1:
        listing = ", ".join(sorted(member.filename for member in found or members)[:8])
        raise DataError(f"{path}: {'no file' if not found else f'{len(found)} files'} named *.{language} in it, where "
                        f"there must be one ({listing}); is the language code another one?")
    (member,) = found
    if member.flag_bits & 1:
        raise DataError(f"{path}: {member.filename} is encrypted; unpack it and give the two files")
    if member.file_size > max(SMALL, MAX_PACKED * member.compress_size):
        raise DataError(f"{path}: {member.filename} unpacks to {member.file_size} bytes from {member.compress_size}, "
                        "as no text does; not read")
    return member


def _is_of_a_mac(name: str) -> bool:
    """Whether an archive's file is what macOS adds for each of its own: ``__MACOSX/._a.en``, no text."""
    *folders, file = name.split("/")
    return "__MACOSX" in folders or file.startswith("._")
