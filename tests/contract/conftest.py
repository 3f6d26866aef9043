"""Fixtures of the contract suites: a buffer, a database."""

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack

import pytest

from buffer import UpdateBuffer
from commands.embedded import EmbeddedPostgres
from tests.conftest import VERSIONS
from tests.contract.buffer_rigs import MemoryRig, RedisRig, Rig
from tests.contract.store_world import StoreWorld, fresh_schema, memory_world, postgres_world


@pytest.fixture(params=["memory", "redis"])
def rig(request: pytest.FixtureRequest) -> Iterator[Rig]:
    made: Rig
    if request.param == "memory":
        made = MemoryRig()
    else:
        made = RedisRig(request.getfixturevalue("redis_url"))
    yield made
    made.close()


@pytest.fixture
def buffer(rig: Rig) -> UpdateBuffer:
    return rig.buffer


SERVERS = [f"postgres{version}" for version in VERSIONS]
ADAPTERS = ["memory", *SERVERS, f"{SERVERS[0]}-logged"]


@pytest.fixture(params=ADAPTERS)
async def world(
    request: pytest.FixtureRequest, postgres_of_version: Callable[[int], EmbeddedPostgres]
) -> AsyncIterator[StoreWorld]:
    """A database that stores can be opened on: the twin's, or a schema of each server's."""
    with ExitStack() as afterwards:
        if request.param == "memory":
            world = memory_world()
        else:
            version, *logged = request.param.removeprefix("postgres").split("-")
            server = postgres_of_version(int(version))
            url = afterwards.enter_context(fresh_schema(server.url))
            world = postgres_world(url, stats_logged=bool(logged))
        yield world
        await world.close()


@pytest.fixture(params=VERSIONS, ids=lambda version: f"postgres{version}")
async def server_world(
    request: pytest.FixtureRequest, postgres_of_version: Callable[[int], EmbeddedPostgres]
) -> AsyncIterator[StoreWorld]:
    """A schema of its own, once for every major version that is here."""
    with fresh_schema(postgres_of_version(request.param).url) as url:
        world = postgres_world(url)
        yield world
        await world.close()


@pytest.fixture
async def newest_server_world(postgres_server: EmbeddedPostgres) -> AsyncIterator[StoreWorld]:
    """As `server_world` on one version, for what does not depend on it."""
    with fresh_schema(postgres_server.url) as url:
        world = postgres_world(url)
        yield world
        await world.close()
