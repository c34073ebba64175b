"""The machine's own Chromium, headless, to look at pages. Without it, or without playwright, tests are skipped."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
#: Against what hangs, in milliseconds.
LIMIT_MS = 120_000


@contextmanager
def chromium() -> Iterator[Any]:
    """Yield a browser, and close it."""
    program = next(filter(None, map(shutil.which, BROWSERS)), None)
    missing = "" if program else f"no browser: none of {', '.join(BROWSERS)} is installed"
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        missing = "playwright is not installed: pip install 'tcpspec[dev]'"
    if missing:
        pytest.skip(missing)
    with sync_playwright() as playwright:
        # As root Chromium has no sandbox; the page is one that we have just written.
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"], timeout=LIMIT_MS)
        yield browser
        browser.close()
