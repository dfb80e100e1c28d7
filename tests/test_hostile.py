"""Files that would run code or leave their folder: each is refused in one line and leaves no mark.

The cases are those of ``tools/campaign/hostile.py``, which tries each in a process of its own.
"""

from __future__ import annotations

import io
import tarfile
import zipfile
from pathlib import Path

import hostile_cases
import kaldiio
import numpy as np
import pytest
from hostile_cases import Hostile, attempt
from hostile_cases.archives import FILE, HARD, LINK, tar
from hostile_cases.features import espnet_features
from tar_archives import REASON, unpacks_tar

from stxfer.core.errors import DataError
from stxfer.corpora import archive as archives
from stxfer.corpora.archive import unpack
from stxfer.report.escapes import code, in_cell, plain, visible
from stxfer.report.markdown import _pipes, _samples

CASES = hostile_cases.cases()


@pytest.mark.parametrize("case", CASES, ids=[case.name.encode("unicode_escape").decode() for case in CASES])
def test_hostile_input_is_refused_or_harmless(case: Hostile, tmp_path: Path) -> None:
    if case.name.startswith("tar: ") and not hasattr(tarfile, "data_filter"):
        pytest.skip(REASON)
    assert attempt(case, tmp_path) == ""


def test_an_attempt_sees_what_is_done(tmp_path: Path) -> None:
    """What is executed, accepted or written outside does not pass."""
    for number, (case, wrong) in enumerate((
            (Hostile("x", lambda folder: lambda: (folder.parent / "mark").mkdir(), ""), "executed"),
            (Hostile("x", lambda folder: lambda: (folder.parent / "other").mkdir(), ""), "written outside"),
            (Hostile("x", lambda folder: lambda: None, "refused"), "accepted"),
            (Hostile("x", lambda folder: lambda: {}["a"], "refused"), "a traceback"),
            (Hostile("x", lambda folder: lambda: unpack(folder / "x", folder), "another"), "refused by another"))):
        (tmp_path / str(number)).mkdir()
        assert attempt(case, tmp_path / str(number)).startswith(wrong)


@pytest.mark.parametrize("compression", [None, 2, 3, 5])
def test_guarded_features_are_those_of_kaldiio(tmp_path: Path, compression: int | None) -> None:
    matrix = np.random.default_rng(0).normal(size=(20, 4)).astype(np.float32)
    with kaldiio.WriteHelper(f"ark,scp:{tmp_path}/a:b [1].ark,{tmp_path}/feats.scp",
                             compression_method=compression) as writer:
        writer["u"] = matrix
    theirs = kaldiio.load_scp(str(tmp_path / "feats.scp"))["u"]
    ours = espnet_features(tmp_path / "feats.scp")[1]["speech"]
    assert ours.dtype == np.float32 and np.array_equal(ours, theirs)


@unpacks_tar
def test_links_within_an_archive_are_kept(tmp_path: Path) -> None:
    made = tar(tmp_path / "x.tar.gz", [("c/b", LINK, "../c/d/a"), ("c/d/a", FILE, ""), ("c/h", HARD, "c/d/a")])
    unpack(made, tmp_path / "out")
    assert (tmp_path / "out/c/b").is_symlink() and (tmp_path / "out/c/b").read_bytes() == b"mark"
    assert (tmp_path / "out/c/h").read_bytes() == b"mark"


@unpacks_tar
def test_long_names_are_kept(tmp_path: Path) -> None:
    name = "/".join(["d" * 100] * 20)
    unpack(tar(tmp_path / "x.tar.gz", [(name, FILE, "")]), tmp_path / "out")
    assert (tmp_path / "out" / name).read_bytes() == b"mark"


@unpacks_tar
@pytest.mark.parametrize("suffix", [".zip", ".tar.gz"])
def test_an_archive_unpacks_to_a_bounded_size(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, suffix: str) -> None:
    monkeypatch.setattr(archives, "_ALWAYS", 1000)
    made, big = tmp_path / f"x{suffix}", bytes(1_000_000)
    if suffix == ".zip":
        with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as zipped:
            zipped.writestr("a", big)
    else:
        with tarfile.open(made, "w:gz") as packed:
            info = tarfile.TarInfo("a")
            info.size = len(big)
            packed.addfile(info, io.BytesIO(big))
    with pytest.raises(DataError, match="unpack to more than .* MB; nothing of it was unpacked"):
        unpack(made, tmp_path / "out")
    assert not list((tmp_path / "out").glob("a"))
    assert unpack(made, tmp_path / "out", max_ratio=5000) == [tmp_path / "out/a"]


def test_texts_of_the_report_show_as_they_are() -> None:
    hostile = "a\u2028# b\r```\x1b[2J\u202e <script> | `"
    lines = "\n".join(_samples([[("```", ""), ("  REF", hostile), ("  sys", "كتاب\u200cها\xa0")]])).splitlines()
    fence = "````"
    assert [line for line in lines if line.startswith(fence)] == [f"{fence}text", fence]
    assert lines[-1] == fence and len(lines) == 10
    assert visible(hostile) == "a\\u2028# b\\r```\\x1b[2J\\u202e <script> | `"
    assert visible("كتاب\u200cها\xa0é") == "كتاب\u200cها\xa0é"
    assert list(_pipes([["a|b"], ["<img src=x>\u2028"]], left=1))[2] == "| &lt;img src=x>\\u2028 |"
    assert plain("mini_sw <b> [x](y) _a_ `c` # d") == \
        "mini_sw &lt;b&gt; \\[x\\](y) \\_a\\_ \\`c\\` \\# d"
    assert [code("a b"), code("a`b"), code("`"), code("")] == ["`a b`", "``a`b``", "`` ` ``", "`  `"]
    assert in_cell("a | <b") == "a \\| &lt;b"
