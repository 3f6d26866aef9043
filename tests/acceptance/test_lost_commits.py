"""A replica is promoted that had not got the last commits: all of them are in it in the end.

The primary, its streaming replica and Redis are real, and so is the kill. What the service believes
to be stored, and has cleared from Redis, is gone, and the ids of lost tokens are given to others.
"""

import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trio
from attrs import frozen

from commands.embedded import EmbeddedPostgres
from tests.acceptance.service import Service, rows, running_service, settings, until_rows
from tests.acceptance.test_outages import COUNT, creates, migration
from tests.acceptance.world import PumpPortalPeer, running_peer
from tests.conftest import PostgresFactory
from tests.contract.store_world import asked
from tests.contract.switchboard import Switchboard, running_switchboard
from tests.contract.test_store_copies import copied, with_base_backup
from tests.patience import PATIENCE_SECONDS

TOKENS = 'SELECT mint, symbol, name, status FROM "TokenDiscovery" ORDER BY mint'
LOGGED_COUNT = "SELECT count(*)::int FROM token"  # a standby shows nothing that is unlogged
RECEIVERS = "SELECT count(*)::int FROM pg_stat_wal_receiver"
REUSE_IDS = "SELECT setval('token_id', (SELECT max(id) FROM token))"

pytestmark = pytest.mark.skipif(with_base_backup() is None, reason="needs pg_basebackup")


@frozen
class Pair:
    """A primary and its replica behind one address."""

    primary: EmbeddedPostgres
    replica: EmbeddedPostgres
    board: Switchboard

    @property
    def url(self) -> str:
        return self.primary.url.replace(f":{self.primary.port}/", f":{self.board.port}/")

    async def cut_replica(self) -> None:
        """From here on the replica gets nothing; nobody waits for it."""
        await asked(self.replica.url, "ALTER SYSTEM SET primary_conninfo = ''")
        await asked(self.replica.url, "SELECT pg_reload_conf()")
        await until_rows(self.replica.url, RECEIVERS, [(0,)])

    async def fail_over(self) -> None:
        """Let the replica be what its address leads to, and give the lost tokens' ids again."""
        await trio.to_thread.run_sync(self.primary.kill)
        await asked(self.replica.url, "SELECT pg_promote()")
        await asked(self.replica.url, REUSE_IDS)
        self.board.target = self.replica.port


@asynccontextmanager
async def running_pair(new_postgres: PostgresFactory) -> AsyncIterator[Pair]:
    kind = with_base_backup()
    assert kind is not None
    primary = new_postgres(kind.version, {"fsync": "off"})
    replica = EmbeddedPostgres(primary.directory / "replica", kind.version, {"fsync": "off"})
    await trio.to_thread.run_sync(copied, primary, replica, "-R")
    await trio.to_thread.run_sync(replica.start)
    try:
        async with running_switchboard(primary.port) as board:
            yield Pair(primary, replica, board)
    finally:
        with trio.CancelScope(shield=True):
            await trio.to_thread.run_sync(replica.stop, "immediate")


async def until_flushed(service: Service) -> None:
    """Wait until the service believes that Postgres has everything."""
    with trio.fail_after(PATIENCE_SECONDS):
        while "token_discovery_sync_unflushed 0.0" not in (await service.get("/metrics")).text:
            await trio.sleep(0.05)


async def until_whole(service: Service) -> None:
    """Wait until nothing is degraded; it may have been so before."""
    with trio.fail_after(PATIENCE_SECONDS):
        while "postgres commits" in (await service.get("/readyz")).text:
            await trio.sleep(0.05)


async def commit_what_will_be_lost(
    peer: PumpPortalPeer, pair: Pair, service: Service
) -> list[tuple[object, ...]]:
    """Ten births, of which the replica gets five, and a migration that it does not get."""
    first, second = creates(10)[:5], creates(10)[5:]
    peer.say(*first)
    await until_rows(pair.primary.url, COUNT, [(5,)])
    await until_flushed(service)
    await until_rows(pair.replica.url, "SELECT to_regclass('token') IS NOT NULL", [(True,)])
    await until_rows(pair.replica.url, LOGGED_COUNT, [(5,)])
    await pair.cut_replica()
    peer.say(*second, migration(first[0]))
    await until_rows(pair.primary.url, COUNT, [(10,)])
    bonded = "SELECT mint FROM \"TokenDiscovery\" WHERE status = 'BONDED'"
    await until_rows(pair.primary.url, bonded, [(first[0]["mint"],)])
    await until_flushed(service)
    return await trio.to_thread.run_sync(rows, pair.primary.url, TOKENS)


async def test_what_a_promoted_replica_lacks_is_written_again(
    tmp_path: Path, new_postgres: PostgresFactory, redis_url: str
) -> None:
    async with running_peer() as peer, running_pair(new_postgres) as pair:
        environment = settings(pair.url, redis_url, INGEST__URL=peer.url)
        async with running_service(tmp_path, environment) as service:
            before = await commit_what_will_be_lost(peer, pair, service)
            await pair.fail_over()
            peer.say(*creates(12)[10:])  # which are given ids of lost ones, or others later
            await until_rows(pair.replica.url, COUNT, [(12,)])
            await until_whole(service)
            await until_flushed(service)
            after = await trio.to_thread.run_sync(rows, pair.replica.url, TOKENS)
            assert before == [row for row in after if row in before]
            assert service.log().count('"postgres lost commits"') == 1
            assert await service.stop() == 0


async def test_what_was_lost_while_the_service_was_killed_is_written_again(
    tmp_path: Path, new_postgres: PostgresFactory, redis_url: str
) -> None:
    async with running_peer() as peer, running_pair(new_postgres) as pair:
        environment = settings(pair.url, redis_url, INGEST__URL=peer.url)
        async with running_service(tmp_path, environment) as service:
            before = await commit_what_will_be_lost(peer, pair, service)
            await service.stop(signal.SIGKILL)
        await pair.fail_over()
        async with running_service(tmp_path, environment) as service:
            await until_rows(pair.replica.url, TOKENS, before)
            await until_whole(service)
            assert '"births": 5' in service.log() or '"births":5' in service.log()
            assert await service.stop() == 0
