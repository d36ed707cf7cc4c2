"""The browser of the tests: Debian's chromium, if it can be without the parts that draw windows.

Mark tests that use it with ``pytest.mark.parts``; they are skipped where it, or Playwright, is missing.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

NAMES = ("chromium-headless-shell", "chromium", "chromium-browser")
"""programs, best first; the others need half as much time again for the same pages"""
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    # A new process for each page takes longer than the page.
    "--renderer-process-limit=1",
    # Each page is new, and its scripts run but once: compile them at once.
    "--js-flags=--always-sparkplug",
]


@contextmanager
def chromium() -> Iterator[Any]:
    """Start a browser for the context.

    Playwright keeps a loop of asyncio running in this thread until the context is left: no test of another
    file may run meanwhile, for it could not run a loop of its own.
    """
    program = next(filter(None, map(shutil.which, NAMES)), None)
    if program is None:
        pytest.skip(f"needs chromium: apt-get install {NAMES[0]}")
    sync_api = pytest.importorskip("playwright.sync_api", reason="needs playwright: pip install playwright")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=FLAGS)
        yield browser
        browser.close()


def expect(shown: Any) -> Any:
    """What Playwright asserts of something that is shown.

    Loaded when it is first asked for: each process of pytest collects the tests, and few have a browser.
    """
    from playwright.sync_api import expect

    return expect(shown)
