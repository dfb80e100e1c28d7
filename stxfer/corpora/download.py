"""Files from the web: resumed where they stopped, checked, there as a whole or not at all.

While a file comes it is ``NAME.part``, with what the server said of it in ``NAME.part.json``; when it is whole,
``NAME.sha256`` holds its digest in the form of ``sha256sum``.
"""

from __future__ import annotations

import errno
import http.client
import logging
import os
import re
import shutil
import ssl
import time
import urllib.error
import urllib.parse
import urllib.request
from email.message import Message
from http.client import HTTPResponse
from pathlib import Path
from typing import IO, Any

import stxfer
from stxfer.core.errors import ConfigError, DataError, StxferError
from stxfer.core.fileio import atomic_write, locked, read_json, sha256, write_json
from stxfer.core.progress import Progress

log = logging.getLogger(__name__)
TRIES = 8  # in a row without a byte more
TIMEOUT = 60  # seconds without a byte
_BLOCK = 1 << 18
_SHA256 = re.compile(r"[0-9a-f]{64}")
_AGAIN = {408, 425, 429, 500, 502, 503, 504}


class _BrokenError(Exception):
    """The transfer stopped for a reason that may pass."""


def file_name(url: str) -> str:
    """Return the name that a file of this address gets.

    Raises:
        ConfigError: the address is not one of http or https, or names no file.
    """
    try:
        parts = urllib.parse.urlsplit(url)
        sound = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:  # of brackets and ports
        sound = False
    if not sound or not url.isprintable() or " " in url:
        shown = url if url.isprintable() else repr(url)
        raise ConfigError(f"{shown}: not an address that begins with https:// or http://, or not a whole one")
    name = urllib.parse.unquote(parts.path).rpartition("/")[2]
    if not name or name.startswith(".") or "\0" in name:
        raise ConfigError(f"{url}: names no file; give the address of one file")
    return name


def fetch(url: str, target: str | os.PathLike[str], *, digest: str | None = None, tries: int = TRIES,
          pause: float = 1.0) -> Path:
    """Download a file, unless it is there.

    A transfer that stopped is resumed if the server's file is the same (``If-Range``), and starts over
    if not. A digest that a Hugging Face server announces (``X-Linked-Etag``) is checked.

    Args:
        url: address, http or https.
        target: the file to make.
        digest: its SHA-256, if known, in hexadecimal; otherwise the one announced or, of a file that is there
            already, the one recorded beside it.
        tries: how often to try without a byte more.
        pause: seconds before the second try; doubled before each further one.

    Raises:
        ConfigError: the address is none of http or https.
        DataError: the server refuses or cannot be trusted, the disk is full, or the digest is another.
        StxferError: the connection broke for good; what has come is kept. Or another process is at work in the folder.
    """
    file_name(url)
    target = Path(target)
    with locked(target.parent):
        if target.exists():
            _check(target, digest)
            return target
        part, announced = target.with_name(f"{target.name}.part"), None
        failures = 0
        while True:
            before = _size(part)
            try:
                announced = _transfer(url, part)
                break
            except _BrokenError as error:
                failures = failures + 1 if _size(part) <= before else 1
                if failures >= tries:
                    raise StxferError(f"{url}: {error}; given up after {failures} tries. Run it again later: it "
                                      f"resumes after the {_size(part) / 1e6:.1f} MB that are there") from None
                wait = pause * 2 ** (failures - 1)
                log.info("%s: %s; trying again in %.0f s", url, error, wait)
                time.sleep(wait)
        _complete(url, part, target, digest or announced)
    return target


def _complete(url: str, part: Path, target: Path, expected: str | None) -> None:
    found, state = sha256(part), part.with_name(f"{part.name}.json")
    if expected is not None and found != expected.lower():
        part.unlink()
        state.unlink(missing_ok=True)
        raise DataError(f"{url}: the file that came has the SHA-256 {found}, not {expected}; it was removed. "
                        "Try again; if it stays so, the file on the server has changed")
    _record(target, found)
    part.replace(target)
    state.unlink(missing_ok=True)
    log.info("%s: whole, %.1f MB, SHA-256 %s", target, target.stat().st_size / 1e6, found)


def _record(target: Path, digest: str) -> None:
    with atomic_write(f"{target}.sha256") as handle:
        handle.write(f"{digest}  {target.name}\n")


def _check(target: Path, digest: str | None) -> None:
    record, found = Path(f"{target}.sha256"), sha256(target)
    recorded = record.read_text(encoding="utf-8", errors="replace").partition(" ")[0] if record.exists() else None
    known = digest or recorded
    if known is None:
        _record(target, found)
    elif found != known.lower():
        raise DataError(f"{target}: has the SHA-256 {found}, not {known}; it is damaged or another file. "
                        "Remove it and download it again")
    log.info("%s: there already, SHA-256 %s", target, found)


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


class _Redirects(urllib.request.HTTPRedirectHandler):
    """Follows redirects that do not leave https, and keeps the digest that the first server announces."""

    def __init__(self) -> None:
        self.digest: str | None = None

    def note(self, headers: Message[str, str]) -> None:
        announced = (headers.get("X-Linked-Etag") or "").strip('"')
        if _SHA256.fullmatch(announced):
            self.digest = announced

    def redirect_request(self, req: urllib.request.Request, fp: IO[bytes], code: int, msg: str,
                         headers: Any, newurl: str) -> urllib.request.Request | None:
        self.note(headers)
        try:
            old, new = (urllib.parse.urlsplit(url).scheme for url in (req.full_url, newurl))
        except ValueError:
            old = new = ""
        if new != "https" and (old, new) != ("http", "http"):
            raise DataError(f"{req.full_url}: the server leads on to {newurl!r}, which is not https and not followed")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _transfer(url: str, part: Path) -> str | None:
    """Fetch what is missing of ``part``; return the digest that the server announced."""
    state = part.with_name(f"{part.name}.json")
    validator = _validator(state, url) if part.exists() else ""
    start = _size(part) if validator else 0
    headers = {"User-Agent": f"stxfer/{stxfer.__version__}", "Accept-Encoding": "identity"}
    if start:
        headers |= {"Range": f"bytes={start}-", "If-Range": validator}
    redirects = _Redirects()
    try:
        request = urllib.request.Request(url, headers=headers)  # noqa: S310 (http or https: see file_name)
        response = urllib.request.build_opener(redirects).open(request, timeout=TIMEOUT)
    except urllib.error.HTTPError as error:
        redirects.note(error.headers)
        if error.code == 416 and error.headers.get("Content-Range") == f"bytes */{start}":
            return redirects.digest  # nothing is missing
        if error.code == 416:
            part.unlink()
        raise _refusal(url, error) from None
    except urllib.error.URLError as error:
        raise _failure(url, error.reason) from None
    except (http.client.HTTPException, OSError) as error:
        raise _failure(url, error) from None
    except ValueError as error:  # of an address that the server leads on to
        raise DataError(f"{url}: the server's answer is not HTTP that can be understood ({error})") from None
    with response:
        redirects.note(response.headers)
        if response.status != 206 or not response.headers.get("Content-Range", "").startswith(f"bytes {start}-"):
            if response.status == 206:
                raise DataError(f"{url}: the server sent another part than was asked for; remove {part} and try again")
            if start:
                log.info("%s: starts over, the file has changed or the server cannot send parts", url)
            start = 0
        etag = response.headers.get("ETag", "")
        write_json(state, {"url": url, "validator": etag if etag and not etag.startswith("W/") else
                           response.headers.get("Last-Modified")})
        _receive(url, response, part, start)
    return redirects.digest


def _validator(state: Path, url: str) -> str:
    """Return what the server called the version of which a part is there; nothing where that is not known."""
    try:
        known = read_json(state)
    except DataError:
        return ""
    found = known.get("validator") if isinstance(known, dict) and known.get("url") == url else None
    return found if isinstance(found, str) and found.isascii() and found.isprintable() else ""


def _receive(url: str, response: HTTPResponse, part: Path, start: int) -> None:
    total = None if response.length is None else start + response.length  # None, too, where it is no number
    free = shutil.disk_usage(part.parent).free
    if total is not None and total - start > free:
        raise _disk_full(part, f"{(total - start) / 1e6:.0f} MB are needed, {free / 1e6:.0f} MB are free")
    of = "" if total is None else f" of {total / 1e6:.1f}"
    progress = Progress(url, total, "MB", done=start)
    try:
        with part.open("ab" if start else "wb") as handle:
            while block := response.read(_BLOCK):
                handle.write(block)
                progress.add(len(block))
            handle.flush()
            os.fsync(handle.fileno())
    except (http.client.HTTPException, ConnectionError, TimeoutError, ssl.SSLError) as error:
        raise _BrokenError(f"the connection broke after {progress.done / 1e6:.1f}{of} MB ({error})") from None
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise _disk_full(part, "what has come is kept") from None
        raise
    if total is not None and progress.done < total:
        raise _BrokenError(f"the connection broke after {progress.done / 1e6:.1f}{of} MB")


def _disk_full(part: Path, detail: str) -> DataError:
    return DataError(f"{part}: the disk is full ({detail}); make room and run it again, it is resumed")


def _refusal(url: str, error: urllib.error.HTTPError) -> Exception:
    if error.code in _AGAIN or error.code == 416:
        return _BrokenError(f"the server says {error.code} {error.reason}")
    advice = {401: "it asks for an account", 403: "it asks for an account or for consent to its terms",
              404: "it has no such file; check the address", 410: "it has the file no longer"}
    return DataError(f"{url}: the server says {error.code} {error.reason}"
                     + (f": {advice[error.code]}" if error.code in advice else ""))


def _failure(url: str, reason: object) -> Exception:
    if isinstance(reason, ssl.SSLCertVerificationError):
        return DataError(f"{url}: the server's certificate cannot be verified ({reason.verify_message}); behind a "
                         "proxy with a certificate of its own, name that in SSL_CERT_FILE; otherwise check the clock")
    return _BrokenError(f"cannot be reached ({reason})")
