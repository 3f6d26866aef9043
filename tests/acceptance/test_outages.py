"""Servers and the service really killed, with recorded creates on the way: nothing is lost."""

import signal
from pathlib import Path

import orjson
import trio

from commands.embedded import EmbeddedPostgres
from tests.acceptance.service import Service, rows, running_service, settings, until_rows
from tests.acceptance.test_recorded_frames import session
from tests.acceptance.world import PumpPortalPeer, running_peer
from tests.conftest import PostgresFactory, RedisFactory
from tests.patience import PATIENCE_SECONDS

Frame = dict[str, object]
COUNT = 'SELECT count(*)::int FROM "TokenDiscovery"'


def creates(number: int) -> list[Frame]:
    frames = [frame for frame in map(orjson.loads, session()) if frame.get("txType") == "create"]
    return [frame for frame in frames if str(frame["mint"]).endswith("pump")][:number]


def migration(create: Frame) -> Frame:
    signature = f"{create['signature']}"[:-1] + "1"
    frame = {"signature": signature, "mint": create["mint"], "txType": "migrate"}
    return {**frame, "pool": "pump-amm"}


async def until_on_feed(service: Service, mints: list[object]) -> None:
    with trio.fail_after(PATIENCE_SECONDS):
        for mint in mints:
            while (await service.get(f"/api/tokens/{mint}")).status_code != 200:
                await trio.sleep(0.05)


async def until_bonded_on_feed(service: Service, mint: object) -> None:
    with trio.fail_after(PATIENCE_SECONDS):
        while (await service.get(f"/api/tokens/{mint}")).json().get("status") != "BONDED":
            await trio.sleep(0.05)


async def until_ready_is(service: Service, code: int) -> str:
    """Wait for this answer of /readyz; its text."""
    with trio.fail_after(PATIENCE_SECONDS):
        while (answer := await service.get("/readyz")).status_code != code:
            await trio.sleep(0.05)
    return answer.text


async def admitted(
    peer: PumpPortalPeer, postgres: EmbeddedPostgres, frames: list[Frame]
) -> list[object]:
    """Send creates and wait until Postgres has them; their mints."""
    peer.say(*frames)
    await until_rows(postgres.url, COUNT, [(len(frames),)])
    return [frame["mint"] for frame in frames]


async def test_postgres_killed_new_tokens_are_on_the_feed_and_stored_when_it_is_back(
    tmp_path: Path, new_postgres: PostgresFactory, redis_url: str
) -> None:
    postgres = new_postgres()
    first, second = creates(10)[:5], creates(10)[5:]
    async with running_peer() as peer:
        environment = settings(postgres.url, redis_url, INGEST__URL=peer.url)
        async with running_service(tmp_path, environment) as service:
            mints = await admitted(peer, postgres, first)
            await trio.to_thread.run_sync(postgres.kill)
            peer.say(*second, migration(first[0]))
            await until_on_feed(service, [frame["mint"] for frame in second])
            await until_bonded_on_feed(service, mints[0])
            assert (await service.get("/readyz")).status_code == 200
            await trio.to_thread.run_sync(postgres.restart)
            await until_rows(postgres.url, COUNT, [(10,)])
            bonded = "SELECT mint FROM \"TokenDiscovery\" WHERE status = 'BONDED'"
            await until_rows(postgres.url, bonded, [(mints[0],)])
            assert await service.stop() == 0


async def test_a_table_that_is_missing_shows_in_readyz_until_somebody_brings_it_back(
    tmp_path: Path, postgres_url: str, redis_url: str
) -> None:
    [frame] = creates(1)
    async with running_peer() as peer:
        environment = settings(postgres_url, redis_url, INGEST__URL=peer.url)
        async with running_service(tmp_path, environment) as service:
            peer.say(frame)
            await until_rows(postgres_url, COUNT, [(1,)])
            rows(postgres_url, "ALTER TABLE token_stats RENAME TO elsewhere")
            peer.say(migration(frame))
            reason = await until_ready_is(service, 503)
            assert "UndefinedTable" in reason
            assert "the store needs repair" in service.log()
            rows(postgres_url, "ALTER TABLE elsewhere RENAME TO token_stats")
            await until_ready_is(service, 200)
            bonded = 'SELECT status FROM "TokenDiscovery"'
            await until_rows(postgres_url, bonded, [("BONDED",)])


async def test_redis_killed_and_emptied_gets_back_what_was_not_flushed(
    tmp_path: Path, new_redis: RedisFactory, new_postgres: PostgresFactory
) -> None:
    postgres, redis = new_postgres(), new_redis()
    frames = creates(4)
    async with running_peer() as peer:
        environment = settings(
            postgres.url, redis.url, INGEST__URL=peer.url, SYNC__INTERVAL_SECONDS="6"
        )
        async with running_service(tmp_path, environment) as service:
            mints = await admitted(peer, postgres, frames)
            peer.say(migration(frames[0]))
            await until_bonded_on_feed(service, mints[0])
            await trio.to_thread.run_sync(redis.kill)
            peer.say(migration(frames[1]))  # is not shown before Redis is back
            await trio.to_thread.run_sync(redis.restart)
            await until_bonded_on_feed(service, mints[1])
            bonded = "SELECT count(*)::int FROM \"TokenDiscovery\" WHERE status = 'BONDED'"
            await until_rows(postgres.url, bonded, [(2,)])


async def test_service_killed_brings_its_updates_to_postgres_in_its_next_life(
    tmp_path: Path, new_postgres: PostgresFactory, new_redis: RedisFactory
) -> None:
    postgres, redis = new_postgres(), new_redis()
    frames = creates(3)
    bonded = "SELECT count(*)::int FROM \"TokenDiscovery\" WHERE status = 'BONDED'"
    async with running_peer() as peer:
        late = settings(postgres.url, redis.url, INGEST__URL=peer.url, SYNC__INTERVAL_SECONDS="300")
        async with running_service(tmp_path, late) as service:
            mints = await admitted(peer, postgres, frames)
            peer.say(migration(frames[0]))
            await until_bonded_on_feed(service, mints[0])
            await until_rows(postgres.url, bonded, [(0,)])
            await service.stop(signal.SIGKILL)
        async with running_service(tmp_path, late) as service:
            await until_rows(postgres.url, bonded, [(1,)])
            await until_bonded_on_feed(service, mints[0])
            assert await service.stop() == 0
