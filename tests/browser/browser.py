"""Chromium, as far as it is here: Debian's, driven by Playwright from a thread of its own."""

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import pytest
import trio
from playwright.sync_api import Browser, Page, sync_playwright

Result = TypeVar("Result")

PATIENCE_MILLISECONDS = 15_000
PROGRAMS = ("chromium", "chromium-browser", "google-chrome")
DESK: dict[str, Any] = {
    "viewport": {"width": 1280, "height": 800},
    "service_workers": "block",  # what they fetch cannot be seen from here
}
OPTIONS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


def find_chromium() -> str:
    """The program; where there is none, the test is skipped, but not in CI."""
    for program in PROGRAMS:
        if (path := shutil.which(program)) is not None:
            return path
    if os.environ.get("CI", "false").lower() not in {"", "0", "false"}:
        raise AssertionError("no chromium here: apt-get install chromium")
    pytest.skip("no chromium here: apt-get install chromium")


@contextmanager
def running_chromium() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=find_chromium(), args=OPTIONS)
        try:
            yield browser
        finally:
            browser.close()


async def browse(visit: Callable[[Page], Result], **context: Any) -> Result:
    """Let `visit` use a page of a fresh browser, in a thread; what it returns.

    There, `trio.from_thread.run` acts on the world. An error on the page is one of the test.
    """

    def use_browser() -> Result:
        errors: list[str] = []
        with running_chromium() as browser:
            page = browser.new_page(**(DESK | context))
            page.set_default_timeout(PATIENCE_MILLISECONDS)
            page.on("pageerror", lambda error: errors.append(str(error)))
            result = visit(page)
        assert [] == errors
        return result

    return await trio.to_thread.run_sync(use_browser)
