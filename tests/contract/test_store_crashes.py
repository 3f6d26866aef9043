"""Whatever ends a server, and wherever in a flush: no acknowledged value is lost, older or mixed.

The number of crashes is STORE_CRASHES (default 25), their dice's seed STORE_CRASH_SEED.
"""

import os
import random
import shutil
import subprocess
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import psycopg
import pytest
import trio
from attrs import Factory, define, field

from commands.embedded import EmbeddedPostgres
from domain.errors import StoreUnavailable
from domain.precision import kept
from domain.token import Token
from domain.values import Value
from store import TokenChange, TokenStore
from store.postgres import upkeep
from tests.conftest import VERSIONS, PostgresFactory
from tests.contract.store_world import (
    NOW,
    StoreWorld,
    a_change,
    a_token,
    asked,
    postgres_world,
)

CRASHES = int(os.environ.get("STORE_CRASHES", "25"))
SEED = int(os.environ.get("STORE_CRASH_SEED", "1"))
TOKENS = 300
FIELDS = ("price_usd", "hot_score", "holder_count", "status", "last_trade_at", "silent", "twitter")
SEEN = f"SELECT id, {', '.join(FIELDS)} FROM token_now ORDER BY id"

Values = dict[str, Value]


@define
class Model:
    """What must be in Postgres: all that was acknowledged, and perhaps the write in flight."""

    tokens: Sequence[Token]
    dice: random.Random
    version: int = 0
    values: dict[int, Values] = Factory(dict)  # acknowledged, by token id
    in_flight: Sequence[TokenChange] = ()
    acknowledged: int = field(default=0, init=False)

    def next_changes(self) -> list[TokenChange]:
        self.version += 1
        chosen = self.dice.sample(self.tokens, self.dice.randint(1, TOKENS))
        self.in_flight = [a_change(token, self.version, **self.next_values()) for token in chosen]
        return list(self.in_flight)

    def next_values(self) -> Values:
        dice = self.dice
        values: Values = {
            "price_usd": kept("price_usd", dice.random()),
            "hot_score": kept("hot_score", dice.random() * 50_000),
            "holder_count": dice.randrange(1000),
            "status": dice.randrange(3),
            "last_trade_at": NOW + dice.randrange(100_000),
            "silent": dice.random() < 0.5,
        }
        if dice.random() < 0.05:
            values["twitter"] = str(self.version)
        names = dice.sample(sorted(values), dice.randint(1, len(values)))
        return {name: values[name] for name in names}

    def acknowledge(self) -> None:
        self.values = self.with_in_flight()
        self.in_flight = ()
        self.acknowledged += 1

    def with_in_flight(self) -> dict[int, Values]:
        after = {token_id: dict(values) for token_id, values in self.values.items()}
        for change in self.in_flight:
            known = after.setdefault(change.token_id, {})
            status = max(int(change.values.get("status", 0)), int(known.get("status", 0)))
            known.update(change.values)
            if "status" in known:
                known["status"] = status
        return after

    def recover(self, found: dict[int, Values]) -> None:
        """Take what was found as the truth, which it may be in one of two ways."""
        before, after = self.rows(self.values), self.rows(self.with_in_flight())
        assert found in (before, after)
        if found == after:
            self.acknowledge()
        self.in_flight = ()

    def rows(self, values: dict[int, Values]) -> dict[int, Values]:
        """As the view shows them, with the defaults of what is not known."""
        unknown: dict[str, Value | None] = {**dict.fromkeys(FIELDS), "status": 0, "silent": False}
        return {t.id: {**unknown, **values.get(t.id, {})} for t in self.tokens if t.id is not None}  # type: ignore[dict-item]


async def seen_rows(url: str) -> dict[int, Values]:
    return {row[0]: dict(zip(FIELDS, row[1:], strict=True)) for row in await asked(url, SEEN)}


async def flush_until_it_fails(store: TokenStore, model: Model) -> None:
    while True:
        try:
            if model.dice.random() < 0.05:
                await store.retain(NOW)  # begins the journal anew, when it is long
            await store.write(model.next_changes())
        except StoreUnavailable:
            return
        model.acknowledge()


async def crash(server: EmbeddedPostgres, dice: random.Random) -> None:
    """End the server as an immediate shutdown does, or as a power cut, and start it again."""
    ended = server.kill if dice.random() < 0.3 else partial(server.stop, "immediate")
    await trio.to_thread.run_sync(ended)
    await trio.to_thread.run_sync(server.start)


async def flushed_world(
    server: EmbeddedPostgres, dice: random.Random
) -> tuple[StoreWorld, TokenStore, Model]:
    world = postgres_world(server.url)
    store, tokens = await world.stored(*(a_token(number) for number in range(TOKENS)))
    return world, store, Model(tokens, dice)


@pytest.mark.parametrize("version", VERSIONS)
async def test_no_crash_loses_or_corrupts_a_value(
    new_postgres: PostgresFactory, version: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(upkeep, "JOURNAL_GROWTH_BYTES", 1 << 18)  # some snapshots a life
    dice = random.Random(f"{SEED}.{version}")
    server = new_postgres(version, {"fsync": "off"})  # nobody cuts the machine's power here
    world, store, model = await flushed_world(server, dice)
    wanted = max(CRASHES // len(VERSIONS), 1)
    has_begun_anew = "SELECT snapshot_bytes > 0 FROM token_journal_state"
    for number in range(4 * wanted):  # a busy machine may need more of them to see it all
        async with trio.open_nursery() as nursery:
            nursery.start_soon(flush_until_it_fails, store, model)
            await trio.sleep(dice.random() * 0.15)
            await crash(server, dice)
        assert await asked(server.url, "SELECT count(*) FROM token_stats") == [(0,)]
        found = await seen_rows(server.url)  # as readers see it, before anything is rebuilt
        model.recover(found)
        await until_open(store)
        assert await asked(server.url, "SELECT count(*) FROM token_stats_mark") == [(1,)]
        assert found == await seen_rows(server.url)
        seen_all = await asked(server.url, has_begun_anew) == [(True,)]
        if number + 1 >= wanted and model.acknowledged > wanted and seen_all:
            break
    assert model.acknowledged > wanted
    assert await asked(server.url, has_begun_anew) == [(True,)]
    await world.close()


async def until_open(store: TokenStore) -> None:
    """The first call may still find the dead session."""
    with trio.fail_after(10):
        while True:
            try:
                return await store.open()
            except StoreUnavailable:
                await trio.sleep(0.02)


async def test_a_flush_after_a_crash_rebuilds_first(new_postgres: PostgresFactory) -> None:
    """Also when nobody opens the store again: its session was just lost."""
    server = new_postgres(settings={"fsync": "off"})
    world, store, model = await flushed_world(server, random.Random(1))
    for _ in range(5):
        await store.write(model.next_changes())
        model.acknowledge()
    await crash(server, model.dice)
    with pytest.raises(StoreUnavailable):
        await store.write(model.next_changes())
    await store.write(model.in_flight)
    model.acknowledge()
    assert model.rows(model.values) == await seen_rows(server.url)
    rows = "SELECT count(*) FROM token_stats JOIN token_stats_folded USING (token_id, version)"
    assert await asked(server.url, rows) == [(len(model.values),)]
    await world.close()


# -- Copies of the server ------------------------------------------------------------------


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
        await store.write(model.next_changes())
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
        await store.write(model.next_changes())
        model.acknowledge()
    await world.close()
    await trio.to_thread.run_sync(partial(server.stop, "fast"))  # which sends the replica all
    await asked(replica.url, "SELECT pg_promote()")
    await check_copy(replica, model)


async def check_copy(server: EmbeddedPostgres, model: Model) -> None:
    """A copy shows every value before and after the rows for readers are rebuilt in it."""
    await trio.to_thread.run_sync(server.start)
    try:
        assert await asked(server.url, "SELECT count(*) FROM token_stats_mark") == [(0,)]
        assert model.rows(model.values) == await seen_rows(server.url)
        world = postgres_world(server.url)
        await world.store()
        assert await asked(server.url, "SELECT count(*) FROM token_stats_mark") == [(1,)]
        assert model.rows(model.values) == await seen_rows(server.url)
        await world.close()
    finally:
        await trio.to_thread.run_sync(partial(server.stop, "immediate"))


async def test_a_replica_is_read_when_stats_are_logged(new_postgres: PostgresFactory) -> None:
    server = new_postgres()
    world = postgres_world(server.url, stats_logged=True)
    store, (token,) = await world.stored(a_token(1))
    await store.write([a_change(token, 1, price_usd=1.5)])
    await world.close()
    await trio.to_thread.run_sync(partial(server.stop, "immediate"))
    await trio.to_thread.run_sync(server.start)
    query = "SELECT price_usd FROM token_stats"  # what replays in recovery is on a replica too
    assert await asked(server.url, query) == [(1.5,)]
    world = postgres_world(server.url)  # and back
    await world.store()
    with psycopg.connect(server.url) as connection:
        persistence = "SELECT relpersistence FROM pg_class WHERE oid = 'token_stats'::regclass"
        assert connection.execute(persistence).fetchone() == ("u",)
    assert await asked(server.url, query) == [(1.5,)]
    await world.close()
