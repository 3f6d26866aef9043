"""The contract of `TokenStore`: what is not stored of what somebody knows, and since when."""

from collections.abc import Mapping
from functools import partial

import attrs
import pytest
import trio

from domain.errors import StoreUnavailable
from domain.token import Status
from domain.values import Usd, Value
from store import StoreLoss
from tests.conftest import PostgresFactory
from tests.contract.store_world import (
    ODD_VALUES,
    StoreWorld,
    a_change,
    a_token,
    found,
    full_token,
    mint_of,
    postgres_world,
    with_statuses,
    write,
)


async def test_what_is_stored_is_not_lost(world: StoreWorld) -> None:
    store, (token, full) = await world.stored(a_token(1), full_token(2))
    await write(store, [a_change(token, 1, **ODD_VALUES)])
    known = attrs.evolve(token, **with_statuses(ODD_VALUES))
    assert [] == list((await store.find_losses([known, full])).losses)
    assert [] == list((await store.find_losses([])).losses)


async def test_a_birth_that_is_gone_and_an_id_that_is_another_are_told(world: StoreWorld) -> None:
    store, (token,) = await world.stored(a_token(1))
    gone = attrs.evolve(token, mint=mint_of(9))
    moved = attrs.evolve(token, id=(token.id or 0) + 7)
    assert [
        StoreLoss(mint=gone.mint, id=None, values={}),
        StoreLoss(mint=token.mint, id=token.id, values={}),
    ] == list((await store.find_losses([gone, moved])).losses)


@pytest.mark.parametrize(
    ("stored", "known", "lost"),
    [
        ({"price_usd": 1.0}, {"price_usd": 2.0}, {"price_usd": 2.0}),
        ({}, {"holder_count": 0, "twitter": ""}, {"holder_count": 0, "twitter": ""}),
        ({"price_usd": 1.0}, {}, {}),
        ({"status": 2}, {"status": 1, "previous_status": 0}, {}),
        ({"status": 1}, {"status": 2}, {"status": 2}),
    ],
)
async def test_values_that_differ_are_told(
    world: StoreWorld,
    stored: Mapping[str, Value],
    known: Mapping[str, Value],
    lost: Mapping[str, Value],
) -> None:
    store, (token,) = await world.stored(a_token(1))
    await write(store, [a_change(token, 1, **stored)])
    report = await store.find_losses([attrs.evolve(token, **with_statuses(known))])
    expected = [StoreLoss(mint=token.mint, id=token.id, values=lost)] if lost else []
    assert expected == list(report.losses)


async def test_numbers_within_the_dead_band_are_not_lost(newest_server_world: StoreWorld) -> None:
    assert newest_server_world.url is not None
    world = postgres_world(newest_server_world.url, dead_band_percent=1.0)
    store, (token,) = await world.stored(a_token(1))
    await write(store, [a_change(token, 1, price_usd=100.0, holder_count=100)])
    near, far = (
        attrs.evolve(token, price_usd=Usd(100.9), holder_count=100),
        attrs.evolve(token, price_usd=Usd(101.1), holder_count=101),
    )
    assert [] == list((await store.find_losses([near])).losses)
    (loss,) = (await store.find_losses([far])).losses
    assert {"price_usd": 101.1, "holder_count": 101} == loss.values
    await world.close()


async def test_whoever_tells_an_epoch_tells_the_same(world: StoreWorld) -> None:
    store, (token,) = await world.stored(a_token(1))
    other = await world.store("ingest")
    receipt = await write(store, [a_change(token, 1, status=int(Status.BONDED))])
    epochs = {
        receipt.epoch,
        (await store.find_losses([token])).epoch,
        (await other.find_losses([])).epoch,
        await other.open(),
        (await store.drop_unretained(token.first_seen_at)).epoch,
        (await store.read_pulse()).epoch,
    }
    assert {receipt.epoch} == epochs
    assert receipt.epoch


async def test_a_crash_begins_another_epoch_that_stays(new_postgres: PostgresFactory) -> None:
    """For whoever comes second, too: the one who rebuilds does not hide it from the others."""
    server = new_postgres(settings={"fsync": "off"})
    world = postgres_world(server.url)
    store, (token,) = await world.stored(a_token(1))
    before = (await write(store, [a_change(token, 1, price_usd=1.0)])).epoch
    await trio.to_thread.run_sync(partial(server.stop, "immediate"))
    await trio.to_thread.run_sync(server.start)
    second = await world.store("ingest")  # which opens it, and rebuilds the rows
    with pytest.raises(StoreUnavailable):
        await store.read_pulse()
    after = (await store.read_pulse()).epoch
    assert before != after == (await second.find_losses([])).epoch
    assert after == (await write(store, [a_change(token, 2, price_usd=2.0)])).epoch
    assert 2.0 == (await found(store, token.mint)).price_usd
    await world.close()


async def test_rows_that_nobody_has_rebuilt_have_no_epoch(new_postgres: PostgresFactory) -> None:
    server = new_postgres(settings={"fsync": "off"})
    world = postgres_world(server.url)
    store = await world.store()
    await trio.to_thread.run_sync(partial(server.stop, "immediate"))
    await trio.to_thread.run_sync(server.start)
    with pytest.raises(StoreUnavailable):
        await store.read_pulse()
    assert "" == (await store.read_pulse()).epoch
    assert "" != (await store.find_losses([])).epoch
    await world.close()
