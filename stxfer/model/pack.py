"""Packs: a directory or a zip archive that holds a trained system whole, with digests of its files.

::

    pack.json            what it hears, writes and is decoded with
    model.safetensors, config.yaml, model.json, bpe.model      see :func:`stxfer.model.export.write_model`
    lm/                  the same of a language model, whose vocabulary is the system's
    encoder/, frontend/  pretrained encoders, of the features and of the model, where they came along
    whisper/             of a fine-tuned Whisper, in place of a model: what it has learnt
    espnet/, meta.yaml   what ESPnet opens, where it was asked for
    README.md            the model card
    SHA256SUMS           of all other files, as ``sha256sum -c`` reads it

This module knows the container; :mod:`stxfer.transcription.packed` what is in it.
"""

from __future__ import annotations

import contextlib
import re
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

from stxfer.core.errors import DataError
from stxfer.core.fileio import atomic_write, sha256
from stxfer.corpora.archive import unpack
from stxfer.experiment.layout import CONFIG, parameters

CONTENT, DIGESTS, CARD = "pack.json", "SHA256SUMS", "README.md"
LM, ENCODER = "lm", "encoder"
ZIP = ".zip"
MAX_RATIO = 10.0  # parameters are not packed at all, what else a pack holds is small
_LINE = re.compile(r"([0-9a-f]{64})  ([\w.][\w./ -]*)")
_AGAIN = "copy or download the pack again"


def is_pack(path: Path) -> bool:
    """Tell whether a path is a pack by its looks: a zip archive, or a directory with ``pack.json``."""
    return path.exists() and is_zip(path) or (path / CONTENT).exists()


def is_zip(path: Path) -> bool:
    """Tell whether a pack, there or not, is an archive: a directory may have any name."""
    return path.suffix == ZIP and not path.is_dir()


def files_of(path: Path) -> list[Path]:
    """Return the files that decide what is read of a model's directory, or of a pack, to start training from."""
    return [path] if is_zip(path) else [parameters(path), path / CONFIG]


def seal(directory: Path) -> str:
    """Make a pack readable for everybody and write the digests; return the digest of all, that of the list."""
    lines = []
    directory.chmod(0o755)
    for path in sorted(directory.rglob("*")):
        path.chmod(0o755 if path.is_dir() else 0o644)
        if path.is_file():
            lines.append(f"{sha256(path)}  {path.relative_to(directory).as_posix()}\n")
    with atomic_write(directory / DIGESTS) as handle:
        handle.writelines(lines)
    (directory / DIGESTS).chmod(0o644)
    return sha256(directory / DIGESTS)


def write_zip(directory: Path, out: Path) -> None:
    """Write the files of a directory as a zip archive, uncompressed, always the same bytes for the same files."""
    with atomic_write(out, "wb") as handle, zipfile.ZipFile(handle, "w", zipfile.ZIP_STORED) as zipped:
        for path in sorted(path for path in directory.rglob("*") if path.is_file()):
            member = zipfile.ZipInfo(path.relative_to(directory).as_posix())
            member.external_attr = 0o100644 << 16
            with path.open("rb") as source, zipped.open(member, "w", force_zip64=True) as target:
                while block := source.read(1 << 20):
                    target.write(block)
    out.chmod(0o644)


@contextlib.contextmanager
def opened(path: Path) -> Iterator[Path]:
    """Yield the directory of a pack whose files are as they were packed, or any other model's directory as it is.

    A zip archive is unpacked into a temporary directory, which is removed at the end of the block.

    Raises:
        DataError: an archive is damaged or holds too much, or a file of the pack is missing, changed or unknown.
    """
    if not is_zip(path):
        if (path / CONTENT).exists():
            check(path, path)
        yield path
        return
    with tempfile.TemporaryDirectory(prefix="stxfer-pack-") as folder:
        unpack(path, folder, max_ratio=MAX_RATIO, tell=False)
        if not (Path(folder) / CONTENT).exists():
            raise DataError(f"{path}: not a pack (no {CONTENT} in it)")
        check(Path(folder), path)
        yield Path(folder)


def check(directory: Path, pack: Path) -> None:
    """Raise DataError unless a directory holds what its list of digests says, and nothing else.

    What begins with a dot is not looked at: downloads leave notes of their own. A symbolic link is nothing that a pack
    holds: what it leads to is not in the pack.

    Args:
        directory: of the files.
        pack: how messages call it.
    """
    listed = _listed(directory / DIGESTS, pack)
    held = {path.relative_to(directory).as_posix(): path for path in sorted(directory.rglob("*"))}
    for name, path in held.items():
        if path.is_symlink() and not _is_note(name):
            raise DataError(f"{pack}: {name} is a symbolic link; copy the pack with cp -rL, or download it with hf "
                            "download --local-dir DIR")
    there = {name: path for name, path in held.items() if path.is_file()}
    for name, digest in listed.items():
        if name not in there:
            raise DataError(f"{pack}: {name} is missing; {_AGAIN}")
        if sha256(there[name]) != digest:
            raise DataError(f"{pack}: {name} is not as it was packed: cut short, damaged or changed; {_AGAIN}")
    for name in sorted(there.keys() - listed.keys() - {DIGESTS}):
        if not _is_note(name):
            raise DataError(f"{pack}: {name} is none of its files ({DIGESTS} does not list it); remove it, or {_AGAIN}")


def _is_note(name: str) -> bool:
    return any(part.startswith(".") for part in name.split("/"))


def _listed(path: Path, pack: Path) -> dict[str, str]:
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        raise DataError(f"{pack}: {DIGESTS} is missing or no text; {_AGAIN}") from None
    found = {}
    for number, line in enumerate(lines, 1):
        match = _LINE.fullmatch(line)
        if match is None or ".." in match[2].split("/"):
            raise DataError(f"{pack}: {DIGESTS}, line {number}: not a digest and a name; {_AGAIN}")
        found[match[2]] = match[1]
    if CONTENT not in found:
        raise DataError(f"{pack}: {DIGESTS} does not list {CONTENT}; {_AGAIN}")
    return found
