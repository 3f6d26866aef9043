"""Sync when Postgres has lost commits that it had acknowledged: all of it is written again."""

import attrs
from trio.testing import MockClock

from domain.token import Status, Token
from domain.values import NO_VERSION
from tests.unit.actors.sync.sync_world import SyncWorld, admit_tokens
from tests.unit.actors.world import mint, running, token, until


async def empty_spool(world: SyncWorld) -> None:
    """As ingest does: what is in the spool goes to Postgres, and sync is told."""
    buffer = world.servers.buffer
    spooled = await buffer.read_spooled(100)
    await world.admit(*spooled)
    await buffer.remove_spooled([each.mint for each in spooled])


def bare(found: Token) -> Token:
    return attrs.evolve(found, id=None, last_updated_at=None)


async def test_lost_births_and_values_are_written_again(autojump_clock: MockClock) -> None:
    world = SyncWorld()
    async with running(world.sync()):
        await admit_tokens(world, 2)
        await world.update(2, 1, price_usd=1.0, holder_count=1)
        await until(310)
        world.servers.database.make_replica()
        await world.admit(token(3))
        await world.update(320, 1, price_usd=2.0, status=int(Status.BONDED))
        await world.update(320, 3, price_usd=3.0)
        await until(610)
        before = {number: bare(world.stored(number)) for number in (1, 2, 3)}
        world.servers.database.lose_commits()
        await world.servers.insert(token(4))  # which is given the id of the lost one
        assert mint(3) not in world.servers.database.tokens
        await until(625)  # at the next pulse
        assert "postgres commits" in world.conditions.list_away()
        assert [{"births": 1, "values": 1}] == [
            {name: entry[name] for name in ("births", "values")}
            for entry in world.log.entries("postgres lost commits")
        ]
        await empty_spool(world)
        await until(920)
        assert before == {number: bare(world.stored(number)) for number in (1, 2, 3)}
        assert (None, Status.NEW) == (world.stored(4).price_usd, world.stored(4).status)
        assert "postgres commits" not in world.conditions.list_away()
        assert [] == list(await world.servers.buffer.read_spooled(10))
        assert not (await world.servers.buffer.read_dirty(NO_VERSION, 10)).changes


async def test_a_crash_that_lost_nothing_is_no_loss(autojump_clock: MockClock) -> None:
    world = SyncWorld()
    async with running(world.sync()):
        await admit_tokens(world, 2)
        await world.update(2, 1, price_usd=1.0)
        await until(310)
        await world.update(311, 1, price_usd=2.0)  # on its way
        world.servers.database.lose_commits()  # without a replica: all is there
        await until(330)
        assert [] == world.log.entries("postgres lost commits")
        assert 1 == len(world.log.entries("postgres has every commit"))
        await until(620)
        assert 2.0 == world.stored(1).price_usd
        assert 2 == len(world.rows_written)


async def test_a_flush_that_meets_the_loss_first_believes_nothing(
    autojump_clock: MockClock,
) -> None:
    """It holds the ids of before, and one of them is another token's."""
    world = SyncWorld()
    async with running(world.sync()):
        await admit_tokens(world, 1)
        world.servers.database.make_replica()
        await world.admit(token(2))
        await world.update(2, 2, price_usd=2.0)
        await until(299.5)
        world.servers.database.lose_commits()
        (heir,) = await world.servers.insert(token(3))
        await until(301)
        assert heir == world.stored(3)
        await until(311)
        await empty_spool(world)
        await until(605)
        assert (2.0, heir) == (world.stored(2).price_usd, world.stored(3))


async def test_what_came_meanwhile_is_not_beaten_by_what_is_written_again(
    autojump_clock: MockClock,
) -> None:
    world = SyncWorld()
    async with running(world.sync()):
        await admit_tokens(world, 1)
        world.servers.database.make_replica()
        await world.update(10, 1, price_usd=1.0, holder_count=5)
        await until(305)
        world.servers.buffer.lose_data()  # nor does the buffer remember when it was observed
        world.servers.database.lose_commits()
        await world.update(9, 1, origin="slow", liquidity_usd=7.0)
        await world.update(306, 1, price_usd=2.0)
        await until(905)
        stored = world.stored(1)
        assert (2.0, 5, 7.0) == (stored.price_usd, stored.holder_count, stored.liquidity_usd)


async def test_a_store_that_goes_while_it_is_compared_is_asked_again(
    autojump_clock: MockClock,
) -> None:
    world = SyncWorld(limit=100)
    world.settings = attrs.evolve(world.settings, batch_rows=2)
    async with running(world.sync()):
        await admit_tokens(world, 5)
        world.servers.database.make_replica()
        for number in range(1, 6):
            await world.update(2, number, price_usd=float(number))
        await until(309.5)
        world.servers.database.lose_commits()
        world.store.delay_seconds = 0.2
        await until(310.5)
        world.store.go_down()
        await until(320)
        world.store.come_up()
        await until(700)
        assert [1.0, 2.0, 3.0, 4.0, 5.0] == [world.stored(n).price_usd for n in range(1, 6)]
        assert 1 == len(world.log.entries("postgres lost commits"))


# -- While nobody was here -----------------------------------------------------------------


async def lose_the_last_commits(world: SyncWorld) -> None:
    """Births 1 and 2 and their values; 2 and the newest values are only in the lost commits."""
    buffer = world.servers.buffer
    async with running(world.sync()):
        await admit_tokens(world, 1)
        await world.update(2, 1, price_usd=1.0, holder_count=1)
        await until(310)
        world.servers.database.make_replica()
        await world.admit(token(2))
        await buffer.remember_births([token(1), token(2)])  # as ingest does
        await world.update(320, 1, price_usd=2.0, status=int(Status.BONDED))
        await world.update(320, 2, price_usd=3.0)
        await until(610)
        await world.update(611, 1, hot_score=4.0)  # durable in the buffer alone
        await until(612)
    world.memory = SyncWorld().memory
    world.servers.database.lose_commits()


async def test_a_start_finds_what_postgres_has_lost_meanwhile(autojump_clock: MockClock) -> None:
    world = SyncWorld()
    await lose_the_last_commits(world)
    async with running(world.sync()):
        await until(613)
        (entry,) = world.log.entries("postgres lost commits")
        assert (1, 1) == (entry["births"], entry["values"])
        assert "postgres commits" in world.conditions.list_away()
        await empty_spool(world)
        await until(920)
        assert "postgres commits" not in world.conditions.list_away()
    first, second = world.stored(1), world.stored(2)
    assert (2.0, Status.BONDED, 1) == (first.price_usd, first.status, first.holder_count)
    assert (3.0, 4.0) == (second.price_usd, first.hot_score)
    assert not (await world.servers.buffer.read_dirty(NO_VERSION, 10)).changes


async def test_a_start_after_a_crash_that_lost_nothing_writes_nothing(
    autojump_clock: MockClock,
) -> None:
    world = SyncWorld()
    async with running(world.sync()):
        await admit_tokens(world, 2)
        await world.servers.buffer.remember_births([token(1), token(2)])
        await world.update(2, 1, price_usd=1.0)
        await until(310)
    written = len(world.rows_written)
    world.memory = SyncWorld().memory
    world.servers.database.lose_commits()
    async with running(world.sync()):
        await until(700)
    assert [] == world.log.entries("postgres lost commits")
    assert written == len(world.rows_written)
    assert not (await world.servers.buffer.read_dirty(NO_VERSION, 10)).changes


async def test_a_restored_dump_shows_by_the_births_that_it_lacks(autojump_clock: MockClock) -> None:
    world = SyncWorld()
    await lose_the_last_commits(world)
    world.servers.database.epoch -= 1  # it came with the dump
    async with running(world.sync()):
        await until(613)
        await empty_spool(world)
        await until(920)
    assert (2.0, 3.0) == (world.stored(1).price_usd, world.stored(2).price_usd)


async def test_sync_that_crashes_while_it_regains_goes_on(autojump_clock: MockClock) -> None:
    world = SyncWorld()
    async with running(world.sync()):
        await admit_tokens(world, 1)
        world.servers.database.make_replica()
        await world.admit(token(2))
        await world.update(2, 1, price_usd=1.0)
        await until(310)
        world.servers.database.lose_commits()
        await until(322)
        assert "postgres commits" in world.conditions.list_away()
    async with running(world.sync()):  # with the same memory
        await until(330)
        assert "postgres commits" in world.conditions.list_away()
        await empty_spool(world)
        await until(960)
        assert "postgres commits" not in world.conditions.list_away()
    assert (1.0, token(2).mint) == (world.stored(1).price_usd, world.stored(2).mint)
