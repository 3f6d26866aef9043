"""Sync flushes: what reaches Postgres, when, and in how many statements."""

from math import ceil
from random import Random

import attrs
import pytest
import trio
from trio.testing import MockClock

from actors.sync.actor import MAIL_REST_SECONDS
from tests.unit.actors.sync.sync_world import SyncWorld, admit_tokens
from tests.unit.actors.world import HOUR, SETTINGS, at, mint, running, token, until

# When and how much.


async def test_flushes_are_an_interval_apart(autojump_clock: MockClock) -> None:
    world = SyncWorld()
    async with running(world.sync()):
        await admit_tokens(world, 1)
        for second in (10.0, 299.0, 301.0, 901.0):
            await until(second)
            await world.update(second, last_trade_at=at(second))
        await until(2000.0)
    assert [300.0, 600.0, 1200.0] == world.store.write_times  # at 900 there was nothing to write


async def test_statements_follow_the_tokens_that_changed_and_not_the_updates(
    autojump_clock: MockClock,
) -> None:
    world = SyncWorld()
    async with running(world.sync()):
        await admit_tokens(world, 5)
        for count in range(1000):
            await until(count / 4)
            for number in range(1, 6):
                await world.update(count / 4, number=number, buys_24h=count)
        await until(301.0)
    [written] = world.store.written
    assert (5, 1) == (written.receipt.rows, written.receipt.statements)
    assert {999} == {change.values["buys_24h"] for _, change in written.changes}


async def test_no_statement_takes_more_than_a_batch(autojump_clock: MockClock) -> None:
    world = SyncWorld(settings=attrs.evolve(SETTINGS.sync, batch_rows=10))
    async with running(world.sync()):
        await admit_tokens(world, 25)
        for number in range(1, 26):
            await world.update(1.0, number=number, buys_24h=1)
        await until(301.0)
    assert [10, 10, 5] == [len(changes) for _, changes in world.store.writes]
    assert 25 == world.log.entries("flush complete")[0]["rows"]


@pytest.mark.parametrize(("batch_rows", "statements"), [(1, 250), (100, 3), (100_000, 1)])
async def test_every_size_of_batch_brings_everything_to_postgres(
    autojump_clock: MockClock, batch_rows: int, statements: int
) -> None:
    world = SyncWorld(settings=attrs.evolve(SETTINGS.sync, batch_rows=batch_rows))
    async with running(world.sync()):
        await admit_tokens(world, 250)
        for number in range(1, 251):
            await world.update(1.0, number=number, buys_24h=number)
        await until(301.0)
        assert statements == len(world.store.writes)
        await world.update(302.0, number=7, buys_24h=1000)
        await until(601.0)
    stored = [world.stored(number).buys_24h for number in range(1, 251)]
    assert [1, 2, 3, 4, 5, 6, 1000, *range(8, 251)] == stored
    assert 0 == len(world.servers.buffer.data.dirty_since)


async def test_flush_says_what_all_its_commits_have_cost(autojump_clock: MockClock) -> None:
    world = SyncWorld(settings=attrs.evolve(SETTINGS.sync, batch_rows=10))
    world.store.wal_bytes_a_row, world.store.delay_seconds = 70, 0.5
    sync = world.sync()
    async with running(sync):
        await admit_tokens(world, 25)
        for number in range(1, 26):
            await world.update(1.0, number=number, buys_24h=1)
        await until(310.0)
    [said] = world.log.entries("flush complete")
    assert {"rows": 25, "statements": 3, "wal_bytes": 1750, "held_back": 0} == {
        name: said[name] for name in ("rows", "statements", "wal_bytes", "held_back")
    }
    # Three commits, after the pulses that were under way when it began.
    assert said["seconds"] in (1.5, 2.0, 2.5)
    counts = world.memory.governor.counts
    assert (25, 1750) == (counts["rows"], counts["wal_bytes"])  # the governor was told the same


async def test_snapshot_tells_what_sync_holds_and_has_done(autojump_clock: MockClock) -> None:
    world = SyncWorld()
    sync = world.sync()
    async with running(sync):
        await admit_tokens(world, 3)
        for number in (1, 2, 3):
            await world.update(1.0, number=number, buys_24h=1)
        await world.update(1.0, number=1, origin="elsewhere", no_such_field=1)
        await until(2.0)
        before = sync.snapshot()
        world.store.go_down()
        await until(301.0)
        failed = sync.snapshot()
    assert (3, 3, 0) == (before.tokens, before.unflushed, before.unappended)
    assert (3, 1, 0) == (before.appended, before.refused, before.failed_flushes)
    assert failed.failed_flushes > 0
    assert (3, 0, 0) == (failed.unflushed, failed.lost, failed.put_back)


async def test_flush_passes_those_that_are_parked(autojump_clock: MockClock) -> None:
    world = SyncWorld(settings=attrs.evolve(SETTINGS.sync, batch_rows=2))
    async with running(world.sync()):
        await admit_tokens(world, 1)
        for number in (11, 12, 13, 14, 15):  # nobody knows them
            await world.update(1.0, number=number, holder_count=1)
        await until(2.0)
        await world.update(2.0, number=1, holder_count=1)
        await until(301.0)
    assert 1 == world.stored(1).holder_count


async def test_value_that_came_back_is_not_written(autojump_clock: MockClock) -> None:
    world = SyncWorld()
    async with running(world.sync()):
        await world.admit(token(1, holder_count=5))
        await until(1.0)
        await world.update(1.0, holder_count=6)
        await until(2.0)
        await world.update(2.0, holder_count=5)
        await until(301.0)
    assert [0] == [written.receipt.rows for written in world.store.written]
    assert 0 == len(world.servers.buffer.data.dirty_since)


async def test_figures_of_24_hours_reach_postgres(autojump_clock: MockClock) -> None:
    """Defect 2: volume24h and priceChange24h were buffered and never written."""
    world = SyncWorld()
    async with running(world.sync()):
        await admit_tokens(world, 1)
        await world.update(1.0, volume_24h=1234.5, price_change_24h=-12.5)
        await until(300.0)
    assert (1234.5, -12.5) == (world.stored().volume_24h, world.stored().price_change_24h)


# What happens during a flush.


async def test_update_that_comes_during_a_flush_is_not_lost(autojump_clock: MockClock) -> None:
    """Defect 3: reading and then deleting lost the update that came in between."""
    world = SyncWorld()
    async with running(world.sync()):
        await admit_tokens(world, 1)
        await world.update(1.0, holder_count=1, buys_24h=1)
        await until(10.0)
        world.store.delay_seconds = 2.0
        await until(301.0)  # the flush waits for Postgres
        await world.update(301.0, holder_count=2)
        await until(310.0)
        assert (1, 1) == (world.stored().holder_count, world.stored().buys_24h)
        assert 1 == len(world.servers.buffer.data.dirty_since)
        world.store.delay_seconds = 0.0
        await until(700.0)
    assert (2, 1) == (world.stored().holder_count, world.stored().buys_24h)
    assert (600.0, {mint(1): {"holder_count": 2}}) == world.rows_written[-1]


async def test_flush_ends_though_updates_never_do(autojump_clock: MockClock) -> None:
    world = SyncWorld(settings=attrs.evolve(SETTINGS.sync, interval_seconds=10.0, batch_rows=10))
    async with running(world.sync()) as nursery:
        await admit_tokens(world, 25)

        async def keep_trading() -> None:
            for count in range(10_000):
                await world.update(1 + count / 50, number=count % 25 + 1, buys_24h=count)
                await trio.sleep(0.02)

        world.store.delay_seconds = 0.5  # a batch takes as long as a round of updates
        nursery.start_soon(keep_trading)
        await until(25.0)
    assert len(world.store.writes) == 2 * ceil(25 / 10)
    assert 2 == len(world.log.entries("flush complete"))


async def test_two_updates_in_a_race_with_two_flushes_end_as_the_last(
    autojump_clock: MockClock,
) -> None:
    """Updates at random moments of slow flushes and of a slow buffer; the last value stands."""
    random = Random(7)
    world = SyncWorld(settings=attrs.evolve(SETTINGS.sync, interval_seconds=1.0))
    last: dict[int, int] = {}
    async with running(world.sync()):
        await admit_tokens(world, 8)
        world.store.delay_seconds = 0.3
        for count in range(2000):
            await trio.sleep(random.random() / 50)
            number = random.randint(1, 8)
            last[number] = count
            await world.update(trio.current_time(), number=number, buys_24h=count)
        world.messages.close()
        await trio.sleep(60)
    assert {number: world.stored(number).buys_24h for number in last} == last


# Idle.


async def test_idle_flushes_once_and_is_silent_for_an_hour(autojump_clock: MockClock) -> None:
    world = SyncWorld()
    async with running(world.sync()):
        await admit_tokens(world, 3)
        await until(10.0)
        await world.update(10.0, holder_count=1)
        await until(20.0)
        await world.go_idle()
        await until(20.0)
        assert [20.0] == world.store.write_times
        for second in range(21, 21 + int(HOUR), 10):
            await until(float(second))
            await world.update(float(second), number=second % 3 + 1, last_trade_at=at(second))
        assert [20.0] == world.store.attempts
        assert world.shown(1).last_trade_at is not None  # the buffer keeps what still comes
        await until(4000.0)
        await world.activate()
        await until(4000.0)
        assert [20.0, 4000.0] == world.store.write_times
        [_, (_, rows)] = world.rows_written
        assert {mint(1), mint(2), mint(3)} == rows.keys()
        await until(4001.0)
        await world.update(4001.0, holder_count=2)
        await until(4400.0)
    assert [20.0, 4000.0, 4300.0] == world.store.write_times


async def test_restart_while_idle_stays_idle(autojump_clock: MockClock) -> None:
    world = SyncWorld()
    async with running(world.sync()):
        await admit_tokens(world, 1)
        await until(10.0)
        await world.go_idle()
        await until(11.0)
    async with running(world.sync()):
        await until(12.0)
        await world.update(12.0, holder_count=1)
        await until(HOUR)
    assert [] == world.store.attempts


async def test_weeks_of_idling_stay_bounded(autojump_clock: MockClock) -> None:
    """More unflushed tokens than the table may hold are flushed, looked at or not."""
    world = SyncWorld(limit=100)
    sync = world.sync()
    async with running(sync):
        await world.go_idle()
        for number in range(1, 1001):
            await until(number * 10.0)
            await world.admit(token(number, first_seen_at=at(number * 10.0)))
            await world.update(number * 10.0, number=number, holder_count=1)
            # An interval's worth may come on top: 30 tokens.
            assert len(sync.table.unflushed) <= 100 + 31
            assert len(sync.table.published) <= 200 + 62
    assert pytest.approx(1000 / 115, abs=2) == len(world.store.writes)


# The end.


@pytest.mark.parametrize("idle", [False, True], ids=["active", "idle"])
async def test_drain_flushes_what_is_left(autojump_clock: MockClock, idle: bool) -> None:
    world = SyncWorld()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(world.sync().run)
        await admit_tokens(world, 1)
        await until(1.0)
        if idle:
            await world.go_idle()
        await until(2.0)
        await world.update(2.0, holder_count=5)
        world.messages.close()
    ended_at = 2.0 + MAIL_REST_SECONDS
    assert (ended_at, 5) == (trio.current_time(), world.stored().holder_count)
    assert 0 == len(world.servers.buffer.data.dirty_since)


async def test_drain_waits_for_what_a_slow_buffer_has_yet_to_take(
    autojump_clock: MockClock,
) -> None:
    world = SyncWorld()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(world.sync().run)
        await admit_tokens(world, 1)
        await until(2.0)
        world.servers.buffer.delay_seconds = 1.0
        await world.update(2.0, holder_count=4)
        await until(2.5)  # which is still under way
        await world.update(2.5, holder_count=5)
        world.messages.close()
    assert 5 == world.stored().holder_count
    assert 0 == len(world.servers.buffer.data.dirty_since)
