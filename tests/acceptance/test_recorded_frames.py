"""Recorded frames over a real socket, into real Postgres, and out of a real WebSocket."""

from pathlib import Path

import orjson
import trio
from trio_websocket import open_websocket_url

from tests.acceptance.service import Service, running_service, settings, until_rows
from tests.acceptance.world import running_peer
from tests.patience import PATIENCE_SECONDS

RECORDED = Path(__file__).parents[1] / "data" / "pumpportal"
USDC = "EPjFWdd5AufqSSqeM2qN1xzybapC8G4wEGGkZwyTDt1v"


def recorded(name: str) -> list[dict[str, object]]:
    lines = (RECORDED / name).read_text().splitlines()
    return [orjson.loads(line) for line in lines]


def session() -> list[str]:
    """A whole recorded session, as it came."""
    return [str(line["raw"]) for line in recorded("session1_2026-07-03.dev.jsonl")]


async def folded_board(url: str, board: str, count: int) -> dict[str, dict[str, object]]:
    """A board as a client has it once it holds `count` items: a snapshot and its deltas."""
    async with open_websocket_url(url) as connection:
        await connection.send_message(orjson.dumps({"type": "subscribe", "board": board}).decode())
        items: dict[str, dict[str, object]] = {}
        with trio.fail_after(PATIENCE_SECONDS):
            while True:
                message = orjson.loads(await connection.get_message())
                if message["type"] == "snapshot":
                    items = {item["mint"]: item for item in message["items"]}
                for change in message.get("changes", ()):
                    if change.get("removed"):
                        items.pop(change["mint"], None)
                    else:
                        items.setdefault(change["mint"], {}).update(change)
                if len(items) >= count:
                    return items


async def test_every_recorded_token_reaches_postgres_and_the_feed(
    tmp_path: Path, postgres_url: str, redis_url: str
) -> None:
    frames = session()
    said = [orjson.loads(frame) for frame in frames]
    created = {f["mint"] for f in said if f.get("txType") == "create"} - {USDC}
    migrated = {f["mint"] for f in said if f.get("txType") == "migrate"} & created
    async with running_peer() as peer:
        environment = settings(postgres_url, redis_url, INGEST__URL=peer.url)
        async with running_service(tmp_path, environment) as service:
            peer.say(*frames)
            counted = 'SELECT count(*)::int FROM "TokenDiscovery"'
            await until_rows(postgres_url, counted, [(len(created),)])
            fresh = len(created - migrated)
            board = await folded_board(service.websocket_url, "new", min(fresh, 100))
            assert set(board) <= created
            wrong = 'SELECT count(*)::int FROM "TokenDiscovery" WHERE mint = \'' + USDC + "'"
            await until_rows(postgres_url, wrong, [(0,)])
            bonded = "SELECT count(*)::int FROM \"TokenDiscovery\" WHERE status = 'BONDED'"
            await until_rows(postgres_url, bonded, [(len(migrated),)])
            assert await service.stop() == 0


async def until_a_flush_has_met_it(service: Service) -> None:
    """Until a row was waiting at the last flush: it is parked, if its token is not stored."""
    with trio.fail_after(PATIENCE_SECONDS):
        while (await service.get("/api/ops/writes")).json()["governor"]["waiting"] != 1:
            await trio.sleep(0.05)


async def test_a_migration_before_with_or_after_its_create_ends_bonded(
    tmp_path: Path, postgres_url: str, redis_url: str
) -> None:
    """Defect 7: the migration of a token that was only buffered was dropped."""
    creates = [f for f in map(orjson.loads, session()) if f.get("txType") == "create"]
    before, same, after = creates[:3]

    def migration(create: dict[str, object]) -> dict[str, object]:
        signature = f"{create['signature']}"[:-1] + "1"
        return {
            "signature": signature,
            "mint": create["mint"],
            "txType": "migrate",
            "pool": "pump-amm",
        }

    async with running_peer() as peer:
        environment = settings(postgres_url, redis_url, INGEST__URL=peer.url)
        async with running_service(tmp_path, environment) as service:
            query = (
                'SELECT count(*)::int, min("poolType"), max("poolAddress") FROM "TokenDiscovery" '
                "WHERE status = 'BONDED'"
            )
            peer.say(migration(before))
            await until_a_flush_has_met_it(service)
            peer.say(before, same, migration(same), after)
            await until_rows(postgres_url, query, [(2, "pumpswap", None)])
            peer.say(migration(after))
            # Defect 6: the venue's name was stored as the pool's address.
            await until_rows(postgres_url, query, [(3, "pumpswap", None)])


async def test_only_the_two_named_connections_are_seen(
    tmp_path: Path, postgres_url: str, redis_url: str
) -> None:
    async with running_service(tmp_path, settings(postgres_url, redis_url)):
        query = (
            "SELECT DISTINCT application_name FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid() ORDER BY 1"
        )
        expected = [("token-discovery:ingest",), ("token-discovery:sync",)]
        await until_rows(postgres_url, query, list(expected))
