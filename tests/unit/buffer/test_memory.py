"""What only the twin in memory has: faults to order, and a clock to move."""

from collections.abc import Awaitable

import pytest
import trio
from trio.testing import MockClock, assert_checkpoints

from buffer import BufferBounds, UpdateBuffer
from buffer.memory import MemoryBuffer
from domain.errors import BufferUnavailable
from domain.merging import Observations
from domain.values import NO_VERSION, Mint, UnixSeconds

MINT = Mint("A" * 44)


class Clock:
    now = UnixSeconds(1_760_000_000.0)

    def __call__(self) -> UnixSeconds:
        return self.now


def observed(price_usd: float) -> dict[Mint, Observations]:
    return {MINT: Observations({"price_usd": price_usd}, UnixSeconds(1000.0))}


def every_call(buffer: UpdateBuffer) -> list[Awaitable[object]]:
    return [
        buffer.open(),
        buffer.append_observations({}),
        buffer.read_dirty(NO_VERSION, 1),
        buffer.clear_flushed([]),
        buffer.spool_tokens([]),
        buffer.read_spooled(1),
        buffer.remove_spooled([]),
        buffer.quarantine_entries([]),
        buffer.read_quarantined(),
        buffer.release_quarantined([]),
        buffer.close(),
    ]


async def test_exactly_the_ordered_calls_fail_without_effect() -> None:
    buffer = MemoryBuffer(Clock())
    buffer.fail_next(2)
    for _ in range(2):
        with pytest.raises(BufferUnavailable):
            await buffer.append_observations(observed(1.0))
    assert len(buffer.data.dirty_since) == 0
    assert len((await buffer.append_observations(observed(1.0))).changed) == 1


async def test_a_call_that_fails_after_its_effect_has_happened() -> None:
    buffer = MemoryBuffer(Clock())
    buffer.fail_next(1, after_effect=True)
    with pytest.raises(BufferUnavailable):
        await buffer.append_observations(observed(1.0))
    assert len(buffer.data.dirty_since) == 1


async def test_lost_data_is_all_of_it() -> None:
    buffer = MemoryBuffer(Clock())
    await buffer.append_observations(observed(1.0))
    buffer.lose_data()
    assert not (await buffer.read_dirty(NO_VERSION, 10)).changes
    assert list(buffer.data.published) == []


async def test_every_method_is_a_checkpoint() -> None:
    for call in every_call(MemoryBuffer(Clock())):
        with assert_checkpoints():
            await call


async def test_a_flushed_value_is_remembered_for_an_hour_of_the_given_clock() -> None:
    clock = Clock()
    buffer = MemoryBuffer(clock, BufferBounds(clean_seconds=3600))
    await buffer.append_observations(observed(1.0))
    (token,) = (await buffer.read_dirty(NO_VERSION, 1)).changes
    await buffer.clear_flushed([token])
    clock.now = UnixSeconds(clock.now + 3599)
    assert (await buffer.append_observations(observed(1.0))).changed == {}
    clock.now = UnixSeconds(clock.now + 1)
    assert len((await buffer.append_observations(observed(1.0))).changed) == 1


async def test_forgotten_tokens_leave_nothing_behind() -> None:
    clock = Clock()
    buffer = MemoryBuffer(clock)
    await buffer.append_observations(observed(1.0))
    (token,) = (await buffer.read_dirty(NO_VERSION, 1)).changes
    await buffer.clear_flushed([token])
    clock.now = UnixSeconds(clock.now + 3600)
    await buffer.append_observations({})
    assert (buffer.data.tokens, buffer.data.expires_at) == ({}, {})


# A gap before and after the effect.


async def test_the_reply_comes_after_its_delay_and_the_effect_before(
    autojump_clock: MockClock,
) -> None:
    buffer = MemoryBuffer(Clock())
    buffer.delay_seconds, buffer.reply_delay_seconds = 0.25, 1.0
    answered: list[float] = []

    async def append() -> None:
        await buffer.append_observations(observed(1.0))
        answered.append(trio.current_time())

    async with trio.open_nursery() as nursery:
        began = trio.current_time()
        nursery.start_soon(append)
        await trio.sleep(0.2)
        assert {} == buffer.data.dirty_since
        await trio.sleep(0.1)
        assert [MINT] == list(buffer.data.dirty_since)
    assert [began + 1.25] == answered


async def test_every_call_has_the_gap(autojump_clock: MockClock) -> None:
    buffer = MemoryBuffer(Clock())
    buffer.delay_seconds, buffer.reply_delay_seconds = 2.0, 3.0
    for call in every_call(buffer):
        began = trio.current_time()
        await call
        assert 5.0 == trio.current_time() - began


async def test_a_call_that_has_begun_is_not_abandoned(autojump_clock: MockClock) -> None:
    """As in a worker thread: its answer is known, whatever becomes of the caller."""
    buffer = MemoryBuffer(Clock())
    buffer.reply_delay_seconds = 1.0
    with trio.move_on_after(0.5):
        appended = await buffer.append_observations(observed(1.0))
    assert [MINT] == list(appended.changed)
    assert 1.0 == trio.current_time()


async def test_a_call_that_has_not_begun_is_abandoned_without_effect() -> None:
    buffer = MemoryBuffer(Clock())
    with trio.CancelScope() as scope:
        scope.cancel()
        await buffer.append_observations(observed(1.0))
    assert {} == buffer.data.dirty_since


async def test_a_reply_that_is_lost_is_lost_after_its_delay(autojump_clock: MockClock) -> None:
    buffer = MemoryBuffer(Clock())
    buffer.reply_delay_seconds = 1.0
    buffer.fail_next(1, after_effect=True)
    with pytest.raises(BufferUnavailable):
        await buffer.append_observations(observed(1.0))
    assert ([MINT], 1.0) == (list(buffer.data.dirty_since), trio.current_time())


async def test_risks_that_a_test_orders_are_told() -> None:
    buffer = MemoryBuffer(Clock())
    assert [] == list(await buffer.open())
    buffer.risks = ["a risk"]
    assert ["a risk"] == list(await buffer.open())
