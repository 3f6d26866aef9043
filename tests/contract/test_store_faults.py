"""Faults and races of `PostgresStore` on real servers: cancelled, cut, killed, raced."""

import os
import random
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import psycopg
import pytest
import trio

from domain.errors import BadConfiguration, StoreUnavailable
from domain.token import Token
from store import TokenStore
from store.columns import find_period
from store.postgres import PostgresStore
from store.postgres.session import Session
from tests.conftest import PostgresFactory
from tests.contract.store_world import (
    DAY_SECONDS,
    SESSIONS,
    StoreWorld,
    a_change,
    a_token,
    after,
    asked,
    insert,
    postgres_world,
    until_available,
    url_of,
    write,
)
from tests.patience import PATIENCE_SECONDS


@contextmanager
def locked(url: str, table: str) -> Iterator[None]:
    """Nobody else writes to the table meanwhile."""
    with psycopg.connect(url) as connection:
        connection.execute(f"LOCK TABLE {table} IN EXCLUSIVE MODE".encode())
        yield
        connection.rollback()


async def blocked_session(url: str) -> int:
    """The process id of the service's session that waits for a lock, once there is one."""
    with trio.fail_after(PATIENCE_SECONDS):
        while True:
            found = await asked(url, SESSIONS + " AND wait_event_type = 'Lock'")
            if found:
                return int(found[0][0])
            await trio.sleep(0.005)


# -- Cancellation and time limits ----------------------------------------------------------


async def test_a_cancelled_write_ends_at_once_and_leaves_its_session_usable(
    server_world: StoreWorld,
) -> None:
    patient = postgres_world(url_of(server_world), statement_timeout_seconds=600.0)
    store, (token,) = await patient.stored(a_token(1))
    (before,) = await asked(url_of(server_world), SESSIONS)
    with locked(url_of(server_world), "token_stats"), trio.fail_after(PATIENCE_SECONDS):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(write, store, [a_change(token, 1, price_usd=1.0)])
            await blocked_session(url_of(server_world))
            nursery.cancel_scope.cancel()
    await write(store, [a_change(token, 2, price_usd=2.0)])
    assert [before] == await asked(url_of(server_world), SESSIONS)
    assert (await store.find_tokens([token.mint]))[token.mint].price_usd == 2.0
    await patient.close()


async def test_a_cancelled_call_says_cancelled_and_nothing_else(
    newest_server_world: StoreWorld,
) -> None:
    store, (token,) = await newest_server_world.stored(a_token(1))
    with locked(url_of(newest_server_world), "token_stats"):
        with trio.move_on_after(0.05) as scope:
            await write(store, [a_change(token, 1, price_usd=1.0)])
        assert scope.cancelled_caught


async def test_a_call_that_is_already_cancelled_sends_nothing(
    newest_server_world: StoreWorld,
) -> None:
    store, (token,) = await newest_server_world.stored(a_token(1))
    with trio.CancelScope() as scope:
        scope.cancel()
        await write(store, [a_change(token, 1, price_usd=1.0)])
    assert (await store.find_tokens([token.mint]))[token.mint].price_usd is None


async def test_a_lock_is_waited_for_within_bounds(newest_server_world: StoreWorld) -> None:
    _, (token,) = await newest_server_world.stored(a_token(1))
    hasty = postgres_world(url_of(newest_server_world), statement_timeout_seconds=2.0)
    store = await hasty.store()
    with (
        locked(url_of(newest_server_world), "token_stats"),
        trio.fail_after(PATIENCE_SECONDS),
        pytest.raises(StoreUnavailable, match="LockNotAvailable"),
    ):
        await write(store, [a_change(token, 1, price_usd=1.0)])
    assert (await write(store, [a_change(token, 1, price_usd=1.0)])).rows == 1
    await hasty.close()


@pytest.mark.skipif(not hasattr(signal, "SIGSTOP"), reason="needs SIGSTOP")
async def test_a_stopped_server_is_left_and_its_old_statement_never_applied(
    new_postgres: PostgresFactory,
) -> None:
    server = new_postgres()
    world = postgres_world(server.url)
    store, (token,) = await world.stored(a_token(1))
    with locked(server.url, "token_stats"):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(write, store, [a_change(token, 1, price_usd=1.0)])
            process = await blocked_session(server.url)
            os.kill(process, signal.SIGSTOP)
            nursery.cancel_scope.cancel()  # it does not hear of that, so it is cut off
    os.kill(process, signal.SIGCONT)
    await until_available(store, token.mint)
    assert (process,) not in await asked(server.url, SESSIONS)
    assert (await store.find_tokens([token.mint]))[token.mint].price_usd is None
    await world.close()


# -- Lost sessions -------------------------------------------------------------------------


async def test_a_terminated_session_fails_once_and_is_replaced(server_world: StoreWorld) -> None:
    store, (token,) = await server_world.stored(a_token(1))
    failures: list[StoreUnavailable] = []

    async def write_once() -> None:
        try:
            await write(store, [a_change(token, 1, price_usd=1.0)])
        except StoreUnavailable as error:
            failures.append(error)

    with locked(url_of(server_world), "token_stats"):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(write_once)
            process = await blocked_session(url_of(server_world))
            await asked(url_of(server_world), "SELECT pg_terminate_backend(%s)", process)
    assert len(failures) == 1
    assert (await write(store, [a_change(token, 1, price_usd=1.0)])).rows == 1


async def lost_amid_a_write(world: StoreWorld, store: TokenStore, token: Token) -> int:
    """The process of a session that is cut while it waits to write.

    As a network does that goes away: the server is not told.
    """
    assert isinstance(store, PostgresStore)

    async def write_once() -> None:
        with pytest.raises(StoreUnavailable):
            await write(store, [a_change(token, 1, price_usd=1.0)])

    async with trio.open_nursery() as nursery:
        nursery.start_soon(write_once)
        process = await blocked_session(url_of(world))
        session = store._connection._session
        assert session is not None
        session.cut()
    return process


async def test_a_statement_of_a_lost_session_is_ended_before_anything_newer_is_sent(
    newest_server_world: StoreWorld,
) -> None:
    store, (token,) = await newest_server_world.stored(a_token(1))
    with locked(url_of(newest_server_world), "token_stats"):
        process = await lost_amid_a_write(newest_server_world, store, token)
        assert {token.mint: token} == await store.find_tokens([token.mint])
        assert (process,) not in await asked(url_of(newest_server_world), SESSIONS)


async def test_a_lost_session_is_not_forgotten_when_the_next_is_lost_before_it_ended_it(
    newest_server_world: StoreWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, (token,) = await newest_server_world.stored(a_token(1))
    execute, failures = Session.execute, [psycopg.OperationalError("the network again")]

    def execute_or_fail(self: Session, name: str, *parameters: object) -> Any:
        if name == "end_session" and failures:
            raise failures.pop()
        return execute(self, name, *parameters)

    monkeypatch.setattr(Session, "execute", execute_or_fail)

    with locked(url_of(newest_server_world), "token_stats"):
        process = await lost_amid_a_write(newest_server_world, store, token)
        with pytest.raises(StoreUnavailable):
            await store.find_tokens([token.mint])
        assert {token.mint: token} == await store.find_tokens([token.mint])
        assert (process,) not in await asked(url_of(newest_server_world), SESSIONS)


async def test_an_idle_session_that_is_terminated_fails_once(server_world: StoreWorld) -> None:
    store, (token,) = await server_world.stored(a_token(1))
    await asked(
        url_of(server_world), f"SELECT pg_terminate_backend(pid, 2000) FROM ({SESSIONS}) AS each"
    )
    with pytest.raises(StoreUnavailable):
        await store.find_tokens([token.mint])
    assert {token.mint: token} == await store.find_tokens([token.mint])


async def test_a_killed_backend_loses_nothing_that_was_acknowledged(
    new_postgres: PostgresFactory,
) -> None:
    server = new_postgres()
    world = postgres_world(server.url)
    store, (token,) = await world.stored(a_token(1))
    acknowledged = 0.0
    for version in range(1, 200):
        if version == 20:
            ((process,),) = await asked(server.url, SESSIONS)
            os.kill(process, signal.SIGKILL)  # the whole server restarts and recovers
        try:
            await write(store, [a_change(token, version, price_usd=float(version))])
        except StoreUnavailable:
            await until_available(store, token.mint)
            stored = (await store.find_tokens([token.mint]))[token.mint].price_usd
            assert stored in {acknowledged, float(version)}  # the failed one is unknown
        else:
            acknowledged = float(version)
    assert (await store.find_tokens([token.mint]))[token.mint].price_usd == 199.0
    await world.close()


async def test_a_server_that_comes_back_is_used_again(new_postgres: PostgresFactory) -> None:
    server = new_postgres()
    world = postgres_world(server.url)
    store, (token,) = await world.stored(a_token(1))
    await trio.to_thread.run_sync(partial(server.stop, "immediate"))
    for _ in range(3):
        with pytest.raises(StoreUnavailable):
            await store.find_tokens([token.mint])
    await trio.to_thread.run_sync(server.start)
    await until_available(store, token.mint)
    assert {token.mint: token} == await store.find_tokens([token.mint])
    await world.close()


async def test_an_unreachable_server_is_unavailable_and_nonsense_is_bad_configuration() -> None:
    with pytest.raises(StoreUnavailable):
        await postgres_world("postgresql://postgres@127.0.0.1:1/postgres").store()
    with pytest.raises(BadConfiguration):
        postgres_world("postgresql://127.0.0.1/?no_such_option=1")


# -- Races ---------------------------------------------------------------------------------


async def test_two_stores_that_flush_the_same_tokens_never_deadlock(
    server_world: StoreWorld,
) -> None:
    _, tokens = await server_world.stored(*(a_token(number) for number in range(200)))
    stores = [await server_world.store(), await server_world.store()]
    dice = random.Random(1)

    async def flush(store: TokenStore, versions: range) -> None:
        for version in versions:
            batch = [a_change(t, version, price_usd=float(version), twitter="t") for t in tokens]
            await write(store, dice.sample(batch, len(batch)))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(flush, stores[0], range(1, 40, 2))
        nursery.start_soon(flush, stores[1], range(2, 41, 2))
    found = await stores[0].find_tokens([token.mint for token in tokens])
    assert {40.0} == {token.price_usd for token in found.values()}


async def test_two_stores_that_need_the_same_new_partitions_never_deadlock(
    server_world: StoreWorld,
) -> None:
    stores = [await server_world.store("ingest"), await server_world.store("ingest")]

    async def insert_each(store: TokenStore, first: int) -> None:
        for number in range(first, 20, 2):
            seen_at = after(number // 2 * DAY_SECONDS)
            await insert(store, [a_token(number, first_seen_at=seen_at)])

    async with trio.open_nursery() as nursery:
        for first, store in enumerate(stores):
            nursery.start_soon(insert_each, store, first)
    assert await asked(url_of(server_world), "SELECT count(*) FROM token") == [(20,)]


async def test_new_partitions_do_not_wait_for_readers(newest_server_world: StoreWorld) -> None:
    store, _ = await newest_server_world.stored(a_token(1))
    with psycopg.connect(url_of(newest_server_world)) as reader:
        reader.execute("SELECT * FROM token").fetchall()  # and stays in its transaction
        with trio.fail_after(PATIENCE_SECONDS):
            await insert(store, [a_token(2, first_seen_at=after(DAY_SECONDS))])
        assert reader.execute("SELECT count(*) FROM token").fetchone() == (2,)


async def test_a_dropped_partition_is_made_again(newest_server_world: StoreWorld) -> None:
    store, (token,) = await newest_server_world.stored(a_token(1))
    period = find_period(token.first_seen_at)
    await asked(url_of(newest_server_world), f"DROP TABLE token_{period}")
    with pytest.raises(StoreUnavailable):
        await insert(store, [a_token(2)])
    assert len(await insert(store, [a_token(2)])) == 1
