"""Sync when a store is away, forgets or refuses: nothing is lost, nothing old comes back."""

from collections.abc import Mapping, Sequence
from typing import Any

import attrs
import pytest
from attrs import Factory, define
from trio.testing import MockClock

from buffer import Appended, DirtyPage
from buffer.memory import MemoryBuffer
from domain.errors import BufferUnavailable
from domain.merging import Observations
from domain.messages import TokenChange, TokensAdmitted
from domain.values import NO_VERSION, Mint, Version
from tests.unit.actors.sync.sync_world import SyncWorld, admit_tokens
from tests.unit.actors.world import SETTINGS, Servers, clock, mint, running, token, until


@define
class MortalBuffer(MemoryBuffer):
    """A twin whose process dies before it has cleared what was flushed."""

    is_dying: bool = False

    async def clear_flushed(self, flushed: Sequence[TokenChange]) -> int:
        if self.is_dying:
            raise BrokenPipeError("killed")
        return await super().clear_flushed(flushed)


@define
class FlakyBuffer(MemoryBuffer):
    """A twin of which some appends fail, by number."""

    appends: int = 0
    failing: frozenset[int] = frozenset()

    async def append_observations(self, batch: Mapping[Mint, Observations], **how: Any) -> Appended:
        self.appends += 1
        if self.appends in self.failing:
            raise BufferUnavailable
        return await super().append_observations(batch, **how)


@define
class ForgetfulBuffer(MemoryBuffer):
    """A twin that loses its data behind a page, and is appended to before anybody notices."""

    appended: Mapping[Mint, Observations] = Factory(dict)

    async def read_dirty(self, after: Version, limit: int) -> DirtyPage:
        page = await super().read_dirty(after, limit)
        if self.appended:
            self.lose_data()
            appended, self.appended = self.appended, {}
            await self.append_observations(appended)
        return page


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
        assert 2 == world.shown().buys_24h  # the feed goes on meanwhile
        world.store.come_up()
        await until(310.0)
    assert [300.0, 300.25, 300.75, 301.75, 303.75] == world.store.attempts
    assert [(303.75, {mint(1): {"holder_count": 1, "buys_24h": 2}})] == world.rows_written


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
    assert 1 == world.stored().holder_count
    assert 0 == len(world.servers.buffer.data.dirty_since)


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
    assert (1, 1) == (world.stored().holder_count, len(buffer.data.dirty_since))
    async with running(world.sync()):
        await until(302.0)
    assert (1, 0) == (world.stored().holder_count, len(buffer.data.dirty_since))
    # What is in Postgres already is not written again.
    assert [1, 0] == [written.receipt.rows for written in world.store.written]


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
    assert [1, 2, 3] == [world.stored(number).buys_24h for number in (1, 2, 3)]
    assert [1, 3] == [len(changes) for _, changes in world.store.writes]


async def test_data_lost_between_two_pages_of_a_flush_is_put_back(
    autojump_clock: MockClock,
) -> None:
    buffer = ForgetfulBuffer(clock)
    settings = attrs.evolve(SETTINGS.sync, batch_rows=1)
    world = SyncWorld(servers=Servers(buffer=buffer), settings=settings)
    async with running(world.sync()):
        await admit_tokens(world, 2)
        for number in (1, 2):
            await world.update(1.0, number=number, holder_count=number)
        await until(299.0)
        buffer.appended = {mint(2): Observations({"buys_24h": 5}, clock())}
        await until(301.0)
    assert [1, 2] == [world.stored(number).holder_count for number in (1, 2)]
    assert 5 == world.stored(2).buys_24h


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
        assert 2 == len(world.servers.buffer.data.dirty_since)
    assert 2 == world.shown(2).holder_count


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
        assert 1 == len(buffer.data.dirty_since)
        await until(3.0)
        assert 3 == len(buffer.data.dirty_since)
        assert 1 == world.shown(1).buys_24h
        await until(301.0)
    assert [1, 2, 3] == [world.stored(number).holder_count for number in (1, 2, 3)]
    assert 1 == world.stored(1).buys_24h


async def test_spooled_tokens_come_back_with_the_rest(autojump_clock: MockClock) -> None:
    """While Postgres is away, Redis alone holds the new tokens, and this process."""
    world = SyncWorld()
    async with running(world.sync()):
        await world.servers.buffer.spool_tokens([token(1), token(2)])
        await world.messages.send(TokensAdmitted(tokens=(token(1), token(2))))
        await world.update(1.0, number=1, holder_count=1)
        await until(1.0)
        world.servers.buffer.lose_data()
        await world.update(2.0, number=1, holder_count=2)
        await until(2.0)
    assert [token(1), token(2)] == await world.servers.buffer.read_spooled(9)


async def test_refused_row_is_quarantined_and_the_others_are_written(
    autojump_clock: MockClock,
) -> None:
    world = SyncWorld()
    sync = world.sync()
    async with running(sync):
        await admit_tokens(world, 7)
        for number in range(1, 8):
            await world.update(1.0, number=number, website="NUL \x00" if number == 3 else "w")
        await until(301.0)
        [row] = await world.servers.buffer.read_quarantined()
        assert [row] == world.quarantined
        again = row.restore_content()
        assert (mint(3), {"website": "NUL \x00"}) == (again.mint, again.values)
        [said] = world.log.entries("update quarantined")
        assert (mint(3), row.reason) == (said["mint"], said["reason"])
        assert (1, 0) == (sync.snapshot().quarantined, sync.snapshot().refused)
        assert ["w", "w", None, *"wwww"] == [world.stored(n).website for n in range(1, 8)]
        assert 0 == len(world.servers.buffer.data.dirty_since)
        # A good value of the same token is written after that.
        await world.update(302.0, number=3, website="good")
        await until(601.0)
    assert "good" == world.stored(3).website


async def test_refused_value_does_not_count_as_stored(autojump_clock: MockClock) -> None:
    world = SyncWorld()
    async with running(world.sync()):
        await until(1.0)
        await world.admit(token(1, website="good"))
        await world.update(1.0, website="NUL \x00")
        await until(301.0)
        await world.update(302.0, website="good")
        await until(601.0)
    # Postgres has had it all the time.
    assert [0] == [written.receipt.rows for written in world.store.written]
    assert world.shown().website == world.stored().website == "good"


# Lost data, and what only looks like it.

LOST = "buffer lost its data, putting it back"


async def test_restart_with_all_data_there_puts_nothing_back(autojump_clock: MockClock) -> None:
    world = SyncWorld()
    async with running(world.sync()):
        await admit_tokens(world, 1)
        await world.update(5.0, pool_address="old")
        await world.update(100.0, origin="holder-count", holder_count=3)
        await until(101.0)
    async with running(world.sync()):
        await until(102.0)
        # A repetition would have lifted the address to the later time of the count.
        await world.update(50.0, origin="ingest pools", pool_address="new")
        await until(103.0)
    assert ("new", []) == (world.shown().pool_address, world.log.entries(LOST))


async def test_loss_is_found_by_a_probe_when_nobody_calls_the_buffer(
    autojump_clock: MockClock,
) -> None:
    world = SyncWorld()
    async with running(world.sync()):
        await admit_tokens(world, 1)
        await world.update(2.0, holder_count=9)
        await until(10.0)
        world.servers.buffer.lose_data()
        await until(16.0)
        assert [15.0] == world.log.times(LOST)
        assert [mint(1)] == list(world.servers.buffer.data.dirty_since)


async def test_values_of_a_token_that_lost_its_id_stay_in_the_buffer(
    autojump_clock: MockClock,
) -> None:
    """A server without its last commits has given the id to another token."""
    world = SyncWorld()
    async with running(world.sync()):
        await admit_tokens(world, 2)
        lost = world.stored(1)
        world.servers.database.tokens.pop(lost.mint)
        heir = attrs.evolve(token(9), id=lost.id)
        world.servers.database.tokens[heir.mint] = heir
        world.servers.database.mints[heir.id or 0] = heir.mint
        await world.update(10, 1, price_usd=1.0)
        await world.update(10, 2, price_usd=2.0)
        await until(301)
        assert (heir, 2.0) == (world.stored(9), world.stored(2).price_usd)
        held = (await world.servers.buffer.read_dirty(NO_VERSION, 10)).changes
        assert {lost.mint: {"price_usd": 1.0}} == {one.mint: one.values for one in held}
        assert [] == list(await world.servers.buffer.read_quarantined())
