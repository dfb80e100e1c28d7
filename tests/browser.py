"""A headless browser of this machine for the tests of pages, where there is one."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "microsoft-edge", "chrome")


@contextmanager
def running() -> Iterator[Any]:
    """Give a running Chromium; skip the test where there is none."""
    api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    found = os.environ.get("STXFER_BROWSER") or next(filter(None, map(shutil.which, NAMES)), None)
    if found is None:
        pytest.skip("no Chromium or Chrome on this machine (Debian: apt-get install chromium; or set STXFER_BROWSER)")
    with api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found)
        try:
            yield browser
        finally:
            browser.close()


class Page:
    """A page of a file, with all that the browser has said of it.

    Attributes:
        page: Playwright's.
        messages: errors and warnings of the console, and errors of scripts.
        requests: addresses of what it asked for, itself left out.
    """

    def __init__(self, browser: Any, path: Path, **context: Any) -> None:
        self._context = browser.new_context(**context)
        self.page = self._context.new_page()
        self.messages: list[str] = []
        self.requests: list[str] = []
        self.page.on("console", lambda message: self.messages.append(f"{message.type}: {message.text}"))
        self.page.on("pageerror", lambda error: self.messages.append(f"error: {error}"))
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.goto(path.as_uri())
        self.requests.remove(path.as_uri())

    def close(self) -> None:
        """Close it."""
        self._context.close()

    def violations(self) -> list[str]:
        """Return what axe-core has against it, with the first place of each."""
        axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe is not installed").Axe()
        return [f"{found['id']}: {found['help']}: {found['nodes'][0]['html'][:200]}"
                for found in axe.run(self.page).response["violations"]]


def look_at(path: Path) -> None:
    """Open a page on a desktop and on a phone, where it must have neither errors nor violations, and load nothing."""
    with running() as browser:
        for width in (1280, 390):
            page = Page(browser, path, viewport={"width": width, "height": 900})
            assert (page.messages, page.requests, page.violations()) == ([], [], [])
            assert page.page.evaluate("document.documentElement.scrollWidth <= innerWidth")
            assert page.page.locator("#list > li").count() > 0
            page.close()
