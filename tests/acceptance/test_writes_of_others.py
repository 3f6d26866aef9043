"""A backend writes through the view of a running service, each under a role of its own."""

from pathlib import Path
from typing import Any

import trio

from domain.token import Token
from tests.acceptance.service import Service, rows, running_service, settings, until_rows
from tests.contract.store_world import insert, postgres_world, wall_clock
from tests.patience import PATIENCE_SECONDS
from tests.postgres_roles import made_roles
from tests.unit.actors.world import mint

WATCH_TABLE = (
    """CREATE TABLE public."TokenWatch" (id serial PRIMARY KEY, "userId" text, mint text)"""
)


def new_token() -> Token:
    return Token(mint=mint(1), first_seen_at=wall_clock(), symbol="S", name="Name")


async def until_item(service: Service, mint: str, **expected: object) -> None:
    """Wait until the service tells this of a token."""
    item: dict[str, Any] = {}
    with trio.move_on_after(PATIENCE_SECONDS):
        while True:
            item = (await service.get(f"/api/tokens/{mint}")).json()
            if expected.items() <= item.items():
                return
            await trio.sleep(0.1)
    assert expected == {name: item.get(name) for name in expected}


async def test_the_backends_writes_reach_clients_and_survive_a_restart(
    tmp_path: Path, postgres_url: str, redis_url: str
) -> None:
    with made_roles(postgres_url) as roles:
        world = postgres_world(roles.service_url)
        [token] = await insert(await world.store(), [new_token()])
        await world.close()
        roles.grant()
        view = f'"{roles.schema}"."TokenDiscovery"'
        backend = roles.backend_url
        chosen = settings(roles.service_url, redis_url)
        async with running_service(tmp_path, chosen) as service:
            update = f"""UPDATE {view} SET "watcherCount" = "watcherCount" + 2,
                "imageUrl" = 'https://example.org/p.png', "lastUpdatedAt" = now()
                WHERE mint = %s RETURNING "watcherCount", "imageUrl" """
            written = (2, "https://example.org/p.png")
            assert [written] == await trio.to_thread.run_sync(rows, backend, update, token.mint)
            shown = {"watcherCount": 2, "imageUrl": "https://example.org/p.png"}
            await until_item(service, token.mint, **shown)
            # Settled: in the service's own rows, and watchers still beside them.
            overlay = f'SELECT watchers, texts FROM "{roles.schema}".token_overlay'
            await until_rows(postgres_url, overlay, [(2, {})])
            seen = f'SELECT "watcherCount", "imageUrl" FROM {view}'
            assert [written] == rows(backend, seen)
            writes = (await service.get("/api/ops/writes")).json()
            assert writes["totals"]["others"]["rows"] >= 1
            metrics = (await service.get("/metrics")).text
            assert 'token_discovery_postgres_rows_total{component="others"}' in metrics
            assert await service.stop() == 0
        async with running_service(tmp_path, chosen) as service:
            await until_item(service, token.mint, **shown)
            assert [written] == rows(backend, seen)
            assert await service.stop() == 0


async def test_watches_of_a_table_count_and_a_table_out_of_reach_only_degrades(
    tmp_path: Path, postgres_url: str, redis_url: str
) -> None:
    with made_roles(postgres_url) as roles:
        world = postgres_world(roles.service_url)
        [token] = await insert(await world.store(), [new_token()])
        await world.close()
        chosen = settings(
            roles.service_url,
            redis_url,
            ACTIVITY__WATCH_TABLE="public.TokenWatch",
            ACTIVITY__WATCHERS_INTERVAL_SECONDS="1",
        )
        async with running_service(tmp_path, chosen) as service:
            with trio.fail_after(PATIENCE_SECONDS):
                while "watch table" not in (await service.get("/readyz")).text:
                    await trio.sleep(0.1)
            assert (await service.get("/readyz")).status_code == 200
            rows(postgres_url, WATCH_TABLE)
            roles.grant("watch_schema=public", "watch_table=TokenWatch")
            insert_two = 'INSERT INTO "TokenWatch" ("userId", mint) VALUES (%s, %s), (%s, %s)'
            rows(postgres_url, insert_two, "a", token.mint, "b", token.mint)
            await until_item(service, token.mint, watcherCount=2)
            assert "watch table" not in (await service.get("/readyz")).text
            seen = f'SELECT "watcherCount" FROM "{roles.schema}"."TokenDiscovery"'
            assert [(2,)] == rows(roles.backend_url, seen)
            rows(postgres_url, 'DELETE FROM "TokenWatch"')
            await until_item(service, token.mint, watcherCount=0)
            assert await service.stop() == 0
            assert service.log().count("dependency away") == 1
