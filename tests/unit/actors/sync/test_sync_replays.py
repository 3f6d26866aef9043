"""Values that were refused, and that an operator hands back; and those that are parked."""

from typing import Any

import trio
from trio.testing import MockClock

from domain.messages import TokensAdmitted, UpdateReplayed
from domain.quarantine import EntrySettled, ParkedUpdate, QuarantineEntry
from tests.unit.actors.sync.sync_world import SyncWorld, admit_tokens
from tests.unit.actors.world import PickyStore, Servers, at, mint, running, token, until


def picky_world() -> tuple[SyncWorld, PickyStore]:
    servers = Servers()
    store = PickyStore(database=servers.database)
    return SyncWorld(servers=servers, store=store), store


async def replay(world: SyncWorld, entry: QuarantineEntry) -> None:
    await world.messages.send(UpdateReplayed(entry_id=entry.id, update=entry.restore_content()))


async def refuse_update(world: SyncWorld, store: PickyStore, **values: Any) -> QuarantineEntry:
    """Let Postgres refuse values of token 1 at the flush at 300 s."""
    await admit_tokens(world, 2)
    store.refused_mints.add(mint(1))
    await world.update(1.0, **values)
    await world.update(1.0, number=2, holder_count=2)
    await until(301.0)
    [entry] = world.quarantined
    return entry


async def test_replayed_values_are_stored_at_once_and_settled(autojump_clock: MockClock) -> None:
    world, store = picky_world()
    async with running(world.sync()):
        entry = await refuse_update(world, store, holder_count=7, website="w")
        assert (2, None) == (world.stored(2).holder_count, world.stored(1).holder_count)
        store.refused_mints.clear()
        await replay(world, entry)
        await until(302.0)  # long before the next flush
        assert (7, "w") == (world.stored().holder_count, world.stored().website)
    assert [EntrySettled(entry_id=entry.id)] == world.quarantine.of(EntrySettled)
    assert {} == world.memory.replays
    assert 0 == len(world.servers.buffer.data.dirty_since)


async def test_values_that_are_refused_again_are_the_same_entry(autojump_clock: MockClock) -> None:
    world, store = picky_world()
    async with running(world.sync()):
        entry = await refuse_update(world, store, holder_count=7)
        await world.update(301.0, website="w")  # goes with them this time
        await until(301.5)
        await replay(world, entry)
        await until(302.0)
        again = world.quarantined[1]
    assert (entry.id, {"holder_count": 7, "website": "w"}) == (
        again.id,
        again.restore_content().values,
    )
    assert [] == world.quarantine.of(EntrySettled)
    assert {} == world.memory.replays


async def test_newer_values_win_over_replayed_ones(autojump_clock: MockClock) -> None:
    world, store = picky_world()
    async with running(world.sync()):
        entry = await refuse_update(world, store, holder_count=7, website="old")
        store.refused_mints.clear()
        await world.update(301.0, holder_count=8)
        await until(302.0)
        await replay(world, entry)
        await until(303.0)
        assert (8, "old") == (world.stored().holder_count, world.stored().website)
        assert 8 == world.shown().holder_count
        # All of it is old news by now.
        await world.update(303.0, website="new")
        await until(304.0)
        await replay(world, entry)
        await until(700.0)
    assert (8, "new") == (world.stored().holder_count, world.stored().website)
    assert 2 == len(world.quarantine.of(EntrySettled))


async def test_replay_waits_for_redis_and_nothing_else_waits_for_it(
    autojump_clock: MockClock,
) -> None:
    world, store = picky_world()
    async with running(world.sync()):
        entry = await refuse_update(world, store, holder_count=7)
        store.refused_mints.clear()
        world.servers.buffer.fail_next(2)
        await replay(world, entry)
        await world.admit(token(3))
        await until(301.1)
        assert mint(3) in world.shown_by_mint
        await until(330.0)
        assert 7 == world.stored().holder_count
    assert [EntrySettled(entry_id=entry.id)] == world.quarantine.of(EntrySettled)


async def test_restarted_sync_goes_on_with_a_replay(autojump_clock: MockClock) -> None:
    world, store = picky_world()
    async with running(world.sync()):
        entry = await refuse_update(world, store, holder_count=7)
        store.refused_mints.clear()
        world.servers.database.is_down = True
        await replay(world, entry)
        await until(303.0)
        assert [entry.id] == list(world.memory.replays)
    world.servers.database.is_down = False
    async with running(world.sync()):
        await until(310.0)
    assert 7 == world.stored().holder_count
    assert [EntrySettled(entry_id=entry.id)] == world.quarantine.of(EntrySettled)


async def test_replayed_values_that_make_no_sense_come_back_at_once(
    autojump_clock: MockClock,
) -> None:
    world, _ = picky_world()
    nonsense: list[dict[str, Any]] = [{"no_such_field": 1}, {"status": "high"}]
    async with running(world.sync()):
        await until(1.0)
        for number, values in enumerate(nonsense, start=1):
            await world.update(1.0, number=number, **values)
        await until(2.0)
        unknown, wrong = world.quarantined
        await replay(world, unknown)
        await replay(world, wrong)
        await until(3.0)
    assert [unknown.id, wrong.id] == [entry.id for entry in world.quarantined[2:]]
    assert {} == world.memory.replays


async def test_two_entries_of_one_token_are_replayed_together(autojump_clock: MockClock) -> None:
    world, store = picky_world()
    async with running(world.sync()):
        first = await refuse_update(world, store, holder_count=7)
        await world.update(302.0, website="w")
        await until(601.0)
        second = world.quarantined[1]
        store.refused_mints.clear()
        await replay(world, first)
        await replay(world, second)
        await until(603.0)
        assert (7, "w") == (world.stored().holder_count, world.stored().website)
    settled = {told.entry_id for told in world.quarantine.of(EntrySettled)}
    assert {first.id, second.id} == settled


# What is parked.


async def test_parked_values_are_told_until_their_token_is_stored(
    autojump_clock: MockClock,
) -> None:
    world = SyncWorld()
    sync = world.sync()
    async with running(sync):
        await until(1.0)
        await world.update(1.0, holder_count=7)
        await world.update(1.0, number=2, holder_count=7)
        await until(301.0)
        parked = sync.snapshot().oldest_parked
        assert [mint(1), mint(2)] == [update.mint for update in parked]
        assert (2, at(1.0), ("holder_count",)) == (
            sync.snapshot().parked,
            round(parked[0].since, 3),
            parked[0].fields,
        )
        await world.admit(token(1))
        await until(601.0)
        assert [mint(2)] == [update.mint for update in sync.snapshot().oldest_parked]
        await until(3999.0)
        assert (0, [mint(2)]) == (sync.snapshot().parked, [e.mint for e in world.quarantined])
    assert 7 == world.stored(1).holder_count


async def test_a_parked_update_that_left_the_buffer_is_told_no_more(
    autojump_clock: MockClock,
) -> None:
    world = SyncWorld()
    world.memory.parked[mint(1)] = ParkedUpdate(mint=mint(1), since=at(0), fields=())
    async with running(world.sync()):
        await until(1.0)
    assert {} == world.memory.parked


# A drain past the buffer.


async def test_what_postgres_refuses_at_a_drain_past_the_buffer_goes_to_quarantine(
    autojump_clock: MockClock,
) -> None:
    world, store = picky_world()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(world.sync().run)
        await admit_tokens(world, 2)
        await world.update(2.0, number=1, holder_count=1)
        await world.update(2.0, number=2, holder_count=2)
        await world.messages.send(TokensAdmitted(tokens=(token(3),)))
        await until(3.0)
        store.refused_mints.update({mint(1), mint(3)})
        world.servers.buffer.fail_next(1_000_000)
        world.messages.close()
    assert (2, None) == (world.stored(2).holder_count, world.stored(1).holder_count)
    birth, update = world.quarantined
    assert ("birth", "ingest", token(3)) == (birth.kind, birth.place, birth.restore_content())
    assert ("update", "sync", mint(1), {"holder_count": 1}) == (
        update.kind,
        update.place,
        update.mint,
        update.restore_content().values,
    )
    assert {} == world.memory.count_unsaved()
