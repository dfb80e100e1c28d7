"""Files that would run code or leave their folder: each is refused in one line and leaves no mark."""

from __future__ import annotations

import io
import os
import pickle
import tarfile
import zipfile
from pathlib import Path
from typing import Any

import kaldiio
import numpy as np
import pytest
import torch
import toy
from tar_archives import unpacks_tar

from stxfer.audio.ark import FeatureTable, feature_size, read_matrix
from stxfer.core.errors import ConfigError, DataError, StxferError, TransferError
from stxfer.corpora import archive as archives
from stxfer.corpora.archive import unpack
from stxfer.corpora.download import _Redirects
from stxfer.decoding.decode import load_features
from stxfer.model.safe_reads import safe_reads
from stxfer.model.transfer import load_state
from stxfer.report.markdown import _pipes, _samples, visible
from stxfer.text.vocab import open_pieces


class Marks:
    """Whose unpickling makes a folder."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.mark),)


def tables(folder: Path) -> dict[str, str]:
    """Return values of ``feats.scp`` that make ``folder/mark``, or wait for ever, where they are trusted."""
    mark = folder / "mark"
    pickled, objects, fifo = folder / "pickle.ark", folder / "objects.ark", folder / "fifo"
    pickled.write_bytes(b"u PKL" + pickle.dumps(Marks(mark)))
    np.save(folder / "objects.npy", np.array([[Marks(mark)]], dtype=object), allow_pickle=True)
    array = (folder / "objects.npy").read_bytes()
    objects.write_bytes(b"u NPY" + bytes([4]) + len(array).to_bytes(4, "little") + array)
    os.mkfifo(fifo)
    (folder / "cut.ark").write_bytes(b"u \0BFM \4\xff\xff\xff\x7f\4\xff\xff\xff\x7f12")
    return {"a command before": f"mkdir {mark} |", "a command behind": f"| mkdir {mark}",
            "a command and a space": f"mkdir {mark} | ", "a command with an offset": f"mkdir {mark} |:0",
            "a pickle": f"{pickled}:2", "objects of numpy": f"{objects}:2", "standard input": "-",
            "a pipe of the file system": f"{fifo}", "a device": "/dev/zero:0", "a folder": str(folder),
            "a matrix cut short": f"{folder / 'cut.ark'}:2"}


@pytest.mark.parametrize("name", ["a command before", "a command behind", "a command and a space", "a command with an "
                                  "offset", "a pickle", "objects of numpy", "standard input",
                                  "a pipe of the file system", "a device", "a folder", "a matrix cut short"])
def test_features_are_matrices_of_files(tmp_path: Path, name: str) -> None:
    value, table = tables(tmp_path)[name], tmp_path / "feats.scp"
    table.write_text(f"u {value}\n", encoding="utf-8")
    readers = (lambda: read_matrix(table, "u", value.strip()), lambda: load_features("u", value.strip(), table),
               lambda: feature_size(table), lambda: FeatureTable(table)["u"], lambda: _espnet(table))
    for read in readers:
        with pytest.raises(DataError, match="feats.scp: .*utterance 'u'") as raised:
            read()
        assert "\n" not in str(raised.value)
    assert not (tmp_path / "mark").exists()


def _espnet(table: Path) -> Any:
    """Read as ESPnet's data loader does."""
    from espnet2.train.dataset import ESPnetDataset

    with safe_reads():
        return ESPnetDataset([(str(table), "speech", "kaldi_ark")], max_cache_fd=32)["u"]


@pytest.mark.parametrize("compression", [None, 2, 3, 5])
def test_guarded_features_are_those_of_kaldiio(tmp_path: Path, compression: int | None) -> None:
    matrix = np.random.default_rng(0).normal(size=(20, 4)).astype(np.float32)
    with kaldiio.WriteHelper(f"ark,scp:{tmp_path}/a:b [1].ark,{tmp_path}/feats.scp",
                             compression_method=compression) as writer:
        writer["u"] = matrix
    theirs = kaldiio.load_scp(str(tmp_path / "feats.scp"))["u"]
    ours = _espnet(tmp_path / "feats.scp")[1]["speech"]
    assert ours.dtype == np.float32 and np.array_equal(ours, theirs)


def test_pickles_in_parameters_do_not_run(tmp_path: Path) -> None:
    from espnet2.torch_utils.load_pretrained_model import load_pretrained_model
    from espnet2.train.reporter import Reporter
    from espnet2.train.trainer import Trainer

    from stxfer.training import checkpoint

    for name in ("init.pth", "checkpoint.pth", "1epoch.pth"):
        torch.save({"model": Marks(tmp_path / "mark")}, tmp_path / name)
    layer = torch.nn.Linear(2, 2)
    with safe_reads():
        for read in (lambda: load_pretrained_model(str(tmp_path / "init.pth"), layer, False),
                     lambda: Trainer.resume(tmp_path / "checkpoint.pth", layer, Reporter(), [], [], None),
                     lambda: checkpoint.figures(tmp_path), lambda: checkpoint.mend(tmp_path)):
            with pytest.raises(StxferError, match=r"(init|checkpoint)\.pth: damaged, or holds more") as raised:
                read()
            assert "\n" not in str(raised.value)
    with pytest.raises(TransferError, match="cannot be read as model parameters"):
        load_state(tmp_path / "init.pth")
    assert not (tmp_path / "mark").exists()


def test_epochs_that_hold_pickles_are_not_averaged(tmp_path: Path) -> None:
    from espnet2.train.reporter import Reporter

    from stxfer.experiment.training import Phase
    from stxfer.training import checkpoint

    reporter = Reporter()
    for epoch in (1, 2):
        reporter.set_epoch(epoch)
        with reporter.observe("valid") as sub:
            sub.register({"acc": float(epoch)}, 1.0)
            sub.next()
        torch.save({"w": Marks(tmp_path / "mark")}, tmp_path / f"{epoch}epoch.pth")
    torch.save({"reporter": reporter.state_dict()}, tmp_path / "checkpoint.pth")
    with pytest.raises(StxferError, match="2epoch.pth: damaged, or holds more"):
        checkpoint.average(tmp_path, Phase(epochs=2, average=2), ("valid", "acc", "max"))
    assert not (tmp_path / "mark").exists()


def tar(path: Path, *members: tuple[str, bytes, str]) -> Path:
    """Write an archive of members: name, kind, and what a link leads to."""
    with tarfile.open(path, "w:gz") as made:
        for name, kind, target in members:
            info = tarfile.TarInfo(name)
            info.type, info.linkname, info.size = kind, target, 4 if kind == tarfile.REGTYPE else 0
            made.addfile(info, io.BytesIO(b"mark"))
    return path


FILE, LINK, HARD, FOLDER = tarfile.REGTYPE, tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.DIRTYPE


@unpacks_tar
@pytest.mark.parametrize(("members", "message"), [
    ([("a", LINK, "."), ("b", LINK, "a/.."), ("b/mark", FILE, "")], "member 'b' is a link and something else"),
    ([("a", LINK, "."), ("b", LINK, "a/..")], "member 'b' links through another link"),
    ([("d/e", LINK, "../f"), ("g", LINK, "d/e/mark")], "member 'g' links through another link"),
    ([("d", LINK, "e"), ("d/mark", FILE, "")], "member 'd' is a link and something else"),
    ([("d", FILE, ""), ("d", LINK, "e")], "member 'd' is a link and something else"),
    ([("d", LINK, "e"), ("d/g", LINK, "h")], "member 'd/g' links through another link"),
    ([("x/y", FILE, ""), ("z", LINK, "x/../x/y")], "member 'z' links through another link"),
    ([("l", LINK, "x"), ("h", HARD, "l")], "member 'h' links to 'l', which it does not hold"),
    ([("l", LINK, "../mark")], "member 'l' links outside the archive"),
    ([("a" * 200 + "/" + "b" * 200, LINK, "../.." + "/.." * 20 + "/tmp/mark")], "links outside the archive")])
def test_links_do_not_lead_out_of_an_archive(tmp_path: Path, members: list[tuple[str, bytes, str]],
                                             message: str) -> None:
    made = tar(tmp_path / "x.tar.gz", *members)
    with pytest.raises(DataError, match=message):
        unpack(made, tmp_path / "out")
    assert sorted(path.name for path in tmp_path.iterdir() if path.name != "out") == ["x.tar.gz"]
    assert not [path for path in (tmp_path / "out").rglob("*") if path.name == "mark" or path.is_symlink()]


@unpacks_tar
def test_links_within_an_archive_are_kept(tmp_path: Path) -> None:
    made = tar(tmp_path / "x.tar.gz", ("c/b", LINK, "../c/d/a"), ("c/d/a", FILE, ""), ("c/h", HARD, "c/d/a"))
    unpack(made, tmp_path / "out")
    assert (tmp_path / "out/c/b").is_symlink() and (tmp_path / "out/c/b").read_bytes() == b"mark"
    assert (tmp_path / "out/c/h").read_bytes() == b"mark"


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


@pytest.mark.parametrize(("old", "new", "follows"), [
    ("https://a/x", "https://b/x", True), ("http://a/x", "https://b/x", True), ("http://a/x", "http://b/x", True),
    ("https://a/x", "http://b/x", False), ("https://a/x", "ftp://b/x", False), ("http://a/x", "ftp://b/x", False),
    ("http://a/x", "file:///etc/passwd", False)])
def test_redirects_do_not_leave_https(old: str, new: str, follows: bool) -> None:
    import email.message
    import urllib.request

    request, headers = urllib.request.Request(old), email.message.Message()
    if follows:
        made = _Redirects().redirect_request(request, io.BytesIO(), 302, "Found", headers, new)
        assert made is not None and made.full_url == new
    else:
        with pytest.raises(DataError, match="which is not https and not followed"):
            _Redirects().redirect_request(request, io.BytesIO(), 302, "Found", headers, new)


def test_texts_do_not_end_the_report(tmp_path: Path) -> None:
    hostile = "a\u2028# b\r```\x1b[2J\u202e <script> | `"
    lines = "\n".join(_samples([[("```", ""), ("  REF", hostile), ("  sys", "كتاب\u200cها\xa0")]])).splitlines()
    fence = "````"
    assert [line for line in lines if line.startswith(fence)] == [f"{fence}text", fence]
    assert lines[-1] == fence and len(lines) == 10
    assert visible(hostile) == "a\\u2028# b\\r```\\x1b[2J\\u202e <script> | `"
    assert visible("كتاب\u200cها\xa0é") == "كتاب\u200cها\xa0é"
    assert list(_pipes([["a|b"], ["<img src=x>\u2028"]], left=1))[2] == "| &lt;img src=x>\\u2028 |"


@pytest.mark.parametrize("content", [b"", b"not a model", b"\x80\x04\x95", b"\n\xff\xff\xff\xff\x0f"])
def test_what_is_no_sentencepiece_model_is_named(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "bpe.model"
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"bpe\.model: not a SentencePiece model") as raised:
        open_pieces(path)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("name", ["../../../x", "/tmp/x", "..", "a/b", "a\nb", "", "-x", "a\u2028b"])
def test_names_of_systems_labels_and_vocabularies_are_no_paths(tmp_path: Path, name: str) -> None:
    for key in ("systems", "vocab", "labels"):
        with pytest.raises(ConfigError, match=key):
            toy.make_experiment(tmp_path, **{key: {**toy.CONFIG.get(key, {}), name: {}}})
    assert [path.name for path in tmp_path.iterdir()] == ["toy.yaml"]
