"""Redis that loses data in every way, really: nothing final is lost, and nothing falls back."""

import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import redis
import trio

from commands.embedded import EmbeddedRedis
from tests.acceptance.service import Service, running_service, settings, until_rows
from tests.acceptance.test_outages import (
    COUNT,
    admitted,
    creates,
    migration,
    until_bonded_on_feed,
    until_on_feed,
)
from tests.acceptance.test_two_faults import logged, until_degraded
from tests.acceptance.world import running_peer
from tests.conftest import PostgresFactory, RedisFactory
from tests.contract.switchboard import running_switchboard
from tests.patience import PATIENCE_SECONDS

BONDED = "SELECT count(*)::int FROM \"TokenDiscovery\" WHERE status = 'BONDED'"
AT_ONCE: dict[str, str | int | float] = {"repl-diskless-sync-delay": 0}
LOST = "buffer lost its data, putting it back"
LOST_BEFORE = "buffer lost its data before the start: what was not flushed is gone"


async def until_replicated(primary: EmbeddedRedis, replica: EmbeddedRedis) -> None:
    """The replica has all that the primary has, and gets nothing from then on."""
    with (
        redis.Redis.from_url(primary.url) as first,
        redis.Redis.from_url(replica.url) as second,
        trio.fail_after(PATIENCE_SECONDS),
    ):
        second.replicaof("127.0.0.1", str(primary.port))
        link: Any = second.info("replication")
        while link["master_link_status"] != "up":
            await trio.sleep(0.05)
            link = second.info("replication")
        first.set("written last", "here")
        while not second.exists("written last"):
            await trio.sleep(0.05)
        second.replicaof("NO", "ONE")


async def until_logged(service: Service, event: str) -> None:
    with trio.fail_after(PATIENCE_SECONDS):
        while not logged(service, event):
            await trio.sleep(0.05)


async def test_a_promoted_replica_that_lagged_loses_no_birth_and_no_update(
    tmp_path: Path, new_postgres: PostgresFactory, new_redis: RedisFactory
) -> None:
    postgres, primary, replica = new_postgres(), new_redis(settings=AT_ONCE), new_redis()
    first, second = creates(8)[:3], creates(8)[3:]
    async with running_peer() as peer, running_switchboard(primary.port) as board:
        address = f"redis://127.0.0.1:{board.port}/0"
        environment = settings(postgres.url, address, INGEST__URL=peer.url)
        async with running_service(tmp_path, environment) as service:
            mints = await admitted(peer, postgres, first)
            peer.say(migration(first[0]))
            await until_rows(postgres.url, BONDED, [(1,)])
            await until_replicated(primary, replica)
            await trio.to_thread.run_sync(postgres.kill)
            peer.say(migration(first[1]))
            await until_bonded_on_feed(service, mints[1])
            peer.say(*second)  # in the spool of the primary alone, the last thing written
            await until_on_feed(service, [frame["mint"] for frame in second])
            board.target = replica.port
            await trio.to_thread.run_sync(primary.kill)
            await until_logged(service, LOST)
            peer.say(migration(first[2]))
            await until_bonded_on_feed(service, mints[2])
            await trio.to_thread.run_sync(postgres.restart)
            await until_rows(postgres.url, COUNT, [(8,)])
            await until_rows(postgres.url, BONDED, [(3,)])
            assert await service.stop() == 0
        assert 1 == len(logged(service, LOST))
        assert [] == logged(service, "actor failed")


async def test_births_that_only_the_spool_of_the_lost_primary_held_are_put_back(
    tmp_path: Path, new_postgres: PostgresFactory, new_redis: RedisFactory
) -> None:
    """Nothing else was written since: only the births' own version can show the loss."""
    postgres, primary, replica = new_postgres(), new_redis(settings=AT_ONCE), new_redis()
    first, second = creates(8)[:2], creates(8)[2:]
    async with running_peer() as peer, running_switchboard(primary.port) as board:
        address = f"redis://127.0.0.1:{board.port}/0"
        environment = settings(postgres.url, address, INGEST__URL=peer.url)
        async with running_service(tmp_path, environment) as service:
            await admitted(peer, postgres, first)
            await trio.to_thread.run_sync(postgres.kill)
            await until_replicated(primary, replica)
            peer.say(*second)
            await until_on_feed(service, [frame["mint"] for frame in second])
            board.target = replica.port
            await trio.to_thread.run_sync(primary.kill)
            await until_logged(service, LOST)
            with redis.Redis.from_url(replica.url) as client, trio.fail_after(PATIENCE_SECONDS):
                while client.hlen("td:spool:rows") < len(second):
                    await trio.sleep(0.05)
            await service.stop(signal.SIGKILL)
        await trio.to_thread.run_sync(postgres.restart)
        async with running_service(tmp_path, environment):
            await until_rows(postgres.url, COUNT, [(8,)])


async def test_a_start_on_a_promoted_replica_overwrites_nothing_and_an_empty_one_is_told(
    tmp_path: Path, new_postgres: PostgresFactory, new_redis: RedisFactory
) -> None:
    postgres, primary, replica = new_postgres(), new_redis(settings=AT_ONCE), new_redis()
    frames = creates(3)
    async with running_peer() as peer, running_switchboard(primary.port) as board:
        address = f"redis://127.0.0.1:{board.port}/0"
        environment = settings(postgres.url, address, INGEST__URL=peer.url)
        async with running_service(tmp_path, environment) as service:
            mints = await admitted(peer, postgres, frames)
            await until_replicated(primary, replica)
            peer.say(migration(frames[0]))
            await until_rows(postgres.url, BONDED, [(1,)])
            await service.stop(signal.SIGKILL)
        board.target = replica.port
        async with running_service(tmp_path, environment) as service:
            await until_bonded_on_feed(service, mints[0])
            peer.say(migration(frames[1]))
            await until_rows(postgres.url, BONDED, [(2,)])
            assert [] == logged(service, LOST_BEFORE)
            await service.stop(signal.SIGKILL)
        with redis.Redis.from_url(replica.url) as client:
            client.flushall()
        async with running_service(tmp_path, environment) as service:
            assert 1 == len(logged(service, LOST_BEFORE))
            await until_bonded_on_feed(service, mints[1])
            assert await service.stop() == 0


def put_list_for_stream(client: redis.Redis, _: object) -> None:
    client.delete("td:changes")
    client.rpush("td:changes", "not ours")


HANDS: dict[str, Callable[[redis.Redis, object], object]] = {
    "FLUSHALL": lambda client, _: client.flushall(),
    "SCRIPT FLUSH": lambda client, _: client.script_flush(),
    "a string for the list": lambda client, _: client.set("td:dirty", "not ours"),
    "a string for a token": lambda client, mint: client.set(f"td:token:{mint}", "not ours"),
    "DEL of the version": lambda client, _: client.delete("td:version"),
    "RENAME of the epoch": lambda client, _: client.rename("td:epoch", "elsewhere"),
    "a list for the stream": put_list_for_stream,
}


async def test_whatever_is_done_to_its_keys_by_hand_no_update_is_lost(
    tmp_path: Path, new_postgres: PostgresFactory, new_redis: RedisFactory
) -> None:
    postgres, server = new_postgres(), new_redis()
    frames = creates(len(HANDS) + 1)
    async with running_peer() as peer:
        late = settings(
            postgres.url, server.url, INGEST__URL=peer.url, SYNC__INTERVAL_SECONDS="300"
        )
        async with running_service(tmp_path, late) as service:
            mints = await admitted(peer, postgres, frames)
            peer.say(migration(frames[0]))
            await until_bonded_on_feed(service, mints[0])
            for number, act in enumerate(HANDS.values()):
                with redis.Redis.from_url(server.url) as client:
                    act(client, mints[number])  # whose update is in Redis alone
                peer.say(migration(frames[number + 1]))
                await until_bonded_on_feed(service, mints[number + 1])
            await until_degraded(service, {"redis data"})  # one loss after the other
            assert await service.stop() == 0
            await until_rows(postgres.url, BONDED, [(len(frames),)])
        problems = [str(entry["problem"]) for entry in logged(service, "dependency away")]
        for key in ("td:dirty", f"td:token:{mints[3]}", "td:changes"):
            assert any(f"{key} was a " in problem for problem in problems), problems
        assert [] == logged(service, "actor failed")


@pytest.mark.parametrize(
    ("policy", "told_at_start"), [("noeviction", ()), ("allkeys-lfu", ("redis configuration",))]
)
async def test_without_memory_births_are_stored_and_shown_and_updates_follow_when_it_is_back(
    tmp_path: Path,
    new_postgres: PostgresFactory,
    new_redis: RedisFactory,
    policy: str,
    told_at_start: tuple[str, ...],
) -> None:
    postgres = new_postgres()
    server = new_redis(settings={"maxmemory": "100mb", "maxmemory-policy": policy})
    first, second = creates(10)[:4], creates(10)[4:]
    async with running_peer() as peer:
        environment = settings(postgres.url, server.url, INGEST__URL=peer.url)
        async with running_service(tmp_path, environment) as service:
            mints = await admitted(peer, postgres, first)
            with redis.Redis.from_url(server.url) as client:
                client.config_set("maxmemory", 1)
            peer.say(*map(migration, first), *second)
            await until_rows(postgres.url, COUNT, [(10,)])
            await until_on_feed(service, [frame["mint"] for frame in second])
            await until_degraded(service, {"redis", *told_at_start})
            with redis.Redis.from_url(server.url) as client:
                client.config_set("maxmemory", 0)
            for mint in mints:
                await until_bonded_on_feed(service, mint)
            await until_rows(postgres.url, BONDED, [(4,)])
            assert await service.stop() == 0
        assert [] == logged(service, "actor failed")
