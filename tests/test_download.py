"""Downloads from a server of our own, and archives."""

from __future__ import annotations

import errno
import hashlib
import http.server
import io
import re
import shutil
import ssl
import subprocess
import tarfile
import threading
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import pytest
from tar_archives import unpacks_tar

from stxfer.bin import download as cli
from stxfer.core.errors import ConfigError, DataError, StxferError
from stxfer.corpora import sources
from stxfer.corpora.archive import unpack
from stxfer.corpora.download import fetch, file_name

CONTENT = bytes(range(256)) * 4000  # 1 MB
DIGEST = hashlib.sha256(CONTENT).hexdigest()


@dataclass
class Site:
    """What the server has and how it behaves.

    Attributes:
        files: by path.
        ranges: whether it sends parts.
        die_after: how many bytes of the body the next answers send before the connection closes.
        statuses: what the next requests get in place of an answer.
        headers: further ones, of every answer.
        redirect: from path to path.
        seen: the ``Range`` of each request.
    """

    files: dict[str, bytes] = field(default_factory=lambda: {"/f.bin": CONTENT})
    ranges: bool = True
    die_after: list[int] = field(default_factory=list)
    statuses: list[int] = field(default_factory=list)
    headers: dict[str, str] = field(default_factory=dict)
    redirect: dict[str, str] = field(default_factory=dict)
    seen: list[str | None] = field(default_factory=list)
    url: str = ""


class Answer(NamedTuple):
    status: int
    body: bytes
    headers: dict[str, str]


def answer(site: Site, path: str, headers: Callable[[str], str | None]) -> Answer:
    site.seen.append(headers("Range"))
    if site.statuses:
        return Answer(site.statuses.pop(0), b"", {})
    if path in site.redirect:
        return Answer(302, b"", {"Location": site.redirect[path], **site.headers})
    if path not in site.files:
        return Answer(404, b"", {})
    body = site.files[path]
    etag = f'"{hashlib.md5(body).hexdigest()}"'
    wanted = re.fullmatch(r"bytes=(\d+)-", headers("Range") or "")
    if not site.ranges or wanted is None or headers("If-Range") != etag:
        return Answer(200, body, {"ETag": etag, **site.headers})
    start = int(wanted[1])
    if start >= len(body):
        return Answer(416, b"", {"Content-Range": f"bytes */{len(body)}"})
    return Answer(206, body[start:], {"ETag": etag, "Content-Range": f"bytes {start}-{len(body) - 1}/{len(body)}"})


@pytest.fixture
def site() -> Iterator[Site]:
    site = Site()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, body, headers = answer(site, self.path, self.headers.get)
            self.send_response(status)
            for name, value in {"Content-Length": str(len(body)), **headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body[:site.die_after.pop(0)] if site.die_after and body else body)

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    site.url = f"http://127.0.0.1:{server.server_port}"
    yield site
    server.shutdown()
    server.server_close()
    thread.join()


def get(site: Site, folder: Path, **options: object) -> Path:
    return fetch(f"{site.url}/f.bin", folder / "f.bin", pause=0.01, **options)  # type: ignore[arg-type]


def left(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()} - {".lock"}


def test_whole_file_and_its_digest(tmp_path: Path, site: Site) -> None:
    assert get(site, tmp_path, digest=DIGEST.upper()).read_bytes() == CONTENT
    assert (tmp_path / "f.bin.sha256").read_text() == f"{DIGEST}  f.bin\n"
    assert left(tmp_path) == {"f.bin", "f.bin.sha256"}
    get(site, tmp_path)
    assert len(site.seen) == 1  # it is there


def test_goes_on_where_it_stopped(tmp_path: Path, site: Site, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    site.die_after = [300_000, 400_000]
    assert get(site, tmp_path).read_bytes() == CONTENT
    assert site.seen == [None, "bytes=300000-", "bytes=700000-"]
    assert "the connection broke after 0.3 of 1.0 MB; trying again" in caplog.text


@pytest.mark.parametrize("length", ["x", "-5", "", "1e3", "9" * 5000])
def test_a_length_that_is_none_is_not_believed(tmp_path: Path, site: Site, length: str) -> None:
    site.headers = {"Content-Length": length, "Connection": "close"}
    if length == "":
        site.headers["Content-Length"] = " "
    assert get(site, tmp_path).read_bytes() == CONTENT


@pytest.mark.parametrize("target", ["http://[x", "http://a:x/y", "x://y", "http://\x7f"])
def test_a_redirect_to_no_address(tmp_path: Path, site: Site, target: str) -> None:
    site.redirect = {"/f.bin": target}
    with pytest.raises((DataError, StxferError)) as caught:
        get(site, tmp_path, tries=1)
    assert site.url in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize("state", ["", "[]", "{", '{"url": 1}', '{"url": "URL", "validator": ["x"]}',
                                   '{"url": "URL", "validator": "a\\nb: c"}'])
def test_what_is_known_of_a_part_is_not_trusted(tmp_path: Path, site: Site, state: str) -> None:
    (tmp_path / "f.bin.part").write_bytes(b"other")
    (tmp_path / "f.bin.part.json").write_text(state.replace("URL", f"{site.url}/f.bin"))
    assert get(site, tmp_path).read_bytes() == CONTENT
    assert site.seen == [None]


def test_goes_on_in_a_later_run(tmp_path: Path, site: Site) -> None:
    site.die_after = [300_000]
    with pytest.raises(StxferError) as caught:
        get(site, tmp_path, tries=1)
    assert str(caught.value) == (
        f"{site.url}/f.bin: the connection broke after 0.3 of 1.0 MB; given up after 1 tries. Run it again later: it "
        "resumes after the 0.3 MB that are there")
    assert left(tmp_path) == {"f.bin.part", "f.bin.part.json"}
    assert get(site, tmp_path).read_bytes() == CONTENT
    assert site.seen == [None, "bytes=300000-"]


def test_a_server_without_parts_starts_over(tmp_path: Path, site: Site) -> None:
    site.ranges, site.die_after = False, [300_000]
    assert get(site, tmp_path).read_bytes() == CONTENT
    assert site.seen == [None, "bytes=300000-"]


def test_a_file_that_changed_starts_over(tmp_path: Path, site: Site) -> None:
    site.die_after = [300_000]
    with pytest.raises(StxferError):
        get(site, tmp_path, tries=1)
    site.files["/f.bin"] = CONTENT[::-1]
    assert get(site, tmp_path).read_bytes() == CONTENT[::-1]


def test_another_address_starts_over(tmp_path: Path, site: Site) -> None:
    site.files["/other.bin"], site.die_after = CONTENT[::-1], [300_000]
    with pytest.raises(StxferError):
        get(site, tmp_path, tries=1)
    fetch(f"{site.url}/other.bin", tmp_path / "f.bin")
    assert (tmp_path / "f.bin").read_bytes() == CONTENT[::-1]


def test_killed_before_the_last_step(tmp_path: Path, site: Site) -> None:
    site.die_after = [len(CONTENT) - 1]
    with pytest.raises(StxferError):
        get(site, tmp_path, tries=1)
    with open(tmp_path / "f.bin.part", "ab") as handle:
        handle.write(CONTENT[-1:])
    assert get(site, tmp_path).read_bytes() == CONTENT
    assert site.seen[-1] == f"bytes={len(CONTENT)}-"


def test_part_that_is_too_long_starts_over(tmp_path: Path, site: Site) -> None:
    site.die_after = [300_000]
    with pytest.raises(StxferError):
        get(site, tmp_path, tries=1)
    (tmp_path / "f.bin.part").write_bytes(CONTENT * 2)
    assert get(site, tmp_path).read_bytes() == CONTENT


def test_passing_faults_are_tried_again(tmp_path: Path, site: Site) -> None:
    site.statuses = [503, 429]
    assert get(site, tmp_path).read_bytes() == CONTENT
    site.statuses = [503] * 3
    with pytest.raises(StxferError, match="the server says 503 Service Unavailable; given up after 3 tries"):
        get(site, tmp_path / "other", tries=3)


@pytest.mark.parametrize(("status", "message"), [
    (404, "the server says 404 Not Found: it has no such file; check the address"),
    (403, "the server says 403 Forbidden: it asks for an account or for consent to its terms"),
    (400, "the server says 400 Bad Request")])
def test_refusals_are_final(tmp_path: Path, site: Site, status: int, message: str) -> None:
    site.statuses = [status] * 9
    with pytest.raises(DataError) as caught:
        get(site, tmp_path)
    assert str(caught.value) == f"{site.url}/f.bin: {message}"
    assert len(site.seen) == 1
    assert not left(tmp_path)


def test_wrong_digests(tmp_path: Path, site: Site) -> None:
    with pytest.raises(DataError) as caught:
        get(site, tmp_path, digest="0" * 64)
    assert str(caught.value) == (f"{site.url}/f.bin: the file that came has the SHA-256 {DIGEST}, not {'0' * 64}; it "
                                 "was removed. Try again; if it stays so, the file on the server has changed")
    assert not left(tmp_path)
    path = get(site, tmp_path)
    path.write_bytes(b"damaged")
    with pytest.raises(DataError, match=f"f.bin: has the SHA-256 .*, not {DIGEST}; it is damaged or another file"):
        get(site, tmp_path)
    with pytest.raises(DataError, match="0000; it is damaged or another file"):
        get(site, tmp_path, digest="0" * 64)


def test_a_file_put_there_by_hand_is_recorded(tmp_path: Path, site: Site) -> None:
    (tmp_path / "f.bin").write_bytes(b"mine")
    assert get(site, tmp_path).read_bytes() == b"mine"
    assert (tmp_path / "f.bin.sha256").read_text().startswith(hashlib.sha256(b"mine").hexdigest())


def test_announced_digests(tmp_path: Path, site: Site) -> None:
    site.redirect = {"/f.bin": "/store/1"}
    site.files = {"/store/1": CONTENT}
    site.headers = {"X-Linked-Etag": f'"{DIGEST}"'}
    site.die_after = [300_000]
    get(site, tmp_path)
    assert site.seen == [None, None, "bytes=300000-", "bytes=300000-"]
    site.headers = {"X-Linked-Etag": f'"{"1" * 64}"'}
    with pytest.raises(DataError, match=f"SHA-256 {DIGEST}, not {'1' * 64}"):
        get(site, tmp_path / "other")


def test_full_disk(tmp_path: Path, site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "f.bin.part").symlink_to("/dev/full")
    with pytest.raises(DataError) as caught:
        get(site, tmp_path)
    assert str(caught.value) == (f"{tmp_path}/f.bin.part: the disk is full (what has come is kept); make room and run "
                                 "it again, it is resumed")
    (tmp_path / "f.bin.part").unlink()
    usage = shutil.disk_usage(tmp_path)._replace(free=1000)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
    with pytest.raises(DataError, match=r"f.bin.part: the disk is full \(1 MB are needed, 0 MB are free\); make room"):
        get(site, tmp_path)


@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is not there to make a certificate")
def test_certificates(tmp_path: Path) -> None:
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", "key", "-out", "certificate",
                    "-days", "1", "-subj", "/CN=localhost"], cwd=tmp_path, check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "certificate", tmp_path / "key")
    server = http.server.HTTPServer(("127.0.0.1", 0), http.server.BaseHTTPRequestHandler)
    server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    thread = threading.Thread(target=server.handle_request, daemon=True)
    thread.start()
    with pytest.raises(DataError, match="the server's certificate cannot be verified .*name that in SSL_CERT_FILE"):
        fetch(f"https://localhost:{server.server_port}/f.bin", tmp_path / "f.bin")
    thread.join()
    server.server_close()


def test_addresses() -> None:
    assert file_name("https://host/a/b%20c.tar.gz?download=1") == "b c.tar.gz"
    for url, message in (("file:///etc/passwd", "not an address that begins with https://"),
                         ("https://host/a/", "names no file"), ("https://host/..", "names no file")):
        with pytest.raises(ConfigError, match=message):
            file_name(url)


def tar_of(*members: tuple[str, bytes], mode: str = "w:gz", change: Callable[[tarfile.TarInfo], None] | None = None,
           ) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode=mode) as tar:  # type: ignore[call-overload]
        for name, content in members:
            info = tarfile.TarInfo(name)
            info.size = len(content)
            if change is not None and name == members[-1][0]:
                change(info)
            tar.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


def linking(kind: bytes, target: str) -> Callable[[tarfile.TarInfo], None]:
    def change(info: tarfile.TarInfo) -> None:
        info.type, info.linkname, info.size = kind, target, 0
    return change


def zip_of(*members: tuple[str, bytes], attributes: int = 0) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as zipped:
        for name, content in members:
            info = zipfile.ZipInfo(name)
            info.external_attr = attributes << 16
            zipped.writestr(info, content)
    return buffer.getvalue()


GOOD = (("a/b.txt", b"one"), ("c.txt", b"two"))


@unpacks_tar
@pytest.mark.parametrize(("name", "content"), [
    ("x.tar", tar_of(*GOOD, mode="w")), ("x.tar.gz", tar_of(*GOOD)), ("x.zip", zip_of(*GOOD))])
def test_unpacks(tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)
    out = tmp_path / "out"
    assert unpack(tmp_path / name, out) == [out / "a", out / "c.txt"]
    assert ((out / "a" / "b.txt").read_bytes(), (out / "c.txt").read_bytes()) == (b"one", b"two")
    assert left(out) == {"a", "c.txt"}
    (out / "a" / "b.txt").write_bytes(b"mine")
    with pytest.raises(DataError, match="/out/a is there already; remove it, or unpack into another folder"):
        unpack(tmp_path / name, out)
    assert (out / "a" / "b.txt").read_bytes() == b"mine"


@unpacks_tar
@pytest.mark.parametrize(("name", "content", "message"), [
    ("x.tar.gz", tar_of(*GOOD, ("../evil", b"")), "member '../evil' leaves the folder it is unpacked into"),
    ("x.tar.gz", tar_of(*GOOD, ("/etc/evil", b"")), "member '/etc/evil' is an absolute path"),
    ("x.tar.gz", tar_of(*GOOD, ("null", b""), change=linking(tarfile.CHRTYPE, "")),
     "member 'null' is a device or another special file"),
    ("x.tar.gz", tar_of(*GOOD, ("pipe", b""), change=linking(tarfile.FIFOTYPE, "")),
     "member 'pipe' is a device or another special file"),
    ("x.tar.gz", tar_of(*GOOD, ("link", b""), change=linking(tarfile.SYMTYPE, "../../evil")),
     "member 'link' links outside the archive, to '../../evil'"),
    ("x.tar.gz", tar_of(*GOOD, ("link", b""), change=linking(tarfile.SYMTYPE, "/etc/passwd")),
     "member 'link' links outside the archive, to '/etc/passwd'"),
    ("x.tar.gz", tar_of(*GOOD, ("link", b""), change=linking(tarfile.LNKTYPE, "gone")),
     "member 'link' links to 'gone', which it does not hold"),
    ("x.zip", zip_of(*GOOD, ("../evil", b"")), "member '../evil' leaves the folder it is unpacked into"),
    ("x.zip", zip_of(*GOOD, ("/evil", b"")), "member '/evil' leaves the folder it is unpacked into"),
    ("x.zip", zip_of(("link", b"/etc/passwd"), attributes=0o120777),
     "member 'link' is a link, a device or another special file")])
def test_refuses_archives(tmp_path: Path, name: str, content: bytes, message: str) -> None:
    archive, out = tmp_path / name, tmp_path / "out"
    archive.write_bytes(content)
    with pytest.raises(DataError) as caught:
        unpack(archive, out)
    assert str(caught.value) == f"{archive}: {message}; do not trust this archive, nothing of it was unpacked"
    assert not left(out)
    assert left(tmp_path) == {name, "out"}


@unpacks_tar
@pytest.mark.parametrize(("name", "content", "message"), [
    ("x.tar.gz", tar_of(("a", bytes(range(256)) * 99))[:-40], "cut short or damaged"),
    ("x.tar.gz", tar_of(*GOOD)[:-8] + bytes(8), r"cut short or damaged \(CRC check failed"),
    ("x.tar.xz", tar_of(*GOOD, mode="w:xz")[:-40] + bytes(40), "cut short or damaged"),
    ("x.zip", zip_of(("a", b"once"), ("b", b"b")).replace(b"once", b"0nce"), "cut short or damaged"),
    ("x.zip", zip_of(("a", b"one"))[:20], "not a whole archive of a kind known here"),
    ("x.tar", b"<html>", r"not a whole archive of a kind known here \(.tar .tar.gz")])
def test_damaged_archives(tmp_path: Path, name: str, content: bytes, message: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError, match=f"{name}: {message}.*download it again"):
        unpack(tmp_path / name, tmp_path / "out")
    assert not left(tmp_path / "out")
    with pytest.raises(DataError, match="y.tar: no such file"):
        unpack(tmp_path / "y.tar", tmp_path / "out")


@unpacks_tar
def test_full_disk_while_unpacking(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def extract(self: tarfile.TarFile, member: tarfile.TarInfo, folder: Path, **options: object) -> None:
        (folder / "begun").write_bytes(b"x")
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(tarfile.TarFile, "extract", extract)
    (tmp_path / "x.tar").write_bytes(tar_of(*GOOD, mode="w"))
    with pytest.raises(DataError, match="out: the disk is full; .*x.tar needs more room than its own 0 MB"):
        unpack(tmp_path / "x.tar", tmp_path / "out")
    assert not left(tmp_path / "out")


def test_an_old_python_refuses(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(tarfile, "data_filter", raising=False)
    (tmp_path / "x.tar").write_bytes(tar_of(*GOOD, mode="w"))
    with pytest.raises(DataError, match="x.tar: this Python cannot unpack tar archives safely; use 3.10.12"):
        unpack(tmp_path / "x.tar", tmp_path / "out")


@unpacks_tar
def test_covost2(tmp_path: Path, site: Site, monkeypatch: pytest.MonkeyPatch,
                 capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sources, "COVOST2_HOST", site.url)
    table = b"path\ttranslation\tsplit\n"
    site.files = {"/covost_v2.en_tr.tsv.tar.gz": tar_of(("covost_v2.en_tr.tsv", table))}
    for _ in range(2):
        cli.main(["covost2", "--pair", "en_tr", "--out", str(tmp_path)])
        assert capsys.readouterr().out == f"{tmp_path}/covost_v2.en_tr.tsv\n"
    assert (tmp_path / "covost_v2.en_tr.tsv").read_bytes() == table
    assert len(site.seen) == 1
    site.files["/covost_v2.en_de.tsv.tar.gz"] = tar_of(("new.tsv", table))
    with pytest.raises(DataError, match="en_de.tsv.tar.gz: holds new.tsv and no covost_v2.en_de.tsv: the corpus has"):
        cli.main(["covost2", "--pair", "en_de", "--out", str(tmp_path)])
    with pytest.raises(ConfigError, match="--pair en_sw: CoVoST 2 has"):
        cli.main(["covost2", "--pair", "en_sw", "--out", str(tmp_path)])


@unpacks_tar
def test_fleurs(tmp_path: Path, site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sources, "FLEURS_HOST", site.url)
    for split in ("dev", "test"):
        site.files[f"/sw_ke/{split}.tsv"] = b"1\ta.wav\n"
        site.files[f"/sw_ke/audio/{split}.tar.gz"] = tar_of((f"{split}/a.wav", split.encode()))
    cli.main(["fleurs", "--lang", "sw_ke", "--out", str(tmp_path), "--splits", "dev test"])
    folder = tmp_path / "sw_ke"
    assert left(folder) == {"audio", "dev.tsv", "dev.tsv.sha256", "test.tsv", "test.tsv.sha256"}
    assert (folder / "audio" / "test" / "a.wav").read_bytes() == b"test"
    n_requests = len(site.seen)
    cli.main(["fleurs", "--lang", "sw_ke", "--out", str(tmp_path), "--splits", "dev test"])
    assert len(site.seen) == n_requests
    with pytest.raises(ConfigError, match="--lang ../x: FLEURS names a language and a country, as sw_ke"):
        cli.main(["fleurs", "--lang", "../x", "--out", str(tmp_path)])


@unpacks_tar
def test_any_address(tmp_path: Path, site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    site.files["/x.tar.gz"] = tar_of(*GOOD)
    digest = hashlib.sha256(site.files["/x.tar.gz"]).hexdigest()
    cli.main(["url", f"{site.url}/x.tar.gz", "--sha256", digest, "--out", str(tmp_path), "--unpack"])
    assert capsys.readouterr().out == f"{tmp_path}/a\n{tmp_path}/c.txt\n"
    with pytest.raises(SystemExit):
        cli.main(["url", f"{site.url}/x.tar.gz", "--sha256", "12"])


def test_lists_what_it_knows(capsys: pytest.CaptureFixture[str]) -> None:
    cli.main([])
    printed = capsys.readouterr().out
    assert "fleurs: FLEURS" in printed and "licence  CC BY 4.0" in printed and "page     https://mt.fbk.eu" in printed
    with pytest.raises(ConfigError, match="cannot be fetched from here. Go to https://commonvoice.mozilla.org/datasets"
                                          ", choose language and release there .CoVoST 2 needs release 4"):
        cli.main(["common_voice"])
