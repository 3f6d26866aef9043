"""What others write through the view reaches clients, and our own rows; and what they watch."""

from typing import Any

import attrs
import pytest
from trio.testing import MockClock

from actors.sync.others import OUTAGE, WatchPlan
from tests.unit.actors.sync.sync_world import SyncWorld, admit_tokens
from tests.unit.actors.world import SETTINGS, at, mint, running, token, until

WATCHES = "public.TokenWatch"
EVERY_SECONDS = SETTINGS.activity.watchers_interval_seconds
FEW_PROFILES = attrs.evolve(SETTINGS.sync, profile_rows_per_hour=1.0)


@attrs.define
class OthersWorld(SyncWorld):
    """With writers through the view."""

    def write(self, second: float, number: int = 1, more: int = 0, **texts: str) -> None:
        self.servers.database.write_as_others(mint(number), at(second), more, **texts)

    @property
    def overlaid(self) -> dict[str, Any]:
        """Texts of token 1 in the overlay."""
        row = self.servers.database.overlay.get(mint(1))
        return dict(row.texts) if row else {}

    def own(self, name: str) -> Any:
        return getattr(self.stored(), name)


def watching(world: SyncWorld, **counts: int) -> Any:
    """A sync that counts watches; counts by mint's number: `_1=3`."""
    set_watches(world, **counts)
    plan = WatchPlan(table=WATCHES, interval_seconds=EVERY_SECONDS)
    sync = world.sync()
    sync.watches = plan
    return sync


def set_watches(world: SyncWorld, **counts: int) -> None:
    watches = {mint(int(number[1:])): count for number, count in counts.items()}
    world.servers.database.watches[WATCHES] = watches


# Texts.


async def test_a_text_is_shown_within_seconds_and_stored_with_the_next_flush(
    autojump_clock: MockClock,
) -> None:
    world = OthersWorld()
    async with running(world.sync()):
        await admit_tokens(world, 1)
        await until(12.0)
        world.write(12.0, twitter="theirs", image_url="picture")
        await until(16.0)
        assert ("theirs", "picture") == (world.shown().twitter, world.shown().image_url)
        assert ("others", at(12.0)) == world.shown().provenance["profile"]
        assert world.own("twitter") is None
        assert world.overlaid == {"twitter": "theirs", "image_url": "picture"}
        await until(306.0)
        assert "theirs" == world.own("twitter")
        assert {} == world.servers.database.overlay


async def test_an_older_value_of_ours_never_overwrites_it(autojump_clock: MockClock) -> None:
    world = OthersWorld()
    async with running(world.sync()):
        await admit_tokens(world, 1)
        await until(11.0)
        world.write(11.0, twitter="theirs")
        await until(16.0)
        await world.update(10.0, origin="metadata", twitter="older", website="ours")
        await until(310.0)
        assert ("theirs", "ours") == (world.shown().twitter, world.shown().website)
        assert ("theirs", "ours") == (world.own("twitter"), world.own("website"))


async def test_a_newer_value_of_ours_takes_its_place(autojump_clock: MockClock) -> None:
    world = OthersWorld()
    async with running(world.sync()):
        await admit_tokens(world, 1)
        await until(11.0)
        world.write(11.0, twitter="theirs")
        await until(16.0)
        await world.update(16.0, origin="metadata", twitter="newer")
        await until(310.0)
        assert ("newer", "newer") == (world.shown().twitter, world.own("twitter"))
        assert {} == world.servers.database.overlay


async def test_another_text_later_does_not_make_the_first_one_newer(
    autojump_clock: MockClock,
) -> None:
    world = OthersWorld()
    async with running(world.sync()):
        await admit_tokens(world, 1)
        await until(11.0)
        world.write(11.0, twitter="theirs")
        await until(16.0)
        await world.update(16.0, origin="metadata", twitter="newer")
        await until(18.0)
        world.write(18.0, telegram="theirs")
        await until(21.0)
        assert ("newer", "theirs") == (world.shown().twitter, world.shown().telegram)


async def test_a_server_whose_clock_is_ahead_does_not_win_for_that_long(
    autojump_clock: MockClock,
) -> None:
    world = OthersWorld()
    async with running(world.sync()):
        await admit_tokens(world, 1)
        world.write(5000.0, twitter="theirs")
        await until(10.0)
        await world.update(10.5, origin="metadata", twitter="newer")
        await until(11.0)
        assert "newer" == world.shown().twitter


async def test_what_is_written_while_idle_is_shown_when_somebody_comes(
    autojump_clock: MockClock,
) -> None:
    world = OthersWorld()
    async with running(world.sync()):
        await admit_tokens(world, 1)
        await world.go_idle()
        await until(20.0)
        world.write(20.0, twitter="theirs")
        await until(2000.0)
        assert world.shown().twitter is None
        assert world.overlaid == {"twitter": "theirs"}
        await world.activate()
        await until(2000.5)
        assert "theirs" == world.shown().twitter


async def test_an_idle_service_does_not_ask_postgres(autojump_clock: MockClock) -> None:
    world = OthersWorld()
    sync = watching(world, _1=1)
    async with running(sync):
        await admit_tokens(world, 1)
        await world.go_idle()
        await until(30.0)
        asked_at = sync.life.store_caller.last_asked_at
        await until(590.0)  # the first retention is at 600
        assert asked_at == sync.life.store_caller.last_asked_at


async def test_it_survives_a_restart_before_it_was_flushed(autojump_clock: MockClock) -> None:
    world = OthersWorld()
    async with running(world.sync()):
        await admit_tokens(world, 1)
        await until(11.0)
        world.write(11.0, more=2, twitter="theirs")
        await until(16.0)
    for again in (SyncWorld.sync, SyncWorld.sync):
        world.memory = OthersWorld(servers=world.servers).memory  # of another process
        async with running(again(world)):
            await until(30.0)
            assert ("theirs", 2) == (world.shown().twitter, world.shown().watcher_count)
    async with running(world.sync()):
        await until(400.0)
        assert "theirs" == world.own("twitter")
        assert {} == world.overlaid


async def test_it_waits_for_a_buffer_that_is_away(autojump_clock: MockClock) -> None:
    world = OthersWorld()
    async with running(world.sync()):
        await admit_tokens(world, 1)
        await until(11.0)
        world.servers.buffer.fail_next(6)
        world.write(11.0, twitter="theirs")
        await until(16.0)
        assert world.shown().twitter is None
        assert world.overlaid == {"twitter": "theirs"}
        await until(50.0)
        assert "theirs" == world.shown().twitter


async def test_it_waits_for_a_store_that_is_away(autojump_clock: MockClock) -> None:
    world = OthersWorld()
    async with running(world.sync()):
        await admit_tokens(world, 1)
        world.write(2.0, twitter="theirs")
        world.store.go_down()
        await until(60.0)
        world.store.come_up()
        await until(70.0)
        assert "theirs" == world.shown().twitter


async def test_it_gets_its_row_whatever_profiles_may_cost(autojump_clock: MockClock) -> None:
    world = OthersWorld(settings=FEW_PROFILES)
    async with running(world.sync()):
        await admit_tokens(world, 4)
        for number in (1, 2, 3, 4):
            await world.update(2.0, number=number, origin="metadata", website="told")
        await until(11.0)
        for number in (1, 2, 3):
            world.write(11.0, number, twitter="theirs")
        await until(310.0)
        stored = [world.stored(number) for number in (1, 2, 3, 4)]
    assert ["theirs", "theirs", "theirs", None] == [each.twitter for each in stored]
    assert {} == world.servers.database.overlay


async def test_more_than_a_page_is_taken_at_once(autojump_clock: MockClock) -> None:
    world = OthersWorld()
    async with running(world.sync()):
        await until(1.0)
        await world.admit(*(token(number) for number in range(1, 902)))
        await until(11.0)
        for number in range(1, 902):
            world.write(11.0, number, twitter="theirs")
        await until(16.0)
        assert {"theirs"} == {each.twitter for each in world.shown_by_mint.values()}
        assert 901 == len(world.shown_by_mint)
        await until(330.0)
        assert {} == world.servers.database.overlay


async def test_a_pass_that_was_cut_short_misses_nobody_who_committed_late(
    autojump_clock: MockClock,
) -> None:
    world = OthersWorld()
    database = world.servers.database
    async with running(world.sync()):
        await until(1.0)
        await world.admit(*(token(number) for number in range(1, 802)))
        await until(10.5)
        database.last_change_id = 10
        for number in range(2, 802):
            world.write(10.5, number, twitter="theirs")
        world.store.delay_seconds = 1.0
        await until(16.5)  # one page has come, of two
        assert len([t for t in world.shown_by_mint.values() if t.twitter]) == 500
        world.store.go_down()
        late = attrs.evolve(database.overlay[mint(2)], mint=mint(1), change_id=5)
        database.overlay[mint(1)] = late
        await until(18.0)
        world.store.come_up()
        await until(40.0)
        assert {"theirs"} == {each.twitter for each in world.shown_by_mint.values()}


# Watchers.


async def test_watchers_of_others_are_added_to_our_own(autojump_clock: MockClock) -> None:
    world = OthersWorld()
    async with running(world.sync()):
        await admit_tokens(world, 1)
        await world.update(2.0, origin="activity", watcher_count=2)
        world.write(3.0, more=3)
        await until(10.0)
        assert 5 == world.shown().watcher_count
        await world.update(10.0, origin="activity", watcher_count=4)
        await until(10.5)
        assert 7 == world.shown().watcher_count
        await until(310.0)
        assert 4 == world.own("watcher_count")
        assert 3 == world.servers.database.overlay[mint(1)].watchers
        world.write(310.0, more=-3)
        await until(316.0)
        assert 4 == world.shown().watcher_count
        await until(325.0)
        assert {} == world.servers.database.overlay


async def test_watches_are_counted_each_interval(autojump_clock: MockClock) -> None:
    world = OthersWorld()
    async with running(watching(world, _1=3, _7=9)):
        await admit_tokens(world, 2)
        await until(EVERY_SECONDS + 1)
        assert 3 == world.shown(1).watcher_count
        assert {mint(1)} == world.servers.database.overlay.keys()  # 7 is no token of ours
        set_watches(world, _2=1)
        await until(2 * EVERY_SECONDS + 1)
        assert (0, 1) == (world.shown(1).watcher_count, world.shown(2).watcher_count)


async def test_an_increment_is_not_counted_beside_its_watch(autojump_clock: MockClock) -> None:
    world = OthersWorld()
    async with running(watching(world, _1=3)):
        await admit_tokens(world, 1)
        await until(EVERY_SECONDS + 1)
        world.write(EVERY_SECONDS + 1, more=1)
        set_watches(world, _1=4)
        await until(EVERY_SECONDS + 10)
        assert 4 == world.shown().watcher_count
        await until(2 * EVERY_SECONDS + 1)
        assert 4 == world.shown().watcher_count
        assert 4 == world.servers.database.overlay[mint(1)].watchers


async def test_counts_survive_a_restart(autojump_clock: MockClock) -> None:
    world = OthersWorld()
    async with running(watching(world, _1=3)):
        await admit_tokens(world, 1)
        await until(EVERY_SECONDS + 1)
    world.memory = OthersWorld(servers=world.servers).memory
    async with running(watching(world, _1=3)):
        await until(EVERY_SECONDS + 10)
        assert 3 == world.shown().watcher_count
        set_watches(world, _1=2)
        await until(2 * EVERY_SECONDS + 12)
        assert 2 == world.shown().watcher_count


async def test_a_table_that_cannot_be_read_degrades_the_service_by_name_and_keeps_the_counts(
    autojump_clock: MockClock,
) -> None:
    world = OthersWorld()
    async with running(watching(world, _1=3)):
        await admit_tokens(world, 1)
        await until(EVERY_SECONDS + 1)
        world.servers.database.watches[WATCHES] = "permission denied"
        await until(2 * EVERY_SECONDS + 1)
        problem = f"{WATCHES}: permission denied"
        assert {(OUTAGE, "sync"): problem} == world.conditions.problems
        assert 3 == world.shown().watcher_count
        await world.update(2 * EVERY_SECONDS, buys_24h=1)
        await until(3 * EVERY_SECONDS + 2)
        assert 1 == world.own("buys_24h")
        set_watches(world, _1=1)
        await until(4 * EVERY_SECONDS + 2)
        assert {} == world.conditions.problems
        assert 1 == world.shown().watcher_count


@pytest.mark.parametrize("table", ["", WATCHES])
async def test_no_table_is_asked_for_unless_it_is_set(
    autojump_clock: MockClock, table: str
) -> None:
    world = OthersWorld()
    sync = world.sync()
    sync.watches = WatchPlan(table=table)
    async with running(sync):
        await until(10.0)
    assert bool(table) == ((OUTAGE, "sync") in world.conditions.problems)


async def test_what_has_gone_with_its_token_is_forgotten(autojump_clock: MockClock) -> None:
    world = OthersWorld()
    sync = world.sync()
    async with running(sync):
        await admit_tokens(world, 1)
        world.write(2.0, more=1)
        await until(10.0)
        world.servers.database.overlay.clear()
        await until(3700.0)
        assert ({}, 0) == (sync.table.outside_watchers, world.shown().watcher_count)
