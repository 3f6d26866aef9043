"""What only the twin in memory has: faults to order, and a clock to move."""

import pytest
from trio.testing import assert_checkpoints

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


def updated(price_usd: float) -> dict[Mint, Observations]:
    return {MINT: Observations({"price_usd": price_usd}, UnixSeconds(1000.0))}


async def test_exactly_the_ordered_calls_fail_without_effect() -> None:
    buffer = MemoryBuffer(Clock())
    buffer.fail_next(2)
    for _ in range(2):
        with pytest.raises(BufferUnavailable):
            await buffer.append_observations(updated(1.0))
    assert len(buffer.data.dirty_since) == 0
    assert len((await buffer.append_observations(updated(1.0))).changed) == 1


async def test_a_call_that_fails_after_its_effect_has_happened() -> None:
    buffer = MemoryBuffer(Clock())
    buffer.fail_next(1, after_effect=True)
    with pytest.raises(BufferUnavailable):
        await buffer.append_observations(updated(1.0))
    assert len(buffer.data.dirty_since) == 1


async def test_lost_data_is_all_of_it() -> None:
    buffer = MemoryBuffer(Clock())
    await buffer.append_observations(updated(1.0))
    buffer.lose_data()
    assert (await buffer.read_dirty(NO_VERSION, 10)).changes == []
    assert list(buffer.data.published) == []


async def test_every_method_is_a_checkpoint() -> None:
    buffer: UpdateBuffer = MemoryBuffer(Clock())
    calls = [
        buffer.open(),
        buffer.append_observations({}),
        buffer.read_dirty(NO_VERSION, 1),
        buffer.clear_flushed([]),
        buffer.spool_tokens([]),
        buffer.read_spooled(1),
        buffer.remove_spooled([]),
        buffer.quarantine_rows([]),
        buffer.read_quarantined(),
        buffer.release_quarantined([]),
        buffer.close(),
    ]
    for call in calls:
        with assert_checkpoints():
            await call


async def test_a_flushed_value_is_remembered_for_an_hour_of_the_given_clock() -> None:
    clock = Clock()
    buffer = MemoryBuffer(clock, BufferBounds(clean_seconds=3600))
    await buffer.append_observations(updated(1.0))
    (token,) = (await buffer.read_dirty(NO_VERSION, 1)).changes
    await buffer.clear_flushed([token])
    clock.now = UnixSeconds(clock.now + 3599)
    assert (await buffer.append_observations(updated(1.0))).changed == {}
    clock.now = UnixSeconds(clock.now + 1)
    assert len((await buffer.append_observations(updated(1.0))).changed) == 1


async def test_forgotten_tokens_leave_nothing_behind() -> None:
    clock = Clock()
    buffer = MemoryBuffer(clock)
    await buffer.append_observations(updated(1.0))
    (token,) = (await buffer.read_dirty(NO_VERSION, 1)).changes
    await buffer.clear_flushed([token])
    clock.now = UnixSeconds(clock.now + 3600)
    await buffer.append_observations({})
    assert (buffer.data.tokens, buffer.data.expires_at) == ({}, {})
