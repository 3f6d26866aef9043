"""Users of another server keep the real service active, by Redis or by a request."""

from datetime import datetime
from pathlib import Path
from typing import Any

import orjson
import pytest
import redis
import trio

from actors.activity_keys import READ_SECONDS
from tests.acceptance.service import Service, running_service, settings, until_rows
from tests.acceptance.test_outages import COUNT, creates, migration
from tests.acceptance.world import running_peer
from tests.conftest import RedisFactory
from tests.patience import PATIENCE_SECONDS

USERS, LAST = "system:active_users", "system:last_activity"
BONDED = "SELECT count(*)::int FROM \"TokenDiscovery\" WHERE status = 'BONDED'"
LIFETIME_SECONDS = 60


async def activity_of(service: Service) -> dict[str, Any]:
    actors = (await service.get("/api/ops/actors")).json()["actors"]
    [summary] = [actor["summary"] for actor in actors if actor["name"] == "activity"]
    return dict(summary)


async def until_active_is(service: Service, is_active: bool) -> dict[str, Any]:
    with trio.fail_after(PATIENCE_SECONDS):
        while (told := await activity_of(service))["active"] is not is_active:
            await trio.sleep(0.1)
    return told


def logged(service: Service, event: str) -> list[dict[str, Any]]:
    entries = map(orjson.loads, service.log().splitlines())
    return [entry for entry in entries if entry["event"] == event]


def moment_of(entry: dict[str, Any]) -> float:
    return datetime.fromisoformat(entry["timestamp"]).timestamp()


def watch_until_mget(url: str) -> list[str]:
    """Every command that the server is given from now on, up to the first MGET."""
    seen: list[str] = []
    with (
        redis.Redis.from_url(url, socket_timeout=PATIENCE_SECONDS) as client,
        client.monitor() as monitor,
    ):
        while not any(command.startswith("MGET") for command in seen):
            seen.append(monitor.next_command()["command"])
    return seen


async def test_users_elsewhere_keep_it_active_and_wake_it_up(
    tmp_path: Path, postgres_url: str, redis_url: str
) -> None:
    environment = settings(postgres_url, redis_url, ACTIVITY__IDLE_AFTER_SECONDS="1")
    with redis.Redis.from_url(redis_url) as client:
        client.set(USERS, "12", ex=LIFETIME_SECONDS)
        async with running_service(tmp_path, environment) as service:
            with trio.fail_after(PATIENCE_SECONDS):
                while (await activity_of(service))["users_elsewhere"]["redis keys"] != 12:
                    await trio.sleep(0.1)
            client.delete(USERS)
            told = await until_active_is(service, False)
            assert ({"redis keys": 0, "http": 0, "alerts": 0}, "redis keys") == (
                told["users_elsewhere"],
                told["last_sign"],
            )
            [active] = logged(service, "system activated")
            [idle] = logged(service, "system going idle")
            assert ("start", "redis keys") == (active["by"], idle["by"])
            # A word holds until the next read, however short the idle time is.
            assert moment_of(idle) - moment_of(active) >= READ_SECONDS

            answer = await service.client.post("/api/activity", json={"activeUsers": 3})
            assert 202 == answer.status_code
            told = await until_active_is(service, True)
            assert {"redis keys": 0, "http": 3, "alerts": 0} == told["users_elsewhere"]
            await service.client.post("/api/activity", json={"activeUsers": 0})
            await until_active_is(service, False)
            assert "http" == logged(service, "system going idle")[-1]["by"]
            client.set(USERS, "1", ex=LIFETIME_SECONDS)
            told = await until_active_is(service, True)
            assert {"redis keys": 1, "http": 0, "alerts": 0} == told["users_elsewhere"]
            assert 0 == await service.stop()


async def test_idle_service_asks_redis_for_both_keys_alone_and_writes_neither(
    tmp_path: Path, postgres_url: str, new_redis: RedisFactory
) -> None:
    server = new_redis()
    environment = settings(postgres_url, server.url, ACTIVITY__IDLE_AFTER_SECONDS="0.5")
    async with running_service(tmp_path, environment) as service:
        await until_active_is(service, False)
        seen = await trio.to_thread.run_sync(watch_until_mget, server.url)
        about = [command for command in seen if "system:" in command]
        assert [f"MGET {USERS} {LAST}"] == about


async def test_keys_are_not_read_where_they_are_not_heeded(
    tmp_path: Path, postgres_url: str, new_redis: RedisFactory
) -> None:
    server = new_redis()
    environment = settings(postgres_url, server.url, ACTIVITY__EXTERNAL_KEYS="false")
    async with running_service(tmp_path, environment) as service:
        actors = (await service.get("/api/ops/actors")).json()["actors"]
        assert "activity-keys" not in {actor["name"] for actor in actors}
        with redis.Redis.from_url(server.url) as client:
            assert "cmdstat_mget" not in client.info("commandstats")
        assert 0 == await service.stop()


@pytest.mark.parametrize("batch_rows", ["1", "100"])
async def test_small_batches_bring_everything_to_postgres(
    tmp_path: Path, postgres_url: str, redis_url: str, batch_rows: str
) -> None:
    frames = creates(10)
    async with running_peer() as peer:
        environment = settings(
            postgres_url, redis_url, INGEST__URL=peer.url, SYNC__BATCH_ROWS=batch_rows
        )
        async with running_service(tmp_path, environment) as service:
            peer.say(*frames)
            await until_rows(postgres_url, COUNT, [(len(frames),)])
            peer.say(*map(migration, frames))
            await until_rows(postgres_url, BONDED, [(len(frames),)])
            assert 0 == await service.stop()
