"""Sync on a buffer that falls back to an older moment: a promoted replica, a disk that lagged.

What was flushed since is in Postgres, and must not be overwritten by what the buffer has again.
"""

from attrs import define
from trio.testing import MockClock

from buffer import DirtyPage
from buffer.memory import MemoryBuffer
from domain.values import Version
from tests.unit.actors.sync.sync_world import SyncWorld, admit_tokens
from tests.unit.actors.world import Servers, clock, running, until

LOST = "buffer lost its data, putting it back"


async def test_a_value_of_before_that_is_told_anew_is_shown_and_stored(
    autojump_clock: MockClock,
) -> None:
    """To the buffer it is no change: it has not heard what came between."""
    world = SyncWorld()
    async with running(world.sync()):
        await admit_tokens(world, 1)
        await world.update(10.0, price_usd=1.0)
        await until(310.0)  # flushed
        state = world.servers.buffer.data.copy()
        await world.update(320.0, price_usd=2.0)
        await until(610.0)  # flushed
        world.servers.buffer.data = state
        await until(620.0)
        await world.update(620.0, price_usd=1.0)
        await until(630.0)
        assert 1.0 == world.shown().price_usd
        await until(910.0)
    assert 1.0 == world.stored().price_usd


async def test_a_value_of_before_a_drain_past_the_buffer_is_taken_anew(
    autojump_clock: MockClock,
) -> None:
    world = SyncWorld()
    async with running(world.sync()):
        await admit_tokens(world, 1)
        await world.update(10.0, price_usd=1.0)
        await until(310.0)  # flushed
        world.servers.buffer.fail_next(10**9)
        await world.update(320.0, price_usd=2.0)
        await until(330.0)
        await world.messages.aclose()
        await until(340.0)
    assert 2.0 == world.stored().price_usd
    buffer = MemoryBuffer(clock)  # of the next process, on the same server
    buffer.data = world.servers.buffer.data
    world = SyncWorld(servers=Servers(world.servers.database, buffer))
    async with running(world.sync()):
        await until(350.0)
        await world.update(350.0, price_usd=1.0)
        await until(360.0)
        assert 1.0 == world.shown().price_usd


async def test_what_is_dirty_again_is_not_flushed_over_what_came_later(
    autojump_clock: MockClock,
) -> None:
    world = SyncWorld()
    async with running(world.sync()):
        await admit_tokens(world, 2)
        await world.update(10.0, price_usd=1.0)
        await world.update(10.0, 2, price_usd=1.0)
        await until(20.0)
        state = world.servers.buffer.data.copy()
        await world.update(30.0, price_usd=2.0)
        await world.update(30.0, 2, price_usd=2.0)
        await until(310.0)  # flushed
        await world.update(310.0, 2, holder_count=5)
        await until(320.0)
        world.servers.buffer.data = state
        await until(330.0)  # missed: the second token's holders are put back
        await world.update(330.0, holder_count=7)
        await until(910.0)
    assert (2.0, 7) == (world.stored().price_usd, world.stored().holder_count)
    assert (2.0, 5) == (world.stored(2).price_usd, world.stored(2).holder_count)
    assert 1 == len(world.log.entries(LOST))


@define
class SheddingBuffer(MemoryBuffer):
    """A twin on a server that forgets its epoch behind every call, as one that evicts keys."""

    is_shedding: bool = False

    async def read_dirty(self, after: Version, limit: int) -> DirtyPage:
        if self.is_shedding:
            self.data.lose_epoch()
        return await super().read_dirty(after, limit)


async def test_a_buffer_that_goes_on_losing_holds_up_no_flush_and_is_told_once(
    autojump_clock: MockClock,
) -> None:
    buffer = SheddingBuffer(clock)
    world = SyncWorld(servers=Servers(buffer=buffer))
    async with running(world.sync()):
        await admit_tokens(world, 2)
        buffer.is_shedding = True
        for second in range(10, 600, 10):
            await world.update(second, holder_count=second)
            await until(second)
        assert world.stored().holder_count in (300, 310)
        assert "loses again" in world.conditions.problems["redis data", "sync"]
        assert 1 == len(world.log.entries(LOST))
        await until(610.0)
        assert 590 == world.stored().holder_count
        buffer.is_shedding = False
        await until(700.0)
        assert {} == world.conditions.problems
