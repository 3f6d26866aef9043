"""One browser for all of these tests."""

from collections.abc import Iterator

import pytest

from tests.browser.browser import sharing_chromium


@pytest.fixture(scope="session", autouse=True)
def shared_chromium() -> Iterator[None]:
    with sharing_chromium():
        yield
