"""Sync when two faults meet: late replies, a buffer that loses a part, a drain without Redis."""

from collections.abc import Mapping, Sequence
from math import inf
from typing import Any

import attrs
import pytest
import trio
from attrs import define, field
from trio.testing import MockClock

from actors.sync.upkeep import RETAIN_EVERY_SECONDS
from buffer import Appended
from buffer.memory import MemoryBuffer
from domain.errors import StoreUnavailable
from domain.merging import Observations
from domain.messages import TokensAdmitted, TokenUpdated
from domain.token import Status
from domain.values import Mint, UnixSeconds, Value
from store import WriteReceipt
from tests.unit.actors.sync.sync_world import SyncWorld, admit_tokens
from tests.unit.actors.world import (
    HOUR,
    SETTINGS,
    Servers,
    TimedStore,
    at,
    clock,
    mint,
    running,
    token,
    until,
)

FOR_EVER = 10**9
LOST = "buffer lost its data, putting it back"


@define
class LateBuffer(MemoryBuffer):
    """A twin whose appends are answered long after their effect."""

    late_seconds: float = 0.0

    async def append_observations(self, batch: Mapping[Mint, Observations], **how: Any) -> Appended:
        appended = await super().append_observations(batch, **how)
        await trio.sleep(self.late_seconds)
        return appended


@define
class LeakyBuffer(MemoryBuffer):
    """A twin that loses its list of dirty tokens after each append, as often as it is given one."""

    appends: list[float] = field(factory=list, init=False)

    async def append_observations(self, batch: Mapping[Mint, Observations], **how: Any) -> Appended:
        if batch:
            self.appends.append(trio.current_time())
        appended = await super().append_observations(batch, **how)
        self.data.dirty_since.clear()
        return appended


# Redis away.


async def test_births_are_shown_at_once_while_the_buffer_is_away(
    autojump_clock: MockClock,
) -> None:
    world = SyncWorld()
    async with running(world.sync()):
        await until(1.0)
        world.servers.buffer.fail_next(FOR_EVER)
        for number in range(1, 25):
            await until(0.5 + number)
            await world.update(0.5 + number, number=number, holder_count=number)
            await until(1.0 + number)
            await world.admit(token(number))
        await until(40.0)
        first_shown = {
            m: second for second, message in world.published.entries for m in message.tokens
        }
        assert {mint(n): 1.0 + n for n in range(1, 25)} == first_shown
        assert {None} == {shown.holder_count for shown in world.shown_by_mint.values()}
        assert "redis" in {name for name, _ in world.conditions.problems}
        world.servers.buffer.fail_next(0)
        await until(60.0)
    assert list(range(1, 25)) == [world.shown(n).holder_count for n in range(1, 25)]
    assert {} == world.conditions.problems


async def test_births_are_shown_at_once_while_the_buffer_hangs(autojump_clock: MockClock) -> None:
    buffer = LateBuffer(clock)
    world = SyncWorld(servers=Servers(buffer=buffer))
    async with running(world.sync()):
        await admit_tokens(world, 1)
        await until(2.0)
        buffer.late_seconds = inf
        await world.update(2.0, number=1, holder_count=1)
        await until(3.0)
        await world.admit(token(2))
        await until(3.0)
        assert 2 == world.shown(2).id


async def test_values_that_wait_for_the_buffer_survive_a_crash_of_sync(
    autojump_clock: MockClock,
) -> None:
    world = SyncWorld()
    async with running(world.sync()):
        await admit_tokens(world, 1)
        world.servers.buffer.fail_next(FOR_EVER)
        await world.update(2.0, holder_count=5)
        await until(3.0)
        assert {"updated tokens": 1} == world.memory.count_unsaved()
    world.servers.buffer.fail_next(0)
    async with running(world.sync()):
        await until(4.0)
        assert 5 == world.shown().holder_count
        assert {} == world.memory.count_unsaved()


async def test_what_postgres_has_raises_the_clock_although_the_buffer_is_away(
    autojump_clock: MockClock,
) -> None:
    """Else what is told until then is older than what is stored, and loses to it for good."""
    world = SyncWorld()
    await world.admit(token(1))
    world.servers.buffer.fail_next(FOR_EVER)
    async with running(world.sync()):
        await until(10.0)
    assert [(0.0, at(1.0))] == world.raised_to  # Postgres keeps whole seconds


# Replies that come late.


async def test_value_that_comes_back_replaces_one_whose_append_had_no_answer(
    autojump_clock: MockClock,
) -> None:
    world = SyncWorld()
    async with running(world.sync()):
        await admit_tokens(world, 1)
        await world.update(1.0, holder_count=1)
        await until(2.0)
        world.servers.buffer.fail_next(1, after_effect=True)
        await world.update(2.0, holder_count=2)  # the buffer has it, and nobody knows
        await until(2.1)
        await world.update(2.1, holder_count=1)  # as it is shown
        await until(310.0)
    assert 1 == world.shown().holder_count
    assert 1 == world.stored().holder_count


@pytest.mark.usefixtures("rare_looks")
async def test_append_that_is_answered_after_a_flush_leaves_nothing_behind(
    autojump_clock: MockClock,
) -> None:
    """The reply's values were marked unflushed for ever, and the token never forgotten."""
    buffer = LateBuffer(clock)
    world = SyncWorld(servers=Servers(buffer=buffer))
    sync = world.sync()
    async with running(sync):
        await admit_tokens(world, 1)
        await until(299.5)
        buffer.late_seconds = 1.0
        await world.update(299.5, holder_count=5)
        await until(310.0)
        buffer.late_seconds = 0.0
        assert 5 == world.stored().holder_count
        await until(700.0)
        assert {} == sync.table.unflushed
        await until(49 * HOUR)
        assert {} == sync.table.published


# A buffer that loses a part.


async def test_list_of_dirty_tokens_that_was_deleted_is_noticed_by_the_next_flush(
    autojump_clock: MockClock,
) -> None:
    world = SyncWorld()
    sync = world.sync()
    async with running(sync):
        await admit_tokens(world, 60)
        for number in range(1, 61):
            await world.update(2.0, number=number, holder_count=number)
        await until(10.0)
        world.servers.buffer.data.dirty_since.clear()
        await until(299.0)
        assert [] == world.log.entries(LOST)
        await until(301.0)
    assert list(range(1, 61)) == [world.stored(n).holder_count for n in range(1, 61)]
    assert ([300.0], {}) == (world.log.times(LOST), world.memory.unflushed)
    assert (60, 1) == (sync.snapshot().lost, sync.snapshot().put_back)
    assert 60 == world.log.entries(LOST)[0]["updates"]


async def test_buffer_that_loses_all_it_is_given_is_not_asked_in_a_circle(
    autojump_clock: MockClock,
) -> None:
    buffer = LeakyBuffer(clock)
    world = SyncWorld(servers=Servers(buffer=buffer))
    async with running(world.sync()):
        await admit_tokens(world, 1)
        await until(2.0)
        await world.update(2.0, holder_count=5)
        await until(301.0)
        # The update, and what the flush did not meet; lost again, it is flushed all the same.
        assert [2.0, 300.0] == buffer.appends
        assert 5 == world.stored().holder_count
        await until(1000.0)
        assert [2.0, 300.0] == buffer.appends


async def test_new_token_that_the_spool_has_lost_is_spooled_again(
    autojump_clock: MockClock,
) -> None:
    world = SyncWorld()
    async with running(world.sync()):
        await until(1.0)
        await world.messages.send(TokensAdmitted(tokens=(token(1),)))
        await until(500.0)
        assert [] == await world.servers.buffer.read_spooled(9)
        await until(601.0)
        assert [token(1)] == await world.servers.buffer.read_spooled(9)


# A drain.


async def drained(world: SyncWorld) -> None:
    world.messages.close()
    with trio.fail_after(8.0):
        await world.sync().run()


@pytest.mark.parametrize("is_appended", [False, True], ids=["never appended", "appended before"])
async def test_drain_without_the_buffer_writes_straight_to_postgres(
    autojump_clock: MockClock, is_appended: bool
) -> None:
    world = SyncWorld()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(world.sync().run)
        await admit_tokens(world, 2)
        await world.update(2.0, number=1, holder_count=3, buys_24h=1)
        await until(2.0)
        if not is_appended:
            world.servers.buffer.fail_next(FOR_EVER)
        await world.update(3.0, number=1, status=2, pool_type="pumpswap", holder_count=4)
        await until(4.0)
        world.servers.buffer.fail_next(FOR_EVER)
        world.messages.close()
    seen = world.stored(1)
    assert (Status.BONDED, Status.NEW, "pumpswap", 4, 1) == (
        seen.status,
        seen.previous_status,
        seen.pool_type,
        seen.holder_count,
        seen.buys_24h,
    )
    assert {} == world.memory.count_unsaved()
    assert trio.current_time() <= 12.0


async def drain_past_the_buffer(**buffered: Any) -> SyncWorld:
    """The next start after a drain that wrote a holder count of 4 to Postgres, past the buffer.

    The buffer was away by then; it is back, and still has what was `buffered` before it, dirty.
    """
    world = SyncWorld()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(world.sync().run)
        await admit_tokens(world, 1)
        await world.update(2.0, **buffered)
        await until(3.0)
        world.servers.buffer.fail_next(FOR_EVER)
        await world.update(4.0, holder_count=4)
        await until(5.0)
        world.messages.close()
    world.servers.buffer.fail_next(0)
    return SyncWorld(servers=world.servers, store=world.store)


async def test_what_was_written_past_the_buffer_is_not_undone_when_the_buffer_is_back(
    autojump_clock: MockClock,
) -> None:
    later = await drain_past_the_buffer(holder_count=3, buys_24h=7)
    async with running(later.sync()):
        await until(400.0)
    assert (4, 7) == (later.stored().holder_count, later.stored().buys_24h)


async def test_what_was_written_past_the_buffer_is_shown_and_no_later_change_takes_it_back(
    autojump_clock: MockClock,
) -> None:
    """The next change of such a token took along what the buffer still held of it."""
    later = await drain_past_the_buffer(holder_count=3)
    async with running(later.sync()):
        await until(10.0)
        assert 4 == later.shown().holder_count
        await later.update(11.0, buys_24h=9)
        await until(400.0)
    assert (4, 9) == (later.stored().holder_count, later.stored().buys_24h)


async def test_a_start_waits_for_the_buffer_that_is_to_forget_what_is_stored_anew(
    autojump_clock: MockClock,
) -> None:
    later = await drain_past_the_buffer(holder_count=3)
    later.servers.buffer.is_read_only = True  # it can be read, and forgets nothing
    async with running(later.sync()):
        await until(20.0)
        later.servers.buffer.is_read_only = False
        await until(400.0)
        assert 4 == later.shown().holder_count
    assert {} == {m: f for m, f in later.servers.buffer.data.tokens.items() if f.is_dirty}


async def test_spooled_token_is_written_straight_to_postgres_at_such_a_drain(
    autojump_clock: MockClock,
) -> None:
    world = SyncWorld()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(world.sync().run)
        await until(1.0)
        await world.messages.send(TokensAdmitted(tokens=(token(7),)))
        await world.update(1.0, number=7, holder_count=9)
        await until(2.0)
        world.servers.buffer.fail_next(FOR_EVER)
        world.messages.close()
    assert 9 == world.stored(7).holder_count
    assert {} == world.memory.count_unsaved()


async def test_drain_without_any_store_tries_on_and_knows_what_is_unsaved(
    autojump_clock: MockClock,
) -> None:
    world = SyncWorld()
    async with running(world.sync()):
        await admit_tokens(world, 2)
        await until(2.0)
        world.servers.buffer.fail_next(FOR_EVER)
        world.store.go_down()
        await world.update(3.0, number=1, holder_count=4)
        await until(4.0)
        world.messages.close()
        await until(9.0)
        assert {"updated tokens": 1} == world.memory.count_unsaved()
        world.store.come_up()  # in time after all
        await until(20.0)
    assert ({}, 4) == (world.memory.count_unsaved(), world.stored(1).holder_count)


async def test_drain_without_postgres_leaves_the_values_in_the_buffer(
    autojump_clock: MockClock,
) -> None:
    world = SyncWorld()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(world.sync().run)
        await admit_tokens(world, 1)
        await until(2.0)
        world.store.go_down()
        await world.update(3.0, holder_count=4)
        await until(4.0)
        world.messages.close()
    assert (4.0, {}) == (trio.current_time(), world.memory.count_unsaved())
    assert [mint(1)] == list(world.servers.buffer.data.dirty_since)


# Idle.


async def test_change_of_status_reaches_postgres_within_its_bound_also_while_idle(
    autojump_clock: MockClock,
) -> None:
    world = SyncWorld()
    async with running(world.sync()):
        await admit_tokens(world, 2)
        await until(10.0)
        await world.go_idle()
        await until(1000.0)
        await world.update(1000.0, number=1, status=2, holder_count=3)
        await world.update(1000.0, number=2, holder_count=5)
        await until(1000.0 + world.staleness.lifecycle_seconds)
        assert (Status.BONDED, 3) == (world.stored(1).status, world.stored(1).holder_count)
        assert world.stored(2).holder_count is None
        await until(5 * HOUR)
    assert 1 == len(world.store.writes)


# What is no update.


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({"price_usd": float("nan")}, "JSON cannot say"),
        ({"holder_count": 2**70}, "64"),
        ({"status": "BONDED"}, "BONDED"),
        ({"no_such_field": 1}, "a field that no token has"),
        ({"website": "\ud800"}, "surrogates"),
    ],
)
async def test_update_that_cannot_be_kept_is_quarantined_and_stops_nobody(
    autojump_clock: MockClock, values: dict[str, Value], reason: str
) -> None:
    world = SyncWorld()
    sync = world.sync()
    async with running(sync):
        await admit_tokens(world, 2)
        await until(2.0)
        await world.messages.send(
            TokenUpdated(mint=mint(1), observed_at=at(2.0), origin="ingest", values=values)
        )
        await world.update(2.0, number=2, holder_count=8)
        await until(3.0)
        assert 8 == world.shown(2).holder_count
        [row] = world.quarantined
    assert mint(1) == row.mint
    assert reason in row.reason
    [said] = world.log.entries("update quarantined")
    assert (row.mint, row.reason) == (said["mint"], said["reason"])
    assert (1, 0) == (sync.snapshot().refused, sync.snapshot().quarantined)


# Retention that fails.


@define(kw_only=True, eq=False)
class BrokenRetention(TimedStore):
    """A twin that cannot drop anything: a replica identity is missing, say."""

    tries: list[float] = field(factory=list, init=False)

    async def drop_unretained(self, now: UnixSeconds) -> WriteReceipt:
        self.tries.append(trio.current_time())
        raise StoreUnavailable("ObjectNotInPrerequisiteState: no replica identity")


@pytest.mark.usefixtures("rare_looks")
async def test_retention_that_fails_is_told_and_tried_less_and_less_often(
    autojump_clock: MockClock,
) -> None:
    servers = Servers()
    store = BrokenRetention(database=servers.database)
    world = SyncWorld(servers=servers, store=store)
    sync = world.sync()
    async with running(sync):
        await until(24 * HOUR)
    said = world.log.entries("retention failed")
    assert [1200, 2400] == [each["again_seconds"] for each in said[1:3]]
    assert len(store.tries) == sync.snapshot().failed_retentions
    waits: Sequence[float] = [b - a for a, b in zip(store.tries, store.tries[1:], strict=False)]
    assert [600.0, 1200.0, 2400.0, 4800.0, 9600.0, 19200.0, 21600.0] == waits[:7]
    assert RETAIN_EVERY_SECONDS == store.tries[0]
    assert "no replica identity" in world.conditions.problems["retention", "sync"]


async def test_wrong_eviction_policy_is_told_at_the_start(autojump_clock: MockClock) -> None:
    world = SyncWorld()
    world.servers.buffer.risks = ("maxmemory-policy allkeys-lru evicts keys",)
    async with running(world.sync()):
        await until(1.0)
    [said] = world.log.entries("the buffer may lose data")
    assert "allkeys-lru" in said["risk"]
    assert "allkeys-lru" in world.conditions.problems["redis configuration", "sync"]


# What is told.


async def test_store_that_is_away_is_told_by_name_until_it_answers(
    autojump_clock: MockClock,
) -> None:
    world = SyncWorld()
    async with running(world.sync()):
        await until(12.0)
        world.store.go_down()
        await until(21.0)
        assert {("postgres", "sync"): "the database is down"} == world.conditions.problems
        world.store.come_up()
        await until(31.0)
        assert {} == world.conditions.problems


# More updates than the buffer takes.


async def test_mail_rests_while_more_waits_than_one_call_takes(autojump_clock: MockClock) -> None:
    """What rests in the mailbox is conflated there; a new token behind it is shown in time."""
    world = SyncWorld(settings=attrs.evolve(SETTINGS.sync, append_updates=10))
    async with running(world.sync()):
        await admit_tokens(world, 30)
        await until(10.0)
        world.servers.buffer.delay_seconds = 1.0
        for number in range(1, 31):  # all at once, so that they come in batches of ten
            values: Mapping[str, Value] = {"holder_count": number}
            world.messages.send_nowait(
                TokenUpdated(mint=mint(number), observed_at=at(10), origin="ingest", values=values)
            )
        await until(10.04)
        await world.update(10.04, number=30, holder_count=3000)
        await world.update(10.04, number=30, holder_count=3001)
        await world.admit(token(31))
        resting = world.messages.statistics()
        assert (21, 2) == (resting.depth, resting.conflated)  # ten of them are in hand
        await until(20.0)
    first_shown = {
        m: second for second, message in reversed(world.published.entries) for m in message.tokens
    }
    assert 10.1 == pytest.approx(first_shown[mint(31)])  # after two rests
    assert [*range(1, 30), 3001] == [world.shown(n).holder_count for n in range(1, 31)]
