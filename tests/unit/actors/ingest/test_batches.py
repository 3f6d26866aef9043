"""Many events at once: folded for sync, one by one for trading, and all again after a failure."""

import pytest
from trio.testing import MockClock

from actors.ingest.intake import Intake
from domain.messages import TokenUpdated, TradeSeen
from tests.unit.actors.ingest.events import created, migrated, traded
from tests.unit.actors.ingest.ingest_world import IngestWorld
from tests.unit.actors.world import at, mint, running, until


def list_trades(number: int) -> list[TradeSeen]:
    return [
        traded(1, 2.0 + n / 1000, curve_tokens=1e9 - n, source="pumpportal") for n in range(number)
    ]


async def test_trades_of_one_token_become_one_update_and_stay_single_trades(
    autojump_clock: MockClock,
) -> None:
    world = IngestWorld()
    async with running(world.ingest()):
        await world.send(created(1))
        await until(1.0)
        await world.events.send_all(list_trades(100))
        await until(3.0)
    [update] = world.updates()
    assert (at(2.099), "ingest pumpportal") == (update.observed_at, update.origin)
    assert at(2.099) == update.values["last_trade_at"]
    assert [f"trade 1 {2.0 + n / 1000}" for n in range(100)] == [
        trade.signature for trade in world.trades.messages
    ]


async def test_what_two_streams_say_is_not_folded(autojump_clock: MockClock) -> None:
    world = IngestWorld()
    async with running(world.ingest()):
        await world.send(created(1))
        await until(1.0)
        events = [traded(1, 2.0 + n / 10, source=f"stream {n % 2}") for n in range(6)]
        await world.events.send_all(events)
        await until(3.0)
    assert {(at(2.4), "ingest stream 0"), (at(2.5), "ingest stream 1")} == {
        (update.observed_at, update.origin) for update in world.updates()
    }


async def test_a_trade_told_twice_in_one_batch_counts_once(autojump_clock: MockClock) -> None:
    world = IngestWorld()
    ingest = world.ingest()
    async with running(ingest):
        await world.send(created(1))
        await until(1.0)
        await world.events.send_all([traded(1, 2.0), traded(1, 2.0), traded(1, 2.1)])
        await until(3.0)
    assert (2, 1) == (ingest.snapshot().trades, ingest.snapshot().repeated_events["unnamed"])


async def test_a_batch_that_fails_passes_on_nothing_and_is_taken_again_one_by_one(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = IngestWorld()
    async with running(world.ingest()):
        await world.send(created(1))
        await until(1.0)
    sent_before = len(world.sync.messages)
    await world.events.send_all([traded(1, 2.0), migrated(1, 2.1), traded(1, 2.2)])
    with monkeypatch.context() as broken:
        broken.delattr(Intake, "_take_migration")
        with pytest.RaisesGroup(AttributeError, flatten_subgroups=True):
            await world.ingest().run()
    assert sent_before == len(world.sync.messages)
    assert [] == world.trades.messages
    assert not world.memory.trade_keys.young
    assert [] == world.events.offer_again(crashes_before_quarantine=3)
    async with running(world.ingest()):
        await until(5.0)
    assert [at(2.0), at(2.2)] == [trade.seen_at for trade in world.trades.messages]
    assert mint(1) in {u.mint for u in world.sync.of(TokenUpdated)}
