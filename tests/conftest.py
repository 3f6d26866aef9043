"""Real servers for the tests: started on first use, once a session, and always stopped.

`postgres_url` is a fresh, empty database; `redis_url` an empty Redis. A test that kills or
configures a server takes a private one from `new_postgres` or `new_redis`. `prisma_process` is
the owner's own client, from npm.
"""

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from itertools import count
from pathlib import Path
from typing import Protocol

import psycopg
import pytest
import redis
from hypothesis import HealthCheck, settings

from commands.embedded import (
    EmbeddedPostgres,
    EmbeddedRedis,
    RunDirectory,
    available_postgres,
)
from tests.owner.backend import BackendUnavailable, PrismaProcess, install_backend

# Not 16, for the time: its neighbours show what it would. Run by hand, all passes on it, and on
# 14 all but what its statistics collector tells too late.
VERSIONS = [install.version for install in available_postgres() if install.version != 16]
DATABASE_NUMBERS = count(1)
# Tests that count WAL bytes or take short locks must not meet a vacuum that nobody asked for.
SESSION_SETTINGS: dict[str, str | int | float] = {"autovacuum": "off"}

# A gate says the same twice: the same examples each time, on a machine of any speed.
settings.register_profile(
    "repeatable", derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("repeatable")


class PostgresFactory(Protocol):
    """Starts a private Postgres; it is stopped after the test."""

    def __call__(
        self, version: int | None = None, settings: dict[str, str | int | float] | None = None
    ) -> EmbeddedPostgres: ...


class RedisFactory(Protocol):
    """Starts a private Redis; it is stopped after the test."""

    def __call__(
        self, appendonly: bool = False, settings: dict[str, str | int | float] | None = None
    ) -> EmbeddedRedis: ...


@pytest.fixture(scope="session")
def session_directory() -> Iterator[Path]:
    """Not pytest's own temporary directory: as root the servers' user could not enter that."""
    with RunDirectory() as path:
        yield path


@pytest.fixture(scope="session")
def postgres_of_version(session_directory: Path) -> Iterator[Callable[[int], EmbeddedPostgres]]:
    """The session's server of a major version, started on first use."""
    servers: dict[int, EmbeddedPostgres] = {}

    def server(version: int) -> EmbeddedPostgres:
        if version not in servers:
            directory = session_directory / f"postgres-{version}"
            servers[version] = EmbeddedPostgres(
                directory, version=version, settings=SESSION_SETTINGS
            )
            servers[version].start()
        return servers[version]

    yield server
    for started in servers.values():
        started.stop("immediate")


@pytest.fixture(scope="session")
def postgres_server(postgres_of_version: Callable[[int], EmbeddedPostgres]) -> EmbeddedPostgres:
    """The session's Postgres of the preferred version."""
    return postgres_of_version(VERSIONS[0])


@pytest.fixture
def postgres_url(postgres_server: EmbeddedPostgres) -> Iterator[str]:
    """An empty database of this test's own."""
    with fresh_database(postgres_server) as url:
        yield url


@pytest.fixture(params=VERSIONS, ids=lambda version: f"postgres{version}")
def postgres_url_by_version(
    request: pytest.FixtureRequest, postgres_of_version: Callable[[int], EmbeddedPostgres]
) -> Iterator[str]:
    """As `postgres_url`, once for every major version that is here."""
    with fresh_database(postgres_of_version(request.param)) as url:
        yield url


@contextmanager
def fresh_database(server: EmbeddedPostgres) -> Iterator[str]:
    name = f"test_{next(DATABASE_NUMBERS)}"
    with psycopg.connect(server.url, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
        yield server.url_of(name)
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture(scope="session")
def redis_server(session_directory: Path) -> Iterator[EmbeddedRedis]:
    """The session's Redis; it keeps nothing on disk."""
    server = EmbeddedRedis(session_directory / "redis")
    server.start()
    yield server
    server.stop()


@pytest.fixture
def redis_url(redis_server: EmbeddedRedis) -> str:
    """An empty Redis, shared with no other running test."""
    with redis.Redis.from_url(redis_server.url) as client:
        client.flushall()
    return redis_server.url


@pytest.fixture
def new_postgres() -> Iterator[PostgresFactory]:
    """Private servers, to kill and to configure."""
    with ExitStack() as afterwards:

        def start(
            version: int | None = None, settings: dict[str, str | int | float] | None = None
        ) -> EmbeddedPostgres:
            directory = afterwards.enter_context(RunDirectory())
            server = EmbeddedPostgres(directory, version or VERSIONS[0], settings)
            afterwards.callback(server.stop, "immediate")
            server.start()
            return server

        yield start


@pytest.fixture
def new_redis() -> Iterator[RedisFactory]:
    """Private servers, to kill and to configure."""
    with ExitStack() as afterwards:

        def start(
            appendonly: bool = False, settings: dict[str, str | int | float] | None = None
        ) -> EmbeddedRedis:
            directory = afterwards.enter_context(RunDirectory())
            server = EmbeddedRedis(directory, appendonly, settings)
            afterwards.callback(server.stop)
            server.start()
            return server

        yield start


@pytest.fixture(scope="session")
def prisma_directory(session_directory: Path) -> Path:
    """The owner's backend, installed. Without node or npm its tests are skipped, but not in CI."""
    directory = session_directory / "owner"
    try:
        install_backend(directory)
    except BackendUnavailable as error:
        if os.environ.get("CI", "false").lower() not in {"", "0", "false"}:
            raise
        pytest.skip(str(error))
    return directory


@pytest.fixture(scope="session")
def prisma_process(prisma_directory: Path) -> Iterator[PrismaProcess]:
    """The owner's Prisma client, for any database of any test."""
    process = PrismaProcess(prisma_directory)
    process.start()
    yield process
    process.stop()
