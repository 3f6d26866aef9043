"""Copies of the server, restored, promoted or read while they follow: every value is there."""

import random
import shutil
import subprocess
from functools import partial
from itertools import pairwise
from pathlib import Path

import pytest
import trio
from attrs import define

from commands.embedded import EmbeddedPostgres
from store.postgres import upkeep
from tests.conftest import VERSIONS, PostgresFactory
from tests.contract.store_model import Model, Values, flushed_world, seen_rows
from tests.contract.store_world import NOW, asked, postgres_world, write
from tests.patience import PATIENCE_SECONDS


def with_base_backup() -> EmbeddedPostgres | None:
    for version in VERSIONS:
        server = EmbeddedPostgres(Path("/nonexistent"), version)
        if (server.bin / "pg_basebackup").exists():
            return server
    return None


def copied(server: EmbeddedPostgres, to: EmbeddedPostgres, *more: str) -> None:
    """A base backup of a running server, as the data of another."""
    to.directory.mkdir(parents=True)
    shutil.copymode(server.directory, to.directory)
    command = [str(server.bin / "pg_basebackup"), "-c", "fast", *more]
    command += ["-d", server.url, "-D", str(to.data)]
    subprocess.run(command, check=True, capture_output=True, timeout=60)
    for path in [to.directory, to.data, *to.data.rglob("*")]:
        shutil.chown(path, server.data.owner(), server.data.group())


@pytest.mark.skipif(with_base_backup() is None, reason="needs pg_basebackup")
async def test_a_restored_backup_has_every_value(new_postgres: PostgresFactory) -> None:
    kind = with_base_backup()
    assert kind is not None
    server = new_postgres(kind.version)
    world, store, model = await flushed_world(server, random.Random(2))
    for _ in range(20):
        await write(store, model.next_changes())
        model.acknowledge()
    restored = EmbeddedPostgres(server.directory / "restored", kind.version)
    await trio.to_thread.run_sync(copied, server, restored)
    await world.close()
    await check_copy(restored, model)


@pytest.mark.skipif(with_base_backup() is None, reason="needs pg_basebackup")
async def test_a_promoted_replica_has_every_value(new_postgres: PostgresFactory) -> None:
    kind = with_base_backup()
    assert kind is not None
    server = new_postgres(kind.version)
    world, store, model = await flushed_world(server, random.Random(3))
    replica = EmbeddedPostgres(server.directory / "replica", kind.version)
    await trio.to_thread.run_sync(copied, server, replica, "-R")
    await trio.to_thread.run_sync(replica.start)
    for _ in range(20):
        await write(store, model.next_changes())
        model.acknowledge()
    await world.close()
    await trio.to_thread.run_sync(partial(server.stop, "fast"))  # which sends the replica all
    await asked(replica.url, "SELECT pg_promote()")
    await check_copy(replica, model)


async def check_copy(server: EmbeddedPostgres, model: Model, *, stats_logged: bool = False) -> None:
    """A copy shows every value before and after the rows for readers are rebuilt in it."""
    await trio.to_thread.run_sync(server.start)
    try:
        assert await asked(server.url, "SELECT count(*) FROM token_stats_mark") == [(0,)]
        assert model.rows(model.values) == await seen_rows(server.url)
        world = postgres_world(server.url, stats_logged=stats_logged)
        store = await world.store()
        assert await asked(server.url, "SELECT count(*) FROM token_stats_mark") == [(1,)]
        assert model.rows(model.values) == await seen_rows(server.url)
        await write(store, model.next_changes())
        model.acknowledge()
        assert model.rows(model.values) == await seen_rows(server.url)
        await world.close()
    finally:
        await trio.to_thread.run_sync(partial(server.stop, "immediate"))


# -- Replicas that are read ----------------------------------------------------------------

Seen = dict[str, tuple[object, ...]]
READ = """SELECT mint, "priceUsd"::float8, "hotScore", "holderCount", twitter
FROM "TokenDiscovery" """


@define
class Reader:
    """Reads a replica time and again: always one of the states, and never an earlier one."""

    url: str
    states: list[Seen]
    position: int = 0
    reads: int = 0

    async def run(self) -> None:
        while True:
            await self.read()

    async def read(self) -> None:
        seen = {row[0]: row[1:] for row in await asked(self.url, READ)}
        self.position = self.states.index(seen, self.position)
        self.reads += 1

    async def until_last(self) -> None:
        with trio.fail_after(PATIENCE_SECONDS):
            while self.states[self.position] != self.states[-1]:
                await trio.sleep(0.01)


def as_read(model: Model, values: dict[int, Values]) -> Seen:
    names = ("price_usd", "hot_score", "holder_count", "twitter")
    rows = model.rows(values)
    seen = {t.mint: [rows[t.id].get(name) for name in names] for t in model.tokens if t.id}
    return {mint: (price, score or 0.0, *rest) for mint, (price, score, *rest) in seen.items()}


@pytest.mark.skipif(with_base_backup() is None, reason="needs pg_basebackup")
async def test_a_replica_is_read_while_it_follows_and_when_it_leads(
    new_postgres: PostgresFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(upkeep, "JOURNAL_OVER_BASE_BYTES", 1 << 17)
    kind = with_base_backup()
    assert kind is not None
    server = new_postgres(kind.version, {"fsync": "off"})
    world, store, model = await flushed_world(server, random.Random(4), stats_logged=True)
    replica = EmbeddedPostgres(server.directory / "replica", kind.version)
    await trio.to_thread.run_sync(copied, server, replica, "-R")
    await trio.to_thread.run_sync(replica.start)
    reader = Reader(replica.url, [as_read(model, model.values)])
    sides = []
    async with trio.open_nursery() as nursery:
        nursery.start_soon(reader.run)
        for _ in range(100):
            changes = model.next_changes()
            reader.states.append(as_read(model, model.with_in_flight()))
            await write(store, changes)
            model.acknowledge()
            await store.drop_unretained(NOW)
            sides += await asked(server.url, "SELECT side FROM token_journal_state")
        await reader.until_last()
        nursery.cancel_scope.cancel()
    assert reader.reads > 10
    assert sum(before != after for before, after in pairwise(sides)) > 3
    await world.close()
    await trio.to_thread.run_sync(partial(server.stop, "fast"))
    await asked(replica.url, "SELECT pg_promote()")
    await reader.read()
    await check_copy(replica, model, stats_logged=True)
