"""What every buffer tells of data that its server has lost in part, and what becomes of the rest.

A loss is noticed when the epoch that a call tells is another one than before; the callers then
put back, by `forced`, what they hold.
"""

from random import Random

import pytest

from domain.errors import BufferUnavailable
from domain.values import Mint, Version
from tests.contract.buffer_rigs import (
    MINT,
    OTHER_MINT,
    QUARANTINED,
    THIRD_MINT,
    Loss,
    Rig,
    dirty_values,
    epoch_of,
    epoch_of_page,
    everything_dirty,
    flush,
    new_token,
    observed,
    observed_of_each,
)

MINTS = [Mint(f"mint-{number:02}") for number in range(60)]


# Nothing lost.


async def test_an_epoch_lasts_as_long_as_nothing_is_lost(rig: Rig) -> None:
    epoch = await epoch_of(rig.buffer)
    await rig.buffer.spool_tokens([new_token(MINT), new_token(OTHER_MINT)])
    await rig.buffer.append_observations(observed({"price_usd": 1.0}))
    await flush(rig.buffer)
    await rig.buffer.append_observations(observed({"price_usd": 1.0}), forced=True)
    await rig.buffer.read_spooled(10)
    await rig.buffer.remove_spooled([MINT, OTHER_MINT])
    await flush(rig.buffer)
    await rig.pass_seconds(3601)
    assert epoch == await epoch_of_page(rig.buffer) == await epoch_of(rig.buffer)
    assert epoch == await epoch_of_page(rig.restarted()) == await epoch_of(rig.restarted())


# Hashes.


async def test_a_lost_hash_ends_the_epoch_and_is_dirty_no_more(rig: Rig) -> None:
    before = await rig.buffer.append_observations(observed_of_each({"price_usd": 1.0}, MINTS[:3]))
    rig.lose_tokens([MINTS[1]])
    page = await rig.buffer.read_dirty(Version(0), 1000)
    assert ("", [MINTS[0], MINTS[2]]) == (page.epoch, [one.mint for one in page.changes])
    after = await epoch_of(rig.buffer)
    assert before.epoch != after == await epoch_of_page(rig.buffer)


async def test_pages_are_full_whatever_was_lost_between(rig: Rig) -> None:
    """A page that were shorter than asked for would end a flush before its time."""
    await rig.buffer.append_observations(observed_of_each({"price_usd": 1.0}, MINTS))
    rig.lose_tokens([mint for number, mint in enumerate(MINTS) if number % 6])
    seen, after = [], Version(0)
    while changes := (await rig.buffer.read_dirty(after, 3)).changes:
        seen.append([one.mint for one in changes])
        after = changes[-1].dirty_since
    kept = MINTS[::6]
    assert [kept[:3], kept[3:6], kept[6:9], kept[9:]] == seen


async def test_a_lost_hash_that_is_written_again_is_told_at_once(rig: Rig) -> None:
    """Else nobody would miss the other values that went with it."""
    batch = observed({"price_usd": 1.0, "holder_count": 7})
    before = await rig.buffer.append_observations(batch)
    rig.lose_tokens([MINT])
    after = await rig.buffer.append_observations(observed({"holder_count": 8}, at=1001))
    assert before.epoch != after.epoch == await epoch_of_page(rig.buffer)
    await rig.buffer.append_observations(batch, forced=True)
    assert {MINT: {"price_usd": 1.0, "holder_count": 8}} == await dirty_values(rig.buffer)


async def test_the_hash_of_a_flushed_token_can_go_unnoticed(rig: Rig) -> None:
    """Postgres has its values; the same one again is a change once more, which costs a row."""
    await rig.buffer.append_observations(observed({"price_usd": 1.0}))
    await flush(rig.buffer)
    epoch = await epoch_of(rig.buffer)
    rig.lose_tokens([MINT])
    appended = await rig.buffer.append_observations(observed({"price_usd": 1.0}))
    assert ([MINT], epoch) == (list(appended.changed), appended.epoch)


async def test_clearing_a_lost_hash_leaves_the_loss_to_be_told(rig: Rig) -> None:
    await rig.buffer.append_observations(observed({"price_usd": 1.0}))
    [change] = await everything_dirty(rig.buffer)
    rig.lose_tokens([MINT])
    assert 0 == await rig.buffer.clear_flushed([change])
    assert "" == await epoch_of_page(rig.buffer)


# The list of dirty tokens.


async def test_a_lost_list_of_dirty_tokens_is_told_by_the_next_page(rig: Rig) -> None:
    batch = observed_of_each({"price_usd": 1.0}, MINTS)
    before = await rig.buffer.append_observations(batch)
    rig.lose(Loss.DIRTY_LIST)
    page = await rig.buffer.read_dirty(Version(0), 1000)
    assert ("", []) == (page.epoch, list(page.changes))
    after = await epoch_of(rig.buffer)
    assert before.epoch != after
    await rig.buffer.append_observations(batch, forced=True)
    assert MINTS == [one.mint for one in await everything_dirty(rig.buffer)]
    assert after == await epoch_of_page(rig.buffer)


async def test_a_lost_list_of_dirty_tokens_is_told_by_the_next_append(rig: Rig) -> None:
    before = await rig.buffer.append_observations(observed({"price_usd": 1.0}))
    rig.lose(Loss.DIRTY_LIST)
    after = await rig.buffer.append_observations(observed({"price_usd": 1.0}, mint=OTHER_MINT))
    assert before.epoch != after.epoch == await epoch_of_page(rig.buffer)


async def test_a_token_whose_entry_was_lost_is_cleared_all_the_same(rig: Rig) -> None:
    await rig.buffer.append_observations(observed({"price_usd": 1.0}))
    [change] = await everything_dirty(rig.buffer)
    await rig.buffer.append_observations(observed({"holder_count": 1}, at=1001))
    rig.lose(Loss.DIRTY_LIST)
    assert 0 == await rig.buffer.clear_flushed([change])  # and the later field is dirty again
    assert {MINT: {"holder_count": 1}} == await dirty_values(rig.buffer)


async def test_a_forced_token_is_dirty_though_only_its_marks_said_so(rig: Rig) -> None:
    await rig.buffer.append_observations(observed({"price_usd": 2.0}, at=1001))
    rig.lose(Loss.DIRTY_LIST)
    older = observed({"price_usd": 1.0}, at=1000)  # loses, and changes nothing
    assert {} == (await rig.buffer.append_observations(older, forced=True)).changed
    assert {MINT: {"price_usd": 2.0}} == await dirty_values(rig.buffer)


async def test_a_change_is_dirty_though_only_the_marks_of_its_token_said_so(rig: Rig) -> None:
    await rig.buffer.append_observations(observed({"price_usd": 2.0}))
    rig.lose(Loss.DIRTY_LIST)
    await rig.buffer.append_observations(observed({"holder_count": 1}, at=1001))
    assert {MINT: {"price_usd": 2.0, "holder_count": 1}} == await dirty_values(rig.buffer)


async def test_a_process_that_starts_finds_what_a_lost_list_left(rig: Rig) -> None:
    """Nobody holds these values any more but their hashes."""
    await rig.buffer.append_observations(observed_of_each({"price_usd": 1.0}, MINTS[:3]))
    [first, *_] = await everything_dirty(rig.buffer)
    await rig.buffer.clear_flushed([first])
    rig.lose(Loss.DIRTY_LIST)
    buffer = rig.restarted()
    await buffer.open()
    await epoch_of(buffer)
    assert set(MINTS[1:3]) == {one.mint for one in await everything_dirty(buffer)}


# The version and the epoch.


@pytest.mark.parametrize("loss", [Loss.VERSION, Loss.EPOCH])
async def test_a_lost_version_or_epoch_is_told(rig: Rig, loss: Loss) -> None:
    before = await rig.buffer.append_observations(observed({"price_usd": 1.0}))
    rig.lose(loss)
    assert "" == await epoch_of_page(rig.buffer)
    after = await epoch_of(rig.buffer)
    assert before.epoch != after == await epoch_of_page(rig.buffer)


@pytest.mark.parametrize("loss", [Loss.VERSION, Loss.EPOCH])
async def test_a_process_that_starts_is_told_too(rig: Rig, loss: Loss) -> None:
    before = await rig.buffer.append_observations(observed({"price_usd": 1.0}))
    rig.lose(loss)
    buffer = rig.restarted()
    assert "" == await epoch_of_page(buffer)
    assert before.epoch != await epoch_of(buffer)


async def test_no_page_ends_early_for_want_of_the_version(rig: Rig) -> None:
    """A pass ends at the newest version that its first page tells."""
    await rig.buffer.append_observations(observed_of_each({"price_usd": 1.0}, MINTS))
    rig.lose(Loss.VERSION)
    rig.clock.advance(-7200.0)
    buffer = rig.restarted()
    await epoch_of(buffer)
    page = await buffer.read_dirty(Version(0), 1000)
    assert page.newest >= page.changes[-1].dirty_since


async def test_a_change_is_dirty_though_version_and_clock_went_back(rig: Rig) -> None:
    await rig.buffer.append_observations(observed({"price_usd": 1.0}))
    await flush(rig.buffer)
    rig.lose(Loss.VERSION)
    rig.clock.advance(-7200.0)
    buffer = rig.restarted()
    await epoch_of(buffer)
    appended = await buffer.append_observations(observed({"price_usd": 2.0}, at=1001))
    assert [MINT] == list(appended.changed)
    assert {MINT: {"price_usd": 2.0}} == await dirty_values(rig.buffer)


# The spool.


async def test_a_spool_whose_order_was_lost_is_mended_and_told(rig: Rig) -> None:
    before = await epoch_of(rig.buffer)
    await rig.buffer.spool_tokens([new_token(MINT), new_token(OTHER_MINT)])
    rig.lose(Loss.SPOOL_ORDER)
    assert "" == await epoch_of_page(rig.buffer)
    assert {MINT, OTHER_MINT} == {one.mint for one in await rig.buffer.read_spooled(10)}
    after = await epoch_of(rig.buffer)
    assert before != after == await epoch_of_page(rig.buffer)


async def test_spooled_tokens_whose_rows_were_lost_are_told_and_hide_no_other(rig: Rig) -> None:
    before = await epoch_of(rig.buffer)
    await rig.buffer.spool_tokens([new_token(MINT), new_token(OTHER_MINT)])
    rig.lose(Loss.SPOOL_ROWS)
    await rig.buffer.spool_tokens([new_token(THIRD_MINT)])
    assert [new_token(THIRD_MINT)] == await rig.buffer.read_spooled(1)
    after = await epoch_of(rig.buffer)
    assert before != after == await epoch_of_page(rig.buffer)


async def test_lost_rows_are_told_by_a_page_that_comes_first(rig: Rig) -> None:
    before = await epoch_of(rig.buffer)
    await rig.buffer.spool_tokens([new_token(MINT), new_token(OTHER_MINT)])
    rig.lose(Loss.SPOOL_ROWS)
    assert "" == await epoch_of_page(rig.buffer)
    after = await epoch_of(rig.buffer)
    assert before != after == await epoch_of_page(rig.buffer)
    assert [] == await rig.buffer.read_spooled(10)


async def test_a_spool_that_is_lost_altogether_is_told(rig: Rig) -> None:
    before = await epoch_of(rig.buffer)
    await rig.buffer.spool_tokens([new_token(MINT)])
    rig.lose(Loss.SPOOL_ORDER)
    rig.lose(Loss.SPOOL_ROWS)
    assert "" == await epoch_of_page(rig.buffer)
    assert before != await epoch_of(rig.buffer)


@pytest.mark.parametrize("losses", [[Loss.SPOOL_ORDER], [Loss.SPOOL_ROWS], list(Loss)])
async def test_tokens_that_are_spooled_again_come_back_in_order(
    rig: Rig, losses: list[Loss]
) -> None:
    await epoch_of(rig.buffer)
    tokens = [new_token(MINT), new_token(OTHER_MINT), new_token(THIRD_MINT)]
    await rig.buffer.spool_tokens(tokens)
    for loss in losses:
        rig.lose(loss)
    await rig.buffer.spool_tokens(tokens)
    assert tokens == await rig.buffer.read_spooled(10)
    await epoch_of(rig.buffer)
    await epoch_of_page(rig.buffer)
    assert tokens == await rig.buffer.read_spooled(10)


# Everything at random.


@pytest.mark.parametrize("seed", range(20))
async def test_whatever_was_evicted_all_is_dirty_once_it_is_put_back(rig: Rig, seed: int) -> None:
    """And putting it back is not told to be a loss, or it would never end."""
    random = Random(seed)
    batch = observed_of_each({"price_usd": 1.0}, MINTS)
    before = await rig.buffer.append_observations(batch)
    rig.lose_tokens(random.sample(MINTS, 30))
    for loss in random.sample(list(Loss), random.randint(0, len(Loss))):
        rig.lose(loss)
    await rig.buffer.append_observations(observed({"price_usd": 2.0}, 1001, MINTS[0]))
    page = await rig.buffer.read_dirty(Version(0), 1000)
    assert before.epoch != page.epoch
    epoch = await epoch_of(rig.buffer)
    put_back = await rig.buffer.append_observations(batch, forced=True)
    assert epoch == put_back.epoch == await epoch_of_page(rig.buffer)
    values = await dirty_values(rig.buffer)
    assert {MINTS[0]: 2.0} | dict.fromkeys(MINTS[1:], 1.0) == {
        mint: one["price_usd"] for mint, one in values.items()
    }
    await flush(rig.buffer)
    assert ([], epoch) == (await everything_dirty(rig.buffer), await epoch_of_page(rig.buffer))


# A server in trouble.


async def test_a_full_server_takes_nothing_and_lets_go_of_what_was_flushed(rig: Rig) -> None:
    await rig.buffer.append_observations(observed_of_each({"price_usd": 1.0}, MINTS))
    read = await everything_dirty(rig.buffer)
    await rig.buffer.append_observations(observed({"holder_count": 1}, mint=MINTS[0]))
    await rig.buffer.spool_tokens([new_token(MINT)])
    rig.fill()
    for call in (
        rig.buffer.append_observations(observed({"price_usd": 2.0})),
        rig.buffer.spool_tokens([new_token(OTHER_MINT)]),
        rig.buffer.quarantine_entries([QUARANTINED]),
    ):
        with pytest.raises(BufferUnavailable, match=r"OOM|maxmemory"):
            await call
    assert len(MINTS) - 1 == await rig.buffer.clear_flushed(read)
    assert {MINTS[0]: {"holder_count": 1}} == await dirty_values(rig.buffer)
    await rig.buffer.remove_spooled([MINT])
    assert [] == await rig.buffer.read_spooled(10)


async def test_a_demoted_server_takes_and_clears_nothing_and_can_be_read(rig: Rig) -> None:
    await rig.buffer.append_observations(observed({"price_usd": 1.0}))
    [change] = await everything_dirty(rig.buffer)
    rig.demote()
    for call in (
        rig.buffer.append_observations(observed({"price_usd": 2.0})),
        rig.buffer.clear_flushed([change]),
        rig.buffer.spool_tokens([new_token(MINT)]),
    ):
        with pytest.raises(BufferUnavailable, match=r"(?i)read.?only"):
            await call
    assert {MINT: {"price_usd": 1.0}} == await dirty_values(rig.buffer)
