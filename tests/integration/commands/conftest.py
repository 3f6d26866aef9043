"""Fixtures of the commands' tests."""

from collections.abc import Iterator

import pytest

from tests.integration.commands.past_world import OwnerWorld, owner_world


@pytest.fixture
def owner(
    postgres_url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[OwnerWorld]:
    """An empty database in which an owner has, or will have, his table."""
    with owner_world(postgres_url, monkeypatch, capsys) as world:
        yield world
