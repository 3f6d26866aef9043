"""A real server under a rival's load: sync gives way, keeps its bounds or says so, and recovers.

The server may write 32 MB of WAL between checkpoints, which a rival fills several times a second.
An interval is one second here, and the server's pulse is taken four times in it.
"""

import threading
from collections.abc import Callable

import attrs
import psycopg
import pytest
import trio
from attrs import define, field

from actors.sync import upkeep
from actors.sync.actor import Sync
from actors.sync.governor import Governor
from config.settings import StalenessSettings
from domain.messages import TokensAdmitted
from domain.values import UnixSeconds
from store.ledger import Ledger
from store.postgres import PostgresStore
from tests.conftest import PostgresFactory
from tests.contract.store_world import postgres_settings
from tests.patience import PATIENCE_SECONDS
from tests.unit.actors.sync.sync_world import SyncWorld
from tests.unit.actors.world import SETTINGS, Servers, running, token

INTERVAL = 1.0
TOKENS = 300
SERVER: dict[str, str | int | float] = {
    "max_wal_size": "32MB",
    "min_wal_size": "32MB",
    "checkpoint_timeout": "300s",
    "checkpoint_completion_target": 0.1,
    "log_checkpoints": "off",
}
BOUNDS = StalenessSettings(
    lifecycle_seconds=3.0,
    market_seconds=12.0,
    holders_seconds=12.0,
    score_seconds=12.0,
    watchers_seconds=12.0,
    profile_seconds=12.0,
)


@define
class Rival:
    """Somebody else on the server, who rewrites a table as fast as he can."""

    url: str
    is_stopping: threading.Event = field(factory=threading.Event)

    def work(self) -> None:
        with psycopg.connect(self.url, autocommit=True) as connection:
            connection.execute(
                "CREATE TABLE rival AS SELECT n, repeat('x', 900) AS filling"
                " FROM generate_series(1, 5000) AS n"
            )
            while not self.is_stopping.is_set():
                connection.execute("UPDATE rival SET n = n + 1")


@define
class Bench:
    """A sync on a real store, with tokens that change all the time."""

    url: str
    world: SyncWorld
    store: PostgresStore

    @property
    def governor(self) -> Governor:
        return self.world.memory.governor

    async def admit(self) -> None:
        tokens = [token(number + 1) for number in range(TOKENS)]
        stored, _ = await self.store.insert_tokens(tokens)
        await self.world.messages.send(TokensAdmitted(tokens=tuple(stored)))

    async def trade(self) -> None:
        """Every token changes four times an interval."""
        count = 0
        while True:
            count += 1
            for number in range(1, TOKENS + 1):
                await self.world.update(float(count), number=number, buys_24h=count + number)
            await self.world.update(float(count), number=1, pool_type=f"pool {count}")
            await trio.sleep(INTERVAL / 4)

    def is_under_its_allowance(self) -> bool:
        own = self.governor.own_bytes_per_second(trio.current_time())
        return own <= self.governor.allowed.wal_bytes_per_second or self.governor.overriding > 0

    async def until(self, condition: Callable[[], bool]) -> None:
        with trio.fail_after(2 * PATIENCE_SECONDS):
            while not condition():  # a real server says nothing by itself
                await trio.sleep(0.05)


def bench(url: str) -> Bench:
    settings = attrs.evolve(
        SETTINGS.sync,
        interval_seconds=INTERVAL,
        rows_budget_per_hour=3600.0 * 2 * TOKENS,  # twice what is wanted
        wal_budget_bytes_per_second=2_000_000.0,
    )
    store = PostgresStore(
        postgres_settings(url, connect_timeout_seconds=5.0, statement_timeout_seconds=20.0),
        "sync",
        trio.to_thread.run_sync,
        Ledger(clock=lambda: UnixSeconds(0.0)),
        half_life_seconds=1800.0,
    )
    world = SyncWorld(servers=Servers(), settings=settings, staleness=BOUNDS)
    return Bench(url=url, world=world, store=store)


def sync_of(made: Bench) -> Sync:
    sync = made.world.sync()
    sync.stores = attrs.evolve(sync.stores, store=made.store)
    return sync


async def test_sync_gives_way_to_a_rival_and_recovers_by_itself(
    new_postgres: PostgresFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(upkeep, "PULSE_EVERY_SECONDS", INTERVAL / 4)
    server = new_postgres(settings=SERVER)
    made = bench(server.url)
    governor, counts = made.governor, made.governor.counts
    rival = Rival(server.url)
    sync = sync_of(made)
    async with running(sync) as nursery:
        await made.until(lambda: made.world.conditions.reasons == {"sync": None})
        await made.admit()
        nursery.start_soon(made.trade)
        await trio.sleep(3 * INTERVAL)
        assert counts["pressure_requested"] == 0

        nursery.start_soon(trio.to_thread.run_sync, rival.work)
        try:
            await made.until(lambda: counts["pressure_requested"] > 0)
            # Under the allowance, but for what a bound forces.
            await made.until(made.is_under_its_allowance)
            await made.until(lambda: governor.share < 0.5)
            rows_before, over_before = counts["rows"], counts["rows_over_allowance"]
            allowance_before = governor.allowed.rows_per_hour
            began = trio.current_time()
            await trio.sleep(4 * INTERVAL)
            intervals = (trio.current_time() - began) / INTERVAL + 1  # one may be half inside
            rows = counts["rows"] - rows_before - (counts["rows_over_allowance"] - over_before)
            assert rows <= intervals * allowance_before / 3600 * INTERVAL
            assert any(
                "requested checkpoints" in r for r in governor.list_reasons(trio.current_time())
            )
            # The bound of each group holds, or is reported.
            for group, age in sync.backlog.measure_ages(trio.current_time()).items():
                bound = governor.plan.staleness_seconds[group]
                assert age <= bound + 2 * INTERVAL or group in governor.broken_groups
        finally:
            rival.is_stopping.set()

        await made.until(lambda: governor.share == 1.0)
        await made.until(lambda: governor.held_back == 0)
        assert governor.broken_groups == {}
    await made.store.close()
    with psycopg.connect(server.url) as connection:
        found = connection.execute('SELECT count(*) FROM "TokenDiscovery"').fetchone()
    assert found == (TOKENS,)
