"""What every command does with errors: those a user can mend, and those no message was written for."""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from stxfer.bin import check_config, train_system
from stxfer.bin._cli import ERROR_LOG, run
from stxfer.core.errors import DataError
from stxfer.core.jobs import PARENT

CONFIG = Path(__file__).parents[1] / "egs2/mini_sw/asr1/conf/tiny.yaml"


@pytest.fixture(autouse=True)
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Run in a folder of its own, and leave logging as it was."""
    monkeypatch.chdir(tmp_path)
    root = logging.getLogger()
    before, level = root.handlers[:], root.level
    yield
    root.handlers[:] = before
    root.setLevel(level)


def raising(error: Exception) -> Callable[[object], None]:
    def main(_: object) -> None:
        raise error
    return main


def status(main: Callable[[object], None], *argv: str) -> object:
    with pytest.raises(SystemExit) as end:
        run(main, list(argv))
    return end.value.code


def test_an_unexpected_error_is_one_line_and_a_log(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for error in (KeyError("a\nb\x1b[2J"), RecursionError("too deep"), ZeroDivisionError(),
                  ModuleNotFoundError("No module named 'stxfer.x'", name="stxfer.x")):
        said = str(status(raising(error)))
        assert re.fullmatch(rf"error: \w+: unexpected {type(error).__name__}: .*; the traceback is in "
                            rf"{re.escape(str(tmp_path / ERROR_LOG))}, please report it", said)
        assert said.isprintable()
    text = (tmp_path / ERROR_LOG).read_text()
    assert text.count("Traceback (most recent call last)") == 4 and "in raising" not in text.splitlines()[0]
    assert "ZeroDivisionError" in text and re.match(r"\d{4}-\d\d-\d\d .*, stxfer \S+, Python \S+: ", text)
    assert capsys.readouterr() == ("", "")


def test_the_log_lies_elsewhere_where_the_folder_is_not_writable(tmp_path: Path,
                                                                 monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ERROR_LOG).mkdir()  # as root may write to any folder
    (tmp_path / "tmp").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "tmp"))
    assert str(tmp_path / "tmp" / ERROR_LOG) in str(status(raising(KeyError("a"))))
    assert "KeyError" in (tmp_path / "tmp" / ERROR_LOG).read_text()
    (tmp_path / "tmp" / ERROR_LOG).unlink()
    (tmp_path / "tmp" / ERROR_LOG).mkdir()
    said = str(status(raising(KeyError("a"))))
    assert "Traceback" in said and said.splitlines()[-1].endswith("please report the lines above")


def test_errors_to_mend_leave_no_log(tmp_path: Path) -> None:
    assert status(raising(DataError("x: y\nz"))) == "error: x: y\\nz"
    for error in (MemoryError(), RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried ...")):
        assert status(raising(error)) == \
            "error: out of memory; run it again with a smaller --nj, a smaller batch or more memory"
    assert not (tmp_path / ERROR_LOG).exists()


def test_log_lines_stay_lines(capsys: pytest.CaptureFixture[str]) -> None:
    run(lambda _: logging.getLogger("x").warning("a set named %s", "b\nerror: c\x1b[2J\u2028"), [])
    (line,) = capsys.readouterr().err.splitlines()
    assert line.endswith("a set named b\\nerror: c\\x1b[2J\\u2028")


@pytest.mark.parametrize("value", ["x", "-1", "0", "1 2", "9" * 30, "\u0663", "1.5"])
def test_a_parent_that_is_no_process(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv(PARENT, value)
    assert re.fullmatch(rf"error: {PARENT}: '.*' is no process; unset it, recipes set it themselves",
                        str(status(check_config.main, "--config", str(CONFIG))))
    assert PARENT not in os.environ


@pytest.mark.parametrize(("seeds", "message"), [
    ("1 1", "'1 1': 1 stands there twice"), ("x", "'x': whole numbers separated by spaces are needed"),
    ("-1", "'-1': whole"), ("1.5", "'1.5': whole"), ("\u0663", "'\u0663': whole"), ("4294967296", "must be less than"),
    ("9" * 5000, "whole numbers separated")])
def test_seeds(capsys: pytest.CaptureFixture[str], seeds: str, message: str) -> None:
    assert status(check_config.main, "--config", str(CONFIG), f"--seeds={seeds}") == 2
    said = capsys.readouterr().err
    assert "error: argument --seeds: " in said and message in said
    assert status(train_system.main, "--config", str(CONFIG), "--system", "direct", f"--seed={seeds}") == 2
    assert "error: argument --seed: " in capsys.readouterr().err


@pytest.mark.parametrize("argv", [["-x", "a\nb"], ["--se\u2028eds", "1"], ["--seeds", "1\n2x"], ["--nonsense=\x1b[2J"]])
def test_mistakes_in_options_are_one_line(capsys: pytest.CaptureFixture[str], argv: list[str]) -> None:
    with pytest.raises(SystemExit):
        check_config.main(["--config", str(CONFIG), *argv])
    *usage, line = capsys.readouterr().err.splitlines()
    assert ": error: " in line and line.isprintable() and not any(": error: " in other for other in usage)
