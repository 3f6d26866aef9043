"""Sync flushes: what reaches Postgres, when, in how many statements, and after which faults."""

from collections.abc import Mapping, Sequence
from math import ceil
from random import Random

import attrs
import pytest
import trio
from attrs import define
from trio.testing import MockClock

from buffer import Appended
from buffer.memory import MemoryBuffer
from domain.errors import BufferUnavailable
from domain.messages import TokensAdmitted, TokenUpdated
from domain.values import Mint, Version
from tests.unit.actors.sync_world import SyncWorld
from tests.unit.actors.world import HOUR, SETTINGS, Servers, at, clock, mint, running, token, until


@define
class MortalBuffer(MemoryBuffer):
    """A twin whose process dies before it has cleared what was flushed."""

    is_dying: bool = False

    async def clear(self, flushed: Mapping[Mint, Version]) -> int:
        if self.is_dying:
            raise BrokenPipeError("killed")
        return await super().clear(flushed)


@define
class FlakyBuffer(MemoryBuffer):
    """A twin of which some appends fail, by number."""

    appends: int = 0
    failing: frozenset[int] = frozenset()

    async def append(self, updates: Sequence[TokenUpdated]) -> Appended:
        self.appends += 1
        if self.appends in self.failing:
            raise BufferUnavailable
        return await super().append(updates)


async def admit_tokens(world: SyncWorld, count: int) -> None:
    """After the flush at the start, so that the next one is at 300 seconds."""
    await until(1.0)
    await world.admit(*(token(number) for number in range(1, count + 1)))


# When and how much.


async def test_flushes_are_an_interval_apart(autojump_clock: MockClock) -> None:
    world = SyncWorld()
    async with running(world.sync()):
        await admit_tokens(world, 1)
        for second in (10.0, 299.0, 301.0, 901.0):
            await until(second)
            await world.update(second, last_trade_at=at(second))
        await until(2000.0)
    assert world.store.write_times == [300.0, 600.0, 1200.0]  # at 900 there was nothing to write


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
    assert (written.receipt.rows, written.receipt.statements) == (5, 1)
    assert {change.values["buys_24h"] for change in written.changes} == {999}


async def test_no_statement_takes_more_than_a_batch(autojump_clock: MockClock) -> None:
    world = SyncWorld(settings=attrs.evolve(SETTINGS.sync, batch_rows=10))
    async with running(world.sync()):
        await admit_tokens(world, 25)
        for number in range(1, 26):
            await world.update(1.0, number=number, buys_24h=1)
        await until(301.0)
    assert [len(changes) for _, changes in world.store.writes] == [10, 10, 5]
    assert world.log.entries("flush complete")[0]["rows"] == 25


async def test_flush_passes_those_that_are_parked(autojump_clock: MockClock) -> None:
    world = SyncWorld(settings=attrs.evolve(SETTINGS.sync, batch_rows=2))
    async with running(world.sync()):
        await admit_tokens(world, 1)
        for number in (11, 12, 13, 14, 15):  # nobody knows them
            await world.update(1.0, number=number, holder_count=1)
        await until(2.0)
        await world.update(2.0, number=1, holder_count=1)
        await until(301.0)
    assert world.stored(1).holder_count == 1


async def test_value_that_came_back_is_not_written(autojump_clock: MockClock) -> None:
    world = SyncWorld()
    async with running(world.sync()):
        await world.admit(token(1, holder_count=5))
        await until(1.0)
        await world.update(1.0, holder_count=6)
        await until(2.0)
        await world.update(2.0, holder_count=5)
        await until(301.0)
    assert world.rows_written == []
    assert await world.servers.buffer.dirty_count() == 0


async def test_figures_of_24_hours_reach_postgres(autojump_clock: MockClock) -> None:
    """Defect 2: volume24h and priceChange24h were buffered and never written."""
    world = SyncWorld()
    async with running(world.sync()):
        await admit_tokens(world, 1)
        await world.update(1.0, volume_24h=1234.5, price_change_24h=-12.5)
        await until(300.0)
    assert (world.stored().volume_24h, world.stored().price_change_24h) == (1234.5, -12.5)


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
        assert (world.stored().holder_count, world.stored().buys_24h) == (1, 1)
        assert await world.servers.buffer.dirty_count() == 1
        await until(700.0)
    assert (world.stored().holder_count, world.stored().buys_24h) == (2, 1)
    assert world.rows_written[-1] == (602.0, {mint(1): {"holder_count": 2}})


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
    assert len(world.log.entries("flush complete")) == 2


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


# When a store is away.


async def test_flush_is_repeated_until_postgres_answers(autojump_clock: MockClock) -> None:
    world = SyncWorld()
    async with running(world.sync()):
        await admit_tokens(world, 1)
        await world.update(1.0, holder_count=1)
        await until(1.0)
        world.store.go_down()
        await until(301.0)
        await world.update(301.0, buys_24h=2)
        await until(302.0)
        assert world.shown().buys_24h == 2  # the feed goes on meanwhile
        world.store.come_up()
        await until(310.0)
    assert world.store.attempts == [300.0, 300.25, 300.75, 301.75, 303.75]
    assert world.rows_written == [(303.75, {mint(1): {"holder_count": 1, "buys_24h": 2}})]


async def test_write_that_happened_although_it_failed_is_harmless(
    autojump_clock: MockClock,
) -> None:
    world = SyncWorld()
    async with running(world.sync()):
        await admit_tokens(world, 1)
        await world.update(1.0, holder_count=1)
        await until(1.0)
        world.store.commit_then_fail_next()
        await until(310.0)
    assert world.stored().holder_count == 1
    assert await world.servers.buffer.dirty_count() == 0


async def test_crash_between_commit_and_clear_is_harmless(autojump_clock: MockClock) -> None:
    buffer = MortalBuffer(clock)
    world = SyncWorld(servers=Servers(buffer=buffer))
    with pytest.RaisesGroup(BrokenPipeError, flatten_subgroups=True):
        async with running(world.sync()):
            await admit_tokens(world, 1)
            await world.update(1.0, holder_count=1)
            await until(299.0)
            buffer.is_dying = True
            await until(301.0)
    buffer.is_dying = False
    assert (world.stored().holder_count, await buffer.dirty_count()) == (1, 1)
    async with running(world.sync()):
        await until(302.0)
    assert (world.stored().holder_count, await buffer.dirty_count()) == (1, 0)
    assert len(world.store.writes) == 1  # what a start finds in Postgres is not written again


async def test_buffer_that_loses_its_data_gets_back_what_is_not_stored(
    autojump_clock: MockClock,
) -> None:
    """Defect 4: what an expired buffer had forgotten stayed pending for ever."""
    world = SyncWorld()
    async with running(world.sync()):
        await admit_tokens(world, 3)
        await world.update(1.0, number=1, holder_count=1, status=1)
        await until(300.0)
        for number in (1, 2, 3):
            await world.update(300.5, number=number, buys_24h=number)
        await until(301.0)
        world.servers.buffer.lose_data()
        await until(601.0)
    assert [world.stored(number).buys_24h for number in (1, 2, 3)] == [1, 2, 3]
    assert [len(changes) for _, changes in world.store.writes] == [1, 3]


async def test_update_that_finds_the_buffer_empty_puts_the_others_back(
    autojump_clock: MockClock,
) -> None:
    world = SyncWorld()
    async with running(world.sync()):
        await admit_tokens(world, 2)
        await world.update(1.0, number=1, holder_count=1)
        await until(1.0)
        world.servers.buffer.lose_data()
        await world.update(2.0, number=2, holder_count=2)
        await until(2.0)
        assert await world.servers.buffer.dirty_count() == 2
    assert world.shown(2).holder_count == 2


async def test_putting_back_is_repeated_when_it_is_interrupted(autojump_clock: MockClock) -> None:
    buffer = FlakyBuffer(clock)
    world = SyncWorld(
        servers=Servers(buffer=buffer),
        settings=attrs.evolve(SETTINGS.sync, append_updates=1),
    )
    async with running(world.sync()):
        await admit_tokens(world, 3)
        for number in (1, 2, 3):
            await world.update(1.0, number=number, holder_count=number)
        await until(2.0)
        buffer.lose_data()
        # 1 tells of the loss, 2 asks for the epoch, 3 puts the first token back, 4 fails.
        buffer.appends, buffer.failing = 0, frozenset({4, 5})
        await world.update(2.0, number=1, buys_24h=1)
        await until(2.5)
        assert await buffer.dirty_count() == 1
        await until(3.0)
        assert await buffer.dirty_count() == 3
        assert world.shown(1).buys_24h == 1
        await until(301.0)
    assert [world.stored(number).holder_count for number in (1, 2, 3)] == [1, 2, 3]
    assert world.stored(1).buys_24h == 1


async def test_spooled_tokens_come_back_with_the_rest(autojump_clock: MockClock) -> None:
    """While Postgres is away, Redis alone holds the new tokens, and this process."""
    world = SyncWorld()
    async with running(world.sync()):
        await world.servers.buffer.spool([token(1), token(2)])
        await world.messages.send(TokensAdmitted(tokens=(token(1), token(2))))
        await world.update(1.0, number=1, holder_count=1)
        await until(1.0)
        world.servers.buffer.lose_data()
        await world.update(2.0, number=1, holder_count=2)
        await until(2.0)
    assert await world.servers.buffer.spooled(9) == [token(1), token(2)]


async def test_refused_row_is_quarantined_and_the_others_are_written(
    autojump_clock: MockClock,
) -> None:
    world = SyncWorld()
    async with running(world.sync()):
        await admit_tokens(world, 7)
        for number in range(1, 8):
            await world.update(1.0, number=number, website="NUL \x00" if number == 3 else "w")
        await until(301.0)
        [row] = await world.servers.buffer.quarantined()
        assert (row.mint, row.values) == (mint(3), {"website": "NUL \x00"})
        assert [world.stored(n).website for n in range(1, 8)] == ["w", "w", None, *"wwww"]
        assert await world.servers.buffer.dirty_count() == 0
        # A good value of the same token is written after that.
        await world.update(302.0, number=3, website="good")
        await until(601.0)
    assert world.stored(3).website == "good"


async def test_refused_value_does_not_count_as_stored(autojump_clock: MockClock) -> None:
    world = SyncWorld()
    async with running(world.sync()):
        await until(1.0)
        await world.admit(token(1, website="good"))
        await world.update(1.0, website="NUL \x00")
        await until(301.0)
        await world.update(302.0, website="good")
        await until(601.0)
    assert world.rows_written == []  # Postgres has had it all the time
    assert world.shown().website == world.stored().website == "good"


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
        assert world.store.write_times == [20.0]
        for second in range(21, 21 + int(HOUR), 10):
            await until(float(second))
            await world.update(float(second), number=second % 3 + 1, last_trade_at=at(second))
        assert world.store.attempts == [20.0]
        assert world.shown(1).last_trade_at is not None  # the buffer keeps what still comes
        await until(4000.0)
        await world.activate()
        await until(4000.0)
        assert world.store.write_times == [20.0, 4000.0]
        [_, (_, rows)] = world.rows_written
        assert rows.keys() == {mint(1), mint(2), mint(3)}
        await until(4001.0)
        await world.update(4001.0, holder_count=2)
        await until(4400.0)
    assert world.store.write_times == [20.0, 4000.0, 4300.0]


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
    assert world.store.attempts == []


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
    assert len(world.store.writes) == pytest.approx(1000 / 115, abs=2)


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
    assert (trio.current_time(), world.stored().holder_count) == (2.0, 5)
    assert await world.servers.buffer.dirty_count() == 0
