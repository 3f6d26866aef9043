"""Upkeep on a server that publishes all tables, and upkeep of which a part fails."""

import psycopg
import pytest
import trio

from commands.embedded import EmbeddedPostgres
from domain.errors import StoreConnectionLost, UpkeepFailed
from domain.lifecycle import RETAIN_NEW_SECONDS
from domain.token import Status
from domain.values import UnixSeconds
from store import TokenStore
from store.columns import PERIOD_SECONDS, find_period
from store.postgres import upkeep
from tests.conftest import PostgresFactory
from tests.contract.store_world import (
    NOW,
    StoreWorld,
    a_change,
    a_token,
    asked,
    found,
    make_earlier_release,
    postgres_world,
    url_of,
    write,
)

LATER = UnixSeconds(NOW + RETAIN_NEW_SECONDS + PERIOD_SECONDS)
SIDE = "SELECT side FROM token_journal_state"


@pytest.fixture
def published_url(postgres_url_by_version: str) -> str:
    """A database of which everything is published, whatever is made there later."""
    with psycopg.connect(postgres_url_by_version, autocommit=True) as connection:
        connection.execute("SET client_min_messages = error")  # wal_level is not logical, it says
        connection.execute("CREATE PUBLICATION everything FOR ALL TABLES")
    return postgres_url_by_version


@pytest.mark.parametrize("stats_logged", [False, True], ids=["unlogged", "logged"])
async def test_a_publication_of_all_tables_is_in_nobodys_way(
    published_url: str, stats_logged: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(upkeep, "JOURNAL_GROWTH_BYTES", 0)
    monkeypatch.setattr(upkeep, "JOURNAL_OVER_BASE_BYTES", 0)
    monkeypatch.setattr(upkeep, "JOURNAL_GROWTH_FACTOR", 0)
    world = postgres_world(published_url, stats_logged=stats_logged)
    store, (token, bonded) = await world.stored(a_token(1), a_token(2, status=Status.BONDED))
    sides = set()
    for version in range(1, 5):
        await write(
            store,
            [
                a_change(token, version, price_usd=float(version), twitter=f"t{version}"),
                a_change(bonded, version, price_usd=float(version)),
            ],
        )
        await store.drop_unretained(NOW)
        sides |= set(await asked(published_url, SIDE))
    assert sides == {("a",), ("b",)}
    await store.drop_unretained(LATER)
    assert await store.find_tokens([token.mint]) == {}
    assert (await found(store, bonded.mint)).price_usd == 4.0
    await world.close()
    for mode in (not stats_logged, stats_logged):  # changes of the mode, also
        other = postgres_world(published_url, stats_logged=mode)
        assert (await found(await other.store(), bonded.mint)).price_usd == 4.0
        await other.close()


async def test_a_database_of_an_earlier_release_is_mended(published_url: str) -> None:
    await make_earlier_release(published_url)
    with pytest.raises(psycopg.errors.ObjectNotInPrerequisiteState, match="replica identity"):
        await asked(published_url, "UPDATE token_journal_state SET side = 'b'")
    world = postgres_world(published_url)
    await world.store()
    await asked(published_url, "UPDATE token_journal_state SET side = 'b'")
    await world.close()


async def test_every_table_that_is_updated_or_deleted_from_has_a_key(
    server_world: StoreWorld,
) -> None:
    await server_world.stored(a_token(1))
    without = await asked(
        url_of(server_world),
        """SELECT relname::text FROM pg_class
        WHERE relnamespace = current_schema()::regnamespace AND relkind = 'r'
            AND relreplident = 'd' AND NOT EXISTS (
                SELECT FROM pg_index WHERE indrelid = pg_class.oid AND indisprimary
            ) AND relname !~ '^token_[0-9]+$'""",
    )
    # These are inserted into, truncated and dropped alone.
    assert {("token_journal_a",), ("token_journal_b",)} == set(without)


# -- A part that fails ---------------------------------------------------------------------


async def grown_store(world: StoreWorld) -> TokenStore:
    """A store with two tokens that are soon off the feed, and a journal."""
    store, (token, _) = await world.stored(a_token(1), a_token(2))
    await write(store, [a_change(token, 1, price_usd=1.0)])
    return store


async def test_a_step_that_fails_is_told_and_keeps_no_other_from_its_work(
    newest_server_world: StoreWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(upkeep, "JOURNAL_GROWTH_BYTES", 0)
    url = url_of(newest_server_world)
    store = await grown_store(newest_server_world)
    partition = f"token_{find_period(a_token(1).first_seen_at)}"
    await asked(url, f"CREATE VIEW report AS SELECT mint FROM {partition}")
    before = newest_server_world.ledger.totals["sync"]
    with pytest.raises(UpkeepFailed, match=r"^dropping what is off the feed: DependentObjects"):
        await store.drop_unretained(LATER)
    assert await asked(url, SIDE) == [("b",)]
    after = newest_server_world.ledger.totals["sync"]
    assert after.commits == before.commits + 1  # what the other steps cost is booked
    assert after.statements > before.statements
    await asked(url, "DROP VIEW report")
    await store.drop_unretained(LATER)
    assert await asked(url, "SELECT count(*) FROM token") == [(0,)]


async def test_a_step_that_fails_last_keeps_what_came_before(
    newest_server_world: StoreWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(upkeep, "JOURNAL_GROWTH_BYTES", 0)
    url = url_of(newest_server_world)
    store = await grown_store(newest_server_world)
    await asked(url, "ALTER TABLE token_journal_state ADD CHECK (side = 'a')")
    with pytest.raises(UpkeepFailed, match=r"^beginning the journal anew: CheckViolation"):
        await store.drop_unretained(LATER)
    assert await asked(url, "SELECT count(*) FROM token") == [(0,)]
    assert await asked(url, SIDE) == [("a",)]


async def test_a_server_that_is_away_is_no_part_that_fails(new_postgres: PostgresFactory) -> None:
    server: EmbeddedPostgres = new_postgres()
    world = postgres_world(server.url)
    store = await grown_store(world)
    await trio.to_thread.run_sync(server.stop, "immediate")
    for _ in range(2):
        with pytest.raises(StoreConnectionLost):
            await store.drop_unretained(LATER)
    await world.close()


async def test_a_cancelled_upkeep_begins_no_further_step(newest_server_world: StoreWorld) -> None:
    store = await grown_store(newest_server_world)
    with trio.CancelScope() as scope:
        scope.cancel()
        await store.drop_unretained(LATER)
    assert await asked(url_of(newest_server_world), "SELECT count(*) FROM token") == [(2,)]
