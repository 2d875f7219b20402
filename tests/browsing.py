"""A real browser for the tests of the report: Debian's Chromium, headless, and nothing else.

A page that complains on its console, or asks for anything that is not a file, fails its test.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

NAMES = ("chromium", "chromium-browser")
COUNT = re.compile(r"([\d,]+) of [\d,]+ samples?")


def find_chromium() -> str:
    """Return the path of Chromium; without one skip the test, or fail it where CI is set."""
    found = next(filter(None, map(shutil.which, NAMES)), None)
    if found is None:
        reason = "no chromium on this machine: apt-get install chromium"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    return found


@contextmanager
def chromium() -> Iterator[Browser]:
    """Start the browser; its sandbox does not start for root."""
    path = find_chromium()
    arguments = ["--no-sandbox"] if os.geteuid() == 0 else []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=arguments)
        yield browser
        browser.close()


@contextmanager
def opened(
    browser: Browser,
    report: Path,
    address: str = "",
    width: int = 1280,
    height: int = 900,
    scheme: str = "light",
    before: str = "",
    motion: str = "reduce",
) -> Iterator[Page]:
    """Open the page of a report; afterwards see that it was quiet and asked nobody.

    Args:
        browser: Of `chromium`.
        report: Its folder.
        address: Behind the file's, such as "#/pope/17".
        width, height: Of the window, in pixels.
        scheme: What the system prefers: "light" or "dark".
        before: Script that runs before the page's own.
        motion: What the system prefers: "reduce" or "no-preference", which scrolls smoothly.
    """
    context = browser.new_context(
        viewport={"width": width, "height": height},
        color_scheme=scheme,  # type: ignore[arg-type]
        reduced_motion=motion,  # type: ignore[arg-type]
    )
    page = context.new_page()
    page.set_default_timeout(10_000)
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(f"{message.type}: {message.text}"))
    page.on("pageerror", lambda error: complaints.append(f"error: {error}"))
    page.on("dialog", lambda dialog: complaints.append(f"dialog: {dialog.message}"))
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    if before:
        page.add_init_script(before)
    page.goto((report / "index.html").resolve().as_uri() + address)
    yield page
    context.close()
    assert complaints == []
    assert [url for url in asked if not url.startswith("file://")] == []


def listed(page: Page) -> int:
    """Return how many samples the filters have left, as the page says it."""
    expect(page.locator("#samples-count")).to_have_text(COUNT)
    found = COUNT.search(page.locator("#samples-count").inner_text())
    assert found
    return int(found[1].replace(",", ""))
