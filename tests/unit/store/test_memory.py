"""The twin's faults: what happens to a call, and what it leaves behind."""

import pytest

from domain.errors import StoreUnavailable
from domain.messages import TokenChange
from domain.token import Token
from domain.values import Mint, UnixSeconds, Version
from store import StoredChange
from store.memory import MemoryDatabase, MemoryStore
from tests.contract.store_world import insert, write

TOKEN = Token(mint=Mint("m"), first_seen_at=UnixSeconds(1.76e9))


def change(version: int, price: float) -> StoredChange:
    return 1, TokenChange(
        mint=TOKEN.mint,
        version=Version(version),
        dirty_since=Version(version),
        observed_at=UnixSeconds(1.76e9 + version),
        values={"price_usd": price},
    )


async def test_told_to_fail_it_fails_so_often_and_does_nothing() -> None:
    store = MemoryStore()
    store.fail_next(2)
    for _ in range(2):
        with pytest.raises(StoreUnavailable):
            await insert(store, [TOKEN])
    assert store.database.tokens == {}
    assert len(await insert(store, [TOKEN])) == 1


async def test_a_commit_can_be_unknown() -> None:
    store = MemoryStore()
    await insert(store, [TOKEN])
    store.commit_then_fail_next()
    with pytest.raises(StoreUnavailable):
        await write(store, [change(1, 1.5)])
    assert store.database.tokens[TOKEN.mint].price_usd == 1.5
    assert (await write(store, [change(1, 1.5)])).rows == 0


async def test_a_database_is_down_for_all_its_stores() -> None:
    database = MemoryDatabase()
    ingest, sync = MemoryStore(database=database), MemoryStore(database=database)
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
    store = MemoryStore()
    (stored,) = await insert(store, [TOKEN])
    await insert(store, [TOKEN])
    await write(store, [change(1, 1.5)])
    await write(store, [change(1, 1.5)])
    assert list(store.inserted) == [(stored,)]
    assert [(w.receipt.statements, w.receipt.rows) for w in store.written] == [(1, 1), (1, 0)]
    assert store.written[0].changes == [change(1, 1.5)]
