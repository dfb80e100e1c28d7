"""Addresses, redirects, names and paths that lead elsewhere."""

from __future__ import annotations

import email.message
import io
import itertools
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from hostile_cases.case import MARK, Hostile, Read

REDIRECTS = (("https://a/x", "https://b/x", True), ("http://a/x", "https://b/x", True),
             ("http://a/x", "http://b/x", True), ("https://a/x", "http://b/x", False),
             ("https://a/x", "ftp://b/x", False), ("http://a/x", "ftp://b/x", False),
             ("http://a/x", "file:///etc/passwd", False), ("http://a/x", "data:text/plain,x", False),
             ("http://a/x", "http://[x", False), ("https://a/x", "javascript:x", False))
ADDRESSES = ("file:///etc/passwd", "ftp://a/x", "https://a", "https://a/", "https://a/..", "https://a/.hidden",
             "https://a/x/%2e%2e", "https://a/%00x", "https://[a/x", "https://a:99999/x", "https://a:x/y",
             "https://a/x\r\nHost: b", "-x", "data:,x")


def _redirects() -> Iterator[Hostile]:
    from stxfer.corpora.download import _Redirects

    def make(old: str, new: str) -> Read:
        request, headers = urllib.request.Request(old), email.message.Message()
        return lambda: _Redirects().redirect_request(request, io.BytesIO(), 302, "Found", headers, new)

    for old, new, follows in REDIRECTS:
        yield Hostile(f"redirect: {old} to {new}", lambda _, old=old, new=new: make(old, new),
                      "" if follows else "which is not https and not followed")


def _addresses() -> Iterator[Hostile]:
    from stxfer.corpora.download import file_name

    for url in ADDRESSES:
        yield Hostile(f"address: {url!r}", lambda _, url=url: lambda: file_name(url), "not an address|names no file")


NAMES = ("../../../x", "/tmp/x", "..", "a/b", "a\nb", "", "-x", "a\u2028b", "$(mkdir mark)", "a;b", "\x1b[2J")
EXPERIMENT: dict[str, Any] = {
    "name": "t", "languages": {"source": "en", "target": "sw"}, "seeds": [1], "compare": [], "model": {}, "mt": {},
    "vocab": {"source": {}, "target": {}}, "labels": {}, "train": {}, "decode": {},
    "systems": {"scratch": {"task": "asr", "data": "tgt_train", "text": "sw"}}}


def load(folder: Path, content: bytes) -> Read:
    """Write an experiment file; return what loads it."""
    from stxfer.experiment.config import load_experiment

    (folder / "x.yaml").write_bytes(content)
    return lambda: load_experiment(folder / "x.yaml")


def _names() -> Iterator[Hostile]:
    for key, name in itertools.product(("systems", "vocab", "labels", "lm", "variants"), NAMES):
        values = {**EXPERIMENT, key: {**EXPERIMENT.get(key, {}), name: {}}}
        yield Hostile(f"a name under {key}: {name!r}", lambda folder, values=values: load(
            folder, yaml.safe_dump(values).encode()), f"x.yaml: {key}")


def _paths() -> Iterator[Hostile]:
    from stxfer.corpora.paths import inside
    from stxfer.prepare.sets import _remove_vanished

    for path in ("../../etc/passwd", "/etc/passwd", "a/../../b", "..\\x", "C:\\x", "", "a\0b"):
        yield Hostile(f"a path in a corpus: {path!r}", lambda folder, path=path: lambda: inside(
            str(folder), path, "x.tsv:1"), "x.tsv:1: path")

    def vanished(folder: Path) -> Read:
        from stxfer.core.stage import Stage

        (folder / "data").mkdir()
        (folder / "dump").mkdir()
        (folder / "home").mkdir()
        (folder / "home/letter").write_text("x")
        Stage("prepare x", folder / "home").finish([folder / "home/letter"])
        (folder / "dump/src_old").symlink_to(folder / "home")

        def read() -> None:
            _remove_vanished(folder / "dump", folder / "data", [])
            if not (folder / "home/letter").exists():
                (folder.parent / MARK).mkdir()

        return read

    yield Hostile("a set that is a link to a home directory", vanished, "")


KEYS = ("../mark", "../../mark", "..", ".", "a/b", "/", "%2E%2E/mark", "a\0b", "a\\b", "in {root}/mark")


def _keys() -> Iterator[Hostile]:
    """Keys of a Kaldi table that name the files of what is heard in its recordings."""
    from stxfer.transcription.formats import FORMATS
    from stxfer.transcription.inputs import find_sources
    from stxfer.transcription.write import Output

    def make(folder: Path, key: str) -> Read:
        root, out = folder.parent, folder.parent / "out"
        table = folder / "x.scp"
        table.write_text(f"{key.replace('in {root}', str(root))} x.wav\n", encoding="utf-8")

        def read() -> None:
            output = Output([FORMATS["json"](), FORMATS["srt"]()], out, io.StringIO())
            for source in find_sources([str(table)], folder):
                output.end(source, 1.0)
            if sorted(path.suffix for path in out.iterdir()) != [".json", ".srt"]:
                (root / MARK).mkdir()

        return read

    for key in KEYS:
        yield Hostile(f"a key that names files of what is heard: {key!r}", lambda folder, key=key: make(folder, key),
                      "")


def cases() -> Iterator[Hostile]:
    """Yield the cases."""
    yield from _redirects()
    yield from _addresses()
    yield from _names()
    yield from _paths()
    yield from _keys()
