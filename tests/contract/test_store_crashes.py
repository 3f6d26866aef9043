"""Whatever ends a server, and wherever in a flush: no acknowledged value is lost, older or mixed.

The number of crashes is STORE_CRASHES (default 25), their dice's seed STORE_CRASH_SEED.
"""

import os
import random

import psycopg
import pytest
import trio

from domain.errors import StoreUnavailable
from store import TokenStore
from store.columns import STATS_FIELDS
from store.postgres import upkeep
from tests.conftest import VERSIONS, PostgresFactory
from tests.contract.store_model import (
    Model,
    crash,
    differing_rows,
    flushed_world,
    seen_rows,
    until_open,
)
from tests.contract.store_world import (
    NOW,
    StoreWorld,
    a_change,
    a_token,
    asked,
    postgres_world,
    url_of,
    write,
)
from tests.patience import PATIENCE_SECONDS

CRASHES = int(os.environ.get("STORE_CRASHES", "25"))
STATE = "SELECT side, has_base FROM token_journal_state"
COLUMNS = ", ".join(("token_id", "version", "observed_at", *STATS_FIELDS))
NOT_LOGGED = f"""SELECT {COLUMNS} FROM token_stats WHERE version IS NOT NULL EXCEPT
SELECT {COLUMNS} FROM token_stats_logged"""
SEED = int(os.environ.get("STORE_CRASH_SEED", "1"))


async def flush_until_it_fails(store: TokenStore, model: Model) -> None:
    while True:
        try:
            if model.dice.random() < 0.05:
                await store.drop_unretained(NOW)  # begins the journal anew, when it is long
            await write(store, model.next_changes())
        except StoreUnavailable:
            return
        model.acknowledge()


async def wait_for_flushes(model: Model, count: int) -> None:
    """Counted and not timed: a busy machine makes fewer of them in the same time."""
    wanted = model.acknowledged + count
    with trio.fail_after(PATIENCE_SECONDS):
        while model.acknowledged < wanted:
            await trio.sleep(0.001)


@pytest.mark.parametrize("stats_logged", [False, True], ids=["unlogged", "logged"])
@pytest.mark.parametrize("version", VERSIONS)
async def test_no_crash_loses_or_corrupts_a_value(
    new_postgres: PostgresFactory,
    version: int,
    stats_logged: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(upkeep, "JOURNAL_GROWTH_BYTES", 1 << 18)  # some snapshots a life
    monkeypatch.setattr(upkeep, "JOURNAL_OVER_BASE_BYTES", 1 << 18)  # some merges
    dice = random.Random(f"{SEED}.{version}.{stats_logged}")
    server = new_postgres(version, {"fsync": "off"})  # nobody cuts the machine's power here
    world, store, model = await flushed_world(server, dice, stats_logged=stats_logged)
    wanted = max(CRASHES // len(VERSIONS) // 2, 1)
    has_begun_anew = """SELECT snapshot_bytes > 0 OR EXISTS (SELECT FROM token_stats_base)
    FROM token_journal_state"""
    for number in range(4 * wanted):  # a busy machine may need more of them to see it all
        async with trio.open_nursery() as nursery:
            nursery.start_soon(flush_until_it_fails, store, model)
            await wait_for_flushes(model, dice.randrange(20))
            await trio.sleep(dice.random() * 0.01)  # and at any moment of the next one
            await crash(server, dice)
        assert await asked(server.url, "SELECT count(*) FROM token_stats") == [(0,)]
        found = await seen_rows(server.url)  # as readers see it, before anything is rebuilt
        assert await differing_rows(server.url) == []
        model.recover(found)
        await until_open(store)
        assert await asked(server.url, "SELECT count(*) FROM token_stats_mark") == [(1,)]
        assert await differing_rows(server.url) == []
        assert found == await seen_rows(server.url)
        assert found == await seen_rows(server.url, "token_now")
        seen_all = await asked(server.url, has_begun_anew) == [(True,)]
        if number + 1 >= wanted and model.acknowledged > wanted and seen_all:
            break
    assert model.acknowledged > wanted
    assert await asked(server.url, has_begun_anew) == [(True,)]
    await world.close()


async def test_a_flush_after_a_crash_rebuilds_first(new_postgres: PostgresFactory) -> None:
    """Also when nobody opens the store again: its session was just lost."""
    server = new_postgres(settings={"fsync": "off"})
    world, store, model = await flushed_world(server, random.Random(1))
    for _ in range(5):
        await write(store, model.next_changes())
        model.acknowledge()
    await crash(server, model.dice)
    with pytest.raises(StoreUnavailable):
        await write(store, model.next_changes())
    await write(store, model.in_flight)
    model.acknowledge()
    assert model.rows(model.values) == await seen_rows(server.url)
    rows = "SELECT count(*) FROM token_stats JOIN token_stats_folded USING (token_id, version)"
    assert await asked(server.url, rows) == [(len(model.values),)]
    await world.close()


@pytest.mark.parametrize("version", VERSIONS)
async def test_any_history_in_either_mode_shows_every_value(
    new_postgres: PostgresFactory, version: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Flushes, new beginnings of the journal, crashes and changes of the mode, in any order."""
    monkeypatch.setattr(upkeep, "JOURNAL_GROWTH_BYTES", 1 << 17)
    monkeypatch.setattr(upkeep, "JOURNAL_OVER_BASE_BYTES", 1 << 17)
    dice = random.Random(f"{SEED}.{version}")
    # Without JIT: a server that has it compiles a reading of the whole view for a second each time.
    server = new_postgres(version, {"fsync": "off", "jit": "off"})
    world, store, model = await flushed_world(server, dice)
    switches, seen_modes = 0, set()
    for _ in range(6 * CRASHES):
        what = dice.choices(("flush", "retain", "crash", "switch"), (12, 5, 1, 1))[0]
        if what == "flush":
            await write(store, model.next_changes())
            model.acknowledge()
        elif what == "retain":
            await store.drop_unretained(NOW)
        elif what == "crash":
            await crash(server, dice)
        else:
            switches += 1
            await world.close()
            if dice.random() < 0.5:
                await crash(server, dice)
            world = postgres_world(server.url, stats_logged=switches % 2 == 1)
            store = await world.store()
        expected = model.rows(model.values)
        assert expected == await seen_rows(server.url)
        assert expected == await seen_rows(server.url, "token_now")
        assert expected == await seen_rows(server.url, "token_now_logged")
        assert await differing_rows(server.url) == []
        if what == "crash":
            await until_open(store)
        assert await asked(server.url, NOT_LOGGED) == []
        seen_modes |= {tuple(row) for row in await asked(server.url, STATE)}
    assert seen_modes == {("a", False), ("a", True), ("b", False), ("b", True)}
    assert switches > 2
    await world.close()


@pytest.mark.parametrize("emptied", ["token_stats", "token_card", "token_card, token_stats"])
async def test_rows_that_somebody_truncates_come_again_as_after_a_crash(
    server_world: StoreWorld, emptied: str
) -> None:
    url = url_of(server_world)
    store, tokens = await server_world.stored(*(a_token(number) for number in range(3)))
    await write(store, [a_change(token, 1, status=2, price_usd=1.5) for token in tokens])
    before = await seen_rows(url)
    await asked(url, f"TRUNCATE {emptied}")
    assert before == await seen_rows(url)  # from the journal
    assert await asked(url, "SELECT count(*) FROM token_stats_mark") == [(0,)]
    await write(store, [a_change(tokens[0], 2, status=2, price_usd=1.5)])
    assert await asked(
        url, "SELECT count(*) FROM token_stats JOIN token_card USING (token_id)"
    ) == [(3,)]
    assert before == await seen_rows(url)
    assert await differing_rows(url) == []


async def test_nobody_truncates_the_side_of_the_journal_that_is_written_to(
    server_world: StoreWorld,
) -> None:
    url = url_of(server_world)
    store, (token,) = await server_world.stored(a_token(1))
    await write(store, [a_change(token, 1, status=2)])
    before = await seen_rows(url)
    with pytest.raises(psycopg.errors.ObjectNotInPrerequisiteState, match="only durable copy"):
        await asked(url, "TRUNCATE token_stats, token_journal_b, token_journal_a")
    await asked(url, "TRUNCATE token_journal_b")  # which is the other one
    assert before == await seen_rows(url)


async def test_whoever_may_truncate_the_rows_needs_no_other_right(postgres_url: str) -> None:
    world = postgres_world(postgres_url)
    store, (token,) = await world.stored(a_token(1))
    await write(store, [a_change(token, 1, status=2)])
    await asked(postgres_url, "CREATE ROLE emptier LOGIN; GRANT TRUNCATE ON token_stats TO emptier")
    await asked(postgres_url.replace("postgres@", "emptier@"), "TRUNCATE token_stats")
    assert [("BONDED",)] == await asked(postgres_url, 'SELECT status FROM "TokenDiscovery"')
    await world.close()
    await asked(postgres_url, "DROP OWNED BY emptier")
    await asked(postgres_url, "DROP ROLE emptier")
