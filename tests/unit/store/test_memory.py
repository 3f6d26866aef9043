"""The twin's faults: what happens to a call, and what it leaves behind."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
import trio
from trio.testing import MockClock

from domain.errors import StoreUnavailable
from domain.messages import TokenChange
from domain.token import Token
from domain.values import Mint, UnixSeconds, Version
from store import StoredChange
from store.memory import MemoryStore
from store.memory_database import MemoryDatabase
from tests.contract.store_world import insert, write

TOKEN = Token(mint=Mint("m"), first_seen_at=UnixSeconds(1.76e9))


def a_store(**more: Any) -> MemoryStore:
    return MemoryStore(cold_days=30, **more)


def change(version: int, price: float) -> StoredChange:
    return 1, TokenChange(
        mint=TOKEN.mint,
        version=Version(version),
        dirty_since=Version(version),
        observed_at=UnixSeconds(1.76e9 + version),
        values={"price_usd": price},
    )


async def test_told_to_fail_it_fails_so_often_and_does_nothing() -> None:
    store = a_store()
    store.fail_next(2)
    for _ in range(2):
        with pytest.raises(StoreUnavailable):
            await insert(store, [TOKEN])
    assert store.database.tokens == {}
    assert len(await insert(store, [TOKEN])) == 1


async def test_a_commit_can_be_unknown() -> None:
    store = a_store()
    await insert(store, [TOKEN])
    store.commit_then_fail_next()
    with pytest.raises(StoreUnavailable):
        await write(store, [change(1, 1.5)])
    assert store.database.tokens[TOKEN.mint].price_usd == 1.5
    assert (await write(store, [change(1, 1.5)])).rows == 0


async def test_a_database_is_down_for_all_its_stores() -> None:
    database = MemoryDatabase()
    ingest, sync = a_store(database=database), a_store(database=database)
    ingest.go_down()
    for call in (
        sync.open,
        lambda: sync.find_tokens([TOKEN.mint]),
        lambda: insert(ingest, [TOKEN]),
    ):
        with pytest.raises(StoreUnavailable):
            await call()
    sync.come_up()
    (stored,) = await insert(ingest, [TOKEN])
    assert await sync.find_tokens([TOKEN.mint]) == {TOKEN.mint: stored}


async def test_calls_are_logged_with_what_they_did() -> None:
    store = a_store()
    (stored,) = await insert(store, [TOKEN])
    await insert(store, [TOKEN])
    await write(store, [change(1, 1.5)])
    await write(store, [change(1, 1.5)])
    assert list(store.inserted) == [(stored,)]
    assert [(w.receipt.statements, w.receipt.rows) for w in store.written] == [(1, 1), (1, 0)]
    assert store.written[0].changes == [change(1, 1.5)]


CALLS: dict[str, Callable[[MemoryStore], Awaitable[object]]] = {
    "open": lambda store: store.open(),
    "insert_tokens": lambda store: store.insert_tokens([TOKEN]),
    "find_tokens": lambda store: store.find_tokens([TOKEN.mint]),
    "write_changes": lambda store: store.write_changes([change(2, 2.5)]),
    "load_tokens": lambda store: store.load_tokens(UnixSeconds(1.76e9), 10),
    "read_pulse": lambda store: store.read_pulse(),
    "drop_unretained": lambda store: store.drop_unretained(UnixSeconds(1.76e9)),
    "close": lambda store: store.close(),
}


@pytest.mark.parametrize("name", CALLS)
async def test_every_call_takes_as_long_as_it_is_told_to(
    name: str, autojump_clock: MockClock
) -> None:
    store = a_store(delay_seconds=2.0, reply_delay_seconds=3.0)
    await CALLS[name](store)
    assert trio.current_time() == 5.0


async def test_an_effect_comes_before_its_reply(autojump_clock: MockClock) -> None:
    store = a_store(delay_seconds=2.0, reply_delay_seconds=3.0)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(insert, store, [TOKEN])
        await trio.sleep(1.9)
        assert store.database.tokens == {}
        await trio.sleep(0.2)
        assert list(store.database.tokens) == [TOKEN.mint]
        assert trio.current_time() == pytest.approx(2.1)
    assert trio.current_time() == 5.0


async def test_whoever_is_cancelled_before_the_reply_has_had_its_effect(
    autojump_clock: MockClock,
) -> None:
    store = a_store()
    await insert(store, [TOKEN])
    store.reply_delay_seconds = 3.0
    with trio.move_on_after(1.0) as scope:
        await write(store, [change(1, 1.5)])
    assert scope.cancelled_caught
    assert store.database.tokens[TOKEN.mint].price_usd == 1.5


async def test_a_failure_after_the_commit_comes_with_the_reply(autojump_clock: MockClock) -> None:
    store = a_store(reply_delay_seconds=3.0)
    store.commit_then_fail_next()
    with pytest.raises(StoreUnavailable):
        await insert(store, [TOKEN])
    assert (trio.current_time(), list(store.database.tokens)) == (3.0, [TOKEN.mint])
