"""Two faults at once, on real servers that are really killed: nothing is lost, nothing untrue."""

from pathlib import Path

import orjson
import trio
from redis import Redis

from tests.acceptance.service import Service, rows, running_service, settings, until_rows
from tests.acceptance.test_outages import (
    COUNT,
    admitted,
    creates,
    migration,
    until_bonded_on_feed,
    until_on_feed,
)
from tests.acceptance.world import running_peer
from tests.conftest import PostgresFactory, RedisFactory
from tests.patience import PATIENCE_SECONDS


async def until_degraded(service: Service, names: set[str]) -> None:
    """Wait until /readyz says by name that these are away, and answers 200 all the while."""
    with trio.fail_after(PATIENCE_SECONDS):
        while True:
            answer = await service.get("/readyz")
            assert 200 == answer.status_code
            away = {each["name"] for each in answer.json().get("degraded", [])}
            if away == names:
                return
            await trio.sleep(0.05)


def logged(service: Service, event: str) -> list[dict[str, object]]:
    entries = [orjson.loads(line) for line in service.log().splitlines() if line.startswith("{")]
    return [entry for entry in entries if entry.get("event") == event]


async def test_redis_killed_births_are_stored_and_shown_and_the_outage_is_told_once(
    tmp_path: Path, new_postgres: PostgresFactory, new_redis: RedisFactory
) -> None:
    postgres, redis = new_postgres(), new_redis()
    first, second = creates(10)[:2], creates(10)[2:]
    async with running_peer() as peer:
        environment = settings(postgres.url, redis.url, INGEST__URL=peer.url)
        async with running_service(tmp_path, environment) as service:
            mints = await admitted(peer, postgres, first)
            await trio.to_thread.run_sync(redis.kill)
            peer.say(migration(first[0]), *second)
            await until_rows(postgres.url, COUNT, [(10,)])
            await until_on_feed(service, [frame["mint"] for frame in second])
            await until_degraded(service, {"redis"})
            await trio.sleep(3.0)  # an outage of some length, with several attempts
            await trio.to_thread.run_sync(redis.restart)
            await until_bonded_on_feed(service, mints[0])
            await until_degraded(service, set())
            assert await service.stop() == 0
        [away], [back] = logged(service, "dependency away"), logged(service, "dependency back")
        assert ("redis", "redis") == (away["name"], back["name"])
        assert 3.0 <= float(str(back["outage_seconds"])) < 2 * PATIENCE_SECONDS
        assert [] == logged(service, "actor failed")


async def test_drain_while_redis_is_away_leaves_what_was_seen_in_postgres(
    tmp_path: Path, new_postgres: PostgresFactory, new_redis: RedisFactory
) -> None:
    postgres, redis = new_postgres(), new_redis()
    frames = creates(3)
    async with running_peer() as peer:
        late = settings(postgres.url, redis.url, INGEST__URL=peer.url, SYNC__INTERVAL_SECONDS="300")
        async with running_service(tmp_path, late) as service:
            mints = await admitted(peer, postgres, frames)
            peer.say(migration(frames[0]))  # in Redis alone, when that dies
            await until_bonded_on_feed(service, mints[0])
            await trio.to_thread.run_sync(redis.kill)
            peer.say(migration(frames[1]))  # in this process alone
            await until_degraded(service, {"redis"})
            assert await service.stop() == 0
    bonded = "SELECT count(*)::int FROM \"TokenDiscovery\" WHERE status = 'BONDED'"
    assert [(2,)] == rows(postgres.url, bonded)


async def test_drain_without_any_store_ends_with_69_and_names_what_is_lost(
    tmp_path: Path, new_postgres: PostgresFactory, new_redis: RedisFactory
) -> None:
    postgres, redis = new_postgres(), new_redis()
    frames = creates(2)
    async with running_peer() as peer:
        environment = settings(
            postgres.url, redis.url, INGEST__URL=peer.url, SHUTDOWN__DEADLINE_SECONDS="3"
        )
        async with running_service(tmp_path, environment) as service:
            await admitted(peer, postgres, frames)
            await trio.to_thread.run_sync(redis.kill)
            await trio.to_thread.run_sync(postgres.kill)
            peer.say(migration(frames[0]))
            await until_degraded(service, {"postgres", "redis"})
            assert await service.stop() == 69
        [told] = logged(service, "drain incomplete")
        assert {"updated tokens": 1} == told["unsaved"]
        [failed] = logged(service, "service failed")
        assert "updated tokens (1)" in str(failed["error"])


async def test_list_of_dirty_tokens_deleted_by_hand_loses_nothing(
    tmp_path: Path, new_postgres: PostgresFactory, new_redis: RedisFactory
) -> None:
    postgres, redis = new_postgres(), new_redis()
    frames = creates(4)
    async with running_peer() as peer:
        environment = settings(
            postgres.url, redis.url, INGEST__URL=peer.url, SYNC__INTERVAL_SECONDS="3"
        )
        async with running_service(tmp_path, environment) as service:
            mints = await admitted(peer, postgres, frames)
            for frame, mint in zip(frames, mints, strict=True):
                peer.say(migration(frame))
                await until_bonded_on_feed(service, mint)
            with Redis.from_url(redis.url) as client:
                await trio.to_thread.run_sync(client.delete, "td:dirty")
            bonded = "SELECT count(*)::int FROM \"TokenDiscovery\" WHERE status = 'BONDED'"
            await until_rows(postgres.url, bonded, [(4,)])
            assert await service.stop() == 0


async def test_readyz_is_200_only_once_the_boards_are_filled(
    tmp_path: Path, new_postgres: PostgresFactory, new_redis: RedisFactory
) -> None:
    postgres, redis = new_postgres(), new_redis()
    async with running_peer() as peer:
        environment = settings(postgres.url, redis.url, INGEST__URL=peer.url)
        async with running_service(tmp_path, environment) as service:
            await admitted(peer, postgres, creates(10))
            assert await service.stop() == 0
        async with running_service(tmp_path, environment) as service:  # ready by now
            feed = (await service.get("/api/warp-pipes/feed?limit=100")).json()
            assert 10 == len(feed["new"])
