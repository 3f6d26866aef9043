"""Fixtures of the contract suites: a buffer, a database."""

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import psycopg
import pytest

from buffer import UpdateBuffer
from commands.embedded import EmbeddedPostgres, RunDirectory
from tests.conftest import VERSIONS
from tests.contract.buffer_rigs import MemoryRig, RedisRig, Rig
from tests.contract.store_pooler import EmbeddedPooler, needs_pgbouncer
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
POOLED = pytest.param(f"{SERVERS[0]}-pooled", marks=needs_pgbouncer)
ADAPTERS = ["memory", *SERVERS, f"{SERVERS[0]}-logged", POOLED]
PoolerFactory = Callable[..., EmbeddedPooler]


@pytest.fixture(scope="session")
def session_pooler(
    session_directory: Path, postgres_of_version: Callable[[int], EmbeddedPostgres]
) -> Iterator[EmbeddedPooler]:
    """A pooler before the session's Postgres of the preferred version; started on first use."""
    directory = session_directory / "pgbouncer"
    pooler = EmbeddedPooler(directory, postgres_of_version(VERSIONS[0]), size=2)
    pooler.start()
    yield pooler
    pooler.stop()


@pytest.fixture(scope="session")
def pooled_url(session_pooler: EmbeddedPooler) -> str:
    """A database of the pooler's server, apart: its idle connections keep the service's names."""
    with psycopg.connect(session_pooler.server.url, autocommit=True) as connection:
        connection.execute("CREATE DATABASE pooled")
    return session_pooler.server.url_of("pooled")


@pytest.fixture
def new_pooler() -> Iterator[PoolerFactory]:
    """Private poolers, to configure: `new_pooler(server, size=1)`."""
    with ExitStack() as afterwards:

        def start(server: EmbeddedPostgres, size: int, mode: str = "transaction") -> EmbeddedPooler:
            directory = afterwards.enter_context(RunDirectory())
            pooler = EmbeddedPooler(directory, server, size, mode)
            afterwards.callback(pooler.stop)
            pooler.start()
            return pooler

        yield start


@pytest.fixture(params=ADAPTERS)
async def world(
    request: pytest.FixtureRequest, postgres_of_version: Callable[[int], EmbeddedPostgres]
) -> AsyncIterator[StoreWorld]:
    """A database that stores can be opened on: the twin's, or a schema of each server's."""
    with ExitStack() as afterwards:
        if request.param == "memory":
            world = memory_world()
        else:
            version, _, way = request.param.removeprefix("postgres").partition("-")
            pooler = request.getfixturevalue("session_pooler") if way == "pooled" else None
            server_url = postgres_of_version(int(version)).url
            database = request.getfixturevalue("pooled_url") if pooler else server_url
            url = afterwards.enter_context(fresh_schema(database))
            world = postgres_world(url, pooler=pooler, stats_logged=way == "logged")
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
