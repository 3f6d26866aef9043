"""Chromium, as far as it is here: Debian's, driven by Playwright from a thread of its own.

One browser serves all tests of a run, each in a context of its own, which shares nothing with the
others: to start one takes longer than most tests.
"""

import os
import shutil
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, TypeVar, TypeVarTuple

import pytest
import trio
from attrs import define
from playwright.sync_api import Browser, Page, sync_playwright

Result = TypeVar("Result")
Arguments = TypeVarTuple("Arguments")

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


@define
class SharedBrowser:
    """The browser of this run, and the one thread from which Playwright lets it be used."""

    thread: ThreadPoolExecutor
    browser: Browser
    token: trio.lowlevel.TrioToken | None = None  # of the test that uses it now


_shared: list[SharedBrowser] = []


def find_chromium() -> str:
    """The program; where there is none, the test is skipped, but not in CI."""
    for program in PROGRAMS:
        if (path := shutil.which(program)) is not None:
            return path
    if os.environ.get("CI", "false").lower() not in {"", "0", "false"}:
        raise AssertionError("no chromium here: apt-get install chromium")
    pytest.skip("no chromium here: apt-get install chromium")


@contextmanager
def running_chromium(program: str, *options: str) -> Iterator[Browser]:
    with sync_playwright() as playwright:
        arguments = [*OPTIONS, *options]
        browser = playwright.chromium.launch(executable_path=program, args=arguments)
        try:
            yield browser
        finally:
            browser.close()


@contextmanager
def sharing_chromium() -> Iterator[None]:
    """Let `browse` use one browser."""
    chromium = running_chromium(find_chromium())
    with ThreadPoolExecutor(max_workers=1) as thread:
        _shared.append(SharedBrowser(thread, thread.submit(chromium.__enter__).result()))
        try:
            yield
        finally:
            _shared.clear()
            thread.submit(chromium.__exit__, None, None, None).result()


async def browse(visit: Callable[[Page], Result], **context: Any) -> Result:
    """Let `visit` use a page of a fresh context, in the browser's thread; what it returns.

    There, `act` and `act_at_once` act on the world. An error on the page is one of the test.
    """
    [shared] = _shared
    shared.token = trio.lowlevel.current_trio_token()

    def use_page() -> Result:
        errors: list[str] = []
        page = shared.browser.new_page(**(DESK | context))
        try:
            page.set_default_timeout(PATIENCE_MILLISECONDS)
            page.on("pageerror", lambda error: errors.append(str(error)))
            result = visit(page)
        finally:
            page.unroute_all(behavior="ignoreErrors")  # one may be under way
            page.close()  # and its context
        assert [] == errors
        return result

    return await trio.to_thread.run_sync(shared.thread.submit(use_page).result)


def act(do: Callable[[*Arguments], Awaitable[Result]], *arguments: *Arguments) -> Result:
    """Do something in the test's own thread, and wait for it; for `visit`."""
    return trio.from_thread.run(do, *arguments, trio_token=_shared[0].token)


def act_at_once(do: Callable[[*Arguments], Result], *arguments: *Arguments) -> Result:
    """The same for what waits for nothing."""
    return trio.from_thread.run_sync(do, *arguments, trio_token=_shared[0].token)
