"""What every buffer does: the twin in memory, and the real one on a real server."""

import math
from typing import Any

import pytest

from buffer import UpdateBuffer
from domain.errors import BufferUnavailable
from domain.merging import Observations
from domain.token import Status
from domain.values import Mint, UnixSeconds, Value, Version
from tests.contract.buffer_rigs import (
    MINT,
    OTHER_MINT,
    THIRD_MINT,
    Rig,
    bounds,
    cleared,
    dirty_values,
    everything_dirty,
    fields_of,
    flush,
    observed,
    observed_of_each,
)

# Append: merging.


async def test_a_new_value_is_changed_and_dirty(buffer: UpdateBuffer) -> None:
    batch = observed({"price_usd": 1.5, "holder_count": 7}, at=1234.5)
    changed = (await buffer.append_observations(batch)).changed
    assert changed[MINT] is batch[MINT]
    (token,) = await everything_dirty(buffer)
    assert token.mint == MINT
    assert token.values == {"price_usd": 1.5, "holder_count": 7}
    assert token.observed_at == 1234.5
    assert token.version == token.dirty_since


async def test_an_equal_value_changes_nothing(buffer: UpdateBuffer) -> None:
    await buffer.append_observations(observed({"price_usd": 1.5}))
    before = await everything_dirty(buffer)
    assert (await buffer.append_observations(observed({"price_usd": 1.5}))).changed == {}
    assert before == await everything_dirty(buffer)


async def test_only_fields_that_changed_are_reported(buffer: UpdateBuffer) -> None:
    await buffer.append_observations(observed({"price_usd": 1.5, "holder_count": 7}))
    newer = observed({"price_usd": 1.5, "holder_count": 8}, at=1001)
    changed = (await buffer.append_observations(newer)).changed
    assert {MINT: {"holder_count": (8, 1001)}} == fields_of(changed)
    assert {"price_usd": 1.5, "holder_count": 8} == newer[MINT].values


async def test_an_older_observation_loses(buffer: UpdateBuffer) -> None:
    await buffer.append_observations(observed({"price_usd": 2.0}, at=1000))
    assert (await buffer.append_observations(observed({"price_usd": 1.0}, at=999))).changed == {}
    assert await dirty_values(buffer) == {MINT: {"price_usd": 2.0}}


async def test_of_two_observations_of_one_time_the_later_call_wins(buffer: UpdateBuffer) -> None:
    await buffer.append_observations(observed({"price_usd": 2.0}))
    await buffer.append_observations(observed({"price_usd": 1.0}))
    assert await dirty_values(buffer) == {MINT: {"price_usd": 1.0}}


async def test_an_equal_value_moves_the_time_of_observation(buffer: UpdateBuffer) -> None:
    await buffer.append_observations(observed({"price_usd": 2.0}, at=1000))
    await buffer.append_observations(observed({"price_usd": 2.0}, at=1010))
    assert (await buffer.append_observations(observed({"price_usd": 1.0}, at=1005))).changed == {}
    (token,) = await everything_dirty(buffer)
    assert token.observed_at == 1010.0


async def test_an_older_sighting_of_the_same_value_moves_no_time_back(
    buffer: UpdateBuffer,
) -> None:
    await buffer.append_observations(observed({"price_usd": 2.0}, at=1010))
    await buffer.append_observations(observed({"price_usd": 2.0}, at=1000))
    assert (await buffer.append_observations(observed({"price_usd": 1.0}, at=1005))).changed == {}


async def test_a_status_that_is_no_greater_changes_nothing(buffer: UpdateBuffer) -> None:
    await buffer.append_observations(observed({"status": Status.GRADUATING}, at=1000))
    assert (await buffer.append_observations(observed({"status": 1.0}, at=1001))).changed == {}


async def test_the_greatest_status_wins_whatever_its_time(buffer: UpdateBuffer) -> None:
    await buffer.append_observations(observed({"status": Status.GRADUATING}, at=1000))
    assert (
        await buffer.append_observations(observed({"status": Status.NEW}, at=2000))
    ).changed == {}
    assert (
        len((await buffer.append_observations(observed({"status": Status.BONDED}, at=500))).changed)
        == 1
    )
    assert await dirty_values(buffer) == {MINT: {"status": 2}}


async def test_each_field_merges_by_its_own_time(buffer: UpdateBuffer) -> None:
    values: dict[str, Value] = {"price_usd": 5.0, "holder_count": 1, "volume_24h": 3.0}
    at, earlier = UnixSeconds(1005), UnixSeconds(1003)
    batch = {MINT: Observations(values, at, "jobs", {"volume_24h": (earlier, "ingest chain")})}
    changed = (await buffer.append_observations(batch)).changed
    assert changed[MINT] is batch[MINT]
    later = {MINT: Observations({"price_usd": 6.0, "volume_24h": 4.0}, UnixSeconds(1004))}
    changed = (await buffer.append_observations(later)).changed
    assert {MINT: {"volume_24h": (4.0, 1004)}} == fields_of(changed)


async def test_what_changed_tells_the_time_of_each_field(buffer: UpdateBuffer) -> None:
    await buffer.append_observations(observed({"price_usd": 5.0}))
    values: dict[str, Value] = {"price_usd": 5.0, "holder_count": 1, "volume_24h": 3.0}
    sightings = {
        "holder_count": (UnixSeconds(1001), "holder-count"),
        "volume_24h": (UnixSeconds(1002), "market-data"),
    }
    batch = {MINT: Observations(values, UnixSeconds(1003), "sync", sightings)}
    changed = (await buffer.append_observations(batch)).changed
    assert ("sync", sightings) == (changed[MINT].origin, changed[MINT].sightings)
    expected = {"holder_count": (1, 1001), "volume_24h": (3.0, 1002)}
    assert {MINT: expected} == fields_of(changed)


async def test_tokens_of_a_batch_are_reported_in_its_order(buffer: UpdateBuffer) -> None:
    batch = observed_of_each({"price_usd": 1.0}, (OTHER_MINT, MINT, THIRD_MINT))
    changed = (await buffer.append_observations(batch)).changed
    assert [OTHER_MINT, MINT, THIRD_MINT] == list(changed)


async def test_observations_without_values_are_nothing(buffer: UpdateBuffer) -> None:
    appended = await buffer.append_observations(observed({}))
    assert ({}, {}) == (appended.changed, appended.refused)
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
    await buffer.append_observations(observed({"description": value}))
    (token,) = await everything_dirty(buffer)
    returned = token.values["description"]
    assert (type(value), repr(value)) == (type(returned), repr(returned))
    assert (
        await buffer.append_observations(observed({"description": value}, at=1001))
    ).changed == {}


@pytest.mark.parametrize(("old", "new"), [(1, True), (0, 0.0), (0.0, False), (2**60, 2**60 + 1)])
async def test_values_of_different_text_are_different(
    buffer: UpdateBuffer, old: Value, new: Value
) -> None:
    await buffer.append_observations(observed({"description": old}))
    assert len((await buffer.append_observations(observed({"description": new}))).changed) == 1


async def test_a_time_comes_back_exactly(buffer: UpdateBuffer) -> None:
    at = 1_760_000_000.1234567
    await buffer.append_observations(observed({"price_usd": 1.0}, at=at))
    (token,) = await everything_dirty(buffer)
    assert at == token.observed_at


@pytest.mark.parametrize(
    ("value", "why"),
    [
        (math.nan, "nan: not a finite number"),
        (math.inf, "inf: not a finite number"),
        (-math.inf, "-inf: not a finite number"),
        (None, "None: no value of a field"),
        (2**64, "18446744073709551616: more than 64 bits"),
        (-(2**63) - 1, "-9223372036854775809: more than 64 bits"),
        ("\ud800", "'\\ud800': surrogates without their partners"),
        (b"1", "b'1': no value of a field"),
    ],
)
async def test_what_json_cannot_say_is_refused_and_the_others_are_appended(
    buffer: UpdateBuffer, value: Any, why: str
) -> None:
    batch = observed({"holder_count": 1, "price_usd": value}, mint=OTHER_MINT)
    batch |= observed({"price_usd": 1.0}) | observed({"price_usd": 2.0}, mint=THIRD_MINT)
    appended = await buffer.append_observations(batch)
    assert {OTHER_MINT: f"price_usd: JSON cannot say {why}"} == appended.refused
    assert [MINT, THIRD_MINT] == list(appended.changed)
    assert {MINT, THIRD_MINT} == (await dirty_values(buffer)).keys()


@pytest.mark.parametrize("value", [True, "BONDED", "2", [1]])
async def test_a_status_that_is_no_number_is_refused(buffer: UpdateBuffer, value: Value) -> None:
    batch = observed({"status": value}) | observed({"status": 2}, mint=OTHER_MINT)
    appended = await buffer.append_observations(batch)
    reason = f"status: is compared as a number, and {value!a} is none"
    assert {MINT: reason} == appended.refused
    assert [OTHER_MINT] == list(appended.changed)


@pytest.mark.parametrize("moment", [math.nan, math.inf, None, "1000"])
async def test_an_observation_at_no_time_is_refused(buffer: UpdateBuffer, moment: Any) -> None:
    values: dict[str, Value] = {"price_usd": 1.0, "holder_count": 1}
    at = UnixSeconds(1000)
    batch = {
        MINT: Observations(values, moment),
        OTHER_MINT: Observations(values, at, "sync", {"price_usd": (moment, "sync")}),
        THIRD_MINT: Observations(values, at),
    }
    appended = await buffer.append_observations(batch)
    reasons = dict.fromkeys([MINT, OTHER_MINT], "observed at no time")
    assert (reasons, [THIRD_MINT]) == (appended.refused, list(appended.changed))


async def test_a_refused_value_is_shown_in_part(buffer: UpdateBuffer) -> None:
    appended = await buffer.append_observations(observed({"name": "\ud800" * 100_000}))
    assert len(appended.refused[MINT]) < 200


# Append: forced.


async def test_forced_values_are_changes_though_they_are_equal(rig: Rig) -> None:
    batch = observed({"price_usd": 1.0, "holder_count": 1})
    await rig.buffer.append_observations(batch)
    [before] = await everything_dirty(rig.buffer)
    appended = await rig.buffer.append_observations(batch, forced=True)
    assert appended.changed[MINT] is batch[MINT]
    [after] = await everything_dirty(rig.buffer)
    assert after.version > before.version
    assert len(rig.published()) == 2


async def test_a_forced_value_that_is_older_loses_all_the_same(buffer: UpdateBuffer) -> None:
    await buffer.append_observations(observed({"price_usd": 2.0}, at=1001))
    older = observed({"price_usd": 1.0, "holder_count": 1}, at=1000)
    appended = await buffer.append_observations(older, forced=True)
    assert {MINT: {"holder_count": (1, 1000)}} == fields_of(appended.changed)
    assert {MINT: {"price_usd": 2.0, "holder_count": 1}} == await dirty_values(buffer)


async def test_a_forced_token_that_was_flushed_waits_for_a_flush_again(
    buffer: UpdateBuffer,
) -> None:
    await buffer.append_observations(observed({"price_usd": 1.0}))
    await flush(buffer)
    await buffer.append_observations(observed({"price_usd": 1.0}), forced=True)
    assert {MINT: {"price_usd": 1.0}} == await dirty_values(buffer)
    await flush(buffer)
    assert {} == await dirty_values(buffer)


async def test_equal_values_are_changes_of_tokens_that_differ_to_the_caller(rig: Rig) -> None:
    batch = observed({"price_usd": 1.0}) | observed({"price_usd": 1.0}, mint=OTHER_MINT)
    await rig.buffer.append_observations(batch)
    await flush(rig.buffer)
    again = observed({"price_usd": 1.0}, at=1001) | observed({"price_usd": 1.0}, 1001, OTHER_MINT)
    appended = await rig.buffer.append_observations(again, differing={MINT})
    assert {MINT: {"price_usd": (1.0, 1001)}} == fields_of(appended.changed)
    assert {MINT: {"price_usd": 1.0}} == await dirty_values(rig.buffer)


# Append: publication.


async def test_changes_are_published_with_their_versions(rig: Rig) -> None:
    await rig.buffer.append_observations(observed({"price_usd": 1.0, "holder_count": 1}, at=1000.5))
    await rig.buffer.append_observations(observed({"price_usd": 1.0, "holder_count": 2}, at=1001.5))
    first, second = rig.published()
    assert first.values == {"price_usd": 1.0, "holder_count": 1}
    assert second.values == {"holder_count": 2}
    assert [first.observed_at, second.observed_at] == [1000.5, 1001.5]
    (token,) = await everything_dirty(rig.buffer)
    assert [token.dirty_since, token.version] == [first.version, second.version]


async def test_a_change_is_published_with_its_exact_time(rig: Rig) -> None:
    at = 1_760_000_000.1234567
    await rig.buffer.append_observations(observed({"price_usd": 1.0}, at=at))
    assert [at] == [change.observed_at for change in rig.published()]


async def test_every_change_of_a_large_batch_is_published_in_order(rig: Rig) -> None:
    mints = [Mint(f"mint-{number}") for number in range(120)]
    await rig.buffer.append_observations(observed_of_each({"price_usd": 1.0}, mints))
    assert mints == [change.mint for change in rig.published()]


async def test_what_did_not_change_is_not_published(rig: Rig) -> None:
    for at in (1000, 1001, 999):
        await rig.buffer.append_observations(observed({"price_usd": 1.0}, at=at))
    assert len(rig.published()) == 1


# Dirty and clear.


async def test_a_cleared_token_is_clean(buffer: UpdateBuffer) -> None:
    await buffer.append_observations(observed_of_each({"price_usd": 1.0}, (MINT, OTHER_MINT)))
    mine = next(token for token in await everything_dirty(buffer) if token.mint == MINT)
    assert await cleared(buffer, {MINT: mine.version}) == 1
    assert await dirty_values(buffer) == {OTHER_MINT: {"price_usd": 1.0}}
    assert len(await everything_dirty(buffer)) == 1


async def test_an_update_between_read_and_clear_is_not_lost(buffer: UpdateBuffer) -> None:
    """Defect 3 of the former system."""
    await buffer.append_observations(observed({"price_usd": 1.0, "holder_count": 1}, at=1000))
    (read,) = await everything_dirty(buffer)
    await buffer.append_observations(observed({"price_usd": 2.0}, at=1001))
    assert await cleared(buffer, {MINT: read.version}) == 0
    (left,) = await everything_dirty(buffer)
    assert left.values == {"price_usd": 2.0}
    assert left.observed_at == 1001.0
    assert left.version == left.dirty_since > read.version
    assert await cleared(buffer, {MINT: left.version}) == 1
    assert len(await everything_dirty(buffer)) == 0


async def test_clearing_an_older_version_clears_nothing(buffer: UpdateBuffer) -> None:
    await buffer.append_observations(observed({"price_usd": 1.0}))
    before = await everything_dirty(buffer)
    assert await cleared(buffer, {MINT: Version(before[0].version - 1)}) == 0
    assert before == await everything_dirty(buffer)


async def test_clearing_again_is_harmless(buffer: UpdateBuffer) -> None:
    await buffer.append_observations(observed({"price_usd": 1.0}))
    (read,) = await everything_dirty(buffer)
    await cleared(buffer, {MINT: read.version})
    assert await cleared(buffer, {MINT: read.version, OTHER_MINT: read.version}) == 0
    await buffer.append_observations(observed({"price_usd": 2.0}))
    assert await cleared(buffer, {MINT: read.version}) == 0
    assert await dirty_values(buffer) == {MINT: {"price_usd": 2.0}}


async def test_a_late_clear_makes_nothing_dirty_again(buffer: UpdateBuffer) -> None:
    await buffer.append_observations(observed({"price_usd": 1.0}))
    (first,) = await everything_dirty(buffer)
    await cleared(buffer, {MINT: first.version})
    await buffer.append_observations(observed({"holder_count": 1}))
    await cleared(buffer, {MINT: Version(first.version - 1)})
    assert await dirty_values(buffer) == {MINT: {"holder_count": 1}}


async def test_clearing_a_version_yet_to_come_clears_no_later_change(buffer: UpdateBuffer) -> None:
    await buffer.append_observations(observed({"price_usd": 1.0}))
    await cleared(buffer, {MINT: Version(2**52)})
    await buffer.append_observations(observed({"price_usd": 2.0}))
    assert await dirty_values(buffer) == {MINT: {"price_usd": 2.0}}


async def test_pages_hold_every_dirty_token_once_the_oldest_first(buffer: UpdateBuffer) -> None:
    mints = [Mint(f"mint-{number}") for number in (3, 1, 2, 5, 4)]
    await buffer.append_observations(observed_of_each({"price_usd": 1.0}, mints[:3]))
    await buffer.append_observations(observed_of_each({"price_usd": 1.0}, mints[3:]))
    await buffer.append_observations(observed({"price_usd": 2.0}, mint=mints[0]))
    seen: list[Mint] = []
    after = Version(0)
    while page := (await buffer.read_dirty(after, 2)).changes:
        assert len(page) <= 2
        seen += [token.mint for token in page]
        after = page[-1].dirty_since
    assert mints == seen


async def test_a_flushed_value_is_remembered(buffer: UpdateBuffer) -> None:
    await buffer.append_observations(observed({"price_usd": 1.0, "holder_count": 1}, at=1000))
    await flush(buffer)
    assert (await buffer.append_observations(observed({"price_usd": 1.0}, at=1001))).changed == {}
    assert (await buffer.append_observations(observed({"holder_count": 9}, at=999))).changed == {}
    assert len(await everything_dirty(buffer)) == 0


async def test_only_what_changed_after_a_flush_is_dirty(buffer: UpdateBuffer) -> None:
    await buffer.append_observations(observed({"price_usd": 1.0, "holder_count": 1}, at=1000))
    await flush(buffer)
    await buffer.append_observations(observed({"price_usd": 2.0, "holder_count": 1}, at=1001))
    assert await dirty_values(buffer) == {MINT: {"price_usd": 2.0}}


async def test_a_clean_token_is_forgotten_in_time(rig: Rig) -> None:
    buffer = rig.bounded(bounds(clean_seconds=100))
    await buffer.append_observations(observed({"price_usd": 1.0}))
    await flush(buffer)
    await rig.pass_seconds(101)
    assert len((await buffer.append_observations(observed({"price_usd": 1.0}))).changed) == 1


async def test_a_clean_token_that_is_still_seen_is_remembered(rig: Rig) -> None:
    buffer = rig.bounded(bounds(clean_seconds=100))
    await buffer.append_observations(observed({"price_usd": 1.0}, at=1000))
    await flush(buffer)
    for at in (1001, 1002):
        await rig.pass_seconds(60)
        assert (await buffer.append_observations(observed({"price_usd": 1.0}, at=at))).changed == {}


async def test_a_dirty_token_never_expires(rig: Rig) -> None:
    """Defect 4 of the former system."""
    buffer = rig.bounded(bounds(clean_seconds=100))
    await buffer.append_observations(observed({"price_usd": 1.0}, at=1000))
    await flush(buffer)
    await buffer.append_observations(observed({"price_usd": 2.0}, at=1001))
    await rig.pass_seconds(101)
    assert await dirty_values(buffer) == {MINT: {"price_usd": 2.0}}
    assert len(await everything_dirty(buffer)) == 1


async def test_past_the_bound_of_dirty_tokens_nothing_of_a_batch_is_kept(rig: Rig) -> None:
    buffer = rig.bounded(bounds(dirty_tokens=2))
    await buffer.append_observations(observed({"price_usd": 1.0}))
    batch = observed_of_each({"price_usd": 1.0}, (OTHER_MINT, THIRD_MINT))
    with pytest.raises(BufferUnavailable, match="FULL 1 tokens wait to be flushed"):
        await buffer.append_observations(batch)
    assert await dirty_values(buffer) == {MINT: {"price_usd": 1.0}}
    await flush(buffer)
    assert len((await buffer.append_observations(batch)).changed) == 2


# Versions, epochs and lost answers.


async def test_versions_grow_though_the_clock_stands_or_steps_back(rig: Rig) -> None:
    versions = []
    for number, step in enumerate((0.0, 0.0, -3600.0, 0.0, 7200.0)):
        rig.clock.advance(step)
        await rig.buffer.append_observations(observed({"price_usd": float(number)}))
        versions.append((await everything_dirty(rig.buffer))[0].version)
    assert sorted(set(versions)) == versions
    assert int(rig.clock.now * 1e6) == versions[-1]


async def test_lost_data_means_a_new_epoch_and_greater_versions(rig: Rig) -> None:
    before = await rig.buffer.append_observations(observed({"price_usd": 1.0}))
    assert before.epoch == (await rig.buffer.append_observations({})).epoch
    (old,) = await everything_dirty(rig.buffer)
    rig.lose_data()
    rig.clock.advance(-3600)
    after = await rig.buffer.append_observations(observed({"price_usd": 1.0}))
    assert before.epoch != after.epoch == (await rig.buffer.append_observations({})).epoch
    assert len(after.changed) == 1
    (new,) = await everything_dirty(rig.buffer)
    assert old.version < new.version
    assert await cleared(rig.buffer, {MINT: old.version}) == 0


async def test_a_page_tells_the_epoch_and_the_newest_version(rig: Rig) -> None:
    mints = [MINT, OTHER_MINT]
    appended = await rig.buffer.append_observations(observed_of_each({"price_usd": 1.0}, mints))
    page = await rig.buffer.read_dirty(Version(0), 1)
    assert (page.epoch, page.newest) == (appended.epoch, appended.newest)
    assert page.changes[0].version < page.newest
    rig.lose_data()
    assert "" == (await rig.buffer.read_dirty(Version(0), 1)).epoch
    after = await rig.buffer.append_observations(observed({"price_usd": 1.0}))
    assert (await rig.buffer.read_dirty(Version(0), 1)).epoch == after.epoch != appended.epoch


async def test_lost_data_is_one_new_epoch_also_while_nothing_changes(rig: Rig) -> None:
    before = await rig.buffer.append_observations(observed({"price_usd": 1.0}))
    rig.lose_data()
    after = await rig.buffer.append_observations({})
    assert before.epoch != after.epoch == (await rig.buffer.append_observations({})).epoch


async def test_a_repeated_append_reports_what_nobody_was_told_of(rig: Rig) -> None:
    rig.lose_answers(1)
    update = observed({"price_usd": 1.0, "holder_count": 1})
    with pytest.raises(BufferUnavailable):
        await rig.buffer.append_observations(update)
    other = observed({"price_usd": 1.0}, mint=OTHER_MINT)
    assert other == (await rig.buffer.append_observations(other)).changed
    assert update == (await rig.buffer.append_observations(update)).changed
    assert (await rig.buffer.append_observations(update)).changed == {}
    assert len(rig.published()) == 3  # the followers of the stream may hear it twice


async def test_a_repeated_append_reports_it_also_when_older_values_were_put_back_before(
    rig: Rig,
) -> None:
    await rig.buffer.append_observations(held := observed({"price_usd": 1.0}, at=1000))
    rig.lose_answers(1)
    update = observed({"price_usd": 2.0}, at=1001)
    with pytest.raises(BufferUnavailable):
        await rig.buffer.append_observations(update)
    put_back = await rig.buffer.append_observations(held, forced=True)
    assert {} == put_back.changed  # it is older than what the server has
    assert update == (await rig.buffer.append_observations(update)).changed
    assert {} == (await rig.buffer.append_observations(update)).changed


async def test_what_a_repeated_append_reports_waits_for_a_flush(rig: Rig) -> None:
    """Also when the first one, of which nobody knows, was flushed before."""
    rig.lose_answers(1)
    update = observed({"price_usd": 1.0}, at=1000)
    with pytest.raises(BufferUnavailable):
        await rig.buffer.append_observations(update)
    [flushed] = (await rig.buffer.read_dirty(Version(0), 10)).changes
    await rig.buffer.clear_flushed([flushed])
    assert update == (await rig.buffer.append_observations(update)).changed
    [again] = (await rig.buffer.read_dirty(Version(0), 10)).changes
    assert again.version > flushed.version
    assert (flushed.values, flushed.observed_at) == (again.values, again.observed_at)


async def test_a_repeated_append_does_not_report_a_value_that_lost(rig: Rig) -> None:
    await rig.buffer.append_observations(observed({"price_usd": 9.0}, at=1009))
    older = observed({"price_usd": 1.0, "holder_count": 1}, at=1000)
    rig.lose_answers(1)
    with pytest.raises(BufferUnavailable):
        await rig.buffer.append_observations(older)
    changed = (await rig.buffer.append_observations(older)).changed
    assert {MINT: {"holder_count": (1, 1000)}} == fields_of(changed)


# Its life.


async def test_open_and_close_may_be_repeated(buffer: UpdateBuffer) -> None:
    await buffer.open()
    await buffer.open()
    await buffer.close()
    await buffer.close()
    await buffer.open()
    assert len(await everything_dirty(buffer)) == 0
