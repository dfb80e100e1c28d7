"""Bad input of every kind: what the command says, the status it exits with, what it leaves, and that mending helps."""

from __future__ import annotations

import functools
import http.server
import logging
import shutil
import tarfile
import threading
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path

import pytest
from bad_input_audio import CASES as AUDIO
from bad_input_cases import CASES as OF_CORPORA
from bad_input_cases import Case
from bad_input_corpora import CORPORA
from bad_input_tables import CASES as TABLES
from corpora_layouts import client_id
from tar_archives import REASON

from stxfer.bin._cli import run

CASES: dict[str, Case] = {**OF_CORPORA, **TABLES, **AUDIO}
assert len(CASES) == len(OF_CORPORA) + len(TABLES) + len(AUDIO)
CLEAN: dict[str, tuple[int, str, dict[str, str]]] = {}  # what a command gives that was never given bad input
SPEAKERS = {client_id(name)[:16]: f"<{name}>" for name in ("ada", "ben", "eva", "zed", "ann", "bob", "eve", "zoe")}


@pytest.fixture(scope="module")
def corpora(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Return what makes a corpus, once, and returns its folder."""
    @functools.cache
    def make(name: str) -> Path:
        folder = tmp_path_factory.mktemp(name)
        CORPORA[name](folder)
        return folder
    return make


@pytest.fixture
def site(tmp_path: Path) -> Iterator[str]:
    """Serve ``tmp_path/in``; return the address."""
    class Handler(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *args: object) -> None:
            super().__init__(*args, directory=str(tmp_path / "in"))  # type: ignore[arg-type]

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join()


def command(line: str, capsys: pytest.CaptureFixture[str]) -> tuple[int, str]:
    """Run a command of stxfer.bin as a shell would; return its status and what it prints, or says last of all."""
    name, *argv = line.split()
    root = logging.getLogger()
    before, level = root.handlers[:], root.level
    status: object = 0
    capsys.readouterr()
    try:
        run(import_module(f"stxfer.bin.{name}").main, argv)
    except SystemExit as end:
        status = end.code
    finally:
        root.handlers[:] = before
        root.setLevel(level)
    printed = capsys.readouterr()
    if isinstance(status, str):
        return 1, status
    return (status, printed.err.splitlines()[-1]) if isinstance(status, int) and status else (0, printed.out)


def files(folder: Path) -> dict[str, str]:
    """Return the content of the files below a folder, without locks, markers and bytes that are no text."""
    return {str(path.relative_to(folder)): path.read_bytes().decode(errors="replace")
            for path in sorted(folder.rglob("*")) if path.is_file()
            and path.name not in (".lock", ".stage.json", ".digests.json")}


@pytest.mark.parametrize("name", CASES)
def test_bad_input(name: str, corpora: Callable[[str], Path], tmp_path: Path, site: str,
                   monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(tmp_path)
    case = CASES[name]
    if case.corpus == "archives" and not hasattr(tarfile, "data_filter"):
        pytest.skip(REASON)
    known = {str(tmp_path): "<tmp>", site: "<site>", **SPEAKERS}

    def told(text: str) -> str:
        for found, short in known.items():
            text = text.replace(found, short)
        return text

    def do(line: str) -> tuple[int, str, dict[str, str]]:
        status, message = command(line.replace("<site>", site), capsys)
        left = files(tmp_path / "out") if (tmp_path / "out").is_dir() else {}
        return status, told(message), {path: told(content) for path, content in left.items()}

    shutil.copytree(corpora(case.corpus), tmp_path / "in")
    case.spoil(tmp_path / "in")
    status, message, left = do(case.command)
    assert message == (f"error: {case.message}" if case.status == 1 else case.message)
    assert status == case.status
    if not status:
        assert {path: left.get(path) for path in case.left} == case.left
        return
    assert {path: content if case.left.get(path, "") is not None else None for path, content in left.items()} \
        == case.left
    if status == 2:  # an option: nothing to mend in the corpus
        return
    shutil.rmtree(tmp_path / "in")
    shutil.copytree(corpora(case.corpus), tmp_path / "in")
    if (tmp_path / "out").is_file():
        (tmp_path / "out").unlink()
    status, message, mended = do(case.mended or case.command)
    assert status == 0, message
    if not case.mended:
        if case.command not in CLEAN:
            shutil.rmtree(tmp_path / "out", ignore_errors=True)
            CLEAN[case.command] = do(case.command)
        assert CLEAN[case.command] == (0, message, mended)
