"""The store behind a real PgBouncer: it works, leaks nothing and takes nothing from strangers.

The contract itself is held to a pooled store in the other modules (`postgres18-pooled`).
"""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partialmethod
from typing import Any

import psycopg
import pytest
import trio

from commands.advice import Gravity, on_postgres
from commands.embedded import EmbeddedPostgres
from domain.errors import BadConfiguration, StoreUnavailable
from domain.token import Token
from store import TokenStore
from store.postgres import PostgresStore
from store.postgres.facts import read_facts
from store.postgres.plain import PlainConnection
from store.postgres.session import Session
from tests.contract.conftest import PoolerFactory
from tests.contract.store_pooler import EmbeddedPooler, needs_pgbouncer
from tests.contract.store_world import (
    NOW,
    StoreWorld,
    a_change,
    a_token,
    after,
    asked,
    found,
    insert,
    postgres_settings,
    postgres_world,
    write,
)
from tests.patience import PATIENCE_SECONDS

pytestmark = needs_pgbouncer

SETTINGS = """SELECT name, setting FROM pg_settings
WHERE name <> 'application_name' AND name !~ '[.]' ORDER BY name"""  # extensions' come later
PREPARED = "SELECT count(*) FROM pg_prepared_statements"


def session_of(store: TokenStore) -> Session:
    assert isinstance(store, PostgresStore)
    session = store._connection._session
    assert session is not None
    return session


@contextmanager
def client_of(pooler: EmbeddedPooler, url: str) -> Iterator[psycopg.Connection[Any]]:
    """Somebody else who uses the same pool."""
    with psycopg.connect(pooler.url_of(url), autocommit=True, prepare_threshold=None) as client:
        yield client


async def use_everything(world: StoreWorld) -> tuple[TokenStore, Token]:
    """Every call of the port, on two stores."""
    ingest, sync = await world.store("ingest"), await world.store("sync")
    (token,) = await insert(ingest, [a_token(1, twitter="t")])
    await write(sync, [a_change(token, 1, price_usd=1.5, website="w")])
    await sync.drop_unretained(NOW)
    await sync.read_pulse()
    assert [token.mint] == [each.mint for each in await ingest.load_tokens(after(1), 10)]
    assert (await found(sync, token.mint)).price_usd == 1.5
    return sync, token


# -- What it leaves behind -----------------------------------------------------------------


async def test_others_of_the_pool_find_the_servers_own_settings(
    postgres_server: EmbeddedPostgres, postgres_url: str, new_pooler: PoolerFactory
) -> None:
    pooler = new_pooler(postgres_server, size=1)
    with client_of(pooler, postgres_url) as client:
        before = client.execute(SETTINGS).fetchall()
        process = client.execute("SELECT pg_backend_pid()").fetchone()
        world = postgres_world(postgres_url, pooler=pooler)
        store, _ = await use_everything(world)
        assert session_of(store).is_pooled
        assert client.execute("SELECT pg_backend_pid()").fetchone() == process
        assert client.execute(SETTINGS).fetchall() == before
        assert ("enable_seqscan", "on") in before
        assert ("statement_timeout", "0") in before
        assert client.execute(PREPARED).fetchone() == (0,)
        locks = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'"
        assert client.execute(locks).fetchone() == (0,)
        await world.close()


async def test_a_failed_call_leaves_nothing_either(
    postgres_server: EmbeddedPostgres, postgres_url: str, new_pooler: PoolerFactory
) -> None:
    pooler = new_pooler(postgres_server, size=1)
    world = postgres_world(postgres_url, pooler=pooler)
    store, token = await use_everything(world)
    await asked(postgres_url, "ALTER TABLE token_profile RENAME TO elsewhere")
    with client_of(pooler, postgres_url) as client:
        before = client.execute(SETTINGS).fetchall()
        with pytest.raises(StoreUnavailable, match="UndefinedTable"):
            await write(store, [a_change(token, 2, twitter="u")])
        assert client.execute(SETTINGS).fetchall() == before
    await world.close()


async def test_what_others_leave_behind_makes_no_difference_to_us(
    postgres_server: EmbeddedPostgres, postgres_url: str, new_pooler: PoolerFactory
) -> None:
    pooler = new_pooler(postgres_server, size=1)
    world = postgres_world(postgres_url, pooler=pooler)
    with client_of(pooler, postgres_url) as client:
        client.execute("CREATE SCHEMA strange")
        for odd in (
            "search_path = strange", "DateStyle = 'SQL, DMY'", "TimeZone = 'Asia/Kathmandu'",
            "extra_float_digits = -10", "default_transaction_isolation = serializable",
            "synchronous_commit = off", "statement_timeout = '1h'", "enable_indexscan = off",
        ):  # fmt: skip
            client.execute(f"SET {odd}")
        await use_everything(world)
        assert client.execute("SHOW search_path").fetchone() == ("strange",)
    await world.close()
    where = "SELECT schemaname FROM pg_tables WHERE tablename = 'token_stats'"
    assert await asked(postgres_url, where) == [("public",)]


# -- Sharing -------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [1, 2])
async def test_two_services_share_a_small_pool(
    postgres_server: EmbeddedPostgres, postgres_url: str, new_pooler: PoolerFactory, size: int
) -> None:
    world = postgres_world(postgres_url, pooler=new_pooler(postgres_server, size=size))
    with trio.fail_after(PATIENCE_SECONDS):
        async with trio.open_nursery() as nursery:
            for first in range(2):
                nursery.start_soon(serve_a_while, world, first)
    tokens = await (await world.store()).load_tokens(after(1), 1000)
    assert {float(token.symbol.removeprefix("S")) for token in tokens if token.symbol} == {
        token.price_usd for token in tokens
    }
    assert len(tokens) == 40
    await world.close()


async def serve_a_while(world: StoreWorld, first: int) -> None:
    """As ingest and sync of one service do."""
    ingest, sync = await world.store("ingest"), await world.store("sync")
    for number in range(first, 40, 2):
        (token,) = await insert(ingest, [a_token(number)])
        async with trio.open_nursery() as nursery:
            nursery.start_soon(ingest.find_tokens, [token.mint])
            nursery.start_soon(write, sync, [a_change(token, 1, price_usd=float(number))])


async def test_a_stranger_keeps_the_process_that_was_lent_to_us_before(
    postgres_server: EmbeddedPostgres, postgres_url: str, new_pooler: PoolerFactory
) -> None:
    """When our session is lost, whoever has got its process meanwhile must not be ended."""
    pooler = new_pooler(postgres_server, size=2)
    world = postgres_world(postgres_url, pooler=pooler)
    store, token = await use_everything(world)
    with client_of(pooler, postgres_url) as stranger, client_of(pooler, postgres_url) as other:
        stranger.execute("BEGIN")  # it has the one process that there is, which was ours
        other.execute("SELECT 1")
        session_of(store).cut()
        with pytest.raises(StoreUnavailable):
            await store.find_tokens([token.mint])
        assert (await found(store, token.mint)).price_usd == 1.5
        await write(store, [a_change(token, 2, price_usd=2.5)])
        assert stranger.execute("SELECT 1").fetchone() == (1,)
        stranger.execute("COMMIT")
    await world.close()


@contextmanager
def locked(url: str, table: str) -> Iterator[None]:
    with psycopg.connect(url) as connection:
        connection.execute(f"LOCK TABLE {table} IN EXCLUSIVE MODE".encode())
        yield
        connection.rollback()


async def wait_until_blocked(url: str) -> None:
    waiting = """SELECT pid FROM pg_stat_activity
        WHERE datname = current_database() AND wait_event_type = 'Lock'"""
    with trio.fail_after(PATIENCE_SECONDS):
        while not await asked(url, waiting):
            await trio.sleep(0.01)


async def test_a_cancelled_write_ends_at_once_behind_a_pooler(
    session_pooler: EmbeddedPooler, postgres_url: str
) -> None:
    world = postgres_world(postgres_url, pooler=session_pooler, statement_timeout_seconds=600.0)
    store, (token,) = await world.stored(a_token(1))
    with locked(postgres_url, "token_stats"), trio.fail_after(PATIENCE_SECONDS):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(write, store, [a_change(token, 1, price_usd=1.0)])
            await wait_until_blocked(postgres_url)
            nursery.cancel_scope.cancel()
    await write(store, [a_change(token, 2, price_usd=2.0)])
    assert (await found(store, token.mint)).price_usd == 2.0
    await world.close()


async def test_a_lost_statement_that_comes_late_changes_nothing_newer(
    session_pooler: EmbeddedPooler, postgres_url: str
) -> None:
    """Behind a pooler it cannot be ended, but holds its lock: newer writes come after it."""
    world = postgres_world(postgres_url, pooler=session_pooler)
    store, (token,) = await world.stored(a_token(1))

    async def lose() -> None:
        with pytest.raises(StoreUnavailable):
            await write(store, [a_change(token, 1, price_usd=1.0, holder_count=1)])

    with locked(postgres_url, "token_stats"):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(lose)
            await wait_until_blocked(postgres_url)
            session_of(store).cut()
    await write(store, [a_change(token, 2, price_usd=2.0, holder_count=2)])
    kept = await found(store, token.mint)
    assert (kept.price_usd, kept.holder_count) == (2.0, 2)
    await world.close()


async def test_locks_are_waited_for_within_bounds_behind_a_pooler(
    session_pooler: EmbeddedPooler, postgres_url: str
) -> None:
    world = postgres_world(postgres_url, pooler=session_pooler, statement_timeout_seconds=1.0)
    store, (token,) = await world.stored(a_token(1))
    with (
        locked(postgres_url, "token_stats"),
        trio.fail_after(PATIENCE_SECONDS),
        pytest.raises(StoreUnavailable, match="LockNotAvailable"),
    ):
        await write(store, [a_change(token, 1, price_usd=1.0)])
    await world.close()


async def test_a_pooler_that_comes_back_is_used_again(
    postgres_server: EmbeddedPostgres, postgres_url: str, new_pooler: PoolerFactory
) -> None:
    pooler = new_pooler(postgres_server, size=1)
    world = postgres_world(postgres_url, pooler=pooler)
    store, token = await use_everything(world)
    await trio.to_thread.run_sync(pooler.restart)
    with pytest.raises(StoreUnavailable):
        await store.find_tokens([token.mint])
    assert (await found(store, token.mint)).price_usd == 1.5
    await world.close()


# -- How it is known -----------------------------------------------------------------------


async def test_the_server_itself_is_taken_for_no_pooler(
    server_world: StoreWorld,
) -> None:
    store = await server_world.store()
    assert not session_of(store).is_pooled
    assert session_of(store).backend is not None


async def test_pgbouncer_true_is_heeded_also_where_the_server_answers(
    postgres_url: str,
) -> None:
    world = postgres_world(f"{postgres_url}?pgbouncer=true")
    world.url = postgres_url
    store, _ = await use_everything(world)
    session = session_of(store)
    assert (session.is_pooled, session.backend) == (True, None)
    assert session.connection.execute("SHOW enable_seqscan").fetchone() == ("on",)
    assert session.connection.execute(PREPARED).fetchone() == (0,)
    await world.close()


async def test_session_mode_works_too(
    postgres_server: EmbeddedPostgres, postgres_url: str, new_pooler: PoolerFactory
) -> None:
    pooler = new_pooler(postgres_server, size=2, mode="session")
    world = postgres_world(postgres_url, pooler=pooler)
    await use_everything(world)
    await world.close()
    with client_of(pooler, postgres_url) as client:
        assert client.execute("SHOW statement_timeout").fetchone() == ("0",)


async def test_statement_mode_is_refused_with_the_way_out(
    postgres_server: EmbeddedPostgres, postgres_url: str, new_pooler: PoolerFactory
) -> None:
    world = postgres_world(
        postgres_url, pooler=new_pooler(postgres_server, size=1, mode="statement")
    )
    with pytest.raises(BadConfiguration, match="use transaction mode"):
        await world.store()
    await world.close()


async def test_options_that_no_transaction_can_set_are_refused(
    session_pooler: EmbeddedPooler, postgres_url: str
) -> None:
    for option in ("-clog_connections=on", "-cno.such=1 -cjit=hush", "-cno_such=hush"):
        url = f"{postgres_url}?options={option.replace(' ', '%20').replace('=', '%3D')}"
        world = postgres_world(url, pooler=session_pooler)
        with pytest.raises(BadConfiguration, match="setting in the connection string") as refusal:
            await world.store()
        assert "hush" not in str(refusal.value)
        await world.close()


async def test_doctor_says_that_it_found_a_pooler(
    session_pooler: EmbeddedPooler, postgres_url: str
) -> None:
    for url, gravity in (
        (session_pooler.url_of(postgres_url), Gravity.ADVICE),
        (postgres_url, Gravity.FINE),
    ):
        facts = await read_facts(postgres_settings(url), trio.to_thread.run_sync)
        [finding] = [each for each in on_postgres(facts) if each.subject == "pooler"]
        assert finding.gravity is gravity
        assert ("found between here and Postgres" in finding.says) is (gravity is Gravity.ADVICE)


def test_a_storm_is_told_that_it_needs_the_server_itself(
    session_pooler: EmbeddedPooler, postgres_url: str
) -> None:
    for url in (session_pooler.url_of(postgres_url), f"{postgres_url}?pgbouncer=true"):
        with pytest.raises(BadConfiguration, match="this is a pooler"):
            PlainConnection(url).connection()
    with pytest.raises(BadConfiguration):  # before it is one: options are refused
        PlainConnection(f"{session_pooler.url_of(postgres_url)}?options=-cjit%3Doff").connection()


async def test_two_round_trips_more_are_all_that_a_pooler_costs(
    session_pooler: EmbeddedPooler, postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And the server itself costs none: what a flush sends there is what it always was."""
    sent: dict[bool, list[str]] = {True: [], False: []}
    for pooled in (True, False):
        pooler = session_pooler if pooled else None
        world = postgres_world(postgres_url, pooler=pooler)
        store, (token,) = await world.stored(a_token(1))
        assert session_of(store).is_pooled is pooled
        for name in ("run_script", "execute"):
            call = getattr(Session, name)
            monkeypatch.setattr(
                Session, name, partialmethod(_note_and_call, sent[pooled], name, call)
            )
        await write(store, [a_change(token, 10 + pooled, price_usd=1.0 + pooled)])
        await store.find_tokens([token.mint])
        monkeypatch.undo()
        await world.close()
    flush = ["run_script", "execute", "run_script"]
    assert sent[False] == [*flush, "execute"]
    assert sent[True] == [*flush, "run_script", "execute", "run_script"]


def _note_and_call(self: Session, sent: list[str], name: str, call: Any, *arguments: object) -> Any:
    sent.append(name)
    return call(self, *arguments)
