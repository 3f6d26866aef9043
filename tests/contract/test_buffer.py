"""What every buffer does: the twin in memory, and the real one on a real server."""

import math
from collections.abc import Iterator

import pytest

from buffer import UpdateBuffer
from domain.errors import BufferUnavailable
from domain.messages import Refused
from domain.token import Status, Token
from domain.values import Mint, UnixSeconds, Value, Version
from tests.contract.buffer_rigs import (
    MINT,
    OTHER_MINT,
    THIRD_MINT,
    MemoryRig,
    RedisRig,
    Rig,
    append,
    bounds,
    cleared,
    dirty_values,
    everything_dirty,
    flush,
    updated,
)


@pytest.fixture(params=["memory", "redis"])
def rig(request: pytest.FixtureRequest) -> Iterator[Rig]:
    made: Rig
    if request.param == "memory":
        made = MemoryRig()
    else:
        made = RedisRig(request.getfixturevalue("redis_url"))
    yield made
    made.close()


@pytest.fixture
def buffer(rig: Rig) -> UpdateBuffer:
    return rig.buffer


# Append: merging.


async def test_a_new_value_is_changed_and_dirty(buffer: UpdateBuffer) -> None:
    update = updated({"price_usd": 1.5, "holder_count": 7}, at=1234.5)
    assert (update,) == (await append(buffer, [update])).changed
    (token,) = await everything_dirty(buffer)
    assert token.mint == MINT
    assert token.values == {"price_usd": 1.5, "holder_count": 7}
    assert token.observed_at == 1234.5
    assert token.version == token.dirty_since


async def test_an_equal_value_changes_nothing(buffer: UpdateBuffer) -> None:
    await append(buffer, [updated({"price_usd": 1.5})])
    before = await everything_dirty(buffer)
    assert (await append(buffer, [updated({"price_usd": 1.5})])).changed == ()
    assert before == await everything_dirty(buffer)


async def test_only_fields_that_changed_are_reported(buffer: UpdateBuffer) -> None:
    await append(buffer, [updated({"price_usd": 1.5, "holder_count": 7})])
    newer = updated({"price_usd": 1.5, "holder_count": 8}, at=1001)
    (change,) = (await append(buffer, [newer])).changed
    assert updated({"holder_count": 8}, at=1001) == change


async def test_an_older_observation_loses(buffer: UpdateBuffer) -> None:
    await append(buffer, [updated({"price_usd": 2.0}, at=1000)])
    assert (await append(buffer, [updated({"price_usd": 1.0}, at=999)])).changed == ()
    assert await dirty_values(buffer) == {MINT: {"price_usd": 2.0}}


async def test_of_two_observations_of_one_time_the_later_call_wins(buffer: UpdateBuffer) -> None:
    await append(buffer, [updated({"price_usd": 2.0})])
    await append(buffer, [updated({"price_usd": 1.0})])
    assert await dirty_values(buffer) == {MINT: {"price_usd": 1.0}}


async def test_an_equal_value_moves_the_time_of_observation(buffer: UpdateBuffer) -> None:
    await append(buffer, [updated({"price_usd": 2.0}, at=1000)])
    await append(buffer, [updated({"price_usd": 2.0}, at=1010)])
    assert (await append(buffer, [updated({"price_usd": 1.0}, at=1005)])).changed == ()
    (token,) = await everything_dirty(buffer)
    assert token.observed_at == 1010.0


async def test_an_older_sighting_of_the_same_value_moves_no_time_back(
    buffer: UpdateBuffer,
) -> None:
    await append(buffer, [updated({"price_usd": 2.0}, at=1010)])
    await append(buffer, [updated({"price_usd": 2.0}, at=1000)])
    assert (await append(buffer, [updated({"price_usd": 1.0}, at=1005)])).changed == ()


async def test_a_status_that_is_no_greater_changes_nothing(buffer: UpdateBuffer) -> None:
    await append(buffer, [updated({"status": Status.GRADUATING}, at=1000)])
    assert (await append(buffer, [updated({"status": 1.0}, at=1001)])).changed == ()


async def test_the_greatest_status_wins_whatever_its_time(buffer: UpdateBuffer) -> None:
    await append(buffer, [updated({"status": Status.GRADUATING}, at=1000)])
    assert (await append(buffer, [updated({"status": Status.NEW}, at=2000)])).changed == ()
    assert len((await append(buffer, [updated({"status": Status.BONDED}, at=500)])).changed) == 1
    assert await dirty_values(buffer) == {MINT: {"status": 2}}


async def test_fields_of_one_batch_merge_each_by_its_own_time(buffer: UpdateBuffer) -> None:
    batch = [
        updated({"price_usd": 5.0, "holder_count": 1}, at=1005),
        updated({"price_usd": 3.0, "volume_24h": 3.0}, at=1003),
    ]
    (change,) = (await append(buffer, batch)).changed
    assert updated({"price_usd": 5.0, "holder_count": 1, "volume_24h": 3.0}, at=1005) == change
    assert len((await append(buffer, [updated({"volume_24h": 4.0}, at=1004)])).changed) == 1


async def test_a_value_that_is_back_within_a_batch_is_no_change(buffer: UpdateBuffer) -> None:
    await append(buffer, [updated({"price_usd": 1.0}, at=1000)])
    batch = [updated({"price_usd": 2.0}, at=1001), updated({"price_usd": 1.0}, at=1002)]
    assert (await append(buffer, batch)).changed == ()


async def test_each_token_of_a_batch_is_changed_once_and_in_order(buffer: UpdateBuffer) -> None:
    batch = [
        updated({"price_usd": 1.0}, mint=OTHER_MINT),
        updated({"price_usd": 1.0}, mint=MINT),
        updated({"holder_count": 1}, mint=OTHER_MINT),
    ]
    changed = (await append(buffer, batch)).changed
    assert [change.mint for change in changed] == [OTHER_MINT, MINT]


async def test_an_update_without_values_is_nothing(buffer: UpdateBuffer) -> None:
    assert (await append(buffer, [updated({})])).changed == ()
    assert len(await everything_dirty(buffer)) == 0


@pytest.mark.parametrize(
    "value",
    [
        0,
        0.0,
        -0.0,
        1,
        True,
        False,
        "",
        "true",
        "null",
        ' "quoted" \\ back\nslash 币 🜁 \u2028 \x7f',
        1e-12,
        0.1 + 0.2,
        5e-324,
        1.7976e308,
        2**53 + 1,
        2**60,
        2**64 - 1,
        -(2**63),
    ],
    ids=repr,
)
async def test_a_value_comes_back_exactly(buffer: UpdateBuffer, value: Value) -> None:
    await append(buffer, [updated({"description": value})])
    (token,) = await everything_dirty(buffer)
    returned = token.values["description"]
    assert (type(value), repr(value)) == (type(returned), repr(returned))
    assert (await append(buffer, [updated({"description": value}, at=1001)])).changed == ()


@pytest.mark.parametrize(("old", "new"), [(1, True), (0, 0.0), (0.0, False), (2**60, 2**60 + 1)])
async def test_values_of_different_text_are_different(
    buffer: UpdateBuffer, old: Value, new: Value
) -> None:
    await append(buffer, [updated({"description": old})])
    assert len((await append(buffer, [updated({"description": new})])).changed) == 1


async def test_a_time_comes_back_exactly(buffer: UpdateBuffer) -> None:
    at = 1_760_000_000.1234567
    await append(buffer, [updated({"price_usd": 1.0}, at=at)])
    (token,) = await everything_dirty(buffer)
    assert at == token.observed_at


@pytest.mark.parametrize("value", [math.nan, math.inf, None, 2**64, "\ud800"], ids=ascii)
async def test_what_json_cannot_say_is_refused_alone(buffer: UpdateBuffer, value: Value) -> None:
    batch = [updated({"price_usd": 1.0}), updated({"price_usd": value}, mint=OTHER_MINT)]
    appended = await append(buffer, batch)
    assert ([MINT], [OTHER_MINT]) == ([c.mint for c in appended.changed], list(appended.refused))
    assert [MINT] == [token.mint for token in await everything_dirty(buffer)]


@pytest.mark.parametrize("value", [True, "BONDED"])
async def test_a_status_that_is_no_number_is_refused(buffer: UpdateBuffer, value: Value) -> None:
    appended = await append(buffer, [updated({"status": value})])
    assert "status is compared as a number" in appended.refused[MINT]


async def test_an_observation_at_no_time_is_refused(buffer: UpdateBuffer) -> None:
    appended = await append(buffer, [updated({"price_usd": 1.0}, at=math.nan)])
    assert {MINT: "observed at no time"} == appended.refused


async def test_a_forced_append_takes_equal_values_for_changes(buffer: UpdateBuffer) -> None:
    (before,) = (await append(buffer, [updated({"price_usd": 1.0})])).changed
    (again,) = (await append(buffer, [updated({"price_usd": 1.0})], forced=True)).changed
    assert before == again


# Append: publication.


async def test_changes_are_published_with_their_versions(rig: Rig) -> None:
    await append(rig.buffer, [updated({"price_usd": 1.0, "holder_count": 1}, at=1000.5)])
    await append(rig.buffer, [updated({"price_usd": 1.0, "holder_count": 2}, at=1001.5)])
    first, second = rig.published()
    assert first.values == {"price_usd": 1.0, "holder_count": 1}
    assert second.values == {"holder_count": 2}
    assert [first.observed_at, second.observed_at] == [1000.5, 1001.5]
    (token,) = await everything_dirty(rig.buffer)
    assert [token.dirty_since, token.version] == [first.version, second.version]


async def test_a_change_is_published_with_its_exact_time(rig: Rig) -> None:
    at = 1_760_000_000.1234567
    await append(rig.buffer, [updated({"price_usd": 1.0}, at=at)])
    assert [at] == [change.observed_at for change in rig.published()]


async def test_every_change_of_a_large_batch_is_published_in_order(rig: Rig) -> None:
    mints = [Mint(f"mint-{number}") for number in range(120)]
    await append(rig.buffer, [updated({"price_usd": 1.0}, mint=mint) for mint in mints])
    assert mints == [change.mint for change in rig.published()]


async def test_what_did_not_change_is_not_published(rig: Rig) -> None:
    for at in (1000, 1001, 999):
        await append(rig.buffer, [updated({"price_usd": 1.0}, at=at)])
    assert len(rig.published()) == 1


# Dirty and clear.


async def test_a_cleared_token_is_clean(buffer: UpdateBuffer) -> None:
    await append(
        buffer, [updated({"price_usd": 1.0}), updated({"price_usd": 1.0}, mint=OTHER_MINT)]
    )
    mine = next(token for token in await everything_dirty(buffer) if token.mint == MINT)
    assert await cleared(buffer, {MINT: mine.version}) == 1
    assert await dirty_values(buffer) == {OTHER_MINT: {"price_usd": 1.0}}
    assert len(await everything_dirty(buffer)) == 1


async def test_an_update_between_read_and_clear_is_not_lost(buffer: UpdateBuffer) -> None:
    """Defect 3 of the former system."""
    await append(buffer, [updated({"price_usd": 1.0, "holder_count": 1}, at=1000)])
    (read,) = await everything_dirty(buffer)
    await append(buffer, [updated({"price_usd": 2.0}, at=1001)])
    assert await cleared(buffer, {MINT: read.version}) == 0
    (left,) = await everything_dirty(buffer)
    assert left.values == {"price_usd": 2.0}
    assert left.observed_at == 1001.0
    assert left.version == left.dirty_since > read.version
    assert await cleared(buffer, {MINT: left.version}) == 1
    assert len(await everything_dirty(buffer)) == 0


async def test_clearing_an_older_version_clears_nothing(buffer: UpdateBuffer) -> None:
    await append(buffer, [updated({"price_usd": 1.0})])
    before = await everything_dirty(buffer)
    assert await cleared(buffer, {MINT: Version(before[0].version - 1)}) == 0
    assert before == await everything_dirty(buffer)


async def test_clearing_again_is_harmless(buffer: UpdateBuffer) -> None:
    await append(buffer, [updated({"price_usd": 1.0})])
    (read,) = await everything_dirty(buffer)
    await cleared(buffer, {MINT: read.version})
    assert await cleared(buffer, {MINT: read.version, OTHER_MINT: read.version}) == 0
    await append(buffer, [updated({"price_usd": 2.0})])
    assert await cleared(buffer, {MINT: read.version}) == 0
    assert await dirty_values(buffer) == {MINT: {"price_usd": 2.0}}


async def test_a_late_clear_makes_nothing_dirty_again(buffer: UpdateBuffer) -> None:
    await append(buffer, [updated({"price_usd": 1.0})])
    (first,) = await everything_dirty(buffer)
    await cleared(buffer, {MINT: first.version})
    await append(buffer, [updated({"holder_count": 1})])
    await cleared(buffer, {MINT: Version(first.version - 1)})
    assert await dirty_values(buffer) == {MINT: {"holder_count": 1}}


async def test_clearing_a_version_yet_to_come_clears_no_later_change(buffer: UpdateBuffer) -> None:
    await append(buffer, [updated({"price_usd": 1.0})])
    await cleared(buffer, {MINT: Version(2**52)})
    await append(buffer, [updated({"price_usd": 2.0})])
    assert await dirty_values(buffer) == {MINT: {"price_usd": 2.0}}


async def test_pages_hold_every_dirty_token_once_the_oldest_first(buffer: UpdateBuffer) -> None:
    mints = [Mint(f"mint-{number}") for number in (3, 1, 2, 5, 4)]
    await append(buffer, [updated({"price_usd": 1.0}, mint=mint) for mint in mints[:3]])
    await append(buffer, [updated({"price_usd": 1.0}, mint=mint) for mint in mints[3:]])
    await append(buffer, [updated({"price_usd": 2.0}, mint=mints[0])])
    seen: list[Mint] = []
    after = Version(0)
    while page := (await buffer.read_dirty(after, 2)).changes:
        assert len(page) <= 2
        seen += [token.mint for token in page]
        after = page[-1].dirty_since
    assert mints == seen


async def test_a_flushed_value_is_remembered(buffer: UpdateBuffer) -> None:
    await append(buffer, [updated({"price_usd": 1.0, "holder_count": 1}, at=1000)])
    await flush(buffer)
    assert (await append(buffer, [updated({"price_usd": 1.0}, at=1001)])).changed == ()
    assert (await append(buffer, [updated({"holder_count": 9}, at=999)])).changed == ()
    assert len(await everything_dirty(buffer)) == 0


async def test_only_what_changed_after_a_flush_is_dirty(buffer: UpdateBuffer) -> None:
    await append(buffer, [updated({"price_usd": 1.0, "holder_count": 1}, at=1000)])
    await flush(buffer)
    await append(buffer, [updated({"price_usd": 2.0, "holder_count": 1}, at=1001)])
    assert await dirty_values(buffer) == {MINT: {"price_usd": 2.0}}


async def test_a_clean_token_is_forgotten_in_time(rig: Rig) -> None:
    buffer = rig.bounded(bounds(clean_seconds=100))
    await append(buffer, [updated({"price_usd": 1.0})])
    await flush(buffer)
    await rig.pass_seconds(101)
    assert len((await append(buffer, [updated({"price_usd": 1.0})])).changed) == 1


async def test_a_clean_token_that_is_still_seen_is_remembered(rig: Rig) -> None:
    buffer = rig.bounded(bounds(clean_seconds=100))
    await append(buffer, [updated({"price_usd": 1.0}, at=1000)])
    await flush(buffer)
    for at in (1001, 1002):
        await rig.pass_seconds(60)
        assert (await append(buffer, [updated({"price_usd": 1.0}, at=at)])).changed == ()


async def test_a_dirty_token_never_expires(rig: Rig) -> None:
    """Defect 4 of the former system."""
    buffer = rig.bounded(bounds(clean_seconds=100))
    await append(buffer, [updated({"price_usd": 1.0}, at=1000)])
    await flush(buffer)
    await append(buffer, [updated({"price_usd": 2.0}, at=1001)])
    await rig.pass_seconds(101)
    assert await dirty_values(buffer) == {MINT: {"price_usd": 2.0}}
    assert len(await everything_dirty(buffer)) == 1


async def test_past_the_bound_of_dirty_tokens_nothing_of_a_batch_is_kept(rig: Rig) -> None:
    buffer = rig.bounded(bounds(dirty_tokens=2))
    await append(buffer, [updated({"price_usd": 1.0})])
    batch = [updated({"price_usd": 1.0}, mint=mint) for mint in (OTHER_MINT, THIRD_MINT)]
    with pytest.raises(BufferUnavailable, match="FULL 1 tokens wait to be flushed"):
        await append(buffer, batch)
    assert await dirty_values(buffer) == {MINT: {"price_usd": 1.0}}
    await flush(buffer)
    assert len((await append(buffer, batch)).changed) == 2


# Versions, epochs and lost answers.


async def test_versions_grow_though_the_clock_stands_or_steps_back(rig: Rig) -> None:
    versions = []
    for number, step in enumerate((0.0, 0.0, -3600.0, 0.0, 7200.0)):
        rig.clock.advance(step)
        await append(rig.buffer, [updated({"price_usd": float(number)})])
        versions.append((await everything_dirty(rig.buffer))[0].version)
    assert sorted(set(versions)) == versions
    assert int(rig.clock.now * 1e6) == versions[-1]


async def test_lost_data_means_a_new_epoch_and_greater_versions(rig: Rig) -> None:
    before = await append(rig.buffer, [updated({"price_usd": 1.0})])
    assert before.epoch == (await append(rig.buffer, [])).epoch
    (old,) = await everything_dirty(rig.buffer)
    rig.lose_data()
    rig.clock.advance(-3600)
    after = await append(rig.buffer, [updated({"price_usd": 1.0})])
    assert before.epoch != after.epoch == (await append(rig.buffer, [])).epoch
    assert len(after.changed) == 1
    (new,) = await everything_dirty(rig.buffer)
    assert old.version < new.version
    assert await cleared(rig.buffer, {MINT: old.version}) == 0


async def test_a_page_tells_the_epoch_and_the_newest_version(rig: Rig) -> None:
    mints = [MINT, OTHER_MINT]
    appended = await append(rig.buffer, [updated({"price_usd": 1.0}, mint=mint) for mint in mints])
    page = await rig.buffer.read_dirty(Version(0), 1)
    assert (page.epoch, page.newest) == (appended.epoch, appended.newest)
    assert page.changes[0].version < page.newest
    rig.lose_data()
    assert "" == (await rig.buffer.read_dirty(Version(0), 1)).epoch
    after = await append(rig.buffer, [updated({"price_usd": 1.0})])
    assert (await rig.buffer.read_dirty(Version(0), 1)).epoch == after.epoch != appended.epoch


async def test_lost_data_is_one_new_epoch_also_while_nothing_changes(rig: Rig) -> None:
    before = await append(rig.buffer, [updated({"price_usd": 1.0})])
    rig.lose_data()
    after = await append(rig.buffer, [])
    assert before.epoch != after.epoch == (await append(rig.buffer, [])).epoch


async def test_a_repeated_append_reports_what_nobody_was_told_of(rig: Rig) -> None:
    rig.lose_answers(1)
    update = updated({"price_usd": 1.0, "holder_count": 1})
    with pytest.raises(BufferUnavailable):
        await append(rig.buffer, [update])
    other = updated({"price_usd": 1.0}, mint=OTHER_MINT)
    assert (other,) == (await append(rig.buffer, [other])).changed
    assert (update,) == (await append(rig.buffer, [update])).changed
    assert (await append(rig.buffer, [update])).changed == ()
    assert len(rig.published()) == 3  # the followers of the stream may hear it twice


async def test_what_a_repeated_append_reports_waits_for_a_flush(rig: Rig) -> None:
    """Also when the first one, of which nobody knows, was flushed before."""
    rig.lose_answers(1)
    update = updated({"price_usd": 1.0}, at=1000)
    with pytest.raises(BufferUnavailable):
        await append(rig.buffer, [update])
    [flushed] = (await rig.buffer.read_dirty(Version(0), 10)).changes
    await rig.buffer.clear_flushed([flushed])
    assert (update,) == (await append(rig.buffer, [update])).changed
    [again] = (await rig.buffer.read_dirty(Version(0), 10)).changes
    assert again.version > flushed.version
    assert (flushed.values, flushed.observed_at) == (again.values, again.observed_at)


async def test_a_repeated_append_does_not_report_a_value_that_lost(rig: Rig) -> None:
    await append(rig.buffer, [updated({"price_usd": 9.0}, at=1009)])
    older = updated({"price_usd": 1.0, "holder_count": 1}, at=1000)
    rig.lose_answers(1)
    with pytest.raises(BufferUnavailable):
        await append(rig.buffer, [older])
    assert (updated({"holder_count": 1}, at=1000),) == (await append(rig.buffer, [older])).changed


# The spool.


def token(mint: Mint, name: str = "Name") -> Token:
    return Token(mint=mint, first_seen_at=UnixSeconds(1_760_000_000.123), name=name)


async def test_spooled_tokens_come_back_exactly_and_in_order(buffer: UpdateBuffer) -> None:
    full = Token(
        mint=THIRD_MINT,
        first_seen_at=UnixSeconds(1.5),
        name=' 币\n"',
        symbol="",
        total_supply="1000000000000000",
        decimals=0,
        freeze_revoked=False,
        status=Status.BONDED,
        previous_status=Status.NEW,
        silent=True,
        watcher_count=3,
    )
    tokens = [full, token(MINT), token(OTHER_MINT)]
    await buffer.spool_tokens(tokens[:1])
    await buffer.spool_tokens(tokens[1:])
    spooled = await buffer.read_spooled(10)
    assert tokens == spooled
    assert isinstance(spooled[0].status, Status)
    assert isinstance(spooled[0].previous_status, Status)
    assert tokens[:2] == await buffer.read_spooled(2)


async def test_a_mint_is_spooled_once_the_first(buffer: UpdateBuffer) -> None:
    await buffer.spool_tokens([token(MINT, "first"), token(MINT, "second")])
    await buffer.spool_tokens([token(OTHER_MINT), token(MINT, "third")])
    assert [token(MINT, "first"), token(OTHER_MINT)] == await buffer.read_spooled(10)


async def test_unspooled_tokens_are_gone_and_the_order_stays(buffer: UpdateBuffer) -> None:
    await buffer.spool_tokens([token(MINT), token(OTHER_MINT), token(THIRD_MINT)])
    await buffer.remove_spooled([OTHER_MINT, Mint("unknown")])
    await buffer.remove_spooled([])
    await buffer.spool_tokens([token(OTHER_MINT)])
    assert [one.mint for one in await buffer.read_spooled(10)] == [MINT, THIRD_MINT, OTHER_MINT]


async def test_past_its_bound_the_spool_refuses_the_whole_call(rig: Rig) -> None:
    buffer = rig.bounded(bounds(spooled_tokens=2))
    await buffer.spool_tokens([token(MINT)])
    with pytest.raises(BufferUnavailable, match="FULL 1 new tokens wait to be stored"):
        await buffer.spool_tokens([token(OTHER_MINT), token(THIRD_MINT)])
    assert [token(MINT)] == await buffer.read_spooled(10)
    await buffer.spool_tokens([token(MINT), token(OTHER_MINT)])
    assert [token(MINT), token(OTHER_MINT)] == await buffer.read_spooled(10)


# The quarantine.


def refused(mint: Mint, reason: str = "a reason", **values: Value) -> Refused:
    return Refused(mint=mint, reason=reason, refused_at=UnixSeconds(1.25), values=values)


async def test_quarantined_rows_come_back_exactly_and_in_order(buffer: UpdateBuffer) -> None:
    rows = [
        refused(MINT, "value out of range", price_usd=1e300, holder_count=2**60, silent=False),
        refused(OTHER_MINT, 'reason "with" \n 币', name=""),
    ]
    await buffer.quarantine_rows(rows)
    assert rows == await buffer.read_quarantined()


async def test_the_latest_row_of_a_mint_is_kept_and_stands_last(buffer: UpdateBuffer) -> None:
    await buffer.quarantine_rows([refused(MINT, "first"), refused(OTHER_MINT)])
    await buffer.quarantine_rows([refused(MINT, "second")])
    assert [refused(OTHER_MINT), refused(MINT, "second")] == await buffer.read_quarantined()


async def test_past_its_bound_the_quarantine_forgets_the_oldest(rig: Rig) -> None:
    buffer = rig.bounded(bounds(quarantined_mints=2))
    await buffer.quarantine_rows([refused(MINT), refused(OTHER_MINT)])
    await buffer.quarantine_rows([refused(THIRD_MINT)])
    assert [row.mint for row in await buffer.read_quarantined()] == [OTHER_MINT, THIRD_MINT]


async def test_released_rows_are_gone(buffer: UpdateBuffer) -> None:
    await buffer.quarantine_rows([refused(MINT), refused(OTHER_MINT)])
    await buffer.release_quarantined([MINT, Mint("unknown")])
    assert [refused(OTHER_MINT)] == await buffer.read_quarantined()


async def test_the_quarantine_takes_what_json_cannot_say(buffer: UpdateBuffer) -> None:
    await buffer.quarantine_rows([refused(MINT, "\ud800", price_usd=math.nan, holder_count=2**70)])
    (row,) = await buffer.read_quarantined()
    assert {"price_usd": "nan", "holder_count": str(2**70)} == row.values
    assert row.reason == ascii("\ud800")


# Its life.


async def test_open_and_close_may_be_repeated(buffer: UpdateBuffer) -> None:
    await buffer.open()
    await buffer.open()
    await buffer.close()
    await buffer.close()
    await buffer.open()
    assert len(await everything_dirty(buffer)) == 0
