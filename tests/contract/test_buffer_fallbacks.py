"""A server that falls back: a replica that lagged is promoted, or a disk lacked the last writes.

All that the server holds is then as one earlier moment left it. Whatever was written since and
stands nowhere else must be missed: the epoch that the next call tells is another one.
"""

from collections.abc import Awaitable, Callable

import pytest

from buffer import UpdateBuffer
from tests.contract.buffer_rigs import (
    MINT,
    OTHER_MINT,
    THIRD_MINT,
    Loss,
    Rig,
    dirty_values,
    epoch_of,
    epoch_of_page,
    everything_dirty,
    new_token,
    observed,
)


async def begun(rig: Rig) -> str:
    """The epoch of a buffer with a dirty, a flushed and a spooled token."""
    await rig.buffer.append_observations(observed({"price_usd": 1.0}))
    [change] = await everything_dirty(rig.buffer)
    await rig.buffer.clear_flushed([change])
    await rig.buffer.append_observations(observed({"price_usd": 1.0}, mint=OTHER_MINT))
    await rig.buffer.spool_tokens([new_token(MINT)])
    return await epoch_of(rig.buffer)


WRITES: dict[str, Callable[[UpdateBuffer], Awaitable[object]]] = {
    "a value": lambda buffer: buffer.append_observations(observed({"price_usd": 2.0}, at=1001)),
    "a token": lambda buffer: buffer.append_observations(observed({"sells": 1}, mint=THIRD_MINT)),
    "a birth": lambda buffer: buffer.spool_tokens([new_token(OTHER_MINT)]),
}
QUESTIONS = {"append": epoch_of, "page": epoch_of_page}


@pytest.mark.parametrize("question", QUESTIONS)
@pytest.mark.parametrize("write", WRITES)
async def test_what_a_promoted_replica_lacks_is_missed(rig: Rig, write: str, question: str) -> None:
    before = await begun(rig)
    state = rig.copy_state()
    await WRITES[write](rig.buffer)
    rig.fall_back(state)
    assert before != await QUESTIONS[question](rig.buffer)
    after = await epoch_of(rig.buffer)
    assert before != after == await epoch_of_page(rig.buffer)


@pytest.mark.parametrize("question", QUESTIONS)
@pytest.mark.parametrize("write", WRITES)
async def test_it_is_missed_by_another_actor_of_the_process(
    rig: Rig, write: str, question: str
) -> None:
    before = await begun(rig)
    state = rig.copy_state()
    await WRITES[write](rig.beside())
    rig.fall_back(state)
    assert before != await QUESTIONS[question](rig.buffer)


@pytest.mark.parametrize("later", WRITES)
@pytest.mark.parametrize("write", WRITES)
async def test_no_later_write_hides_the_loss(rig: Rig, write: str, later: str) -> None:
    before = await begun(rig)
    state = rig.copy_state()
    await WRITES[write](rig.beside())
    rig.fall_back(state)
    await WRITES[later](rig.beside())
    assert before != await epoch_of_page(rig.buffer)
    assert before != await epoch_of(rig.buffer)


async def test_a_lost_version_is_not_hidden_by_a_birth(rig: Rig) -> None:
    before = await begun(rig)
    rig.lose(Loss.VERSION)
    buffer = rig.restarted()
    await buffer.spool_tokens([new_token(OTHER_MINT)])
    assert before != await epoch_of(buffer)


async def test_what_was_flushed_and_removed_since_comes_again(rig: Rig) -> None:
    """Nothing is missing then, and Postgres drops what it has."""
    before = await begun(rig)
    [change] = await everything_dirty(rig.buffer)
    state = rig.copy_state()
    await rig.buffer.clear_flushed([change])
    await rig.buffer.remove_spooled([MINT])
    rig.fall_back(state)
    assert before == await epoch_of_page(rig.buffer) == await epoch_of(rig.buffer)
    assert [change] == await everything_dirty(rig.buffer)
    assert [new_token(MINT)] == await rig.buffer.read_spooled(10)


async def test_what_is_put_back_is_whole_again(rig: Rig) -> None:
    await begun(rig)
    state = rig.copy_state()
    lost = observed({"price_usd": 2.0, "holder_count": 7}, at=1001)
    await rig.buffer.append_observations(lost)
    await rig.buffer.spool_tokens([new_token(OTHER_MINT)])
    rig.fall_back(state)
    epoch = await epoch_of(rig.buffer)
    await rig.buffer.append_observations(lost, forced=True)
    await rig.buffer.spool_tokens([new_token(MINT), new_token(OTHER_MINT)])
    assert epoch == await epoch_of(rig.buffer) == await epoch_of_page(rig.buffer)
    assert {"price_usd": 2.0, "holder_count": 7} == (await dirty_values(rig.buffer))[MINT]
    assert [new_token(MINT), new_token(OTHER_MINT)] == await rig.buffer.read_spooled(10)


async def test_an_epoch_that_was_lost_is_never_begun_again(rig: Rig) -> None:
    before = await begun(rig)
    state = rig.copy_state()
    rig.lose(Loss.EPOCH)
    lost = await epoch_of(rig.buffer)
    rig.fall_back(state)
    rig.lose(Loss.EPOCH)
    assert await epoch_of(rig.buffer) not in (before, lost)
